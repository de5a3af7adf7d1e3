"""nbval would notice: a wrong output, a dead kernel, an error, a poor figure, a lab left out."""

import shutil
import time
from pathlib import Path

import nbformat
import pytest

from tests.notebooks.judged import judged
from tests.notebooks.judged import main as write
from tests.notebooks.labs import COMPARED, NOTEBOOKS, ROOT, code, nbval, read, solutions, tagged


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook of the given code cells and return its path."""

    def write(*sources):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        path = tmp_path / "made.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return write


def test_a_corrupted_output_fails(tmp_path):
    lab = NOTEBOOKS[0]
    shutil.copytree(ROOT / "Pictures", tmp_path / "Pictures")
    (tmp_path / "notebooks").mkdir()
    changed = read(lab)
    cell = tagged(changed, COMPARED)[0]
    del changed.cells[changed.cells.index(cell) + 1 :]
    for output in cell.outputs:
        if "text" in output:
            output.text = "corrupted\n" + output.text
        else:
            output.data["text/plain"] = "corrupted"
    path = tmp_path / "notebooks" / lab.name
    nbformat.write(changed, path)
    done = nbval(path)
    assert done.returncode == 1, done.stdout
    assert "corrupted" in done.stdout and "1 failed" in done.stdout


def test_a_killed_kernel_fails_at_once_and_not_after_the_timeout(notebook):
    path = notebook("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "2")
    started = time.monotonic()
    done = nbval(path, "--nbval-cell-timeout=600")
    assert done.returncode == 1
    assert "memory ran out" in done.stdout
    assert time.monotonic() - started < 120


def test_nothing_runs_after_a_cell_that_failed(notebook, tmp_path):
    ran = tmp_path / "ran"
    path = notebook("1 / 0", f"open({str(ran)!r}, 'w')")
    done = nbval(path)
    assert done.returncode == 1 and "ZeroDivisionError" in done.stdout
    assert not ran.exists()
    assert "1 failed, 1 skipped" in done.stdout


def test_an_answer_that_is_judged_wrongly_fails(tmp_path):
    lab = NOTEBOOKS[0]
    swapped = {
        exercise: {"right": answer["wrong"], "wrong": answer["right"]}
        for exercise, answer in solutions(lab).items()
    }
    path = tmp_path / lab.name
    nbformat.write(judged(lab, swapped), path)
    done = nbval(path)
    assert done.returncode == 1 and "assert judged.passed is False" in done.stdout


def test_a_figure_that_lacks_a_label_fails(notebook, tmp_path):
    """In a lab's way: labkit is imported, then figures are drawn and shown."""
    draw = "from matplotlib import pyplot\nax = pyplot.subplots()[1]\nax.plot([1, 2])"
    name = 'ax.set(title="A line", ylabel="loss", xlabel={!r})'
    tell = 'labkit.plot.describe(ax, "A line.");'
    for label, status in (("step", 0), ("", 1)):
        drawn = "\n".join([draw, name.format(label), tell])
        path = notebook("import labkit\nimport labkit.plot", drawn)
        nbformat.write(judged(path, {"no": "exercises"}), path)
        done = nbval(path)
        assert done.returncode == status, done.stdout
        assert ("a label of the x axis of 'A line'" in done.stdout) is bool(status)


def test_every_lab_on_disk_is_judged_and_collected(tmp_path):
    write(tmp_path / "judged")
    done = nbval(tmp_path / "judged", "--collect-only", "-q")
    collected = {line.split("::")[0] for line in done.stdout.splitlines() if "::" in line}
    assert {Path(name).name for name in collected} == {path.name for path in NOTEBOOKS}
    for path in NOTEBOOKS:
        checks = [cell for cell in code(read(path)) if cell.id.startswith("check-")]
        verdicts = [c for c in code(judged(path)) if c.id.endswith("-judged")]
        assert len(verdicts) == 2 * len(checks) > 0
