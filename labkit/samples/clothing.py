"""Clothing in ten classes, drawn like the thumbnails of Fashion-MNIST."""

import math

import numpy as np

from labkit.samples.drawing import Pen, between, gallery, mirrored, pick, smooth
from labkit.samples.sample import Sample

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIZE, ZOOM = 28, 4
CANVAS = (SIZE * ZOOM, SIZE * ZOOM)


def draw(seed: int) -> Sample:
    """2,000 training and 500 test pictures of 28 × 28 × 1, light on black.

    The classes, their order and their habits are those of Fashion-MNIST (H. Xiao
    and others, 2017, arXiv:1708.07747): T-shirt, pullover, coat and shirt share
    one cut and differ in sleeves, collar and front, and some of each look like
    another; shoes point to the left.
    """
    rng = np.random.default_rng(seed)
    painters = (
        _t_shirt,
        _trouser,
        _pullover,
        _dress,
        _coat,
        _sandal,
        _shirt,
        _sneaker,
        _bag,
        _ankle_boot,
    )
    looks = {"size": SIZE, "channels": 1, "zoom": ZOOM, "light": 0.1, "noise": 0.04}
    x_train, y_train = gallery(rng, painters, each=200, **looks)
    x_test, y_test = gallery(rng, painters, each=50, **looks)
    return Sample(x_train, y_train, x_test, y_test, CLASS_NAMES)


class _Garment:
    """Cloth cut to an outline, and a pen for what is sewn on it."""

    def __init__(self, rng, outlines, *, plain=0.5, pose=None):
        from PIL import Image

        self.grey = int(60 + 190 * rng.random() ** 0.8)
        pose = pose or {
            "x": between(rng, -0.13, 0.13),
            "y": between(rng, -0.08, 0.08),
            "size": between(rng, 0.8, 1.02),
            "turn": between(rng, -0.12, 0.12),
            "wide": between(rng, 0.85, 1.1),
        }
        mask = Image.new("L", CANVAS)
        cutter = Pen(mask, **pose)
        for outline in outlines:
            cutter.polygon(outline, 255)
        cloth = Image.new("L", CANVAS, self.grey)
        if rng.random() > plain:
            pick(rng, _PATTERNS)(rng, Pen(cloth, **pose), self.tone(pick(rng, (0.55, 0.7, 1.35))))
        self.canvas = Image.new("L", CANVAS)
        self.canvas.paste(cloth, mask=mask)
        self.pen = Pen(self.canvas, **pose)

    def tone(self, factor: float) -> int:
        """The cloth's grey, darker or lighter."""
        return min(255, int(self.grey * factor))


def _stripes_across(rng, pen, tone):
    step, width = between(rng, 0.14, 0.4), between(rng, 0.05, 0.14)
    for y in np.arange(between(rng, -1, -0.8), 1, step):
        pen.line([(-1, y), (1, y)], width, tone)


def _stripes_down(rng, pen, tone):
    step = between(rng, 0.14, 0.3)
    for x in np.arange(between(rng, -1, -0.8), 1, step):
        pen.line([(x, -1), (x, 1)], 0.06, tone)


def _checks(rng, pen, tone):
    _stripes_down(rng, pen, tone)
    _stripes_across(rng, pen, tone)


def _blocks(rng, pen, tone):
    y = between(rng, -0.5, 0.3)
    pen.polygon([(-1, y), (1, y), (1, 1), (-1, 1)], tone)


def _flowers(rng, pen, tone):
    for x, y in rng.uniform(-0.9, 0.9, (22, 2)):
        pen.ellipse(x, y, 0.09, 0.07, tone)


def _print(rng, pen, tone):
    x, y = between(rng, 0.12, 0.28), between(rng, 0.08, 0.25)
    if rng.random() < 0.5:
        pen.ellipse(0, -0.3, x, y, tone)
    else:
        pen.polygon([(-x, -0.3 - y), (x, -0.3 - y), (x, -0.3 + y), (-x, -0.3 + y)], tone)


_PATTERNS = (_stripes_across, _stripes_down, _checks, _blocks, _flowers, _print)


