"""Seedlings of twelve species on gravel, drawn as seen from above."""

import cmath
import math

import numpy as np

from labkit.samples.drawing import Pen, between, gallery, pick, shaded, smooth, tinted, window
from labkit.samples.sample import Sample

CLASS_NAMES = (
    "Black-grass",
    "Charlock",
    "Cleavers",
    "Common Chickweed",
    "Common wheat",
    "Fat Hen",
    "Loose Silky-bent",
    "Maize",
    "Scentless Mayweed",
    "Shepherds Purse",
    "Small-flowered Cranesbill",
    "Sugar beet",
)
SIZE, ZOOM = 64, 2
PEBBLES = (
    (164, 134, 102),
    (146, 112, 82),
    (182, 160, 132),
    (128, 106, 88),
    (158, 142, 124),
    (172, 126, 88),
    (112, 90, 72),
    (192, 176, 152),
)
SHADOW = (46, 36, 26)


def draw(seed: int) -> Sample:
    """2,004 training and 504 test pictures of 64 × 64 × 3.

    The twelve species are those of the Plant Seedlings data set (T. M. Giselsson
    and others, 2017, arXiv:1711.05458), drawn with what tells them apart: the
    number of leaves, their shape, stalks and colour. Plants differ in age, size
    and direction; four of them are grasses, and the very young ones of the others
    look alike.
    """
    rng = np.random.default_rng(seed)
    soils = [_soil(rng) for _ in range(16)]
    plants = (
        _black_grass,
        _charlock,
        _cleavers,
        _chickweed,
        _wheat,
        _fat_hen,
        _silky_bent,
        _maize,
        _mayweed,
        _shepherds_purse,
        _cranesbill,
        _sugar_beet,
    )
    painters = [lambda rng, plant=plant: _photo(rng, soils, plant) for plant in plants]
    looks = {"size": SIZE, "channels": 3, "zoom": ZOOM, "light": 0.12, "noise": 0.04, "cast": 0.05}
    x_train, y_train = gallery(rng, painters, each=167, **looks)
    x_test, y_test = gallery(rng, painters, each=42, **looks)
    return Sample(x_train, y_train, x_test, y_test, CLASS_NAMES)


def _soil(rng):
    """Gravel, larger than a picture: stones of one size and of related colours."""
    from PIL import Image

    grain, tone = between(rng, 0.038, 0.06), between(rng, 0.72, 1.0)
    canvas = Image.new("RGB", (180, 180), (70, 56, 44))
    pen = Pen(canvas)
    for x, y, size, flat, light in rng.random((int(1.7 / grain**2), 5)).tolist():
        size, light = grain * (0.55 + 0.8 * size), tone * (0.88 + 0.2 * light)
        colour = shaded(pick(rng, PEBBLES), light)
        pen.dot(2 * x - 1, 2 * y - 1, size, colour, flat=0.7 + 0.6 * flat)
    return canvas


def _photo(rng, soils, plant):
    canvas = window(rng, pick(rng, soils), SIZE * ZOOM)
    if rng.random() < 0.08:
        _label(rng, canvas)
    x, y = between(rng, -0.08, 0.08), between(rng, -0.08, 0.08)
    plant(rng, Pen(canvas, x=x, y=y, size=between(rng, 0.9, 1.2)))
    return canvas


def _label(rng, canvas):
    """The bar code at the edge of the tray, as on some of the real photographs."""
    pen = Pen(canvas, turn=pick(rng, (0, math.pi / 2, math.pi)))
    pen.polygon([(-1, 0.75), (1, 0.75), (1, 1), (-1, 1)], (222, 222, 218))
    x = -1.0
    while x < 1:
        x += between(rng, 0.05, 0.12)
        pen.line([(x, 0.8), (x, 1)], between(rng, 0.015, 0.05), (40, 40, 42))


def _rounded(points) -> np.ndarray:
    """A leaf's outline as two rows: along the leaf (0 to 1) and across it (±0.5)."""
    return smooth(points, steps=2).T.copy()


