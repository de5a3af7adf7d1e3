"""The notebook files are clean, complete, and say what they should."""

import json
import re

import nbformat
import pytest

from labkit import notebooks
from tests.notebooks.labs import COMPARED, NOTEBOOKS, ROOT, code, read, solutions, tagged

PICTURE = re.compile(r"!\[(.*?)\]\((.*?)\)")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def compared_in_vain(notebook):
    """Ids of the tagged cells that nbval would pass without comparing anything.

    It compares nothing when the committed cell has no outputs or was never run. It does
    not look into PNG pictures; those inside HTML it compares byte by byte, which no other
    machine can meet.
    """
    return [
        cell.id
        for cell in tagged(notebook, COMPARED)
        if not cell.outputs
        or cell.execution_count is None
        or any("image/png" in json.dumps(output) for output in cell.outputs)
        or any("data:image/" in json.dumps(output) for output in cell.outputs)
        or not any("text/plain" in o.get("data", {}) or o.get("text") for o in cell.outputs)
    ]


def test_there_are_labs():
    main_path = [f"{n:02}" for n in range(13)]
    concepts = ["c1", "c2", "c3", "c4"]
    assert [path.stem[:2] for path in NOTEBOOKS] == main_path + concepts


@every_notebook
def test_metadata_is_clean_and_the_format_is_valid(path):
    notebook = read(path)
    nbformat.validate(notebook)
    committed = json.loads(path.read_text())
    executed = notebook.metadata.pop("labkit")
    cleaned = notebooks.clean(nbformat.from_dict(json.loads(json.dumps(notebook))))
    assert notebook == cleaned, "run `make notebooks`"
    assert set(executed) == {"executed"} and committed["nbformat_minor"] >= 5


@every_notebook
def test_the_outputs_were_made_by_the_committed_source(path):
    notebook = read(path)
    assert notebook.metadata.labkit.executed == notebooks.source_hash(notebook), (
        "the code has changed since it was run: run `make notebooks`"
    )
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [o for cell in code(notebook) for o in cell.outputs if o.output_type == "error"]


@every_notebook
def test_enough_cells_are_compared_and_none_in_vain(path):
    notebook = read(path)
    assert len(tagged(notebook, COMPARED)) >= 4
    assert compared_in_vain(notebook) == []


@every_notebook
def test_outputs_say_that_they_come_from_the_sample(path):
    """Committed outputs are made on the shipped sample, by one command."""
    text = path.read_text()
    assert "labkit.load(" not in text or "SAMPLE DATA" in text


@every_notebook
def test_sizes(path):
    assert path.stat().st_size < 600_000
    for cell in code(read(path)):
        for output in cell.outputs:
            assert len(json.dumps(output)) < 100_000, f"cell {cell.id}"


@every_notebook
def test_every_picture_has_alt_text_and_exists(path):
    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert "<img" not in cell.source
            for alt, address in PICTURE.findall(cell.source):
                assert len(alt) >= 40, f"{cell.id}: {address} needs an alt text that teaches"
                assert (path.parent / address).resolve().is_file(), address
        for output in cell.get("outputs", ()):
            shown = output.get("data", {})
            assert "image/png" not in shown, f"{cell.id}: labkit.plot.describe adds alt text"
            figures = re.findall(r"<img[^>]*>", shown.get("text/html", ""))
            alts = [alt[1] for f in figures if (alt := re.search(r'alt="([^"]+)"', f))]
            # A wall of small pictures has a short text for each.
            enough = len(alts) == len(figures) and (not alts or len(" ".join(alts)) >= 40)
            assert enough, f"a figure of {cell.id} has no alt text"


@every_notebook
def test_links_lead_somewhere(path):
    for cell in read(path).cells:
        for address in LINK.findall(cell.source) if cell.cell_type == "markdown" else ():
            if not re.match(r"[a-z]+:", address):
                assert (path.parent / address).exists(), f"{cell.id}: {address}"


@every_notebook
def test_the_skeleton(path):
    notebook = read(path)
    first, last = notebook.cells[0].source, notebook.cells[-1].source
    assert re.match(rf"# {path.stem[:2]} · \S", first)
    assert re.search(r"\*You will need: .*minutes · .* GB.* · .*\*", first)
    headings = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    for heading in ("In this lab", "Set up", "Your turn", "What you have learned"):
        assert heading in headings, heading
    assert "Where it breaks" in headings and "**Next**" in last
    # The concept labs, c1 and on, stand beside the main path and follow each other.
    beside = [lab for lab in NOTEBOOKS if (lab.stem[0] == "c") == (path.stem[0] == "c")]
    following = beside[beside.index(path) + 1 :][:1]
    assert all(f"]({lab.name})" in last for lab in following), "the last cell links to the next lab"


@every_notebook
def test_a_sentence_before_every_cell_and_no_long_cell(path):
    cells = read(path).cells
    for before, cell in zip(cells, cells[1:], strict=False):
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 20, cell.id
            assert before.cell_type == "markdown", f"no sentence before {cell.id}"


@every_notebook
def test_every_exercise_has_its_check_and_both_answers(path):
    notebook = read(path)
    exercises = [cell.id for cell in tagged(notebook, "exercise")]
    checks = [cell.id for cell in tagged(notebook, "check")]
    assert len(exercises) >= 2
    assert checks == [cell_id.replace("exercise-", "check-") for cell_id in exercises]
    answers = solutions(path)
    assert set(answers) == set(exercises)
    assert all(set(kinds) == {"right", "wrong"} for kinds in answers.values())


@every_notebook
def test_an_exercise_not_attempted_is_no_error(path):
    for cell in tagged(read(path), "check"):
        assert "not attempted yet" in json.dumps(cell.outputs), cell.id


def test_a_cell_compared_in_vain_is_found():
    def cell(outputs, count=1):
        made = nbformat.v4.new_code_cell("1 + 1", outputs=outputs, execution_count=count)
        made.metadata["tags"] = [COMPARED]
        return made

    def output(data):
        return nbformat.v4.new_output("execute_result", data, execution_count=1)

    good = cell([output({"text/plain": "2"})])
    bad = [
        cell([]),
        cell([output({"text/plain": "2"})], count=None),
        cell([output({"text/plain": "<Figure>", "image/png": "aGVsbG8="})]),
    ]
    notebook = nbformat.v4.new_notebook(cells=[good, *bad])
    assert compared_in_vain(notebook) == [c.id for c in bad]


def test_the_readme_and_pictures_links_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "Pictures" / "README.md"):
        text = page.read_text()
        for address in LINK.findall(text) + [a for _, a in PICTURE.findall(text)]:
            if not re.match(r"[a-z]+:", address):
                assert (page.parent / address).exists(), f"{page.name}: {address}"