def _top(rng, *, sleeve, swing, body, flare=0.0, hem=0.88, neck=0.2, dip=0.12, puff=0.0):
    """Outlines of an upper garment, and the line between its right sleeve and the body.

    ``sleeve`` is the sleeve's length, ``swing`` its angle from the body in
    radians, ``body`` and ``flare`` the half width at the chest and what the hem
    adds to it, ``neck`` and ``dip`` the neckline's half width and depth.
    """
    shoulder = np.array([body - 0.02, -0.7])
    armpit = np.array([body - 0.05, -0.32])
    torso = mirrored(
        [
            (0, -0.84 + dip),
            (neck * 0.7, -0.84 + dip * 0.75),
            (neck, -0.88),
            shoulder,
            armpit,
            (body - between(rng, 0.02, 0.09), 0.2),
            (body + flare, hem),
        ]
    )
    if sleeve == 0:
        return [torso], (shoulder, armpit)
    along = np.array([math.sin(swing), math.cos(swing)])
    across = np.array([along[1], -along[0]])
    cuff = shoulder + sleeve * along
    width = between(rng, 0.2, 0.25) if sleeve > 0.8 else between(rng, 0.28, 0.36)
    elbow = (shoulder + cuff) / 2 + across * (0.03 + puff)
    right = np.array([shoulder - [0.1, 0.06], elbow, cuff, cuff - width * across, armpit])
    return [torso, right, right * [-1, 1]], (shoulder, armpit, cuff - width * across)


def _seams(garment, seam, strength=0.72):
    for side in (1, -1):
        garment.pen.line(np.array(seam) * [side, 1], 0.03, garment.tone(strength))


def _neckline(garment, neck, dip, tone):
    curve = [(-neck, -0.86), (-neck * 0.6, -0.84 + dip), (neck * 0.6, -0.84 + dip), (neck, -0.86)]
    garment.pen.line(smooth(curve, closed=False), 0.05, tone)


def _t_shirt(rng):
    sleeve = between(rng, 0.4, 0.62) if rng.random() > 0.15 else 0
    neck, dip = between(rng, 0.18, 0.3), between(rng, 0.1, 0.35)
    body = between(rng, 0.46, 0.56)
    cut = {"sleeve": sleeve, "swing": between(rng, 0.4, 0.85), "body": body}
    outlines, seam = _top(rng, **cut, neck=neck, dip=dip, hem=between(rng, 0.78, 0.94))
    garment = _Garment(rng, outlines, plain=0.35)
    if sleeve:
        _seams(garment, seam, 0.85)
    _neckline(garment, neck, dip, garment.tone(0.75))
    return garment.canvas


def _long_sleeves(rng):
    return {"sleeve": between(rng, 1.2, 1.5), "swing": between(rng, 0.12, 0.28)}


def _pullover(rng):
    neck, dip = between(rng, 0.16, 0.24), between(rng, 0.06, 0.2)
    hem = between(rng, 0.76, 0.92)
    body = between(rng, 0.48, 0.58)
    cut = {"body": body, "neck": neck, "dip": dip, "hem": hem, "puff": between(rng, 0, 0.06)}
    outlines, seam = _top(rng, **_long_sleeves(rng), **cut)
    garment = _Garment(rng, outlines, plain=0.4)
    _seams(garment, seam)
    _neckline(garment, neck, dip, garment.tone(pick(rng, (0.7, 1.25))))
    if rng.random() < 0.7:
        garment.pen.line([(-body, hem - 0.1), (body, hem - 0.1)], 0.03, garment.tone(0.72))
    return garment.canvas