def _outline(*half_widths) -> np.ndarray:
    """A symmetric leaf from its half widths at equal steps from base to tip."""
    right = list(zip(np.linspace(0, 1, len(half_widths)), half_widths, strict=True))
    return _rounded([*right, *((along, -half) for along, half in right[-2:0:-1])])


BLADE = _outline(0.35, 0.45, 0.5, 0.45, 0.3, 0.0)
BROAD_BLADE = _outline(0.2, 0.42, 0.5, 0.46, 0.3, 0.02)
ROUND_BLADE = _outline(0.2, 0.42, 0.5, 0.5, 0.42, 0.1)
OVAL = _outline(0.04, 0.34, 0.5, 0.48, 0.3, 0.03)
POINTED = _outline(0.05, 0.45, 0.5, 0.32, 0.14, 0.0)
LANCE = _outline(0.04, 0.28, 0.46, 0.5, 0.36, 0.05)
SPOON = _outline(0.08, 0.1, 0.18, 0.4, 0.5, 0.36, 0.04)
DIAMOND = _outline(0.03, 0.2, 0.5, 0.42, 0.32, 0.12, 0.0)
LOBED = _outline(0.06, 0.22, 0.14, 0.42, 0.28, 0.56, 0.38, 0.44, 0.04)
TOOTHED = _outline(0.08, 0.12, 0.3, 0.18, 0.42, 0.26, 0.48, 0.32, 0.02)
KIDNEY = _rounded(
    [(0, 0), (0.25, 0.42), (0.65, 0.6), (0.98, 0.4), (0.82, 0)]
    + [(0.98, -0.4), (0.65, -0.6), (0.25, -0.42)]
)
NOTCHED = _rounded(
    [(0, 0), (0.2, 0.3), (0.6, 0.48), (0.95, 0.24), (0.88, 0)]
    + [(0.95, -0.24), (0.6, -0.48), (0.2, -0.3)]
)
# A round leaf of seven lobes, notched where the stalk meets it.
_RIM = np.linspace(2.75, -2.75, 30)
PALMATE = 0.5 * (1 + 0.14 * np.cos(7 * _RIM)) * [np.cos(_RIM), np.sin(_RIM)] + [[0.5], [0.0]]


def _leaf(pen, base, heading, length, width, outline, colour, *, bend=0.0, rib=None):
    """One leaf with its shadow and midrib; ``bend`` is how far it turns on its way."""
    along, across = outline
    start, ahead = complex(*base), length * cmath.rect(1, heading)
    aside = 1j * width * cmath.rect(1, heading)
    if bend:
        curl = np.exp(0.5j * bend * along)
        leaf = start + curl * (ahead * along + aside * across * curl)
    else:
        leaf = start + ahead * along + aside * across
    points = leaf.view(float).reshape(-1, 2)
    pen.leaf(points, colour, shaded(colour, 0.86), SHADOW, (0.035, 0.05))
    if width > 0.09:
        tip = start + 0.85 * ahead * cmath.rect(1, 0.42 * bend)
        pen.line([base, (tip.real, tip.imag)], 0.02, rib or shaded(colour, 1.2))


def _stalked(pen, heading, stalk, length, width, outline, colour, *, stem, bend=0.0, rib=None):
    """A leaf at the end of a stalk that starts in the middle of the plant."""
    base = (stalk * math.cos(heading), stalk * math.sin(heading))
    pen.line([(0.02, 0.04), (base[0] + 0.03, base[1] + 0.05)], 0.04, SHADOW)
    pen.line([(0, 0), base], 0.04, stem)
    _leaf(pen, base, heading, length, width, outline, colour, bend=bend, rib=rib)


def _around(rng, count, *, wobble=0.15):
    """``count`` directions, evenly spread and then disturbed."""
    first = between(rng, 0, math.tau)
    return [first + math.tau * k / count + between(rng, -wobble, wobble) for k in range(count)]


