"""Figures show what they claim, take the axes given, and can be read without being seen."""

import os
import re
from base64 import b64decode, b64encode
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402

from labkit import palette, plot  # noqa: E402
from labkit.data.dataset import Dataset, Source  # noqa: E402
from labkit.errors import LabError  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture
def ax():
    return pyplot.figure(figsize=(9, 6)).add_subplot()


def toy(classes=("cat", "dog", "owl"), n=30, kind="folder"):
    """Pictures whose every pixel is ten times their label."""
    y = np.arange(n) % len(classes)
    x = np.broadcast_to((10 * y)[:, None, None, None], (n, 8, 8, 1)).astype(np.uint8)
    return Dataset("toy", "Toy animals", x, y, x, y, Source(kind, "here"), tuple(classes))


def table():
    x = np.random.default_rng(0).normal(size=(50, 2))
    y = 3 * x[:, 0] - x[:, 1]
    return Dataset(
        "table", "A table", x, y, x, y, Source("folder", "here"), (), ("size", "age"), "price"
    )


class Says:
    """A model that says these probabilities, whatever it sees."""

    name = "parrot"

    def __init__(self, probabilities, input_shape=(8, 8, 1)):
        self.probabilities = np.asarray(probabilities)
        self.input_shape = (None, *input_shape)
        self.output_shape = (None, self.probabilities.shape[1])

    def predict(self, x, **options):
        assert options == {"verbose": 0, "batch_size": 64}
        return self.probabilities


def guesses(data, wrong=0):
    """Says the truth with probability 0.8, but errs on the first ``wrong`` examples."""
    k = data.num_classes
    said = (data.y_test + (np.arange(len(data.y_test)) < wrong)) % k
    return Says(np.where(np.eye(k)[said] == 1, 0.8, 0.2 / (k - 1)))


def run(name="cnn", accuracy=(0.91, 0.97, 0.99), **more):
    metrics = {"accuracy": list(accuracy), "val_accuracy": [0.95, 0.96, 0.97], **more}
    return SimpleNamespace(name=name, metrics=metrics)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def title(ax):
    """The title of the figure, whatever lines it was broken into."""
    return " ".join(ax.get_title("left").split())


EVERY_FIGURE = {
    "samples": lambda ax: plot.samples(toy(), rows=2, columns=4, ax=ax),
    "picture": lambda ax: plot.pictures(toy().x_test[0], "a cat", ax=ax),
    "pictures": lambda ax: plot.pictures(toy().x_test[:3], ["a", "b", "c"], ax=ax),
    "scatter_columns": lambda ax: plot.scatter_columns(table(), ax=ax),
    "learning_curves": lambda ax: plot.learning_curves(run(), ax=ax),
    "confusion_matrix": lambda ax: plot.confusion_matrix(guesses(toy(), 4), toy(), ax=ax),
    "per_class_accuracy": lambda ax: plot.per_class_accuracy(guesses(toy(), 4), toy(), ax=ax),
    "confident_mistakes": lambda ax: plot.confident_mistakes(guesses(toy(), 4), toy(), ax=ax),
    "no_mistakes": lambda ax: plot.confident_mistakes(guesses(toy()), toy(), ax=ax),
    "probabilities": lambda ax: plot.probabilities([0.9, 0.1], ("cat", "dog"), ax=ax),
    "heat_maps": lambda ax: plot.heat_maps(toy().x_test[:2], np.ones((2, 8, 8)), "ab", ax=ax),
    "predicted_vs_actual": lambda ax: plot.predicted_vs_actual([1, 2, 3], [1, 2, 4], ax=ax),
    "coefficients": lambda ax: plot.coefficients(["size", "age"], [3, -1], ax=ax),
}


@pytest.mark.parametrize("draw", EVERY_FIGURE.values(), ids=EVERY_FIGURE.keys())
def test_every_figure_draws_in_the_axes_given_or_in_a_new_figure(draw, ax):
    assert draw(ax) is ax
    new = draw(None)
    assert new.figure is not ax.figure
    for drawn in (ax, new):
        assert title(drawn)
        assert plot.alt_text(drawn).endswith(".")
        assert plot.alt_text(drawn.figure) == plot.alt_text(drawn)
    assert new.figure.get_figwidth() <= 9


