// What a page without scripts cannot do: drop and paste a photo, show it, and ask without leaving.
const form = document.getElementById("ask");
const inputs = [...form.querySelectorAll("input[type=file]")];
const button = form.querySelector("button");
const preview = document.getElementById("preview");
const image = preview.querySelector("img");
const problem = document.getElementById("problem");
const status = document.getElementById("status");
let answer = document.getElementById("answer");
let underWay = new AbortController();

function say(text) {
  status.textContent = text;
}

function refuse(text) {
  problem.textContent = text;
  problem.hidden = !text;
  for (const input of inputs) input.toggleAttribute("aria-invalid", Boolean(text));
}

// A photo was chosen: what was said of another one is gone.
function chosen(file) {
  underWay.abort();
  answer.hidden = true;
  button.disabled = false;
  say("");
  refuse("");
  URL.revokeObjectURL(image.src);
  preview.hidden = !file;
  if (!file) return;
  image.src = URL.createObjectURL(file);
  preview.querySelector("figcaption").textContent = file.name;
  if (isSmall(file)) say(`${file.name} is chosen.`);
}

function isSmall(file) {
  const most = Number(form.dataset.mostBytes);
  if (file.size <= most) return true;
  const [has, may] = [file.size, most].map((bytes) => (bytes / 1e6).toFixed(1));
  refuse(`The photo has ${has} MB, and at most ${may} MB can be sent. Choose a smaller one.`);
  return false;
}

function take(files) {
  if (!files?.length) return false;
  const one = new DataTransfer();
  one.items.add(files[0]);
  inputs[0].files = one.files;
  inputs[1].value = "";
  chosen(files[0]);
  return true;
}

inputs.forEach((input, i) => {
  input.addEventListener("change", () => {
    if (input.files.length) inputs[1 - i].value = "";
    chosen(input.files[0]);
  });
});
document.addEventListener("paste", (event) => {
  if (take(event.clipboardData?.files)) event.preventDefault();
});
// On the whole page: a photo that misses the form would be opened in its place.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("dropping");
});
for (const end of ["dragleave", "drop"]) {
  document.addEventListener(end, () => form.classList.remove("dropping"));
}
document.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer?.files);
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = inputs.map((input) => input.files[0]).find(Boolean);
  if (file && !isSmall(file)) return;
  underWay = new AbortController();
  const { signal } = underWay;
  button.disabled = true;
  answer.hidden = true;
  refuse("");
  say("The model looks at your photo …");
  try {
    const headers = { Accept: "text/html" };
    const response = await fetch(form.action, { method: "POST", headers, body: new FormData(form), signal });
    await show(response);
  } catch (error) {
    if (error.name === "AbortError") return;
    say("");
    refuse("The server cannot be reached. Start it again, then ask again.");
  }
  button.disabled = false;
});

async function show(response) {
  say("");
  if (!response.headers.get("content-type")?.startsWith("text/html")) {
    refuse((await response.json()).error); // refused before it came to a page
    return;
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const [said, wrong] = ["answer", "problem"].map((id) => page.getElementById(id));
  refuse(wrong?.textContent ?? page.querySelector(".problem").textContent);
  if (said && !said.hidden) {
    said.removeAttribute("autofocus"); // only for a page of its own
    answer.replaceWith(said);
    answer = said;
    answer.focus(); // its heading is read out
  } else {
    inputs[0].focus();
  }
}

// What the browser cannot show, the server may still read.
image.addEventListener("error", () => (preview.hidden = true));
form.querySelector(".scripted").hidden = false;
const early = inputs.map((input) => input.files[0]).find(Boolean);
if (early) chosen(early); // before this script was there
