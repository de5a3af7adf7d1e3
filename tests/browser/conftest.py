"""A real browser on a JupyterLab of our own."""

import importlib.util
import os
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def lab():
    """The script that takes the workshop's screenshot; it drives JupyterLab as we do."""
    path = ROOT / "Pictures" / "take_screenshot.py"
    spec = importlib.util.spec_from_file_location("take_screenshot", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shots():
    """The folder of the screenshots."""
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def run_notebook(lab, tmp_path, monkeypatch):
    """A function that opens a new notebook with these cells and runs them, live.

    It gives the page; at its end, nothing may have been asked of another machine.
    """
    monkeypatch.delitem(os.environ, "LABKIT_HEADLESS", raising=False)
    monkeypatch.setitem(os.environ, "LABKIT_STUDIES", str(tmp_path / "studies"))

    @contextmanager
    def run(*cells):
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        made = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(
            nbformat.v4.new_notebook(cells=made, metadata=kernel), tmp_path / "played.ipynb"
        )
        with lab.jupyterlab(tmp_path) as (address, token), lab.browser_page() as (page, abroad):
            page.on("pageerror", lambda error: pytest.fail(str(error)))
            lab.open_lab(page, address, token, "played.ipynb")
            page.evaluate(
                "() => window.jupyterapp.commands.execute('application:toggle-left-area')"
            )
            assert lab.run_all(page) == []
            yield page
            assert abroad == []

    return run
