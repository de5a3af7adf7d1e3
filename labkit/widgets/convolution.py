"""What a convolution computes, one position at a time."""

from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError

PRESETS = {
    "vertical edges": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "horizontal edges": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "all edges": ((0, -1, 0), (-1, 4, -1), (0, -1, 0)),
    "blur": ((1 / 9,) * 3,) * 3,
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "nothing": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
}
"""Kernels of 3 × 3; the edges are those of Sobel and Laplace."""


@dataclass(frozen=True)
class Position:
    """What happens at one place of the kernel."""

    patch: np.ndarray
    """The pixels under the kernel, as large as it; 0 where there is only padding."""
    kernel: np.ndarray

    @property
    def total(self) -> float:
        """The pixel of the result."""
        return float((self.patch * self.kernel).sum())

    def arithmetic(self) -> str:
        """The sum, spelled out, a row of the kernel a line.

        Example:
            >>> print(at(np.eye(3), PRESETS["nothing"], 0, 0).arithmetic())
              0 × 1 + 0 × 0 + 0 × 0
            + 0 × 0 + 1 × 1 + 0 × 0
            + 0 × 0 + 0 × 0 + 0 × 1
            = 1
        """
        rows = [
            " + ".join(f"{short(k)} × {short(p)}" for k, p in zip(*pair, strict=True))
            for pair in zip(self.kernel, self.patch, strict=True)
        ]
        return "  " + "\n+ ".join(rows) + f"\n= {short(self.total)}"


def convolve(picture, kernel, *, stride: int = 1, padding: int = 0) -> np.ndarray:
    """The whole result: a convolution as networks do it, without turning the kernel round.

    Args:
        picture: ``(height, width)``, grey.
        kernel: ``(rows, columns)``.
        stride: how many pixels the kernel moves at a time.
        padding: how many pixels of value 0 are put around the picture.

    Returns:
        ``float64`` of shape ``((height + 2·padding − rows) // stride + 1, …)``.

    Raises:
        LabError: the picture is smaller than the kernel, or stride or padding cannot be.

    Example:
        >>> convolve(np.ones((5, 5)), PRESETS["blur"], stride=2).shape
        (2, 2)
    """
    padded, kernel = _prepare(picture, kernel, stride, padding)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    return (windows[::stride, ::stride] * kernel).sum(axis=(2, 3))


def at(picture, kernel, row: int, column: int, *, stride: int = 1, padding: int = 0) -> Position:
    """What happens where the pixel ``(row, column)`` of the result is computed.

    Raises:
        LabError: as for :func:`convolve`, or the result has no such pixel.
    """
    padded, kernel = _prepare(picture, kernel, stride, padding)
    top, left = row * stride, column * stride
    patch = padded[max(0, top) : top + kernel.shape[0], max(0, left) : left + kernel.shape[1]]
    if row < 0 or column < 0 or patch.shape != kernel.shape:
        raise LabError(f"The result has no pixel in row {row} and column {column}. Stay inside it.")
    return Position(patch, kernel)


def _prepare(picture, kernel, stride, padding):
    picture, kernel = np.asarray(picture, float), np.asarray(kernel, float)
    if picture.ndim != 2 or kernel.ndim != 2:
        raise LabError("Give a grey picture, (height, width), and a kernel, (rows, columns).")
    if stride < 1 or padding < 0:
        raise LabError(f"stride is {stride} and padding {padding}; at least 1 and 0, please.")
    padded = np.pad(picture, padding)
    if padded.shape[0] < kernel.shape[0] or padded.shape[1] < kernel.shape[1]:
        raise LabError("The picture is smaller than the kernel. Use a larger one, or padding.")
    return padded, kernel


def short(value: float) -> str:
    """A number in at most four digits, with a real minus; 0 for what only rounding left over.

    Example:
        >>> short(-1 / 9), short(0.1 + 0.2 - 0.3)
        ('−0.1111', '0')
    """
    return f"{round(float(value), 10) + 0.0:.4g}".replace("-", "\N{MINUS SIGN}")