LABELS = {
    "picture": ("column (pixel)", "row (pixel)"),
    "learning_curves": ("epoch", "accuracy (share that is right)"),
    "confusion_matrix": ("predicted class", "true class"),
    "per_class_accuracy": ("accuracy (share that is right)", "true class"),
    "probabilities": ("probability", "class"),
    "predicted_vs_actual": ("actual value", "predicted value (same unit)"),
    "coefficients": ("coefficient (change of the prediction when the feature grows by 1)", ""),
}


@pytest.mark.parametrize("name", LABELS)
def test_axes_are_labelled(name):
    ax = EVERY_FIGURE[name](None)
    assert (ax.get_xlabel(), ax.get_ylabel()) == LABELS[name]


@pytest.mark.parametrize("name", EVERY_FIGURE)
def test_nothing_is_drawn_outside_the_page(name):
    figure = EVERY_FIGURE[name](None).figure
    figure.canvas.draw()
    box = figure.get_tightbbox()
    assert box.x0 >= -0.1 and box.x1 <= figure.get_figwidth() + 0.1
    assert box.y0 >= -0.1 and box.y1 <= figure.get_figheight() + 0.1


# --- data ---


def test_samples_show_as_many_of_each_class():
    ax = plot.samples(toy(), rows=2, columns=6)
    assert texts(ax) == ["cat", "dog", "owl"] * 4
    assert title(ax) == "Toy animals: 12 of 30 training pictures"


def test_samples_show_the_picture_under_its_own_name():
    data = toy()
    ax = plot.samples(data, rows=1, columns=3)
    for image, name in zip(ax.images, texts(ax), strict=True):
        label = data.class_names.index(name)
        assert np.allclose(image.get_array(), 10 * label / 255)


def test_samples_follow_their_seed():
    data = toy(n=90)
    numbered = np.arange(90, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    data = Dataset(
        "toy", "Toy", numbered, data.y_train, numbered, data.y_test, data.source, data.class_names
    )

    def shown(seed):
        return [image.get_array().mean() for image in plot.samples(data, seed=seed, rows=1).images]

    assert shown(1) == shown(1)
    assert shown(1) != shown(2)


def test_samples_go_on_when_one_class_runs_out():
    data = toy(("cat", "dog"), n=6)
    y = np.array([0, 0, 0, 0, 0, 1])
    data = Dataset("toy", "Toy", data.x_train, y, data.x_test, y, data.source, data.class_names)
    assert texts(plot.samples(data)) == ["cat", "dog", "cat", "cat", "cat", "cat"]


def test_samples_say_that_they_are_sample_data():
    ax = plot.samples(toy(kind="sample"))
    assert title(ax).endswith("(sample data)")
    assert "(sample data)" in plot.alt_text(ax)


def test_a_table_has_no_pictures_and_is_told_what_to_use():
    with pytest.raises(LabError, match="has no classes.*predicted_vs_actual"):
        plot.samples(table())
    with pytest.raises(LabError, match='split="train" or split="test"'):
        plot.samples(toy(), split="validation")
    with pytest.raises(LabError, match="plot.samples\\(data\\)"):
        plot.scatter_columns(toy())


def test_one_picture_has_a_ruler_of_pixels_and_true_greys():
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    ax = plot.pictures(picture)
    assert ax.get_xlim() == (-0.5, 3.5) and ax.get_ylim() == (2.5, -0.5)
    assert np.allclose(ax.images[0].get_array(), picture[..., None] / 255)
    assert title(ax) == "A picture of 4 by 3 pixels"


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 3)])
def test_one_picture_may_have_channels(shape):
    assert len(plot.pictures(np.zeros(shape)).images) == 1


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 1), (5, 8, 8, 3)])
def test_several_pictures_may_have_channels(shape):
    assert len(plot.pictures(np.zeros(shape)).images) == 5


