"""The colours of every figure and picture of the workshop.

The series colours are those of Okabe and Ito, chosen to stay apart under the
common forms of colour blindness (https://jfly.uni-koeln.de/color/, 2008),
without their yellow, which is too pale for lines on white.
"""

BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
ORANGE = "#E69F00"
SKY = "#56B4E9"
INK = "#1F2933"
GREY = "#6B7785"
LINE = "#D5DBE1"
PAPER = "#FFFFFF"

SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)


def luminance(red: float, green: float, blue: float) -> float:
    """How bright a colour is, from 0 to 1: the relative luminance of WCAG 2.2.

    Args:
        red, green, blue: from 0 to 1, in sRGB.

    Example:
        >>> labkit.palette.luminance(1, 1, 1)
        1.0
    """
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def diverging():
    """A matplotlib colour map for numbers below and above 0: vermillion, paper, blue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("labkit_diverging", [VERMILLION, PAPER, BLUE])
