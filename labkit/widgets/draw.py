"""Draw a digit, and see what the network makes of it."""

import math
from pathlib import Path

import numpy as np

from labkit import models, plot
from labkit.data.digits import SIDE, seen
from labkit.errors import LabError
from labkit.widgets.panel import Panel

_PEN = 22  # as in canvas.js
_SEVEN = ((75, 75), (205, 75), (130, 220))
_HERE = Path(__file__).parent
_SCRIPTS = (_HERE.parent / "serve" / "static" / "canvas.js", _HERE / "draw.js")


def draw_digit(model, *, class_names=tuple("0123456789"), maps: bool = True) -> Panel:
    """A canvas to draw a digit on, with what a network says of it while it is drawn.

    Args:
        model: a Keras classifier of pictures of 28 × 28 × 1, such as lab 03's.
        class_names: what its outputs are called.
        maps: show what its first convolution makes of the digit, too.

    Returns:
        A :class:`Panel`, which a notebook shows.

    Raises:
        LabError: the model takes something else, or has not as many outputs as there are
            names.

    Example:
        >>> labkit.widgets.draw_digit(model)
    """
    if tuple(model.input_shape[1:]) != (28, 28, 1):
        raise LabError(
            f"The model takes examples of shape {tuple(model.input_shape[1:])}; a drawn digit is "
            "(28, 28, 1). Use a model that was built from MNIST: models.cnn(data)."
        )
    if model.output_shape[-1] != len(class_names):
        raise LabError(
            f"The model has {model.output_shape[-1]} outputs, and there are {len(class_names)} "
            "names. Give class_names=data.class_names."
        )
    import anywidget
    import traitlets

    class Canvas(anywidget.AnyWidget):
        _esm = "".join(script.read_text(encoding="utf-8") for script in _SCRIPTS)
        _css = _HERE / "draw.css"
        class_names = traitlets.List(traitlets.Unicode()).tag(sync=True)
        maps = traitlets.Bool().tag(sync=True)

    convolves = any(type(layer).__name__ == "Conv2D" for layer in model.layers)
    canvas = Canvas(class_names=list(class_names), maps=maps and convolves)
    canvas.on_msg(lambda _, question, buffers: canvas.send(*reply(model, question, buffers)))
    return Panel(canvas, lambda: example(model, class_names), "Draw a digit")


def reply(model, question: dict, buffers: list) -> tuple[dict, list]:
    """The answer to a message of the canvas: what to send back, and bytes that go with it.

    Args:
        model: a Keras classifier of pictures of 28 × 28 × 1.
        question: "kind", which is "probabilities" or "maps", and "number".
        buffers: the drawing, 280 × 280 bytes, row by row, 0 for paper and 255 for ink.

    Returns:
        The question's "kind" and "number" with "probabilities", a list that is empty when
        nothing is drawn, and the 28 × 28 pixels that the network sees; or with "maps", a
        picture as HTML; or with "error".
    """
    try:
        picture = seen(buffers[0] if buffers else b"")
        if question.get("kind") == "maps":
            return question | {"maps": maps_of(model, picture)}, []
        # Without ink there is nothing to judge.
        said = models.probabilities(model, picture[None, ..., None])[0] if picture.any() else []
        return question | {"probabilities": [float(p) for p in said]}, [picture.tobytes()]
    except Exception as error:  # the panel shows it: a callback has no cell to raise in
        return question | {"error": str(error)}, []


def maps_of(model, picture: np.ndarray) -> str:
    """What the first convolution makes of a picture, as HTML; nothing of an empty one."""
    from matplotlib.figure import Figure

    if not picture.any():
        return ""
    # As high as the rows of nine that activation_maps makes of the input and its maps.
    filters = next(layer.filters for layer in model.layers if type(layer).__name__ == "Conv2D")
    rows = math.ceil((1 + filters) / 9)
    # Never pyplot: its figures belong to whichever cell runs at the moment.
    figure = Figure(figsize=(8.4, 0.7 + rows), dpi=100, layout="constrained")
    plot.activation_maps(model, picture[..., None], ax=figure.subplots())
    return plot.as_html(figure)


def example(model, class_names) -> str:
    """What stands for the panel where widgets are not available: a seven, drawn and judged."""
    from matplotlib.figure import Figure
    from PIL import Image, ImageDraw

    paper = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(paper)
    pen.line(_SEVEN, fill=255, width=_PEN, joint="curve")
    for x, y in _SEVEN:
        pen.circle((x, y), _PEN / 2, fill=255)
    picture = seen(paper.tobytes())
    said = models.probabilities(model, picture[None, ..., None])[0]
    figure = Figure(figsize=(9, 3.8), dpi=100, layout="constrained")
    drawn, small, bars = figure.subplots(1, 3, width_ratios=(2, 2, 3))
    plot.pictures(np.asarray(paper), "A drawing", ax=drawn)
    plot.pictures(picture, "What the network sees", ax=small)
    plot.probabilities(said, class_names, ax=bars)
    return plot.as_html(figure)
