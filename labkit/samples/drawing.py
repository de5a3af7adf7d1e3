"""What the drawn samples share: chance, curves, a pen, and a photograph's light.

Pictures are drawn a few times larger than they will be and reduced, which is
what smooths their edges. Coordinates run from -1 to 1 with y downwards,
whatever the size of the canvas.
"""

import math
from functools import lru_cache

import numpy as np

Colour = tuple[int, int, int]


def between(rng, low: float, high: float) -> float:
    """A number between ``low`` and ``high``, all equally likely."""
    return low + (high - low) * rng.random()


def pick(rng, options):
    """One of ``options``, all equally likely."""
    return options[int(rng.random() * len(options))]


def shaded(colour: Colour, factor: float) -> Colour:
    """The colour made darker (``factor`` below 1) or lighter."""
    red, green, blue = colour
    return min(255, int(red * factor)), min(255, int(green * factor)), min(255, int(blue * factor))


def tinted(rng, colour: Colour, spread: float = 18) -> Colour:
    """A colour near ``colour``: each channel moves by up to ``spread``."""
    moves = rng.random(3).tolist()
    near = [c + spread * (2 * m - 1) for c, m in zip(colour, moves, strict=True)]
    return tuple([min(255, max(0, int(c))) for c in near])


@lru_cache
def _spline(count: int, closed: bool, steps: int) -> np.ndarray:
    t = np.arange(steps) / steps
    basis = 0.5 * np.stack(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2],
        axis=1,
    )
    pieces = count if closed else count - 1
    matrix = np.zeros((pieces * steps + (not closed), count))
    for piece in range(pieces):
        for column in range(4):
            point = piece + column - 1
            point = point % count if closed else min(max(point, 0), count - 1)
            matrix[piece * steps : (piece + 1) * steps, point] += basis[:, column]
    if not closed:
        matrix[-1, -1] = 1
    return matrix


def smooth(points, *, closed: bool = True, steps: int = 3) -> np.ndarray:
    """Points on a curve through ``points``, ``steps`` to each stretch.

    The curve is E. Catmull and R. Rom's ("A class of local interpolating
    splines", 1974).
    """
    return _spline(len(points), closed, steps) @ np.asarray(points, float)


def mirrored(points) -> list:
    """A symmetric outline from its right half, a list of pairs from top to bottom."""
    return [*points, *((-x, y) for x, y in reversed(points))]


_CIRCLE = np.array([(math.cos(a), math.sin(a), 1) for a in np.arange(16) * math.tau / 16])


class Pen:
    """Draws on a Pillow canvas; everything it draws is moved, turned and scaled together.

    Args:
        canvas: a square ``PIL.Image.Image``.
        x, y: where the drawing's middle goes.
        size: its scale.
        turn: its angle in radians, clockwise.
        wide: how much wider than high it becomes; negative draws the mirror image.
    """

    def __init__(self, canvas, *, x=0.0, y=0.0, size=1.0, turn=0.0, wide=1.0):
        from PIL import ImageDraw

        half = canvas.size[0] / 2
        cos, sin = half * size * math.cos(turn), half * size * math.sin(turn)
        # (x, y) goes to (a x + c y + e, b x + d y + f) on the canvas.
        self._affine = (cos * wide, sin * wide, -sin, cos, half * (1 + x), half * (1 + y))
        self._matrix = np.array(self._affine[:4]).reshape(2, 2)
        self._offset = np.array(self._affine[4:])
        self._unit = half * size
        self._draw = ImageDraw.Draw(canvas)

    def _place(self, points) -> list[float]:
        if isinstance(points, np.ndarray):
            return (points @ self._matrix + self._offset).ravel().tolist()
        # For a handful of pairs plain Python is faster than NumPy.
        a, b, c, d, e, f = self._affine
        return [v for x, y in points for v in (a * x + c * y + e, b * x + d * y + f)]

    def polygon(self, points, fill) -> None:
        """A filled polygon; ``points`` are pairs or an array of shape (n, 2)."""
        self._draw.polygon(self._place(points), fill=fill)

    def leaf(self, points, fill, half, shadow, fall) -> None:
        """A polygon whose second half is darker, over its shadow, which falls by ``fall``."""
        placed = self._place(points)
        dx, dy = fall[0] * self._unit, fall[1] * self._unit
        below = [v + d for v, d in zip(placed, (dx, dy) * len(points), strict=True)]
        self._draw.polygon(below, fill=shadow)
        self._draw.polygon(placed, fill=fill)
        self._draw.polygon(placed[len(points) :], fill=half)

    def ellipse(self, x, y, rx, ry, fill, turn=0.0) -> None:
        """A filled ellipse around (x, y)."""
        a, b, c, d, e, f = self._affine
        cos, sin = math.cos(turn), math.sin(turn)
        half_axes_and_middle = (
            (rx * (cos * a + sin * c), rx * (cos * b + sin * d)),
            (ry * (cos * c - sin * a), ry * (cos * d - sin * b)),
            (a * x + c * y + e, b * x + d * y + f),
        )
        edge = _CIRCLE @ np.array(half_axes_and_middle)
        self._draw.polygon(edge.ravel().tolist(), fill=fill)

    def dot(self, x, y, radius, fill, *, flat=1.0) -> None:
        """A filled circle, or an ellipse ``flat`` times as high; it ignores turn and width.

        Six times as fast as :meth:`ellipse`: the one for small round things.
        """
        a, b, c, d, e, f = self._affine
        x, y = a * x + c * y + e, b * x + d * y + f
        rx, ry = radius * self._unit, radius * self._unit * flat
        self._draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)

    def line(self, points, width, fill) -> None:
        """A line of one width along ``points``."""
        width = max(1, round(width * self._unit))
        self._draw.line(self._place(points), fill=fill, width=width)

    def stroke(self, points, widths, fill) -> None:
        """A brush stroke on a smooth curve along ``points``, with a width at each of them."""
        rows = smooth(np.column_stack([points, widths]), closed=False)
        points, half = rows[:, :2], rows[:, 2:] / 2
        ahead = np.empty_like(points)
        ahead[1:-1] = points[2:] - points[:-2]
        ahead[0], ahead[-1] = points[1] - points[0], points[-1] - points[-2]
        length = np.hypot(ahead[:, :1], ahead[:, 1:]) + 1e-9
        side = half * ahead[:, ::-1] * [-1, 1] / length
        self.polygon(np.concatenate([points + side, (points - side)[::-1]]), fill)


