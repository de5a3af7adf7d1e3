"""A photo as a model takes it."""

import numpy as np

from labkit.data.files import decode


def prepare(raw: bytes, shape: tuple[int, ...], most_pixels: int) -> tuple[np.ndarray, bool]:
    """The bytes of a picture file as an example, and whether it was inverted.

    Args:
        raw: the bytes.
        shape: ``(side, side, 1)`` for grey, ``(side, side, 3)`` for colour.
        most_pixels: how many may be unpacked.

    Returns:
        uint8 of that shape, and whether dark on light became light on dark.

    Raises:
        ValueError: they are no picture that can be read, with the reason in plain words.
    """
    from PIL import Image

    picture = decode(raw, shape[0], most_pixels)
    if shape[2] == 3:
        return picture, False
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    # MNIST, Fashion-MNIST and their kin are light things on black.
    inverted = shape[0] == 28 and edge.mean() > 127
    return (255 - grey if inverted else grey)[..., None], bool(inverted)
