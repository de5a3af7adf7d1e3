"""The colours stay apart for colour-blind readers, and stand out from light and dark pages.

How colours look with one kind of cone missing is simulated with the matrices for severity 1
of Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color
vision deficiency", IEEE Transactions on Visualization and Computer Graphics 15(6), 2009.
Distances are those of CIE 1976 in L*a*b*, of which about 2.3 can just be seen side by side.
Contrasts are those of WCAG 2.2: 3 for lines (1.4.11), 4.5 for text (1.4.3).
"""

from itertools import combinations

import numpy as np
import pytest

from labkit import palette

DARK = "#111111"  # JupyterLab's dark page

MISSING_CONES = {
    "none": np.eye(3),
    "red (protanopia)": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "green (deuteranopia)": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "blue (tritanopia)": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# From linear sRGB to XYZ, with white as D65 (IEC 61966-2-1).
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    """Light as it is mixed: from "#RRGGBB", or three numbers from 0 to 1."""
    if isinstance(colour, str):
        colour = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    colour = np.asarray(colour)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def seen(colour, missing):
    """L*, a* and b* of a colour as somebody sees it who has not all cones."""
    light = np.clip(MISSING_CONES[missing] @ linear(colour), 0, 1)
    ratio = (XYZ @ light) / XYZ.sum(axis=1)
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one, other, missing="none"):
    return np.linalg.norm(seen(one, missing) - seen(other, missing))


def contrast(one, other):
    low, high = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_simulation_does_what_its_paper_shows():
    assert distance("#FFFFFF", "#000000") == pytest.approx(100, abs=0.1)
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    # Without red or green cones red and green draw near, without blue ones blue and green.
    red, green, blue, teal = "#C83C3C", "#5A8C28", "#2864B4", "#287864"
    for missing, pair in (("red", (red, green)), ("green", (red, green)), ("blue", (blue, teal))):
        (kind,) = (name for name in MISSING_CONES if name.startswith(missing))
        assert distance(*pair, kind) < 0.6 * distance(*pair)
    for missing in MISSING_CONES:  # grey stays grey
        assert np.abs(seen("#808080", missing)[1:]).max() < 1


@pytest.mark.parametrize("missing", MISSING_CONES)
def test_runs_in_a_figure_can_be_told_apart(missing):
    pairs = {pair: distance(*pair, missing) for pair in combinations(palette.SERIES, 2)}
    assert min(pairs.values()) >= 15, min(pairs, key=pairs.get)


@pytest.mark.parametrize("missing", MISSING_CONES)
def test_right_and_wrong_and_for_and_against_can_be_told_apart(missing):
    pairs = [(palette.BLUE, palette.VERMILLION), (palette.GREEN, palette.VERMILLION)]
    assert all(distance(*pair, missing) >= 30 for pair in pairs)


def test_lines_stand_out_from_the_page():
    """Figures are white. What a check says is marked in colour on pages of either kind."""
    marks = {palette.GREEN, palette.VERMILLION, palette.GREY}
    for colour in {*palette.SERIES[:4], palette.INK, *marks}:
        assert contrast(colour, palette.PAPER) >= 3, colour
    for colour in {*palette.SERIES[:6], *marks}:
        assert contrast(colour, DARK) >= 3, colour


def test_the_two_pale_colours_come_last():
    """Orange and sky blue reach 2.2 on white only; darker ones could not be told from the others
    without all cones. So they are for the fifth run and the sixth, which have a legend."""
    pale = [colour for colour in palette.SERIES if contrast(colour, palette.PAPER) < 3]
    assert pale == [palette.ORANGE, palette.SKY] == list(palette.SERIES[4:6])
    assert all(contrast(colour, palette.PAPER) >= 2.2 for colour in pale)


def test_text_can_be_read():
    for text, ground in (
        (palette.INK, palette.PAPER),
        (palette.GREY, palette.PAPER),
        (palette.PAPER, palette.BLUE),
        (palette.PAPER, palette.INK),
    ):
        assert contrast(text, ground) >= 4.5, (text, ground)