def test_a_grid_does_not_overlap():
    ax = plot.pictures(np.zeros((7, 4, 8)), list("abcdefg"), columns=3)
    boxes = [tuple(image.get_extent()) for image in ax.images]
    for i, (left, right, bottom, top) in enumerate(boxes):
        assert right - left == pytest.approx(2 * (bottom - top))  # pixels stay square
        for other in boxes[i + 1 :]:
            assert other[0] > right or other[1] < left or other[3] > bottom


@pytest.mark.parametrize(
    ("images", "titles", "message"),
    [
        (np.zeros((2, 8, 8, 4)), None, "is not pictures"),
        (np.zeros(8), None, "is not pictures"),
        (np.zeros((0, 8, 8)), None, "is not pictures"),
        (np.zeros((2, 8, 8)), ["one"], "2 pictures came with 1 titles"),
    ],
)
def test_what_is_no_picture_is_refused(images, titles, message):
    with pytest.raises(LabError, match=message):
        plot.pictures(images, titles)


def test_scatter_columns_has_a_panel_for_each_feature():
    data = table()
    ax = plot.scatter_columns(data)
    assert [panel.get_xlabel() for panel in ax.child_axes] == ["size", "age"]
    assert ax.child_axes[0].get_ylabel() == "price"
    points = ax.child_axes[1].collections[0].get_offsets()
    assert np.allclose(points, np.column_stack([data.x_train[:, 1], data.y_train]))
    r = np.corrcoef(data.x_train[:, 0], data.y_train)[0, 1]
    assert f"size: {r:.2f}" in plot.alt_text(ax)


# --- history ---


def test_training_is_solid_and_validation_dashed_from_epoch_one():
    ax = plot.learning_curves(run())
    training, validation = ax.lines
    assert training.get_linestyle() == "-" and validation.get_linestyle() == "--"
    assert list(training.get_xdata()) == [1, 2, 3]
    assert list(training.get_ydata()) == [0.91, 0.97, 0.99]
    assert list(validation.get_ydata()) == [0.95, 0.96, 0.97]
    assert [text.get_text() for text in ax.get_legend().texts] == ["training", "validation"]


@pytest.mark.parametrize("epochs", [1, 2, 3, 12, 50])
def test_ticks_are_whole_epochs(epochs):
    accuracy = np.linspace(0.5, 0.9, epochs)
    ax = plot.learning_curves(run(accuracy=accuracy, val_accuracy=[]))
    low, high = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert ticks and all(tick == int(tick) and 1 <= tick <= epochs for tick in ticks)


def test_a_run_keeps_its_colour_when_another_joins():
    alone = plot.learning_curves([run("a")])
    joined = plot.learning_curves([run("a"), run("b")])
    assert [to_hex(line.get_color()).upper() for line in joined.lines] == [
        *[palette.SERIES[0]] * 2,
        *[palette.SERIES[1]] * 2,
    ]
    assert alone.lines[0].get_color() == joined.lines[0].get_color()
    legend = [text.get_text() for text in joined.get_legend().texts]
    assert legend == ["a", "b", "training", "validation"]


def test_learning_curves_tell_how_they_run():
    text = plot.alt_text(plot.learning_curves([run(), run("mlp", [0.5, 0.4, 0.3])]))
    assert text.startswith("Learning curves of 2 runs, accuracy after each of 3 epochs.")
    assert "cnn: training rises from 0.91 to 0.99, validation rises from 0.95 to 0.97" in text
    assert "mlp: training falls from 0.5 to 0.3" in text


def test_runs_that_cannot_be_drawn_say_why():
    with pytest.raises(LabError, match="'loss'; it has accuracy, val_accuracy"):
        plot.learning_curves(run(), metric="loss")
    with pytest.raises(LabError, match="no finished epoch"):
        plot.learning_curves(run(accuracy=[]))
    with pytest.raises(LabError, match="8 runs.*Give 1 to 7"):
        plot.learning_curves([run()] * 8)
    with pytest.raises(LabError, match="0 runs"):
        plot.learning_curves([])


