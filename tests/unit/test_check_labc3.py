"""The exercises of lab c3: sums, sizes, pooling, parameters, the receptive field."""

import numpy as np
import pytest

from labkit.check import check


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


ALL = ["c3-position", "c3-size", "c3-pool", "c3-parameters", "c3-field"]


@pytest.mark.parametrize("exercise", ALL)
def test_dots_are_no_error(exercise):
    assert check(exercise, ...).passed is None


def test_functions_of_dots_are_no_error():
    def one(maps): ...

    def two(side, layers): ...

    assert check("c3-pool", one).passed is None
    assert check("c3-size", two).passed is None


# Numbers


def test_c3_position_is_what_numpy_computes():
    picture = np.ones((6, 6), int)
    picture[3:, 3:] = 8
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    assert check("c3-position", (picture[3:6, 1:4] * kernel).sum()).passed is True


def test_c3_parameters_is_what_keras_counts():
    from labkit import models

    assert check("c3-parameters", models.cnn(((32, 32, 3), 10)).count_params()).passed is True


def test_c3_field_is_the_first_to_reach_the_whole_picture():
    def seen(layers):
        return 1 + 2 * layers

    first = next(n for n in range(100) if seen(n) >= 28)
    assert check("c3-field", first).passed is True


@pytest.mark.parametrize(
    ("exercise", "answer", "hint"),
    [
        ("c3-position", 21, "go one row down"),
        ("c3-position", 30, "multiply each by the number of the kernel"),
        ("c3-position", 5, "rows 3 to 5 and columns 1 to 3"),
        ("c3-position", "28", "write the number without quotation marks"),
        ("c3-parameters", 117_804, "grey pictures of 28 × 28"),
        ("c3-parameters", 118_344, "the last map of 32 × 32 ones is larger"),
        ("c3-parameters", 158_124, "the first filters look at three"),
        ("c3-parameters", 158_410, "leaves out the biases"),
        ("c3-parameters", 7, "print the five parts"),
        ("c3-field", 13, "one too few"),
        ("c3-field", 10, "each layer adds only 2"),
        ("c3-field", 99, "3, 5, 7"),
    ],
)
def test_the_usual_slips_are_named(exercise, answer, hint):
    result = check(exercise, answer)
    assert result.passed is False
    assert hint in failed_lines(result)[0]


# The side of a map


def through(side, layers):
    for kernel, stride, padding in layers:
        side = (side + 2 * padding - kernel) // stride + 1
    return side


def by_recursion(side, layers):
    if not layers:
        return side
    (kernel, stride, padding), *others = layers
    places = len(range(0, side + 2 * padding - kernel + 1, stride))
    return by_recursion(places, others)


@pytest.mark.parametrize("answer", [through, by_recursion])
def test_c3_size_passes(answer):
    assert check("c3-size", answer).passed is True


def slip(formula):
    def answer(side, layers):
        for kernel, stride, padding in layers:
            side = formula(side, kernel, stride, padding)
        return side

    return answer


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (slip(lambda n, k, s, p: (n + p - k) // s + 1), "count it twice"),
        (slip(lambda n, k, s, p: (n + 2 * p - k) // s), "the place where the window starts"),
        (slip(lambda n, k, s, p: (n + 2 * p - k) / s + 1), "round down with //"),
        (lambda side, layers: through(side, layers[:1]), "go on with it"),
        (lambda side, layers: -1, "it is 24, and yours -1"),
        (lambda side, layers: "24", "a number is asked for"),
        (lambda side, layers: [24], "a number is asked for"),
        (lambda side: side, "TypeError"),
        (24, "hand over the function itself"),
    ],
)
def test_c3_size_knows_the_usual_mistakes(answer, hint):
    result = check("c3-size", answer)
    assert result.passed is False
    assert hint in failed_lines(result)[0]


# Average pooling


def with_reshape(maps):
    rows, columns = maps.shape[0] // 2, maps.shape[1] // 2
    blocks = maps[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, -1)
    return blocks.mean(axis=(1, 3))


def with_loops(maps):
    rows, columns, channels = maps.shape
    result = np.zeros((rows // 2, columns // 2, channels))
    for r in range(rows // 2):
        for c in range(columns // 2):
            result[r, c] = maps[2 * r : 2 * r + 2, 2 * c : 2 * c + 2].mean(axis=(0, 1))
    return result


def with_keras(maps):
    from labkit import keras

    return keras.layers.AveragePooling2D(2)(maps[np.newaxis].astype("float32"))[0]


@pytest.mark.parametrize("answer", [with_reshape, with_loops, with_keras])
def test_c3_pool_passes(answer):
    assert check("c3-pool", answer).passed is True


def largest(maps):
    return maps[:4, :6].reshape(2, 2, 3, 2, -1).max(axis=(1, 3))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (largest, "its mean is asked for"),
        (lambda maps: 4 * with_reshape(maps), "divide it by 4"),
        (lambda maps: with_reshape(maps) + 1, "has the mean"),
        (lambda maps: maps.mean(), "become a single number in yours"),
        (lambda maps: maps[::2], "become 2 × 6 × 1 in yours; 2 × 3 × 1 is asked for"),
        (lambda maps: "maps", "an array of numbers is asked for"),
        (lambda maps: maps.reshape(3), "ValueError"),
        (np.zeros((2, 3, 1)), "hand over the function itself"),
    ],
)
def test_c3_pool_knows_the_usual_mistakes(answer, hint):
    result = check("c3-pool", answer)
    assert result.passed is False
    assert hint in failed_lines(result)[0]


def test_c3_pool_wants_the_row_that_is_left_over_dropped():
    def all_rows(maps):
        rows = -(-maps.shape[0] // 2)
        columns = maps.shape[1] // 2
        pairs = [maps[2 * r : 2 * r + 2, : 2 * columns].mean(axis=0) for r in range(rows)]
        return np.array(pairs).reshape(rows, columns, 2, -1).mean(axis=2)

    assert failed_lines(check("c3-pool", all_rows)) == [
        "maps of 5 × 7 × 2 become 3 × 3 × 2 in yours; 2 × 3 × 2 is asked for"
    ]
