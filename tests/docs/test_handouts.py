"""Handouts: every lab as one file that needs no network and no cell run."""

import base64
import io
import os
import re
import subprocess
import sys
from urllib.parse import urlsplit

import nbformat
import pytest
from PIL import Image

from labkit import notebooks
from tests.docs.building import loads, outputs
from tests.notebooks.labs import NOTEBOOKS


def page_of(folder, *cells):
    """The page of a notebook in ``folder/notebooks``."""
    (folder / "notebooks").mkdir(exist_ok=True)
    return notebooks.to_html(nbformat.v4.new_notebook(cells=list(cells)), folder / "notebooks")


def markdown(source):
    return nbformat.v4.new_markdown_cell(source)


def animation():
    """The bytes of a GIF that is red, then blue."""
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    file = io.BytesIO()
    red.save(file, "GIF", save_all=True, append_images=[blue], duration=100)
    return file.getvalue()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lab_is_one_file_with_everything_in_it(path):
    lab = nbformat.read(path, as_version=4)
    page = notebooks.to_html(lab, path.parent)
    assert {urlsplit(address).scheme for address in loads(page)} == {"data"}
    assert "<script" not in page and f"<title>{notebooks.title(lab)}" in page
    drawn = "".join(cell.source for cell in lab.cells if cell.cell_type == "markdown").count("![")
    assert page.count("<img") >= drawn + sum("<img" in shown for shown in outputs(path))


def test_links_lead_to_handouts_or_nowhere(tmp_path):
    page = page_of(
        tmp_path, markdown("[next](02-b.ipynb#use), [code](../labkit/a.py), [web](https://a.org)")
    )
    assert '<a href="02-b.html#use">next</a>, code, <a href="https://a.org">web</a>' in page


def test_formulas_are_drawn_by_the_browser_itself(tmp_path):
    page = page_of(tmp_path, markdown("With $w^2$ and\n\n$$\\frac{1}{2}$$\n\nand `$HOME`."))
    assert page.count("<math") == 2 and "<mfrac>" in page and "$HOME" in page and "w^2" not in page


def test_on_paper_a_still_stands_for_an_animation(tmp_path):
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "Pictures" / "moves.gif").write_bytes(animation())
    Image.new("RGB", (8, 8), "lime").save(tmp_path / "Pictures" / "moves.png")
    address = f"data:image/gif;base64,{base64.b64encode(animation()).decode()}"
    shown = {"text/html": f'<img alt="red, then blue" src="{address}">'}
    made = nbformat.v4.new_output("display_data", data=shown)
    code = nbformat.v4.new_code_cell("show()", outputs=[made])
    page = page_of(tmp_path, markdown("![moves](../Pictures/moves.gif)"), code)
    stills = re.findall(r'class="still" src="data:image/png;base64,([^"]+)"', page)
    opened = [Image.open(io.BytesIO(base64.b64decode(still))) for still in stills]
    assert [picture.getpixel((4, 4)) for picture in opened] == [(0, 255, 0), (0, 0, 255)]
    assert page.count('class="moving"') == 2


def test_without_chromium_there_is_a_page_and_a_sentence(tmp_path):
    nbformat.write(nbformat.v4.new_notebook(cells=[markdown("# 01 · A")]), tmp_path / "01-a.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "labkit", "handouts", "01-a.ipynb", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "01-a " in done.stdout and "apt install chromium" in done.stdout
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["01-a.html"]
