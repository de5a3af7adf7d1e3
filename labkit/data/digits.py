"""From a drawing to a picture as MNIST has them."""

import numpy as np

from labkit.errors import LabError

SIDE = 280
"""Of the canvas that digits are drawn on, in pixels, as in canvas.js."""


def seen(ink: bytes) -> np.ndarray:
    """A drawing as a network sees it, ``uint8`` of shape ``(28, 28)``.

    Args:
        ink: the drawing, 280 × 280 bytes, row by row, 0 for paper and 255 for ink.

    Raises:
        LabError: there are not 280 × 280 bytes.
    """
    if len(ink) != SIDE * SIDE:
        raise LabError(f"A drawing has {SIDE} × {SIDE} bytes, and {len(ink)} came. Draw again.")
    return as_mnist(np.frombuffer(ink, np.uint8).reshape(SIDE, SIDE))


def as_mnist(drawing: np.ndarray) -> np.ndarray:
    """A drawn digit, made like those of MNIST.

    What is drawn is cut out, made as large as fits into 20 × 20 pixels with its proportions
    kept, and put into 28 × 28 pixels with its centre of mass in the middle. That is what
    was done with the digits of MNIST (LeCun, Cortes and Burges,
    http://yann.lecun.com/exdb/mnist/), and a network that was trained on those sees
    something strange in any other place or size.

    Args:
        drawing: ``uint8`` of shape ``(height, width)``, 0 for paper and 255 for ink.

    Returns:
        ``uint8`` of shape ``(28, 28)``; all 0 when nothing is drawn.

    Example:
        >>> as_mnist(canvas).shape
        (28, 28)
    """
    from PIL import Image

    picture = np.zeros((28, 28), np.uint8)
    rows, columns = np.nonzero(drawing > 25)
    if not len(rows):
        return picture
    cut = drawing[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = 20 / max(cut.shape)
    height, width = (max(1, round(side * scale)) for side in cut.shape)
    small = np.asarray(Image.fromarray(cut).resize((width, height), Image.Resampling.BOX))
    ink = small.astype(float) / small.sum()
    row, column = np.arange(height) @ ink.sum(axis=1), np.arange(width) @ ink.sum(axis=0)
    # The middle of 28 pixels lies between the 14th and the 15th: at 13.5, counted from 0.
    top = int(np.clip(round(13.5 - row), 0, 28 - height))
    left = int(np.clip(round(13.5 - column), 0, 28 - width))
    picture[top : top + height, left : left + width] = small
    return picture
