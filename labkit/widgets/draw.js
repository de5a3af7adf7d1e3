// The drawing pad in a notebook: the kernel answers it. canvas.js, which has drawingPad, stands
// before this file in what the notebook loads.
function render({ model, el }) {
  const maps = element("div", { class: "labkit-maps" });
  const pad = drawingPad({
    names: model.get("class_names"),
    ask: (kind, number, ink) => model.send({ kind, number }, undefined, [ink.buffer]),
    silence: "The kernel does not answer. It may be busy, or you may have to run the cell again.",
    maps: model.get("maps"),
  });

  function answered(answer, buffers) {
    const pixels = buffers.length && new Uint8Array(buffers[0].buffer, buffers[0].byteOffset);
    // Made by our own code in the kernel: pictures with alt text, nothing that a user typed.
    if (pad.answered(answer, pixels) && "maps" in answer) maps.innerHTML = answer.maps;
  }

  model.on("msg:custom", answered);
  el.classList.add("labkit-draw");
  // What JupyterLab takes for its own otherwise: a drag would move the cell, a key would do a command.
  el.dataset.lmSuppressShortcuts = "true";
  el.append(...pad.parts, maps);
  return () => {
    pad.stop();
    model.off("msg:custom", answered);
  };
}

export default { render };
