"""A learner opens the first lab in a browser and runs it. Nothing leaves the machine."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("notebook", ["00-start-here", "09-tune-hyperparameters"])
def test_every_cell_of_a_lab_runs_in_jupyterlab(lab, shots, notebook, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "LABKIT_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setitem(os.environ, "LABKIT_STUDIES", str(tmp_path / "studies"))
    monkeypatch.delitem(os.environ, "LABKIT_HEADLESS", raising=False)
    # A copy, because JupyterLab saves what is open every two minutes.
    for folder in ("notebooks", "Pictures"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    with lab.jupyterlab(tmp_path) as (address, token), lab.browser_page() as (page, abroad):
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        lab.open_lab(page, address, token, f"notebooks/{notebook}.ipynb")
        errors = lab.run_all(page, timeout=400_000)
        figure = page.locator(".jp-RenderedHTML img[alt]").first
        figure.scroll_into_view_if_needed()
        alt = figure.get_attribute("alt")
        page.screenshot(path=shots / f"{notebook}.png")
        dialogs = page.locator(".jp-Dialog, .jp-toast, .Toastify__toast").count()
    assert errors == []
    assert len(alt) >= 40, "a screen reader hears what the figure shows"
    assert dialogs == 0, "no pop-up asks a newcomer something"
    assert abroad == []