def _grass(rng, pen, blades, colour, *, length, width, bend, outline=BLADE, foot=None):
    directions = [between(rng, 0, math.tau)]
    while len(directions) < blades:
        directions.append(directions[0] + pick(rng, (1, -1)) * between(rng, 0.5, math.pi))
    for heading in directions:
        reach, turn = between(rng, *length), between(rng, -bend, bend)
        base = (-0.12 * math.cos(directions[0]), -0.12 * math.sin(directions[0]))
        green = tinted(rng, colour, 10)
        _leaf(pen, base, heading, reach, between(rng, *width), outline, green, bend=turn)
        if foot:
            end = (base[0] + 0.14 * math.cos(heading), base[1] + 0.14 * math.sin(heading))
            pen.line([base, end], 0.035, foot)


def _black_grass(rng, pen):
    blades = int(between(rng, 1, 4))
    colour = tinted(rng, (74, 112, 58), 14)
    shape = {"length": (0.6, 1.0), "width": (0.055, 0.085), "bend": 0.5}
    _grass(rng, pen, blades, colour, **shape, foot=tinted(rng, (128, 62, 74)))


def _silky_bent(rng, pen):
    blades = int(between(rng, 3, 7))
    colour = tinted(rng, (118, 146, 76), 14)
    _grass(rng, pen, blades, colour, length=(0.45, 0.95), width=(0.03, 0.045), bend=1.2)


def _wheat(rng, pen):
    blades = int(between(rng, 2, 4))
    colour = tinted(rng, (82, 140, 96), 14)
    _grass(rng, pen, blades, colour, length=(0.65, 1.05), width=(0.1, 0.15), bend=0.7)


def _maize(rng, pen):
    blades = int(between(rng, 2, 5))
    colour = tinted(rng, (112, 160, 62), 14)
    outline = pick(rng, (BROAD_BLADE, ROUND_BLADE))
    shape = {"length": (0.6, 1.0), "width": (0.2, 0.34), "bend": 0.7}
    _grass(rng, pen, blades, colour, **shape, outline=outline)


def _seed_leaves(rng, pen, length, width, outline, colour, *, stem, stalk=0.1, rib=None):
    for heading in _around(rng, 2):
        reach = length * between(rng, 0.85, 1.15)
        shape = (reach, width * between(rng, 0.85, 1.15), outline)
        _stalked(pen, heading, stalk, *shape, colour, stem=stem, rib=rib)


def _charlock(rng, pen):
    colour, stem = tinted(rng, (96, 152, 62), 14), tinted(rng, (150, 160, 96))
    young = int(between(rng, 0, 4))
    for heading in _around(rng, young, wobble=0.4):
        length = between(rng, 0.45, 0.7)
        green = tinted(rng, shaded(colour, 0.9), 8)
        _stalked(pen, heading, 0.2, length, length * 0.72, LOBED, green, stem=stem)
    size = between(rng, 0.36, 0.5)
    _seed_leaves(rng, pen, size, size, KIDNEY, colour, stem=stem, stalk=0.14)


def _cleavers(rng, pen):
    colour, stem = tinted(rng, (70, 128, 74), 14), tinted(rng, (120, 140, 96))
    size = between(rng, 0.5, 0.68)
    _seed_leaves(rng, pen, size, size * 0.72, NOTCHED, colour, stem=stem, stalk=0.14)
    whorl = pick(rng, (0, 4, 4, 5, 6))
    for heading in _around(rng, whorl):
        length = between(rng, 0.34, 0.48)
        green = tinted(rng, shaded(colour, 1.12), 8)
        _leaf(pen, (0, 0), heading, length, length * 0.4, LANCE, green)


