"""Draws every picture that the labs show, and the table of them in README.md.

    python Pictures/make_pictures.py                          # into this folder
    python Pictures/make_pictures.py --theme dark --out DIR   # for a dark page, somewhere else
    python Pictures/make_pictures.py --sheet DIR              # a page that shows all, in both

Running it again changes nothing: a file is written only where its bytes differ.
Every number in a picture is computed here, by the functions under "The numbers".

One style for all. Positions are pixels of a page 1,600 wide, counted from the top
left corner. Colours carry meaning: blue is what goes in (data), vermillion what is
learned (weights, kernels), green what comes out, purple the error, grey the rest.
Where a picture only tells two things apart, it writes their names in their colours.
Text has a contrast of 4.5 with what lies behind it: ``write`` sees to that.
What is drawn is drawn for white paper; a ``Theme`` turns its colours for a dark page.
"""

import argparse
import colorsys
import functools
import html
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.colors import hsv_to_rgb, rgb_to_hsv, to_hex, to_rgb, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Patch, Polygon, Rectangle
from matplotlib.text import Text
from PIL import Image
from scipy import ndimage

from labkit import palette, samples
from labkit.palette import BLUE, GREEN, GREY, INK, LINE, PAPER, PURPLE, VERMILLION

HERE = Path(__file__).parent
WIDTH, DPI, MARGIN = 1600, 100, 60
# Type sizes in pixels; SMALL is still 12 pixels high where a page shows 900 of the 1,600.
TITLE, HEAD, BODY, SMALL = 38, 28, 24, 21
MONO = "DejaVu Sans Mono"
SUB = "₁₂₃₄₅"
GIF_WIDTH = 1200
CONTRAST = 4.5  # of text with its ground: level AA of WCAG 2.2, 1.4.3
KEEP = "keep"  # the gid of what has the same colours in every theme: pixels, swatches

# --------------------------------------------------------------------------- the numbers

# The network of the forward and backward pictures. w₁₂ leads to hidden neuron 1 from input 2.
INPUTS = (1.0, 2.0)
TARGET = 1.0
WEIGHTS = {
    "w₁₁": 0.5,
    "w₁₂": -0.1,
    "b₁": 0.1,
    "w₂₁": -0.3,
    "w₂₂": 0.4,
    "b₂": 0.1,
    "v₁": 0.8,
    "v₂": -0.2,
    "c": 0.2,
}
LEARNING_RATE = 0.1