# --- right and wrong ---


def test_the_confusion_matrix_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    data = toy(n=60)
    said = np.random.default_rng(0).dirichlet([1, 1, 1], 60)
    expected = metrics.confusion_matrix(data.y_test, said.argmax(axis=1))

    ax = plot.confusion_matrix(Says(said), data)
    assert [int(text) for text in texts(ax)] == expected.ravel().tolist()
    accuracy = np.trace(expected) / 60
    assert title(ax) == f"Confusion matrix: {accuracy:.1%} right"

    ax = plot.confusion_matrix(Says(said), data, normalize=True)
    shares = expected / expected.sum(axis=1, keepdims=True)
    assert [float(text) for text in texts(ax)] == pytest.approx(shares.ravel(), abs=0.005)


def test_confusion_colours_right_blue_and_mistakes_red_by_how_often():
    image = plot.confusion_matrix(guesses(toy(), 4), toy()).images[0].get_array()
    red, _, blue = np.moveaxis(image, -1, 0)
    assert (blue[np.eye(3, dtype=bool)] > red[np.eye(3, dtype=bool)]).all()
    assert red[0, 1] > blue[0, 1]  # cats taken for dogs: twice
    assert blue[0, 1] < blue[1, 2]  # darker than dogs taken for owls: once
    assert np.allclose(image[2, 1], 1)  # no owl was taken for a dog


def test_confusion_names_the_worst_mistake():
    assert "cat taken for dog, 2 times" in plot.alt_text(
        plot.confusion_matrix(guesses(toy(), 4), toy())
    )
    assert "There is no mistake." in plot.alt_text(plot.confusion_matrix(guesses(toy()), toy()))


def test_per_class_accuracy_is_sorted_with_the_overall_line():
    ax = plot.per_class_accuracy(guesses(toy(), 4), toy())  # 2 cats, 1 dog, 1 owl of 10 each
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.9, 0.9, 0.8])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["dog", "owl", "cat"]
    assert ax.lines[0].get_xdata()[0] == pytest.approx(26 / 30)
    assert "all together 0.867" in title(ax)


def test_mistakes_come_with_the_surest_first():
    data = toy(n=4)  # cat, dog, owl, cat
    said = [[0.4, 0.6, 0], [0, 1, 0], [0.98, 0.01, 0.01], [0.3, 0, 0.7]]
    ax = plot.confident_mistakes(Says(said), data, count=2)
    said_of = [" ".join(text.split()) for text in texts(ax)]
    assert said_of == ["predicted cat (0.98), is owl", "predicted owl (0.70), is cat"]
    assert np.allclose(ax.images[0].get_array(), 20 / 255)  # the owl
    assert title(ax) == "The most confident mistakes: 2 of 3 in 4 test pictures"
    assert len(plot.confident_mistakes(Says(said), data).images) == 3


def test_without_mistakes_the_picture_says_so():
    assert texts(plot.confident_mistakes(guesses(toy()), toy())) == [
        "No mistakes: all 30 test pictures are right"
    ]


@pytest.mark.parametrize(
    "draw", [plot.confusion_matrix, plot.per_class_accuracy, plot.confident_mistakes]
)
def test_a_model_that_does_not_fit_the_data_is_refused(draw):
    with pytest.raises(LabError, match="plot\\.(predicted_vs_actual|scatter_columns)"):
        draw(guesses(toy()), table())
    with pytest.raises(LabError, match="takes 28 × 28 × 1 and toy has 8 × 8 × 1"):
        draw(Says(np.eye(3), input_shape=(28, 28, 1)), toy())
    with pytest.raises(LabError, match="gives 2 numbers and toy has 3 classes"):
        draw(Says(np.eye(2)), toy())


