"""A learner opens the first lab in a browser and runs it. Nothing leaves the machine."""

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"


@pytest.fixture(scope="module")
def lab():
    """The script that takes the workshop's screenshot; it drives JupyterLab as we do."""
    path = ROOT / "Pictures" / "take_screenshot.py"
    spec = importlib.util.spec_from_file_location("take_screenshot", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("notebook", ["00-start-here", "02-mnist-first-network"])
def test_every_cell_of_a_lab_runs_in_jupyterlab(lab, notebook, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "LABKIT_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.delitem(os.environ, "LABKIT_HEADLESS", raising=False)
    SHOTS.mkdir(parents=True, exist_ok=True)
    with lab.jupyterlab(ROOT) as (address, token), lab.browser_page() as (page, abroad):
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        lab.open_lab(page, address, token, f"notebooks/{notebook}.ipynb")
        errors = lab.run_all(page)
        figure = page.locator(".jp-RenderedHTML img[alt]").first
        figure.scroll_into_view_if_needed()
        alt = figure.get_attribute("alt")
        page.screenshot(path=SHOTS / f"{notebook}.png")
        dialogs = page.locator(".jp-Dialog, .jp-toast, .Toastify__toast").count()
    assert errors == []
    assert len(alt) >= 40, "a screen reader hears what the figure shows"
    assert dialogs == 0, "no pop-up asks a newcomer something"
    assert abroad == []
