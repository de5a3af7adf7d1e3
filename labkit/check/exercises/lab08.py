"""The exercises of lab 08."""

from labkit.check.exercises import lab04
from labkit.check.judging import (
    Verdict,
    Wrong,
    a_number,
    called,
    exercise,
    plain,
)


@exercise("08-class-weights", "Give rare classes more weight")
def _class_weights(answer):
    import numpy as np

    for kind, labels in _hidden_labels():
        found = np.asarray(_asked(answer, labels))
        counts = np.bincount(labels)
        if found.dtype.kind not in "iuf" or found.shape != counts.shape:
            raise Wrong(
                f"for labels of {len(counts)} classes return an array of {len(counts)} numbers, "
                "the weight of class 0 first"
            )
        right = len(labels) / (len(counts) * counts)
        said = _what_weights(found, right, counts)
        shown = ", ".join(f"{weight:.3g}" for weight in right)
        yield Verdict(not said, f"{kind}: {said or f'the weights are {shown}'}")


def _hidden_labels():
    import numpy as np

    rng = np.random.default_rng(8)
    yield "three classes", rng.permutation(np.repeat([0, 1, 2], [60, 30, 10]))
    yield "twelve classes", rng.permutation(np.repeat(np.arange(12), 5 + 7 * np.arange(12)))
    yield "classes of equal size", rng.permutation(np.repeat([0, 1, 2, 3], 25))


def _what_weights(found, right, counts) -> str:
    """What is wrong with weights; empty when nothing is."""
    import numpy as np

    if np.allclose(found, right):
        return ""
    if np.allclose(found, counts):
        return "these are the numbers of examples; a class with few of them needs a large weight"
    if np.allclose(found, counts / counts.sum()):
        return (
            "these are the shares of the classes; a class with a small share needs a large weight"
        )
    if np.allclose(found[0] * counts[0], found * counts):
        return (
            "the weights stand in the right proportion, but "
            f"{_sum(found, counts)}; divide the number of all labels by (classes × examples of the "
            "class)"
        )
    return (
        f"a class of {counts[0]} gets {plain(round(float(found[0]), 3))} instead of "
        f"{plain(round(float(right[0]), 3))}"
    )


def _sum(found, counts) -> str:
    total = plain(round(float((found * counts).sum()), 3))
    return f"added up over all {counts.sum()} examples they give {total}, not {counts.sum()}"


@exercise("08-mask", "Find red petals by their hue")
def _mask(answer):
    import numpy as np

    for kind, picture, parts in _hidden_pictures():
        found = np.asarray(_asked(answer, picture))
        if found.shape != picture.shape[:2]:
            raise Wrong(
                f"for a picture of the shape {picture.shape} your function returns the shape "
                f"{found.shape}; a mask says yes or no for each pixel: {picture.shape[:2]}"
            )
        if not np.isin(found, (0, 1)).all():
            raise Wrong("a mask holds True and False only; compare with < and >, join with & and |")
        said = _what_it_takes(found.astype(bool), parts)
        yield Verdict(not said, f"{kind}: {said or 'all petals, and nothing else'}")


def _hidden_pictures():
    """Pictures of a plant from above, and where each of its parts is."""
    yield "a poppy, its red towards orange", *_poppy(1, hue=(0.0, 0.04))
    yield "a poppy, its red towards purple", *_poppy(2, hue=(0.96, 0.99))
    yield "both reds in one picture", *_poppy(3, hue=(0.96, 1.04))
    yield "no flower", *_poppy(4, petals=0)


