"""Circles, squares and triangles: what a drawn sample looks like. Replace it by yours."""

import numpy as np

from labkit.samples.drawing import Pen, between, gallery
from labkit.samples.sample import Sample

CLASS_NAMES = ("circle", "square", "triangle")
SIZE, ZOOM = 28, 4


def draw(seed: int) -> Sample:
    """600 training and 150 test pictures of 28 × 28 × 1, light on black."""
    rng = np.random.default_rng(seed)
    looks = {"size": SIZE, "channels": 1, "zoom": ZOOM, "light": 0.1, "noise": 0.04}
    x_train, y_train = gallery(rng, (_circle, _square, _triangle), each=200, **looks)
    x_test, y_test = gallery(rng, (_circle, _square, _triangle), each=50, **looks)
    return Sample(x_train, y_train, x_test, y_test, CLASS_NAMES)


def _circle(rng):
    canvas, pen = _start(rng)
    pen.ellipse(0, 0, 0.7, 0.7, 230)
    return canvas


def _square(rng):
    canvas, pen = _start(rng)
    pen.polygon([(-0.6, -0.6), (0.6, -0.6), (0.6, 0.6), (-0.6, 0.6)], 230)
    return canvas


def _triangle(rng):
    canvas, pen = _start(rng)
    pen.polygon([(0, -0.8), (0.7, 0.5), (-0.7, 0.5)], 230)
    return canvas


def _start(rng):
    """An empty canvas, and a pen that moves, turns and scales what it draws."""
    from PIL import Image  # here, because importing a sample is to be light

    canvas = Image.new("L", (SIZE * ZOOM, SIZE * ZOOM))
    place = {"x": between(rng, -0.2, 0.2), "y": between(rng, -0.2, 0.2)}
    return canvas, Pen(canvas, size=between(rng, 0.5, 0.9), turn=between(rng, -3, 3), **place)