@pytest.mark.parametrize(
    ("truth", "colour", "expected"),
    [
        (None, palette.BLUE, "Predicted dog (0.70)"),
        (1, palette.BLUE, "Predicted dog (0.70), is dog"),
        (0, palette.VERMILLION, "Predicted dog (0.70), is cat"),
    ],
)
def test_probabilities_mark_the_prediction(truth, colour, expected):
    ax = plot.probabilities([[0.2, 0.7, 0.1]], ("cat", "dog", "owl"), truth=truth)
    assert [bar.get_width() for bar in ax.patches] == [0.2, 0.7, 0.1]
    assert to_hex(ax.patches[1].get_facecolor()).upper() == colour
    assert title(ax) == expected


def test_heat_maps_are_red_where_it_is_hot_and_grey_where_it_is_not():
    picture = np.full((8, 8, 3), (0, 80, 160), np.uint8)
    heat = np.zeros((8, 8))
    heat[2, 5] = 1
    ax = plot.heat_maps([picture], [heat], ["a cat"])
    above, below = (np.asarray(image.get_array()) for image in ax.images)
    np.testing.assert_allclose(above[0, 0] * 255, (0, 80, 160), atol=1)
    assert np.ptp(below[0, 0]) == pytest.approx(0) and below[0, 0, 0] > above[0, 0].mean()
    red, green, blue = below[2, 5]
    assert red > green + 0.2 and red > blue + 0.2
    assert "hottest at a cat: row 2, column 5" in plot.alt_text(ax)
    cold = plot.heat_maps([picture], [np.zeros((8, 8))])
    assert "hottest at nowhere" in plot.alt_text(cold)


def test_heat_maps_say_what_does_not_fit():
    pictures = toy().x_test[:2]
    with pytest.raises(LabError, match=r"shape \(1, 8, 8\) do not lie on"):
        plot.heat_maps(pictures, np.ones((1, 8, 8)))
    with pytest.raises(LabError, match="2 pictures came with 1 titles"):
        plot.heat_maps(pictures, np.ones((2, 8, 8)), ["a"])


def test_probabilities_need_a_name_each():
    with pytest.raises(LabError, match="shape \\(2, 3\\) do not match 3 class names"):
        plot.probabilities(np.ones((2, 3)), ("cat", "dog", "owl"))


# --- inside a model: one real, untrained network for all ---


@pytest.fixture(scope="module")
def cnn():
    pytest.importorskip("keras")
    from labkit import models

    return models.cnn(((28, 28, 1), 10), filters=(4, 6), dense=8)


@pytest.fixture(scope="module")
def softmax():
    pytest.importorskip("keras")
    from labkit import models

    return models.softmax_regression(((28, 28, 1), 10))


def test_weights_are_a_picture_a_class(softmax):
    ax = plot.weights(softmax)
    (kernel, _) = softmax.layers[-1].get_weights()
    assert len(ax.images) == 10 and texts(ax)[7] == "class 7"
    assert np.allclose(ax.images[7].get_array(), kernel[:, 7].reshape(28, 28))
    low, high = ax.images[0].get_clim()
    assert low == -high == pytest.approx(-np.abs(kernel).max())  # white is zero
    assert ax.child_axes[0].get_ylabel() == "weight (no unit)"


def test_filters_are_the_first_convolution_or_the_one_named(cnn):
    first, second = [layer for layer in cnn.layers if "conv" in layer.name]
    ax = plot.filters(cnn)
    kernels = first.get_weights()[0]
    assert len(ax.images) == 4
    assert np.allclose(ax.images[2].get_array(), kernels[:, :, 0, 2])
    assert first.name in title(ax)
    named = plot.filters(cnn, layer=second.name)
    assert np.allclose(named.images[5].get_array(), second.get_weights()[0][..., 5].mean(axis=-1))


def test_filters_of_colour_pictures_are_in_colour():
    pytest.importorskip("keras")
    from labkit import models

    model = models.cnn(((8, 8, 3), 2), filters=(2,), dense=2)
    kernels = model.layers[1].get_weights()[0]
    shown = plot.filters(model).images[1].get_array()
    assert np.allclose(shown, 0.5 + kernels[..., 1] / np.abs(kernels).max() / 2)


