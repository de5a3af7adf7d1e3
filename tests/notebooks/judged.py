"""Write the labs with their exercises answered, for nbval: python -m tests.notebooks.judged FOLDER

One run of a lab then shows three things: the compared outputs are as committed, each check
refuses the wrong answer and accepts the right one, and no figure that is shown lacks a title,
a label or a text for readers who cannot see it.
"""

import shutil
import sys
from pathlib import Path

import nbformat

from tests.notebooks.labs import NOTEBOOKS, read, solutions

VERDICTS = {"wrong": "judged.passed is False", "right": "judged.passed"}

# Every figure passes through this function of labkit.plot on its way into the notebook.
WATCH = """\
from labkit import plot as _plot

def _noted(figure, drawn, _html=_plot._html, _lacks={}):
    if drawn is not None and (lacks := _plot.lacking(figure)):
        _lacks[_plot.alt_text(figure)] = lacks
    return _html(figure, drawn)

_plot._html = _noted"""
WATCHED = "assert not (_lacks := _noted.__defaults__[1]), _lacks"


def judged(path, answers=None):
    """The lab at ``path`` with a wrong and a right answer to each exercise, both judged."""
    notebook, answers = read(path), answers or solutions(path)
    cells, watched = [], False
    for cell in notebook.cells:
        if cell.id.startswith("check-"):
            exercise = cell.id.replace("check-", "exercise-")
            for kind, verdict in VERDICTS.items():
                check = f"judged = {cell.source}\nassert {verdict}, judged"
                for step, source in ((kind, answers[exercise][kind]), (f"{kind}-judged", check)):
                    name = f"{cell.id}-{step}"[-64:]
                    cells.append(nbformat.v4.new_code_cell(source, id=name))
        elif not cell.id.startswith("exercise-"):
            cells.append(cell)
        if not watched and "import labkit" in cell.source.splitlines():
            cells.append(nbformat.v4.new_code_cell(WATCH, id="figures-watch"))
            watched = True
    assert watched, f"{path} does not import labkit"
    cells.append(nbformat.v4.new_code_cell(WATCHED, id="figures-watched"))
    notebook.cells = cells
    return notebook


def main(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in NOTEBOOKS:
        nbformat.write(judged(path), folder / path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
