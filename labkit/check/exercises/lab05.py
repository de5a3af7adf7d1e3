"""The exercises of lab 05."""

from labkit.check.exercises import lab04
from labkit.check.judging import (
    Unattempted,
    Verdict,
    Wrong,
    exercise,
    kind_of,
    one_number,
    reason,
)


@exercise("05-parameters", "Count the parameters of a convolution over three channels")
def _parameters(answer):
    yield one_number(
        answer,
        896,
        "896 = 32 × (3 × 3 × 3 + 1)",
        {
            864: "counts the weights alone; each of the 32 kernels also has a bias",
            320: "is right for one channel; a kernel has 3 × 3 numbers for each of three channels",
            288: "is right for one channel and leaves out the biases",
            960: "gives each kernel a bias for each channel; it has one for all three",
            865: "has one bias for all kernels; each of the 32 has its own",
            28: "is a single kernel with its bias; there are 32 kernels",
            27: "is a single kernel without its bias; there are 32 kernels",
        },
        "is not it; each kernel has 3 × 3 numbers for each of three channels, and one bias",
    )


@exercise("05-augment", "Choose the flips that leave the class as it is")
def _augment(answer):
    if not isinstance(answer, list | tuple) or len(answer) != len(_FLIPS):
        raise Wrong('hand over four texts, such as ("horizontal", "", "vertical", "")')
    for (pictures, right, why), said in zip(_FLIPS, answer, strict=True):
        if said not in _ALLOWED:
            known = ", ".join(f'"{name}"' for name in _ALLOWED)
            raise Wrong(f"{pictures}: {said!r:.60} is none of {known}")
        if said == right:
            yield Verdict(True, f"{pictures}: {said or 'no flip'}; {why}")
            continue
        harm = ", and ".join(_HARM[pictures][way] for way in sorted(_ways(said) - _ways(right)))
        missed = "there is a flip that leaves the class as it is, and teaches something"
        yield Verdict(False, f"{pictures}: {harm or missed}")


_ALLOWED = ("", "horizontal", "vertical", "horizontal_and_vertical")
# The kind of pictures, the flips that suit them, and why.
_FLIPS = (
    ("photographs", "horizontal", "a car that drives the other way is still a car"),
    ("digits", "", "a mirrored 2 is no 2"),
    ("arrows", "vertical", "turned upside down, an arrow to the left still points to the left"),
    ("leaves", "horizontal_and_vertical", "seen from above, no side is the upper one"),
)
_HARM = {
    "photographs": {
        "vertical": "nobody will show it a car on its roof; that is effort for nothing"
    },
    "digits": {
        "horizontal": "a mirrored 2 is no 2",
        "vertical": "a 6 on its head is nearly a 9",
    },
    "arrows": {"horizontal": "mirrored, an arrow to the left points to the right"},
}


def _ways(flip) -> set[str]:
    """The single flips that a name stands for."""
    return set(flip.split("_and_")) - {""}


@exercise("05-batch-norm", "Normalise a batch, each map by itself")
def _batch_norm(answer):
    import numpy as np

    if not callable(answer):
        raise Wrong("hand over the function itself: its name, without brackets after it")
    for kind, batch in _hidden_batches():
        try:
            with np.errstate(all="ignore"):  # a division by zero is told of below
                found = answer(batch.copy())
        except Exception as error:
            raise Wrong(f"your function stopped with {reason(error)}") from error
        if found is None or found is ...:
            raise Unattempted
        try:
            found = np.asarray(found, dtype=float)
        except (TypeError, ValueError):
            raise Wrong(
                f"what your function returns is {kind_of(found)}; return an array"
            ) from None
        said = _what_differs(found, batch)
        right = "mean 0 and standard deviation 1, map by map"
        if kind == _CONSTANT:
            right = "0 where all values are the same"
        yield Verdict(not said, f"{kind}: {said or right}")


_CONSTANT = "a map that is the same for all pictures"


def _hidden_batches():
    """Batches of shape (pictures, maps), each with a trap of its own."""
    import numpy as np

    rng = np.random.default_rng(5)
    yield "maps of different sizes", rng.normal([0, 50, -3], [1, 20, 0.5], (64, 3))
    yield "as many maps as pictures", rng.normal([5, 0, -8, 2], [9, 1, 4, 2], (4, 4))
    constant = rng.normal(10, 4, (16, 2))
    constant[:, 1] = 7
    yield _CONSTANT, constant


def _what_differs(found, batch) -> str:
    """What is wrong with a batch that a function normalised; empty when nothing is."""
    import numpy as np

    if found.shape != batch.shape:
        return f"the shape {batch.shape} became {found.shape}; the shape stays"
    if not np.isfinite(found).all():
        return "there are values that are no numbers; add 0.001 to the variance before the root"

    def is_like(shifted, scale):
        return np.allclose(found, shifted / scale, atol=1e-4)  # float32 will do

    centred, variance = batch - batch.mean(axis=0), batch.var(axis=0)
    # A sample's variance, which divides by one less, is as good.
    if is_like(centred, np.sqrt(variance + 1e-3)) or is_like(
        centred, np.sqrt(batch.var(axis=0, ddof=1) + 1e-3)
    ):
        return ""
    if is_like(centred, 1):
        return "each map has mean 0, but not yet the same spread: divide by the standard deviation"
    if is_like(centred, variance + 1e-3):
        return "you divide by the variance; its square root is the standard deviation"
    if is_like(centred, np.sqrt(variance) + 1e-3):
        return "add 0.001 to the variance, and take the root of the sum"
    if variance.all() and is_like(centred, np.sqrt(variance)):
        return "nearly: the 0.001 is missing, which is added to the variance before the root"
    if is_like(batch - batch.mean(), np.sqrt(batch.var() + 1e-3)):
        return "you took one mean of the whole batch; each map, a column, has its own: axis=0"
    across = batch - batch.mean(axis=1, keepdims=True)
    if is_like(across, np.sqrt(batch.var(axis=1, keepdims=True) + 1e-3)):
        return "you normalised each picture, a row; each map is a column: axis=0"
    return "these are other numbers than (value - mean) / root of (variance + 0.001), map by map"


# As in lab 04: the balanced accuracy and the number of parameters.
exercise("05-free-space", "Raise the balanced accuracy on pictures in colour")(lab04._free_space)
