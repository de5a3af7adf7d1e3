"""Sliders: a drawing of your own that follows the numbers they stand for."""

import inspect
from collections.abc import Callable

from labkit import plot
from labkit.errors import LabError
from labkit.widgets.panel import Panel, status


def slider(draw: Callable, *, size: tuple[float, float] = (9, 3.6), **values) -> Panel:
    """A slider for each argument of a function that draws, and the drawing below them.

    Args:
        draw: takes a new matplotlib ``Figure`` and, by name, the values of the sliders; draws
            into the figure. A slider begins at the default of its argument, or at its first
            value. What :func:`labkit.plot.describe` is given stands below the drawing too, so
            say there what the values change.
        size: the figure, in inches.
        **values: for each argument the values that its slider goes through, two or more.

    Returns:
        A :class:`Panel`, which a notebook shows. Where widgets are not available, the drawing
        for the first position of the sliders stands for it.

    Raises:
        LabError: there is nothing to move, or ``draw`` has no such argument, or its default is
            not among the values.

    Example:
        >>> def parabola(figure, bend=1):
        ...     x = np.linspace(-1, 1)
        ...     figure.subplots().plot(x, bend * x**2)
        >>> labkit.widgets.slider(parabola, bend=range(-3, 4))
    """
    return Slider(draw, size, values).panel


class Slider:
    """The sliders, and the drawing that follows them."""

    def __init__(self, draw, size, values):
        import ipywidgets as w

        self.draw, self.size = draw, size
        self.controls = {
            name: w.SelectionSlider(
                description=name.replace("_", " "),
                options=options,
                value=start,
                style={"description_width": "8em"},
                layout=w.Layout(width="32em", max_width="100%"),
            )
            for name, (options, start) in _positions(draw, values).items()
        }
        self.shown, self.said = w.HTML(), w.HTML()
        for control in self.controls.values():
            control.observe(lambda _: self.show(), "value")
        self.show()
        view = w.VBox([*self.controls.values(), self.shown, self.said])
        self.panel = Panel(view, self.picture, "Slider" if len(values) == 1 else "Sliders")

    @property
    def values(self):
        """What the sliders say."""
        return {name: control.value for name, control in self.controls.items()}

    def figure(self):
        """The drawing for what the sliders say."""
        from matplotlib.figure import Figure

        # Never pyplot: its figures belong to whichever cell runs at the moment.
        figure = Figure(figsize=self.size, dpi=100, layout="constrained")
        self.draw(figure, **self.values)
        return figure

    def show(self):
        """Draw anew, and say what has been drawn."""
        figure = self.figure()
        self.shown.value = plot.as_html(figure)
        self.said.value = status(plot.alt_text(figure))

    def picture(self):
        """What stands for the panel where widgets are not available."""
        return plot.as_html(self.figure())


def _positions(draw, values):
    """For each slider its values and the one that it begins at."""
    if not values:
        raise LabError("There is nothing to move. Give values, such as degree=range(1, 13).")
    arguments = inspect.signature(draw).parameters
    drawing = getattr(draw, "__name__", "the drawing")
    found = {}
    for name, options in values.items():
        options = list(options)
        if name not in arguments:
            raise LabError(
                f"{drawing} has no argument {name!r}; it takes {', '.join(arguments)}. "
                "Give values for those that come after the figure."
            )
        if len(options) < 2:
            raise LabError(f"{name} has {len(options)} value to choose from. Give two or more.")
        start = arguments[name].default
        start = options[0] if start is inspect.Parameter.empty else start
        if start not in options:
            raise LabError(
                f"{drawing} begins at {name}={start!r}, which is not among the values. "
                "Add it to them, or begin at one of them."
            )
        found[name] = (options, start)
    return found