def test_activation_maps_are_what_the_layer_gives(cnn):
    from keras import Model

    picture = np.random.default_rng(0).integers(0, 256, (28, 28, 1), dtype=np.uint8)
    pooling = next(layer for layer in cnn.layers if "pool" in layer.name)
    ax = plot.activation_maps(cnn, picture, layer=pooling.name)
    expected = Model(cnn.inputs, pooling.output).predict(picture[None], verbose=0)[0]
    assert texts(ax) == ["input", "1", "2", "3", "4"]
    assert np.allclose(ax.images[0].get_array(), picture / 255)
    assert np.allclose(ax.images[3].get_array(), expected[..., 2], atol=1e-6)
    assert "4 maps of 13 by 13" in title(ax)


def test_the_diagram_has_every_layer_with_shape_and_size(cnn):
    ax = plot.model_diagram(cnn)
    shown = texts(ax)
    for layer in cnn.layers:
        assert layer.name in shown
        assert f"{layer.count_params():,}" in shown
    assert "26 × 26 × 4" in shown and "28 × 28 × 1" in shown
    assert title(ax) == f"cnn: {len(cnn.layers)} layers, {cnn.count_params():,} parameters"
    assert len(ax.patches) == len(cnn.layers) + 1  # and the input


def test_layers_that_are_not_there_are_named_with_those_that_are(cnn, softmax):
    with pytest.raises(LabError, match="not one dense layer.*plot.filters"):
        plot.weights(cnn)
    with pytest.raises(LabError, match="no Conv2D layer; its layers are .*models.cnn\\(data\\)"):
        plot.filters(softmax)
    with pytest.raises(LabError, match="no layer 'nose'"):
        plot.filters(cnn, layer="nose")
    with pytest.raises(LabError, match="no convolution"):
        plot.filters(cnn, layer=cnn.layers[-1].name)
    with pytest.raises(LabError, match="10 numbers and no maps"):
        plot.activation_maps(cnn, np.zeros((28, 28, 1)), layer=cnn.layers[-1].name)
    with pytest.raises(LabError, match="shape \\(1, 28, 28, 1\\).*data.x_test\\[0\\]"):
        plot.activation_maps(cnn, np.zeros((1, 28, 28, 1)))


def test_a_model_without_shapes_has_no_diagram():
    keras = pytest.importorskip("keras")
    with pytest.raises(LabError, match="keras.layers.Input"):
        plot.model_diagram(keras.Sequential([keras.layers.Dense(2)]))


# --- regression ---


def test_predicted_vs_actual_gives_the_r2_of_scikit_learn():
    r2_score = pytest.importorskip("sklearn.metrics").r2_score
    y_true, y_pred = np.array([1.0, 2, 3, 5]), np.array([[1.1], [1.9], [3.5], [4.2]])
    ax = plot.predicted_vs_actual(y_true, y_pred)
    assert title(ax) == f"Predicted against actual, R² = {r2_score(y_true, y_pred):.3f}"
    assert np.allclose(ax.collections[0].get_offsets(), np.column_stack([y_true, y_pred]))
    assert ax.get_xlim() == ax.get_ylim()


def test_coefficients_are_sorted_by_size_and_readable():
    ax = plot.coefficients(["a", "b", "c"], [0.0000529, -3, 1])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "c", "a"]
    assert texts(ax) == ["−3", "1", "0.0000529"]
    assert to_hex(ax.patches[0].get_facecolor()).upper() == palette.VERMILLION


def test_lengths_that_differ_are_refused():
    with pytest.raises(LabError, match="3 true values and 2 predictions"):
        plot.predicted_vs_actual([1, 2, 3], [1, 2])
    with pytest.raises(LabError, match="1 names and 2 coefficients"):
        plot.coefficients(["a"], [1, 2])


# --- alt text ---


