"""The exercises of lab c4: kinds of learning, overfitting, neighbours, three parts."""

import math

from labkit.check.judging import (
    Unattempted,
    Verdict,
    Wrong,
    a_function,
    a_number,
    called,
    exercise,
    kind_of,
    plain,
)

_KINDS = ("supervised", "unsupervised", "semi-supervised", "reinforcement")
_TASKS = {
    "price of a flat": ("supervised", "each of the 5,000 flats comes with its price"),
    "groups of customers": ("unsupervised", "nobody has named a group, so there is no answer"),
    "spam or not": ("semi-supervised", "300 of a million are answered, and all of them help"),
    "a robot learns to walk": ("reinforcement", "it acts, and a reward follows"),
    "dog or cat": ("supervised", "each photograph comes with its name"),
}
_HINTS = {
    "price of a flat": "what do you know of each of the 5,000 flats?",
    "groups of customers": "is there an answer for any of the customers?",
    "spam or not": "how many of the mails come with an answer?",
    "a robot learns to walk": "who says which movement would have been right?",
    "dog or cat": "what do you know of each of the photographs?",
}

_WORDS = ("underfits", "fits", "overfits")
_MODELS = {
    "A": ("underfits", "it has not even learned the points that it has seen"),
    "B": ("fits", "both errors are about what chance alone makes"),
    "C": ("overfits", "it knows its own points better than chance allows, and no others"),
    "D": ("overfits", "no error at all on its own points, and a large one on others"),
}


@exercise("c4-kinds", "Tell the kinds of learning apart")
def _kinds(answer):
    said = _words(answer, len(_TASKS), _KINDS)
    for task, (right, why) in _TASKS.items():
        key = next((key for key in said if task in str(key)), None)
        if key is None:
            raise Wrong(f"the task {task!r} is missing; leave what stands left of the colons")
        passed = said[key] == right
        text = f"{right}, {why}" if passed else f"not {said[key]}; {_HINTS[task]}"
        yield Verdict(passed, f"{task}: {text}")


@exercise("c4-diagnose", "Tell underfitting from overfitting")
def _diagnose(answer):
    said = _words(answer, len(_MODELS), _WORDS)
    for name, (right, why) in _MODELS.items():
        if name not in said:
            raise Wrong(f"model {name} is missing; leave what stands left of the colons")
        passed = said[name] == right
        wrong = f"not {said[name]}; is its training error large, small, or smaller than chance?"
        yield Verdict(passed, f"{name}: {f'{right}, {why}' if passed else wrong}")


def _words(answer, count, known) -> dict[str, str]:
    """The words of a dictionary that was to be filled in."""
    if not isinstance(answer, dict):
        raise Wrong(f"your answer is {kind_of(answer)}; fill in the words of the dictionary")
    if any(word is ... or word is None for word in answer.values()):
        raise Unattempted
    if len(answer) != count:
        raise Wrong(f"your answer has {len(answer)} entries; there are {count}")
    words = {key: str(word).strip().lower() for key, word in answer.items()}
    for word in words.values():
        if word not in known:
            raise Wrong(f"{word!r} is none of the words; they are {', '.join(known)}")
    return words


@exercise("c4-neighbours", "Predict a number from the nearest neighbours")
def _neighbours(answer):
    a_function(answer)
    for kind, features, targets, new, k in _rows():
        found = called(answer, features.copy(), targets.copy(), new.copy(), k)
        said = _what_mean(a_number(found), features, targets, new, k)
        yield Verdict(not said, f"{kind}: {said or plain(round(a_number(found), 4))}")


def _rows():
    """Tables in which no two kinds of mistake give the same number."""
    import numpy as np

    one = np.array([[1.0], [2.0], [4.0], [8.0], [5.0]])
    targets, new = np.array([12.0, 21.0, 43.0, 95.0, 70.0]), np.array([3.9])
    yield "one feature, k = 1", one, targets, new, 1
    yield "one feature, k = 3", one, targets, new, 3
    rng = np.random.default_rng(4)
    yield "four features, k = 5", rng.random((40, 4)), rng.random(40) * 50, rng.random(4), 5


def _what_mean(value, features, targets, new, k) -> str:
    """What is wrong with a mean of neighbours; empty when nothing is."""
    import numpy as np

    order = np.linalg.norm(features - new, axis=1).argsort()
    if math.isclose(value, targets[order[:k]].mean(), rel_tol=1e-6):
        return ""
    usual = {
        "the mean of all targets; take the nearest rows only": targets.mean(),
        "the mean of the farthest rows; argsort puts the smallest distance first": targets[
            order[-k:]
        ].mean(),
        "the mean of the first rows; sort by the distance": targets[:k].mean(),
        "the sum of the targets; take their mean": targets[order[:k]].sum(),
        "the target of the nearest row alone; take k of them": targets[order[0]],
        "the mean of the rows' numbers; look up their targets": order[:k].mean(),
    }
    for words, number in usual.items():
        if math.isclose(value, number, rel_tol=1e-6):
            return f"{plain(round(value, 4))} is {words}"
    return f"{plain(round(value, 4))} is not the mean target of the {k} nearest rows"


@exercise("c4-three-parts", "Divide rows into training, validation and test rows")
def _three_parts(answer):
    import numpy as np

    a_function(answer)
    for count in (10, 150, 1000):
        parts = _parts(called(answer, count, 1), count)
        sizes = tuple(map(len, parts))
        asked = tuple(round(share * count) for share in (0.6, 0.2, 0.2))
        said = f"{sizes} rows, where {asked} are asked for" if sizes != asked else ""
        rows = np.concatenate(parts)
        if len(set(rows)) < len(rows):
            said = "a row stands in two parts, or twice in one"
        elif not said and set(rows) != set(range(count)):
            said = f"the rows are not the numbers from 0 to {count - 1}"
        yield Verdict(not said, f"{count} rows: {said or f'{sizes}, and none twice'}")
    # A part of shuffled rows comes from everywhere, one of a block from a stretch of its length.
    everywhere = all(np.ptp(part) >= len(part) for part in parts)
    shuffled = everywhere and not any((np.diff(part) > 0).all() for part in parts)
    order = "the rows stand in order, or in blocks; shuffle all rows, then cut"
    yield Verdict(shuffled, "shuffled" if shuffled else order)
    same = _parts(called(answer, count, 1), count)
    other = _parts(called(answer, count, 2), count)
    again = all(map(np.array_equal, parts, same))
    yield Verdict(again, "the same seed, the same rows" if again else "use the seed that is given")
    differs = not np.array_equal(parts[0], other[0])
    yield Verdict(differs, "another seed, others" if differs else "another seed gives the same")


def _parts(found, count):
    """Three arrays of whole numbers."""
    import numpy as np

    if not isinstance(found, list | tuple) or len(found) != 3:
        size = f" of {len(found)}" if hasattr(found, "__len__") else ""
        raise Wrong(
            f"what your function returned is {kind_of(found)}{size}; return three arrays: "
            "return training, validation, test"
        )
    parts = [np.asarray(part) for part in found]
    for part in parts:
        if part.ndim != 1 or part.dtype.kind not in "iu":
            raise Wrong(f"for {count} rows a part is not a list of row numbers, but {part!r:.60}")
    return parts
