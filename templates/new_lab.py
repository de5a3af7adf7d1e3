"""Begin a lab: .venv/bin/python templates/new_lab.py 13 "Sort flowers"

Makes a notebook that runs and keeps the rules of a lab, the answers to its exercises, and the
module that checks them, all in their places. What it says is for you to replace.
"""

import argparse
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
EXERCISES = ROOT / "labkit" / "check" / "exercises"


def new_lab(number: str, title: str) -> list[Path]:
    """The files of a new lab: the notebook, its solutions and its exercises.

    Args:
        number: two digits for the main path, such as "13"; "c5" for a concept lab.
        title: what it is called, without the number.

    Raises:
        ValueError: the number is none or is taken, or the title has no letters, or
            quotation marks.
    """
    if not re.fullmatch(r"\d\d|c\d", number):
        raise ValueError(f"{number!r} is no number of a lab; write 13, say, or c5.")
    taken = [path.name for path in NOTEBOOKS.glob(f"{number}-*.ipynb")]
    if taken:
        raise ValueError(f"The number {number} is taken by {taken[0]}; choose the next one.")
    if '"' in title or "\\" in title:
        raise ValueError(f'The title {title!r} stands in code, too; write it without " and \\.')
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    if not name:
        raise ValueError(f"The title {title!r} has no letters to make a file name of.")
    made = {
        "lab.ipynb": NOTEBOOKS / f"{number}-{name}.ipynb",
        "solutions.py": NOTEBOOKS / "solutions" / f"{number}-{name}.py",
        "exercises.py": EXERCISES / f"lab{number}.py",
    }
    for template, path in made.items():
        text = (ROOT / "templates" / "lab" / template).read_text(encoding="utf-8")
        text = text.replace("# ruff: noqa: F811\n", "")  # which pyproject.toml says for its folder
        text = re.sub(r"\bNN\b", number, text).replace("TITLE", title)
        path.write_text(text, encoding="utf-8")
    _register(f"lab{number}")
    return list(made.values())


def _register(module):
    """Let the exercises be imported with the others."""
    path = EXERCISES / "__init__.py"
    text = path.read_text(encoding="utf-8")
    modules = sorted({*re.findall(r"^    (lab\w+),$", text, re.MULTILINE), module})
    lines = "".join(f"    {name},\n" for name in modules)
    path.write_text(re.sub(r"(?:^    lab\w+,\n)+", lines, text, flags=re.MULTILINE), "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("number", help="two digits, or c and one for a concept lab")
    parser.add_argument("title", help="without the number")
    options = parser.parse_args()
    try:
        made = new_lab(options.number, options.title)
    except ValueError as error:
        parser.error(str(error))
    print(*(path.relative_to(ROOT) for path in made), sep="\n")


if __name__ == "__main__":
    main()