def test_a_figure_is_described_by_itself_or_its_axes_or_its_titles():
    figure, (left, right) = pyplot.subplots(1, 2)
    assert plot.alt_text(figure) == "A figure without a description."
    right.set_title("Prices")
    assert plot.alt_text(figure) == "Prices"
    assert plot.describe(left, "Rain\n   falls.") is left
    assert plot.alt_text(figure) == "Rain falls. Prices"
    plot.describe(figure, "Weather and prices.")
    assert plot.alt_text(figure) == "Weather and prices."


NOTEBOOK = [
    # pyplot comes first, and its figure is a learner's own
    """
    from matplotlib import pyplot
    own, axes = pyplot.subplots()
    axes.plot([1, 2])
    pyplot.close(own)
    """,
    """
    from types import SimpleNamespace
    from labkit import plot
    history = SimpleNamespace(name='a "small" <cnn>', metrics={"accuracy": [0.5, 0.75]})
    plot.learning_curves(history);
    """,
    "plot.pictures([[0, 255], [255, 0]], 'a chessboard').figure",
    """
    pyplot.plot([1, 2])
    pyplot.title('My own title');
    """,
    "plot.describe(pyplot.figure().add_subplot(), 'Described by hand.');",
    """
    %config InlineBackend.figure_format = 'retina'
    plot.predicted_vs_actual([1, 2], [1, 2]);
    """,
]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook above, run in a real kernel."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    from textwrap import dedent

    cells = [nbformat.v4.new_code_cell(dedent(source).strip()) for source in NOTEBOOK]
    notebook = nbformat.v4.new_notebook(cells=cells)
    path = str(tmp_path_factory.mktemp("notebook"))
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": path}})
    client.execute(env=environment)
    return notebook


def test_the_html_of_a_notebook_has_the_alt_text_of_its_figures(executed):
    exporter = pytest.importorskip("nbconvert").HTMLExporter
    html, _ = exporter().from_notebook_node(executed)
    pictures = pytest.importorskip("bs4").BeautifulSoup(html, "html.parser").find_all("img")
    assert all(picture["src"].startswith("data:image/webp;base64,") for picture in pictures)
    curves, *rest, scatter = [picture["alt"] for picture in pictures]
    assert curves == (
        "Learning curves of 1 run, accuracy after each of 2 epochs. "
        'a "small" <cnn>: training rises from 0.5 to 0.75.'
    )
    # A figure that is a cell's value is shown as the value and once more by matplotlib.
    chessboard = "A picture of 2 by 2 pixels: a chessboard."
    assert rest == [chessboard, chessboard, "My own title", "Described by hand."]
    assert scatter.startswith("Scatter plot of 2 predictions")


def decoded(html):
    image = pytest.importorskip("PIL.Image")
    return image.open(BytesIO(b64decode(re.search('base64,([^"]*)', html)[1])))


def test_a_figure_is_stored_once_and_small(executed):
    (output,) = executed.cells[1].outputs
    assert set(output.data) == {"text/html", "text/plain"}
    assert 850 < decoded(output.data["text/html"]).width < 950
    assert len(output.data["text/html"]) < 40_000


def test_the_pixels_of_a_figure_are_kept_unless_it_would_be_too_large():
    grain = np.random.default_rng(0).integers(100, 130, (32, 32, 32, 3), dtype=np.uint8)
    for images, exact in ((grain[:2], True), (grain, False)):
        figure = plot.pictures(images).figure
        png = BytesIO()
        figure.savefig(png, format="png")
        html = plot._html(figure, b64encode(png.getvalue()).decode())
        same = np.array_equal(
            decoded(html).convert("RGB"), pytest.importorskip("PIL.Image").open(png).convert("RGB")
        )
        assert same == exact
        assert len(html) < 100_000


def test_a_sharp_screen_gets_twice_the_pixels_at_the_same_size(executed):
    html = executed.cells[-1].outputs[0].data["text/html"]
    width = int(re.search(r'width="(\d+)"', html)[1])
    assert 400 < width < 600
    assert decoded(html).width in (2 * width, 2 * width + 1)
