"""A lab and a data set of one's own, made by the steps that CONTRIBUTING gives."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from textwrap import indent

import nbformat
import numpy as np
import pytest

from tests.notebooks.labs import ROOT, solutions

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def steps(heading, language):
    """The code blocks of a section."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## )", GUIDE, re.MULTILINE | re.DOTALL)[1]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the project to change, without its labs."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("labkit", "templates", "tests/unit", "tests/notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/__init__.py", "tests/nbval_guard.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "notebooks" / "solutions").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "00-start-here.ipynb", folder / "notebooks")
    shutil.copytree(ROOT / "Pictures", folder / "Pictures")
    return folder


@pytest.fixture
def run(clone, tmp_path):
    def run(*command, **env):
        """Run a command of the guide in the clone, with the tools that run this test."""
        python = [sys.executable]
        ours = {".venv/bin/python": python, ".venv/bin/labkit": [*python, "-m", "labkit"]}
        own = {"LABKIT_DATA": "sample", "PYTHONPATH": str(clone), "PYTHONDONTWRITEBYTECODE": "1"}
        own["LABKIT_PROGRESS"] = str(tmp_path / "progress.json")
        own["LABKIT_CACHE"] = str(tmp_path / "cache")
        done = subprocess.run(
            [*ours.get(command[0], [command[0]]), *map(str, command[1:])],
            cwd=clone,
            env={**os.environ, **own, **env},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.slow
def test_a_lab_from_the_template_runs_and_keeps_the_rules(clone, run):
    (block,) = steps("Add a lab", "sh")
    make, execute, judge = (shlex.split(line) for line in block.splitlines())
    made = run(*make).split()
    notebook = nbformat.read(clone / made[0], as_version=4)
    assert notebook.cells[0].source.startswith(f"# 13 · {make[-1]}\n")
    for path in made:
        assert not re.search(r"\bNN\b|TITLE", (clone / path).read_text())
    run(*execute[1:])  # the sample is set already
    told = run(*judge, "-p", "no:cacheprovider")
    assert int(re.search(r"(\d+) passed", told)[1]) >= 10
    answers = solutions(clone / made[0])
    for cell_id, kinds in answers.items():
        name = cell_id.removeprefix("exercise-")
        for kind, source in kinds.items():
            program = f"{source}\nimport labkit\nprint(labkit.check({name!r}, answer).passed)"
            assert run(".venv/bin/python", "-c", program) == f"{kind == 'right'}\n"


def test_a_number_that_is_taken_is_refused(clone):
    (path,) = [p for p in (ROOT / "notebooks").glob("02-*.ipynb")]
    shutil.copy(path, clone / "notebooks")
    done = subprocess.run(
        [sys.executable, "templates/new_lab.py", "02", "Again"],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=60,
    )
    (clone / "notebooks" / path.name).unlink()
    assert done.returncode == 2 and f"taken by {path.name}" in done.stderr
    assert not list((clone / "notebooks").glob("02-*"))


def put(path, before, text):
    """Insert ``text`` in front of the last place where ``before`` is."""
    head, found, tail = path.read_text().rpartition(before)
    assert found, f"{path.name} has no {before!r}"
    path.write_text(f"{head}{text}{found}{tail}")


def test_a_data_set_of_the_guide_loads_from_the_sample_and_from_a_folder(clone, run, tmp_path):
    (copying,) = steps("Add a data set", "sh")
    run(*shlex.split(copying))
    module, entry, expected = steps("Add a data set", "python")
    put(clone / "labkit" / "samples" / "__init__.py", "}\n\nNAMES", module)
    catalogue = clone / "labkit" / "data" / "catalogue.py"
    put(catalogue, "    )\n}", indent(f"{entry.rstrip()},\n", 8 * " "))
    put(catalogue, ", table\n", ", shapes")
    samples = clone / "tests" / "unit" / "test_samples.py"
    text = samples.read_text()
    samples.write_text(text.replace("SHAPES = {\n", f"SHAPES = {{\n{expected}", 1))

    program = (
        "import json, labkit; data = labkit.load('shapes');"
        "print(json.dumps([data.source.kind, data.x_train.shape, data.class_names]))"
    )
    own = {"LABKIT_CACHE": str(tmp_path / "cache")}
    told = run(".venv/bin/python", "-c", program, **own).splitlines()
    names = ["circle", "square", "triangle"]
    assert json.loads(told[-1]) == ["sample", [600, 28, 28, 1], names]
    assert "SAMPLE DATA" in told[0]

    real = tmp_path / "data"
    real.mkdir()
    pictures, labels = np.zeros((9, 28, 28), np.uint8), np.arange(9, dtype=np.uint8) % 3
    parts = {"x_train": pictures, "y_train": labels, "x_test": pictures, "y_test": labels}
    np.savez(real / "shapes.npz", **parts)
    told = run(".venv/bin/python", "-c", program, **own, LABKIT_DATA=str(real))
    assert json.loads(told) == ["folder", [9, 28, 28, 1], names]

    tests = "-m pytest -p no:cacheprovider -k [shapes] tests/unit/test_samples.py"
    told = run(".venv/bin/python", *tests.split(), "tests/unit/test_data.py")
    assert int(re.search(r"(\d+) passed", told)[1]) >= 4
