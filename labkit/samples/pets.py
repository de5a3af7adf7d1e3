"""Faces of cats and dogs, drawn."""

from dataclasses import dataclass

import numpy as np

from labkit.samples.drawing import (
    Colour,
    Pen,
    backdrop,
    between,
    gallery,
    mirrored,
    pick,
    shaded,
    smooth,
    tinted,
    window,
)
from labkit.samples.sample import Sample

CLASS_NAMES = ("cats", "dogs")
SIZE, ZOOM = 64, 2

# Coats, eyes and backgrounds are the same for both, so that colour gives nothing away.
COATS = (
    (52, 46, 44),
    (120, 84, 56),
    (176, 118, 66),
    (214, 158, 92),
    (226, 206, 172),
    (150, 146, 144),
    (238, 234, 226),
    (96, 98, 106),
)
EYES = ((88, 58, 32), (150, 110, 50), (120, 150, 70), (90, 130, 160))
WALLS = (
    (196, 188, 176),
    (126, 150, 170),
    (118, 146, 92),
    (170, 120, 100),
    (92, 96, 112),
    (214, 196, 150),
    (150, 128, 160),
    (70, 92, 84),
)


def draw(seed: int) -> Sample:
    """2,000 training and 500 test pictures of 64 × 64 × 3.

    Both animals have the same coats, patches, eyes and surroundings and are seen
    in many poses; what tells them apart is the shape of ears, muzzle, eyes and
    nose. Some dogs prick their ears and some cats fold theirs.
    """
    rng = np.random.default_rng(seed)
    looks = {"size": SIZE, "channels": 3, "zoom": ZOOM, "light": 0.12, "noise": 0.05, "cast": 0.07}
    rooms = [_room(rng) for _ in range(150)]
    painters = (
        lambda rng: _portrait(rng, rooms, cat_face),
        lambda rng: _portrait(rng, rooms, dog_face),
    )
    x_train, y_train = gallery(rng, painters, each=1000, **looks)
    x_test, y_test = gallery(rng, painters, each=250, **looks)
    return Sample(x_train, y_train, x_test, y_test, CLASS_NAMES)


def _room(rng):
    walls = [tinted(rng, pick(rng, WALLS)) for _ in range(2)]
    canvas = backdrop(rng, SIZE * ZOOM + 40, *walls, horizon=between(rng, 0.2, 0.9))
    pen = Pen(canvas)
    for _ in range(int(between(rng, 0, 5))):
        _clutter(rng, pen)
    return canvas


def _portrait(rng, rooms, face):
    canvas = window(rng, pick(rng, rooms), SIZE * ZOOM)
    pose = {
        "x": between(rng, -0.2, 0.2),
        "y": between(rng, -0.1, 0.2),
        "size": between(rng, 0.6, 0.9),
        "turn": between(rng, -0.35, 0.35),
        "wide": between(rng, 0.9, 1.1) * pick(rng, (1, -1)),
    }
    face(rng, Pen(canvas, **pose))
    if rng.random() < 0.35:
        _clutter(rng, Pen(canvas), edge=True)
    return canvas


def _clutter(rng, pen, edge=False):
    """A cushion, a ball, a table's edge; at the edge it may hide part of the animal."""
    colour = tinted(rng, pick(rng, WALLS + COATS), 30)
    x, y = between(rng, -1, 1), between(rng, -1, 1)
    if edge:
        x, y = pick(rng, ((x, 1), (-1, y), (1, y)))
    if rng.random() < 0.5:
        pen.ellipse(x, y, between(rng, 0.1, 0.35), between(rng, 0.1, 0.35), colour)
    else:
        w, h, lean = between(rng, 0.08, 0.4), between(rng, 0.08, 0.4), between(rng, -0.15, 0.15)
        pen.polygon(
            [(x - w, y - h), (x + w, y - h + lean), (x + w, y + h), (x - w, y + h - lean)], colour
        )


@dataclass(frozen=True)
class _Coat:
    """The colours of one animal."""

    fur: Colour
    dark: Colour
    light: Colour
    patch: Colour
    eye: Colour
    skin: Colour


def _coat(rng) -> _Coat:
    fur = tinted(rng, pick(rng, COATS), 16)
    return _Coat(
        fur=fur,
        dark=shaded(fur, 0.72),
        light=pick(rng, (shaded(fur, 1.25), tinted(rng, (238, 230, 218), 10))),
        patch=tinted(rng, pick(rng, COATS), 16),
        eye=tinted(rng, pick(rng, EYES), 16),
        skin=pick(rng, ((206, 140, 132), (64, 50, 48), (40, 34, 34))),
    )


_BODY = smooth([(-0.3, 0.3), (-0.65, 0.9), (-0.75, 1.9), (0.75, 1.9), (0.65, 0.9), (0.3, 0.3)])
_CAT = smooth(
    mirrored([(0, -0.54), (0.38, -0.48), (0.58, -0.15), (0.64, 0.16), (0.4, 0.47), (0, 0.57)])
)
_DOG = smooth(
    mirrored([(0, -0.55), (0.34, -0.48), (0.52, -0.15), (0.44, 0.2), (0.31, 0.58), (0, 0.71)])
)
_FLOPPY_EAR = smooth(
    [(0.24, -0.52), (0.5, -0.5), (0.74, -0.15), (0.68, 0.28), (0.48, 0.23), (0.42, -0.25)]
)


def _body(rng, pen, coat):
    side = between(rng, -0.25, 0.25)
    pen.polygon(_BODY + [side, 0], coat.dark)
    if rng.random() < 0.4:
        pen.ellipse(side / 2, 0.95, 0.28, 0.38, coat.light)


