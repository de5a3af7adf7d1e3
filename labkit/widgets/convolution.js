// The picture with the kernel's frame on it, and the result with the pixel that it makes.
// Arrow keys on the picture move the kernel; a click on either puts it there.
const LARGEST = 340; // pixels of the page
const PAUSE = 500; // milliseconds at each place while it slides by itself

function render({ model, el }) {
  el.classList.add("labkit-view");
  el.innerHTML = `
    <figure>
      <canvas tabindex="0" role="application"
        aria-label="Picture. The arrow keys move the kernel over it."></canvas>
      <figcaption>The picture. Click on it, or move the kernel with the arrow keys.</figcaption>
      <button type="button">Slide</button>
    </figure>
    <figure>
      <canvas role="img" aria-label="Result of the convolution."></canvas>
      <figcaption>The result. Below 0 is vermillion, above it blue; grey where nothing is
      below 0.</figcaption>
    </figure>`;
  const [picture, result] = el.querySelectorAll("canvas");
  const slide = el.querySelector("button");
  let timer = null;

  function side() {
    const { picture } = model.get("scene");
    return Math.max(6, Math.min(30, Math.floor(LARGEST / Math.max(picture.length, picture[0].length))));
  }

  function paint(canvas, cells, top, left, height, width) {
    const cell = 2 * side(); // twice its size on the page, for sharp screens
    canvas.width = cells[0].length * cell;
    canvas.height = cells.length * cell;
    canvas.style.width = `${canvas.width / 2}px`;
    const context = canvas.getContext("2d");
    context.font = `${Math.round(0.42 * cell)}px sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    cells.forEach((row, y) =>
      row.forEach(([paper, ink, number], x) => {
        context.fillStyle = paper;
        context.fillRect(x * cell, y * cell, cell, cell);
        context.fillStyle = ink;
        context.fillText(number, (x + 0.5) * cell, (y + 0.5) * cell, cell - 4);
      }),
    );
    // Orange between two dark lines stands out from every colour.
    const line = Math.min(6, cell / 4);
    for (const [colour, thick] of [["#1f2933", line + 4], [model.get("mark"), line]]) {
      context.strokeStyle = colour;
      context.lineWidth = thick;
      context.strokeRect(left * cell, top * cell, width * cell, height * cell);
    }
  }

  function draw() {
    const scene = model.get("scene");
    const [row, column] = [model.get("row"), model.get("column")];
    const [rows, columns] = scene.kernel;
    paint(picture, scene.picture, row * scene.stride, column * scene.stride, rows, columns);
    paint(result, scene.result, row, column, 1, 1);
  }

  function move(row, column) {
    const { result } = model.get("scene");
    model.set("row", Math.min(result.length - 1, Math.max(0, row)));
    model.set("column", Math.min(result[0].length - 1, Math.max(0, column)));
    model.save_changes();
  }

  function next() {
    const { result } = model.get("scene");
    const [row, column] = [model.get("row"), model.get("column")];
    if (column < result[0].length - 1) move(row, column + 1);
    else if (row < result.length - 1) move(row + 1, 0);
    else stop();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    slide.textContent = "Slide";
  }

  slide.addEventListener("click", () => {
    if (timer !== null) return stop();
    timer = setInterval(next, PAUSE);
    slide.textContent = "Stop";
  });

  function cellAt(event) {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientY - box.top, event.clientX - box.left].map((at) => Math.floor(at / side()));
  }

  picture.addEventListener("keydown", (event) => {
    const moves = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
    };
    if (!(event.key in moves)) return;
    const [down, across] = moves[event.key];
    event.preventDefault();
    move(model.get("row") + down, model.get("column") + across);
  });
  picture.addEventListener("click", (event) => {
    const { stride, kernel } = model.get("scene");
    const [row, column] = cellAt(event).map((at, i) =>
      Math.round((at - (kernel[i] - 1) / 2) / stride),
    );
    move(row, column);
  });
  result.addEventListener("click", (event) => move(...cellAt(event)));
  model.on("change:scene", draw);
  model.on("change:row", draw);
  model.on("change:column", draw);
  draw();
  return stop;
}

export default { render };
