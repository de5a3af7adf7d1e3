"""The pictures that the labs show: small enough, described, and none of them forgotten."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.notebooks.labs import NOTEBOOKS, ROOT, read

FOLDER = ROOT / "Pictures"
FILES = sorted(p.name for p in FOLDER.iterdir() if p.suffix in (".png", ".gif"))
SHOWN = re.compile(r"!\[(.*?)\]\((.*?)\)")

every_file = pytest.mark.parametrize("name", FILES)


def pages():
    """The prose of the project: each notebook's, and every Markdown page but the table's."""
    for path in NOTEBOOKS:
        yield path, "\n\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        yield path, path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown():
    """Where each picture is shown, and with which alt text: ``{name: [(page, text), …]}``."""
    places = {}
    for page, text in pages():
        for alt, target in SHOWN.findall(text):
            if Path(target).parent.name == "Pictures":
                places.setdefault(Path(target).name, []).append((page.name, alt))
    return places


def test_there_are_pictures():
    assert len(FILES) > 40
    assert any(name.endswith(".gif") for name in FILES)


@every_file
def test_a_picture_is_shown_somewhere_with_a_text_that_says_what_is_in_it(name, shown):
    still = name.endswith(".png") and name.replace(".png", ".gif") in FILES  # for print
    assert still or shown.get(name), f"no lab or page shows {name}: show it, or delete it"
    for page, alt in shown.get(name, []):
        assert len(alt) >= 40, f"{page} has too little to say about {name}"


@every_file
def test_the_table_of_pictures_names_every_file(name):
    assert f"[{name}]({name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_table_names_no_file_that_is_not_there():
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([^)/]+\.(?:png|gif))\)", table)) <= set(FILES)


@every_file
def test_a_picture_loads_quickly(name):
    path = FOLDER / name
    assert path.stat().st_size < (600_000 if name.endswith(".gif") else 150_000)
    with Image.open(path) as image:
        assert image.width <= 1600


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".gif")])
def test_an_animation_moves_and_has_a_still_for_print(name):
    with Image.open(FOLDER / name) as image:
        assert image.n_frames > 3 and image.info["loop"] == 0
        first = np.asarray(image.convert("RGB"), int)
        image.seek(image.n_frames - 1)
        assert np.abs(np.asarray(image.convert("RGB"), int) - first).max() > 100
    with Image.open(FOLDER / name.replace(".gif", ".png")) as still:
        pixels = np.asarray(still.convert("RGB"), int)
    assert pixels.std() > 10  # something is drawn
    wide, high = still.size
    assert wide / high == pytest.approx(first.shape[1] / first.shape[0], rel=0.1)
