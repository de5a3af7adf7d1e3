"""Write the labs with their exercises answered, for nbval: python -m tests.notebooks.judged FOLDER

One run of a lab then shows both: the compared outputs are as committed, and each check
refuses the wrong answer and accepts the right one.
"""

import shutil
import sys
from pathlib import Path

import nbformat

from tests.notebooks.labs import NOTEBOOKS, read, solutions

VERDICTS = {"wrong": "judged.passed is False", "right": "judged.passed"}


def judged(path, answers=None):
    """The lab at ``path`` with a wrong and a right answer to each exercise, both judged."""
    notebook, answers = read(path), answers or solutions(path)
    cells = []
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
    notebook.cells = cells
    return notebook


def main(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in NOTEBOOKS:
        nbformat.write(judged(path), folder / path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
