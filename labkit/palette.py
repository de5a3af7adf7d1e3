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


def diverging():
    """A matplotlib colour map for numbers below and above 0: vermillion, paper, blue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("labkit_diverging", [VERMILLION, PAPER, BLUE])