STROKE = np.array(  # a seven, seven pixels high and wide
    [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
)
KERNEL = np.array([[-1, -1, -1], [2, 2, 2], [-1, -1, -1]])  # answers to horizontal strokes

FEATURE_MAP = np.array([[1, 3, 0, 2], [6, 2, 4, 1], [0, 1, 2, 5], [3, 0, 1, 7]])


# Three small maps of a backbone, and how much the class's score grows with each.
CAM_MAPS = np.array(
    [
        [[0, 0, 0, 0], [1, 2, 1, 0], [2, 3, 1, 0], [0, 2, 0, 0]],
        [[2, 1, 1, 1], [0, 0, 1, 2], [0, 0, 0, 1], [0, 0, 0, 1]],
        [[0, 0, 1, 0], [1, 1, 0, 0], [1, 2, 0, 0], [0, 2, 1, 1]],
    ]
)
CAM_WEIGHTS = np.array([2, -2, 1])


def grad_cam_sums() -> tuple[np.ndarray, np.ndarray]:
    """The weighted sum of the maps, and what is left of it above zero."""
    total = np.tensordot(CAM_WEIGHTS, CAM_MAPS, axes=1)
    return total, np.maximum(total, 0)


@dataclass(frozen=True)
class Layer:
    """One layer of a network: its name, output shape and number of parameters."""

    name: str
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Forward:
    """What flows through the 2-2-1 network: sums before, values after the activation."""

    sums: tuple[float, float]
    hidden: tuple[float, float]
    output_sum: float
    prediction: float


def forward(weights: dict[str, float]) -> Forward:
    """One forward pass of the 2-2-1 network: ReLU in the hidden layer, sigmoid at the end."""
    w, (x1, x2) = weights, INPUTS
    sums = (w["w₁₁"] * x1 + w["w₁₂"] * x2 + w["b₁"], w["w₂₁"] * x1 + w["w₂₂"] * x2 + w["b₂"])
    hidden = (max(0.0, sums[0]), max(0.0, sums[1]))
    output_sum = w["v₁"] * hidden[0] + w["v₂"] * hidden[1] + w["c"]
    return Forward(sums, hidden, output_sum, float(1 / (1 + np.exp(-output_sum))))


def loss(weights: dict[str, float]) -> float:
    """The binary cross-entropy between the prediction and ``TARGET``."""
    y = forward(weights).prediction
    return float(-TARGET * np.log(y) - (1 - TARGET) * np.log(1 - y))


def errors(weights: dict[str, float]) -> dict[str, float]:
    """The error that reaches each neuron: the slope of the loss by the neuron's sum."""
    flow = forward(weights)
    output = flow.prediction - TARGET  # sigmoid and cross-entropy together leave just this
    return {
        "output": output,
        "hidden 1": output * weights["v₁"] * (flow.sums[0] > 0),
        "hidden 2": output * weights["v₂"] * (flow.sums[1] > 0),
    }


def gradients(weights: dict[str, float]) -> dict[str, float]:
    """The slope of the loss by every weight and bias, by the chain rule.

    Back-propagation: Rumelhart, Hinton and Williams, Nature 323 (1986), 533-536.
    """
    hidden, error = forward(weights).hidden, errors(weights)
    return {
        "w₁₁": error["hidden 1"] * INPUTS[0],
        "w₁₂": error["hidden 1"] * INPUTS[1],
        "b₁": error["hidden 1"],
        "w₂₁": error["hidden 2"] * INPUTS[0],
        "w₂₂": error["hidden 2"] * INPUTS[1],
        "b₂": error["hidden 2"],
        "v₁": error["output"] * hidden[0],
        "v₂": error["output"] * hidden[1],
        "c": error["output"],
    }


# The points of the descent in lab c2: inputs and outputs of a neuron of one weight and a bias.
DESCENT_POINTS = ((-1.0, 0.0, 0.5, 1.0, 2.0), (-0.4, 0.2, 1.2, 1.1, 2.4))
DESCENT_START, DESCENT_RATE, DESCENT_STEPS = (-1.0, 1.0), 0.2, 12


def descent_loss(weight: float, bias: float) -> float:
    """The mean squared error of the neuron ``weight * x + bias`` on ``DESCENT_POINTS``."""
    x, y = np.array(DESCENT_POINTS)
    return float(np.mean((weight * x + bias - y) ** 2))


def descent() -> list[tuple[float, float]]:
    """Weight and bias at the start and after each step of gradient descent."""
    x, y = np.array(DESCENT_POINTS)
    path = [DESCENT_START]
    for _ in range(DESCENT_STEPS):
        weight, bias = path[-1]
        miss = weight * x + bias - y
        slopes = 2 * np.mean(miss * x), 2 * np.mean(miss)
        path.append((weight - DESCENT_RATE * slopes[0], bias - DESCENT_RATE * slopes[1]))
    return path


def _lowest():
    weight, bias = np.polyfit(*DESCENT_POINTS, 1)
    return np.array((weight, bias)), descent_loss(weight, bias)


LOWEST = _lowest()  # where the loss is lowest, and how low that is


def convolve(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """What a convolution layer computes for one kernel: a cross-correlation without padding.

    See Goodfellow, Bengio and Courville, Deep Learning (2016), section 9.1.
    """
    k = len(kernel)
    rows, columns = picture.shape[0] - k + 1, picture.shape[1] - k + 1
    return np.array(
        [
            [np.sum(picture[r : r + k, c : c + k] * kernel) for c in range(columns)]
            for r in range(rows)
        ]
    )


def softmax(scores: np.ndarray) -> np.ndarray:
    """Scores to probabilities: the exponentials, divided by their sum."""
    powers = np.exp(scores)
    return powers / powers.sum()


def cnn_layers() -> list[Layer]:
    """The CNN 30-60-90 of lab 03 with the shapes and parameters that follow from its design."""
    side, channels = 28, 1
    layers = [Layer("Picture", (side, side, channels), 0)]
    for kernels, pooled in ((30, True), (60, True), (90, False)):
        parameters = 3 * 3 * channels * kernels + kernels
        side, channels = side - 2, kernels
        layers.append(Layer("Conv 3×3", (side, side, channels), parameters))
        if pooled:
            side //= 2
            layers.append(Layer("Max pool", (side, side, channels), 0))
    flat = side * side * channels
    return [
        *layers,
        Layer("Flatten", (flat,), 0),
        Layer("Dense", (64,), flat * 64 + 64),
        Layer("Dropout", (64,), 0),
        Layer("Softmax", (10,), 64 * 10 + 10),
    ]


@functools.cache
def clothes() -> dict[str, np.ndarray]:
    """The sample's test pictures of each class of Fashion-MNIST: 0 (black) to 1 (white)."""
    drawn = samples.draw("fashion_mnist")
    pictures = drawn.x_test[..., 0] / 255
    return {name: pictures[drawn.y_test == k] for k, name in enumerate(drawn.class_names)}


@functools.cache
def frog() -> np.ndarray:
    """A green frog of the sample's CIFAR-10: 32 × 32 values of red, green and blue."""
    drawn = samples.draw("cifar10")
    return drawn.x_test[drawn.y_test == drawn.class_names.index("frog")][28]


PATCH = (11, 15)  # where the kernel lies on the frog: first row, first column
GREEN_KERNEL = (-1, 2, -1)  # all nine numbers over red, over green, over blue


def colour_sums() -> list[tuple[np.ndarray, np.ndarray, int]]:
    """For each channel the nine values, the nine of the kernel, and the sum of the products."""
    row, column = PATCH
    patch = frog()[row : row + 3, column : column + 3].astype(int)
    kernels = [np.full((3, 3), value) for value in GREEN_KERNEL]
    return [(patch[..., k], w, int((patch[..., k] * w).sum())) for k, w in enumerate(kernels)]


# What four pictures make two maps say, and the two numbers that each map learns.
BATCH = np.array([[3, 0.85], [9, 0.45], [11, 0.15], [17, 0.55]])
GAMMA, BETA = np.array([2.0, 0.5]), np.array([1.0, 0.0])


def normalised(batch: np.ndarray) -> np.ndarray:
    """Each column with mean 0 and standard deviation 1 (Ioffe and Szegedy, 2015)."""
    return (batch - batch.mean(axis=0)) / batch.std(axis=0)


def digit() -> np.ndarray:
    """A handwritten-looking seven: 28 × 28 values from 0 (paper) to 1 (ink)."""
    t = np.linspace(0, 1, 60)[:, None]

    def curve(a, b, c):
        a, b, c = np.array(a), np.array(b), np.array(c)
        return (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c

    pen = np.vstack(
        [curve((7, 8.5), (13, 6.8), (20, 7.6)), curve((20, 7.6), (13.5, 14.5), (12, 22.5))]
    )
    y, x = np.mgrid[0:28, 0:28]
    distance = np.hypot(x[..., None] - pen[:, 0], y[..., None] - pen[:, 1]).min(axis=-1)
    return np.clip(2.0 - distance, 0, 1)


# --------------------------------------------------------------------------- the style


@dataclass(frozen=True)
class Picture:
    """How to draw a picture, what it says to those who cannot see it, where it is used."""

    draw: Callable[..., Figure]
    alt: str
    labs: str
    seconds: tuple[float, ...] = ()
    """How long each frame of an animation stays; ``draw`` takes its number as ``step``."""
    colours: int = 64
    """How many an animation has."""


PICTURES: dict[str, Picture] = {}


def picture(name: str, *, labs: str, alt: str, seconds=(), colours: int = 64):
    """Registers the decorated function as the one that draws ``name``."""

    def register(draw):
        PICTURES[name] = Picture(draw, alt, labs, seconds, colours)
        return draw

    return register


def mix(colour: str, share: float, other: str = PAPER) -> str:
    """``share`` of ``colour`` and the rest of ``other``."""
    a, b = np.array(to_rgb(colour)), np.array(to_rgb(other))
    return to_hex(share * a + (1 - share) * b)


def dark(colour: str) -> str:
    """The colour for text on white: darkened until it is easy to read."""
    return mix(colour, 0.68, INK)


def luminance(colour: str) -> float:
    """How bright a colour is, from 0 to 1."""
    return palette.luminance(*to_rgb(colour))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 (the same) to 21 (black and white)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def legible(colour: str, ground: str) -> str:
    """The colour, with as much ink as text in it needs to be read on ``ground``."""
    for ink in np.linspace(0, 1, 21):
        if contrast(mix(INK, ink, colour), ground) >= CONTRAST:
            return mix(INK, ink, colour)
    return colour  # white on a dark ground


@functools.cache
def turned(colour: str, paper: str) -> str:
    """The colour that stands for a colour of the drawing where white becomes ``paper``.

    Its hue stays, and how far it is from grey. Its brightness is turned round so that any two
    colours keep their contrast ratio: what is easy to read on white is as easy to read there.
    """
    wanted = contrast(PAPER, colour) * (luminance(paper) + 0.05) - 0.05
    hue, chroma = colorsys.rgb_to_hls(*to_rgb(colour))[0], np.ptp(to_rgb(colour))

    def at(lightness: float) -> str:
        most = 1 - abs(2 * lightness - 1)
        return to_hex(colorsys.hls_to_rgb(hue, lightness, min(1, chroma / (most + 1e-9))))

    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if luminance(at(middle)) < wanted else (low, middle)
    return at(high)


@dataclass(frozen=True)
class Theme:
    """The colours of a page: ``paper`` is what the white of the drawing becomes."""

    name: str
    paper: str

    def shown(self, colours) -> np.ndarray:
        """What stands for colours of the drawing, each as red, green, blue and opacity."""
        rgba = to_rgba_array(colours)
        if self.paper != PAPER:
            rgba[:, :3] = [to_rgb(turned(to_hex(c), self.paper)) for c in rgba]
        return rgba

    def repaint(self, figure: Figure) -> None:
        """Turns every colour of a figure, but those of images and of what says KEEP."""
        for artist in figure.findobj(lambda artist: artist.get_gid() != KEEP):
            if isinstance(artist, Text | Line2D):
                artist.set_color(self.shown(artist.get_color())[0])
            elif isinstance(artist, Patch):
                face, edge = self.shown([artist.get_facecolor(), artist.get_edgecolor()])
                artist.set(facecolor=face, edgecolor=edge)
            elif isinstance(artist, Collection):
                face, edge = self.shown(artist.get_facecolor()), artist.get_edgecolor()
                artist.set(facecolor=face, edgecolor=self.shown(edge))


THEMES = {theme.name: theme for theme in (Theme("light", PAPER), Theme("dark", "#1B1B1B"))}


def number(value: float, digits: int = 2) -> str:
    """A number with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def factor(value: float, digits: int = 1) -> str:
    """A number inside a product: in brackets when it is negative."""
    return f"({number(value, digits)})" if value < 0 else number(value, digits)


def page(height: int, title: str, subtitle: str):
    """A white page with its heading; returns the axes to draw on, in pixels."""
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, WIDTH), ylim=(height, 0))
    ax.axis("off")
    write(ax, MARGIN, 62, title, TITLE, bold=True, ha="left")
    write(ax, MARGIN, 114, subtitle, BODY, GREY, ha="left")
    return ax


def write(
    ax,
    x,
    y,
    text,
    size=BODY,
    colour=INK,
    *,
    bold=False,
    mono=False,
    ha="center",
    zorder=3.0,
    gid=None,
    ground=None,
):
    """One line of text whose capitals are centred on ``y``; its size is in pixels.

    ``ground`` is the colour behind it, needed only where that is drawn after the text.
    """
    into = {"left": x + size / 2, "center": x, "right": x - size / 2}[ha]
    tone = colour if colour in (INK, GREY, PAPER) else dark(colour)
    return ax.text(
        x,
        y + 0.365 * size,
        text,
        fontsize=size * 72 / DPI,
        color=legible(tone, ground or behind(ax, into, y)),
        fontweight="bold" if bold else "normal",
        family=MONO if mono else "DejaVu Sans",
        ha=ha,
        va="baseline",
        zorder=zorder,
        gid=gid,
    )


def behind(ax, x, y) -> str:
    """The colour of the page at a point, as far as it is drawn."""
    point = ax.transData.transform((x, y))
    areas = [p for p in ax.patches if not isinstance(p, FancyArrowPatch) and p.get_facecolor()[3]]
    there = [area for area in areas if area.contains_point(point)]
    top = max(reversed(there), key=lambda p: p.get_zorder(), default=None)
    return PAPER if top is None else to_hex(top.get_facecolor())


def upright(ax, x, y, text):
    """The label of a vertical axis."""
    write(ax, x, y, text, SMALL, GREY).set(rotation=90, va="center", y=y)


def box(ax, x, y, w, h, colour=GREY, *, fill=0.07, width=3, radius=16, zorder=1.0):
    """A rounded box filled with a tint of its edge; no fill for None, no edge for width 0."""
    ax.add_artist(
        FancyBboxPatch(
            (x, y),
            w,
            h,
            boxstyle=f"round,pad=0,rounding_size={radius}",
            facecolor="none" if fill is None else mix(colour, fill),
            edgecolor=colour if width else "none",
            linewidth=width * 72 / DPI,
            zorder=zorder,
        )
    )


def band(ax, y, height, colour=GREY):
    """The tinted strip at the foot of a page that holds its sentence."""
    box(ax, MARGIN, y, WIDTH - 2 * MARGIN, height, colour, width=0, radius=14)


def square(ax, x, y, w, h, face, *, edge=PAPER, width=2.0, zorder=1.0, gid=None):
    """A plain rectangle: a cell of a grid, a bar of a chart."""
    style = {"facecolor": face, "edgecolor": edge if width else "none", "lw": width * 72 / DPI}
    ax.add_artist(Rectangle((x, y), w, h, zorder=zorder, gid=gid, **style))


def circle(ax, x, y, r, colour, *, fill=0.12, width=4.0, zorder=2.0):
    """A circle whose fill is a tint of its edge."""
    style = {"facecolor": mix(colour, fill), "edgecolor": colour, "lw": width * 72 / DPI}
    ax.add_artist(Circle((x, y), r, zorder=zorder, **style))


def badge(ax, x, y, r, text, size, colour):
    """A number on a filled circle."""
    circle(ax, x, y, r, dark(colour), fill=1, width=0, zorder=3)
    write(ax, x, y, text, size, PAPER, bold=True, zorder=4)


def line(ax, points, colour=GREY, width=4.0, *, dashed=False, zorder=1.0):
    """A line through points, with round ends."""
    x, y = zip(*points, strict=True)
    ax.plot(
        x,
        y,
        color=colour,
        lw=width * 72 / DPI,
        ls=(0, (2.2, 2.2)) if dashed else "-",
        solid_capstyle="round",
        dash_capstyle="round",
        solid_joinstyle="round",
        zorder=zorder,
    )


def arrow(ax, start, end, colour=GREY, width=4.0, *, bend=0.0, both=False):
    """An arrow; ``bend`` curves it, ``both`` gives it a head at either end."""
    ax.add_artist(
        FancyArrowPatch(
            start,
            end,
            arrowstyle=f"{'<|-|>' if both else '-|>'},head_length=0.6,head_width=0.3",
            mutation_scale=15 + 2 * width,
            connectionstyle=f"arc3,rad={bend}",
            shrinkA=0,
            shrinkB=0,
            color=colour,
            lw=width * 72 / DPI,
            joinstyle="miter",
        )
    )


def pill(ax, x, y, text, colour, size=SMALL, *, mono=False, solid=False, gid=None):
    """A short text in a rounded label that hides what runs behind it."""
    edge, fill = (dark(colour), 1) if solid else (colour, 0.12)
    ink, ground = PAPER if solid else colour, mix(edge, fill)
    label = write(ax, x, y, text, size, ink, bold=True, mono=mono, gid=gid, ground=ground)
    wide, high = label.get_window_extent().width + 0.9 * size, 1.85 * size
    box(
        ax, x - wide / 2, y - high / 2, wide, high, edge, fill=fill, width=2.4, radius=9, zorder=2.5
    )


def grid(ax, x, y, cell, values, paint, *, gid):
    """A grid of numbers, None for an empty cell.

    ``paint(value, row, column)`` returns the colours of the cell and of its text.
    """
    for r, row in enumerate(values):
        for c, value in enumerate(row):
            face, ink = paint(value, r, c)
            left, top = x + c * cell, y + r * cell
            square(ax, left, top, cell, cell, face, edge=LINE, width=2.5)
            if value is not None:
                middle = (left + cell / 2, top + cell / 2)
                text = number(value, 0)
                write(ax, *middle, text, BODY, ink, bold=ink != GREY, gid=f"{gid} {r} {c}")


def show(ax, x, y, side, values):
    """A picture of values from 0 (white) to 1 (ink), with a frame; top left corner at x, y."""
    rgb = 1 - values[..., None] * (1 - np.array(to_rgb(dark(BLUE))))
    extent = (x, x + side, y + side, y)
    ax.imshow(rgb, extent=extent, interpolation="nearest", aspect="auto", zorder=2)
    square(ax, x, y, side, side, "none", edge=GREY, width=3, zorder=2.1)


def chart(x, y, w, h, xlim, ylim):
    """A function from the values of a small chart to points on the page."""

    def place(xs, ys):
        across = x + (np.asarray(xs, float) - xlim[0]) / (xlim[1] - xlim[0]) * w
        down = y + (ylim[1] - np.asarray(ys, float)) / (ylim[1] - ylim[0]) * h
        return list(np.broadcast(across, down))

    return place


# --------------------------------------------------------------------------- lab 00


@picture(
    "lab00-how-a-lab-works.png",
    labs="00",
    alt="The path of every lab in six steps: Data, Look, Build, Train, Evaluate, Use. "
    "Data makes `data`, Build makes `model`, Train makes `history`, and the later steps take "
    "what the earlier ones made.",
)
def how_a_lab_works():
    ax = page(
        1000,
        "How a lab works",
        "Every lab walks the same path, and carries the same three things along it.",
    )
    nouns = {"data": BLUE, "model": VERMILLION, "history": GREEN}
    steps = [
        ("Data", "load it", BLUE, _icon_data, [], ["data"]),
        ("Look", "see what is in it", BLUE, _icon_look, ["data"], []),
        ("Build", "stack the layers", VERMILLION, _icon_build, ["data"], ["model"]),
        ("Train", "let it learn", VERMILLION, _icon_train, ["model", "data"], ["history"]),
        ("Evaluate", "test what it learned", GREEN, _icon_check, ["model", "data", "history"], []),
        ("Use", "give it new data", GREEN, _icon_use, ["model"], []),
    ]
    first, apart, y = 254, 236, 270
    x = np.linspace(first - apart / 2, first + 5 * apart, 300)
    road = list(zip(x, y + 16 * np.sin((x - first) / apart * 2 * np.pi), strict=True))
    line(ax, road, LINE, 22)
    line(ax, road[3:], PAPER, 4, dashed=True)

    band(ax, 478, 182)
    band(ax, 674, 72)
    write(ax, 84, 569, "takes", BODY, GREY, bold=True, ha="left")
    write(ax, 84, 710, "makes", BODY, GREY, bold=True, ha="left")
    for i, (name, what, colour, icon, takes, makes) in enumerate(steps):
        x = first + apart * i
        circle(ax, x, y, 66, colour, fill=0, width=6)
        icon(ax, x, y)
        badge(ax, x - 50, y - 52, 21, f"{i + 1}", SMALL, colour)
        write(ax, x, 384, name, HEAD, bold=True)
        write(ax, x, 428, what, SMALL, GREY)
        for k, noun in enumerate(takes):
            pill(ax, x, 569 + 54 * (k - (len(takes) - 1) / 2), noun, nouns[noun], mono=True)
        for noun in makes:
            pill(ax, x, 710, noun, nouns[noun], mono=True, solid=True)

    cards = [
        ("data", "the examples and the right answers", 'data = labkit.load("mnist")'),
        ("model", "the layers and their weights", "model = models.cnn(data)"),
        ("history", "how the training went", "history = labkit.fit(model, data)"),
    ]
    for i, (noun, what, source) in enumerate(cards):
        x = MARGIN + i * 500
        box(ax, x, 784, 480, 164, nouns[noun])
        write(ax, x + 24, 822, noun, HEAD, nouns[noun], bold=True, mono=True, ha="left")
        write(ax, x + 24, 866, what, SMALL, ha="left")
        write(ax, x + 24, 912, source, SMALL, mono=True, ha="left")
    return ax.figure


def _icon_data(ax, x, y):
    for r in range(3):
        for c in range(3):
            shade = mix(BLUE, (0.9, 0.35, 0.6)[(r * 2 + c) % 3])
            square(ax, x - 35 + c * 24, y - 35 + r * 24, 22, 22, shade, width=0, zorder=3)


def _icon_look(ax, x, y):
    line(ax, [(x + 11, y + 11), (x + 33, y + 33)], BLUE, 11, zorder=3)
    circle(ax, x - 7, y - 7, 25, BLUE, width=7, zorder=4)


def _icon_build(ax, x, y):
    for k, half in enumerate((18, 28, 38)):
        shade = mix(VERMILLION, 0.45 + 0.25 * k)
        square(ax, x - half, y - 34 + k * 25, 2 * half, 19, shade, width=0, zorder=3)


def _icon_train(ax, x, y):
    line(ax, [(x - 34, y - 32), (x - 34, y + 32), (x + 36, y + 32)], GREY, 4, zorder=3)
    t = np.linspace(0, 1, 30)
    fall = y - 28 + 50 * (1 - np.exp(-3.4 * t))
    line(ax, list(zip(x - 25 + 60 * t, fall, strict=True)), VERMILLION, 7, zorder=4)


def _icon_check(ax, x, y):
    line(ax, [(x - 28, y + 2), (x - 8, y + 23), (x + 30, y - 22)], GREEN, 11, zorder=3)


def _icon_use(ax, x, y):
    corners = [(x - 18, y - 31), (x + 34, y), (x - 18, y + 31)]
    ax.add_artist(Polygon(corners, color=GREEN, joinstyle="round", zorder=3))


@picture(
    "lab00-kernel.png",
    labs="00",
    alt="On the left the browser page with three cells, on the right the kernel, a Python process "
    "that remembers every value. Running a cell sends its code to the kernel and the results come "
    "back; [*] beside a cell means that it is still running.",
)
def kernel():
    ax = page(
        900,
        "The page and the kernel",
        "The page shows your cells. A second program, the kernel, does the work and remembers.",
    )
    box(ax, MARGIN, 170, 700, 560, GREY, fill=0.25, width=0, radius=20)
    square(ax, MARGIN, 230, 700, 470, PAPER, width=0)
    box(ax, MARGIN, 670, 700, 60, PAPER, fill=1, width=0, radius=20)
    box(ax, MARGIN, 170, 700, 560, fill=None, width=4, radius=20)
    for k in range(3):
        circle(ax, 96 + 30 * k, 201, 8, GREY, fill=0.6, width=0)
    box(ax, 200, 184, 270, 60, PAPER, fill=1, width=0, radius=12)
    write(ax, 335, 208, "your notebook", SMALL, bold=True)

    cells = [
        ("[1]:", ["price = 3", "4 * price"], GREEN, 256),
        ("[*]:", ["history = labkit.fit(model, data)"], VERMILLION, 428),
        ("[ ]:", ["history.epochs"], GREY, 582),
    ]
    for prompt, lines, colour, y in cells:
        write(ax, 128, y + 30, prompt, BODY, colour, bold=True, mono=True)
        box(ax, 180, y, 550, 24 + 36 * len(lines), BLUE, width=2, radius=10)
        for k, source in enumerate(lines):
            write(ax, 202, y + 30 + 36 * k, source, BODY, mono=True, ha="left")
    write(ax, 202, 384, "12", BODY, mono=True, ha="left")
    write(ax, 202, 518, "epoch 2 of 5 …", SMALL, GREY, ha="left")
    write(ax, 202, 672, "nothing here until you run it", SMALL, GREY, ha="left")

    box(ax, 1060, 170, 480, 560, INK, fill=1, width=0, radius=20)
    write(ax, 1300, 218, "Kernel", HEAD, PAPER, bold=True)
    write(ax, 1300, 260, "a Python process", BODY, PAPER)
    for k, (name, value) in enumerate(
        [("price", "3"), ("data", "pictures, labels"), ("model", "a network")]
    ):
        y = 374 + 84 * k
        box(ax, 1100, y, 400, 66, PAPER, fill=1, width=0, radius=10)
        write(ax, 1122, y + 33, name, BODY, bold=True, mono=True, ha="left")
        write(ax, 1478, y + 33, value, SMALL, ha="right")
    write(ax, 1100, 340, "It remembers, until you restart it:", SMALL, PAPER, ha="left")
    write(ax, 1100, 672, "Closing the page does not stop it.", SMALL, PAPER, ha="left")

    write(ax, 910, 316, "run", HEAD, BLUE, bold=True)
    write(ax, 910, 356, "sends the code", SMALL)
    arrow(ax, (785, 394), (1035, 394), BLUE, 7)
    arrow(ax, (1035, 506), (785, 506), GREEN, 7)
    write(ax, 910, 546, "results", HEAD, GREEN, bold=True)
    write(ax, 910, 586, "come back", SMALL)

    band(ax, 772, 84)
    for x, prompt, colour, what in [
        (116, "[ ]", GREY, "not run yet"),
        (500, "[*]", VERMILLION, "running, or waiting for its turn"),
        (1160, "[1]", GREEN, "done, and first to run"),
    ]:
        pill(ax, x, 814, prompt, colour, BODY, mono=True)
        write(ax, x + 52, 814, what, BODY, ha="left")
    return ax.figure


# --------------------------------------------------------------------------- lab 01


@picture(
    "lab01-regression.png",
    labs="01",
    alt="Left: measured points, the fitted straight line through them, and each point's residual, "
    "its vertical distance from the line. Right: the model multiplies five inputs by one weight "
    "each and adds them up with an intercept to predict one output.",
)
def regression():
    ax = page(
        860,
        "Linear regression",
        "Find the weights whose predictions lie closest to what was measured.",
    )
    x = np.array([0.6, 1.3, 2.0, 2.7, 3.5, 4.2, 5.0, 5.7, 6.5, 7.2, 8.0, 8.7, 9.4])
    y = np.array([2.9, 1.7, 3.4, 2.5, 4.6, 3.2, 4.1, 6.0, 4.5, 6.6, 5.2, 7.4, 6.2])
    slope, intercept = np.polyfit(x, y, 1)
    place = chart(110, 180, 600, 480, (0, 10), (0, 9.6))
    line(ax, place([0, 0, 10], [9.6, 0, 0]), GREY, 3)
    for measured in zip(x, y, slope * x + intercept, strict=True):
        line(ax, place(measured[0], measured[1:]), PURPLE, 5)
    line(ax, place([0.1, 9.9], slope * np.array([0.1, 9.9]) + intercept), GREEN, 7)
    for across, down in place(x, y):
        circle(ax, across, down, 11, BLUE, fill=1, width=0, zorder=3)
    write(ax, 410, 694, "one input", SMALL, GREY)
    upright(ax, 78, 420, "output")
    for k, (name, colour) in enumerate(
        [
            ("measured", BLUE),
            ("predicted: the fitted line", GREEN),
            ("residual: measured − predicted", PURPLE),
        ]
    ):
        at = (146, 196 + 36 * k)
        if k == 0:
            circle(ax, *at, 11, colour, fill=1, width=0)
        else:
            line(ax, [(at[0] - 14, at[1]), (at[0] + 14, at[1])], colour, 7 - k)
        write(ax, at[0] + 30, at[1], name, SMALL, colour, bold=True, ha="left")

    line(ax, [(775, 180), (775, 700)], LINE, 3)
    centre = np.array((1300, 420))
    for k, value in enumerate(("600", "588", "90", "0.358", "0.333")):
        middle = 215 + 102.5 * k
        box(ax, 840, middle - 35, 216, 70, BLUE)
        write(ax, 860, middle, f"var_{k + 1}", SMALL, BLUE, mono=True, ha="left")
        write(ax, 1036, middle, value, BODY, bold=True, ha="right")
        start = np.array((1060, middle))
        angle = np.radians(180 - 26 * (2 - k))
        end = centre + 56 * np.array((np.cos(angle), -np.sin(angle)))
        arrow(ax, start, end, VERMILLION)
        pill(ax, *(start + 0.4 * (end - start)), f"× w{SUB[k]}", VERMILLION)
    circle(ax, *centre, 48, GREY, fill=0.07)
    write(ax, *centre, "Σ", TITLE, bold=True)
    arrow(ax, (1300, 560), (1300, 476), VERMILLION)
    pill(ax, 1300, 576, "+ b", VERMILLION)
    write(ax, 1300, 622, "intercept", SMALL, GREY)
    arrow(ax, (1352, 420), (1412, 420), GREEN)
    box(ax, 1418, 378, 122, 84, GREEN)
    write(ax, 1479, 420, "output", BODY, GREEN, bold=True)

    band(ax, 742, 76)
    write(ax, 84, 780, "Best line: the smallest sum of squared residuals.", SMALL, ha="left")
    write(ax, 1516, 780, "output = w₁ × var_1 + … + w₅ × var_5 + b", BODY, bold=True, ha="right")
    return ax.figure


@picture(
    "lab01-train-test.png",
    labs="01",
    alt="A table of twelve rows is cut at random into nine rows for training, 75 %, and three rows "
    "for testing, 25 %. The model learns from the first part and is judged on the second, which "
    "it has never seen.",
)
def train_test():
    ax = page(
        880,
        "Training rows and test rows",
        "What a model has learned shows only on rows that it has never seen.",
    )
    test = (3, 6, 11)
    train = [k for k in range(12) if k not in test]

    def row(x, y, index):
        colour = GREEN if index in test else BLUE
        box(ax, x, y, 450, 38, colour, fill=0.14, width=0, radius=8)
        write(ax, x + 30, y + 19, f"{index + 1}", SMALL, colour, bold=True)
        for c in range(6):
            wide = 26 + (index * 17 + c * 29 + index * c * 5) % 26  # bars of uneven length
            shade = mix(colour, 0.75 if c == 5 else 0.38)
            box(ax, x + 64 + 64 * c, y + 13, wide, 12, shade, fill=1, width=0, radius=6)

    write(ax, 285, 190, "all rows", HEAD, bold=True)
    write(ax, 865, 190, "cut at random", HEAD, bold=True)
    write(ax, 1370, 190, "used to", HEAD, bold=True)
    for index in range(12):
        row(MARGIN, 226 + 44 * index, index)
    for k, index in enumerate(train):
        row(640, 226 + 44 * k, index)
    for k, index in enumerate(test):
        row(640, 672 + 44 * k, index)
    write(ax, 285, 798, "five inputs and one output in each row", SMALL, GREY)

    for top, height, share, colour, name, what in [
        (226, 390, "75 %", BLUE, "train", "the model finds\nits weights in them"),
        (672, 126, "25 %", GREEN, "test", "new to the model:\nan honest score"),
    ]:
        middle = top + height / 2
        arrow(ax, (526, middle), (624, middle), colour, 6)
        write(ax, 575, middle - 36, share, BODY, colour, bold=True)
        arrow(ax, (1104, middle), (1186, middle), colour, 6)
        box(ax, 1200, middle - 84, 340, 168, colour)
        write(ax, 1370, middle - 46, name, HEAD, colour, bold=True)
        for k, text in enumerate(what.split("\n")):
            write(ax, 1370, middle + 6 + 34 * k, text, SMALL)
    return ax.figure


# --------------------------------------------------------------------------- lab 02


@picture(
    "lab02-neuron.png",
    labs="02, 03",
    alt="An artificial neuron: three inputs are multiplied by one weight each, the products and a "
    "bias are added up, and an activation function turns the sum into the output. A worked example "
    "with numbers runs along.",
)
def neuron():
    inputs, weights, bias = (1.0, 0.5, 2.0), (0.6, -0.4, 0.3), 0.1
    products = list(zip(inputs, weights, strict=True))
    total = sum(x * w for x, w in products) + bias
    output = max(0.0, total)
    ax = page(
        800,
        "An artificial neuron",
        "Multiply each input by its weight, add everything up, then apply the activation.",
    )
    for k, (x, w) in enumerate(products):
        y = 246 + 150 * k
        circle(ax, 116, y, 54, BLUE)
        write(ax, 116, y - 18, f"x{SUB[k]}", BODY, BLUE)
        write(ax, 116, y + 18, number(x, 1), BODY, bold=True)
        start, end = np.array((172, y)), np.array((598 + 8 * abs(k - 1), 396 + 38 * (k - 1)))
        arrow(ax, start, end, VERMILLION, 5)
        pill(ax, *(start + 0.46 * (end - start)), f"w{SUB[k]} = {number(w, 1)}", VERMILLION, BODY)
    circle(ax, 682, 396, 78, GREY, fill=0.07, width=5)
    write(ax, 682, 380, "Σ", TITLE, bold=True)
    write(ax, 682, 424, "sum", SMALL, GREY)
    arrow(ax, (682, 236), (682, 312), VERMILLION, 5)
    pill(ax, 682, 222, f"bias = {number(bias, 1)}", VERMILLION, BODY)
    arrow(ax, (764, 396), (950, 396), GREY, 5)
    write(ax, 850, 362, number(total), BODY, bold=True)
    box(ax, 958, 290, 250, 212, GREY, width=5)
    line(ax, [(994, 404), (1172, 404)], mix(GREY, 0.45), 3)
    line(ax, [(1083, 316), (1083, 420)], mix(GREY, 0.45), 3)
    line(ax, [(998, 404), (1083, 404), (1165, 322)], GREEN, 7)
    write(ax, 1083, 462, "activation: ReLU", SMALL, GREY)
    arrow(ax, (1213, 396), (1404, 396), GREEN, 5)
    write(ax, 1300, 362, number(output), BODY, bold=True)
    circle(ax, 1476, 396, 64, GREEN, width=5)
    write(ax, 1476, 396, "output", SMALL, GREEN, bold=True)

    band(ax, 656, 92)
    terms = " + ".join(f"{number(x, 1)} × {factor(w)}" for x, w in products)
    sentence = f"sum = {terms} + {number(bias, 1)} = {number(total)}"
    write(ax, 84, 702, sentence, BODY, ha="left")
    result = f"output = ReLU({number(total)}) = {number(output)}"
    write(ax, 1516, 702, result, BODY, bold=True, ha="right")
    return ax.figure


@picture(
    "lab02-flatten-softmax.png",
    labs="02",
    alt="A 28 × 28 picture of a seven is flattened into 784 numbers. Each number is connected to "
    "each of ten neurons, 7,840 weights and 10 biases, 7,850 in all, and softmax turns the ten "
    "sums into ten probabilities, of which the one for seven is largest.",
)
def flatten_softmax():
    ax = page(
        960,
        "One dense softmax layer",
        "The whole network of this lab: every pixel votes for every digit.",
    )
    scores = np.array([0.4, -1.6, 1.3, 1.9, -1.2, 0.2, -2.6, 4.6, 0.5, 2.3])
    probabilities = softmax(scores)
    best = int(probabilities.argmax())
    ink = digit()
    pixels, outputs = ink.size, scores.size
    top, height = 226, 560
    middle, foot = top + height / 2, top + height + 32
    for x, heading in [(200, "picture"), (508, "flatten"), (930, "dense"), (1340, "softmax")]:
        write(ax, x, 184, heading, HEAD, bold=True)
    show(ax, MARGIN, middle - 140, 280, ink)
    write(ax, 200, foot, "28 × 28 pixels", BODY, BLUE, bold=True)
    arrow(ax, (352, middle), (410, middle), BLUE, 6)

    shown = [0, 1, 2, None, 240, 241, 242, None, 781, 782, 783]
    step = height / len(shown)
    stops = [top + (k + 0.5) * step for k in range(len(shown))]
    for y, index in zip(stops, shown, strict=True):
        if index is None:
            for k in (-1, 0, 1):
                circle(ax, 508, y + 11 * k, 3, GREY, fill=1, width=0)
            continue
        shade = mix(dark(BLUE), float(ink.flat[index]))
        square(ax, 478, y - 22, 60, 44, shade, edge=GREY, width=2.5, gid=KEEP)
        write(ax, 464, y, f"{index + 1}", SMALL, GREY, ha="right")
    write(ax, 508, foot, f"{pixels} numbers", BODY, BLUE, bold=True)

    step = height / outputs
    for k, p in enumerate(probabilities):
        y = top + (k + 0.5) * step
        for stop, index in zip(stops, shown, strict=True):
            if index is not None:
                line(ax, [(542, stop), (880, y)], mix(VERMILLION, 0.5), 1.3, zorder=0.5)
        circle(ax, 906, y, 24, GREY, fill=0.08, width=3)
        write(ax, 906, y, f"{k}", SMALL, bold=True)
        write(ax, 1010, y, number(scores[k], 1), SMALL, ha="right")
        arrow(ax, (1030, y), (1084, y), GREY, 3)
        write(ax, 1114, y, f"{k}", SMALL, bold=k == best)
        wide = max(4, 370 * p)
        square(ax, 1140, y - 18, wide, 36, GREEN if k == best else mix(GREEN, 0.45), width=0)
        write(ax, 1152 + wide, y, f"{100 * p:.1f} %", SMALL, GREEN, bold=k == best, ha="left")
    write(ax, 930, foot, "ten sums", BODY, bold=True)
    write(ax, 1340, foot, "ten probabilities: 100 %", BODY, GREEN, bold=True)

    band(ax, 862, 70, VERMILLION)
    count = (
        f"{pixels} × {outputs} = {pixels * outputs:,} weights   +   {outputs} biases   =   "
        f"{pixels * outputs + outputs:,} numbers to learn"
    )
    write(ax, 800, 897, count, BODY, VERMILLION, bold=True)
    return ax.figure


# --------------------------------------------------------------------------- networks


@picture(
    "activations.png",
    labs="02, 03",
    alt="Four activation functions: ReLU cuts negative values to zero, sigmoid squeezes any number "
    "between 0 and 1, tanh between −1 and 1, and softmax turns four scores into four "
    "probabilities that add up to 1.",
)
def activations():
    ax = page(
        1060,
        "Activation functions",
        "They bend the straight sums; without them, many layers could do no more than one.",
    )
    x = np.linspace(-4, 4, 161)
    for k, (name, formula, y, limits, ticks, use) in enumerate(
        [
            ("ReLU", "max(0, x)", np.maximum(0, x), (-1, 4.4), (0, 4), "cuts negatives to 0"),
            (
                "sigmoid",
                "1 / (1 + e⁻ˣ)",
                1 / (1 + np.exp(-x)),
                (-0.2, 1.2),
                (0, 1),
                "between 0 and 1",
            ),
            (
                "tanh",
                "(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)",
                np.tanh(x),
                (-1.3, 1.3),
                (-1, 0, 1),
                "between −1 and 1",
            ),
        ]
    ):
        left = MARGIN + 507 * k
        box(ax, left, 166, 466, 432, width=0)
        write(ax, left + 28, 206, name, HEAD, bold=True, ha="left")
        write(ax, left + 438, 206, formula, SMALL, GREY, ha="right")
        place = chart(left + 76, 240, 350, 266, (-4, 4), limits)
        for tick in ticks:
            shade = GREY if tick == 0 else mix(GREY, 0.45)
            line(ax, place([-4, 4], tick), shade, 2.5)
            write(ax, left + 58, place(0, tick)[0][1], number(tick, 0), SMALL, GREY, ha="right")
        line(ax, place(0, limits), GREY, 2.5)
        line(ax, place(x, y), GREEN, 8, zorder=2)
        for tick in (-4, 4):
            write(ax, place(tick, 0)[0][0], 528, number(tick, 0), SMALL, GREY)
        write(ax, left + 251, 528, "the neuron’s sum", SMALL, GREY)
        write(ax, left + 251, 566, use, SMALL, bold=True)

    box(ax, MARGIN, 630, 1480, 390, width=0)
    write(ax, 88, 672, "softmax", HEAD, bold=True, ha="left")
    subtitle = "the last layer of a classifier: scores become probabilities"
    write(ax, 1512, 672, subtitle, SMALL, GREY, ha="right")
    scores = np.array([2.0, 1.0, 0.5, -1.0])
    powers, result = np.exp(scores), softmax(scores)
    write(ax, 240, 732, "scores", SMALL, BLUE, bold=True, ha="left")
    write(ax, 700, 732, "e to the power of the score", SMALL, bold=True)
    heading = f"probabilities: divided by the sum, {powers.sum():.2f}"
    write(ax, 960, 732, heading, SMALL, GREEN, bold=True, ha="left")
    for k, score in enumerate(scores):
        y = 788 + 58 * k
        wide = 92 * abs(score)
        square(ax, 240 + min(0, 92 * score), y - 20, wide, 40, BLUE, width=0)
        beside = 240 + max(0, 92 * score) + 14
        write(ax, beside, y, number(score, 1), BODY, BLUE, bold=True, ha="left")
        arrow(ax, (524, y), (594, y))
        write(ax, 700, y, number(powers[k]), BODY, bold=True)
        arrow(ax, (820, y), (890, y))
        square(ax, 960, y - 20, 700 * result[k], 40, GREEN, width=0)
        beside = 974 + 700 * result[k]
        write(ax, beside, y, number(result[k]), BODY, GREEN, bold=True, ha="left")
    line(ax, [(240, 760), (240, 990)], GREY, 3)
    line(ax, [(960, 760), (960, 990)], GREY, 3)
    return ax.figure


# Where the rows of the 2-2-1 network stand, and its output between them, in both pictures.
ROWS, OUT = (296, 616), 456


def edges():
    """Every connection of the 2-2-1 network: its weight, its two ends, its label's place."""
    for h in range(2):
        for i in range(2):
            start = np.array((214, ROWS[i] + 16 * (h - i)))
            end = np.array((463, ROWS[h] + 20 * (i - h)))
            yield (
                f"w{SUB[h]}{SUB[i]}",
                start,
                end,
                start + (0.5 if i == h else 0.27) * (end - start),
            )
    for h in range(2):
        start = np.array((836, ROWS[h]))
        end = np.array((988, OUT + (-30, 30)[h]))
        yield f"v{SUB[h]}", start, end, start + 0.46 * (end - start)


def skeleton(ax):
    """What both pictures of the 2-2-1 network share: headings, inputs, the neurons' boxes."""
    for x, heading in [(150, "inputs"), (650, "hidden layer"), (1185, "output layer")]:
        write(ax, x, 176, heading, BODY, GREY, bold=True)
    for i, y in enumerate(ROWS):
        circle(ax, 150, y, 60, BLUE, width=5)
        write(ax, 150, y - 19, f"x{SUB[i]}", BODY, BLUE)
        write(ax, 150, y + 19, number(INPUTS[i], 0), BODY, bold=True)
        box(ax, 470, y - 84, 360, 168, width=4)
    box(ax, 995, OUT - 84, 380, 168, width=4)


@picture(
    "forward-propagation.png",
    labs="03, c2",
    alt="Forward propagation through a network of two inputs, two hidden neurons and one output. "
    "The numbers flow from left to right: each neuron shows its weighted sum and the value after "
    "its activation, and the last one is the prediction.",
)
def forward_propagation():
    ax = page(
        860,
        "Forward propagation",
        "Numbers flow from left to right: each neuron adds up what arrives, then activates.",
    )
    w, flow = WEIGHTS, forward(WEIGHTS)
    skeleton(ax)
    for name, start, end, middle in edges():
        arrow(ax, start, end, VERMILLION, 5)
        pill(ax, *middle, number(w[name], 1), VERMILLION, BODY)
    neurons = [
        (
            (650, ROWS[h]),
            [f"{number(INPUTS[i], 0)} × {factor(w[f'w{SUB[h]}{SUB[i]}'])}" for i in range(2)],
            w[f"b{SUB[h]}"],
            flow.sums[h],
            f"ReLU → {number(flow.hidden[h])}",
        )
        for h in range(2)
    ]
    terms = [f"{number(flow.hidden[h], 1)} × {factor(w[f'v{SUB[h]}'])}" for h in range(2)]
    result = f"sigmoid → {number(flow.prediction)}"
    neurons.append(((1185, OUT), terms, w["c"], flow.output_sum, result))
    for (x, y), terms, bias, total, result in neurons:
        write(ax, x, y - 48, f"{' + '.join(terms)} + {number(bias, 1)}", SMALL)
        write(ax, x, y - 4, f"sum = {number(total)}", BODY)
        write(ax, x, y + 46, result, HEAD, GREEN, bold=True)
    arrow(ax, (1380, OUT), (1430, OUT), GREEN, 5)
    circle(ax, 1488, OUT, 52, GREEN, width=5)
    write(ax, 1488, OUT, number(flow.prediction), HEAD, bold=True)
    write(ax, 1476, OUT + 84, "prediction", SMALL, GREEN, bold=True)

    band(ax, 746, 72)
    pill(ax, 116, 782, "0.5", VERMILLION)
    write(ax, 160, 782, "a weight", SMALL, ha="left")
    note = "A sum is each arriving value × its weight, all added up, plus the neuron’s bias."
    write(ax, 1516, 782, note, SMALL, ha="right")
    return ax.figure


@picture(
    "backward-propagation.png",
    labs="03, c2",
    alt="Backward propagation through the same network: the loss at the right sends the error from "
    "right to left, and every weight gets its gradient, the error of the neuron it leads to times "
    "the value it carried. One small step against the gradients lowers the loss.",
)
def backward_propagation():
    ax = page(
        966,
        "Backward propagation",
        "The error flows back from right to left, and tells every weight which way to change.",
    )
    w, flow, slope, error = WEIGHTS, forward(WEIGHTS), gradients(WEIGHTS), errors(WEIGHTS)
    skeleton(ax)
    for name, start, end, middle in edges():
        arrow(ax, end, start, PURPLE, 5)
        pill(ax, *middle, number(slope[name]), PURPLE, BODY, gid=f"gradient {name}")
    neurons = [
        (
            (650, ROWS[h]),
            f"value {number(flow.hidden[h])}, ReLU on",
            f"error = {number(error['output'])} × {factor(w[f'v{SUB[h]}'])}",
            f"b{SUB[h]}",
        )
        for h in range(2)
    ]
    difference = f"= {number(flow.prediction)} − {number(TARGET)}"
    neurons.append(((1185, OUT), "error = prediction − target", difference, "c"))
    for (x, y), above, how, bias in neurons:
        write(ax, x, y - 48, above, SMALL, GREEN if "ReLU" in above else INK)
        write(ax, x, y - 4, how, BODY)
        write(ax, x, y + 46, number(slope[bias]), HEAD, PURPLE, bold=True, gid=f"gradient {bias}")
    arrow(ax, (1434, OUT), (1384, OUT), PURPLE, 5)
    circle(ax, 1488, OUT, 52, PURPLE, width=5)
    write(ax, 1488, OUT - 16, "loss", SMALL, PURPLE, bold=True)
    write(ax, 1488, OUT + 16, number(loss(w)), BODY, bold=True)
    write(ax, 1488, OUT + 84, f"−ln {number(flow.prediction)}", SMALL, GREY)

    stepped = {name: w[name] - LEARNING_RATE * slope[name] for name in w}
    band(ax, 746, 174, PURPLE)
    pill(ax, 130, 786, number(slope["w₁₂"]), PURPLE)
    rule = (
        "gradient of a weight = value it carried × error of the neuron it leads to; "
        "of a bias: that error"
    )
    write(ax, 188, 786, rule, SMALL, ha="left")
    rule = (
        "Error of a hidden neuron = error to its right × the weight between "
        "(× 0 where ReLU is off)."
    )
    write(ax, 84, 833, rule, SMALL, ha="left")
    step = (
        f"One step, weight − {LEARNING_RATE} × gradient for every weight and bias, "
        f"lowers the loss from {number(loss(w))} to {number(loss(stepped))}."
    )
    write(ax, 84, 880, step, SMALL, bold=True, ha="left")
    return ax.figure


# --------------------------------------------------------------------------- lab 03


@picture(
    "lab03-three-parts.png",
    labs="03",
    alt="The AI 101 flow in three parts. One, prepare the groundwork: set up, load, look, prepare. "
    "Two, build and train: choose hyperparameters, stack layers, compile, fit. Three, evaluate "
    "and enhance: test, study the mistakes, change one thing and go back to part two.",
)
def three_parts():
    ax = page(
        910,
        "From data to a network in three parts",
        "The AI 101 flow. Part 1 you do once, parts 2 and 3 until the network is good enough.",
    )
    prepare = [
        ("Set up", "imports and a seed"),
        ("Load", "pictures and labels"),
        ("Look", "shapes, classes, samples"),
        ("Prepare", "scale, hold back a test set"),
    ]
    build = [
        ("Choose", "the hyperparameters"),
        ("Stack", "the layers"),
        ("Compile", "loss, optimizer, metric"),
        ("Fit", "forward, backward, step"),
    ]
    evaluate = [
        ("Test", "on pictures never seen"),
        ("Study", "the curves and the mistakes"),
        ("Enhance", "change one thing"),
        ("Keep", "save the best and use it"),
    ]
    for k, (colour, heading, steps) in enumerate(
        [
            (BLUE, ("Prepare the", "groundwork"), prepare),
            (VERMILLION, ("Build", "and train"), build),
            (GREEN, ("Evaluate", "and enhance"), evaluate),
        ]
    ):
        x = MARGIN + 520 * k
        box(ax, x, 170, 440, 560, colour, width=4, radius=22)
        badge(ax, x + 66, 240, 40, f"{k + 1}", TITLE, colour)
        for half, text in enumerate(heading):
            write(ax, x + 128, 222 + 38 * half, text, HEAD, bold=True, ha="left")
        line(ax, [(x + 66, 364), (x + 66, 652)], mix(colour, 0.5), 4)
        for s, (verb, what) in enumerate(steps):
            y = 346 + 96 * s
            circle(ax, x + 66, y + 18, 14, colour, fill=0, width=5)
            write(ax, x + 100, y, verb, BODY, colour, bold=True, ha="left")
            write(ax, x + 100, y + 36, what, SMALL, ha="left")
    for x in (MARGIN + 440, MARGIN + 960):
        arrow(ax, (x + 12, 450), (x + 68, 450), GREY, 6)
    arrow(ax, (1320, 744), (800, 744), GREEN, 6, bend=-0.18)
    write(ax, 1060, 838, "train again and compare", BODY, GREEN, bold=True)
    return ax.figure


def convolution(step: int, subtitle: str) -> Figure:
    """The kernel at position ``step`` of its way over the picture, row by row."""
    result = convolve(STROKE, KERNEL)
    r, c = divmod(step, result.shape[1])
    window = STROKE[r : r + 3, c : c + 3]
    cell, left, middle, top = 66, MARGIN, 850, 228
    right = WIDTH - MARGIN - 5 * cell
    ax = page(820, "Convolution", subtitle)
    write(ax, left + 3.5 * cell, 190, "picture, 7 × 7", BODY, BLUE, bold=True)
    write(ax, middle, 190, "kernel, 3 × 3", BODY, VERMILLION, bold=True)
    write(ax, right + 2.5 * cell, 190, "output, 5 × 5", BODY, GREEN, bold=True)

    def pixel(value, row, column):
        if r <= row < r + 3 and c <= column < c + 3:
            return (BLUE, PAPER) if value else (mix(VERMILLION, 0.12), INK)
        return (mix(BLUE, 0.4), INK) if value else (PAPER, GREY)

    def weight(value, row, column):
        return mix(VERMILLION, 0.2), INK

    def answer(value, row, column):
        if value is None:
            return mix(GREY, 0.04), GREY
        return (mix(GREEN, 0.1 + 0.8 * value / result.max()) if value > 0 else PAPER), INK

    grid(ax, left, top, cell, STROKE, pixel, gid="picture")
    grid(ax, middle - 1.5 * cell, top, cell, KERNEL, weight, gid="kernel")
    done = np.where(np.arange(result.size).reshape(result.shape) <= step, result, None)
    grid(ax, right, top, cell, done, answer, gid="output")
    corner = (left + c * cell, top + r * cell)
    square(ax, *corner, 3 * cell, 3 * cell, "none", edge=VERMILLION, width=9, zorder=4)
    corner = (right + c * cell, top + r * cell)
    square(ax, *corner, cell, cell, "none", edge=dark(GREEN), width=7, zorder=4)

    write(ax, 636, top + 1.5 * cell, "×", TITLE, GREY, bold=True)
    for k in range(3):
        y = 480 + 48 * k
        for j in range(3):
            x = 612 + 138 * j
            write(ax, x, y, f"{window[k, j]}×{factor(KERNEL[k, j], 0)}", BODY, mono=True, ha="left")
            write(ax, x + 112, y, "+" if j < 2 else "=", BODY, GREY, mono=True)
        total = int(window[k] @ KERNEL[k])
        write(ax, 1074, y, number(total, 0), BODY, bold=True, mono=True, ha="right")
    line(ax, [(1010, 606), (1082, 606)], GREY, 3)
    write(ax, 612, 644, "the nine products, added up", SMALL, GREY, ha="left")
    write(ax, 1074, 644, number(result[r, c], 0), TITLE, GREEN, bold=True, ha="right", gid="sum")
    arrow(ax, (1104, 644), (right + 2.5 * cell, top + 5 * cell + 12), GREEN, 5, bend=0.26)

    band(ax, 726, 60)
    write(ax, 84, 756, f"position {step + 1} of {result.size}", SMALL, bold=True, ha="left")
    note = "A large number says: a horizontal stroke is here. Training finds the kernel’s numbers."
    write(ax, 1516, 756, note, SMALL, ha="right")
    return ax.figure


@picture(
    "lab03-convolution.gif",
    labs="03",
    alt="Animation: a 3 × 3 kernel slides over a 7 × 7 picture of a seven. At each of 25 positions "
    "it multiplies nine pixels by its nine numbers and adds them up; the sums fill a 5 × 5 output "
    "that is largest along the horizontal stroke.",
    seconds=(3, 2, 2, *[1] * 21, 4),
)
def convolution_animation(step: int = 24):
    return convolution(step, "The kernel slides over the picture; every position gives one number.")


@picture(
    "lab03-convolution.png",
    labs="03",
    alt="One step of a convolution: nine pixels of a 7 × 7 picture of a seven are multiplied by "
    "the nine numbers of a 3 × 3 kernel, and the products are added up to one number of the 5 × 5 "
    "output map.",
)
def convolution_still():
    return convolution(8, "One step of many: nine pixels, nine kernel numbers, one number out.")


@picture(
    "lab03-max-pooling.png",
    labs="03",
    alt="Max pooling: a 4 × 4 grid of numbers is cut into four 2 × 2 blocks, each in its own "
    "colour, and only the largest number of each block is kept, which leaves a 2 × 2 grid.",
)
def max_pooling():
    ax = page(
        740,
        "Max pooling 2 × 2",
        "Keep the strongest answer of every block; forget exactly where in the block it was.",
    )
    colours = ((BLUE, VERMILLION), (PURPLE, GREEN))
    cell, gap, middle = 112, 14, 410
    largest = FEATURE_MAP.reshape(2, 2, 2, 2).max(axis=(1, 3))

    def cell_at(x, y, value, colour, strong):
        square(ax, x, y, cell, cell, mix(colour, 0.6 if strong else 0.14), width=4)
        size = TITLE if strong else HEAD
        write(ax, x + cell / 2, y + cell / 2, f"{value}", size, bold=strong)

    for r in range(4):
        for c in range(4):
            x = MARGIN + c * cell + gap * (c // 2)
            y = middle - 2 * cell - gap / 2 + r * cell + gap * (r // 2)
            strong = FEATURE_MAP[r, c] == largest[r // 2, c // 2]
            cell_at(x, y, FEATURE_MAP[r, c], colours[r // 2][c // 2], bool(strong))
    for r in range(2):
        for c in range(2):
            x, y = 800 + (cell + gap) * c, middle - cell - gap / 2 + (cell + gap) * r
            cell_at(x, y, largest[r, c], colours[r][c], True)
    arrow(ax, (560, middle), (760, middle), GREY, 7)
    write(ax, 656, middle - 40, "largest of", BODY)
    write(ax, 656, middle + 40, "each block", BODY)
    write(ax, MARGIN + 2 * cell + gap / 2, 680, "4 × 4", BODY, GREY, bold=True)
    write(ax, 800 + cell + gap / 2, 680, "2 × 2", BODY, GREY, bold=True)
    for k, (heading, text) in enumerate(
        [
            ("A quarter of the numbers", "less work for the layers after"),
            ("Small shifts matter less", "a stroke may move by a pixel"),
            ("Nothing to learn", "pooling has no weights"),
        ]
    ):
        y = middle + 130 * (k - 1)
        line(ax, [(1140, y - 34), (1140, y + 34)], GREY, 5)
        write(ax, 1166, y - 20, heading, BODY, bold=True, ha="left")
        write(ax, 1166, y + 20, text, SMALL, GREY, ha="left")
    return ax.figure


@picture(
    "lab03-cnn-layers.png",
    labs="03",
    alt="The layers of the CNN 30-60-90 as blocks: a 28 × 28 picture passes three 3 × 3 "
    "convolutions with 30, 60 and 90 kernels and two poolings, is flattened to 810 numbers, then "
    "dense 64, dropout and softmax 10. Below each block stand its output shape and parameters.",
)
def cnn_layers_picture():
    ax = page(
        1000,
        "The layers of the CNN 30-60-90",
        "On the way the maps get smaller and more numerous; at the end stand ten probabilities.",
    )
    layers = cnn_layers()
    first, step, middle, floor = 252, 136, 312, 872
    most = max(layer.parameters for layer in layers)
    details = {
        "Picture": "one digit",
        "Max pool": "2×2",
        "Flatten": "one row",
        "Dropout": "rate 0.5",
        "Softmax": "10 neurons",
    }
    line(ax, [(first, middle), (first + 9 * step, middle)], LINE, 8, zorder=0)
    for y, name in [(532, "layer"), (614, "output"), (684, "to learn")]:
        write(ax, MARGIN, y, name, SMALL, GREY, bold=True, ha="left")
    for y in (580, 648):
        line(ax, [(MARGIN, y), (WIDTH - MARGIN, y)], LINE, 3)
    line(ax, [(MARGIN, floor), (WIDTH - MARGIN, floor)], GREY, 3)
    for k, layer in enumerate(layers):
        x = first + step * k
        if layer.name == "Picture":
            show(ax, x - 56, middle - 56, 112, digit())
        elif len(layer.shape) == 3:
            _maps(ax, x, middle, layer)
        else:
            _neurons(ax, x, middle, layer)
        kernels = f"{layer.shape[-1]} {'kernels' if len(layer.shape) == 3 else 'neurons'}"
        write(ax, x, 514, layer.name, SMALL, bold=True)
        write(ax, x, 548, details.get(layer.name, kernels), SMALL, GREY)
        write(ax, x, 614, "×".join(map(str, layer.shape)), SMALL)
        if layer.parameters:
            write(ax, x, 684, f"{layer.parameters:,}", SMALL, VERMILLION, bold=True)
            high = max(4, 140 * layer.parameters / most)
            square(ax, x - 36, floor - high, 72, high, VERMILLION, width=0)
        else:
            write(ax, x, 684, "none", SMALL, GREY)
    band(ax, 900, 62, VERMILLION)
    total = sum(layer.parameters for layer in layers)
    sentence = f"{total:,} numbers to learn, weights and biases together"
    write(ax, 800, 931, sentence, BODY, VERMILLION, bold=True)
    return ax.figure


def _maps(ax, x, middle, layer):
    """A stack of square feature maps, seen from slightly above."""
    side, _, channels = layer.shape
    colour = VERMILLION if layer.name.startswith("Conv") else GREY
    size, depth = 3.6 * side + 8, 0.5 * channels
    left, top = x - (size + depth) / 2, middle - (size - depth) / 2
    right, base = left + size, top + size
    over, back, up = left + depth, right + depth, top - depth
    for corners, share in [
        ([(left, top), (over, up), (back, up), (right, top)], 0.3),
        ([(right, top), (back, up), (back, base - depth), (right, base)], 0.75),
        ([(left, top), (right, top), (right, base), (left, base)], 0.5),
    ]:
        ax.add_artist(Polygon(corners, facecolor=mix(colour, share), edgecolor=PAPER, lw=1.8))


def _neurons(ax, x, middle, layer):
    """A layer without height and width: a column of numbers."""
    square(ax, x - 26, middle - 152, 52, 304, PAPER, width=0, zorder=0.5)
    if layer.name == "Softmax":
        for k in range(10):
            y = middle - 145 + 29 * k
            square(ax, x - 22, y, 44, 29, mix(GREEN, 0.85 if k == 7 else 0.18), width=3)
            write(ax, x, y + 14.5, f"{k}", SMALL, bold=k == 7)
        return
    count = 27 if layer.name == "Flatten" else 16
    colour = VERMILLION if layer.name == "Dense" else GREY
    for k in range(count):
        off = layer.name == "Dropout" and k in (1, 3, 4, 7, 9, 10, 12, 15)
        shade = mix(colour, 0.14 if off else 0.65)
        square(ax, x - 14, middle + 11 * (k - count / 2), 28, 9, shade, width=0)


@picture(
    "lab03-overfitting.png",
    labs="03",
    alt="A sketch of two loss curves over the epochs: the training loss keeps falling, the "
    "validation loss falls at first and then rises again. Where they part, overfitting begins: "
    "from there on the network memorises instead of learning.",
)
def overfitting():
    ax = page(
        820,
        "Overfitting, a sketch",
        "The training loss keeps looking better. The validation loss tells you when to stop.",
    )
    x = np.linspace(0, 10, 201)
    train = 0.12 + 2.0 * np.exp(-0.45 * x)
    validation = train + 0.03 + 0.018 * x**1.9
    best = int(validation.argmin())
    place = chart(130, 180, 1150, 530, (0, 10), (0, 2.4))
    (across, down), (_, floor) = place(x[best], [validation[best], 0])
    square(ax, across, 180, 1280 - across, floor - 180, mix(PURPLE, 0.1), width=0)
    line(ax, place([0, 0, 10], [2.4, 0, 0]), GREY, 3)
    line(ax, [(across, 190), (across, floor - 8)], GREY, 4, dashed=True)
    line(ax, place(x, train), BLUE, 8, zorder=2)
    line(ax, place(x, validation), GREEN, 8, dashed=True, zorder=2)
    circle(ax, across, down, 14, GREEN, fill=0, width=6, zorder=3)
    write(ax, 705, 756, "epochs", SMALL, GREY)
    upright(ax, 96, 445, "loss")
    write(ax, (150 + across) / 2 + 40, 226, "learning", HEAD, bold=True)
    write(ax, (1280 + across) / 2, 226, "memorising", HEAD, PURPLE, bold=True)
    write(ax, across + 40, down - 164, "here they part: the best epoch", BODY, bold=True, ha="left")
    arrow(ax, (across + 90, down - 140), (across + 18, down - 22), INK)
    late = 180
    ends = place(x[late], [validation[late], train[late]])
    arrow(ax, (ends[0][0], ends[0][1] + 14), (ends[1][0], ends[1][1] - 14), PURPLE, both=True)
    gap = (ends[0][1] + ends[1][1]) / 2
    write(ax, ends[0][0] - 20, gap, "overfitting", BODY, PURPLE, bold=True, ha="right")
    for y, name, colour in [
        (train[-1], "training loss", BLUE),
        (validation[-1], "validation loss", GREEN),
    ]:
        write(ax, 1306, place(10, y)[0][1], name, BODY, colour, bold=True, ha="left")
    return ax.figure


# --------------------------------------------------------------------------- lab 04


@picture(
    "lab04-ten-classes.png",
    labs="04",
    alt="Three pictures of each of the ten classes, in groups. T-shirt, pullover, coat and shirt "
    "share one cut and differ in sleeves, collar and front. Dress and trouser are long, the three "
    "kinds of shoes all point to the left, and the bag stands alone.",
)
def ten_classes():
    ax = page(
        842,
        "Ten kinds of clothing, 28 × 28 pixels each",
        "Drawn by labkit in the manner of Fashion-MNIST: the numbers are the labels.",
    )
    groups = [
        (
            "one cut, four names",
            PURPLE,
            {0: (1, 3, 5), 2: (7, 5, 6), 4: (1, 5, 17), 6: (2, 7, 0)},
        ),
        ("long", GREY, {3: (0, 3, 10), 1: (0, 5, 6)}),
        ("shoes, all pointing left", GREY, {5: (0, 7, 8), 7: (3, 4, 10), 9: (0, 3, 9)}),
        ("a bag", GREY, {8: (2, 9, 14)}),
    ]
    x, side, gap = MARGIN, 122, 14
    for heading, colour, members in groups:
        wide = len(members) * (side + gap) + gap
        box(ax, x, 216, wide, 506, colour, width=4)
        write(ax, x + wide / 2, 184, heading, BODY, colour, bold=True)
        for k, (label, chosen) in enumerate(members.items()):
            name, pictures = list(clothes().items())[label]
            left = x + gap + k * (side + gap)
            for row, index in enumerate(chosen):
                show(ax, left, 230 + row * (side + gap), side, 1 - pictures[index])
            write(ax, left + side / 2, 656, f"{label}", BODY, bold=True)
            write(ax, left + side / 2, 692, name, SMALL)
        x += wide + 64 / 3
    band(ax, 746, 66)
    sentence = (
        "The same form as MNIST, pictures of 28 × 28 × 1 and labels from 0 to 9. Harder to tell."
    )
    write(ax, 800, 779, sentence, BODY)
    return ax.figure


@picture(
    "lab04-balanced-accuracy.png",
    labs="04",
    alt="A hundred test pictures, ninety trousers and ten shirts, and a network that always says "
    "trouser. Its accuracy is 90 %, because ninety answers of a hundred are right. Its balanced "
    "accuracy is 50 %, the mean of 100 % of the trousers and 0 % of the shirts.",
)
def balanced_accuracy():
    ax = page(
        902,
        "Accuracy and balanced accuracy",
        "A network that answers “trouser” to whatever it is shown, and how good that looks.",
    )
    side, cell, top = 48, 56, 236
    many, few = clothes()["Trouser"], clothes()["Shirt"]
    trousers, shirts = 90, 10
    write(
        ax,
        MARGIN,
        190,
        f"{trousers} trousers and {shirts} shirts",
        BODY,
        BLUE,
        bold=True,
        ha="left",
    )
    for k in range(trousers + shirts):
        row, column = divmod(k, 10)
        x, y = MARGIN + column * cell, top + row * cell
        right = k < trousers
        show(ax, x, y, side, 1 - (many[k % len(many)] if right else few[k % len(few)]))
        colour = GREEN if right else PURPLE
        square(ax, x, y, side, side, "none", edge=colour, width=4, zorder=2.2)
    accuracy = trousers / (trousers + shirts)
    shares = {"trousers": 1.0, "shirts": 0.0}

    def bar(y, name, share, note, size=BODY):
        write(ax, 720, y - 34, name, size, bold=True, ha="left")
        square(ax, 720, y, 560, 40, mix(GREY, 0.12), width=0)
        square(ax, 720, y, 560 * share, 40, GREEN, width=0)
        write(ax, 1300, y + 20, f"{100 * share:.0f} %", HEAD, bold=True, ha="left")
        write(ax, 1540, y - 34, note, SMALL, GREY, ha="right")

    bar(270, "accuracy", accuracy, f"{trousers} right answers of {trousers + shirts}", HEAD)
    line(ax, [(720, 370), (1540, 370)], LINE, 3)
    bar(444, "of the trousers", shares["trousers"], f"{trousers} of {trousers} right")
    bar(552, "of the shirts", shares["shirts"], f"0 of {shirts} right")
    balanced = sum(shares.values()) / len(shares)
    bar(684, "balanced accuracy", balanced, "the mean of the two", HEAD)

    band(ax, 812, 50)
    square(ax, 84, 827, 20, 20, "none", edge=GREEN, width=6)
    write(ax, 118, 837, "right", SMALL, ha="left")
    square(ax, 212, 827, 20, 20, "none", edge=PURPLE, width=6)
    write(ax, 246, 837, "wrong", SMALL, ha="left")
    note = "Every class counts the same, however few pictures of it there are."
    write(ax, 1516, 837, note, SMALL, bold=True, ha="right")
    return ax.figure


@picture(
    "lab04-model-files.png",
    labs="04",
    alt="Three kinds of model files. A .keras file is a zip archive with the layers as text, the "
    "numbers, and a note on who wrote it. An old .h5 file is one tree that holds the layers as "
    "text and every array under its name. A .weights.h5 file holds numbers only.",
)
def model_files():
    ax = page(
        850,
        "What is in a model’s file",
        "Two things make a network: the list of its layers, and the numbers it has learned.",
    )
    cards = [
        (
            ".keras",
            "today’s format: a zip archive",
            [
                ("config.json", "the layers, as text", BLUE),
                ("model.weights.h5", "the numbers", VERMILLION),
                ("metadata.json", "which Keras, and when", GREY),
            ],
            "save, load, predict",
        ),
        (
            ".h5",
            "the old format: one HDF5 tree",
            [
                ("model_config", "the layers, as text", BLUE),
                ("model_weights/…", "the numbers, by name", VERMILLION),
                ("optimizer_weights/…", "to go on training", GREY),
            ],
            "read it, do not write it",
        ),
        (
            ".weights.h5",
            "an HDF5 tree of numbers only",
            [
                ("layers/…", "the numbers, by name", VERMILLION),
                ("optimizer/…", "to go on training", GREY),
            ],
            "you build the layers yourself",
        ),
    ]
    for k, (ending, kind, parts, use) in enumerate(cards):
        x = MARGIN + 507 * k
        box(ax, x, 166, 466, 506, GREY, width=4, radius=22)
        write(ax, x + 32, 214, ending, TITLE, bold=True, mono=True, ha="left")
        write(ax, x + 32, 266, kind, SMALL, GREY, ha="left")
        for row, (name, holds, colour) in enumerate(parts):
            y = 306 + 100 * row
            box(ax, x + 28, y, 410, 84, colour, fill=0.16, width=3, radius=12)
            write(ax, x + 50, y + 28, name, SMALL, colour, bold=True, mono=True, ha="left")
            write(ax, x + 50, y + 60, holds, SMALL, ha="left")
        write(ax, x + 233, 640, use, BODY, bold=True)
    band(ax, 700, 112, PURPLE)
    write(ax, 84, 736, "Layers can be code.", BODY, PURPLE, bold=True, ha="left")
    first = "A stranger’s .keras or .h5 file may try to run something on your machine."
    write(ax, 366, 736, first, SMALL, ha="left")
    second = (
        "Keras’s safe mode refuses: leave it on, and keep Keras up to date. "
        "Numbers alone cannot run."
    )
    write(ax, 84, 780, second, SMALL, ha="left")
    return ax.figure


# --------------------------------------------------------------------------- lab 05


@picture(
    "lab05-colour.png",
    labs="05",
    alt="A picture of a green frog is three tables of 32 × 32 numbers, for red, green and blue. A "
    "kernel has nine numbers for each of the three, 27 in all. The 27 products are added up to a "
    "single number, which is large where the picture is green.",
)
def colour():
    ax = page(
        926,
        "A picture in colour, and a kernel over it",
        "32 × 32 × 3: one table for red, one for green, one for blue. The kernel is as deep.",
    )
    picture, (row, column), side, top = frog(), PATCH, 196, 196
    middle = top + 1.5 * 216 - 10

    def paint(values, x, y, size):
        extent = (x, x + size, y + size, y)
        ax.imshow(values, extent=extent, interpolation="nearest", aspect="auto", zorder=2)
        square(ax, x, y, size, size, "none", edge=GREY, width=3, zorder=2.1)
        pixel = size / 32
        place = (x + column * pixel, y + row * pixel, 3 * pixel, 3 * pixel)
        square(ax, *place, "none", edge=PAPER, width=4, zorder=2.2, gid=KEEP)

    # A file has 256 colours in all; the photograph and its channels leave some for the text.
    few = Image.fromarray(picture).quantize(72).convert("RGB")
    write(ax, MARGIN + 136, middle - 172, "one picture", BODY, BLUE, bold=True)
    paint(np.asarray(few), MARGIN, middle - 136, 272)
    write(ax, MARGIN + 136, middle + 168, "the white frame:", SMALL, GREY)
    write(ax, MARGIN + 136, middle + 198, "3 × 3 pixels", SMALL, GREY)
    for x, text, hue in (
        (532, "its channels", BLUE),
        (807, "27 numbers", BLUE),
        (1057, "one kernel", VERMILLION),
        (1266, "sums", GREY),
    ):
        write(ax, x, 170, text, BODY, hue, bold=True)
    total = 0
    for k, (name, (patch, kernel, products)) in enumerate(
        zip(("red", "green", "blue"), colour_sums(), strict=True)
    ):
        y = top + 216 * k
        channel = np.zeros_like(picture)
        channel[..., k] = picture[..., k] // 8 * 8
        paint(channel, 434, y, side)
        write(ax, 412, y + side / 2, name, SMALL, ha="right")
        cell, upper = 62, y + (side - 3 * 62) / 2
        grid(ax, 714, upper, cell, patch, lambda v, r, c: (mix(BLUE, 0.1), INK), gid=f"patch {k}")
        write(ax, 932, y + side / 2, "×", HEAD, GREY)
        kind = mix(VERMILLION, 0.1)
        grid(ax, 964, upper, cell, kernel, lambda v, r, c, k=kind: (k, INK), gid=f"kernel {k}")
        write(ax, 1176, y + side / 2, "=", HEAD, GREY)
        sign = f"{products:,}".replace("-", "−")
        write(ax, 1316, y + side / 2, sign, HEAD, bold=True, ha="right", gid=f"products {k}")
        arrow(ax, (1336, y + side / 2), (1420, middle + 34 * (k - 1)), GREY, 3)
        total += products
    circle(ax, 1484, middle, 58, GREEN)
    write(ax, 1484, middle, f"{total:,}", HEAD, bold=True, gid="sum")
    write(ax, 1484, middle - 92, "one number", BODY, GREEN, bold=True)
    write(ax, 1484, middle + 90, "and a bias", SMALL, GREY)
    band(ax, 836, 50)
    sentence = "This kernel asks for green: in a grey picture, the three sums would cancel out."
    write(ax, 800, 861, sentence, BODY)
    return ax.figure


@picture(
    "lab05-batch-norm.png",
    labs="05",
    alt="Batch normalisation of two maps over a batch of four pictures. The values of the first "
    "run from 3 to 17, those of the second from 0.15 to 0.85. Minus the mean, divided by the "
    "standard deviation, both run from −1.4 to 1.4. Then each map has its own learned scale and "
    "shift.",
)
def batch_norm():
    ax = page(
        850,
        "Batch normalisation",
        "A batch of four pictures, and what two maps of a convolution say of them.",
    )
    cards = [
        ("1 · what arrives", BLUE, BATCH, 2),
        ("2 · the same spread", GREY, normalised(BATCH), 1),
        ("3 · the spread that helps", VERMILLION, GAMMA * normalised(BATCH) + BETA, 1),
    ]
    for k, (heading, hue, values, digits) in enumerate(cards):
        x = MARGIN + 527 * k
        box(ax, x, 166, 426, 586, hue, width=4, radius=22)
        write(ax, x + 213, 206, heading, BODY, hue, bold=True)
        for c in range(2):
            left = x + (126 if c == 0 else 272)
            write(ax, left + 65, 256, f"map {c + 1}", SMALL, GREY)
            for r in range(4):
                square(ax, left, 282 + 66 * r, 130, 58, mix(hue, 0.16), width=0)
                text = number(values[r, c], 0 if k == 0 and c == 0 else digits)
                place = (left + 65, 311 + 66 * r)
                write(ax, *place, text, BODY, bold=True, gid=f"card {k} {r} {c}")
        for r in range(4):
            write(ax, x + 68, 311 + 66 * r, f"picture {r + 1}", SMALL, GREY)
        line(ax, [(x + 24, 564), (x + 402, 564)], LINE, 3)
    facts = [
        [("mean", BATCH.mean(axis=0)), ("spread", BATCH.std(axis=0))],
        [("mean", (0, 0)), ("spread", (1, 1))],
        [("scale", GAMMA), ("shift", BETA)],
    ]
    done = ("two maps, two scales", "minus mean, divided by spread", "× scale, + shift: learned")
    for k, rows in enumerate(facts):
        x = MARGIN + 527 * k
        for r, (name, values) in enumerate(rows):
            y = 602 + 46 * r
            write(ax, x + 68, y, name, SMALL, GREY)
            for c, value in enumerate(values):
                text = f"{value:g}"
                write(ax, x + (191 if c == 0 else 337), y, text, BODY, gid=f"{name} {k} {c}")
        write(ax, x + 213, 714, done[k], SMALL, bold=True)
        if k:
            arrow(ax, (x - 88, 410), (x - 14, 410), GREY, 5)
    band(ax, 776, 50)
    sentence = "Spread: the standard deviation. A batch has more than four pictures, usually 32."
    write(ax, 800, 801, sentence, BODY)
    return ax.figure


# --------------------------------------------------------------------------- lab 06


@functools.cache
def pets() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Six cats and six dogs of the sample in 96 colours, 64 × 64 × 3."""
    drawn = samples.draw("cats_and_dogs")
    chosen = [drawn.x_test[drawn.y_test == label][:6] for label in (0, 1)]
    strip = Image.fromarray(np.concatenate([*chosen[0], *chosen[1]], axis=1))
    pictures = np.split(np.asarray(strip.quantize(96).convert("RGB")), 12, axis=1)
    return pictures[:6], pictures[6:]


@picture(
    "lab06-folders.png",
    labs="06",
    alt="Two layouts of the same photographs. On the left the folders train and validation, on "
    "the right data/training and data/validation. In each lie a folder cats and a folder dogs "
    "with the pictures. The name of the innermost folder is the label: cats is 0, dogs is 1.",
)
def folders():
    ax = page(
        900,
        "A folder for each class",
        "The name of the folder is the label. Both layouts are in use, and mean the same.",
    )
    cats, dogs = pets()
    layouts = [
        ("cats_and_dogs", ("train", "validation"), None),
        ("my_pictures", ("training", "validation"), "data"),
    ]
    for k, (root, parts, inner) in enumerate(layouts):
        x, y = MARGIN + 760 * k, 166
        box(ax, x, y, 720, 620, GREY, width=4, radius=22)
        _folder(ax, x + 30, y + 26, root, GREY)
        step = 44 if inner else 0
        if inner:
            _folder(ax, x + 30 + step, y + 82, inner, GREY)
        for p, part in enumerate(parts):
            # Without the folder in between there is air to spread.
            top = y + (138 + 240 * p if inner else 98 + 260 * p)
            colour = (BLUE, GREEN)[p]
            _folder(ax, x + 74 + step, top, part, colour)
            for c, (name, pictures) in enumerate((("cats", cats), ("dogs", dogs))):
                down = top + 56 + 88 * c
                _folder(ax, x + 118 + step, down + 16, name, VERMILLION)
                for i, pixels in enumerate(pictures[:4] if p == 0 else pictures[4:]):
                    left = x + 276 + step + 86 * i
                    extent = (left, left + 76, down + 76, down)
                    ax.imshow(
                        pixels, extent=extent, interpolation="bilinear", aspect="auto", zorder=2
                    )
                    square(ax, left, down, 76, 76, "none", edge=GREY, width=2, zorder=2.1)
                if p == 0:
                    write(ax, x + 276 + step + 86 * 4 + 16, down + 38, "…", BODY, GREY)
    band(ax, 812, 60)
    write(ax, 84, 842, "blue", SMALL, BLUE, bold=True, ha="left")
    write(ax, 142, 842, "to learn from,", SMALL, ha="left")
    write(ax, 304, 842, "green", SMALL, GREEN, bold=True, ha="left")
    write(ax, 380, 842, "to test with,", SMALL, ha="left")
    write(ax, 520, 842, "orange", SMALL, VERMILLION, bold=True, ha="left")
    write(ax, 612, 842, "the class:", SMALL, ha="left")
    note = "in alphabetical order, cats are 0 and dogs are 1."
    write(ax, 732, 842, note, SMALL, bold=True, ha="left")
    return ax.figure


def _folder(ax, x, y, name, colour):
    """A folder and its name; top left corner at x, y."""
    box(ax, x, y, 20, 14, colour, fill=0.5, width=2.4, radius=4)
    box(ax, x, y + 6, 44, 32, colour, fill=0.3, width=2.4, radius=5)
    write(ax, x + 58, y + 22, name, BODY, colour, bold=True, mono=True, ha="left")


@picture(
    "lab06-threshold.png",
    labs="06",
    alt="The sigmoid is a curve in the shape of an S. It turns any sum into a probability between "
    "0 and 1 that the picture shows a dog. A line at 0.5 divides the answers: dog above, cat "
    "below. A line at exactly 1 is never reached, so that everything would be called a cat.",
)
def threshold():
    ax = page(
        860,
        "Sigmoid and threshold",
        "One neuron at the end: its sum becomes the probability of a dog, and a threshold decides.",
    )
    x, y, w, h = 190, 216, 850, 460
    place = chart(x, y, w, h, (-8, 8), (0, 1))
    sums = np.linspace(-8, 8, 161)
    square(ax, x, y, w, h / 2, mix(GREEN, 0.10), width=0, zorder=0.5)
    square(ax, x, y + h / 2, w, h / 2, mix(BLUE, 0.10), width=0, zorder=0.5)
    line(ax, place([-8, 8], [0, 0]), GREY, 3)
    line(ax, place([0, 0], [0, 1]), LINE, 3)
    line(ax, place(sums, 1 / (1 + np.exp(-sums))), INK, 7, zorder=2)
    line(ax, place([-8, 8], [0.5, 0.5]), VERMILLION, 5, dashed=True, zorder=1.5)
    line(ax, place([-8, 8], [1, 1]), PURPLE, 5, dashed=True, zorder=1.5)
    for value in (-4, -2, 0, 2, 4):
        probability = float(1 / (1 + np.exp(-value)))
        (point,) = place([value], [probability])
        circle(ax, *point, 9, INK, fill=1, width=0, zorder=3)
        text = number(probability)
        low = value < 0  # beside the curve, on the side that is free
        right = point[0] + (-18 if low else 22)
        over = point[1] + (-26 if low else 30)
        side = "right" if low else "left"
        write(ax, right, over, text, BODY, bold=True, ha=side, gid=f"p {value}")
    for value in (-8, -4, -2, 0, 2, 4, 8):
        (point,) = place([value], [0])
        write(ax, point[0], point[1] + 30, number(value, 0), SMALL, GREY)
    for value in (0, 0.5, 1):
        (point,) = place([-8], [value])
        write(ax, point[0] - 18, point[1], f"{value:g}", SMALL, GREY, ha="right")
    write(ax, x + w / 2, y + h + 68, "the sum of the last neuron", SMALL, GREY)
    upright(ax, 112, y + h / 2, "probability of a dog")
    write(ax, x + 24, y + 40, "dog", HEAD, GREEN, bold=True, ha="left")
    write(ax, x + 24, y + h - 40, "cat", HEAD, BLUE, bold=True, ha="left")
    box(ax, 1092, 186, 448, 210, PURPLE, width=4)
    write(ax, 1118, 226, "said == 1", BODY, PURPLE, bold=True, mono=True, ha="left")
    for i, text in enumerate(
        ("The curve comes close to 1 and", "does not arrive: every dog", "is called a cat.")
    ):
        write(ax, 1118, 278 + 40 * i, text, BODY, ha="left")
    box(ax, 1092, 426, 448, 250, VERMILLION, width=4)
    write(ax, 1118, 466, "said >= 0.5", BODY, VERMILLION, bold=True, mono=True, ha="left")
    for i, text in enumerate(
        (
            "Half of the way: the more",
            "probable answer wins. Move the",
            "line down to find more dogs,",
            "up to spare more cats.",
        )
    ):
        write(ax, 1118, 518 + 40 * i, text, BODY, ha="left")
    band(ax, 778, 56)
    note = "sigmoid(s) = 1 / (1 + e⁻ˢ): any number in, a number between 0 and 1 out."
    write(ax, 800, 806, note, BODY)
    return ax.figure


# --------------------------------------------------------------------------- lab 07


@functools.cache
def things() -> list[np.ndarray]:
    """A picture of each class of the sample's CIFAR-10, in 64 colours, 32 × 32 × 3."""
    drawn = samples.draw("cifar10")
    chosen = [drawn.x_test[drawn.y_test == k][1] for k in range(len(drawn.class_names))]
    strip = Image.fromarray(np.concatenate(chosen, axis=1)).quantize(64).convert("RGB")
    return np.split(np.asarray(strip), len(chosen), axis=1)


@picture(
    "lab07-transfer.png",
    labs="07",
    alt="Transfer learning. A backbone turns a picture into features; the head on top of it names "
    "the classes. The backbone, trained on many pictures of other things, is kept and frozen; the "
    "old head is taken off, and a small new one is trained on your pictures.",
)
def transfer():
    ax = page(
        900,
        "Transfer learning",
        "Seeing is learned once, from many pictures. A new use takes few pictures and a new head.",
    )
    cats, dogs = pets()
    others = [things()[k] for k in (0, 1, 2, 4, 6, 7, 8, 9)]  # neither cat nor dog
    rows = [
        (190, "many pictures of other things", others, VERMILLION),
        (540, "your pictures, a few", [*cats[:2], *dogs[:2], *cats[3:5], *dogs[3:5]], GREY),
    ]
    for y, heading, shown, colour in rows:
        write(ax, MARGIN, y, heading, BODY, BLUE, bold=True, ha="left")
        for i, pixels in enumerate(shown):
            left, top = MARGIN + 92 * (i % 4), y + 34 + 92 * (i // 4)
            extent = (left, left + 84, top + 84, top)
            ax.imshow(pixels, extent=extent, interpolation="bilinear", aspect="auto", zorder=2)
            square(ax, left, top, 84, 84, "none", edge=GREY, width=2, zorder=2.1)
        middle = y + 122
        arrow(ax, (444, middle), (506, middle), BLUE, 5)
        box(ax, 520, y + 28, 400, 190, colour, width=4, fill=0.1)
        for i, high in enumerate((156, 124, 94, 68)):
            for k in range(3):  # maps: fewer pixels, and more of them
                shade = mix(colour, 0.2 + 0.15 * k)
                left, top = 548 + 92 * i + 12 * k, y + 123 - high / 2 + 7 * k
                square(ax, left, top, 44, high - 14, shade, edge=colour, width=2)
        arrow(ax, (934, middle), (992, middle), GREY, 5)
        for i in range(7):
            share = (0.9, 0.2, 0.5, 0.05, 0.7, 0.3, 0.6)[i]
            square(ax, 1006, y + 24 + 28 * i, 34, 28, mix(INK, share), edge=GREY, width=2)
        arrow(ax, (1054, middle), (1112, middle), GREY, 5)
    write(ax, 720, 186, "backbone", BODY, VERMILLION, bold=True)
    write(ax, 1023, 190, "features", SMALL, GREY)
    box(ax, 1126, 214, 414, 196, GREY, width=4, fill=0.05)
    write(ax, 1333, 272, "old head", BODY, GREY, bold=True)
    write(ax, 1333, 312, "1,000 names of ImageNet,", SMALL, GREY)
    write(ax, 1333, 344, "or ten of another data set", SMALL, GREY)
    badge(ax, 1532, 222, 26, "×", HEAD, PURPLE)
    write(ax, 1333, 446, "taken off", SMALL, PURPLE, bold=True)
    arrow(ax, (720, 428), (720, 500), VERMILLION, 7)
    write(ax, 744, 462, "copied, with all that it has learned", SMALL, VERMILLION, ha="left")
    write(ax, 720, 536, "backbone, frozen", BODY, GREY, bold=True)
    write(ax, 1023, 540, "features", SMALL, GREY)
    box(ax, 1126, 564, 414, 196, VERMILLION, width=4, fill=0.16)
    write(ax, 1333, 622, "new head", BODY, VERMILLION, bold=True)
    write(ax, 1333, 662, "one dense layer: cats, dogs", SMALL)
    write(ax, 1333, 700, "the only part that is trained", SMALL, bold=True)
    band(ax, 806, 60)
    sentence = "Later, with a small rate, the backbone may be trained along: fine-tuning."
    write(ax, 800, 836, sentence, BODY)
    return ax.figure


@picture(
    "lab07-grad-cam.png",
    labs="07",
    alt="Grad-CAM. The last maps of the backbone, each with a weight that says how much the "
    "class's score grows with it, are added up; what is below zero is cut off, and the result is "
    "enlarged and laid over the picture as a heat map.",
)
def grad_cam():
    ax = page(
        870,
        "Grad-CAM: where the answer comes from",
        "Three small maps instead of hundreds. The numbers are made up, the sums are right.",
    )
    total, heat = grad_cam_sums()
    picture, cell = pets()[1][1], 44
    side = 4 * cell
    middle = 486

    def paint(x, y, laid_over=None):
        pixels = picture / 255
        if laid_over is not None:
            large = np.asarray(
                Image.fromarray((255 * laid_over / laid_over.max()).astype(np.uint8)).resize(
                    (64, 64), Image.Resampling.BILINEAR
                )
            )
            hot = (large // 16 * 16 / 255)[..., None]
            grey = 0.35 + 0.65 * (pixels.mean(axis=-1, keepdims=True) * 16).round() / 16
            pixels = (1 - 0.85 * hot) * grey + 0.85 * hot * np.array(to_rgb(VERMILLION))
        extent = (x, x + 190, y + 190, y)
        ax.imshow(pixels, extent=extent, interpolation="bilinear", aspect="auto", zorder=2)
        square(ax, x, y, 190, 190, "none", edge=GREY, width=3, zorder=2.1)

    def numbers(x, y, values, gid):
        def tint(value, r, c):
            colour = VERMILLION if value > 0 else BLUE
            return mix(colour, min(0.85, 0.1 * abs(value))), INK if value else GREY

        grid(ax, x, y, cell, values, tint, gid=gid)

    write(ax, 155, middle - 136, "the picture", BODY, BLUE, bold=True)
    paint(MARGIN, middle - 95)
    arrow(ax, (266, middle), (382, middle), GREY, 5)
    write(ax, 322, middle - 34, "backbone", SMALL, GREY)
    write(ax, 484, 172, "its last maps", BODY, bold=True)
    write(ax, 664, 172, "weights", BODY, VERMILLION, bold=True)
    for k, (values, weight) in enumerate(zip(CAM_MAPS, CAM_WEIGHTS, strict=True)):
        y = 208 + 190 * k
        numbers(396, y, values, f"map {k}")
        pill(ax, 664, y + side / 2, f"× {number(weight, 0)}", VERMILLION, HEAD, gid=f"weight {k}")
        arrow(ax, (726, y + side / 2), (792, middle + 60 * (k - 1)), GREY, 4)
    write(ax, 894, middle - 136, "added up", BODY, bold=True)
    numbers(806, middle - side / 2, total, "total")
    arrow(ax, (996, middle), (1048, middle), GREY, 5)
    write(ax, 1150, middle - 136, "above zero", BODY, bold=True)
    numbers(1062, middle - side / 2, heat, "heat")
    arrow(ax, (1252, middle), (1326, middle), GREY, 5)
    write(ax, 1435, middle - 136, "laid over it", BODY, VERMILLION, bold=True)
    paint(1340, middle - 95, heat)
    write(ax, 1435, middle + 136, "enlarged: a blur", SMALL, GREY)
    write(ax, 894, middle + 136, "orange: for the class", SMALL, GREY)
    write(ax, 894, middle + 168, "blue: against it", SMALL, GREY)
    band(ax, 796, 50)
    sentence = "A weight says how much the class’s score grows with its map: the mean gradient."
    write(ax, 800, 821, sentence, BODY)
    return ax.figure


# --------------------------------------------------------------------------- lab 08


GRASSES = ("Black-grass", "Common wheat", "Loose Silky-bent", "Maize")


@functools.cache
def seedlings() -> dict[str, np.ndarray]:
    """Two test pictures of each species of the sample in 48 colours, side by side."""
    drawn = samples.draw("plant_seedlings")
    chosen = [drawn.x_test[drawn.y_test == k][[3, 9]] for k in range(len(drawn.class_names))]
    strip = Image.fromarray(np.concatenate(np.concatenate(chosen), axis=1))
    pairs = np.split(np.asarray(strip.quantize(48, kmeans=6).convert("RGB")), len(chosen), axis=1)
    return dict(zip(drawn.class_names, pairs, strict=True))


@picture(
    "lab08-twelve-species.png",
    labs="08",
    alt="Two drawn pictures of each of the twelve species, seen from above on gravel. Four are "
    "grasses with long blades: Black-grass, Common wheat, Loose Silky-bent and Maize. The "
    "others have broader leaves, round, lobed or divided, two when young and more later.",
)
def twelve_species():
    ax = page(
        1010,
        "Twelve species, a few days old",
        "Drawn by labkit in the manner of the Plant Seedlings data: three crops, nine weeds.",
    )
    side, wide, high = 162, 352, 236
    for k, (name, pair) in enumerate(seedlings().items()):
        x, y = MARGIN + 376 * (k % 4), 160 + 252 * (k // 4)
        colour = VERMILLION if name in GRASSES else GREEN
        box(ax, x, y, wide, high, colour, width=4)
        extent = (x + 14, x + 14 + 2 * side, y + 14 + side, y + 14)
        ax.imshow(pair, extent=extent, interpolation="nearest", aspect="auto", zorder=2)
        line(ax, [(x + wide / 2, y + 14), (x + wide / 2, y + 14 + side)], PAPER, 6, zorder=2.1)
        write(ax, x + wide / 2, y + 206, name, SMALL, bold=True)
    band(ax, 926, 56)
    square(ax, 84, 943, 22, 22, "none", edge=VERMILLION, width=6)
    write(ax, 120, 954, "grasses", SMALL, ha="left")
    square(ax, 246, 943, 22, 22, "none", edge=GREEN, width=6)
    write(ax, 282, 954, "broad leaves", SMALL, ha="left")
    note = "The crops are Common wheat, Maize and Sugar beet. The others are weeds."
    write(ax, 1516, 954, note, SMALL, bold=True, ha="right")
    return ax.figure


# A leaf in the light, the same in the shade, and two stones: red, green, blue, 0 to 255.
COLOURS = {
    "a leaf in the light": (126, 180, 66),
    "the same in the shade": (63, 90, 33),
    "a brown stone": (160, 120, 88),
    "a grey stone": (118, 122, 116),
}
LEAF_HUES, LEAF_SATURATION = (0.15, 0.5), 0.15


@picture(
    "lab08-hsv.png",
    labs="08",
    alt="The circle of hues, from red at 0 over yellow, green, cyan, blue and magenta back to red. "
    "Leaves lie between 0.15 and 0.5. A leaf in the light and the same leaf in the shade differ in "
    "red, green and blue, and agree in hue. Brown stone has another hue, grey stone no saturation.",
)
def hsv():
    ax = page(
        850,
        "Colour as hue, saturation and value",
        "Which colour, how strong, how bright: a leaf keeps its hue in the shade.",
    )
    x, y, outer, inner, steps = 390, 478, 250, 150, 96

    def at(hue, radius):
        turn = 2 * np.pi * hue  # red on the right, then against the clock
        return x + radius * np.cos(turn), y - radius * np.sin(turn)

    for k in range(steps):
        ends = (k / steps, (k + 1) / steps)
        corners = [at(h, outer) for h in ends] + [at(h, inner) for h in ends[::-1]]
        colour = hsv_to_rgb((k / steps, 0.85, 0.9))
        ax.add_artist(Polygon(corners, facecolor=colour, edgecolor=colour, lw=0.6, gid=KEEP))
    hues = np.linspace(*LEAF_HUES, 60)
    line(ax, [at(h, outer + 18) for h in hues], INK, 10)
    for hue in LEAF_HUES:
        line(ax, [at(hue, inner), at(hue, outer + 18)], INK, 5)
    for hue, name in enumerate(("red", "yellow", "green", "cyan", "blue", "magenta")):
        write(ax, *at(hue / 6, 100), name, SMALL, GREY)
    for hue in (0, *LEAF_HUES):
        place = at(hue, outer + 60)
        write(ax, *place, f"{hue:g}", BODY, bold=hue in LEAF_HUES, gid=f"hue {hue:g}")
    write(ax, *at(0.3, outer + 62), "leaves", BODY, GREEN, bold=True)
    write(ax, 880, 196, "red, green, blue", SMALL, GREY, ha="left")
    for column, head in ((1200, "hue"), (1326, "saturation"), (1452, "value")):
        write(ax, column, 196, head, SMALL, GREY)
    for row, (name, rgb) in enumerate(COLOURS.items()):
        down = 226 + 128 * row
        box(ax, 760, down, 780, 112, GREY, width=0)
        square(ax, 778, down + 16, 80, 80, to_hex(np.array(rgb) / 255), width=0, gid=KEEP)
        write(ax, 880, down + 34, name, BODY, bold=True, ha="left")
        write(ax, 880, down + 80, ", ".join(map(str, rgb)), BODY, GREY, ha="left", gid=f"rgb {row}")
        hue, saturation, value = rgb_to_hsv(np.array(rgb) / 255)
        green = LEAF_HUES[0] < hue < LEAF_HUES[1]
        strong = saturation > LEAF_SATURATION
        for column, part, number_, good in (
            (1200, "hue", hue, green),
            (1326, "saturation", saturation, strong),
            (1452, "value", value, None),
        ):
            colour = GREY if good is None else GREEN if good else VERMILLION
            text = number(number_)
            write(ax, column, down + 80, text, BODY, colour, bold=True, gid=f"{part} {row}")
    band(ax, 766, 56)
    note = "A pixel counts as a leaf if its hue lies in the range and its saturation is above 0.15."
    write(ax, 800, 794, note, BODY)
    return ax.figure


SPECKLED = np.array(  # a leaf with a hole and a thin stalk, and two specks
    [
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0],
        [0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0],
        [0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0],
        [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1],
        [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
    ],
    dtype=bool,
)


@picture(
    "lab08-opening-closing.png",
    labs="08",
    alt="Three grids. The mask of a leaf has a hole, a thin stalk and two specks beside it. "
    "Opening removes the specks, and the stalk of one pixel with them. Closing fills the hole and "
    "leaves the rest as it is.",
)
def opening_closing():
    ax = page(
        760,
        "Opening and closing",
        "Two ways to mend a mask: take away what is too small, fill what is too narrow.",
    )
    opened = ndimage.binary_opening(SPECKLED, np.ones((2, 2)))
    closed = ndimage.binary_closing(opened, np.ones((3, 3)))
    steps = [
        ("what is green", "a hole, a stalk, two specks", SPECKLED, SPECKLED),
        ("after opening", "2 × 2 has to fit: specks go, the stalk too", SPECKLED, opened),
        ("after closing", "where 3 × 3 cannot fit in, it is filled", opened, closed),
    ]
    cell = 40
    for k, (heading, note, before, after) in enumerate(steps):
        x, y = MARGIN + 520 * k, 222
        write(ax, x + 5.5 * cell, 184, heading, HEAD, bold=True)
        for (r, c), there in np.ndenumerate(after):
            gone, new = before[r, c] and not there, there and not before[r, c]
            face = GREEN if there else mix(PURPLE, 0.12) if gone else PAPER
            face = dark(VERMILLION) if new else face
            square(ax, x + c * cell, y + r * cell, cell, cell, face, edge=LINE, width=2.5)
            if gone or new:
                place = (x + (c + 0.5) * cell, y + (r + 0.5) * cell)
                write(ax, *place, "−" if gone else "+", BODY, PURPLE if gone else PAPER, bold=True)
        write(ax, x + 5.5 * cell, y + 9 * cell + 40, note, SMALL, GREY)
        if k:
            arrow(ax, (x - 70, y + 4.5 * cell), (x - 12, y + 4.5 * cell), GREY, 5)
    band(ax, 674, 56)
    note = "Opening: erode, then dilate. Closing: dilate, then erode. The large shape stays."
    write(ax, 800, 702, note, BODY)
    return ax.figure


# --------------------------------------------------------------------------- lab 09


# How good a trial is, a sketch: one hyperparameter matters much, the other hardly at all.
PEAK, PEAK_WIDTH, SLOPE = 0.66, 0.09, 0.06


def trial_score(matters, hardly):
    """The score of a trial from the two hyperparameters, each from 0 to 1."""
    return 0.2 + 0.74 * np.exp(-(((matters - PEAK) / PEAK_WIDTH) ** 2) / 2) + SLOPE * hardly


def nine_on_a_grid() -> np.ndarray:
    """Three values of each, every combination: ``(9, 2)``."""
    values = np.array([1, 3, 5]) / 6
    return np.array([(a, b) for b in values for a in values])


def nine_by_chance() -> np.ndarray:
    """Nine random places that keep a little apart, as one draws them to be seen: ``(9, 2)``."""
    rng = np.random.default_rng(5)
    across = (np.arange(9) + rng.uniform(0.2, 0.8, 9)) / 9
    return np.stack([across, (rng.permutation(9) + rng.uniform(0.4, 0.8, 9)) / 9.6], axis=1)


@picture(
    "lab09-grid-random.png",
    labs="09",
    alt="A grid of nine trials and nine random trials over two hyperparameters, of which only one "
    "matters. The grid tries three values of the one that matters, three times each. Chance tries "
    "nine different values of it, and one of them comes close to the peak.",
)
def grid_random():
    ax = page(
        992,
        "Nine trials: a grid, and chance",
        "A sketch. One hyperparameter matters much, the other hardly at all; nobody knows which.",
    )
    sides = [("a grid", nine_on_a_grid(), BLUE), ("by chance", nine_by_chance(), VERMILLION)]
    side, floor = 500, 330
    for k, (name, trials, colour) in enumerate(sides):
        x, y = 180 + 740 * k, 370
        over = chart(x, 190, side, floor - 190, (0, 1), (0.15, 1.05))
        inside = chart(x, y, side, 430, (0, 1), (0, 1))
        at = np.linspace(0, 1, 201)
        values = trial_score(trials[:, 0], trials[:, 1])
        best = int(values.argmax())
        line(ax, [(x, floor), (x + side, floor)], GREY, 3)
        line(ax, over(at, trial_score(at, 0.5)), GREEN, 6)
        square(ax, x, y, side, 430, mix(GREY, 0.05), edge=GREY, width=3, zorder=0.5)
        for i, place in enumerate(trials):
            (dot,) = inside([place[0]], [place[1]])
            (top,) = over([place[0]], [trial_score(place[0], 0.5)])
            line(ax, [dot, (dot[0], floor)], mix(colour, 0.45), 3, zorder=0.8)
            circle(ax, *top, 9, colour, fill=1, width=0, zorder=3)
            circle(ax, *dot, 17 if i == best else 13, colour, fill=1, width=0, zorder=3)
            if i == best:
                circle(ax, *dot, 27, colour, fill=0, width=5, zorder=2)
        write(ax, x + side / 2, 166, name, HEAD, colour, bold=True)
        different = len(np.unique(trials[:, 0].round(6)))
        write(ax, x + side / 2, y + 462, "the hyperparameter that matters", SMALL, GREY)
        text = f"{different} different values of it, the best score {number(values[best])}"
        write(ax, x + side / 2, y + 500, text, BODY, bold=True)
        upright(ax, x - 34, y + 215, "the one that hardly matters")
        upright(ax, x - 34, 260, "score")
    band(ax, 902, 50)
    note = "After Bergstra and Bengio (2012). Lines mark values that were tried, rings the best."
    write(ax, 800, 927, note, SMALL)
    return ax.figure


RUNGS = (2, 4, 8)  # the epochs after which trials are compared; the last one ends them


def halving_curves() -> np.ndarray:
    """The score of eight trials after each of eight epochs, a sketch: ``(8, 9)`` from epoch 0."""
    epochs = np.arange(9)
    tops = np.array([0.93, 0.83, 0.79, 0.72, 0.6, 0.48, 0.36, 0.24])
    speeds = np.array([0.6, 0.75, 0.5, 0.45, 0.35, 0.4, 0.4, 0.4])
    return 0.1 + (tops[:, None] - 0.1) * (1 - np.exp(-speeds[:, None] * epochs))


def halving(scores: np.ndarray) -> list[int]:
    """How many epochs each trial is given when the better half goes on at each rung."""
    alive, given = list(range(len(scores))), [0] * len(scores)
    for rung in RUNGS:
        for trial in alive:
            given[trial] = rung
        alive.sort(key=lambda trial: -scores[trial, rung])
        alive = alive[: len(alive) // 2]
    return given


@picture(
    "lab09-halving.png",
    labs="09",
    alt="Eight trials train for two epochs. The better four of them go on until epoch four, and "
    "the better two of these until epoch eight. That is 32 epochs, where training all eight to the "
    "end would take 64.",
)
def successive_halving():
    ax = page(
        898,
        "Successive halving, a sketch",
        "All begin. Only the better half goes on, after two epochs and again after four.",
    )
    scores = halving_curves()
    given = halving(scores)
    place = chart(150, 200, 1100, 520, (0, 8), (0, 1))
    for rung in RUNGS:
        (foot,) = place([rung], [0])
        line(ax, [(foot[0], 200), foot], LINE, 4, dashed=rung < RUNGS[-1])
        write(ax, foot[0], foot[1] + 30, f"{rung}", SMALL, GREY)
        count = sum(epochs >= rung for epochs in given)
        write(ax, foot[0], 176, f"{count} trials", BODY, bold=True)
    line(ax, place([0, 0, 8], [1, 0, 0]), GREY, 3)
    for curve, epochs in sorted(zip(scores, given, strict=True), key=lambda pair: pair[1]):
        colour = VERMILLION if epochs == RUNGS[-1] else BLUE if epochs == RUNGS[1] else GREY
        line(ax, place(range(epochs + 1), curve[: epochs + 1]), colour, 7, zorder=2)
        (end,) = place([epochs], [curve[epochs]])
        circle(ax, *end, 11, colour, fill=1, width=0, zorder=3)
    write(ax, 700, 776, "epochs", SMALL, GREY)
    upright(ax, 106, 460, "validation accuracy")
    for epoch, score, text, colour in [
        (8, scores[0, 8], "the best", VERMILLION),
        (4, scores[2:4, 4].mean(), "2 stop here", BLUE),
        (2, scores[4:, 2].mean(), "4 stop here", GREY),
    ]:
        (end,) = place([epoch], [score])
        write(ax, end[0] + 34, end[1], text, BODY, colour, bold=True, ha="left")
    band(ax, 806, 52)
    sums = [given.count(rung) * rung for rung in RUNGS]
    parts = " + ".join(f"{given.count(rung)} × {rung}" for rung in RUNGS)
    full = len(given) * RUNGS[-1]
    note = f"{parts} = {sum(sums)} epochs, where all eight to the end take {full}."
    write(ax, 800, 832, note, BODY)
    return ax.figure


# --------------------------------------------------------------------------- lab 10


@picture(
    "lab10-serving.png",
    labs="10",
    alt="Left to right: a store with versions 1, 2 and 3 of a model. A server that has loaded "
    "version 3. A person with a drawn digit, a program that sends numbers, and a monitor that "
    "reads the metrics, all asking the server.",
)
def serving():
    ax = page(
        940,
        "A model with an address",
        "The server takes the newest version from the store, and answers whoever asks.",
    )
    write(ax, 240, 190, "store", HEAD, BLUE, bold=True)
    for i, (version, y) in enumerate(((1, 620), (2, 440), (3, 260))):
        newest = i == 2
        colour = BLUE if newest else GREY
        box(ax, 90, y, 300, 140, colour, fill=0.16 if newest else 0.05, width=5 if newest else 3)
        write(ax, 240, y + 48, f"mnist-cnn/{version}", BODY, colour, bold=newest, mono=True)
        write(ax, 240, y + 98, "complete, checked", SMALL, GREY)
    write(ax, 760, 190, "server", HEAD, VERMILLION, bold=True)
    box(ax, 590, 260, 340, 500, VERMILLION, fill=0.06, width=5)
    pill(ax, 760, 330, "version 3, in memory", VERMILLION)
    for i, path in enumerate(("/", "/v1", "/v2", "/metrics")):
        box(ax, 640, 400 + 84 * i, 240, 62, GREY, fill=0.04)
        write(ax, 760, 431 + 84 * i, path, BODY, mono=True)
    arrow(ax, (396, 330), (582, 330), BLUE, 6)
    write(ax, 489, 298, "once", SMALL, GREY)
    askers = [
        ("a person", "a page to draw on", 431, GREEN),
        ("a program", "numbers in, numbers out", 557, GREEN),
        ("a monitor", "how many, how fast", 683, GREEN),
    ]
    write(ax, 1330, 190, "who asks", HEAD, GREEN, bold=True)
    show(ax, 1120, 272, 92, digit())
    for (name, what, at, colour), y in zip(askers, (260, 450, 640), strict=True):
        box(ax, 1090, y, 450, 120, colour, fill=None, width=4)
        write(ax, 1240, y + 42, name, BODY, bold=True, ha="left")
        write(ax, 1240, y + 84, what, SMALL, GREY, ha="left")
        arrow(ax, (1082, y + 60), (938, at), colour, 5, both=True)
    write(ax, 1166, 510, "[0, 9, …]", SMALL, mono=True)
    for i, height in enumerate((26, 48, 34, 62)):
        square(ax, 1124 + 22 * i, 736 - height, 16, height, mix(GREEN, 0.6), width=0)
    band(ax, 838, 60)
    note = "Loaded once, and asked many times: that is what makes a server quick."
    write(ax, 800, 868, note, BODY)
    return ax.figure


# --------------------------------------------------------------------------- lab 11


def strip(ax, x, y, count, colour, cell=62, *, first=0, numbers=True):
    """A partition: messages side by side, numbered, and an open end for those to come."""
    for i in range(count):
        square(ax, x + i * cell, y, cell, cell, mix(colour, 0.16), edge=PAPER, width=4)
        if numbers:
            write(ax, x + (i + 0.5) * cell, y + cell / 2, f"{first + i}", SMALL, mono=True)
    line(ax, [(x + count * cell + 8, y + cell / 2), (x + count * cell + 46, y + cell / 2)], LINE, 5)


@picture(
    "lab11-stream.png",
    labs="11",
    alt="Left to right: phones and cameras send photos into a topic. Consumers read them, and "
    "write into a topic of answers, which people and programs read. What is no picture goes to a "
    "topic of dead letters, from where it can be replayed. A collector puts pictures with labels "
    "into folders, from which the model is trained again.",
)
def streaming():
    ax = page(
        1000,
        "Photos in a stream",
        "Nobody waits for anybody: what is sent lies in a topic until somebody has time for it.",
    )

    def topic(x, y, name, colour, rows=4):
        write(ax, x + 140, y - 26, name, BODY, colour, bold=True, mono=True)
        for k in range(rows):
            strip(ax, x, y + 42 * k, (6, 5, 6, 4)[k], colour, 36, numbers=False)

    def thing(x, y, high, name, what, colour, wide=220):
        box(ax, x, y, wide, high, colour, fill=0.06, width=4)
        write(ax, x + wide / 2, y + high / 2 - 20, name, BODY, colour, bold=True)
        write(ax, x + wide / 2, y + high / 2 + 20, what, SMALL, GREY)

    thing(60, 240, 168, "senders", "phones, cameras", BLUE)
    topic(400, 240, "pictures", BLUE)
    for k in range(2):
        thing(790, 212 + 116 * k, 100, f"consumer {k + 1}", "with the model", VERMILLION)
    topic(1130, 190, "answers", GREEN, 3)
    write(ax, 1266, 334, "read by people, programs, walls", SMALL, GREY)
    topic(1130, 430, "dead letters", PURPLE, 2)
    write(ax, 1266, 532, "no pictures, and why", SMALL, GREY)
    arrow(ax, (290, 324), (388, 324), BLUE, 5)
    for k in range(2):
        arrow(ax, (674, 282 + 84 * k), (782, 264 + 116 * k), BLUE, 5)
        arrow(ax, (1018, 254 + 116 * k), (1120, 238 + 46 * k), GREEN, 5)
        arrow(ax, (1018, 278 + 116 * k), (1120, 452 + 30 * k), PURPLE, 4)
    line(ax, [(1110, 494), (1060, 520), (540, 520)], PURPLE, 4, dashed=True)
    arrow(ax, (540, 520), (540, 424), PURPLE, 4)
    write(ax, 560, 546, "replay, when it is mended", SMALL, GREY, ha="left")

    thing(60, 680, 126, "people", "say what it is", BLUE)
    topic(400, 706, "training-pictures", BLUE, 2)
    thing(790, 680, 126, "collector", "one file for an id", VERMILLION)
    thing(1090, 680, 126, "folders", "training/cats …", GREEN, 190)
    thing(1350, 680, 126, "train again", "next version", VERMILLION, 190)
    for start, end in ((290, 388), (674, 782), (1018, 1082), (1288, 1342)):
        arrow(ax, (start, 743), (end, 743), BLUE if start < 1000 else GREEN, 5)
    line(ax, [(1445, 672), (1445, 610), (900, 610)], VERMILLION, 4, dashed=True)
    arrow(ax, (900, 610), (900, 438), VERMILLION, 4)
    write(ax, 1200, 636, "the store hands out the new version", SMALL, GREY)
    band(ax, 884, 60)
    note = "As many consumers as there are partitions share the work. Any of them may be killed."
    write(ax, 800, 914, note, BODY)
    return ax.figure


@picture(
    "lab11-log.png",
    labs="11",
    alt="A topic with four partitions. Each is a row of messages, numbered from 0; new ones are "
    "added at the right. A group of two consumers shares the partitions, two each, and has a note "
    "for each partition: the next offset. A second group with one consumer reads all four from the "
    "beginning, at its own pace.",
)
def partitions():
    ax = page(
        860,
        "A topic is a log in partitions",
        "New messages are added at the end, and none is taken away. A group notes how far it is.",
    )
    lengths, green, purple = (7, 5, 8, 6), (5, 4, 7, 4), (2, 1, 3, 2)
    left, cell = 520, 66
    for k, (count, near, far) in enumerate(zip(lengths, green, purple, strict=True)):
        y = 250 + 116 * k
        write(ax, left - 24, y + cell / 2, f"partition {k}", SMALL, GREY, ha="right")
        strip(ax, left, y, count, BLUE, cell)
        for at, colour in ((near, GREEN), (far, PURPLE)):
            x = left + at * cell
            line(ax, [(x, y - 14), (x, y + cell + 14)], colour, 7, zorder=4)
            circle(ax, x, y - 18, 9, colour, fill=1, width=0, zorder=4)
        middle = y + cell / 2
        arrow(ax, (left + count * cell + 58, middle), (1228, 308 if k < 2 else 540), GREEN, 4)
        arrow(ax, (left - 150, middle), (282, 340 + 58 * k), PURPLE, 4)
    write(ax, 1385, 196, "group “classify”", BODY, GREEN, bold=True)
    for k, name in enumerate(("consumer one", "consumer two")):
        box(ax, 1236, 248 + 232 * k, 300, 120, GREEN, fill=0.08, width=4)
        write(ax, 1386, 288 + 232 * k, name, BODY, GREEN, bold=True)
        write(ax, 1386, 328 + 232 * k, "two partitions each", SMALL, GREY)
    write(ax, MARGIN, 196, "group “second look”", BODY, PURPLE, bold=True, ha="left")
    box(ax, 60, 300, 216, 254, PURPLE, fill=0.08, width=4)
    write(ax, 168, 404, "consumer", BODY, PURPLE, bold=True)
    write(ax, 168, 444, "all four", SMALL, GREY)
    write(ax, left, 196, "offset 0 is the oldest", SMALL, GREY, ha="left")
    write(ax, left + 8 * cell, 196, "newest", SMALL, GREY, ha="left")
    band(ax, 752, 60)
    note = "A bar is a note: the offset at which the group goes on, whoever of it does the reading."
    write(ax, 800, 782, note, BODY)
    return ax.figure


@picture(
    "lab11-transaction.png",
    labs="11",
    alt="Above: answer and note are two steps, and a crash between them leaves an answer without "
    "a note, so that it is given twice. Below: answers, dead letters and the note lie in one "
    "frame, the transaction. A crash before its end makes all of it void, and readers of what was "
    "committed never see it.",
)
def transaction():
    ax = page(
        900,
        "What a transaction makes one",
        "A consumer reads, answers, and notes how far it is. A crash can come at any moment.",
    )

    def step(x, y, name, what, colour, *, gone=False):
        box(ax, x, y, 230, 110, LINE if gone else colour, fill=0.02 if gone else 0.1, width=4)
        write(ax, x + 115, y + 38, name, BODY, GREY if gone else colour, bold=True)
        write(ax, x + 115, y + 78, what, SMALL, GREY)

    def crash(x, y):
        corners = [(14, -62), (-26, 8), (-2, 8), (-16, 62), (28, -14), (4, -14)]
        points = [(x + a, y + b) for a, b in corners]
        ax.add_artist(Polygon(points, color=VERMILLION, joinstyle="round", zorder=4))

    write(ax, MARGIN, 190, "two steps", HEAD, bold=True, ha="left")
    step(60, 232, "read", "a photo", BLUE)
    step(380, 232, "answer", "is written", GREEN)
    step(780, 232, "note", "never written", PURPLE, gone=True)
    arrow(ax, (298, 287), (372, 287), GREY, 5)
    line(ax, [(618, 287), (772, 287)], LINE, 5, dashed=True)
    crash(695, 287)
    arrow(ax, (1020, 287), (1100, 287), GREY, 5)
    write(ax, 1120, 268, "read again,", BODY, bold=True, ha="left")
    write(ax, 1120, 306, "and answered twice", BODY, VERMILLION, bold=True, ha="left")
    line(ax, [(MARGIN, 396), (WIDTH - MARGIN, 396)], LINE, 3)

    write(ax, MARGIN, 450, "one transaction", HEAD, bold=True, ha="left")
    step(60, 580, "read", "a batch of photos", BLUE)
    box(ax, 352, 484, 600, 300, GREEN, fill=0.03, width=6)
    step(386, 520, "answers", "one for each", GREEN)
    step(386, 646, "dead letters", "with the reason", PURPLE)
    step(686, 582, "note", "the next offsets", PURPLE)
    arrow(ax, (298, 635), (344, 635), GREY, 5)
    arrow(ax, (960, 562), (1092, 528), GREEN, 6)
    line(ax, [(960, 706), (1092, 728)], LINE, 5, dashed=True)
    crash(1012, 714)
    write(ax, 1110, 508, "committed:", BODY, GREEN, bold=True, ha="left")
    write(ax, 1110, 546, "all of it counts", BODY, ha="left")
    write(ax, 1110, 716, "a crash before that:", BODY, VERMILLION, bold=True, ha="left")
    write(ax, 1110, 754, "all of it is void, and read again", BODY, ha="left")
    band(ax, 818, 52)
    note = "Readers who ask for what was committed see each answer once, whoever was killed."
    write(ax, 800, 844, note, BODY)
    return ax.figure


# --------------------------------------------------------------------------- lab 12


def drum(ax, x, y, w, h, colour, *, fill=0.12):
    """A volume: the round drum that stands for what keeps data."""
    turn = np.linspace(0, np.pi, 40)
    rim = [(x + w / 2 + w / 2 * np.cos(t), y + 18 * np.sin(t)) for t in turn]
    foot = [(a, b + h) for a, b in rim]
    top = [(x + w / 2 + w / 2 * np.cos(t), y - 18 * np.sin(t)) for t in turn]
    shape = {"facecolor": mix(colour, fill), "edgecolor": colour, "lw": 4 * 72 / DPI}
    ax.add_artist(Polygon([*top, *foot[::-1]], joinstyle="round", zorder=1, **shape))
    line(ax, rim, colour, 4)


def pod(ax, x, y, w, h, name, what, colour=VERMILLION):
    """A pod: a box with a name in the first line and what it does in the second."""
    box(ax, x, y, w, h, colour, fill=0.07, width=4)
    write(ax, x + w / 2, y + h / 2 - 20, name, BODY, colour, bold=True, mono=True)
    write(ax, x + w / 2, y + h / 2 + 20, what, SMALL, GREY)


@picture(
    "lab12-scale-out.png",
    labs="12",
    alt="Three machines for one command. A laptop trains with two processes. A pod in a cluster "
    "trains with one, and has a volume. Then three pods train one model: each has the data of its "
    "own volume, all exchange gradients in every step, and pod 0 saves checkpoints to a store.",
)
def scale_out():
    ax = page(
        960,
        "From a laptop to a pod to many pods",
        "What runs is the same. What changes is how many, and where they meet.",
    )
    for x, wide, head, colour in (
        (60, 380, "your laptop", BLUE),
        (480, 320, "one pod", VERMILLION),
        (840, 700, "many pods", VERMILLION),
    ):
        write(ax, x + wide / 2, 190, head, HEAD, colour, bold=True)
        box(ax, x, 224, wide, 560, GREY, fill=0.03, width=3)
    for k in range(2):
        pod(ax, 90, 250 + 190 * k, 320, 100, f"worker {k}", "a process", BLUE)
    arrow(ax, (250, 360), (250, 430), PURPLE, 4, both=True)
    drum(ax, 150, 640, 200, 80, BLUE)
    write(ax, 250, 692, "your disk", SMALL)
    for k in range(2):
        arrow(ax, (220 + 60 * k, 614), (220 + 60 * k, 550), BLUE, 5)

    pod(ax, 520, 330, 240, 150, "train", "a container")
    drum(ax, 540, 640, 200, 80, BLUE)
    write(ax, 640, 692, "a volume", SMALL)
    arrow(ax, (640, 618), (640, 490), BLUE, 5)

    names = [864 + 246 * k for k in range(3)]
    for k, x in enumerate(names):
        pod(ax, x, 400, 160, 120, f"train-{k}", f"worker {k}")
        drum(ax, x, 640, 160, 80, BLUE)
        write(ax, x + 80, 692, f"volume {k}", SMALL)
        arrow(ax, (x + 80, 614), (x + 80, 528), BLUE, 5)
    for x, word in zip(names[:2], ("gradients", "gradients"), strict=True):
        arrow(ax, (x + 166, 460), (x + 240, 460), PURPLE, 4, both=True)
        write(ax, x + 203, 572, word, SMALL, PURPLE, bold=True)
    drum(ax, 1310, 276, 200, 56, GREEN)
    write(ax, 1410, 314, "the store", SMALL)
    arrow(ax, (944, 392), (1302, 300), GREEN, 5, bend=-0.2)
    write(ax, 1180, 256, "checkpoints", SMALL, GREY)
    band(ax, 826, 84)
    write(ax, 800, 868, "labkit train fashion_mnist --model cnn --workers …", HEAD, mono=True)
    return ax.figure


@picture(
    "lab12-pod.png",
    labs="12",
    alt="A Job called train makes two pods, train-0 and train-1, from one template. Each pod holds "
    "a container made from the image ai101, the number of its index, and a volume in the folder "
    "/shares. A Service called train gives each a name: train-0.train and train-1.train.",
)
def pods():
    ax = page(
        940,
        "Pod, volume, Job and Service",
        "You write down what there should be. The cluster makes it so, and makes it so again.",
    )
    box(ax, 60, 230, 330, 500, GREEN, fill=0.05, width=4)
    write(ax, 225, 276, "Job", HEAD, GREEN, bold=True)
    for k, (text, mono) in enumerate(
        [
            ("name: train", True),
            ("completions: 2", True),
            ("Indexed", True),
            ("it wants two pods to come", False),
            ("to a good end, and starts", False),
            ("again what has failed", False),
        ]
    ):
        y = 340 + 44 * k if mono else 540 + 36 * (k - 3)
        write(ax, 225, y, text, SMALL, INK if mono else GREY, mono=mono)
    arrow(ax, (398, 360), (492, 340), GREEN, 6)
    arrow(ax, (398, 560), (492, 600), GREEN, 6)
    write(ax, 445, 300, "makes", SMALL, GREY)
    for k in range(2):
        y = 216 + 280 * k
        box(ax, 500, y, 560, 250, VERMILLION, fill=0.05, width=5)
        write(ax, 526, y + 36, f"Pod train-{k}", BODY, VERMILLION, bold=True, ha="left")
        box(ax, 526, y + 64, 300, 160, VERMILLION, fill=0.16, width=3)
        write(ax, 676, y + 92, "container", SMALL, GREY)
        write(ax, 676, y + 128, "ai101:0.1.0", BODY, bold=True, mono=True)
        write(ax, 676, y + 164, "labkit train …", SMALL, mono=True)
        write(ax, 676, y + 200, f"index {k}", SMALL, VERMILLION, bold=True)
        drum(ax, 886, y + 100, 150, 90, BLUE)
        write(ax, 961, y + 150, f"volume {k}", SMALL)
        write(ax, 961, y + 60, f"/shares/{k}", SMALL, mono=True)
        line(ax, [(830, y + 150), (882, y + 150)], BLUE, 5)
        arrow(ax, (1212, 384 + 170 * k), (1070, y + 125), PURPLE, 5)
    box(ax, 1220, 230, 320, 500, PURPLE, fill=0.05, width=4)
    write(ax, 1380, 276, "Service", HEAD, PURPLE, bold=True)
    write(ax, 1380, 326, "name: train", SMALL, mono=True)
    for k in range(2):
        y = 352 + 170 * k
        write(ax, 1380, y + 32, f"train-{k}.train:2222", SMALL, mono=True, bold=True)
        write(ax, 1380, y + 74, f"leads to pod {k}", SMALL, GREY)
    write(ax, 1380, 652, "names that stay when", SMALL, GREY)
    write(ax, 1380, 688, "a pod is made anew", SMALL, GREY)
    band(ax, 806, 72)
    note = "A pod comes and goes. The volume keeps its data, the Service keeps its names."
    write(ax, 800, 842, note, BODY)
    return ax.figure


# What two workers find for two weights, and the step that both of them take.
PART_GRADIENTS = np.array([[0.8, -0.2], [0.4, 0.6]])
BOTH_WEIGHTS = np.array([1.0, 0.5])


def shared_step() -> tuple[np.ndarray, np.ndarray]:
    """The mean of the gradients of both workers, and the weights after one step against it."""
    mean = PART_GRADIENTS.mean(axis=0)
    return mean, BOTH_WEIGHTS - LEARNING_RATE * mean


@picture(
    "lab12-step.png",
    labs="12",
    alt="One step of two workers. Both have the same two weights, 1.00 and 0.50. Each looks at its "
    "half of the batch and finds a gradient of its own. All-reduce gives both the mean, 0.60 and "
    "0.20. Both take the same step, to 0.94 and 0.48, and are the same again.",
)
def data_parallel_step():
    ax = page(
        900,
        "One step of two workers",
        "Different pictures, one gradient in the end, and therefore the same weights.",
    )
    mean, after = shared_step()

    def numbers(x, y, values, colour, gid):
        for k, value in enumerate(values):
            box(ax, x, y + 62 * k, 130, 54, colour, fill=0.1, width=3, radius=10)
            text = number(value)
            write(ax, x + 65, y + 27 + 62 * k, text, BODY, bold=True, mono=True, gid=f"{gid} {k}")

    heads = ("its half of the batch", "weights", "its gradient", "the mean", "new weights")
    columns = (195, 475, 735, 1075, 1415)
    for head, x in zip(heads, columns, strict=True):
        write(ax, x, 190, head, SMALL, GREY, bold=True)
    names = (("T-shirt/top", "Dress", "Coat"), ("Sandal", "Sneaker", "Bag"))
    for k in range(2):
        y = 250 + 290 * k
        box(ax, 60, y, 780, 200, BLUE if k == 0 else GREEN, fill=0.03, width=3)
        write(ax, 80, y + 30, f"worker {k}", SMALL, BLUE if k == 0 else GREEN, bold=True, ha="left")
        for i, name in enumerate(names[k]):
            show(ax, 84 + 86 * i, y + 72, 76, clothes()[name][3])
        numbers(410, y + 52, BOTH_WEIGHTS, VERMILLION, f"before {k}")
        numbers(670, y + 52, PART_GRADIENTS[k], PURPLE, f"gradient {k}")
        arrow(ax, (344, y + 110), (402, y + 110), BLUE, 4)
        arrow(ax, (546, y + 110), (662, y + 110), PURPLE, 5)
        arrow(ax, (846, y + 110), (1000, 420 + 90 * k), PURPLE, 5)
        numbers(1350, y + 52, after, VERMILLION, f"after {k}")
        arrow(ax, (1148, 420 + 90 * k), (1342, y + 110), VERMILLION, 5)
    numbers(1010, 410, mean, PURPLE, "mean")
    write(ax, 1075, 376, "all-reduce", BODY, PURPLE, bold=True)
    write(ax, 1248, 466, f"− {LEARNING_RATE} × mean", SMALL, GREY)
    line(ax, [(1415, 440), (1415, 560)], LINE, 5, dashed=True)
    write(ax, 1460, 500, "equal", SMALL, GREY, ha="left")
    band(ax, 796, 60)
    note = "No picture leaves its worker. What travels is a number for each weight, in every step."
    write(ax, 800, 826, note, BODY)
    return ax.figure


@picture(
    "lab12-two-volumes.png",
    labs="12",
    alt="Volume A holds T-shirts, trousers, pullovers, dresses and coats, volume B sandals, "
    "shirts, sneakers, bags and ankle boots. A model trained on A alone can name five classes at "
    "most, one trained on B alone the other five. One model trained by a worker on each of them "
    "together can name all ten.",
)
def two_volumes():
    ax = page(
        880,
        "Different data on two volumes",
        "Each volume has five of the ten classes. No picture moves from one to the other.",
    )
    names = list(clothes())
    for k, (volume, colour) in enumerate((("A", BLUE), ("B", GREEN))):
        x = 60 + 760 * k
        drum(ax, x, 236, 720, 210, colour, fill=0.06)
        write(ax, x + 360, 184, f"volume {volume}", HEAD, colour, bold=True)
        for i, name in enumerate(names[5 * k : 5 * k + 5]):
            left = x + 26 + 136 * i
            show(ax, left, 280, 124, clothes()[name][3])
            write(ax, left + 62, 428, name.replace("T-shirt/top", "T-shirt"), SMALL)
        alone = x + 60 if k == 0 else x + 460
        box(ax, alone, 590, 200, 130, colour, fill=0.06, width=4)
        write(ax, alone + 100, 632, f"{volume} alone", BODY, colour, bold=True)
        write(ax, alone + 100, 676, "5 of 10 classes", SMALL, GREY)
        arrow(ax, (alone + 100, 476), (alone + 100, 582), colour, 5)
        arrow(ax, (580 if k == 0 else 1020, 476), (720 if k == 0 else 880, 582), colour, 6)
    box(ax, 600, 590, 400, 130, VERMILLION, fill=0.1, width=5)
    write(ax, 800, 632, "one model, two workers", BODY, VERMILLION, bold=True)
    write(ax, 800, 676, "10 of 10 classes", SMALL, GREY)
    write(ax, 800, 512, "gradients", SMALL, PURPLE, bold=True)
    arrow(ax, (705, 542), (895, 542), PURPLE, 4, both=True)
    band(ax, 778, 60)
    note = "Every step mixes what both workers have found, so the model learns from both volumes."
    write(ax, 800, 808, note, BODY)
    return ax.figure


# --------------------------------------------------------------------------- lab c1


@picture(
    "c1-ranks.png",
    labs="c1",
    alt="Tensors of rank 0 to 4. A scalar is one temperature, of shape (). A vector is a row of "
    "five, (5,). A matrix is a grey picture of 7 by 7, (7, 7). A colour picture is three "
    "matrices, (32, 32, 3), and a batch is four colour pictures, (4, 32, 32, 3).",
)
def ranks():
    ax = page(
        812,
        "A number, a row, a table, and on",
        "The rank says in how many directions a tensor extends, the shape says how far.",
    )
    middle, days = 330, (21, 20, 19, 22, 24)
    few = [frog(), *things()[:3]]
    few = [np.asarray(Image.fromarray(one).quantize(40).convert("RGB")) for one in few]

    def paint(values, x, y, side, zorder):
        extent = (x, x + side, y + side, y)
        ax.imshow(values, extent=extent, interpolation="nearest", aspect="auto", zorder=zorder)
        square(ax, x, y, side, side, "none", edge=PAPER, width=5, zorder=zorder)

    def cell(x, y, side, text, share):
        square(ax, x, y, side, side, mix(dark(BLUE), share), edge=LINE, width=2.5)
        ink = PAPER if share > 0.5 else INK
        write(ax, x + side / 2, y + side / 2, text, SMALL, ink, bold=True)

    cell(200 - 40, middle - 40, 80, "21", 0.1)
    for k, day in enumerate(days):
        cell(500 - 130 + 52 * k, middle - 26, 52, f"{day}", 0.1)
    for r, row in enumerate(9 * STROKE):
        for c, value in enumerate(row):
            cell(800 - 119 + 34 * c, middle - 119 + 34 * r, 34, f"{value}", value / 11)
    for k in range(3):
        channel = np.zeros_like(few[0])
        channel[..., 2 - k] = few[0][..., 2 - k] // 16 * 16
        paint(channel, 1055 - 37 * k, middle - 127 + 37 * k, 180, 2 + k)
    for k, one in enumerate(few[::-1]):
        paint(one, 1374 - 32 * k, middle - 127 + 31 * k, 160, 2 + k)

    for k, (name, shape, what) in enumerate(
        [
            ("scalar", "()", "a temperature"),
            ("vector", f"({len(days)},)", "five days of it"),
            ("matrix", STROKE.shape, "a grey picture"),
            ("three matrices", few[0].shape, "a colour picture"),
            ("four of these", (len(few), *few[0].shape), "a batch of pictures"),
        ]
    ):
        x = 200 + 300 * k
        write(ax, x, 526, f"rank {k}", HEAD, bold=True)
        write(ax, x, 570, name, BODY, GREY)
        pill(ax, x, 626, f"{shape}", BLUE, mono=True, gid=f"shape {k}")
        write(ax, x, 682, what, SMALL)
    band(ax, 722, 50)
    write(ax, 800, 747, "A tensor is all of these: numbers in order, and a shape.", BODY)
    return ax.figure


@picture(
    "c1-reshape.png",
    labs="c1",
    alt="A table of 3 rows and 4 columns holds the numbers 0 to 11. Reshaped to 4 by 3, they keep "
    "their reading order, and the rows break elsewhere: 0 1 2, then 3 4 5. Transposed to 4 by 3, "
    "each row becomes a column: the first row is now 0 4 8.",
)
def reshape_transpose():
    ax = page(
        850,
        "Reshape is not transpose",
        "Both make 4 × 3 out of 3 × 4. The tint says in which row a number stood before.",
    )
    table, cell = np.arange(12).reshape(3, 4), 78
    tints = [mix(dark(BLUE), share) for share in (0.06, 0.32, 0.9)]

    def paint(value, r, c):
        row = value // 4
        return tints[row], PAPER if row == 2 else INK

    top = 470 - 1.5 * cell
    write(ax, 60 + 2 * cell, top - 40, "3 × 4", BODY, BLUE, bold=True)
    grid(ax, 60, top, cell, table, paint, gid="table")
    for y, values, name, notes, bend in (
        (176, table.reshape(4, 3), "reshape", ("read row by row,", "written row by row"), -0.15),
        (508, table.T, "transpose", ("rows become", "columns"), 0.15),
    ):
        middle = y + 2 * 70
        arrow(ax, (396, 470 + (middle - 470) * 0.25), (690, middle), GREY, 5, bend=bend)
        write(ax, 850, middle - 52, name, HEAD, bold=True, mono=True)
        for k, note in enumerate(notes):
            write(ax, 850, middle + 36 * k, note, BODY, GREY)
        grid(ax, 1050, y, 70, values, paint, gid=name)
        write(ax, 1310, middle - 30, "first row", SMALL, GREY, ha="left")
        first = "  ".join(f"{value}" for value in values[0])
        write(ax, 1310, middle + 10, first, HEAD, bold=True, ha="left", gid=f"{name} first")
    return ax.figure


# The neuron of lab 02, and the loss of a neuron with one input.
SUM_X, SUM_W, SUM_B = np.array([1.0, 0.5, 2.0]), np.array([0.6, -0.4, 0.3]), 0.1
LOSS_W, LOSS_X, LOSS_B, LOSS_Y = 3.0, 2.0, 1.0, 5.0


def loss_flow() -> tuple[dict[str, float], dict[str, float]]:
    """The values of the graph of (w·x + b − y)², and the slope of the loss by each."""
    product = LOSS_W * LOSS_X
    total = product + LOSS_B
    error = total - LOSS_Y
    by_error = 2 * error
    values = {"product": product, "sum": total, "error": error, "loss": error**2}
    return values, {"error": by_error, "w": by_error * LOSS_X}


def node(ax, x, y, sign, r=52):
    """A calculation in a graph."""
    circle(ax, x, y, r, INK, fill=0.06)
    write(ax, x, y, sign, TITLE, bold=True)


@picture(
    "c1-graph.png",
    labs="c1",
    alt="A computational graph. The inputs 1, 0.5 and 2 and the weights 0.6, −0.4 and 0.3 flow "
    "into a node that multiplies; the products 0.6, −0.2 and 0.6 flow into one that adds them "
    "up, 1.0; a last node adds the bias 0.1, and 1.1 comes out.",
)
def sum_graph():
    ax = page(
        724,
        "A sum as a graph",
        "Each circle is a calculation, each arrow a tensor on its way to the next one.",
    )
    products = SUM_X * SUM_W

    def listed(values):
        return "  ".join(number(value, 1) for value in values)

    for y, name, text, colour in (
        (230, "inputs x", listed(SUM_X), BLUE),
        (410, "weights w", listed(SUM_W), VERMILLION),
        (560, "bias b", number(SUM_B, 1), VERMILLION),
    ):
        box(ax, MARGIN, y - 50, 330, 100, colour, fill=0.08, width=4)
        write(ax, MARGIN + 165, y - 22, name, SMALL, GREY)
        write(ax, MARGIN + 165, y + 18, text, BODY, colour, bold=True)
    row = 320
    arrow(ax, (394, 236), (560, row - 16), BLUE, 5)
    arrow(ax, (394, 404), (560, row + 16), VERMILLION, 5)
    node(ax, 616, row, "×")
    write(ax, 616, row - 84, "multiply", SMALL, GREY)
    arrow(ax, (672, row), (900, row), GREY, 5)
    write(ax, 784, row - 30, listed(products), BODY, bold=True, gid="products")
    node(ax, 956, row, "Σ")
    write(ax, 956, row - 84, "add up", SMALL, GREY)
    arrow(ax, (1010, row + 18), (1176, 418), GREY, 5)
    write(ax, 1130, row + 22, number(products.sum(), 1), BODY, bold=True, gid="sum")
    arrow(ax, (394, 560), (1176, 460), VERMILLION, 5)
    node(ax, 1230, 436, "+")
    write(ax, 1230, 352, "add", SMALL, GREY)
    arrow(ax, (1286, 436), (1400, 436), GREEN, 5)
    circle(ax, 1466, 436, 60, GREEN)
    write(ax, 1466, 436, number(products.sum() + SUM_B, 1), HEAD, GREEN, bold=True, gid="output")
    write(ax, 1466, 524, "output", SMALL, GREY)
    band(ax, 634, 50)
    write(ax, 800, 659, "A new input needs no new graph: the numbers change, the way stays.", BODY)
    return ax.figure


@picture(
    "c1-gradient.png",
    labs="c1",
    alt="The graph of the loss (w · x + b − y)² with w = 3, x = 2, b = 1 and y = 5. Forwards: "
    "the product is 6, the sum 7, the error 2 and the loss 4. Backwards: the slope of the loss "
    "is 4 at the error, passes through plus and minus unchanged, is 4 at b, and at the "
    "multiplication it is taken times x, which makes 8 at w.",
)
def loss_graph():
    ax = page(
        790,
        "Forwards the values, backwards the slopes",
        "The loss is (w · x + b − y)². A slope says how much the loss grows when a number does.",
    )
    values, slopes = loss_flow()
    row, feet = 372, 596
    stops = {"×": 420, "+": 740, "−": 1030, "u²": 1290}
    signs = list(stops.values())
    for x, y, name, value, colour in (
        (130, 282, "w", LOSS_W, VERMILLION),
        (130, 506, "x", LOSS_X, BLUE),
        (signs[1], feet, "b", LOSS_B, VERMILLION),
        (signs[2], feet, "y", LOSS_Y, BLUE),
    ):
        box(ax, x - 70, y - 38, 140, 76, colour, fill=0.08, width=4)
        write(ax, x, y, f"{name} = {value:.0f}", BODY, colour, bold=True)
    for sign, x in stops.items():
        node(ax, x, row, sign)
    arrow(ax, (204, 290), (366, row - 18), VERMILLION, 5)
    arrow(ax, (204, 492), (366, row + 24), BLUE, 5)
    for x in signs[1:3]:
        arrow(ax, (x, feet - 42), (x, row + 58), VERMILLION if x == signs[1] else BLUE, 5)
    ends = [*signs, 1478]
    for left, right, name in zip(ends, ends[1:], ("product", "sum", "error", "loss"), strict=False):
        gap = 62 if name == "loss" else 56
        arrow(ax, (left + 56, row), (right - gap, row), GREEN if name == "loss" else GREY, 5)
        if name != "loss":
            write(ax, (left + right) / 2, row - 60, name, SMALL, GREY)
            place = ((left + right) / 2, row - 28)
            write(ax, *place, f"{values[name]:.0f}", BODY, bold=True, gid=name)
    circle(ax, 1478, row, 58, GREEN)
    write(ax, 1478, row, f"{values['loss']:.0f}", HEAD, GREEN, bold=True, gid="loss")
    write(ax, 1478, row - 86, "loss", SMALL, GREY)

    def slope(x, y, value, gid):
        pill(ax, x, y, f"{value:.0f}", PURPLE, BODY, gid=gid)

    for k in range(3):
        left, right = signs[k], signs[k + 1]
        arrow(ax, (right - 62, row + 26), (left + 62, row + 26), PURPLE, 4)
        slope((left + right) / 2, row + 62, slopes["error"], f"slope {k}")
    arrow(ax, (372, row - 48), (214, 258), PURPLE, 4)
    slope(306, 256, slopes["w"], "slope w")
    arrow(ax, (signs[1] + 26, row + 62), (signs[1] + 26, feet - 44), PURPLE, 4)
    slope(signs[1] + 70, 490, slopes["error"], "slope b")
    for x, y, text in (
        (452, row + 112, "times the other factor"),
        (signs[1], row - 92, "passed on"),
        (signs[2], row - 92, "passed on"),
        (signs[3], row - 92, "times 2 · u"),
    ):
        write(ax, x, y, text, SMALL, PURPLE, bold=True, ground=PAPER)
    band(ax, 680, 72, PURPLE)
    note = "Make w larger by a little, and the loss grows by 8 times as much; with b, by 4 times."
    write(ax, 800, 716, note, BODY, PURPLE, bold=True)
    return ax.figure


# --------------------------------------------------------------------------- lab c2


@picture(
    "c2-two-neurons.png",
    labs="c2",
    alt="A nerve cell above an artificial neuron, part by part. Other cells send signals: inputs. "
    "Synapses pass on more or less of each: weights. The cell body gathers what comes: the net "
    "input, with a bias. The axon hillock fires when that is enough: the activation. The axon "
    "carries the signal on: the output.",
)
def two_neurons():
    ax = page(
        1010,
        "A nerve cell and an artificial neuron",
        "The artificial one borrows five parts of the living one, and makes arithmetic of them.",
    )
    top, bottom, columns = 310, 690, (130, 400, 740, 1050, 1420)
    parts = [
        (BLUE, "other cells", "send signals", "inputs", "numbers"),
        (VERMILLION, "synapses", "pass on more or less", "weights", "multiply"),
        (GREY, "cell body", "gathers what comes", "net input", "products + bias"),
        (GREEN, "axon hillock", "fires, or does not", "activation", "bends the sum"),
        (GREEN, "axon", "to the next cells", "output", "a number"),
    ]
    for x, (colour, alive, does, made, how) in zip(columns, parts, strict=True):
        write(ax, x, 462, alive, BODY, colour, bold=True)
        write(ax, x, 498, does, SMALL, GREY)
        arrow(ax, (x, 524), (x, 560), LINE, 4)
        write(ax, x, 836, made, BODY, colour, bold=True)
        write(ax, x, 872, how, SMALL, GREY)
    _nerve_cell(ax, columns, top)

    for k, y in enumerate((bottom - 84, bottom, bottom + 84)):
        circle(ax, 130, y, 34, BLUE)
        write(ax, 130, y, f"x{SUB[k]}", BODY, BLUE, bold=True)
        start, end = np.array((168, y)), np.array((672, bottom + 26 * (k - 1)))
        arrow(ax, start, end, VERMILLION, 5)
        pill(ax, *(start + 0.46 * (end - start)), f"w{SUB[k]}", VERMILLION, BODY)
    circle(ax, 740, bottom, 64, GREY, fill=0.07, width=5)
    write(ax, 740, bottom - 10, "Σ", TITLE, bold=True)
    write(ax, 740, bottom + 30, "+ bias", SMALL, VERMILLION)
    arrow(ax, (808, bottom), (966, bottom), GREY, 5)
    write(ax, 884, bottom - 28, "z", BODY, bold=True)
    box(ax, 972, bottom - 74, 156, 148, GREY, width=5)
    line(ax, [(992, bottom + 36), (1050, bottom + 36), (1108, bottom - 44)], GREEN, 7)
    arrow(ax, (1134, bottom), (1376, bottom), GREEN, 5)
    circle(ax, 1420, bottom, 40, GREEN, width=5)

    band(ax, 912, 60)
    note = "Alike in outline only: a nerve cell is alive and sends pulses; the other is a formula."
    write(ax, 800, 942, note, BODY)
    return ax.figure


def _nerve_cell(ax, columns, y):
    """A nerve cell whose parts stand at ``columns``, and the ends of three other cells."""
    other, synapse, body, hillock, end = columns

    def curve(a, b, c, colour, width):
        t = np.linspace(0, 1, 30)[:, None]
        a, b, c = (np.array(point, float) for point in (a, b, c))
        line(ax, (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c, colour, width)

    for k, rise in enumerate((-92, 0, 92)):
        root, tip = (body - 54, y + 0.3 * rise), (synapse + 8, y + rise)
        curve(root, (synapse + 190, y + 0.85 * rise), tip, mix(GREY, 0.75), 15)
        twig = (synapse + 70, y + rise + (-46, -38, 46)[k])
        curve((synapse + 150, y + 0.83 * rise), (synapse + 110, y + rise), twig, GREY, 7)
        curve(
            (other - 54, y + rise), (other + 100, y + 1.1 * rise), (synapse - 22, y + rise), BLUE, 7
        )
        circle(ax, synapse - 26, y + rise, 15, BLUE, fill=1, width=0, zorder=3)
        circle(ax, synapse, y + rise, 13, VERMILLION, fill=1, width=0, zorder=3)
    write(ax, synapse + 180, y - 122, "dendrites", SMALL, GREY)
    curve((body + 50, y), (body + 160, y), (hillock - 60, y), GREY, 22)
    around = np.linspace(0, 2 * np.pi, 200)
    radius = 84 + 9 * np.cos(3 * around + 0.4) + 5 * np.sin(5 * around)
    outline = np.stack([body + radius * np.cos(around), y + radius * np.sin(around)], axis=1)
    style = {"facecolor": mix(GREY, 0.14), "edgecolor": GREY, "lw": 3.6}
    ax.add_artist(Polygon(outline, zorder=2, **style))
    circle(ax, body, y, 28, GREY, fill=0.5, width=0, zorder=3)
    funnel = [(body + 66, y - 40), (hillock - 60, y - 11), (hillock - 60, y + 11)]
    ax.add_artist(Polygon([*funnel, (body + 66, y + 40)], color=mix(GREY, 0.5), zorder=1.5))
    pulse = [(-58, 0), (-22, 0), (-10, -62), (6, 26), (16, 0), (58, 0)]
    box(ax, hillock - 72, y - 86, 144, 136, GREEN, width=3, fill=0.06, zorder=2)
    line(ax, [(hillock + dx, y + 6 + dy) for dx, dy in pulse], GREEN, 6, zorder=3)
    curve((hillock + 72, y), (hillock + 150, y), (end - 90, y), GREEN, 9)
    for k in range(3):
        box(ax, hillock + 92 + 66 * k, y - 15, 54, 30, GREEN, fill=0.3, width=2.5, radius=15)
    for rise in (-90, -30, 30, 90):
        tip = (end + 52, y + rise)
        curve((end - 90, y), (end - 20, y + 0.2 * rise), tip, GREEN, 5)
        circle(ax, *tip, 11, GREEN, fill=1, width=0)


def gradient_descent(step: int, subtitle: str) -> Figure:
    """A bowl of losses, its map, and the neuron itself, after ``step`` steps down."""
    path = descent()[: step + 1]
    weight, bias = path[-1]
    ax = page(980, "Gradient descent", subtitle)
    headings = [(300, "the loss as a landscape"), (860, "its map"), (1340, "the neuron")]
    for x, heading in headings:
        write(ax, x, 176, heading, BODY, GREY, bold=True)

    # A bowl of rings of equal loss, the far quarters drawn first.
    rings, around = np.sqrt(np.linspace(0, 5, 11)), np.linspace(0, 2 * np.pi, 61)
    quads = []
    for inner, outer in zip(rings, rings[1:], strict=False):
        for a, b in zip(around, around[1:], strict=False):
            corners = [_on_ring(r, t) for r, t in ((inner, a), (outer, a), (outer, b), (inner, b))]
            heights = [r**2 for r in (inner, outer, outer, inner)]
            depth = np.mean([_seen(*c, 0)[1] for c in corners])
            quads.append((depth, corners, heights, inner**2))
    for k, (_, corners, heights, low) in enumerate(sorted(quads, key=lambda quad: quad[0])):
        face = mix(PURPLE, 0.1 + 0.13 * low)
        points = [_seen(*c, h) for c, h in zip(corners, heights, strict=True)]
        style = {"facecolor": face, "edgecolor": mix(PURPLE, 0.75), "lw": 0.5}
        ax.add_artist(Polygon(points, zorder=1 + k * 1e-4, **style))
    rolled = [_seen(w, b, descent_loss(w, b) - LOWEST[1]) for w, b in path]
    line(ax, rolled, INK, 4, zorder=2)
    for x, y in rolled[:-1]:
        circle(ax, x, y, 7, INK, fill=1, width=0, zorder=2.1)
    circle(ax, *rolled[-1], 15, VERMILLION, fill=1, width=0, zorder=2.2)
    write(ax, 300, 812, "height = loss", SMALL, GREY)

    place = chart(650, 226, 420, 520, (-2.0, 3.6), (-2.2, 3.1))
    for k, ring in enumerate(rings[1:]):
        xs, ys = np.transpose([_on_ring(ring, angle) for angle in around])
        line(ax, place(xs, ys), mix(PURPLE, 0.45 + 0.05 * k), 3)
    line(ax, place(*np.transpose(path)), INK, 4, zorder=2)
    for x, y in place(*np.transpose(path[:-1])) if step else ():
        circle(ax, x, y, 7, INK, fill=1, width=0, zorder=2.1)
    circle(ax, *place(weight, bias)[0], 15, VERMILLION, fill=1, width=0, zorder=2.2)
    line(ax, place([-2, -2, 3.6], [3.1, -2.2, -2.2]), GREY, 3)
    for tick in (-1, 0, 1, 2, 3):
        write(ax, place(tick, 0)[0][0], 770, number(tick, 0), SMALL, GREY)
        if tick < 3:
            write(ax, 640, place(0, tick)[0][1], number(tick, 0), SMALL, GREY, ha="right")
    write(ax, 860, 812, "weight", SMALL, GREY)
    upright(ax, 598, 486, "bias")

    place = chart(1140, 226, 400, 520, (-1.4, 2.4), (-1.5, 3.4))
    line(ax, place([-1.4, -1.4, 2.4], [3.4, -1.5, -1.5]), GREY, 3)
    for x, y in zip(*DESCENT_POINTS, strict=True):
        line(ax, place(x, [y, weight * x + bias]), PURPLE, 4)
    ends = np.array([-1.3, 2.3])
    inside = np.clip((np.array([-1.5, 3.4]) - bias) / weight, *sorted(ends))
    ends = np.sort(np.where(np.abs(weight) > 1e-9, inside, ends))
    line(ax, place(ends, weight * ends + bias), GREEN, 7, zorder=1.5)
    for x, y in place(*DESCENT_POINTS):
        circle(ax, x, y, 11, BLUE, fill=1, width=0, zorder=3)
    for tick in (-1, 0, 1, 2, 3):
        write(ax, 1130, place(0, tick)[0][1], number(tick, 0), SMALL, GREY, ha="right")
        if tick < 3:
            write(ax, place(tick, 0)[0][0], 770, number(tick, 0), SMALL, GREY)
    write(ax, 1340, 812, "input", SMALL, GREY)
    upright(ax, 1088, 486, "output")

    band(ax, 852, 84)
    write(ax, 84, 894, f"step {step} of {DESCENT_STEPS}", BODY, bold=True, ha="left", gid="step")
    numbers = f"weight {number(weight)}   bias {number(bias)}"
    write(ax, 330, 894, numbers, BODY, VERMILLION, bold=True, ha="left", gid="numbers")
    text = f"loss {number(descent_loss(weight, bias), 3)}"
    write(ax, 742, 894, text, BODY, PURPLE, bold=True, ha="left", gid="loss")
    rule = f"a step: each number − {DESCENT_RATE} × its slope"
    write(ax, 1516, 894, rule, BODY, ha="right")
    return ax.figure


def _on_ring(ring, angle):
    """The weight and bias at which the loss is ``ring`` squared above the lowest."""
    x = np.array(DESCENT_POINTS[0])
    curvature = np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1.0]])
    values, axes = np.linalg.eigh(curvature)
    return LOWEST[0] + axes @ (ring * np.array((np.cos(angle), np.sin(angle))) / np.sqrt(values))


def _seen(weight, bias, height):
    """Where a point of the landscape stands on the page, seen from above and aside."""
    turn, s = np.radians(252), 86
    w, b = weight - LOWEST[0][0], bias - LOWEST[0][1]
    across, deep = w * np.cos(turn) - b * np.sin(turn), w * np.sin(turn) + b * np.cos(turn)
    return 300 + s * across, 590 - 0.76 * s * deep - 23 * height


@picture(
    "c2-gradient-descent.gif",
    labs="c2",
    alt="Animation: a ball rolls down a bowl, the loss over all weights and biases of a neuron, "
    "in twelve steps that grow shorter as the ground gets flatter. On the map of the bowl the path "
    "bends towards the middle. Beside it the neuron's line swings until it fits five points.",
    seconds=(3, 2, 2, *[1] * 9, 5),
    colours=192,
)
def gradient_descent_animation(step: int = 12):
    subtitle = "Feel the slope, take a step downhill, feel again. The line at the right follows."
    return gradient_descent(step, subtitle)


@picture(
    "c2-gradient-descent.png",
    labs="c2",
    alt="Twelve steps of gradient descent. Left a bowl whose height is the loss, with a path from "
    "its rim to its bottom; in the middle its map, with rings of equal loss and the same path; at "
    "the right the neuron at the end of the path, a line that fits five points.",
)
def gradient_descent_still():
    return gradient_descent(DESCENT_STEPS, "Twelve steps downhill, and the neuron at their end.")


# --------------------------------------------------------------------------- lab c3


@dataclass(frozen=True)
class Window:
    """A window that moves over a picture of so many pixels a side."""

    name: str
    pixels: int
    side: int
    stride: int
    padding: int
    colour: str

    @property
    def places(self) -> int:
        """How many places it has in each direction."""
        return (self.pixels + 2 * self.padding - self.side) // self.stride + 1


WINDOWS = (
    Window("kernel 3 × 3", 6, 3, 1, 0, VERMILLION),
    Window("stride 2", 6, 3, 2, 0, VERMILLION),
    Window("padding 1", 6, 3, 1, 1, VERMILLION),
    Window("pooling 2 × 2", 6, 2, 2, 0, PURPLE),
)


@picture(
    "c3-windows.png",
    labs="c3",
    alt="Four windows on a picture of 6 × 6 pixels, with their first and second places. A kernel "
    "of 3 × 3 has 4 places in each direction; with stride 2 it has 2, and the last row and column "
    "of pixels are never reached; with padding 1 it has 6. Pooling 2 × 2 has 3, side by side.",
)
def windows():
    ax = page(
        946,
        "How many places has a window?",
        "Where it lies, it gives one number of the result. Four windows on a picture of 6 × 6.",
    )
    cell, top = 40, 246
    for k, window in enumerate(WINDOWS):
        left = MARGIN + 20 + 370 * k
        across = left + 4 * cell
        write(ax, across, 188, window.name, HEAD, window.colour, bold=True)
        around = range(-window.padding, window.pixels + window.padding)
        reached = (window.places - 1) * window.stride + window.side - window.padding
        for r in around:
            for c in around:
                x, y = left + (c + 1) * cell, top + (r + 1) * cell
                inside = min(r, c) >= 0 and max(r, c) < window.pixels
                share = 0.34 if max(r, c) < reached else 0.1
                square(ax, x, y, cell, cell, mix(BLUE, share) if inside else mix(GREY, 0.12))
                if not inside and (r, c) not in ((-1, -1), (-1, 0)):  # those are numbered
                    write(ax, x + cell / 2, y + cell / 2, "0", SMALL, GREY)
        first = (left + (1 - window.padding) * cell, top + (1 - window.padding) * cell)
        size = window.side * cell
        second = (first[0] + window.stride * cell, first[1])
        square(ax, *second, size, size, "none", edge=mix(window.colour, 0.5), width=5, zorder=3)
        square(ax, *first, size, size, "none", edge=window.colour, width=8, zorder=4)
        for place in range(2):
            x = first[0] + place * window.stride * cell + cell / 2
            write(ax, x, first[1] + cell / 2, f"{place + 1}", SMALL, bold=True, zorder=5)
        arrow(ax, (across, top + 8 * cell + 14), (across, top + 8 * cell + 62), GREY, 5)
        small = 18
        side = window.places * small
        for r in range(window.places):
            for c in range(window.places):
                spot = (across - side / 2 + c * small, 642 + r * small)
                square(ax, *spot, small, small, mix(GREEN, 0.7 if r == 0 and c < 2 else 0.3))
        room = window.pixels + 2 * window.padding - window.side
        text = f"{window.pixels} + {2 * window.padding} − {window.side} = {room}"
        write(ax, across, 784, text, SMALL)
        text = f"({room} ÷ {window.stride} → {window.places - 1}) + 1 = {window.places}"
        write(ax, across, 822, text, SMALL, bold=True, gid=window.name)
    band(ax, 866, 56)
    room = "room = pixels + padding on both sides − window"
    write(ax, 800, 894, f"{room};  places = (room ÷ stride, rounded down) + 1", BODY)
    return ax.figure


# (name, side of the window, stride): lab 03's network, as far as its maps reach.
FIELDS = (
    ("conv 3 × 3", 3, 1),
    ("pool 2 × 2", 2, 2),
    ("conv 3 × 3", 3, 1),
    ("pool 2 × 2", 2, 2),
    ("conv 3 × 3", 3, 1),
)


def receptive_fields(pixels: int = 28) -> list[tuple[int, int, int]]:
    """For each layer how many neurons lie in a row, how many pixels apart, what each sees."""
    count, apart, field = pixels, 1, 1
    rows = [(count, apart, field)]
    for _, side, stride in FIELDS:
        count = (count - side) // stride + 1
        field, apart = field + (side - 1) * apart, apart * stride
        rows.append((count, apart, field))
    return rows


@picture(
    "c3-receptive-field.png",
    labs="c3",
    alt="A section through lab 03's network: a row of 28 pixels at the bottom, above it the maps "
    "with 26, 13, 11, 5 and 3 neurons. From the middle neuron at the top lines go down to all that "
    "it depends on: 3 neurons, 6, 8, 16, and in the end 18 pixels, its receptive field.",
)
def receptive_field():
    ax = page(
        920,
        "The receptive field grows from layer to layer",
        "A section through lab 03’s network: one row of the picture, and one row of each map.",
    )
    pixel, left, floor, step = 40, 250, 788, 116
    rows = receptive_fields()
    write(ax, MARGIN, 168, "layer", SMALL, GREY, bold=True, ha="left")
    write(ax, WIDTH - MARGIN, 168, "each sees", SMALL, GREY, bold=True, ha="right")

    def middle(row, neuron):
        """The middle of what a neuron sees, in pixels of the page."""
        _, apart, field = rows[row]
        return left + pixel * (neuron * apart + field / 2)

    reached = [range(count) for count, _, _ in rows]
    reached[-1] = range(1, 2)
    for row in range(len(FIELDS), 0, -1):
        _, side, stride = FIELDS[row - 1]
        first, last = reached[row][0] * stride, reached[row][-1] * stride + side - 1
        reached[row - 1] = range(first, last + 1)
        y, below = floor - step * row + 32, floor - step * (row - 1)
        for neuron in reached[row]:
            for part in range(side):
                ends = (middle(row, neuron), middle(row - 1, neuron * stride + part))
                line(ax, list(zip(ends, (y, below), strict=True)), mix(VERMILLION, 0.4), 2)
    for row, (count, _, field) in enumerate(rows):
        y = floor - step * row
        colour = VERMILLION if row else BLUE
        for neuron in range(count):
            x = middle(row, neuron) - pixel / 2 + 3
            seen = neuron in reached[row]
            square(ax, x, y, pixel - 6, 32, mix(colour, 0.75 if seen else 0.14), zorder=2)
        name = FIELDS[row - 1][0] if row else "picture"
        write(ax, MARGIN, y + 4, name, BODY, colour, bold=True, ha="left")
        noun = "neurons" if row else "pixels"
        write(ax, MARGIN, y + 34, f"{count} {noun}", SMALL, GREY, ha="left")
        sees = f"{field} pixels" if row else "itself"
        write(ax, WIDTH - MARGIN, y + 16, sees, BODY, bold=True, ha="right", gid=f"field {row}")
    seen = reached[0]
    ends = (left + pixel * seen[0] + 3, left + pixel * (seen[-1] + 1) - 3)
    line(ax, [(ends[0], floor + 52), (ends[1], floor + 52)], dark(BLUE), 5)
    note = f"the receptive field of the middle neuron at the top: {len(seen)} of 28 pixels"
    write(ax, sum(ends) / 2, floor + 84, note, BODY, BLUE, bold=True)
    return ax.figure


# --------------------------------------------------------------------------- lab c4


def two_groups() -> tuple[np.ndarray, np.ndarray]:
    """Sixteen points of two kinds, from 0 to 1 across and down: ``(16, 2)``, and the kinds."""
    below = [(12, 62), (22, 80), (28, 58), (36, 72), (14, 40), (30, 38), (44, 88), (46, 60)]
    above = [(56, 36), (66, 48), (72, 22), (84, 34), (62, 14), (88, 56), (76, 62), (50, 16)]
    return np.array(below + above) / 100, np.repeat([0, 1], 8)


def _points(ax, x, y, side, lettered):
    """The sixteen points in a square; those in ``lettered`` show their label, a or b."""
    places, kinds = two_groups()
    for i, ((across, down), kind) in enumerate(zip(places, kinds, strict=True)):
        middle = (x + across * side, y + down * side)
        if i in lettered:
            badge(ax, *middle, 17, "ab"[kind], SMALL, BLUE if kind == 0 else GREEN)
        else:
            circle(ax, *middle, 13, GREY, fill=0.15, width=3)


def _border(ax, x, y, side):
    ends = [(x + 0.22 * side, y + 0.04 * side), (x + 0.8 * side, y + 0.94 * side)]
    line(ax, ends, VERMILLION, 6)


@picture(
    "c4-kinds.png",
    labs="c4",
    alt="Four panels. Supervised: every point carries a label, a or b, and a border between them "
    "is learned. Unsupervised: no point has a label, and two groups are found. Semi-supervised: "
    "four of sixteen points have a label, the border is much the same. Reinforcement: an agent "
    "acts on its environment, which answers with a reward.",
)
def kinds_of_learning():
    ax = page(
        760,
        "Four kinds of learning",
        "They differ in what is given: all answers, none, a few, or only a reward.",
    )
    panels = (
        ("supervised", "every example is answered", "learned: a border"),
        ("unsupervised", "no example is answered", "learned: two groups"),
        ("semi-supervised", "a few are answered", "learned: a border"),
        ("reinforcement", "a reward for each action", "learned: what to do"),
    )
    side, top = 270, 280
    for i, (name, given, learned) in enumerate(panels):
        x = 60 + 378 * i
        box(ax, x, 160, 346, 470, GREY, fill=0.05)
        write(ax, x + 173, 200, name, HEAD, bold=True)
        write(ax, x + 173, 242, given, SMALL, GREY)
        write(ax, x + 173, 598, learned, SMALL, VERMILLION, bold=True)
    lefts = [60 + 378 * i + 38 for i in range(4)]
    _points(ax, lefts[0], top, side, range(16))
    _border(ax, lefts[0], top, side)
    _points(ax, lefts[1], top, side, ())
    places, kinds = two_groups()
    turn = np.linspace(0, 2 * np.pi, 80)
    for kind in (0, 1):
        group = places[kinds == kind]
        # An ellipse that lies as the points of the group do.
        shape = 2.15 * np.linalg.cholesky(np.cov(group.T))
        ring = group.mean(axis=0) + np.stack([np.cos(turn), np.sin(turn)], axis=1) @ shape.T
        line(ax, [*(ring * side + (lefts[1], top))], VERMILLION, 5, dashed=True)
    _points(ax, lefts[2], top, side, (1, 4, 10, 13))
    _border(ax, lefts[2], top, side)
    x = lefts[3]
    box(ax, x + 45, top, 180, 76, VERMILLION, fill=0.12)
    write(ax, x + 135, top + 38, "agent", BODY, VERMILLION, bold=True)
    box(ax, x + 25, top + 190, 220, 76, BLUE, fill=0.12)
    write(ax, x + 135, top + 228, "environment", BODY, BLUE, bold=True)
    arrow(ax, (x + 200, top + 80), (x + 200, top + 186), VERMILLION, 5)
    arrow(ax, (x + 70, top + 186), (x + 70, top + 80), GREEN, 5)
    write(ax, x + 190, top + 133, "action", SMALL, VERMILLION, ha="right")
    write(ax, x + 60, top + 133, "reward", SMALL, GREEN, ha="right")
    band(ax, 660, 60)
    note = "The same question each time: does what was learned hold for what has not been seen?"
    write(ax, 800, 690, note, BODY)
    return ax.figure


def _icon_dense(ax, x, y):
    for a in (-20, 20):
        for b in (-24, 0, 24):
            line(ax, [(x - 28, y + a), (x + 24, y + b)], LINE, 2)
    for a in (-20, 20):
        circle(ax, x - 28, y + a, 8, BLUE, fill=0.3, width=2.5)
    for b in (-24, 0, 24):
        circle(ax, x + 24, y + b, 8, VERMILLION, fill=0.3, width=2.5)


def _icon_kernel(ax, x, y):
    for row in range(4):
        for column in range(4):
            inside = row < 2 and 0 < column < 3
            face = mix(VERMILLION if inside else BLUE, 0.5 if inside else 0.12)
            square(ax, x - 28 + 14 * column, y - 28 + 14 * row, 14, 14, face)


def _icon_layers(ax, x, y):
    for k, colour in enumerate((GREY, GREY, GREY, VERMILLION)):
        box(ax, x - 32 + 17 * k, y - 26, 11, 52, colour, fill=0.25, width=2.5, radius=4)


def _step(ax, start, end, colour=VERMILLION):
    """An arrow small enough for an icon."""
    start, end = np.array(start, float), np.array(end, float)
    ahead = (end - start) / np.hypot(*(end - start))
    aside = np.array([-ahead[1], ahead[0]])
    head = [end, end - 12 * ahead + 7 * aside, end - 12 * ahead - 7 * aside]
    line(ax, [tuple(start), tuple(end - 8 * ahead)], colour, 3, zorder=2)
    ax.add_artist(Polygon(head, facecolor=colour, edgecolor="none", zorder=3))


def _icon_loop(ax, x, y):
    circle(ax, x - 12, y + 10, 16, VERMILLION, fill=0.3, width=3)
    turn = np.linspace(0.35, -1.35, 30) * np.pi
    ring = np.stack([x + 10 + 18 * np.cos(turn), y - 8 + 18 * np.sin(turn)], axis=1)
    line(ax, [tuple(end) for end in ring[:-4]], VERMILLION, 3)
    _step(ax, ring[-8], (x - 10, y - 7))


def _icon_two_chains(ax, x, y):
    line(ax, [(x - 32, y + 18), (x + 12, y + 18)], BLUE, 3)
    line(ax, [(x - 10, y - 18), (x + 34, y - 18)], GREEN, 3)
    for k in range(3):
        circle(ax, x - 32 + 22 * k, y + 18, 8, BLUE, fill=0.3, width=2.5)
        circle(ax, x - 10 + 22 * k, y - 18, 8, GREEN, fill=0.3, width=2.5)
    _step(ax, (x + 9, y + 9), (x - 5, y - 9))


def _icon_waist(ax, x, y):
    shape = [(-32, -26), (0, -7), (32, -26), (32, 26), (0, 7), (-32, 26)]
    ends = [(x + a, y + b) for a, b in shape]
    fill = mix(VERMILLION, 0.25)
    ax.add_artist(Polygon(ends, facecolor=fill, edgecolor=VERMILLION, lw=2, zorder=1))


def _icon_noise(ax, x, y):
    for (row, column), value in np.ndenumerate(np.random.default_rng(3).random((4, 3))):
        square(ax, x - 36 + 9 * column, y - 18 + 9 * row, 9, 9, mix(GREY, value), width=0)
    _step(ax, (x - 6, y), (x + 11, y))
    circle(ax, x + 25, y, 12, GREEN, fill=0.3, width=3)


def _icon_graph(ax, x, y):
    nodes = [(-26, -14), (2, -24), (26, -4), (-8, 10), (14, 24)]
    for a, b in ((0, 1), (0, 3), (1, 2), (1, 3), (2, 4), (3, 4)):
        ends = [(x + nodes[k][0], y + nodes[k][1]) for k in (a, b)]
        line(ax, ends, GREY, 3)
    for a, b in nodes:
        circle(ax, x + a, y + b, 8, VERMILLION, fill=0.3, width=2.5)


def _icon_reward(ax, x, y):
    box(ax, x - 26, y - 33, 52, 20, VERMILLION, fill=0.3, width=2.5, radius=5)
    box(ax, x - 26, y + 13, 52, 20, BLUE, fill=0.3, width=2.5, radius=5)
    _step(ax, (x + 14, y - 13), (x + 14, y + 13))
    _step(ax, (x - 14, y + 13), (x - 14, y - 13), GREEN)


# What goes in, its icon, the network, where it is met, what comes out, how it learns.
NETWORKS = (
    ("a row of numbers", _icon_dense, "dense", "lab 02", "a number or a class", "supervised"),
    ("a picture", _icon_kernel, "convolutional", "labs 03 to 08", "what is in it", "supervised"),
    ("a picture", _icon_layers, "pretrained", "lab 07", "what is in it", "supervised"),
    (
        "a sequence",
        _icon_loop,
        "recurrent",
        "RNN, LSTM, GRU",
        "a class, the next item",
        "supervised",
    ),
    (
        "a sentence",
        _icon_two_chains,
        "sequence to sequence",
        "transformer",
        "a sentence",
        "supervised",
    ),
    (
        "a picture",
        _icon_waist,
        "autoencoder",
        "a narrow waist",
        "the picture again",
        "unsupervised",
    ),
    ("noise", _icon_noise, "generative", "diffusion, GAN", "a new picture", "unsupervised"),
    (
        "things and links",
        _icon_graph,
        "graph network",
        "molecules, maps",
        "a property",
        "supervised",
    ),
    (
        "a situation",
        _icon_reward,
        "deep reinforcement",
        "games, robots",
        "an action",
        "reinforcement",
    ),
)


@picture(
    "c4-map.png",
    labs="c4",
    alt="A map of nine kinds of networks, each with what goes in, what comes out, and how it "
    "learns. In this workshop: dense, convolutional and pretrained networks. Beyond it: recurrent "
    "networks and sequence to sequence for sequences, autoencoders and generative networks without "
    "labels, graph networks, and deep reinforcement learning.",
)
def map_of_networks():
    pitch, first = 92, 200
    ax = page(
        first + 9 * pitch + 110,
        "Networks, by what goes in and what comes out",
        "Three are met in this workshop. The others are made of the same parts.",
    )
    heads = (("in", 250, BLUE), ("network", 740, VERMILLION), ("out", 1190, GREEN))
    for text, x, colour in (*heads, ("kind of learning", 1440, GREY)):
        write(ax, x, 172, text, SMALL, colour, bold=True)
    for i, (goes_in, icon, name, note, out, learns) in enumerate(NETWORKS):
        y = first + pitch * i + (70 if i > 2 else 0) + 46
        here = i < 3
        write(ax, 250, y, goes_in, BODY, BLUE)
        arrow(ax, (385, y), (455, y), BLUE, 4)
        box(ax, 465, y - 39, 520, 78, VERMILLION if here else GREY, fill=0.1 if here else 0.04)
        icon(ax, 520, y)
        write(ax, 578, y - 15, name, BODY, VERMILLION if here else INK, bold=True, ha="left")
        write(ax, 578, y + 18, note, SMALL, GREY, ha="left")
        arrow(ax, (995, y), (1050, y), GREEN, 4)
        write(ax, 1190, y, out, BODY, GREEN)
        write(ax, 1440, y, learns, SMALL, GREY)
    border = first + 3 * pitch + 35
    line(ax, [(60, border), (640, border)], GREY, 3, dashed=True)
    line(ax, [(960, border), (1540, border)], GREY, 3, dashed=True)
    write(ax, 800, border, "beyond this workshop", SMALL, GREY, bold=True)
    return ax.figure


# --------------------------------------------------------------------------- the project


@picture(
    "architecture.png",
    labs="README",
    alt="The labs stand on the library labkit. Its rooms data, models and training make three "
    "things, data, model and history, and the rooms plot, check, widgets, sweep, store, serve and "
    "stream take them. Five services can be plugged in: a mirror or bucket, PostgreSQL, S3, "
    "Prometheus and Kafka. It all runs on a laptop, in a container, on a cluster and in CI.",
)
def architecture():
    ax = page(
        1196,
        "The workshop in one picture",
        "Every lab stands on the same rooms. Three things pass through them: data, model, history.",
    )
    write(ax, MARGIN, 190, "labs", HEAD, bold=True, ha="left")
    labs = [*(f"{k:02d}" for k in range(13)), *(f"c{k}" for k in range(1, 5))]
    for k, name in enumerate(labs):
        x = 188 + 78 * k + 38 * (k > 12)
        box(ax, x, 160, 66, 60, GREY, width=3, radius=10)
        write(ax, x + 33, 190, name, BODY, bold=True, mono=True)
    arrow(ax, (800, 230), (800, 272), GREY, 5)

    box(ax, MARGIN, 282, 1480, 470, GREY, fill=0.05, width=4, radius=22)
    write(ax, 92, 322, "labkit", HEAD, bold=True, mono=True, ha="left")
    makers = [
        ("data", 'load("mnist")', "data", BLUE),
        ("models", "cnn(data)", "model", VERMILLION),
        ("training", "fit(model, data)", "history", GREEN),
    ]
    for k, (name, call, noun, colour) in enumerate(makers):
        x = 104 + 470 * k
        box(ax, x, 352, 270, 124, colour, fill=0.1, width=4)
        write(ax, x + 135, 392, name, BODY, colour, bold=True, mono=True)
        write(ax, x + 135, 438, call, SMALL, mono=True)
        arrow(ax, (x + 274, 414), (x + 308, 414), colour, 4)
        line(ax, [(x + 376, 440), (x + 376, 532)], colour, 5)
        pill(ax, x + 376, 414, noun, colour, BODY, mono=True, solid=True)
        if k < 2:
            arrow(ax, (x + 430, 414), (x + 464, 414), colour, 4)
    line(ax, [(104, 532), (1496, 532)], GREY, 6)
    takers = [
        ("plot", "figures"),
        ("check", "exercises"),
        ("widgets", "panels"),
        ("sweep", "many trials"),
        ("store", "versions"),
        ("serve", "an address"),
        ("stream", "many pictures"),
    ]
    middles = [194 + 202 * k for k in range(7)]
    for x, (name, what) in zip(middles, takers, strict=True):
        arrow(ax, (x, 536), (x, 584), GREY, 4)
        box(ax, x - 90, 592, 180, 124, GREY, fill=0, width=4)
        write(ax, x, 632, name, BODY, bold=True, mono=True)
        write(ax, x, 678, what, SMALL, GREY)

    write(ax, 312, 836, "plugged in by a setting,", SMALL, GREY, ha="left")
    write(ax, 312, 870, "or the small one inside", SMALL, GREY, ha="left")
    plugs = [
        (170, "mirror, bucket", "or the sample", BLUE),
        (middles[3], "PostgreSQL", "or a file", GREY),
        (middles[4], "S3", "or a folder", GREY),
        (middles[5], "Prometheus", "reads /metrics", GREY),
        (middles[6], "Kafka", "or one inside", GREY),
    ]
    for x, name, otherwise, colour in plugs:
        wide = 220 if colour == BLUE else 186
        drum(ax, x - wide / 2, 814, wide, 100, colour, fill=0.08)
        write(ax, x, 858, name, SMALL, colour if colour == BLUE else INK, bold=True)
        write(ax, x, 894, otherwise, SMALL, GREY)
        if colour == GREY:
            line(ax, [(x, 722), (x, 796)], GREY, 4)
    line(ax, [(102, 414), (82, 414), (82, 804)], BLUE, 4)

    write(ax, MARGIN, 1022, "runs on", HEAD, bold=True, ha="left")
    places = [
        ("your laptop", "make lab"),
        ("a container", "one image"),
        ("a cluster", "pods and Jobs"),
        ("CI", "make test"),
    ]
    for k, (place, how) in enumerate(places):
        x = 208 + 337 * k
        box(ax, x, 972, 321, 100, GREY, width=4)
        write(ax, x + 160, 1004, place, BODY, bold=True)
        write(ax, x + 160, 1042, how, SMALL, GREY)
    band(ax, 1104, 56)
    note = "Alone it needs nothing. On a cluster the same call takes another address."
    write(ax, 800, 1132, note, BODY)
    return ax.figure


# --------------------------------------------------------------------------- the files


def draw(name: str, *, width: int = WIDTH, theme: str = "light", **options) -> Image.Image:
    """The picture as pixels, whatever settings of matplotlib the user has."""
    with matplotlib.style.context(["default", {"text.hinting": "none"}]):
        figure = PICTURES[name].draw(**options)
        THEMES[theme].repaint(figure)
        figure.set_dpi(DPI * width / WIDTH)
        figure.canvas.draw()
        return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")


def palettised(frames: list[Image.Image], colours: int) -> list[Image.Image]:
    """The frames in one palette: their most frequent colours, exact, and the nearest to others.

    Flat areas keep their colour to the bit, which Pillow's own quantisers do not promise.
    """
    pixels = np.stack([np.asarray(frame, np.int32) for frame in frames])
    codes, where, counts = np.unique(
        pixels @ np.array([1 << 16, 1 << 8, 1], np.int32), return_inverse=True, return_counts=True
    )
    rgb = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    palette = rgb[np.argsort(-counts, kind="stable")[:colours]]
    nearest, distance = np.zeros(len(rgb), np.uint8), np.full(len(rgb), np.inf)
    for index, colour in enumerate(palette):
        apart = ((rgb - colour) ** 2).sum(axis=1)
        nearest[apart < distance] = index
        distance = np.minimum(distance, apart)
    indexed = []
    for frame in nearest[where].reshape(pixels.shape[:3]):
        image = Image.fromarray(frame, "P")
        image.putpalette(palette.astype(np.uint8).tobytes())
        indexed.append(image)
    return indexed


def encode(name: str, *, theme: str = "light") -> bytes:
    """The picture as the bytes of its file, without any metadata."""
    file = io.BytesIO()
    if name.endswith(".gif"):
        seconds = PICTURES[name].seconds
        steps = range(len(seconds))
        frames = [draw(name, width=GIF_WIDTH, theme=theme, step=k) for k in steps]
        frames = palettised(frames, PICTURES[name].colours)
        frames[0].save(
            file,
            "GIF",
            save_all=True,
            append_images=frames[1:],
            duration=[round(1000 * s) for s in seconds],
            loop=0,
        )
    else:
        palettised([draw(name, theme=theme)], 256)[0].save(file, "PNG", optimize=True)
    return file.getvalue()


def readme() -> bytes:
    """The table of the pictures."""
    lines = [
        "# Pictures",
        "",
        "What the labs show. `make_pictures.py` draws all of it and writes this table: change the",
        "script, run `make pictures`, look at all of them in `build/pictures/contact-sheet.html`,",
        "and commit the script, the pictures and this file. The style, and what the colours mean,",
        "stand at the top of the script.",
        "",
        "These pictures are drawn on white and keep a white margin, so that they read on a dark",
        "page too, as a card. `make_pictures.py --theme dark --out FOLDER` draws the same set for",
        "dark paper, with the same contrast between any two colours.",
        "",
        "Four are screenshots. `take_screenshot.py` takes [jupyterlab.png](jupyterlab.png), which",
        "lab 00 shows, and [tuner.png](tuner.png), in the project's README; it needs Chromium. The",
        "pages of lab 10 come from `build/screenshots` of the browser tests, of which the upper",
        "part is kept: [lab10-draw.png](lab10-draw.png), and at half its size",
        "[lab10-form.png](lab10-form.png).",
        "",
        "| file | alt text | used in lab |",
        "| --- | --- | --- |",
    ]
    lines += [f"| [{n}]({n}) | {p.alt} | {p.labs} |" for n, p in PICTURES.items()]
    return ("\n".join(lines) + "\n").encode()


def save(path: Path, content: bytes) -> bool:
    """Writes the file whole or not at all; False where it already holds ``content``."""
    if path.exists() and path.read_bytes() == content:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def sheet(folder: Path) -> bytes:
    """A page with every picture as wide as a lab shows it; the dark ones lie in dark/ beside it."""
    figures = []
    drawn = {name: (picture.alt, f"used in {picture.labs}") for name, picture in PICTURES.items()}
    others = sorted(p.name for p in HERE.glob("*.png") if p.name not in PICTURES)
    for name, (alt, where) in {**drawn, **dict.fromkeys(others, ("", "a screenshot"))}.items():
        for theme in ("light", "dark") if name in PICTURES else ("light",):
            path = HERE / name if theme == "light" else folder / "dark" / name
            with Image.open(path) as image:
                facts = f"{where} · {image.width} × {image.height}"
                if (frames := getattr(image, "n_frames", 1)) > 1:
                    facts += f" · {frames} frames"
            facts += f" · {path.stat().st_size / 1000:.0f} kB"
            source = Path(os.path.relpath(path, folder)).as_posix()
            figures.append(
                f'<figure class="{theme}"><img src="{source}" alt="{html.escape(alt)}">'
                f"<figcaption><b>{name}</b> {facts}</figcaption></figure>"
            )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Every picture of the workshop</title>
<style>
body {{ margin: 0; font: 14px "DejaVu Sans", sans-serif; display: grid;
       grid-template-columns: repeat(2, 960px); }}
figure {{ margin: 0; padding: 30px; }}
figure img {{ max-width: 900px; }}
.light {{ grid-column: 1; background: #ffffff; color: #1f2933; }}
.dark {{ grid-column: 2; background: #111111; color: #e8eaed; }}
</style>
{chr(10).join(figures)}
</html>
""".encode()


def main() -> None:
    """Draws everything into a folder and says what changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--theme", choices=THEMES, default="light", help="the page they stand on")
    parser.add_argument("--out", type=Path, help="folder (default: this one)")
    parser.add_argument(
        "--sheet", type=Path, metavar="OUT", help="draw the dark ones into OUT/dark, and show all"
    )
    every = [*PICTURES, "README.md"]
    parser.add_argument("name", nargs="*", help="what to draw, such as activations.png; all")
    options = parser.parse_args()
    theme, folder, names = options.theme, options.out or HERE, options.name or every
    if options.sheet:
        theme, folder, names = "dark", options.sheet / "dark", every
        if missing := [name for name in every if not (HERE / name).exists()]:
            parser.error(f"first draw the light ones: {', '.join(missing)} is not there")
    if unknown := set(names) - set(every):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    if theme != "light":
        if folder == HERE:
            parser.error("this folder keeps the light pictures: say where to with --out")
        names = [name for name in names if name != "README.md"]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        content = readme() if name == "README.md" else encode(name, theme=theme)
        print(f"{name}: {'written' if save(folder / name, content) else 'unchanged'}")
    if options.sheet:
        save(options.sheet / "contact-sheet.html", sheet(options.sheet))
        print(options.sheet / "contact-sheet.html")


if __name__ == "__main__":
    main()
