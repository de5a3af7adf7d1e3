"""The exercises of lab 07: what passes, and what is said of an answer that does not."""

from dataclasses import replace

import numpy as np
import pytest

from labkit.check import check
from labkit.data import Dataset, Source

NOT_ATTEMPTED = "not attempted yet: replace the dots in the cell above and run it again"


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))


# Prepare a picture for ResNet50

MEANS = np.array([103.939, 116.779, 123.68], dtype="float32")  # blue, green, red


def prepared(picture):
    return picture[..., ::-1].astype("float32") - MEANS


@pytest.mark.parametrize(
    "function",
    [prepared, lambda p: prepared(p)[None], lambda p: prepared(p).astype("float64")],
    ids=["one picture", "a batch of one", "float64"],
)
def test_07_preprocess_passes(function):
    result = check("07-preprocess", function)
    assert result.passed and len(result.lines) == 2


def test_07_preprocess_asks_for_what_keras_does():
    from labkit import keras

    theirs = keras.applications.resnet50.preprocess_input
    assert check("07-preprocess", lambda p: theirs(p.astype("float32"))).passed


def spoiled(picture):
    picture[0] = 0
    return prepared(picture)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda p: p.astype("float32") - MEANS[::-1], "in the order red, green, blue"),
        (lambda p: p[..., ::-1].astype("float32"), "no mean has been subtracted yet"),
        (lambda p: p.astype("float32"), "this is the picture as it was"),
        (lambda p: p[..., ::-1] - MEANS[::-1], "lost another one's mean"),
        (lambda p: p / 127.5 - 1, "this is what MobileNet takes"),
        (lambda p: prepared(p) / 255, "divided by 255"),
        (lambda p: p[::-1] - MEANS[::-1], "turns the last axis only"),
        (lambda p: p[..., ::-1] - MEANS.astype("uint8"), "10 - 20 is 246"),
        (lambda p: p[..., 0] - 103.9, "returns the shape (224, 224)"),
        (lambda p: prepared(p) + 5, "one number is off by 5.0"),
        (lambda p: np.full(p.shape, "x"), "numbers of the type <U1"),
        (lambda p: p @ p, "your function stopped with ValueError"),
        (spoiled, "changes the picture that it was given"),
        (MEANS, "hand over the function itself"),
    ],
)
def test_07_preprocess_says_what_goes_wrong(function, says):
    result = check("07-preprocess", function)
    assert result.passed is False and says in repr(result)


# Decode


def best(probabilities, names, k):
    return [(names[i], probabilities[i]) for i in np.argsort(-probabilities)[:k]]


@pytest.mark.parametrize("kind", [list, tuple, dict], ids=["pairs", "tuple", "dict's items"])
def test_07_decode_passes(kind):
    def answer(probabilities, names, k):
        pairs = kind(best(probabilities, names, k))
        return pairs.items() if kind is dict else pairs

    assert check("07-decode", answer).passed


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda p, n, k: best(p, n, k)[::-1], "not with the most probable first"),
        (lambda p, n, k: best(-p, n, k), "where dog, fox, ant are the most probable"),
        (lambda p, n, k: best(p, n, 7), "3 pairs were asked for, your function returns 7"),
        (lambda p, n, k: [(a, 1.0) for a, _ in best(p, n, k)], "other probabilities"),
        (lambda p, n, k: [a for a, _ in best(p, n, k)], "return a list of pairs"),
        (lambda p, n, k: [(b, a) for a, b in best(p, n, k)], "return a list of pairs"),
        (lambda p, n, k: 3, "and not 3"),
        (lambda p, n, k: n[9], "your function stopped with IndexError"),
        ([("dog", 0.4)], "hand over the function itself"),
    ],
)
def test_07_decode_says_what_goes_wrong(function, says):
    result = check("07-decode", function)
    assert result.passed is False and says in repr(result)


@pytest.mark.parametrize("name", ["07-preprocess", "07-decode"])
def test_a_body_of_dots_is_no_attempt(name):
    def answer(*arguments): ...

    assert repr(check(name, answer)) == NOT_ATTEMPTED
    assert repr(check(name, ...)) == NOT_ATTEMPTED


# The parameters of a head


@pytest.mark.parametrize("answer", [24588, 12 * 2049.0, np.int64(24588)])
def test_07_parameters_passes_in_any_form(answer):
    assert check("07-parameters", answer).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (24576, "24,576 counts the weights alone"),
        (24577, "one bias for all"),
        (4098, "a head for cats and dogs"),
        (1204236, "a weight for each of the 7 × 7 places"),
        (23612300, "the whole network"),
        (5, "(features + 1) parameters for each class"),
        ("24588", "without quotation marks"),
    ],
)
def test_07_parameters_has_a_hint_for_known_mistakes(answer, hint):
    assert hint in repr(check("07-parameters", answer))


# Free space


class Says:
    """A model that names these labels, whatever it sees."""

    def __init__(self, labels):
        self.labels = np.asarray(labels)

    def predict(self, pictures, **options):
        return np.eye(2)[self.labels[: len(pictures)]]


@pytest.fixture
def pets():
    x, y = np.zeros((10, 4, 4, 3), np.uint8), np.arange(10) % 2
    return Dataset("pets", "Pets", x, y, x, y, Source("sample", "here"), ("cats", "dogs"))


def test_07_free_space_wants_more_than_the_baseline(pets):
    result = check("07-free-space", Says(pets.y_test), data=pets, baseline=0.9)
    assert repr(result) == (
        "passed:\n  ✓ test accuracy 1.0000 is above 0.9000\n  ✓ it says cats and dogs"
    )
    assert not check("07-free-space", Says(pets.y_test), data=pets, baseline=1.0).passed


def test_07_free_space_wants_both_animals(pets):
    mostly_cats = replace(pets, y_test=np.array([0] * 9 + [1]))
    result = check("07-free-space", Says([0] * 10), data=mostly_cats, baseline=0.8)
    assert [line.text for line in result.lines if not line.passed] == ["it says cats"]


def test_07_free_space_wants_a_model(pets):
    assert "hand over the trained model itself" in repr(
        check("07-free-space", 0.97, data=pets, baseline=0.8)
    )
