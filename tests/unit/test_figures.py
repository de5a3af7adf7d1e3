"""Every figure has what it needs to be understood, and what has not is found."""

import inspect

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
pytest.importorskip("keras")
pytest.importorskip("optuna")

from matplotlib import pyplot  # noqa: E402
from matplotlib.colors import to_rgb  # noqa: E402

from labkit import models, palette, plot  # noqa: E402
from tests.unit.test_palette import contrast  # noqa: E402
from tests.unit.test_plot import EVERY_FIGURE, Says, guesses, toy  # noqa: E402
from tests.unit.test_plot_studies import study_of  # noqa: E402

DIGITS = toy(tuple("0123456789"), n=40)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def convolutional():
    return models.cnn(toy(), filters=(4,), dense=4)


def figures(convolutional):
    """A figure by each function of labkit.plot, some of them of two kinds."""
    yield from (draw(None) for draw in EVERY_FIGURE.values())
    # Digits are the names of classes, and still numbers on an axis.
    yield plot.per_class_accuracy(guesses(DIGITS, 3), DIGITS)
    yield plot.probabilities(np.full(10, 0.1), DIGITS.class_names, truth=3)
    yield plot.confusion_matrix(guesses(DIGITS, 3), DIGITS, normalize=True)
    yield plot.weights(models.softmax_regression(toy()))
    yield plot.filters(convolutional)
    yield plot.activation_maps(convolutional, toy().x_test[0])
    yield plot.model_diagram(convolutional)
    yield plot.optimization_history([study_of(3), study_of(4, name="shoes")])
    yield plot.param_importances(study_of(24))
    yield plot.parallel_coordinate(study_of(4))
    yield plot.intermediate_values(study_of(4))


def drawing_functions():
    public = inspect.getmembers(plot, inspect.isfunction)
    return {
        name
        for name, function in public
        if not name.startswith("_") and "ax" in inspect.signature(function).parameters
    }


def test_every_figure_of_labkit_lacks_nothing(convolutional, monkeypatch):
    called = set()
    for name in drawing_functions():
        function = getattr(plot, name)

        def noted(*args, name=name, function=function, **options):
            called.add(name)
            return function(*args, **options)

        monkeypatch.setattr(plot, name, noted)
    lacks = {}
    for ax in figures(convolutional):
        lacks[ax.get_title("left")] = plot.lacking(ax.figure)
        pyplot.close(ax.figure)
    assert not any(lacks.values()), lacks
    monkeypatch.undo()
    assert called == drawing_functions(), "draw a figure by the others, too"


def good():
    _, ax = pyplot.subplots()
    ax.plot([1, 2], [3, 4])
    ax.set(title="A line", xlabel="step", ylabel="loss")
    return plot.describe(ax, "A line that rises from 3 to 4.")


def test_a_good_figure_lacks_nothing():
    assert plot.lacking(good().figure) == []


@pytest.mark.parametrize(
    ("spoil", "missing"),
    [
        (lambda ax: ax.set_title(""), "a title"),
        (lambda ax: ax.set_xlabel(""), "a label of the x axis of 'A line'"),
        (lambda ax: ax.set_ylabel(""), "a label of the y axis of 'A line'"),
        (lambda ax: delattr(ax, "labkit_alt"), "a text for readers"),
        (lambda ax: ax.set(yscale="log", ylabel=""), "a label of the y axis of 'A line'"),
        (
            lambda ax: ax.inset_axes([0, 0, 0.5, 0.5]).set_xlabel("x"),
            "a label of the y axis of one",
        ),
        (lambda ax: ax.figure.add_subplot(1, 2, 2).set(xticks=[], yticks=[]), "a title"),
    ],
)
def test_what_a_figure_lacks_is_found(spoil, missing):
    ax = good()
    spoil(ax)
    (found,) = plot.lacking(ax.figure)
    assert found.startswith(missing)


def test_names_pictures_and_shared_axes_need_no_label():
    ax = good()
    ax.clear()
    ax.set(title="Sizes", xlabel="length")
    ax.barh(["cat", "dog"], [1, 2])
    assert plot.lacking(ax.figure) == []
    ax.set(xlabel="")
    ax.set_axis_off()
    assert plot.lacking(ax.figure) == []
    figure, (left, right) = pyplot.subplots(1, 2, sharey=True)
    left.set(title="Before", xlabel="step", ylabel="loss")
    right.set(title="After", xlabel="step")
    plot.describe(figure, "Two empty figures.")
    assert plot.lacking(figure) == []


def test_a_colour_bar_needs_a_label_and_no_title():
    ax = good()
    bar = ax.figure.colorbar(ax.scatter([1, 2], [1, 2], c=[1, 2]))
    assert len(plot.lacking(ax.figure)) == 1
    bar.set_label("weight")
    assert plot.lacking(ax.figure) == []


def test_the_numbers_in_a_confusion_matrix_can_be_read():
    """From none to all of a class right, and as many kinds of mistakes."""
    said = np.eye(3)[np.random.default_rng(0).integers(0, 3, 300)]
    data = toy(n=300)
    for rightly in (0, 20, 40, 60, 70, 75, 80, 85, 90, 100):
        said[:rightly] = np.eye(3)[data.y_test[:rightly]]
        ax = plot.confusion_matrix(Says(said), data)
        cells = ax.images[0].get_array()
        for text in ax.texts:
            column, row = map(int, text.get_position())
            assert text.get_alpha() is None
            assert contrast(to_rgb(text.get_color()), tuple(cells[row, column])) >= 4.5
    assert contrast(to_rgb(palette.GREY), (1, 1, 1)) >= 4.5
