// A canvas to draw a digit on, and bars for what a network says of it: on a page of the server and,
// with draw.js behind it, in a notebook. Pointer events serve mouse, touch and pen alike; with the
// keyboard, arrow keys move the pen and the space bar puts it down or lifts it.
const SIDE = 280;
const PEN = 22;
const STEP = 8;
const PATIENCE = 10_000; // ms after which an answer does not come any more: whoever gives it was restarted
const REST = 400; // ms without a stroke after which there is time for the maps

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// names: of the classes, in the order of the probabilities.
// ask(kind, number, ink): sends SIDE × SIDE bytes on; its answer comes through `answered`.
// silence: what to say when no answer comes.
// maps: whether to ask for "maps", too, when the pen has rested.
export function drawingPad({ names, ask, silence, maps = false }) {
  const canvas = element("canvas", {
    width: SIDE,
    height: SIDE,
    tabindex: 0,
    role: "application",
    "aria-label":
      "Drawing area. Draw a digit, or move the pen with the arrow keys and put it down or lift it with the space bar.",
  });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const clear = element("button", { type: "button" }, "Clear");
  const undo = element("button", { type: "button" }, "Undo");
  const said = element("p", { role: "status", "aria-live": "polite" });
  const bars = names.map((name) => {
    const meter = element("meter", { min: 0, max: 100, value: 0, "aria-label": name });
    const share = element("span", {}, "0 %");
    const row = element("div", { class: "labkit-bar" }, element("span", {}, name), meter, share);
    return { row, meter, share };
  });
  const seen = element("canvas", {
    width: 28,
    height: 28,
    role: "img",
    "aria-label": "What the network sees: your drawing, centred, in 28 by 28 pixels",
  });
  let strokes = [];
  let pointer = null; // the one that draws: a second finger does not
  let byHand = false; // a mouse, a finger or a pen shows itself where it is
  let pen = { x: SIDE / 2, y: SIDE / 2, down: false };
  let last = 0; // the number of the newest question; older ones are stale
  let waiting = null; // the timer of a question that is under way
  let stale = false; // whether the drawing has changed since it was asked
  let rest = null;

  function draw() {
    context.fillStyle = "black";
    context.fillRect(0, 0, SIDE, SIDE);
    context.strokeStyle = "white";
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    for (const points of strokes) {
      context.beginPath();
      context.moveTo(points[0].x, points[0].y);
      // A dot is a line that ends where it begins.
      for (const point of points.length > 1 ? points.slice(1) : points) {
        context.lineTo(point.x, point.y);
      }
      context.stroke();
    }
  }

  function drawPen() {
    if (byHand || document.activeElement !== canvas) return;
    context.fillStyle = pen.down ? "orange" : "deepskyblue";
    context.fillRect(pen.x - 4, pen.y - 4, 8, 8);
  }

  function send(kind) {
    draw();
    const ink = new Uint8Array(SIDE * SIDE);
    const pixels = context.getImageData(0, 0, SIDE, SIDE).data;
    for (let i = 0; i < ink.length; i++) ink[i] = pixels[4 * i];
    drawPen();
    stale = false;
    last += 1;
    waiting = setTimeout(() => {
      waiting = null;
      said.textContent = silence;
    }, PATIENCE);
    ask(kind, last, ink);
  }

  // One question at a time, so that answers never queue up; what was drawn meanwhile is asked next.
  function changed() {
    clearTimeout(rest);
    stale = true;
    draw();
    drawPen();
    if (waiting === null) send("probabilities");
  }

  // answer: the kind and the number of its question, with probabilities or an error; pixels: what
  // the network sees. Returns whether it is the answer to the newest question.
  function answered(answer, pixels) {
    if (answer.number !== last) return false;
    clearTimeout(waiting);
    waiting = null;
    if (answer.error) said.textContent = answer.error;
    else if (answer.kind === "probabilities") show(answer.probabilities, pixels);
    if (stale) {
      send("probabilities");
    } else if (answer.kind === "probabilities" && maps) {
      clearTimeout(rest);
      rest = setTimeout(() => waiting === null && send("maps"), REST);
    }
    return true;
  }

  function show(shares, pixels) {
    const best = shares.indexOf(Math.max(...shares));
    bars.forEach(({ row, meter, share }, i) => {
      const percent = Math.round(100 * (shares[i] ?? 0));
      meter.value = percent;
      share.textContent = `${percent} %`;
      row.classList.toggle("labkit-best", i === best);
    });
    const text = shares.length
      ? `The network says ${names[best]}.`
      : "Draw a digit; the network answers while you draw.";
    if (said.textContent !== text) said.textContent = text; // read out when it changes
    const colours = new ImageData(28, 28);
    pixels.forEach((pixel, i) => colours.data.set([pixel, pixel, pixel, 255], 4 * i));
    seen.getContext("2d").putImageData(colours, 0, 0);
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    const edge = canvas.clientLeft;
    return {
      x: ((event.clientX - box.left - edge) * SIDE) / canvas.clientWidth,
      y: ((event.clientY - box.top - edge) * SIDE) / canvas.clientHeight,
    };
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    byHand = true;
    canvas.setPointerCapture(pointer);
    canvas.focus({ preventScroll: true });
    pen.down = false;
    strokes.push([at(event)]);
    changed();
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    // A fast hand makes several points a frame.
    const events = event.getCoalescedEvents?.() ?? [];
    strokes.at(-1).push(...(events.length ? events : [event]).map(at));
    changed();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === pointer) pointer = null;
    });
  }
  canvas.addEventListener("keydown", (event) => {
    byHand = false;
    const moves = {
      ArrowLeft: [-STEP, 0],
      ArrowRight: [STEP, 0],
      ArrowUp: [0, -STEP],
      ArrowDown: [0, STEP],
    };
    if (event.key in moves) {
      const [x, y] = moves[event.key];
      pen.x = Math.min(SIDE, Math.max(0, pen.x + x));
      pen.y = Math.min(SIDE, Math.max(0, pen.y + y));
      if (pen.down) strokes.at(-1).push({ x: pen.x, y: pen.y });
    } else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) strokes.push([{ x: pen.x, y: pen.y }]);
      said.textContent = pen.down ? "Pen down." : "Pen up.";
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // JupyterLab has its own use for these keys
    if (pen.down) changed();
    else {
      draw();
      drawPen();
    }
  });
  for (const turn of ["focus", "blur"]) {
    canvas.addEventListener(turn, () => {
      draw();
      drawPen();
    });
  }
  clear.addEventListener("click", () => {
    strokes = [];
    pen.down = false;
    changed();
  });
  undo.addEventListener("click", () => {
    strokes.pop();
    pen.down = false;
    changed();
  });

  draw();
  show([], new Uint8Array(28 * 28));
  return {
    parts: [
      element("div", {}, canvas, element("div", {}, clear, undo)),
      element("div", {}, said, ...bars.map(({ row }) => row)),
      element("figure", {}, element("figcaption", {}, "What the network sees"), seen),
    ],
    answered,
    stop() {
      clearTimeout(waiting);
      clearTimeout(rest);
    },
  };
}
