"""The convolution viewer: a kernel slides over a picture, and every number is spelled out."""

import html
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from labkit import palette, plot
from labkit.errors import LabError
from labkit.widgets.convolution import PRESETS, Position, at, convolve, short
from labkit.widgets.panel import Panel, status

_LARGEST = 64  # pixels of a side: more would be too small to see
_LEGIBLE = 16  # pixels of a side that still have room for their numbers
_OWN = "your own"
_HERE = Path(__file__).parent


def convolution_viewer(picture=None) -> Panel:
    """A kernel that slides over a picture, with the arithmetic of where it stands.

    Args:
        picture: grey, ``(height, width)`` or ``(height, width, 1)``, at most 64 × 64, of any
            numbers; ``None`` draws a seven of 12 × 12 pixels from 0 to 9.

    Returns:
        A :class:`Panel`, which a notebook shows.

    Raises:
        LabError: it is no grey picture, or one too large or too small.

    Example:
        >>> labkit.widgets.convolution_viewer(data.x_test[0])
    """
    return Viewer(seven() if picture is None else picture).panel


def seven() -> np.ndarray:
    """A seven of 12 × 12 pixels, whole numbers from 0 to 9: small enough to do the sums."""
    y, x = np.mgrid[:12, :12]
    slant = np.clip((y - 2) / 8, 0, 1)
    bar = np.hypot(y - 2, np.maximum(0, np.abs(x - 5.5) - 3.5))
    leg = np.hypot(x - (9 - 4.5 * slant), y - (2 + 8 * slant))
    return np.rint(9 * np.clip(1.9 - np.minimum(bar, leg), 0, 1)).astype(int)


class Viewer:
    """The viewer's controls, and what they stand for."""

    def __init__(self, picture):
        import ipywidgets as w

        self.grey = _grey(picture)
        self.preset = _labelled(w.Dropdown, "Kernel", options=[*PRESETS, _OWN])
        self.cells = [_cell(row, column) for row in range(3) for column in range(3)]
        self.stride = _labelled(w.Dropdown, "Stride", options=[1, 2, 3])
        self.padding = _labelled(w.Dropdown, "Padding", options=[0, 1, 2])
        self.row = _labelled(w.BoundedIntText, "Row", min=0, max=0)
        self.column = _labelled(w.BoundedIntText, "Column", min=0, max=0)
        self.said, self.sum = w.HTML(), w.HTML()
        self.canvas = _canvas()
        self._settling = False
        self._choose()
        self.preset.observe(lambda _: self._choose(), "value")
        for cell in self.cells:
            cell.observe(lambda _: self._edit(), "value")
        for control in (self.stride, self.padding):
            control.observe(lambda _: self._convolve(), "value")
        for control in (self.row, self.column):
            control.observe(lambda _: self._move(), "value")
            w.link((control, "value"), (self.canvas, control.description.lower()))
        grid = w.GridBox(
            self.cells,
            layout=w.Layout(grid_template_columns="repeat(3, 5.5em)", margin="0 0 0 5em"),
        )
        controls = [self.preset, grid, self.stride, self.padding, self.row, self.column]
        left = w.VBox([*controls, self.said, self.sum])
        view = w.HBox([left, self.canvas], layout=w.Layout(flex_flow="row wrap"))
        self.panel = Panel(view, self.picture, "Convolution viewer")

    @property
    def kernel(self) -> np.ndarray:
        """The numbers of the kernel, ``(3, 3)``."""
        return np.reshape([cell.value for cell in self.cells], (3, 3))

    @property
    def steps(self):
        """Stride and padding, as :func:`convolve` takes them."""
        return {"stride": self.stride.value, "padding": self.padding.value}

    @property
    def position(self) -> Position:
        """What happens where the kernel stands."""
        return at(self.grey, self.kernel, self.row.value, self.column.value, **self.steps)

    def picture(self):
        """What stands for the panel where widgets are not available."""
        from matplotlib.figure import Figure

        # Never pyplot: its figures belong to whichever cell runs at the moment.
        figure = Figure(figsize=(9, 3.4), dpi=100, layout="constrained")
        _draw(figure, self)
        return f"{plot.as_html(figure)}{_spelled(self.position)}"

    def _choose(self):
        """Fill in the numbers of the chosen kernel."""
        if self._settling or self.preset.value == _OWN:
            return
        with self._settle():
            for cell, number in zip(self.cells, np.ravel(PRESETS[self.preset.value]), strict=True):
                cell.value = number
        self._convolve()

    def _edit(self):
        """Name the kernel after what its numbers are now."""
        if self._settling:
            return
        names = [name for name, kernel in PRESETS.items() if np.array_equal(kernel, self.kernel)]
        with self._settle():
            self.preset.value = names[0] if names else _OWN
        self._convolve()

    def _convolve(self):
        """The whole result anew; the kernel stays where it is, or at the edge."""
        if self._settling:
            return
        result = convolve(self.grey, self.kernel, **self.steps)
        with self._settle(), self.canvas.hold_sync():
            self.row.max, self.column.max = (side - 1 for side in result.shape)
            self.canvas.scene = scene(self.grey, self.kernel, **self.steps)
        self._move()

    def _move(self):
        """Spell out where the kernel stands."""
        if self._settling:
            return
        self.sum.value = _spelled(self.position)
        self.said.value = status(self.reading())

    @contextmanager
    def _settle(self):
        """Change several controls as one: nothing is computed from half of them."""
        self._settling = True
        try:
            yield
        finally:
            self._settling = False

    def reading(self):
        """The pixel of the result, in words."""
        total = short(self.position.total)
        return f"Row {self.row.value}, column {self.column.value} of the result is {total}."


