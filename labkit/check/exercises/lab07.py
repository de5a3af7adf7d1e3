"""The exercises of lab 07."""

from labkit.check.judging import (
    Unattempted,
    Verdict,
    Wrong,
    above_baseline,
    exercise,
    one_number,
    reason,
    test_accuracy,
)

_MEANS = (123.68, 116.779, 103.939)  # of ImageNet's red, green and blue


@exercise("07-preprocess", "Prepare a picture for ResNet50")
def _preprocess(answer):
    import numpy as np

    rng = np.random.default_rng(7)
    for height, width in ((224, 224), (64, 96)):
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        kept = picture.copy()
        made = _call(answer, picture)
        if (picture != kept).any():
            said = "your function changes the picture that it was given; compute a new array"
        else:
            said = _what_is_off(made, kept)
        yield Verdict(not said, f"a picture of {height} × {width}: {said or 'prepared'}")


def _what_is_off(made, picture) -> str:
    """How what a function made of a picture differs from what ResNet50 takes; empty if not."""
    import numpy as np

    red_first = picture.astype("float64") - _MEANS
    right = red_first[..., ::-1]
    made = np.asarray(made)
    if made.shape == (1, *picture.shape):
        made = made[0]
    if made.shape != picture.shape:
        return f"your function returns the shape {made.shape}; it should stay {picture.shape}"
    if made.dtype.kind == "u":
        return (
            "your numbers are still uint8, in which 10 - 20 is 246; turn the picture into "
            "float32 before you subtract"
        )
    if made.dtype.kind not in "if":
        return f"your function returns numbers of the type {made.dtype}; float32 is asked for"
    known = {
        "the right numbers in the order red, green, blue; ResNet50 takes blue first": red_first,
        "the order is right, and no mean has been subtracted yet": picture[..., ::-1],
        "this is the picture as it was": picture,
        "each channel has lost another one's mean; turn the channels round and the means with "
        "them": picture[..., ::-1] - np.array(_MEANS),
        "this is what MobileNet takes, from -1 to 1; ResNet50 wants means subtracted": picture
        / 127.5
        - 1,
        "these are the numbers divided by 255; ResNet50 keeps the scale": right / 255,
        "the channels are turned round, but so are rows or columns: [..., ::-1] turns the last "
        "axis only": red_first[::-1],
    }
    if np.allclose(made, right, atol=0.01):
        return ""
    for says, numbers in known.items():
        if np.allclose(made, numbers, atol=0.01):
            return says
    far = np.abs(made - right).max()
    return f"one number is off by {far:.1f}; turn the channels round, then subtract the means"


@exercise("07-decode", "Name the most probable classes")
def _decode(answer):
    import numpy as np

    names = ("cat", "dog", "owl", "fox", "hen", "ant", "bee")
    cases = (
        ("three of seven", np.array([0.05, 0.4, 0.02, 0.3, 0.01, 0.2, 0.02]), 3),
        ("the best alone", np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4]), 1),
        ("one of them certain", np.array([0.0, 0, 0, 0, 1, 0, 0], dtype="float32"), 1),
    )
    for kind, probabilities, k in cases:
        right = [(names[i], probabilities[i]) for i in np.argsort(-probabilities)[:k]]
        said = _what_pairs_differ(_call(answer, probabilities.copy(), names, k), right)
        yield Verdict(not said, f"{kind}: {said or ', '.join(name for name, _ in right)}")


def _what_pairs_differ(found, right) -> str:
    """What is wrong with the pairs that a function returned; empty when nothing is."""
    try:
        pairs = [(str(name), float(probability)) for name, probability in found]
    except (TypeError, ValueError):
        return f"return a list of pairs (name, probability), and not {found!r:.60}"
    names, expected = [name for name, _ in pairs], [name for name, _ in right]
    if len(pairs) != len(right):
        return f"{len(right)} pairs were asked for, your function returns {len(pairs)}"
    if names != expected:
        if sorted(names) == sorted(expected):
            return "the right classes, but not with the most probable first"
        return f"{', '.join(names)}, where {', '.join(expected)} are the most probable"
    if any(abs(p - float(q)) > 1e-5 for (_, p), (_, q) in zip(pairs, right, strict=True)):
        return "the names are right, but they stand beside other probabilities than their own"
    return ""


def _call(function, *arguments):
    """What an answer's function returns; dots and None are no answer yet."""
    if not callable(function):
        raise Wrong("hand over the function itself: its name, without brackets after it")
    try:
        made = function(*arguments)
    except Exception as error:
        raise Wrong(f"your function stopped with {reason(error)}") from error
    if made is None or made is ...:
        raise Unattempted
    return made


@exercise("07-parameters", "Count the parameters of a new head")
def _parameters(answer):
    yield one_number(
        answer,
        24_588,
        "24,588 = 12 × (2,048 + 1), a thousandth of what ResNet50 has below it",
        {
            24_576: "counts the weights alone; each of the twelve neurons also has a bias",
            24_577: "has one bias for all; every neuron has its own",
            4_098: "is a head for cats and dogs; here there are twelve classes",
            2_049: "is one neuron; the head has one for each class",
            1_204_236: "has a weight for each of the 7 × 7 places; pooling leaves one number a map",
            23_612_300: "is the whole network; the head alone is asked for",
            2_049_000: "is ResNet50's own head for 1,000 classes; the new one has twelve",
        },
        "is not it; a head is one dense layer, with (features + 1) parameters for each class",
    )


@exercise("07-free-space", "Beat the network with the frozen backbone")
def _free_space(model, *, data, baseline):
    import numpy as np

    from labkit import models

    yield above_baseline(test_accuracy(model, data), baseline)
    said = np.unique(np.argmax(models.probabilities(model, data.x_test), axis=1))
    names = " and ".join(data.class_names[label] for label in said)
    yield Verdict(len(said) == data.num_classes, f"it says {names}")
