"""The labs explain a term before they use it, read easily, and make up no number."""

from functools import cache

import nbformat
import pytest

from tests.notebooks import teaching
from tests.notebooks.teaching import Number, Use, claims, flesch, glossary, numbers

LABS = teaching.labs_here()
TERMS = glossary(teaching.GLOSSARY.read_text())

every_lab = pytest.mark.parametrize("lab", LABS)

# Numbers in prose that no run makes, with where they are from.
GIVEN = {
    "02-mnist-first-network": {
        "2.718": "the number e",
        "10,000": "the test pictures of MNIST",
        "60,000": "the training pictures of MNIST",
    },
    "04-fashion-mnist": {"83.5 percent": "the page of the data set, linked beside it"},
    "05-cifar10": {
        "60,000": "the pictures of CIFAR-10, by the report named beside it",
        "50,000": "the training pictures among them",
        "500,000": "the limit of the exercise",
    },
    "06-cats-and-dogs": {"500,000": "the limit of the exercise"},
    "07-pretrained-resnet50": {
        "2.0": "the name of a licence",
        "70.4 percent": "Keras's table, linked beside it",
        "71.3": "Keras's table, linked beside it",
        "74.9": "Keras's table, linked beside it",
        "0.0003": "advice in a hint",
    },
    "08-plant-seedlings": {"500,000": "the limit of the exercise"},
    "12-scale-out": {"8,192": "Goyal and others, linked beside it"},
    "c1-tensors": {"100,000": "made up, to say what many weights would mean"},
    "c2-neurons": {"2.718": "the number e"},
    "c4-kinds-of-learning": {
        error: "made up, in the table of an exercise"
        for error in ("0.61", "0.63", "0.24", "0.27", "0.03", "0.94", "0.00", "0.41")
    },
}


def lab(*cells, needs="no earlier lab"):
    """A small lab of Markdown cells, called a, b, c, after its title and *Set up*."""
    first = f"# 00 · A lab\n\n*You will need: 5 minutes · 1 GB · {needs}*"
    texts = {
        "title": first,
        "setup-text": "## Set up\n\nThe helpers.",
        **dict(zip("abc", cells, strict=False)),
    }
    made = [nbformat.v4.new_markdown_cell(text, id=name) for name, text in texts.items()]
    return nbformat.v4.new_notebook(cells=made)


def entry(name, where, words=""):
    number, cell = where.split()
    file = {"00": "00-first", "01": "01-second", "c1": "c1-beside"}[number]
    return (
        f"- **{name}**{words}: What it is. [Lab {number}](../notebooks/{file}.ipynb)<!-- {cell} -->"
    )


def early(entries, **labs):
    names = {"first": "00-first", "second": "01-second", "beside": "c1-beside", "after": "c2-after"}
    here = {names[name]: notebook for name, notebook in labs.items()}
    return [(u.term, u.lab, u.cell) for u in teaching.early_uses(glossary(entries), here)]


# --- terms ----------------------------------------------------------------------------


def test_the_glossary_says_what_each_term_is_in_one_sentence():
    assert 60 <= len(TERMS) <= 150
    names = [line.split("**")[1].lower() for line in lines_of_the_glossary()]
    assert names == sorted(names)
    for term in TERMS:
        assert term.definition.endswith(".") and len(term.definition.split()) <= 30, term.name
        assert ". " not in term.definition, f"{term.name}: one sentence"


def lines_of_the_glossary():
    return [one for one in teaching.GLOSSARY.read_text().splitlines() if one.startswith("- ")]


def test_the_labs_really_use_each_term():
    cells = [c for notebook in LABS.values() for c in notebook.cells if c.cell_type == "markdown"]
    text = " ".join(" ".join(cell.source for cell in cells).split())
    here = [term for term in TERMS if term.lab in LABS]
    assert [term.name for term in here if not term.is_in(text)] == []


def test_each_term_is_emphasised_where_it_is_explained():
    assert teaching.unexplained(TERMS, LABS) == []


@every_lab
def test_no_term_is_used_before_it_is_explained(lab):
    """What it needs may be in another lab, so all of them are looked at."""
    found = [use for use in early_uses() if use.lab == lab]
    assert found == [], "explain the term there, choose another word, or link to a concept lab"