def scene(picture, kernel, *, stride: int = 1, padding: int = 0) -> dict:
    """What there is to draw: the picture and the result, as cells with colours and numbers.

    Args:
        picture: ``(height, width)``, grey.
        kernel: ``(rows, columns)``.
        stride, padding: as for :func:`labkit.widgets.convolution.convolve`.

    Returns:
        "picture", with its padding, and "result": lists of rows of cells, each a colour, the
        colour to write on it, and a number, or "" where there is no room for it. And "stride",
        "padding" and "kernel", its ``[rows, columns]``.

    Raises:
        LabError: as for ``convolve``.

    Example:
        >>> scene(np.eye(3), PRESETS["nothing"])["result"]
        [[['#ffffff', '#1F2933', '1']]]
    """
    result = convolve(picture, kernel, stride=stride, padding=padding)
    cells = _cells(picture)
    if padding:
        empty = [palette.LINE, palette.INK, "0" if cells[0][0][2] else ""]
        side = [empty] * padding
        width = len(cells[0]) + 2 * padding
        around = [[empty] * width] * padding
        cells = [*around, *([*side, *row, *side] for row in cells), *around]
    return {
        "picture": cells,
        "result": _cells(result),
        "stride": stride,
        "padding": padding,
        "kernel": list(np.shape(kernel)),
    }


def coloured(numbers) -> np.ndarray:
    """Numbers as colours: grey, or blue and vermillion where some are below 0.

    Args:
        numbers: ``(rows, columns)``.

    Returns:
        ``uint8`` of shape ``(rows, columns, 3)``; the largest number is white, or blue; the
        smallest vermillion.

    Example:
        >>> coloured(np.array([[0.0, 9.0]]))[0].tolist()
        [[0, 0, 0], [255, 255, 255]]
    """
    numbers = np.asarray(numbers, float)
    share = numbers / (np.abs(numbers).max() or 1)
    if (numbers < 0).any():
        return palette.diverging()((share + 1) / 2, bytes=True)[..., :3]
    return np.repeat(np.uint8(np.rint(255 * share))[..., None], 3, axis=-1)


