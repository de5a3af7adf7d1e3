"""The site, built as `make docs` builds it."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat

from tests.notebooks.labs import ROOT


def build(out, doctrees):
    """The finished process, whose stderr holds the warnings."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", "")
    options = re.search(r"-m sphinx .*?(?=\s+--doctree-dir)", makefile)[0].split()
    folders = ["--doctree-dir", str(doctrees), ".", str(out)]
    return subprocess.run(
        [sys.executable, *options, *folders], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


class _Loads(HTMLParser):
    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        names = {"src", "srcset", "poster", "data"} | ({"href"} if tag == "link" else set())
        self.addresses += [value for name, value in attributes if name in names]


def loads(page: str) -> list[str]:
    """The addresses that a browser asks for by itself when it shows a page."""
    reader = _Loads()
    reader.feed(page)
    return reader.addresses


def outputs(path: Path):
    """What the cells of a saved lab show as HTML."""
    cells = nbformat.read(path, as_version=4).cells
    found = (output.get("data", {}) for cell in cells for output in cell.get("outputs", ()))
    return [data["text/html"] for data in found if "text/html" in data]
