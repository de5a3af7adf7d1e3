"""The exercises of lab c1: a hidden picture, pictures on their side, traces, a slope."""

import numpy as np
import pytest

from labkit.check import check
from labkit.check.exercises.labc1 import hidden_picture


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


@pytest.mark.parametrize("exercise", ["c1-width", "c1-sideways", "c1-traces", "c1-slope"])
def test_dots_are_no_error(exercise):
    assert check(exercise, ...).passed is None


def test_functions_left_as_they_are_are_no_error():
    def sideways(batch): ...

    def slope(w, x, b, y): ...

    assert check("c1-sideways", sideways).passed is None
    assert check("c1-slope", slope).passed is None


# The width of a hidden picture


def test_the_picture_can_be_told_from_a_wrong_fold():
    """Neighbours below each other are most alike where the width is right."""
    numbers = hidden_picture().astype(float)
    unlike = {w: np.abs(numbers[w:] - numbers[:-w]).mean() for w in range(30, 81)}
    assert min(unlike, key=unlike.get) == 53
    assert numbers.shape == (2650,)


def test_c1_width_passes():
    assert check("c1-width", 53).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (50, "how many rows there are"),
        (106, "two dogs side by side"),
        (2650, "all of its numbers in one row"),
        (52, "until upright lines stand upright"),
        ("53", "without quotation marks"),
    ],
)
def test_c1_width_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("c1-width", answer))[0]


# Pictures on their side


@pytest.mark.parametrize(
    "answer",
    [
        lambda batch: np.transpose(batch, [0, 2, 1, 3]),
        lambda batch: np.stack([np.swapaxes(picture, 0, 1) for picture in batch]),
        lambda batch: np.swapaxes(batch, 1, 2).tolist(),
    ],
)
def test_c1_sideways_passes(answer):
    assert check("c1-sideways", answer).passed is True


def test_c1_sideways_takes_tensors():
    keras = pytest.importorskip("keras")
    assert check("c1-sideways", lambda b: keras.ops.transpose(b, [0, 2, 1, 3])).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda b: b.reshape(len(b), b.shape[2], b.shape[1], b.shape[3]), "as reshape leaves them"),
        (np.transpose, "turned all four axes around"),
        (lambda b: b, "(2, 5, 3, 3) is asked for"),
        (lambda b: np.rot90(b, axes=(1, 2)), "does not stand in row 1, column 0"),
        (lambda b: np.swapaxes(b, 1, 2)[..., ::-1], "does not stand in row 1, column 0"),
        (lambda b: "sideways", "a tensor or an array is asked for"),
        (lambda b: b.transposed(), "AttributeError"),
        (np.zeros(3), "hand over the function itself"),
    ],
)
def test_c1_sideways_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("c1-sideways", answer))[0]


# Traces


def test_c1_traces_is_what_tensorflow_counts():
    tf = pytest.importorskip("tensorflow")

    @tf.function
    def double(x):
        return x + x

    for values in ([1.0, 2.0], [3.0, 4.0], [[1.0, 2.0]], [1, 2], 5.0, [0.0, 0.0]):
        double(tf.constant(values))
    assert check("c1-traces", double.experimental_get_tracing_count()).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (6, "counts every call"),
        (5, "counts one twice"),
        (3, "of another rank"),
        (2, "both have to agree"),
        (1, "if all calls had the same"),
        (0, "write down shape and dtype"),
    ],
)
def test_c1_traces_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("c1-traces", answer))[0]


# A slope by hand


@pytest.mark.parametrize(
    "answer",
    [
        lambda w, x, b, y: 2 * (w * x + b - y) * x,
        lambda w, x, b, y: (
            ((w + 1e-6) * x + b - y) ** 2 / 2e-6 - ((w - 1e-6) * x + b - y) ** 2 / 2e-6
        ),
        lambda w, x, b, y: np.array([2 * x * (x * w + b - y)]),
    ],
)
def test_c1_slope_passes(answer):
    assert check("c1-slope", answer).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda w, x, b, y: 2 * (w * x + b - y), "is the slope by b"),
        (lambda w, x, b, y: x * (w * x + b - y), "half of it"),
        (lambda w, x, b, y: 2 * (y - w * x - b) * x, "wrong sign"),
        (lambda w, x, b, y: w * x + b - y, "is the error; the loss is its square"),
        (lambda w, x, b, y: (w * x + b - y) ** 2, "is the loss itself"),
        (lambda w, x, b, y: 0, "the slope is 30 there"),
        (lambda w, x, b, y: 30, "the slope is 32 there"),
        (lambda w, x, b, y: "8", "without quotation marks"),
        (lambda w, x: 8, "TypeError"),
    ],
)
def test_c1_slope_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("c1-slope", answer))[0]