def _grey(picture):
    """The picture as floats ``(height, width)``."""
    try:
        grey = np.asarray(picture, float)
    except (TypeError, ValueError):
        raise LabError("That is no picture. Give an array of numbers, (height, width).") from None
    if grey.ndim == 3 and grey.shape[-1] == 1:
        grey = grey[..., 0]
    if grey.ndim != 2 or min(grey.shape) < 3 or max(grey.shape) > _LARGEST:
        raise LabError(
            f"An array of shape {grey.shape} is no grey picture from 3 × 3 to {_LARGEST} × "
            f"{_LARGEST}. Give one, such as data.x_test[0] of MNIST."
        )
    if not np.isfinite(grey).all():
        raise LabError("Some pixels are not finite. Replace them: np.nan_to_num(picture).")
    return grey


def _labelled(kind, text, **options):
    return kind(description=text, style={"description_width": "5em"}, **options)


def _cell(row, column):
    import ipywidgets as w

    number = w.BoundedFloatText(
        min=-1000,
        max=1000,
        step=1,
        description=f"Kernel, row {row}, column {column}",
        layout=w.Layout(width="5em"),
    )
    return number.add_class("labkit-cell")  # its label is there to be heard, not seen


def _canvas():
    import anywidget
    import traitlets

    class Canvas(anywidget.AnyWidget):
        _esm = _HERE / "convolution.js"
        _css = _HERE / "views.css"
        scene = traitlets.Dict().tag(sync=True)
        row = traitlets.Int(0).tag(sync=True)
        column = traitlets.Int(0).tag(sync=True)
        mark = traitlets.Unicode(palette.ORANGE).tag(sync=True)

    return Canvas()


def _cells(numbers):
    legible = max(np.shape(numbers)) <= _LEGIBLE
    made = []
    for colours, row in zip(coloured(numbers), numbers, strict=True):
        made.append(
            [
                [
                    "#" + bytes(colour).hex(),
                    palette.PAPER if colour @ (0.3, 0.6, 0.1) < 128 else palette.INK,
                    short(round(number, 1)) if legible else "",
                ]
                for colour, number in zip(colours, row, strict=True)
            ]
        )
    return made


def _spelled(position):
    """The arithmetic, as HTML."""
    return f"<p>Kernel × picture, added up:</p><pre>{html.escape(position.arithmetic())}</pre>"


def _draw(figure, viewer):
    """The picture, the kernel and the result side by side, marked where the kernel stands."""
    from matplotlib.patches import Rectangle

    drawn = scene(viewer.grey, viewer.kernel, **viewer.steps)
    stride, (rows, columns) = drawn["stride"], drawn["kernel"]
    row, column = viewer.row.value, viewer.column.value
    parts = {
        "Picture": (drawn["picture"], (row * stride, column * stride, rows, columns)),
        "Kernel": (_cells(viewer.kernel), None),
        "Result": (drawn["result"], (row, column, 1, 1)),
    }
    axes = figure.subplots(1, 3, width_ratios=(3, 1, 3))
    for ax, (title, (cells, frame)) in zip(axes, parts.items(), strict=True):
        pixels = [[list(bytes.fromhex(colour[1:])) for colour, _, _ in row] for row in cells]
        ax.imshow(np.uint8(pixels))
        for (y, x), number in np.ndenumerate([[text for _, _, text in row] for row in cells]):
            ax.text(x, y, number, ha="center", va="center", fontsize=8, color=cells[y][x][1])
        if frame:
            top, left, height, width = frame
            place = (left - 0.5, top - 0.5)
            frame = {"fill": False, "ec": palette.ORANGE, "lw": 3, "clip_on": False}
            ax.add_patch(Rectangle(place, width, height, zorder=3, **frame))
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, loc="left", color=palette.INK)
    height, width = viewer.grey.shape
    plot.describe(
        figure,
        f"A picture of {width} by {height} pixels, a kernel of {columns} by {rows} numbers and "
        f"the result of the convolution. {viewer.reading()}",
    )