def _markings(rng, pen, coat):
    """Patches or stripes; they fall alike on both animals."""
    style = rng.random()
    if style < 0.25:
        side = pick(rng, (1, -1))
        pen.ellipse(0.28 * side, -0.12, 0.22, 0.26, coat.patch)
    elif style < 0.45:
        for x in (-0.2, 0.0, 0.2):
            pen.line([(x, -0.5), (x * 0.8, -0.28)], 0.06, coat.dark)
        for side in (1, -1):
            for y in (0.05, 0.2):
                pen.line([(0.56 * side, y - 0.03), (0.36 * side, y + 0.02)], 0.05, coat.dark)
    elif style < 0.65:
        pen.polygon(mirrored([(0, -0.52), (0.06, -0.5), (0.1, 0.1), (0.2, 0.3)]), coat.light)


def _pointed_ear(pen, side, out, tall, fur, inside):
    pen.polygon([(0.12 * side, -0.45), (out * side, -tall), (0.58 * side, -0.18)], fur)
    tip = (out * side * 0.95, -0.85 * tall)
    pen.polygon([(0.24 * side, -0.46), tip, (0.5 * side, -0.28)], inside)


def cat_face(rng, pen):
    """A cat, about as large as the pen's unit circle."""
    coat, yaw = _coat(rng), between(rng, -0.16, 0.16)
    _body(rng, pen, coat)
    tall, out = between(rng, 0.8, 1.08), between(rng, 0.42, 0.62)
    if rng.random() < 0.12:  # folded ears
        tall = 0.62
    inside = pick(rng, ((206, 150, 144), coat.dark))
    for side in (1, -1):
        _pointed_ear(pen, side, out, tall, coat.fur, inside)
    pen.polygon(_CAT * [between(rng, 0.92, 1.08), 1], coat.fur)
    _markings(rng, pen, coat)
    muzzle = yaw * 1.4
    for side in (1, -1):
        pen.ellipse(muzzle + 0.13 * side, 0.29, 0.17, 0.13, coat.light)
    pen.ellipse(muzzle, 0.42, 0.13, 0.09, coat.light)
    slit = between(rng, 0.02, 0.07)
    tilt = between(rng, 0.1, 0.35)
    wide, high = between(rng, 0.12, 0.15), between(rng, 0.08, 0.13)
    for side in (1, -1):
        x = yaw + 0.27 * side
        pen.ellipse(x, -0.06, wide + 0.025, high + 0.025, shaded(coat.dark, 0.5), turn=-tilt * side)
        pen.ellipse(x, -0.06, wide, high, shaded(coat.eye, 1.35), turn=-tilt * side)
        pen.ellipse(x, -0.06, slit, high * 0.95, (16, 14, 14))
        pen.dot(x + 0.03, -0.1, 0.025, (250, 250, 250))
    pen.polygon([(muzzle - 0.075, 0.15), (muzzle + 0.075, 0.15), (muzzle, 0.24)], coat.skin)
    mouth = shaded(coat.dark, 0.5)
    pen.line([(muzzle - 0.12, 0.36), (muzzle, 0.31), (muzzle + 0.12, 0.36)], 0.025, mouth)
    pen.line([(muzzle, 0.22), (muzzle, 0.31)], 0.025, mouth)
    whisker = pick(rng, ((245, 245, 245), (60, 56, 54)))
    for side in (1, -1) if rng.random() < 0.75 else ():
        for y in (0.18, 0.32):
            pen.line(
                [(muzzle + 0.2 * side, 0.28), (muzzle + 0.75 * side, y + 0.02)], 0.016, whisker
            )


def dog_face(rng, pen):
    """A dog, about as large as the pen's unit circle."""
    coat, yaw = _coat(rng), between(rng, -0.16, 0.16)
    _body(rng, pen, coat)
    ear = pick(rng, (coat.dark, coat.fur, coat.patch))
    pricked = rng.random() < 0.35
    tall, out = between(rng, 0.75, 1.0), between(rng, 0.36, 0.55)
    if pricked:
        inside = pick(rng, ((206, 150, 144), coat.dark))
        for side in (1, -1):
            _pointed_ear(pen, side, out, tall, coat.fur, inside)
    pen.polygon(_DOG * [1, between(rng, 0.92, 1.1)], coat.fur)
    _markings(rng, pen, coat)
    if not pricked:
        wide, long = between(rng, 0.9, 1.12), between(rng, 0.7, 1.3)
        for side in (1, -1):
            # The ear grows from its root: only its width and length change.
            pen.polygon((_FLOPPY_EAR + [0, 0.52]) * [wide * side, long] - [0, 0.52], ear)
    muzzle = yaw * 1.8
    pen.ellipse(muzzle, 0.36, between(rng, 0.24, 0.32), between(rng, 0.24, 0.32), coat.light)
    if rng.random() < 0.4:
        pen.ellipse(muzzle, 0.66, 0.1, 0.17, (214, 110, 118))
    for side in (1, -1):
        x = yaw + 0.23 * side
        pen.dot(x, -0.1, 0.1, shaded(coat.dark, 0.5))
        pen.dot(x, -0.1, 0.078, coat.eye)
        pen.dot(x, -0.1, 0.05, (16, 14, 14))
        pen.dot(x + 0.025, -0.13, 0.022, (250, 250, 250))
    pen.ellipse(muzzle, 0.2, between(rng, 0.11, 0.15), 0.1, shaded(coat.skin, 0.7))
    mouth = shaded(coat.dark, 0.45)
    pen.line([(muzzle, 0.28), (muzzle, 0.46)], 0.028, mouth)
    smile = [(muzzle - 0.2, 0.42), (muzzle - 0.1, 0.48), (muzzle + 0.1, 0.48), (muzzle + 0.2, 0.42)]
    pen.line(smile, 0.03, mouth)
