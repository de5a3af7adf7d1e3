"""The exercises of lab 06."""

from labkit.check.exercises import lab04
from labkit.check.judging import (
    Unattempted,
    Verdict,
    Wrong,
    a_number,
    exercise,
    reason,
)


@exercise("06-labels", "Turn probabilities into labels, with any threshold")
def _labels(answer):
    import numpy as np

    if not callable(answer):
        raise Wrong("hand over the function itself: its name, without brackets after it")
    for kind, said, threshold in _hidden_predictions():
        try:
            found = answer(said.copy(), threshold)
        except Exception as error:
            raise Wrong(f"your function stopped with {reason(error)}") from error
        if found is None or found is ...:
            raise Unattempted
        wrong = _what_differs(np.asarray(found), said, threshold)
        yield Verdict(not wrong, f"{kind}: {wrong or 'right'}")


def _hidden_predictions():
    """What a sigmoid unit may say, shape ``(n, 1)``, and a threshold; each with its own trap."""
    import numpy as np

    rng = np.random.default_rng(6)
    some = np.append(rng.uniform(0.02, 0.98, 30), [0.9999, 0.0001])[:, None].astype("float32")
    yield "threshold 0.5", some, 0.5
    yield "threshold 0.8, when a dog has to be certain", some, 0.8
    yield "threshold 0.1, when no dog may be missed", some, 0.1
    yield "a single picture", np.array([[0.3]], "float32"), 0.2


def _what_differs(found, said, threshold) -> str:
    """What is wrong with the labels that a function made; empty when nothing is."""
    import numpy as np

    n, right = len(said), said[:, 0] >= threshold
    if found.shape == (n, 1):
        return f"the labels have the shape ({n}, 1); said[:, 0] takes the column out: ({n},)"
    if found.shape != (n,):
        return f"for {n} predictions your function returns the shape {found.shape}, not ({n},)"
    if found.dtype.kind not in "biuf":
        return f"return numbers, 0 for a cat and 1 for a dog, and not {found[0]!r:.40}"
    if np.array_equal(found, right):
        return ""
    if not found.any():
        return "every picture is called a cat: hardly any probability is exactly 1, nor 1 or more"
    if np.array_equal(found, ~right):
        return "turned round; 1, a dog, is where the probability is at least the threshold"
    if np.array_equal(found, np.round(said[:, 0])):
        return f"your function decides at 0.5, whatever the threshold; here it is {threshold}"
    return "these are not 1 where the probability is at least the threshold, and 0 elsewhere"


@exercise("06-threshold", "Choose a threshold that finds nine dogs in ten")
def _threshold(answer, *, said, truth):
    import numpy as np

    threshold = a_number(answer)
    said = np.ravel(said)
    cats, dogs = said[truth == 0], np.sort(said[truth == 1])
    found, spared = (dogs >= threshold).mean(), (cats < threshold).mean()
    enough = bool(found >= 0.9 - 1e-9)
    yield Verdict(
        enough,
        f"{threshold:.4g} finds {found:.0%} of the dogs"
        + ("" if enough else "; at least 90% are asked for, so it has to be lower"),
    )
    highest = dogs[len(dogs) - int(np.ceil(0.9 * len(dogs) - 1e-9))]
    possible = (cats < highest).mean()
    good = bool(spared >= possible - 0.05)
    yield Verdict(
        good,
        f"and recognises {spared:.0%} of the cats"
        + ("" if good else f"; with nine dogs in ten, {possible:.0%} are possible: go higher"),
    )


@exercise("06-picture", "Ask the network about a picture in a file")
def _picture(answer, *, model, path):
    from labkit import models
    from labkit.data import read_picture

    if isinstance(answer, str):
        raise Wrong(f"{answer!r:.40} is a name; the probability of a dog is asked for, a number")
    value = a_number(answer)
    picture = read_picture(path, image_size=model.input_shape[1])
    right = float(models.probabilities(model, picture[None])[0, 1])
    dark = float(models.probabilities(model, picture[None] / 255)[0, 1])

    def is_close(other):
        # Batches of another size may turn the last digits.
        return abs(value - other) < 0.002

    if is_close(right):
        yield Verdict(True, f"{value:.3f} is what the network says of {path.name}")
    elif is_close(1 - right):
        yield Verdict(False, f"{value:.3f} is the probability of a cat; that of a dog is asked for")
    elif is_close(dark):
        yield Verdict(
            False,
            f"{value:.3f} is what it says of a nearly black picture: the network divides by 255 "
            "itself, so give it the picture as it was read",
        )
    elif is_close(100 * right):
        yield Verdict(False, f"{value:.3f} is in per cent; a probability is between 0 and 1")
    elif value in (0, 1):
        yield Verdict(False, f"{value:.0f} is a label; the probability is asked for")
    else:
        yield Verdict(False, f"{value:.3f} is not what the network says of {path.name}")


# As in lab 04: the balanced accuracy and the number of parameters.
exercise("06-free-space", "Tell cats from dogs better")(lab04._free_space)
