"""Little scenes in colour in ten classes, after CIFAR-10."""

import numpy as np

from labkit.samples.drawing import (
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
from labkit.samples.pets import COATS, cat_face, dog_face
from labkit.samples.sample import Sample

CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
SIZE, ZOOM = 32, 3

SKIES = ((120, 170, 220), (170, 196, 220), (200, 200, 204), (226, 178, 140), (90, 120, 170))
GROUNDS = ((96, 140, 70), (150, 160, 84), (190, 168, 120), (128, 124, 122), (110, 88, 66))
WATERS = ((50, 100, 150), (70, 130, 150), (90, 110, 120), (40, 80, 110))
WALLS = ((196, 180, 160), (150, 120, 100), (120, 140, 150), (90, 80, 90))
PAINTS = (
    (196, 40, 40),
    (40, 80, 170),
    (230, 230, 232),
    (60, 62, 68),
    (220, 180, 50),
    (50, 120, 80),
    (160, 164, 170),
)
FEATHERS = (
    (120, 90, 60),
    (60, 90, 150),
    (180, 60, 50),
    (70, 70, 74),
    (220, 210, 190),
    (200, 160, 60),
)
GLASS, RUBBER = (70, 92, 112), (30, 30, 32)


def draw(seed: int) -> Sample:
    """2,000 training and 500 test pictures of 32 × 32 × 3.

    The classes and their order are those of CIFAR-10 (A. Krizhevsky, "Learning
    multiple layers of features from tiny images", 2009). Each class is seen in
    two or three ways, in many colours and poses and facing either side, over
    skies, meadows, roads, water and rooms, most of which several classes share.
    """
    rng = np.random.default_rng(seed)
    places = {
        "sky": [_place(rng, SKIES, SKIES, 0.5) for _ in range(60)],
        "land": [
            _place(rng, SKIES + GROUNDS[:2], GROUNDS, between(rng, 0.2, 0.6)) for _ in range(120)
        ],
        "sea": [_place(rng, SKIES, WATERS, between(rng, 0.3, 0.6)) for _ in range(60)],
        "room": [_place(rng, WALLS, WALLS + GROUNDS, between(rng, 0.4, 0.8)) for _ in range(60)],
    }
    subjects = (
        (("sky", "sky", "sky", "land", "sea"), _airplane),
        (("land",), _automobile),
        (("sky", "sky", "land", "land", "sea"), _bird),
        (("land", "room", "room"), _cat),
        (("land",), _deer),
        (("land", "land", "room"), _dog),
        (("land", "land", "sea", "room"), _frog),
        (("land",), _horse),
        (("sea",), _ship),
        (("land",), _truck),
    )
    painters = [
        lambda rng, where=where, subject=subject: _scene(rng, places[pick(rng, where)], subject)
        for where, subject in subjects
    ]
    looks = {"size": SIZE, "channels": 3, "zoom": ZOOM, "light": 0.12, "noise": 0.04, "cast": 0.06}
    x_train, y_train = gallery(rng, painters, each=200, **looks)
    x_test, y_test = gallery(rng, painters, each=50, **looks)
    return Sample(x_train, y_train, x_test, y_test, CLASS_NAMES)


def _place(rng, above, below, horizon):
    canvas = backdrop(
        rng,
        SIZE * ZOOM + 32,
        tinted(rng, pick(rng, above), 24),
        tinted(rng, pick(rng, below), 24),
        horizon=horizon,
        spread=22,
    )
    pen = Pen(canvas)
    for _ in range(int(between(rng, 0, 6))):  # clouds, bushes, stones
        x, y = between(rng, -1, 1), between(rng, -1, 1)
        tone = tinted(rng, pick(rng, above if y < 0 else below), 24)
        pen.ellipse(x, y, between(rng, 0.1, 0.4), between(rng, 0.05, 0.15), tone)
    return canvas


def _scene(rng, places, subject):
    canvas = window(rng, pick(rng, places), SIZE * ZOOM)
    pose = {
        "x": between(rng, -0.16, 0.16),
        "y": between(rng, -0.12, 0.16),
        "size": between(rng, 0.72, 1.02),
        "turn": between(rng, -0.12, 0.12),
        "wide": between(rng, 0.88, 1.08) * pick(rng, (1, -1)),
    }
    subject(rng, canvas, pose)
    return canvas


def _airplane(rng, canvas, pose):
    style = rng.random()
    turn = between(rng, -0.5, 0.35) if style < 0.65 else between(rng, -1.2, 1.2)
    pen = Pen(canvas, **{**pose, "turn": turn})
    hull = tinted(rng, pick(rng, ((232, 234, 238), (200, 204, 212), (120, 126, 136), *PAINTS)), 12)
    dark, trim = shaded(hull, 0.7), pick(rng, PAINTS)
    if style < 0.65:  # from the side
        pen.polygon([(0.15, -0.05), (-0.2, -0.36), (-0.34, -0.36), (-0.15, -0.02)], dark)
        pen.polygon(
            [(-0.5, -0.06), (-0.92, -0.46), (-0.76, -0.46), (-0.62, -0.42), (-0.3, -0.08)], trim
        )
        body = [
            (0.92, 0.03),
            (0.72, -0.1),
            (0.2, -0.14),
            (-0.6, -0.1),
            (-0.9, -0.04),
            (-0.5, 0.1),
            (0.3, 0.14),
            (0.8, 0.11),
        ]
        pen.polygon(smooth(body), hull)
        pen.line([(-0.5, -0.03), (0.6, -0.03)], 0.045, GLASS)
        pen.polygon([(0.25, 0.06), (-0.3, 0.48), (-0.48, 0.48), (-0.15, 0.06)], dark)
        pen.polygon([(-0.62, -0.02), (-0.92, 0.16), (-0.98, 0.14), (-0.8, -0.02)], dark)
        pen.ellipse(-0.02, 0.26, 0.13, 0.06, shaded(hull, 0.5))
    else:  # from below
        sweep = between(rng, 0.1, 0.45)
        pen.polygon(
            [
                (0.25, 0),
                (-0.05 - sweep, -0.85),
                (-0.2 - sweep, -0.85),
                (-0.15, 0),
                (-0.2 - sweep, 0.85),
                (-0.05 - sweep, 0.85),
            ],
            dark,
        )
        pen.polygon(
            [(-0.6, 0), (-0.85, -0.34), (-0.97, -0.34), (-0.85, 0), (-0.97, 0.34), (-0.85, 0.34)],
            trim,
        )
        pen.polygon(
            smooth([(0.95, 0), (0.7, -0.1), (-0.6, -0.09), (-0.95, 0), (-0.6, 0.09), (0.7, 0.1)]),
            hull,
        )


def _wheels(pen, xs, y, radius):
    for x in xs:
        pen.dot(x, y, radius, RUBBER)
        pen.dot(x, y, radius * 0.5, (168, 170, 174))


def _automobile(rng, canvas, pose):
    pen = Pen(canvas, **pose)
    paint = tinted(rng, pick(rng, PAINTS), 20)
    glass = tinted(rng, GLASS)
    pen.ellipse(0, 0.5, 0.95, 0.1, (50, 48, 48))
    if rng.random() < 0.7:  # from the side
        roof, tail = between(rng, -0.42, -0.28), between(rng, -0.85, -0.45)
        low = [
            (-0.92, 0.36),
            (-0.93, 0.08),
            (-0.6, -0.02),
            (0.45, -0.04),
            (0.86, 0.06),
            (0.94, 0.36),
        ]
        pen.polygon(smooth(low, steps=2), paint)
        pen.polygon(
            [(tail - 0.1, 0.02), (tail + 0.12, roof), (0.22, roof), (0.55, 0.02)],
            shaded(paint, 0.92),
        )
        pen.polygon(
            [
                (tail + 0.05, -0.03),
                (tail + 0.17, roof + 0.07),
                (-0.16, roof + 0.07),
                (-0.16, -0.03),
            ],
            glass,
        )
        pen.polygon(
            [(-0.08, -0.03), (-0.08, roof + 0.07), (0.19, roof + 0.07), (0.42, -0.03)], glass
        )
        pen.line([(-0.9, 0.22), (0.9, 0.22)], 0.03, shaded(paint, 0.7))
        pen.ellipse(0.87, 0.13, 0.06, 0.05, (250, 240, 190))
        _wheels(pen, (-0.55, 0.56), 0.36, between(rng, 0.16, 0.2))
    else:  # from the front
        pen.polygon([(-0.6, 0.35), (-0.5, 0.6), (-0.32, 0.6), (-0.32, 0.3)], RUBBER)
        pen.polygon([(0.6, 0.35), (0.5, 0.6), (0.32, 0.6), (0.32, 0.3)], RUBBER)
        pen.polygon(mirrored([(0.4, -0.5), (0.55, -0.1), (0.66, 0.05), (0.66, 0.45)]), paint)
        pen.polygon(mirrored([(0.34, -0.42), (0.46, -0.1)]), glass)
        pen.polygon(mirrored([(0.3, 0.14), (0.28, 0.3)]), (44, 44, 48))
        for side in (1, -1):
            pen.ellipse(0.48 * side, 0.16, 0.12, 0.08, (250, 244, 210))


def _truck(rng, canvas, pose):
    pen = Pen(canvas, **pose)
    paint, load = tinted(rng, pick(rng, PAINTS), 20), tinted(rng, pick(rng, PAINTS), 20)
    glass = tinted(rng, GLASS)
    pen.ellipse(0, 0.54, 0.95, 0.1, (50, 48, 48))
    style = rng.random()
    if style < 0.72:  # from the side: a box, or an open load bed
        top = between(rng, -0.62, -0.4) if style < 0.5 else between(rng, -0.12, 0.0)
        pen.polygon([(-0.95, 0.38), (0.9, 0.38), (0.9, 0.26), (-0.95, 0.26)], (52, 52, 56))
        pen.polygon([(-0.95, top), (0.3, top), (0.3, 0.3), (-0.95, 0.3)], load)
        if style < 0.5:
            pen.line([(-0.9, top + 0.08), (0.28, top + 0.08)], 0.04, shaded(load, 0.75))
        else:
            pen.ellipse(-0.35, top, 0.45, between(rng, 0.05, 0.28), shaded(load, 0.6))
            pen.polygon([(-0.95, top), (0.3, top), (0.3, 0.3), (-0.95, 0.3)], load)
        roof = between(rng, -0.42, -0.28)
        pen.polygon(
            [(0.36, roof), (0.66, roof), (0.84, -0.02), (0.95, 0.04), (0.95, 0.34), (0.36, 0.34)],
            paint,
        )
        pen.polygon([(0.46, roof + 0.08), (0.63, roof + 0.08), (0.77, 0.0), (0.46, 0.0)], glass)
        _wheels(pen, (-0.7, -0.36, 0.66), 0.4, 0.16)
    else:  # from the front
        pen.polygon([(-0.58, 0.35), (-0.56, 0.66), (-0.36, 0.66), (-0.36, 0.3)], RUBBER)
        pen.polygon([(0.58, 0.35), (0.56, 0.66), (0.36, 0.66), (0.36, 0.3)], RUBBER)
        pen.polygon(mirrored([(0.62, -0.85), (0.62, 0.3)]), load)
        pen.polygon(mirrored([(0.5, -0.6), (0.56, 0.5)]), paint)
        pen.polygon(mirrored([(0.42, -0.45), (0.45, -0.08)]), glass)
        pen.polygon(mirrored([(0.28, 0.08), (0.28, 0.34)]), (60, 60, 64))
        for side in (1, -1):
            pen.ellipse(0.42 * side, 0.26, 0.09, 0.08, (250, 244, 210))


def _ship(rng, canvas, pose):
    pen = Pen(canvas, **{**pose, "y": pose["y"] + 0.1, "turn": pose["turn"] / 2})
    hull = tinted(rng, pick(rng, PAINTS), 20)
    style = rng.random()
    if style < 0.35:  # a sailing boat
        sail = tinted(rng, pick(rng, ((240, 238, 230), (240, 238, 230), *PAINTS)), 10)
        pen.line([(0, -0.9), (0, 0.2)], 0.05, (90, 70, 50))
        pen.polygon([(0.06, -0.88), (0.06, 0.1), (between(rng, 0.4, 0.7), 0.08)], sail)
        pen.polygon(
            [(-0.06, -0.8), (-0.06, 0.1), (-between(rng, 0.3, 0.6), 0.1)], shaded(sail, 0.86)
        )
        pen.polygon([(-0.62, 0.16), (0.75, 0.14), (0.5, 0.4), (-0.45, 0.4)], hull)
    else:
        cabin = tinted(rng, (232, 232, 228), 14)
        aft = between(rng, -0.7, -0.2)
        if style < 0.7:  # a steamer
            pen.polygon(
                [(aft + 0.25, -0.5), (aft + 0.45, -0.5), (aft + 0.45, -0.1), (aft + 0.25, -0.1)],
                pick(rng, PAINTS),
            )
            pen.polygon([(aft, -0.2), (aft + 0.8, -0.2), (aft + 0.9, 0.12), (aft, 0.12)], cabin)
            pen.line([(aft + 0.08, -0.06), (aft + 0.75, -0.06)], 0.06, GLASS)
        else:  # a freighter with containers
            for x in np.arange(-0.5, 0.6, 0.26):
                top = between(rng, -0.35, -0.1)
                pen.polygon(
                    [(x, top), (x + 0.23, top), (x + 0.23, 0.1), (x, 0.1)], pick(rng, PAINTS)
                )
            pen.polygon([(-0.85, -0.5), (-0.6, -0.5), (-0.58, 0.1), (-0.85, 0.1)], cabin)
        pen.polygon([(-0.92, 0.06), (0.95, -0.02), (0.72, 0.42), (-0.82, 0.42)], hull)
        pen.polygon([(-0.85, 0.33), (0.76, 0.33), (0.72, 0.42), (-0.82, 0.42)], shaded(hull, 0.6))
    for _ in range(3):
        x, y = between(rng, -0.9, 0.5), between(rng, 0.4, 0.62)
        pen.line([(x, y), (x + 0.4, y)], 0.035, (190, 210, 222))


def _bird(rng, canvas, pose):
    coat = tinted(rng, pick(rng, FEATHERS), 20)
    belly = pick(rng, (shaded(coat, 1.3), tinted(rng, (226, 206, 176))))
    wing, beak = shaded(coat, between(rng, 0.55, 0.8)), tinted(rng, (222, 160, 60))
    if rng.random() < 0.35:  # in flight
        pen = Pen(canvas, **{**pose, "turn": between(rng, -0.5, 0.4)})
        lift = between(rng, 0.45, 0.85)
        pen.polygon(
            smooth([(0.2, -0.05), (0.05, -lift * 0.7), (-0.3, -lift), (-0.25, -0.4), (-0.2, 0.0)]),
            shaded(wing, 0.8),
        )
        pen.polygon([(-0.35, -0.02), (-0.9, -0.14), (-0.86, 0.12), (-0.3, 0.1)], wing)
        pen.ellipse(0.02, 0.03, 0.46, 0.17, belly)
        pen.ellipse(0.0, -0.01, 0.46, 0.14, coat)
        pen.polygon(
            smooth([(0.25, 0.0), (0.2, lift * 0.6), (-0.25, lift), (-0.3, 0.4), (-0.2, 0.0)]), wing
        )
        head = (0.5, -0.08)
    else:  # perched
        pen = Pen(canvas, **pose)
        pen.line([(-0.95, 0.66), (0.95, 0.6)], 0.09, (96, 70, 48))
        for x in (-0.08, 0.1):
            pen.line([(x, 0.35), (x + 0.03, 0.64)], 0.045, beak)
        pen.polygon([(-0.3, 0.1), (-0.92, 0.42), (-0.86, 0.58), (-0.2, 0.34)], wing)
        pen.ellipse(0.0, 0.1, 0.46, 0.32, coat, turn=-0.5)
        pen.ellipse(0.12, 0.2, 0.3, 0.2, belly, turn=-0.5)
        pen.ellipse(-0.14, 0.12, 0.34, 0.17, wing, turn=0.45 - 1.0)
        head = (0.3, -0.3)
    x, y = head
    pen.polygon(
        [(x + 0.12, y - 0.07), (x + between(rng, 0.36, 0.5), y + 0.02), (x + 0.12, y + 0.08)], beak
    )
    pen.ellipse(x, y, 0.22, 0.2, coat)
    pen.dot(x + 0.08, y - 0.05, 0.045, (16, 16, 16))


def _quadruped(
    pen, coat, *, back, belly, leg, legs_x=(-0.42, -0.3, 0.3, 0.44), foot=0.78, width=0.1
):
    """A standing body facing right: far legs, trunk, near legs."""
    front, rear = legs_x[2:], legs_x[:2]
    for x in (rear[1], front[0]):
        pen.polygon(
            [
                (x - width, belly - 0.1),
                (x + width, belly - 0.1),
                (x + width / 2, foot - 0.04),
                (x - width / 2, foot - 0.04),
            ],
            shaded(leg, 0.7),
        )
    mid = (back + belly) / 2
    trunk = [
        (-0.5, mid),
        (-0.42, back),
        (0.0, back + 0.04),
        (0.42, back - 0.02),
        (0.54, mid),
        (0.4, belly),
        (-0.05, belly - 0.03),
        (-0.42, belly),
    ]
    pen.polygon(smooth(trunk), coat)
    for x in (rear[0], front[1]):
        pen.polygon(
            [
                (x - width * 1.2, belly - 0.14),
                (x + width, belly - 0.14),
                (x + width / 2, foot),
                (x - width / 2, foot),
            ],
            leg,
        )


def _gait(rng):
    step = between(rng, -0.08, 0.08)
    return (-0.44 - step, -0.3 + step, 0.28 - step, 0.44 + step)


def _horse(rng, canvas, pose):
    pen = Pen(canvas, **pose)
    coat = tinted(
        rng,
        pick(rng, ((130, 76, 44), (92, 58, 40), (50, 42, 40), (190, 150, 104), (226, 222, 216))),
        16,
    )
    mane = pick(rng, (shaded(coat, 0.45), (40, 30, 26), (226, 206, 160)))
    drop = between(rng, 0.5, 0.75)
    pen.stroke([(-0.48, -0.06), (-0.72, 0.06), (-0.74, drop)], [0.1, 0.16, 0.05], mane)
    _quadruped(
        pen, coat, back=-0.16, belly=0.28, leg=coat, legs_x=_gait(rng), foot=0.85, width=0.085
    )
    grazing = rng.random() < 0.25
    if grazing:
        pen.stroke([(0.36, 0.02), (0.66, 0.14), (0.8, 0.44)], [0.4, 0.26, 0.19], coat)
        pen.stroke([(0.4, -0.14), (0.74, 0.0), (0.9, 0.3)], [0.06, 0.1, 0.06], mane)
        pen.stroke([(0.76, 0.38), (0.84, 0.56), (0.96, 0.74)], [0.2, 0.2, 0.13], coat)
        return
    high = between(rng, -0.72, -0.55)
    pen.stroke([(0.36, 0.02), (0.52, -0.3), (0.66, high)], [0.46, 0.3, 0.2], coat)
    pen.stroke([(0.28, -0.16), (0.42, -0.42), (0.58, high - 0.08)], [0.06, 0.16, 0.08], mane)
    pen.polygon([(0.6, high - 0.02), (0.6, high - 0.2), (0.7, high - 0.05)], coat)
    pen.stroke(
        [(0.62, high + 0.02), (0.78, high + 0.14), (0.94, high + 0.34)], [0.22, 0.2, 0.14], coat
    )
    pen.dot(0.73, high + 0.06, 0.03, (14, 12, 12))


def _deer(rng, canvas, pose):
    pen = Pen(canvas, **pose)
    coat = tinted(
        rng, pick(rng, ((172, 116, 70), (146, 100, 66), (190, 140, 92), (120, 92, 70))), 14
    )
    pale = (232, 218, 196)
    _quadruped(
        pen,
        coat,
        back=-0.06,
        belly=0.26,
        leg=shaded(coat, 0.85),
        legs_x=_gait(rng),
        foot=0.88,
        width=0.06,
    )
    pen.ellipse(-0.5, 0.04, 0.08, 0.12, pale)
    if rng.random() < 0.4:
        for x, y in ((-0.3, 0.03), (-0.1, 0.0), (0.12, 0.03), (-0.2, 0.13), (0.02, 0.13)):
            pen.dot(x, y, 0.035, pale)
    high = between(rng, -0.52, -0.4)
    pen.stroke([(0.4, 0.08), (0.5, -0.16), (0.58, high)], [0.3, 0.18, 0.13], coat)
    pen.stroke([(0.52, high), (0.68, high + 0.06), (0.84, high + 0.16)], [0.18, 0.17, 0.08], coat)
    pen.polygon([(0.52, high - 0.02), (0.34, high - 0.1), (0.44, high + 0.05)], coat)
    pen.dot(0.66, high + 0.01, 0.03, (14, 12, 12))
    if rng.random() < 0.75:
        horn = tinted(rng, (96, 72, 52))
        for lean in (-0.16, 0.14):
            tip = (0.56 + lean * 1.8, high - 0.42)
            pen.line([(0.56, high - 0.06), (0.56 + lean * 1.5, high - 0.2), tip], 0.05, horn)
            pen.line(
                [(0.56 + lean * 1.4, high - 0.19), (0.56 + lean * 0.5, high - 0.36)], 0.045, horn
            )


def _cat(rng, canvas, pose):
    if rng.random() < 0.5:
        cat_face(rng, Pen(canvas, **{**pose, "size": pose["size"] * 0.92}))
        return
    pen = Pen(canvas, **pose)
    coat = tinted(rng, pick(rng, COATS), 16)
    curl = between(rng, -0.75, -0.35)
    pen.stroke([(-0.44, 0.1), (-0.72, -0.1), (-0.66, curl)], [0.14, 0.12, 0.08], shaded(coat, 0.85))
    _quadruped(pen, coat, back=-0.06, belly=0.36, leg=coat, legs_x=_gait(rng), foot=0.7, width=0.08)
    if rng.random() < 0.5:
        for x in (-0.3, -0.1, 0.1):
            pen.line([(x, -0.04), (x + 0.03, 0.14)], 0.05, shaded(coat, 0.6))
    y = between(rng, -0.3, -0.16)
    for x in (0.36, 0.64):
        pen.polygon(
            [(x - 0.1, y - 0.1), (x + 0.02, y - 0.42), (x + 0.12, y - 0.08)], shaded(coat, 0.85)
        )
    pen.ellipse(0.5, y, 0.27, 0.23, coat)
    for x in (0.42, 0.62):
        pen.dot(x, y - 0.03, 0.05, (150, 190, 80))
    pen.ellipse(0.54, y + 0.08, 0.04, 0.03, (200, 120, 120))


def _dog(rng, canvas, pose):
    if rng.random() < 0.5:
        dog_face(rng, Pen(canvas, **{**pose, "size": pose["size"] * 0.92}))
        return
    pen = Pen(canvas, **pose)
    coat = tinted(rng, pick(rng, COATS), 16)
    dark = shaded(coat, 0.7)
    pen.stroke(
        [(-0.44, 0.0), (-0.66, -0.2), (-0.74, between(rng, -0.5, -0.2))], [0.14, 0.11, 0.06], coat
    )
    _quadruped(
        pen, coat, back=-0.14, belly=0.28, leg=coat, legs_x=_gait(rng), foot=0.76, width=0.09
    )
    y = between(rng, -0.4, -0.26)
    pen.stroke([(0.36, 0.02), (0.48, y)], [0.4, 0.28], coat)
    pen.ellipse(0.54, y, 0.22, 0.19, coat)
    pen.stroke([(0.58, y + 0.04), (0.92, y + 0.1)], [0.24, 0.15], shaded(coat, 1.12))
    pen.ellipse(0.92, y + 0.05, 0.06, 0.055, (24, 20, 20))
    pen.dot(0.6, y - 0.06, 0.035, (20, 16, 16))
    if rng.random() < 0.75:
        pen.polygon(
            smooth([(0.34, y - 0.14), (0.48, y - 0.12), (0.48, y + 0.22), (0.36, y + 0.26)]), dark
        )
    else:
        pen.polygon([(0.36, y - 0.08), (0.42, y - 0.36), (0.56, y - 0.12)], dark)


def _frog(rng, canvas, pose):
    pen = Pen(canvas, **pose)
    skin = tinted(
        rng,
        pick(rng, ((92, 150, 60), (120, 164, 70), (70, 110, 60), (140, 110, 70), (150, 140, 90))),
        16,
    )
    dark, pale = shaded(skin, 0.72), tinted(rng, (206, 210, 160))
    eye = tinted(rng, (214, 176, 60))
    if rng.random() < 0.55:  # from the front
        for side in (1, -1):
            pen.ellipse(0.58 * side, 0.3, 0.32, 0.26, dark, turn=0.5 * side)
            pen.polygon([(0.2 * side, 0.3), (0.5 * side, 0.66), (0.18 * side, 0.66)], skin)
        pen.ellipse(0, 0.2, 0.5, 0.42, skin)
        pen.ellipse(0, 0.34, 0.34, 0.26, pale)
        pen.ellipse(0, -0.12, 0.54, 0.3, skin)
        for side in (1, -1):
            pen.dot(0.32 * side, -0.38, 0.18, skin)
            pen.dot(0.33 * side, -0.4, 0.12, eye)
            pen.ellipse(0.33 * side, -0.4, 0.1, 0.04, (14, 14, 14))
        pen.line(
            smooth([(-0.44, -0.1), (0, 0.06), (0.44, -0.1)], closed=False), 0.045, shaded(skin, 0.5)
        )
    else:  # from the side
        back = [
            (-0.75, 0.42),
            (-0.6, 0.1),
            (-0.1, -0.22),
            (0.4, -0.34),
            (0.8, -0.1),
            (0.7, 0.1),
            (0.4, 0.4),
            (-0.2, 0.5),
        ]
        pen.polygon(smooth(back), skin)
        pen.ellipse(0.35, 0.2, 0.3, 0.18, pale)
        for x, y in ((-0.3, 0.0), (0.0, -0.1), (-0.15, 0.14)):
            pen.ellipse(x, y, 0.07, 0.05, dark)
        pen.ellipse(-0.42, 0.34, 0.34, 0.17, dark, turn=-0.5)
        pen.stroke([(-0.7, 0.5), (-0.3, 0.6), (-0.05, 0.6)], [0.1, 0.1, 0.06], dark)
        pen.stroke([(0.3, 0.3), (0.36, 0.5), (0.52, 0.6)], [0.16, 0.12, 0.08], skin)
        pen.ellipse(0.46, -0.34, 0.17, 0.16, skin)
        pen.dot(0.48, -0.36, 0.11, eye)
        pen.ellipse(0.5, -0.36, 0.09, 0.04, (14, 14, 14))
        pen.line([(0.45, 0.04), (0.76, -0.02)], 0.045, shaded(skin, 0.5))
