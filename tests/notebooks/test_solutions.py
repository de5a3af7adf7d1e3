"""Each exercise refuses the wrong answer and accepts the right one."""

import json

import nbformat
import pytest

from labkit import notebooks
from tests.notebooks.labs import NOTEBOOKS, read, solutions


def said(cell):
    outputs = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "".join(outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_checks_judge_as_they_should(path, tmp_path):
    notebook, answers = read(path), solutions(path)
    cells, verdicts = [], []
    for cell in notebook.cells:
        if cell.id.startswith("check-"):
            answer = answers[cell.id.replace("check-", "exercise-")]
            for kind, expected in (("wrong", "not yet"), ("right", "passed")):
                check = nbformat.v4.new_code_cell(cell.source)
                cells += [nbformat.v4.new_code_cell(answer[kind]), check]
                verdicts.append((cell.id, kind, expected, check))
        elif not cell.id.startswith("exercise-"):
            cells.append(cell)
    notebook.cells = cells
    progress = tmp_path / "progress.json"
    notebooks.execute(notebook, folder=path.parent, env={"LABKIT_PROGRESS": str(progress)})
    for cell_id, kind, expected, check in verdicts:
        assert said(check).startswith(expected), f"{cell_id}, {kind}: {said(check)}"
    recorded = json.loads(progress.read_text())
    assert len([e for e in recorded.values() if e["passed"]]) == len(answers)
