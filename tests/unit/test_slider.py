"""Sliders that move a drawing of the notebook's own, without a browser."""

import re

import pytest

from labkit import plot
from labkit.errors import LabError
from labkit.widgets.slider_view import Slider, slider


def alt(page):
    return re.search(r'<img alt="([^"]*)"', page)[1]


def bars(figure, height=2, colour="red"):
    figure.subplots().bar([0], [height], color=colour)
    plot.describe(figure, f"A {colour} bar of height {height}.")


def test_the_drawing_follows_the_sliders():
    made = Slider(bars, (3, 2), {"height": range(4), "colour": ["red", "blue"]})
    assert made.values == {"height": 2, "colour": "red"}
    first = made.shown.value
    made.controls["height"].value = 3
    assert alt(made.shown.value) == "A red bar of height 3." and made.shown.value != first
    made.controls["colour"].value = "blue"
    assert "A blue bar of height 3." in made.said.value
    assert 'class="labkit-status"' in made.said.value, "screen readers hear what has changed"


def test_the_name_of_an_argument_becomes_a_label():
    made = Slider(lambda figure, step_number: None, (3, 2), {"step_number": (5, 6)})
    assert made.controls["step_number"].description == "step number"
    assert made.values == {"step_number": 5}, "without a default it begins at the first value"


def test_without_widgets_the_first_drawing_is_shown(monkeypatch):
    monkeypatch.setenv("LABKIT_HEADLESS", "1")
    bundle = slider(bars, height=range(4))._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert alt(bundle["text/html"]) == "A red bar of height 2."
    assert "Open this notebook in JupyterLab" in bundle["text/html"]


def test_with_widgets_the_panel_is_sent_as_well(monkeypatch):
    monkeypatch.setenv("LABKIT_HEADLESS", "0")
    bundle = slider(bars, size=(3, 2), height=range(4))._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_no_figure_of_pyplot_is_left_behind():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    Slider(bars, (3, 2), {"height": range(4)}).controls["height"].value = 1
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "There is nothing to move. Give values"),
        ({"width": (1, 2)}, "bars has no argument 'width'; it takes figure, height, colour"),
        ({"height": [2]}, "height has 1 value to choose from. Give two or more"),
        ({"height": (5, 6)}, "bars begins at height=2, which is not among the values"),
    ],
)
def test_an_impossible_slider_says_so(values, words):
    with pytest.raises(LabError, match=re.escape(words)):
        slider(bars, **values)