def _chickweed(rng, pen):
    colour, stem = tinted(rng, (138, 178, 66), 14), tinted(rng, (168, 176, 110))
    pairs = int(between(rng, 1, 4))
    first = between(rng, 0, math.tau)
    for pair in range(pairs):
        stalk = (0.32, 0.22, 0.05)[pair]
        for side in (0, math.pi):
            heading = first + pair * math.pi / 2 + side + between(rng, -0.2, 0.2)
            length = between(rng, 0.3, 0.42) * (1.15 if pairs == 1 else 1)
            shape = (length, length * between(rng, 0.5, 0.66), POINTED)
            _stalked(pen, heading, stalk, *shape, tinted(rng, colour, 8), stem=stem)


def _fat_hen(rng, pen):
    colour, stem = tinted(rng, (124, 152, 108), 12), tinted(rng, (176, 120, 128))
    _seed_leaves(rng, pen, between(rng, 0.5, 0.66), 0.17, LANCE, colour, stem=stem)
    for heading in _around(rng, pick(rng, (0, 2, 2, 3, 4)), wobble=0.25):
        length = between(rng, 0.36, 0.56)
        pale = tinted(rng, shaded(colour, 1.08), 8)
        _stalked(pen, heading, 0.08, length, length * 0.66, DIAMOND, pale, stem=stem)
    pen.dot(0, 0, 0.09, shaded(colour, 1.3))


def _mayweed(rng, pen):
    colour, stem = tinted(rng, (100, 158, 66), 14), tinted(rng, (126, 150, 80))
    _seed_leaves(rng, pen, between(rng, 0.22, 0.34), 0.16, OVAL, colour, stem=stem, stalk=0.06)
    for heading in _around(rng, int(between(rng, 2, 7)), wobble=0.3):
        _feather(rng, pen, heading, between(rng, 0.5, 0.85), tinted(rng, colour, 10))


def _feather(rng, pen, heading, length, colour):
    """A leaf divided into threads."""
    tip = (length * math.cos(heading), length * math.sin(heading))
    pen.line([(0.03, 0.05), (tip[0] + 0.03, tip[1] + 0.05)], 0.05, SHADOW)
    pen.line([(0, 0), tip], 0.035, colour)
    for part in (0.45, 0.62, 0.78, 0.92):
        x, y = tip[0] * part, tip[1] * part
        reach = length * 0.3 * (1.25 - part)
        for side in (0.8, -0.8):
            end = (x + reach * math.cos(heading + side), y + reach * math.sin(heading + side))
            pen.line([(x, y), end], 0.032, colour)


def _shepherds_purse(rng, pen):
    colour, stem = tinted(rng, (116, 164, 76), 14), tinted(rng, (140, 158, 96))
    outline = pick(rng, (SPOON, SPOON, TOOTHED))
    for heading in _around(rng, int(between(rng, 4, 8)), wobble=0.2):
        length = between(rng, 0.42, 0.72)
        shape = (length, length * between(rng, 0.5, 0.62), outline)
        _stalked(pen, heading, 0.06, *shape, tinted(rng, colour, 10), stem=stem)
    pen.dot(0, 0, 0.07, shaded(colour, 1.2))


def _cranesbill(rng, pen):
    colour, stem = tinted(rng, (92, 146, 70), 14), tinted(rng, (168, 98, 84))
    for heading in _around(rng, int(between(rng, 2, 6)), wobble=0.3):
        size = between(rng, 0.34, 0.5)
        stalk = between(rng, 0.24, 0.5)
        _stalked(pen, heading, stalk, size, size, PALMATE, tinted(rng, colour, 10), stem=stem)


def _sugar_beet(rng, pen):
    colour, stem = tinted(rng, (86, 148, 60), 14), tinted(rng, (192, 86, 104))
    _seed_leaves(rng, pen, between(rng, 0.62, 0.85), 0.24, LANCE, colour, stem=stem, rib=stem)
    for heading in _around(rng, pick(rng, (0, 1, 2, 2)), wobble=0.3):
        length = between(rng, 0.4, 0.6)
        shiny = tinted(rng, shaded(colour, 1.1), 8)
        _stalked(pen, heading, 0.1, length, length * 0.6, OVAL, shiny, stem=stem, rib=stem)
