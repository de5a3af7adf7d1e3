// The plane with its points and what the network says of every place; beside it, the loss.
const SIDE = 640; // twice its size on the page, for sharp screens
const WIDTH = 520;
const EDGE = 60;

function render({ model, el }) {
  el.classList.add("labkit-view");
  el.innerHTML = `
    <figure>
      <canvas class="labkit-plane" role="img" width="${SIDE}" height="${SIDE}"></canvas>
      <figcaption>Circles and squares are the two classes. The deeper a colour, the surer
      the network; white is the boundary.</figcaption>
    </figure>
    <figure>
      <canvas class="labkit-loss" role="img" width="${WIDTH}" height="${SIDE / 2}"></canvas>
      <figcaption>The loss after each epoch.</figcaption>
    </figure>`;
  const [plane, curve] = el.querySelectorAll("canvas");
  const colours = model.get("colours");
  const size = model.get("size");
  const field = Object.assign(document.createElement("canvas"), { width: size, height: size });

  function drawPlane() {
    const view = model.get("field");
    if (view.byteLength !== 4 * size * size) return;
    const pixels = new Uint8ClampedArray(view.buffer, view.byteOffset, view.byteLength);
    field.getContext("2d").putImageData(new ImageData(pixels.slice(), size), 0, 0);
    const context = plane.getContext("2d");
    context.drawImage(field, 0, 0, SIDE, SIDE);
    const extent = model.get("extent");
    context.strokeStyle = colours.paper;
    context.lineWidth = 2;
    for (const [x, y, label] of model.get("points")) {
      const across = (SIDE * (x + extent)) / (2 * extent);
      const down = (SIDE * (extent - y)) / (2 * extent);
      context.fillStyle = colours.classes[label];
      context.beginPath();
      if (label) context.rect(across - 7, down - 7, 14, 14);
      else context.arc(across, down, 8, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
    plane.setAttribute("aria-label", model.get("text"));
  }

  function drawCurve() {
    const view = model.get("losses");
    const losses = [...Array(view.byteLength / 4).keys()].map((i) => view.getFloat32(4 * i, true));
    const context = curve.getContext("2d");
    const { width, height } = curve;
    const top = Math.max(0.1, ...losses);
    const x = (i) => EDGE + ((width - EDGE - 12) * i) / Math.max(1, losses.length - 1);
    const y = (loss) => 20 + (height - EDGE - 20) * (1 - loss / top);
    context.fillStyle = colours.paper;
    context.fillRect(0, 0, width, height);
    context.strokeStyle = colours.line;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(EDGE, 20);
    context.lineTo(EDGE, y(0));
    context.lineTo(width - 12, y(0));
    context.stroke();
    context.fillStyle = colours.ink;
    context.font = "22px sans-serif";
    context.textAlign = "right";
    context.fillText(top.toFixed(1), EDGE - 8, 28);
    context.fillText("0", EDGE - 8, y(0) + 6);
    context.fillText(losses.length ? `epoch ${losses.length}` : "", width - 12, height - 24);
    context.strokeStyle = colours.classes[1];
    context.lineWidth = 4;
    context.beginPath();
    losses.forEach((loss, i) => context.lineTo(x(i), y(loss)));
    context.stroke();
    curve.setAttribute(
      "aria-label",
      losses.length
        ? `The loss went from ${losses[0].toFixed(3)} to ${losses.at(-1).toFixed(3)} in ${losses.length} epochs.`
        : "The loss: no epoch yet.",
    );
  }

  model.on("change:field", drawPlane);
  model.on("change:points", drawPlane);
  model.on("change:losses", drawCurve);
  drawPlane();
  drawCurve();
}

export default { render };