def _poppy(seed, *, hue=(0.0, 0.0), petals=5, side=64):
    """A plant with red petals among leaves, on brown soil with pale reddish stones.

    Returns:
        The picture, ``uint8`` of shape ``(side, side, 3)``, and masks of its parts by name.
    """
    import numpy as np
    from matplotlib.colors import hsv_to_rgb

    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:side, :side]

    def blob(middle, radius):
        return np.hypot(down - middle[0], across - middle[1]) < radius

    def around(count, reach, radius):
        turns = 2 * np.pi * (np.arange(count) + rng.random()) / max(count, 1)
        places = side / 2 + reach * np.stack([np.sin(turns), np.cos(turns)], axis=1)
        return np.any([blob(place, radius) for place in places] or [down < 0], axis=0)

    parts = {"stones": np.any([blob(p, 4) for p in rng.uniform(0, side, (12, 2))], axis=0)}
    parts["leaves"] = around(6, 19, 8)
    parts["petals"] = around(petals, 7, 6)
    colours = {  # hue, saturation, value: from, to
        "soil": ((0.07, 0.11), (0.3, 0.5), (0.3, 0.6)),
        "stones": ((0.97, 1.03), (0.05, 0.25), (0.6, 0.9)),
        "leaves": ((0.22, 0.36), (0.65, 0.85), (0.3, 0.7)),
        "petals": (hue, (0.75, 0.95), (0.6, 0.95)),
    }
    picture = np.empty((side, side, 3))
    for part, ranges in colours.items():
        where = parts.get(part, np.ones((side, side), bool))
        picture[where] = rng.uniform(*np.transpose(ranges), (int(where.sum()), 3))
    picture[..., 0] %= 1
    parts["leaves"] &= ~parts["petals"]
    parts["stones"] &= ~(parts["petals"] | parts["leaves"])
    parts["soil"] = ~(parts["petals"] | parts["leaves"] | parts["stones"])
    return np.round(255 * hsv_to_rgb(picture)).astype(np.uint8), parts


def _what_it_takes(found, parts) -> str:
    """What is wrong with a mask; empty when nothing is that matters."""
    petals = parts["petals"]
    for part, why in _NOT_RED.items():
        if found[parts[part]].mean() > 0.03:
            return f"the mask takes {found[parts[part]].mean():.0%} of the {part}; {why}"
    if petals.any() and found[petals].mean() < 0.97:
        return (
            f"the mask has {found[petals].mean():.0%} of the petals; hue is a circle, and red lies "
            "at both of its ends, below 0.05 and above 0.95"
        )
    return ""


_NOT_RED = {
    "leaves": "they are green: a hue around 0.3",
    "stones": "their hue is red, but they are pale: ask for a saturation above 0.6",
    "soil": "it is brown, which is a dark orange of little saturation: ask for more than 0.6",
}


@exercise("08-balanced", "Work out balanced accuracy from a confusion matrix")
def _balanced(answer):
    import numpy as np

    for kind, counts in _hidden_matrices():
        value = a_number(_asked(answer, counts))
        of_each = np.diag(counts) / counts.sum(axis=1)
        said = _what_number(value, of_each, counts)
        yield Verdict(not said, f"{kind}: {said or f'{of_each.mean():.4f}'}")


def _hidden_matrices():
    """Confusion matrices of which no two kinds of mistake give the same number."""
    import numpy as np

    yield "nearly always the frequent class", np.array([[90, 0], [9, 1]])
    yield "three classes", np.array([[50, 5, 5], [3, 20, 7], [0, 2, 8]])
    rng = np.random.default_rng(8)
    yield "twelve classes", rng.integers(0, 9, (12, 12)) + np.diag(np.arange(20, 140, 10))


def _what_number(value, of_each, counts) -> str:
    """What is wrong with a balanced accuracy; empty when nothing is."""
    import numpy as np

    if np.isclose(value, of_each.mean(), atol=5e-5):
        return ""
    if np.isclose(value, 100 * of_each.mean(), atol=5e-3):
        return f"{value:.4g} is in percent; leave it as a share, from 0 to 1"
    if np.isclose(value, np.trace(counts) / counts.sum(), atol=5e-5):
        return f"{value:.4f} is the plain accuracy, the diagonal by all; divide row by row first"
    predicted = counts.sum(axis=0)
    precision = np.diag(counts) / np.maximum(predicted, 1)
    if np.isclose(value, precision.mean(), atol=5e-5):
        return (
            f"{value:.4f} divides by the columns, how often a class was predicted; the rows hold "
            "how often it was there: axis=1"
        )
    if np.isclose(value, of_each.sum(), atol=5e-5):
        return f"{value:.4f} is the sum over the classes; their mean is asked for"
    return f"{value:.4f} is not the mean of each row's share that is right"


def _asked(answer, *arguments):
    """What a function of the learner's returns for copies of the arguments."""
    if not callable(answer):
        raise Wrong("hand over the function itself: its name, without brackets after it")
    return called(answer, *(argument.copy() for argument in arguments))


# As in lab 04: the balanced accuracy and the number of parameters.
exercise("08-free-space", "Raise the balanced accuracy")(lab04._free_space)
