"""show_source shows real code: a learner reads what the lab is about to use."""

import textwrap

import pytest

import labkit.models
from labkit.errors import LabError
from labkit.source import show_source


def test_the_code_is_shown_in_full_under_the_name_of_its_file():
    code = show_source(labkit.models.softmax_regression)

    first, *rest = code.data.splitlines()
    assert first.startswith("# labkit/models/builders.py, line ")
    line = int(first.rsplit(" ", 1)[1])
    with open(labkit.models.builders.__file__, encoding="utf-8") as file:
        original = file.read().splitlines()
    assert rest == original[line - 1 : line - 1 + len(rest)]
    assert rest[0].startswith("def softmax_regression(")
    assert rest[-1].startswith("    return ")


def test_it_is_highlighted_as_python():
    html = show_source(LabError)._repr_html_()

    assert '<span class="k">class</span>' in html
    assert "labkit/errors.py" in html


def test_a_package_is_named_by_its_own_file():
    assert show_source(labkit).data.startswith("# labkit/__init__.py, line 1\n")


@pytest.mark.parametrize("thing", [len, 3, "text", LabError("a value")])
def test_what_has_no_python_code_says_what_to_give_instead(thing):
    with pytest.raises(LabError, match="no Python source.*show_source\\(models.cnn\\)"):
        show_source(thing)


def test_code_written_in_a_notebook_is_shown_too(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    from nbclient import NotebookClient

    cells = ["def double(x):\n    return 2 * x", "import labkit\nlabkit.show_source(double)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()

    shown = notebook.cells[1].outputs[0]["data"]
    expected = """\
        # this notebook, line 1
        def double(x):
            return 2 * x"""
    assert shown["text/plain"].rstrip() == textwrap.dedent(expected)