def _coat(rng):
    body, hem = between(rng, 0.48, 0.58), between(rng, 0.86, 0.97)
    cut = {"body": body, "flare": between(rng, -0.02, 0.08), "hem": hem, "neck": 0.2}
    outlines, seam = _top(rng, **_long_sleeves(rng), **cut, dip=between(rng, 0.05, 0.3))
    garment = _Garment(rng, outlines, plain=0.7)
    pen, dark = garment.pen, garment.tone(0.55)
    _seams(garment, seam)
    x = between(rng, -0.04, 0.1)
    pen.line([(x, -0.7), (x, hem)], 0.05, dark)
    style = rng.random()
    if style < 0.5:
        depth = between(rng, -0.4, -0.05)
        for side in (1, -1):
            lapel = [(x, depth), (0.3 * side, -0.5), (0.22 * side, -0.9), (0.08 * side, -0.82)]
            pen.polygon(lapel, garment.tone(0.82))
            pen.line(lapel[:3], 0.03, dark)
    elif style < 0.8:
        pen.polygon(smooth(mirrored([(0, -0.95), (0.24, -0.85), (0.2, -0.62)])), garment.tone(0.75))
    if rng.random() < 0.6:
        for y in (0.05, 0.3, 0.55):
            pen.dot(x + 0.09, y, 0.03, dark)
    if rng.random() < 0.6:
        y = between(rng, 0.3, 0.5)
        for side in (1, -1):
            pen.line([(0.18 * side, y), (0.4 * side, y - 0.05)], 0.045, dark)
    return garment.canvas


def _shirt(rng):
    short = rng.random() < 0.3
    arms = (
        {"sleeve": between(rng, 0.45, 0.7), "swing": between(rng, 0.35, 0.8)}
        if short
        else _long_sleeves(rng)
    )
    hem = between(rng, 0.78, 0.95)
    cut = {"body": between(rng, 0.45, 0.56), "flare": between(rng, -0.03, 0.1), "hem": hem}
    dip = between(rng, 0.08, 0.3)
    outlines, seam = _top(rng, **arms, **cut, dip=dip)
    garment = _Garment(rng, outlines, plain=0.4)
    pen, dark = garment.pen, garment.tone(0.66)
    _seams(garment, seam, 0.8)
    if rng.random() < 0.2:  # a blouse: neither collar nor buttons
        _neckline(garment, 0.2, dip, dark)
        return garment.canvas
    for side in (1, -1):
        collar = [(0.02 * side, -0.6), (0.2 * side, -0.9), (0.27 * side, -0.62)]
        pen.polygon(collar, garment.tone(1.15))
        pen.line([*collar, collar[0]], 0.025, dark)
    pen.line([(0, -0.6), (0, hem)], 0.035, garment.tone(0.8))
    for y in np.arange(-0.42, hem - 0.1, 0.24):
        pen.dot(0.05, y, 0.028, dark)
    if rng.random() < 0.35:
        pen.polygon([(0.16, -0.3), (0.36, -0.3), (0.36, -0.05), (0.16, -0.05)], garment.tone(0.88))
    return garment.canvas


def _dress(rng):
    neck, dip = between(rng, 0.14, 0.22), between(rng, 0.1, 0.35)
    chest, waist = between(rng, 0.26, 0.36), between(rng, 0.2, 0.3)
    skirt = between(rng, 0.28, 0.6)
    torso = mirrored(
        [
            (0, -0.88 + dip),
            (neck, -0.94),
            (neck + 0.1, -0.92),
            (chest, -0.55),
            (waist, -0.18),
            ((waist + skirt) / 2 + between(rng, 0, 0.08), 0.3),
            (skirt, 0.92),
        ]
    )
    outlines = [torso]
    style = rng.random()
    if style < 0.6:
        reach = between(rng, 0.2, 0.4) if style < 0.35 else between(rng, 0.8, 1.1)
        out = between(rng, 0.1, 0.28)
        right = np.array(
            [
                (neck + 0.06, -0.93),
                (chest + 0.06, -0.84),
                (chest + out, -0.8 + reach),
                (chest + out - 0.15, -0.78 + reach),
                (chest - 0.04, -0.5),
            ]
        )
        outlines += [right, right * [-1, 1]]
    garment = _Garment(rng, outlines, plain=0.4)
    if rng.random() < 0.6:
        garment.pen.line([(-waist, -0.18), (waist, -0.18)], 0.06, garment.tone(0.65))
    for x in np.linspace(-0.6, 0.6, 4) * skirt:
        garment.pen.line([(x * 0.5, 0.0), (x, 0.9)], 0.03, garment.tone(0.85))
    return garment.canvas