@cache
def early_uses():
    return teaching.early_uses(TERMS, LABS)


def test_a_planted_early_use_is_found():
    labs = LABS | {"01-linear-regression": planted("01-linear-regression", "A convolution helps.")}
    found = teaching.early_uses(TERMS, labs)
    assert [(use.term, use.lab, use.cell) for use in found if use.cell == "planted"] == [
        ("convolution", "01-linear-regression", "planted")
    ]


def planted(name, text):
    notebook = LABS[name]
    cell = nbformat.v4.new_markdown_cell(text, id="planted")
    half = len(notebook.cells) // 2
    return nbformat.v4.new_notebook(cells=[*notebook.cells[:half], cell, *notebook.cells[half:]])


def test_a_term_may_be_used_from_the_cell_that_explains_it():
    words = entry("loss", "00 b", " (losses)")
    assert (
        early(words, first=lab("No word of it.", "The *loss* is a number.", "Losses fall.")) == []
    )
    assert early(words, first=lab("Losses fall.", "The *loss*.")) == [("loss", "00-first", "a")]
    assert early(words, first=lab("", "The *loss*."), second=lab("The loss.")) == []
    later = entry("loss", "01 a")
    found = early(later, first=lab("", "", "The\n**loss** falls."), second=lab("The *loss*."))
    assert found == [("loss", "00-first", "c")]


def test_what_only_leads_to_a_term_is_no_use():
    words = entry("loss", "01 a")
    leads = [
        "[About the loss](01-second.ipynb) it says more.",
        "**Next**: [the second](01-second.ipynb), in which the loss falls.",
        "| [the second](01-second.ipynb) | lower the loss |",
        "Type `loss`, and in a file:\n\n```python\nloss = 0\n```",
        "Lossless, a no-loss bet, and **Kernel › Loss › Restart**.",
    ]
    for text in leads:
        assert early(words, first=lab(text), second=lab("The *loss*.")) == [], text


def test_promises_may_name_what_the_same_lab_explains():
    first, second = lab(), lab("The *loss*.")
    for notebook in (first, second):
        notebook.cells[0].source += "\n\nYou lower a loss."
    found = early(entry("loss", "01 a"), first=first, second=second)
    assert found == [("loss", "00-first", "title")]


def test_a_word_with_two_meanings_is_looked_for_in_its_other_forms():
    words = entry("Job", "01 a", ", of Kubernetes (Job, many jobs)")
    assert early(words, first=lab("It is a job."), second=lab("A *Job*.")) == []
    assert early(words, first=lab("It is a Job."), second=lab("A *Job*.")) != []


def test_a_concept_lab_relies_on_the_labs_that_it_needs_or_explains_the_term_itself():
    words = entry("loss", "01 a")
    second = lab("The *loss*.")

    def beside(*cells, needs="no earlier lab"):
        return early(words, second=second, beside=lab(*cells, needs=needs))

    assert beside("The loss falls.") == [("loss", "c1-beside", "a")]
    assert beside("The loss falls.", needs="lab 00") == [("loss", "c1-beside", "a")]
    assert beside("The loss falls.", needs="lab 01") == []
    assert beside("The loss falls.", "The *loss* is a number.") == [("loss", "c1-beside", "a")]
    assert beside("The *loss* is a number.", "It falls, the loss.") == []
    told = lab("The *loss* is a number.")
    assert early(words, beside=told, after=lab("A loss.", needs="c1")) == []
    assert early(words, beside=told, after=lab("A loss.")) == [("loss", "c2-after", "a")]
    through = lab(needs="lab 01")
    assert early(words, second=second, beside=through, after=lab("A loss.", needs="c1")) == []


def test_the_main_path_does_not_rely_on_a_concept_lab():
    words = entry("stride", "c1 a")
    beside = lab("The *stride* is a step.")
    assert early(words, first=lab("Its stride."), beside=beside) == [("stride", "00-first", "a")]
    assert early(words, first=lab("Its [stride](c1-beside.ipynb)."), beside=beside) == []


def test_a_term_without_its_explanation_is_found():
    words = entry("loss", "00 a")
    for cells in (["The loss."], []):
        assert teaching.unexplained(glossary(words), {"00-first": lab(*cells)}) != []
    assert teaching.unexplained(glossary(words), {"00-first": lab("The **loss**.")}) == []
    assert teaching.unexplained(glossary(words), {}) == []  # a lab that is not there yet


