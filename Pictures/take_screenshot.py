"""Take the picture of JupyterLab that lab 00 shows.

    make test-browser                       # once: installs playwright; Chromium has to be there
    python Pictures/take_screenshot.py      # writes Pictures/jupyterlab.png

It starts `labkit lab`, opens a lab in headless Chromium, runs every cell as a
learner would, and takes the picture at the first figure.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
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

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
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


if __name__ == "__main__":
    with jupyterlab(ROOT) as (address, token), browser_page() as (page, _):
        open_lab(page, address, token, "notebooks/00-start-here.ipynb")
        print(run_all(page) or "every cell ran")
        page.locator(".jp-RenderedHTML img").first.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
        page.screenshot(path=Path(__file__).with_name("jupyterlab.png"))