def _trouser(rng):
    waist, hip = between(rng, 0.22, 0.3), between(rng, 0.28, 0.36)
    ankle, foot = between(rng, 0.1, 0.2), between(rng, 0.2, 0.36)
    crotch, hem = between(rng, -0.4, -0.22), between(rng, 0.75, 0.95)
    right = [
        (0, -0.92),
        (waist, -0.92),
        (hip, -0.45),
        (foot + ankle * 0.6, hem),
        (foot - ankle * 0.6, hem),
        (0.02, crotch),
        (0, crotch),
    ]
    garment = _Garment(rng, [mirrored(right)], plain=0.75)
    pen, dark = garment.pen, garment.tone(0.66)
    pen.line([(-waist, -0.82), (waist, -0.82)], 0.035, dark)
    pen.line([(0, -0.9), (0, crotch)], 0.035, dark)
    for side in (1, -1):
        pen.line([(waist * 0.95 * side, -0.7), (waist * 0.5 * side, -0.8)], 0.03, dark)
        pen.line([(0.18 * side, -0.3), (foot * side, hem)], 0.04, garment.tone(1.15))
    return garment.canvas


def _shoe_pose(rng):
    return {
        "x": between(rng, -0.08, 0.08),
        "y": between(rng, -0.2, 0.2),
        "size": between(rng, 0.82, 1.0),
        "turn": between(rng, -0.14, 0.14),
        "wide": between(rng, 0.92, 1.06),
    }


def _sneaker(rng):
    top, tongue = between(rng, -0.42, -0.12), between(rng, 0.0, 0.2)
    if rng.random() < 0.12:  # a high one
        top -= 0.3
    upper = smooth(
        [
            (-0.93, 0.3),
            (-0.9, 0.12),
            (-0.6, 0.02),
            (-0.2, top * 0.45),
            (tongue, top),
            (tongue + 0.22, top + 0.06),
            (0.62, top + 0.1),
            (0.86, top - 0.04),
            (0.92, 0.1),
            (0.94, 0.36),
        ]
    )
    garment = _Garment(rng, [upper], plain=0.75, pose=_shoe_pose(rng))
    pen = garment.pen
    thick = between(rng, 0.1, 0.2)
    sole = [(-0.95, 0.26), (0.95, 0.28), (0.93, 0.3 + thick), (-0.8, 0.3 + thick)]
    pen.polygon(sole, pick(rng, (230, 245, garment.tone(0.5))))
    pen.line([(-0.93, 0.26), (0.94, 0.28)], 0.035, garment.tone(0.5))
    for step in range(int(between(rng, 2, 5))):
        x, y = -0.32 + 0.11 * step, top * (0.2 + 0.18 * step)
        pen.line([(x - 0.06, y), (x + 0.1, y + 0.15)], 0.04, garment.tone(1.5))
    if rng.random() < 0.7:
        x = between(rng, 0.1, 0.4)
        pen.line(
            [(x, 0.2), (x + 0.3, top * 0.5)],
            between(rng, 0.05, 0.12),
            garment.tone(pick(rng, (0.5, 1.5))),
        )
    pen.line([(0.68, top + 0.12), (0.72, 0.22)], 0.04, garment.tone(0.7))
    pen.polygon(
        smooth([(tongue, top), (tongue + 0.25, top + 0.12), (0.8, top)]), garment.tone(0.35)
    )
    return garment.canvas


def _ankle_boot(rng):
    shaft = between(rng, -0.9, -0.5)
    front, back = between(rng, -0.08, 0.12), between(rng, 0.72, 0.86)
    heel = pick(rng, (0.12, 0.2, 0.42))
    lift = 0.62 - heel
    upper = smooth(
        [
            (-0.92, 0.6),
            (-0.92, 0.42),
            (-0.62, 0.24),
            (-0.25, 0.06),
            (front - 0.02, -0.3),
            (front, shaft),
            (back, shaft + between(rng, -0.06, 0.1)),
            (back - 0.04, -0.2),
            (back + 0.06, 0.2),
            (back + 0.02, lift),
            (0.15, lift + 0.12),
            (-0.4, 0.66),
        ]
    )
    block = between(rng, 0.12, 0.34)
    heel_part = [
        (back + 0.02, lift - 0.1),
        (back, 0.78),
        (back - block, 0.78),
        (back - block - 0.06, lift - 0.05),
    ]
    garment = _Garment(rng, [upper, heel_part], plain=0.85, pose=_shoe_pose(rng))
    pen, dark = garment.pen, garment.tone(0.55)
    pen.line([(-0.9, 0.6), (-0.35, 0.68), (0.2, lift + 0.13)], 0.09, dark)
    style = rng.random()
    if style < 0.4:
        for y in np.arange(shaft + 0.15, 0.1, 0.17):
            pen.line([(front - 0.04, y), (front + 0.2, y + 0.05)], 0.04, garment.tone(1.4))
    elif style < 0.7:
        pen.line([(front + 0.4, shaft), (front + 0.35, 0.1)], 0.05, dark)
    else:
        pen.line([(front, -0.2), (back, -0.12)], 0.08, dark)
    return garment.canvas