def test_a_line_that_is_no_entry_is_refused():
    with pytest.raises(ValueError, match="not an entry"):
        glossary("- **loss** What it is.")


def test_a_use_says_where_it_is():
    used = teaching.early_uses(
        glossary(entry("loss", "01 a")), {"00-first": lab("Then the loss falls.")}
    )
    assert used == [Use("loss", "00-first", "a", "Then the loss falls.")]


# --- reading level --------------------------------------------------------------------


@every_lab
def test_a_lab_reads_easily(lab):
    """Plain English is 60; the labs have about 85, and each sentence about 12 words."""
    reading = teaching.reading(LABS[lab])
    assert reading.ease >= 70 and reading.per_sentence <= 16, reading
    assert reading.longest <= 20


def test_reading_ease_falls_with_long_words_and_sentences():
    easy = [["The", "cat", "sat", "on", "the", "mat"]]
    assert flesch(easy) == pytest.approx(206.835 - 1.015 * 6 - 84.6)
    assert flesch(easy) > flesch([easy[0] * 4]) > flesch([["Regularisation"] * 24])


def test_tables_code_and_pictures_are_not_read():
    text = (
        "A cat sat.\n\n| one | two |\n| --- | --- |\n\n```sh\nmake test\n```\n\n![A dog.](dog.png)"
    )
    notebook = lab(text)
    notebook.cells = notebook.cells[2:] + [nbformat.v4.new_code_cell("a = 1\nb = 2")]
    reading = teaching.reading(notebook)
    assert (reading.words, reading.code_cells, reading.lines) == (3, 1, 2)


def test_the_table_has_every_term_and_every_lab():
    printed = teaching.table(TERMS, LABS)
    assert all(f"\n{term.name}" in printed for term in TERMS)
    assert all(f"\n{lab}" in printed for lab in LABS)


# --- numbers --------------------------------------------------------------------------


@every_lab
def test_every_result_in_prose_comes_from_the_lab_or_from_the_benchmarks(lab):
    known = [*teaching.benchmarks(), *teaching.asked(lab)]
    given = GIVEN.get(lab, {})
    found = teaching.unfounded(LABS[lab], known)
    assert [one for one in found if one[1] not in given] == [], (
        "compute it in a cell, or name its source in GIVEN"
    )


def test_the_numbers_that_are_given_are_still_there():
    for lab in GIVEN.keys() & LABS.keys():
        cells = [cell for cell in LABS[lab].cells if cell.cell_type == "markdown"]
        said = {claim.text for cell in cells for claim in claims(cell.source)}
        assert GIVEN[lab].keys() <= said, lab


def test_a_number_that_nothing_says_is_found():
    notebook = lab("It reached 0.93, of 7,850 numbers, or 93 percent. Not 0.95, 7,851 or 95 %.")
    cell = nbformat.v4.new_code_cell("model.count_params(), accuracy")
    cell.outputs = [nbformat.v4.new_output("stream", text="(7850, 0.9312)")]
    notebook.cells.append(cell)
    assert teaching.unfounded(notebook) == [("a", "0.95"), ("a", "7,851"), ("a", "95 %")]
    assert teaching.unfounded(notebook, numbers("0.951 and 7_851")) == []


@pytest.mark.parametrize(
    ("said", "by", "fits"),
    [
        ("0.9", "0.94", True),
        ("0.9", "0.96", False),
        ("0.90", "0.9", False),
        ("20 percent", "0.2", True),
        ("20 percent", "20", False),
        ("20 %", "20%", True),
        ("4.3 million", "4,253,864", True),
        ("4.3", "4,253,864", False),
    ],
)
def test_a_number_is_said_by_another_that_rounds_to_it(said, by, fits):
    (one,), (other,) = numbers(said), numbers(by)
    assert one.is_said_by(other) is fits


def test_only_results_are_claims():
    text = (
        "In 2017, 10 classes ([page](https://a.b/1.5), arXiv:1708.07747), `0.5` and v3.11.3: 0.83."
    )
    assert [claim.text for claim in claims(text)] == ["0.83"]
    assert numbers("1e-3") == [Number("1e-3", 0.001, 3)]
