"""The exercises of lab 08: class weights, a mask by hue, balanced accuracy."""

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv

from labkit.check import check
from labkit.check.exercises.lab08 import _hidden_pictures


def weights(labels):
    counts = np.bincount(labels)
    return len(labels) / (len(counts) * counts)


def balanced(counts):
    return (np.diag(counts) / counts.sum(axis=1)).mean()


def red(picture, *, saturation=0.6):
    hue, strength, _ = np.moveaxis(rgb_to_hsv(picture / 255), -1, 0)
    return ((hue < 0.05) | (hue > 0.95)) & (strength > saturation)


def one_end(picture):
    hue, strength, _ = np.moveaxis(rgb_to_hsv(picture / 255), -1, 0)
    return (hue < 0.05) & (strength > 0.6)


def all_that_is_strong(picture):
    return rgb_to_hsv(picture / 255)[..., 1] > 0.6


@pytest.mark.parametrize(
    ("exercise", "right"),
    [
        ("08-class-weights", weights),
        ("08-class-weights", lambda labels: list(weights(labels))),
        ("08-mask", red),
        ("08-mask", lambda picture: red(picture).astype(int)),
        ("08-balanced", balanced),
        ("08-balanced", lambda counts: np.array([balanced(counts)])),
    ],
)
def test_a_right_function_passes(exercise, right):
    assert check(exercise, right).passed is True


@pytest.mark.parametrize(
    ("exercise", "wrong", "says"),
    [
        ("08-class-weights", np.bincount, "these are the numbers of examples"),
        ("08-class-weights", lambda x: np.bincount(x) / len(x), "these are the shares"),
        ("08-class-weights", lambda x: 1 / np.bincount(x), "examples they give 3, not 100"),
        ("08-class-weights", lambda x: weights(x) ** 2, "a class of 60 gets 0.309 instead of"),
        ("08-class-weights", lambda x: 1.0, "return an array of 3 numbers, the weight of class 0"),
        ("08-class-weights", lambda x: dict(enumerate(weights(x))), "an array of 3 numbers"),
        ("08-mask", one_end, "hue is a circle"),
        ("08-mask", lambda p: red(p, saturation=0.1), "of the stones; their hue is red, but"),
        ("08-mask", all_that_is_strong, "of the leaves; they are green"),
        ("08-mask", lambda p: red(p) | ~red(p), "of the leaves"),
        ("08-mask", lambda p: p * red(p)[..., None], "says yes or no for each pixel: (64, 64)"),
        ("08-mask", lambda p: 255 * red(p), "a mask holds True and False only"),
        ("08-mask", rgb_to_hsv, "your function stopped with ValueError: Input array must be in"),
        ("08-balanced", lambda c: np.trace(c) / c.sum(), "is the plain accuracy"),
        ("08-balanced", lambda c: (np.diag(c) / c.sum(axis=0)).mean(), "divides by the columns"),
        ("08-balanced", lambda c: (np.diag(c) / c.sum(axis=1)).sum(), "is the sum over the"),
        ("08-balanced", lambda c: 100 * balanced(c), "is in percent"),
        ("08-balanced", lambda c: 0.1, "is not the mean of each row's share"),
        ("08-balanced", np.diag, "the exercise asks for one number"),
        ("08-balanced", 0.7667, "hand over the function itself"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong, says):
    result = check(exercise, wrong)
    assert result.passed is False
    assert says in repr(result)


@pytest.mark.parametrize("exercise", ["08-class-weights", "08-mask", "08-balanced"])
def test_a_function_whose_body_is_still_dots_is_no_attempt(exercise):
    assert check(exercise, lambda given: ...).passed is None


def test_an_answer_cannot_change_what_is_asked():
    def spoils(counts):
        found = balanced(counts)
        counts[:] = 0
        return found

    assert check("08-balanced", spoils).passed is True


def test_the_poppies_have_what_the_exercise_is_about():
    """Reds at both ends of hue, leaves, and stones whose hue is red as well."""
    hues, stones = [], []
    for _, picture, parts in _hidden_pictures():
        hue, strength, _ = np.moveaxis(rgb_to_hsv(picture / 255), -1, 0)
        hues.append(hue[parts["petals"]])
        stones.append(((hue < 0.05) | (hue > 0.95))[parts["stones"]].mean())
        assert parts["leaves"].any() and parts["stones"].any() and parts["soil"].any()
    assert (hues[0] < 0.05).all() and (hues[1] > 0.95).all() and len(hues[3]) == 0
    assert min(stones) > 0.5


def test_free_space_is_judged_by_balanced_accuracy():
    result = check("08-free-space", 0.9, data=None, baseline=0.5)
    assert "hand over the trained model itself" in repr(result)
