"""Take the pictures of JupyterLab: the one that lab 00 shows, and the panel of the README.

    make test-browser                               # once: installs playwright; needs Chromium
    python Pictures/take_screenshot.py              # writes jupyterlab.png and tuner.png
    python Pictures/take_screenshot.py tuner.png    # this one alone

It starts `labkit lab`, opens a lab in headless Chromium, and runs every cell as a
learner would. jupyterlab.png is the window at the first figure; tuner.png is the cell
of a panel after three trainings, on the sample, so that anyone gets the same.
"""

import io
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import nbformat
from PIL import Image

from labkit import notebooks

HERE = Path(__file__).parent
ROOT = HERE.parent
WIDTH, HEIGHT = 1280, 800

RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
IDLE = """async () => {
  const panel = window.jupyterapp?.shell.currentWidget;
  if (!panel?.context) return false;
  await panel.context.ready;
  await panel.sessionContext.ready;
  return panel.sessionContext.session?.kernel?.status === 'idle';
}"""
ALL_RUN = """() => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  const code = cells.filter(cell => cell.type === 'code');
  return code.every(cell => cell.executionCount !== null && cell.executionState !== 'running');
}"""
CLEAR = "() => window.jupyterapp.commands.execute('editmenu:clear-all')"
ERRORS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
  .filter(cell => cell.type === 'code')
  .flatMap(cell => cell.outputs.toJSON())
  .filter(output => output.output_type === 'error')
  .map(output => output.ename + ': ' + output.evalue)"""


@contextmanager
def jupyterlab(root: Path):
    """`labkit lab` on ``root``; its base address and its token."""
    with tempfile.TemporaryDirectory() as home:
        # A fresh user: no settings, workspaces or trust of whoever runs this.
        folders = {f"JUPYTER_{x}_DIR": f"{home}/{x}" for x in ("CONFIG", "DATA", "RUNTIME")}
        folders |= {f"JUPYTERLAB_{x}_DIR": f"{home}/{x}" for x in ("SETTINGS", "WORKSPACES")}
        server = subprocess.Popen(
            [sys.executable, "-m", "labkit", "lab", str(root), "--no-browser"],
            env={**os.environ, **folders, "IPYTHONDIR": f"{home}/ipython"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = server.stdout.readline()
            yield re.search(r"(http://127\.0\.0\.1:\d+)/lab/tree/\S+\?token=(\S+)", line).groups()
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def browser_page():
    """A page of headless Chromium, and the list of requests that went to another machine."""
    from playwright.sync_api import sync_playwright

    chromium = notebooks.chromium()
    if chromium is None:
        sys.exit("Chromium is not here. On Debian and Ubuntu: apt install chromium")
    options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        abroad = []
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))
                else abroad.append(request.url)
            ),
        )
        yield page, abroad
        browser.close()


def open_lab(page, address: str, token: str, notebook: str) -> None:
    """Open a notebook and wait for its kernel."""
    page.goto(f"{address}/lab/tree/{notebook}?token={token}&reset")
    page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell", timeout=90_000)
    page.wait_for_function(IDLE, timeout=90_000)


def run_all(page, timeout: float = 180_000) -> list[str]:
    """Clear the outputs, run every cell, and return the errors that cells raised."""
    page.evaluate(CLEAR)
    page.evaluate(RUN_ALL)
    page.wait_for_function(ALL_RUN, timeout=timeout)
    page.wait_for_function(IDLE, timeout=timeout)
    return page.evaluate(ERRORS)


LOAD = """
import labkit
from labkit import models
from labkit.space import choice, log_uniform, uniform

data = labkit.load("fashion_mnist")
"""
PANEL = """
space = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "dropout": uniform(0, 0.7),
    "units": choice((64,), (256,), (256, 128)),
}
labkit.widgets.tuner(models.mlp, data, space, epochs=12)
"""
# What a learner presses before each training: the control, the key, how often.
MOVES = (
    (),
    (("dropout", "ArrowLeft", 6), ("units", "ArrowDown", 1)),
    (("learning_rate", "ArrowLeft", 12), ("units", "ArrowDown", 1)),
)


def keep(png: bytes, path: Path) -> None:
    """A picture of a page has few colours: half the bytes keep all that one sees of it."""
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(path, optimize=True)


def take_jupyterlab() -> None:
    """The window of lab 00 at its first figure."""
    with jupyterlab(ROOT) as (address, token), browser_page() as (page, _):
        open_lab(page, address, token, "notebooks/00-start-here.ipynb")
        print(run_all(page) or "every cell ran")
        page.locator(".jp-RenderedHTML img").first.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
        keep(page.screenshot(), HERE / "jupyterlab.png")


def take_tuner() -> None:
    """The cell of a panel, with three runs on its leaderboard."""
    os.environ.pop("LABKIT_HEADLESS", None)
    os.environ["LABKIT_DATA"] = "sample"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LABKIT_STUDIES"] = f"{folder}/studies"
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in (LOAD, PANEL)],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, Path(folder) / "tuner.ipynb")
        with jupyterlab(Path(folder)) as (address, token), browser_page() as (page, _):
            page.set_viewport_size({"width": 1040, "height": 1200})
            open_lab(page, address, token, "tuner.ipynb")
            page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
            print(run_all(page) or "every cell ran")
            for runs, moves in enumerate(MOVES, start=1):
                for label, key, times in moves:
                    page.get_by_label(label, exact=True).first.focus()
                    for _ in range(times):
                        page.keyboard.press(key)
                page.wait_for_timeout(1000)  # the kernel hears of a slider a little later
                page.get_by_role("button", name="Train").click()
                row = page.locator(".labkit-panel tbody tr").nth(runs - 1)
                row.wait_for(timeout=300_000)
            page.evaluate("document.activeElement.blur()")
            page.wait_for_timeout(1000)
            keep(page.locator(".jp-CodeCell").nth(1).screenshot(), HERE / "tuner.png")


TAKE = {"jupyterlab.png": take_jupyterlab, "tuner.png": take_tuner}

if __name__ == "__main__":
    for name in sys.argv[1:] or TAKE:
        TAKE[name]()
