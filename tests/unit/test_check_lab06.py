"""The exercises of lab 06 judge themselves."""

import numpy as np
import pytest
from PIL import Image

from labkit.check import check

NOT_ATTEMPTED = "not attempted yet: replace the dots in the cell above and run it again"


@pytest.fixture(autouse=True)
def progress(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


# 06-labels


@pytest.mark.parametrize(
    "function",
    [
        lambda said, threshold: (said[:, 0] >= threshold).astype(int),
        lambda said, threshold: said[:, 0] > threshold,
        lambda said, threshold: [int(p >= threshold) for (p,) in said],
    ],
    ids=["array", "true and false", "list"],
)
def test_06_labels_passes(function):
    result = check("06-labels", function)
    assert result.passed and len(result.lines) == 4


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda said, t: (said[:, 0] == 1).astype(int), "hardly any probability is exactly 1"),
        (lambda said, t: said[:, 0].astype(int), "every picture is called a cat"),
        (lambda said, t: (said >= t).astype(int), "the labels have the shape (32, 1); said[:, 0]"),
        (lambda said, t: np.round(said[:, 0]), "decides at 0.5, whatever the threshold"),
        (lambda said, t: (said[:, 0] < t).astype(int), "turned round; 1, a dog, is where"),
        (lambda said, t: np.where(said[:, 0] >= t, "dog", "cat"), "return numbers, 0 for a cat"),
        (lambda said, t: said[0, 0] >= t, "returns the shape (), not (32,)"),
        (lambda said, t: said[:, 0], "these are not 1 where the probability"),
        (lambda said, t: said[:, 1] >= t, "your function stopped with IndexError"),
        (lambda said: said >= 0.5, "your function stopped with TypeError"),
        (np.zeros(3), "hand over the function itself"),
    ],
)
def test_06_labels_says_what_goes_wrong(function, says):
    result = check("06-labels", function)
    assert result.passed is False
    assert says in repr(result)


def test_06_labels_catches_a_fixed_threshold_and_only_that():
    failed = failed_lines(check("06-labels", lambda said, t: said[:, 0] >= 0.5))
    assert [text.split(":")[0] for text in failed] == [
        "threshold 0.8, when a dog has to be certain",
        "threshold 0.1, when no dog may be missed",
        "a single picture",
    ]


def test_06_labels_with_dots_for_a_body_is_no_attempt():
    def answer(said, threshold): ...

    assert repr(check("06-labels", answer)) == NOT_ATTEMPTED


# 06-threshold


@pytest.fixture
def guard():
    """Ten dogs from 0.05 to 0.95, and ten cats from 0.0 to 0.45."""
    said = np.append(np.arange(0.05, 1, 0.1), np.arange(0, 0.5, 0.05))[:, None]
    return {"said": said, "truth": np.repeat([1, 0], 10)}


@pytest.mark.parametrize("shape", [(20, 1), (20,)])
def test_06_threshold(shape, guard):
    result = check("06-threshold", 0.15, said=guard["said"].reshape(shape), truth=guard["truth"])
    assert repr(result) == (
        "passed:\n  ✓ 0.15 finds 90% of the dogs\n  ✓ and recognises 30% of the cats"
    )


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (1, "1 finds 0% of the dogs; at least 90% are asked for, so it has to be lower"),
        (0.2, "0.2 finds 80% of the dogs; at least"),
        (0.01, "recognises 10% of the cats; with nine dogs in ten, 30% are possible: go higher"),
        (0, "recognises 0% of the cats"),
        ("0.15", "is text"),
        ([0.1, 0.2], "your answer holds 2 values"),
    ],
)
def test_06_threshold_says_what_it_costs(answer, says, guard):
    result = check("06-threshold", answer, **guard)
    assert result.passed is False
    assert says in repr(result)


def test_06_threshold_in_a_network_that_is_never_wrong():
    said, truth = np.array([0.9, 0.8, 0.1, 0.2]), np.array([1, 1, 0, 0])
    assert check("06-threshold", 0.5, said=said, truth=truth).passed
    assert check("06-threshold", 0.1, said=said, truth=truth).passed is False


# 06-picture


class Brightness:
    """Calls bright pictures dogs: all that an exercise asks of a model with a sigmoid."""

    input_shape = (None, 8, 8, 3)

    def predict(self, pictures, **options):
        return np.asarray(pictures).mean(axis=(1, 2, 3))[:, None].astype("float32") / 255


@pytest.fixture
def mystery(tmp_path):
    """A picture whose probability is 0.8."""
    path = tmp_path / "03.png"
    Image.new("RGB", (12, 8), (204,) * 3).save(path)
    return path


def test_06_picture(mystery):
    for answer in (0.8, np.float32(0.8), np.array([[0.8]])):
        result = check("06-picture", answer, model=Brightness(), path=mystery)
        assert repr(result) == "passed: 0.800 is what the network says of 03.png"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (0.2, "0.200 is the probability of a cat"),
        (0.8 / 255, "0.003 is what it says of a nearly black picture: the network divides by 255"),
        (80, "80.000 is in per cent"),
        (1, "1 is a label"),
        (0.55, "0.550 is not what the network says of 03.png"),
        ("dogs", "'dogs' is a name; the probability of a dog is asked for"),
        ([0.2, 0.8], "your answer holds 2 values"),
    ],
)
def test_06_picture_says_what_it_was_given(answer, says, mystery):
    result = check("06-picture", answer, model=Brightness(), path=mystery)
    assert result.passed is False
    assert says in repr(result)


# 06-free-space is judged as 04-free-space is


def test_06_free_space_is_judged_by_balanced_accuracy():
    said = check("06-free-space", "a model", data=None, baseline=0.5)
    assert "hand over the trained model itself" in repr(said)
