// What ipywidgets leaves undone, for the panel around this element: names for its sliders, a status
// line that is read out, buttons that copy.

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    // Only what is new: the panel is being watched.
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
}

function improve(panel) {
  for (const slider of panel.querySelectorAll(".widget-slider")) {
    const name = slider.querySelector(".widget-label")?.textContent ?? "";
    const readout = slider.querySelector(".widget-readout");
    const handle = slider.querySelector("[role=slider]");
    if (!readout || !handle) continue;
    // The handle of a logarithmic slider would give the logarithm.
    set(handle, { "aria-label": name, "aria-valuetext": readout.textContent });
    set(readout, { role: "textbox", "aria-label": `${name}, as a number` });
  }
  for (const icon of panel.querySelectorAll(".widget-button > i")) {
    set(icon, { "aria-hidden": "true" }); // its glyph would be read as part of the button's name
  }
  for (const bar of panel.querySelectorAll(".widget-hprogress .progress")) {
    set(bar, { "aria-hidden": "true" }); // the status line says as much
  }
  for (const line of panel.querySelectorAll(".labkit-status")) {
    // The text is exchanged with its element, so it is what is around it that has to be live.
    set(line.parentElement, { role: "status", "aria-live": "polite" });
  }
}

async function copy(event) {
  const button = event.target.closest(".labkit-copy");
  if (!button) return;
  const code = button.parentElement.querySelector("pre");
  getSelection().selectAllChildren(code);
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Selected: copy with Ctrl-C"; // pages without https may not copy
  }
  setTimeout(() => (button.textContent = "Copy"), 3000);
}

// JupyterLab would take the arrow keys to move to another cell, and "m" to turn the cell into text.
function keep(event) {
  if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
}

function render({ el }) {
  let panel, frame;
  const watcher = new MutationObserver(() => improve(panel));
  const start = () => {
    panel = el.closest(".labkit-panel");
    if (!panel) {
      frame = requestAnimationFrame(start); // it is not in the page yet
      return;
    }
    improve(panel);
    watcher.observe(panel, {
      attributeFilter: ["aria-valuetext"],
      characterData: true,
      childList: true,
      subtree: true,
    });
    panel.addEventListener("click", copy);
    panel.addEventListener("keydown", keep);
  };
  start();
  return () => {
    cancelAnimationFrame(frame);
    watcher.disconnect();
    panel?.removeEventListener("click", copy);
    panel?.removeEventListener("keydown", keep);
  };
}

export default { render };
