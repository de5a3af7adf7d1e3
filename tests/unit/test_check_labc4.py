"""The exercises of lab c4: kinds of learning, overfitting, neighbours, three parts."""

import numpy as np
import pytest

from labkit.check import check
from labkit.check.exercises.labc4 import _rows

KINDS = {
    "the price of a flat, from 5,000 flats that were sold": "supervised",
    "groups of customers who buy alike; nobody has named the groups": "unsupervised",
    "spam or not: a million mails, 300 of them marked": "semi-supervised",
    "a robot learns to walk; it is paid for each metre": "reinforcement",
    "dog or cat, from 25,000 photographs with their names": "supervised",
}
PRICE, GROUPS, SPAM, ROBOT, PETS = KINDS
MODELS = {"A": "underfits", "B": "fits", "C": "overfits", "D": "overfits"}


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


# Kinds, and the diagnosis


@pytest.mark.parametrize("change", [{}, {PRICE: "Supervised "}])
def test_c4_kinds_passes(change):
    assert check("c4-kinds", KINDS | change).passed is True


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({SPAM: "supervised"}, "spam or not: not supervised; how many of the mails"),
        ({ROBOT: "supervised"}, "who says which movement would have been right"),
        ({GROUPS: "semi-supervised"}, "is there an answer for any of the customers"),
        ({PETS: "deep learning"}, "'deep learning' is none of the words; they are supervised,"),
    ],
)
def test_c4_kinds_asks_back(change, hint):
    (line,) = failed_lines(check("c4-kinds", KINDS | change))
    assert hint in line
    assert check("c4-kinds", KINDS | change).passed is False


def test_c4_kinds_judges_every_task():
    wrong = dict.fromkeys(KINDS, "reinforcement")
    assert len(failed_lines(check("c4-kinds", wrong))) == 4


def test_c4_kinds_with_dots_left_is_no_attempt():
    assert check("c4-kinds", KINDS | {PETS: ...}).passed is None


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (list(KINDS.values()), "fill in the words of the dictionary"),
        ({PRICE: "supervised"}, "your answer has 1 entries; there are 5"),
        (dict.fromkeys("abcde", "supervised"), "the task 'price of a flat' is missing"),
    ],
)
def test_c4_kinds_says_what_it_needs(answer, hint):
    assert hint in failed_lines(check("c4-kinds", answer))[0]


def test_c4_diagnose_passes():
    assert check("c4-diagnose", MODELS).passed is True


@pytest.mark.parametrize("model", MODELS)
def test_c4_diagnose_judges_each_model(model):
    for word in {"underfits", "fits", "overfits"} - {MODELS[model]}:
        (line,) = failed_lines(check("c4-diagnose", MODELS | {model: word}))
        assert line.startswith(f"{model}: not {word}")


def test_c4_diagnose_with_dots_left_is_no_attempt():
    assert check("c4-diagnose", dict.fromkeys("ABCD", ...)).passed is None
    assert "model D is missing" in repr(check("c4-diagnose", dict.fromkeys("ABCX", "fits")))


# Neighbours


def order(features, new):
    return np.linalg.norm(features - new, axis=1).argsort()


def test_c4_neighbours_passes():
    result = check("c4-neighbours", lambda x, y, new, k: y[order(x, new)[:k]].mean())
    assert result.passed is True and len(result.lines) == 3


def test_c4_neighbours_accepts_another_way_to_the_same_mean():
    def by_sorting(features, targets, new, k):
        rows = sorted(zip(((features - new) ** 2).sum(axis=1), targets, strict=True))
        return [sum(target for _, target in rows[:k]) / k]

    assert check("c4-neighbours", by_sorting).passed is True


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda x, y, new, k: y.mean(), "is the mean of all targets"),
        (lambda x, y, new, k: y[order(x, new)[-k:]].mean(), "is the mean of the farthest rows"),
        (lambda x, y, new, k: y[:k].mean(), "is the mean of the first rows"),
        (lambda x, y, new, k: y[order(x, new)[:k]].sum(), "is the sum of the targets"),
        (lambda x, y, new, k: y[order(x, new)[0]], "is the target of the nearest row alone"),
        (lambda x, y, new, k: order(x, new)[:k].mean(), "is the mean of the rows' numbers"),
        (lambda x, y, new, k: y[order(x, new)[:k]], "your answer holds 3 values"),
        (lambda x, y, new, k: -1, "-1 is not the mean target of the 1 nearest rows"),
        (lambda x, y: 0, "your function stopped with TypeError"),
        (5, "hand over the function itself"),
    ],
)
def test_c4_neighbours_says_what_was_returned(wrong, hint):
    assert any(hint in line for line in failed_lines(check("c4-neighbours", wrong)))


def test_c4_neighbours_with_dots_is_no_attempt():
    assert check("c4-neighbours", lambda x, y, new, k: ...).passed is None


def test_c4_neighbours_cannot_be_changed_by_the_answer():
    def spoils(features, targets, new, k):
        found = targets[order(features, new)[:k]].mean()
        targets[:] = 0
        return found

    assert check("c4-neighbours", spoils).passed is True


def test_no_two_mistakes_give_the_same_number():
    for _, x, y, new, k in list(_rows())[1:]:
        near = order(x, new)
        means = [y.mean(), y[near[:k]].mean(), y[near[-k:]].mean(), y[:k].mean(), y[near[0]]]
        assert len({round(float(mean), 6) for mean in means}) == len(means)


# Three parts


def shuffled(count, seed):
    rows = np.random.default_rng(seed).permutation(count)
    a, b = round(0.6 * count), round(0.8 * count)
    return rows[:a], rows[a:b], rows[b:]


@pytest.mark.parametrize(
    "answer",
    [shuffled, lambda count, seed: [part.tolist() for part in shuffled(count, seed)]],
)
def test_c4_three_parts_passes(answer):
    assert check("c4-three-parts", answer).passed is True


def in_order(count, seed):
    return np.split(np.arange(count), [round(0.6 * count), round(0.8 * count)])


def overlapping(count, seed):
    first, second, third = shuffled(count, seed)
    return first, first[: len(second)], third


def one_sixth(count, seed):
    rows = np.random.default_rng(seed).permutation(count)
    return np.array_split(rows, 3)


def from_one(count, seed):
    return [part + 1 for part in shuffled(count, seed)]


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (in_order, "the rows stand in order, or in blocks"),
        (overlapping, "a row stands in two parts, or twice in one"),
        (one_sixth, "10 rows: (4, 3, 3) rows, where (6, 2, 2) are asked for"),
        (from_one, "the rows are not the numbers from 0 to 9"),
        (lambda count, seed: shuffled(count, 7), "another seed gives the same"),
        (lambda count, seed: shuffled(count, None), "use the seed that is given"),
        (lambda count, seed: shuffled(count, seed)[:2], "of the type tuple of 2; return three"),
        (lambda count, seed: (0.6, 0.2, 0.2), "a part is not a list of row numbers"),
        (lambda count: count, "your function stopped with TypeError"),
    ],
)
def test_c4_three_parts_says_what_is_wrong(wrong, hint):
    assert any(hint in line for line in failed_lines(check("c4-three-parts", wrong)))


def test_c4_three_parts_with_dots_is_no_attempt():
    assert check("c4-three-parts", lambda count, seed: ...).passed is None
