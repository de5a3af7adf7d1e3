"""A learner watches a wall of pictures while they are sent and classified."""

import os

import pytest
from PIL import Image

from labkit import samples
from tests.browser.test_widgets import RUN_SECOND_CELL, photograph, says
from tests.unit import tiny_models as tiny

WATCH = """
from labkit import stream

kafka = stream.connect()
wall = stream.watch(connection=kafka)
wall
"""
SEND = """
stream.send(["night.png", "noon.png", "my_cat.png"], connection=kafka)
producer = kafka.producer()
producer.produce("pictures", b"<html>", headers=[("name", b"<b>page</b>.jpg")])
producer.flush()
stream.classify("lamp", connection=kafka, idle=1)
"""
SECOND_CELL_HAS_RUN = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
  return cells.get(1).executionCount === 3 && cells.get(1).executionState !== "running";
}"""


@pytest.fixture
def classroom(tmp_path, monkeypatch):
    """Three pictures and a model that tells dark from bright."""
    for name, colour in (("night.png", "black"), ("noon.png", "white")):
        Image.new("RGB", (90, 60), colour).save(tmp_path / name)
    pet = samples.draw("cats_and_dogs").x_test[0]
    Image.fromarray(pet).save(tmp_path / "my_cat.png")
    tiny.put(tmp_path / "store", "lamp", tiny.brightness(64, 64, 3), ["dark", "bright"])
    monkeypatch.setitem(os.environ, "LABKIT_STORE", str(tmp_path / "store"))
    monkeypatch.delitem(os.environ, "LABKIT_KAFKA_BOOTSTRAP", raising=False)


def test_pictures_come_with_their_answers_until_stop(classroom, run_notebook, shots):
    with run_notebook(WATCH, SEND) as page:
        says(page, "Pictures seen: 4. On the wall: 3 answered, 0 waiting, 1 dead letters.")
        wall = page.locator(".labkit-wall")
        wall.get_by_role("img", name="night.png: dark, 100 %").wait_for()
        wall.get_by_role("img", name="noon.png: bright, 100 %").wait_for()
        page_of_html = "<b>page</b>.jpg: no picture, dead letter, it is not a JPEG"
        wall.get_by_role("img", name=page_of_html).wait_for()
        assert wall.get_by_role("listitem").count() == 4
        first = wall.get_by_role("listitem").first
        assert "<b>page</b>.jpg" in first.inner_text(), "the newest is the first, its name is text"
        loaded = "images => images.every(image => image.complete && image.naturalWidth === 96)"
        assert wall.locator("img").evaluate_all(loaded)
        photograph(page, shots / "watch.png")

        page.get_by_role("button", name="Stop").press("Enter")
        says(page, "Stopped. To go on, run the cell again.")
        page.evaluate(RUN_SECOND_CELL)
        page.wait_for_function(SECOND_CELL_HAS_RUN, timeout=30_000)
        says(page, "Pictures seen: 4.")
