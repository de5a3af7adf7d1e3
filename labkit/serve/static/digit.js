// The drawing pad on a page: the server answers it.
import { drawingPad } from "./canvas.js";

const place = document.getElementById("pad");
const pad = drawingPad({
  names: [..."0123456789"],
  ask,
  silence: "The server does not answer. It may have much to do, or have been stopped.",
});

async function ask(kind, number, ink) {
  let answer;
  try {
    const headers = { "Content-Type": "application/octet-stream" };
    const response = await fetch(place.dataset.address, { method: "POST", headers, body: ink });
    answer = await response.json();
  } catch {
    answer = { error: "The server cannot be reached. Start it again, then draw on." };
  }
  pad.answered({ ...answer, kind, number }, answer.seen);
}

place.append(...pad.parts);