def _sandal(rng):
    rise = pick(rng, (0.0, 0.0, 0.25, 0.5, 0.75))
    heel = 0.5 - rise
    sole = smooth([(-0.92, 0.5), (-0.4, 0.5), (0.2, (0.5 + heel) / 2), (0.9, heel)], closed=False)
    thick = between(rng, 0.07, 0.16)
    outlines = [np.concatenate([sole, sole[::-1] + [0, thick]])]
    if rise > 0.1:
        if rng.random() < 0.5:
            outlines.append([(0.9, heel), (0.86, 0.62), (0.74, 0.62), (0.66, heel + 0.05)])
        else:  # a wedge
            outlines.append([(-0.3, 0.52), (0.9, heel), (0.86, 0.62), (-0.3, 0.62)])
    garment = _Garment(rng, outlines, plain=0.9, pose=_shoe_pose(rng))
    pen, tone, width = (
        garment.pen,
        garment.tone(pick(rng, (0.75, 1.0, 1.3))),
        between(rng, 0.09, 0.17),
    )
    high = min(heel - between(rng, 0.3, 0.6), 0.1)
    toes = [(-0.75, 0.48), (-0.5, 0.2), (-0.35, 0.48)]
    instep = [(-0.55, 0.48), (-0.4, 0.14), (-0.1, 0.46)]
    thong = [(-0.55, 0.45), (-0.35, 0.18), (0.1, high + 0.1), (0.55, high)]
    ankle = [(0.4, heel + 0.04), (0.5, high), (0.88, high + 0.04), (0.88, heel)]
    styles = ((toes, instep), (toes, ankle), (instep, ankle), (thong, ankle), (toes, instep, ankle))
    for strap in pick(rng, styles):
        pen.line(strap, width, tone)
    return garment.canvas


def _bag(rng):
    upper, lower = between(rng, 0.45, 0.8), between(rng, 0.6, 0.85)
    top, bottom = between(rng, -0.35, 0.0), between(rng, 0.6, 0.85)
    body = [(upper, top), (lower, bottom - 0.08), (lower - 0.1, bottom)]
    outline = mirrored([(upper - 0.1, top - 0.05), *body])
    if rng.random() < 0.4:
        outline = smooth(outline, steps=3)
    garment = _Garment(rng, [outline], plain=0.6)
    pen, dark = garment.pen, garment.tone(0.6)
    if rng.random() < 0.85:
        reach, out = between(rng, 0.25, 0.8), between(rng, 0.2, 0.5)
        arch = smooth(
            [
                (-out, top),
                (-out * 0.8, top - reach * 0.8),
                (0, top - reach),
                (out * 0.8, top - reach * 0.8),
                (out, top),
            ],
            closed=False,
        )
        pen.line(
            np.maximum(arch, -0.97), between(rng, 0.05, 0.11), garment.tone(pick(rng, (0.7, 0.9)))
        )
    if rng.random() < 0.6:
        flap = between(rng, 0.2, 0.45)
        pen.line(
            [(-upper, top), (-upper + 0.1, top + flap), (upper - 0.1, top + flap), (upper, top)],
            0.04,
            dark,
        )
        pen.ellipse(0, top + flap, 0.07, 0.06, garment.tone(1.5))
    else:
        pen.line([(-upper, top + 0.08), (upper, top + 0.08)], 0.05, dark)
    return garment.canvas
