"""What the tests of the labs share."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMPARED = "nbval-check-output"


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", ())]


def nbval(*arguments, timeout=300):
    """Run nbval as `make test` does; the finished process."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "-p", "tests.nbval_guard"]
        + ["-p", "no:cacheprovider", "--rootdir", str(ROOT), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def solutions(path):
    """The answers to a lab's exercises: {cell id: {"right": code, "wrong": code}}."""
    text = (path.parent / "solutions" / f"{path.stem}.py").read_text()
    blocks = re.split(r"^# %% (\S+): (right|wrong)\n", text, flags=re.MULTILINE)[1:]
    answers = {}
    for cell_id, kind, source in zip(blocks[::3], blocks[1::3], blocks[2::3], strict=True):
        answers.setdefault(cell_id, {})[kind] = source.strip()
    return answers
