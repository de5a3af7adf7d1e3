"""How the labs teach, measured: python -m tests.notebooks.teaching

Prints where each term of ``docs/glossary.md`` is first explained, and how readable and how
long the cells of each lab are. What is found here `make test` holds the labs to.
"""

import re
from dataclasses import dataclass
from functools import cache
from statistics import mean

from tests.notebooks.labs import NOTEBOOKS, ROOT, code, read

GLOSSARY = ROOT / "docs" / "glossary.md"

_ENTRY = re.compile(
    r"- \*\*(?P<name>[^*]+)\*\*(?P<meant>, [^(:]+)?(?: \((?P<words>[^)]+)\))?: (?P<text>.+?)"
    r" \[Lab (?P<number>\w\w)\]\(\.\./notebooks/(?P<lab>[\w-]+)\.ipynb\)<!-- (?P<cell>[\w-]+) -->"
)
_EMPHASIS = re.compile(r"(\*\*|\*)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
_NEED = re.compile(r"\*You will need: [^*]* · ([^*·]*)\*")


# --- terms ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Term:
    """A word of the field, as the glossary has it."""

    name: str
    words: tuple[str, ...]
    """What counts as a use. One with a capital letter is looked for as it is written."""
    definition: str
    lab: str
    """The lab that explains it first, such as "02-mnist-first-network"."""
    cell: str
    """The cell in which it does, and in which the term is emphasised."""

    def is_in(self, text) -> bool:
        small = text.lower()
        return any(word.lower() in small and _whole(word).search(text) for word in self.words)

    def is_emphasised_in(self, source) -> bool:
        return any(
            _whole(word).search(" ".join(span.split()))
            for _, span in _EMPHASIS.findall(_without_code(source))
            for word in {*self.words, self.name}
        )


@dataclass(frozen=True)
class Use:
    """A place where a lab relies on a term."""

    term: str
    lab: str
    cell: str
    text: str


def glossary(text) -> list[Term]:
    """The terms of a glossary, a line each, in this form::

        - **term**, of what kind (another form): What it is. [Lab 02](….ipynb)<!-- cell -->

    A term counts as used where it or another form stands; one with a kind, because its
    word means something else elsewhere, only where another form stands.

    Raises:
        ValueError: a line that begins like an entry is none.
    """
    terms = []
    for line in text.splitlines():
        if line.startswith("- "):
            found = _ENTRY.fullmatch(line)
            if not found or found["lab"][:2] != found["number"]:
                raise ValueError(f"not an entry of the glossary: {line}")
            others = tuple(re.split(r", ", found["words"])) if found["words"] else ()
            words = others if found["meant"] else (found["name"], *others)
            where = found["lab"], found["cell"]
            terms.append(Term(found["name"], words, found["text"], *where))
    return terms


def early_uses(terms, labs) -> list[Use]:
    """Where a lab uses a term that nobody who has come that far has been told.

    The labs 00, 01 and on are read in their order. A concept lab, c1 and on, may rely on the
    labs up to the last one that its line *You will need* names, and on what the concept labs
    named there need and explain. The others it explains itself: it emphasises them at their
    first use.

    What comes before *Set up* promises what the lab will explain, a line that leads to another
    lab names what stands there, and so does the text between the brackets of a link to it; none
    of them is a use.

    Args:
        terms: those of :func:`glossary`.
        labs: notebooks by their names, such as {"00-start-here": …}.
    """
    place = {(lab, cell.id): i for lab in labs for i, cell in enumerate(labs[lab].cells)}
    found = []
    for lab, notebook in labs.items():
        starts = _start(notebook)
        for i, cell in enumerate(notebook.cells):
            if cell.cell_type != "markdown":
                continue
            text = _used_text(cell.source)
            for term in terms:
                if not term.is_in(text):
                    continue
                if _is_concept(lab):
                    told = _told_beside(term, lab, i if i >= starts else len(place), labs)
                else:
                    here = place.get((term.lab, term.cell)) if term.lab == lab else None
                    own = here is not None and (i >= here or i < starts)
                    told = own or (term.lab < lab and not _is_concept(term.lab))
                if not told:
                    found.append(Use(term.name, lab, cell.id, _around(term, text)))
    return found


def unexplained(terms, labs) -> list[str]:
    """Terms whose cell is missing, or does not emphasise them. A lab that is not there is none."""
    cells = {(lab, cell.id): cell.source for lab in labs for cell in labs[lab].cells}
    return [
        f"{term.name}: {term.lab} {term.cell}"
        for term in terms
        if term.lab in labs and not term.is_emphasised_in(cells.get((term.lab, term.cell), ""))
    ]


def _told_beside(term, lab, until, labs):
    """Whether a concept lab may use a term at a cell: what it needs, or itself, explains it."""
    needed = needs(labs[lab])
    for name in needed:  # it grows: what these need is needed, too
        for other in labs:
            if other[:2] == name and _is_concept(other):
                needed += [one for one in needs(labs[other]) if one not in needed]
    if any(term.lab[:2] <= name < "c" for name in needed):
        return True
    cells = labs[lab].cells[: until + 1]
    cells += [
        cell for one in labs if one[:2] in needed and _is_concept(one) for cell in labs[one].cells
    ]
    return any(c.cell_type == "markdown" and term.is_emphasised_in(c.source) for c in cells)


def needs(notebook) -> list[str]:
    """The labs that a notebook's line *You will need* names: ["03"], ["02", "c1"], or []."""
    line = _NEED.search(notebook.cells[0].source)
    return re.findall(r"\b(\d\d|c\d)\b", line[1]) if line else []


def _is_concept(lab):
    return lab.startswith("c")


def _start(notebook):
    """The place of the cell in which a lab sets up, after its promises."""
    headings = [i for i, cell in enumerate(notebook.cells) if "# Set up" in cell.source]
    return headings[0] if headings else 0


@cache
def _whole(word):
    """Finds a word by itself: neither a part of another one nor of a compound."""
    as_it_is = any(letter.isupper() for letter in word)
    return re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", 0 if as_it_is else re.IGNORECASE)


def _around(term, text):
    first = min(m.start() for word in term.words if (m := _whole(word).search(text)))
    return text[max(0, first - 40) : first + 40]


# --- texts ----------------------------------------------------------------------------


def paragraphs(source) -> list[str]:
    """The paragraphs, headings, points of lists and rows of tables of a Markdown text."""
    text = re.sub(r"^ *```.*?^ *```", "", source, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^( *(?:[-*]|\d+\.) |#+ |\|)", r"\n\n\1", text, flags=re.MULTILINE)
    text = re.sub(r"^(#+ .*)$", r"\1\n\n", text, flags=re.MULTILINE)
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def _without_code(source):
    text = re.sub(r"^ *```.*?^ *```", "", source, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(`+).+?\1", "code", text, flags=re.DOTALL)


def _plain(part):
    """A paragraph as it is read: without pictures, tags, addresses and code."""
    part = re.sub(r"!\[.*?\]\(.*?\)", "", part, flags=re.DOTALL)
    part = re.sub(r"<[^>]*>", " ", part)
    part = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", part)
    return _without_code(part)


def _used_text(source):
    """What of a Markdown text uses terms, rather than leads to where they are explained."""
    parts = [
        re.sub(r"(?<!!)\[[^\]]*\]\([\w-]+\.ipynb[^)]*\)", " ", part)
        for part in paragraphs(source)
        if not part.startswith("**Next**") and not re.match(r"\|.*\]\([\w-]+\.ipynb", part)
    ]
    # The buttons and menus of JupyterLab have their own words.
    text = " ".join(re.sub(r"\*\*[^*]*›[^*]*\*\*", " ", _plain(part)) for part in parts)
    return " ".join(text.split())


# --- reading level and length ---------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """How easy a lab's text is, and how long its cells are."""

    words: int
    ease: float
    """Flesch's reading ease: 60 to 70 is plain English, 30 and less is for academics."""
    per_sentence: float
    code_cells: int
    lines: float
    """The mean number of lines of a code cell."""
    longest: int


def reading(notebook) -> Reading:
    """Measure a lab. Tables are left out, for their rows are no sentences."""
    parts = [
        _plain(part)
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for part in paragraphs(cell.source)
        if not part.startswith("|")
    ]
    sentences = [
        words
        for part in parts
        for sentence in re.split(r"(?<=[.!?…])[\s)\"]+", part)
        if (words := re.findall(r"[A-Za-z]+(?:['’][a-z]+)?", sentence))
    ]
    words = [word for sentence in sentences for word in sentence]
    sizes = [len(cell.source.splitlines()) for cell in code(notebook)]
    return Reading(
        words=len(words),
        ease=flesch(sentences),
        per_sentence=len(words) / len(sentences),
        code_cells=len(sizes),
        lines=mean(sizes),
        longest=max(sizes),
    )


def flesch(sentences) -> float:
    """The reading ease of sentences, each a list of words: about 0, hard, to 100, easy.

    R. Flesch, "A new readability yardstick", Journal of Applied Psychology 32 (1948).

    Example:
        >>> flesch([["The", "cat", "sat", "on", "the", "mat"]])
        116.145
    """
    words = [word for sentence in sentences for word in sentence]
    syllables = sum(map(_syllables, words))
    return round(206.835 - 1.015 * len(words) / len(sentences) - 84.6 * syllables / len(words), 3)


def _syllables(word):
    """Groups of vowels, but not a silent e at the end: a little wrong for some words."""
    word = word.lower()
    groups = len(re.findall(r"[aeiouy]+", word))
    silent = re.search(r"[^aeiouyl]es?$|[^aeiouytd]ed$", word) is not None
    return max(1, groups - silent)


# --- numbers --------------------------------------------------------------------------

_NUMBER = re.compile(
    r"(?<![\w.,:/])[-−]?(?P<digits>\d+(?:[,_]\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w]|[.,_]\d)"
    r"(?P<percent>\s?%|\s+percent(?:age|\b))?"
)


@dataclass(frozen=True)
class Number:
    """A number in a text, without its sign."""

    text: str
    value: float
    decimals: int
    is_percent: bool = False
    in_millions: bool = False

    def is_said_by(self, other) -> bool:
        """Whether it is another number, or that one rounded, as a share, or in millions."""
        value, decimals = other.value, other.decimals
        if self.is_percent and not other.is_percent:
            value, decimals = 100 * value, decimals - 2
            if value > 100 or decimals < -1:  # 0.2 will do for 20 percent, 20 will not
                return False
        elif self.in_millions and value >= 1e5:
            value, decimals = value / 1e6, 6
        elif decimals < self.decimals:
            return False
        return abs(value - self.value) <= 0.5000001 * 10**-self.decimals


def numbers(text) -> list[Number]:
    """The numbers of a text, without their signs."""
    found = []
    for match in _NUMBER.finditer(text):
        digits = re.sub(r"[,_]", "", match["digits"])
        value = float(digits)
        decimals = len(f"{value:f}".rstrip("0").partition(".")[2]) if "e" in digits else 0
        decimals = decimals or len(digits.partition(".")[2])
        millions = "million" in text
        found.append(Number(match[0].strip(), value, decimals, bool(match["percent"]), millions))
    return found


def claims(source) -> list[Number]:
    """The numbers of a Markdown text that look like results.

    These are the ones with decimals, with a comma between thousands, and the percentages;
    not those in addresses, code, or the names of papers such as arXiv:1409.0575.
    """
    texts = [re.sub(r"arXiv:\S+", "", _plain(part)) for part in paragraphs(source)]
    found = [number for text in texts for number in numbers(text)]
    return [n for n in found if n.decimals or n.is_percent or "," in n.text]


def shown(notebook) -> list[Number]:
    """The numbers that the code of a lab has, and those that it showed when it was run."""
    texts = []
    for cell in code(notebook):
        texts.append(cell.source)
        for output in cell.outputs:
            data = output.get("data", {})
            texts += [output.get("text", ""), data.get("text/plain", "")]
            texts.append(
                re.sub(r'src="[^"]*"|style="[^"]*"|<[^>]*$', "", data.get("text/html", ""))
            )
    return [number for text in texts for number in numbers(text)]


def unfounded(notebook, more=()) -> list[tuple[str, str]]:
    """Cells, and the results in their text that neither the lab nor ``more`` numbers say.

    What the pictures of a lab describe counts as said, since code draws them.
    """
    said = [*shown(notebook), *more]
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    for cell in texts:
        said += [
            number for alt in re.findall(r"!\[(.*?)\]", cell.source) for number in numbers(alt)
        ]
    return [
        (cell.id, claim.text)
        for cell in texts
        for claim in claims(cell.source)
        if not any(claim.is_said_by(number) for number in said)
    ]


def asked(lab) -> list[Number]:
    """The numbers in the checks of a lab's exercises, whose text may state them."""
    path = ROOT / "labkit" / "check" / "exercises" / f"lab{lab[:2]}.py"
    return numbers(path.read_text()) if path.exists() else []


def benchmarks() -> list[Number]:
    """The numbers in the tables of README.md, which `make bench` and `make run` have made."""
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line[:1] == "|"]
    return numbers("\n".join(rows))


# --- the table ------------------------------------------------------------------------


def table(terms, labs) -> str:
    lines = [f"{'term':28} {'first explained in':34} cell"]
    lines += [f"{term.name:28} {term.lab:34} {term.cell}" for term in terms]
    lines += ["", f"{'lab':28} {'words':>6} {'ease':>5} {'words a sentence':>17}"]
    lines[-1] += f" {'code cells':>11} {'lines':>6} {'longest':>8}"
    for lab, notebook in labs.items():
        r = reading(notebook)
        lines.append(
            f"{lab:28} {r.words:6} {r.ease:5.0f} {r.per_sentence:17.1f} {r.code_cells:11}"
            f" {r.lines:6.1f} {r.longest:8}"
        )
    return "\n".join(lines)


def labs_here() -> dict:
    """Every lab by its name, in reading order."""
    return {path.stem: read(path) for path in NOTEBOOKS}


if __name__ == "__main__":
    print(table(glossary(GLOSSARY.read_text()), labs_here()))