def backdrop(rng, size: int, top: Colour, bottom: Colour, *, horizon=0.5, spread=14):
    """An out-of-focus background: one colour above ``horizon`` (0 to 1), one below."""
    from PIL import Image

    rows = 8
    sky = round(horizon * rows)
    cells = rng.normal(0, spread / 2, (rows, 5, 1)) + rng.normal(0, 3, (rows, 5, 3))
    cells[:sky] += top
    cells[sky:] += bottom
    small = Image.fromarray(np.clip(cells, 0, 255).astype(np.uint8))
    return small.resize((size, size), Image.Resampling.BICUBIC)


def window(rng, picture, size: int):
    """A random square of ``size`` pixels a side cut from a larger picture."""
    x, y = (int(rng.random() * (side - size)) for side in picture.size)
    return picture.crop((x, y, x + size, y + size))


def photograph(pictures, rng, *, light=0.15, noise=0.04, cast=0.0):
    """Uneven light, grain and a colour cast, changing ``pictures`` (uint8) in place.

    All of them multiply, so black stays black. There are 128 such conditions,
    and each picture gets one of them at random, perhaps mirrored.

    Args:
        light: how much brighter or darker parts of a picture become.
        noise: the standard deviation of the grain, as a part of the brightness.
        cast: how far the channels are scaled apart.
    """
    from PIL import Image

    count, size, _, channels = pictures.shape
    kinds = 128
    coarse = rng.normal(1, light, (kinds, 4, 4)).astype(np.float32)
    glow = [
        np.asarray(Image.fromarray(c).resize((size, size), Image.Resampling.BICUBIC))
        for c in coarse
    ]
    conditions = rng.standard_normal((kinds, size, size, channels), np.float32) * np.float32(noise)
    conditions += np.stack(glow)[..., None]
    conditions *= rng.uniform(1 - cast, 1 + cast, (kinds, 1, 1, channels)).astype(np.float32)
    np.maximum(conditions, 0, out=conditions)
    which = rng.integers(kinds, size=count).tolist()
    flips = (2 * rng.integers(2, size=(count, 2)) - 1).tolist()
    for picture, kind, (down, across) in zip(pictures, which, flips, strict=True):
        picture[:] = np.minimum(picture * conditions[kind, ::down, ::across], 255)


def balanced_labels(rng, classes: int, each: int) -> np.ndarray:
    """``each`` labels of every class, shuffled so that any beginning is balanced too."""
    return np.concatenate([rng.permutation(classes) for _ in range(each)])


def gallery(rng, painters, *, each: int, size: int, channels: int, zoom: int, **light):
    """Draw ``each`` pictures of every class.

    Args:
        painters: for each class a function of ``rng`` that returns a canvas of
            ``size * zoom`` pixels a side.
        light: passed to :func:`photograph`.

    Returns:
        Pictures, uint8 of shape ``(n, size, size, channels)``, and int64 labels.
    """
    labels = balanced_labels(rng, len(painters), each)
    pictures = np.empty((len(labels), size, size, channels), np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        picture[:] = np.asarray(painters[label](rng).reduce(zoom)).reshape(picture.shape)
    photograph(pictures, rng, **light)
    return pictures, labels
