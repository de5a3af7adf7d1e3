"""The shipped sample: small stand-ins for the real data sets.

They let every lab run with no network and no download. The digits are real
handwriting; the other pictures and the table are drawn by our own code from a
seed, each set in a second or two. They look like the real sets, carry the same
class names in the same order, and are hard in the same way: a small
convolutional network does clearly better on them than a linear model, and
neither is always right. Accuracies on them say nothing about the real sets.
"""

from importlib import import_module

from labkit.errors import DataError
from labkit.samples.sample import Sample

__all__ = ["NAMES", "VERSION", "Sample", "draw"]

VERSION = 1
"""Raised when any drawing changes, so that cached drawings are made again."""

_MODULES = {
    "mnist": "digits",
    "fashion_mnist": "clothing",
    "cifar10": "scenes",
    "cats_and_dogs": "pets",
    "plant_seedlings": "seedlings",
    "linear_regression": "table",
}

NAMES = tuple(_MODULES)
"""The data sets that :func:`draw` knows."""


def draw(name: str, *, seed: int = 0) -> Sample:
    """Draw the sample of one data set: about 2,000 training and 500 test pictures.

    The same name and seed give the same bits (with the same NumPy, Pillow and
    scikit-learn). No test example is in the training set, and the first examples
    of every drawn set hold all classes. ``linear_regression`` has 924 and 308 rows.

    Args:
        name: one of :data:`NAMES`.
        seed: 0 or a positive integer; another seed draws other examples.

    Raises:
        DataError: there is no sample of that name.

    Example:
        >>> digits = draw("mnist")
        >>> digits.x_train.shape, digits.x_test.shape
        ((2000, 28, 28, 1), (497, 28, 28, 1))
    """
    if name not in _MODULES:
        raise DataError(
            f"There is no shipped sample named {name!r}. Choose one of: {', '.join(NAMES)}."
        )
    return import_module(f"labkit.samples.{_MODULES[name]}").draw(seed)
