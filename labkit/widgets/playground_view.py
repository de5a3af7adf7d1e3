"""The playground: a decision boundary that is redrawn while a small network learns it."""

import threading
import time
from pathlib import Path

import numpy as np

from labkit import palette, plot
from labkit.widgets.boundary import ACTIVATIONS, KINDS, Playground
from labkit.widgets.panel import Panel, status

_SIZE, _EXTENT = 60, 1.7
_FRAME = 0.05  # seconds between two pictures, at least: an eye sees no more, a laptop stays cool
_MOST = 1000  # epochs until it pauses by itself, for who walks away
_HERE = Path(__file__).parent

_HIDDEN = {
    "1 layer of 2": (2,),
    "1 layer of 4": (4,),
    "1 layer of 16": (16,),
    "2 layers of 4": (4, 4),
    "2 layers of 8": (8, 8),
    "3 layers of 16": (16, 16, 16),
}
_MENUS = {
    "kind": ("Data set", KINDS),
    "noise": ("Noise", (0.0, 0.1, 0.2, 0.3, 0.4)),
    "hidden": ("Neurons", list(_HIDDEN.items())),
    "activation": ("Activation", ACTIVATIONS),
    "learning_rate": ("Learning rate", (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)),
    "regularisation": ("Regularisation", (0.0, 0.001, 0.01, 0.1, 1.0)),
}


def playground(kind: str = "circles", *, seed: int = 0) -> Panel:
    """Points of two classes, and a network that learns to tell them apart while you watch.

    Args:
        kind: the first data set: "circles", "moons", "spiral" or "blobs".
        seed: which points, and which weights the network begins with.

    Returns:
        A :class:`Panel`, which a notebook shows.

    Raises:
        LabError: there is no such kind.

    Example:
        >>> labkit.widgets.playground("spiral")
    """
    return Player(kind, seed).panel


class Player:
    """The playground's buttons and menus, and the thread that trains."""

    def __init__(self, kind, seed):
        import ipywidgets as w

        self.seed = seed
        self.game = Playground(kind, seed=seed)
        self._lock = threading.Lock()
        self._pause = threading.Event()
        self._thread = None
        self.controls = _controls(self.game)
        for control in self.controls.values():
            control.observe(lambda _: self.begin(), "value")
        # None of them is ever disabled: a button that is loses the keyboard's focus.
        self.buttons = {
            "Play": w.Button(description="Play", icon="play", button_style="primary"),
            "Pause": w.Button(description="Pause", icon="pause"),
            "Step": w.Button(description="Step", icon="step-forward"),
            "Reset": w.Button(description="Reset", icon="undo"),
        }
        acts = (self.play, self.pause, self.step, self.reset)
        for button, act in zip(self.buttons.values(), acts, strict=True):
            button.on_click(lambda _, act=act: act())
        self.plane, self.numbers, self.said = _plane(), w.HTML(), w.HTML()
        buttons = w.HBox([*self.buttons.values()], layout=w.Layout(flex_flow="row wrap"))
        left = w.VBox([*self.controls.values(), self.said, self.numbers])
        body = w.HBox([left, self.plane], layout=w.Layout(flex_flow="row wrap"))
        self.say("Press Play and watch the boundary.")
        self.show()
        self.panel = Panel(w.VBox([buttons, body]), self.picture, "Playground")

    @property
    def settings(self):
        """What the menus say: the arguments of a Playground."""
        return {name: one.value for name, one in self.controls.items()} | {"seed": self.seed}

    @property
    def playing(self):
        return self._thread is not None and self._thread.is_alive()

    def play(self):
        """Train in the background until Pause."""
        if self.playing:
            return
        self._pause.clear()
        self._thread = threading.Thread(target=self._train, daemon=True)
        self.say("Training.")
        self._thread.start()

    def pause(self):
        """Stop the training after the epoch that is under way."""
        if self.playing:
            self._pause.set()
            self._thread.join()
            self.say(f"Paused. {self.reading()}")

    def step(self):
        """Train one epoch."""
        self.pause()
        self._advance()
        self.say(self.reading())

    def reset(self):
        """The same points, a network that knows nothing."""
        self.pause()
        self.begin()

    def begin(self):
        """Begin afresh with what the menus say; a training that is under way goes on with it."""
        with self._lock:
            self.game = Playground(**self.settings)
            self.show()
        if not self.playing:
            self.say("Begun afresh. Press Play.")

    def reading(self):
        """How far the training has come, in words."""
        game = self.game
        if not game.losses:
            return "Epoch 0: not trained yet."
        return (
            f"Epoch {len(game.losses)}: loss {game.losses[-1]:.3f}, accuracy {game.accuracy:.2f}."
        )

    def show(self):
        """Draw the boundary, the points and the loss as they are now."""
        game = self.game
        if self.playing:
            # Not read out: it changes many times a second. The status says it when that stops.
            self.numbers.value = f"<div>{self.reading()}</div>"
        with self.plane.hold_sync():
            self.plane.points = np.column_stack([game.x, game.y]).tolist()
            self.plane.field = _tinted(game).tobytes()
            self.plane.losses = np.array(game.losses, "<f4").tobytes()
            self.plane.text = described(game)

    def say(self, text):
        self.said.value = status(text)
        self.numbers.value = ""

    def picture(self):
        """What stands for the panel where widgets are not available: three moments of it."""
        from matplotlib.figure import Figure

        # Never pyplot: its figures belong to whichever cell runs at the moment.
        figure = Figure(figsize=(9, 3.3), dpi=100, layout="constrained")
        game = Playground(**self.settings)
        for ax, epochs in zip(figure.subplots(1, 3), (0, 10, 100), strict=True):
            while len(game.losses) < epochs:
                game.step()
            _draw(game, ax)
        return plot.as_html(figure)

    def _train(self):
        for _ in range(_MOST):
            began = time.monotonic()
            self._advance()
            if self._pause.wait(max(0.005, _FRAME - (time.monotonic() - began))):
                return
        self.say(f"Paused by itself. {self.reading()} Press Play to go on.")

    def _advance(self):
        with self._lock:
            self.game.step()
            self.show()


def described(game: Playground) -> str:
    """A text for who cannot see the boundary.

    Example:
        >>> described(Playground("moons"))
        '200 points of the data set moons, in two classes. The network is not trained yet.'
    """
    points = f"{len(game.y)} points of the data set {game.kind}, in two classes."
    if not game.losses:
        return f"{points} The network is not trained yet."
    return (
        f"{points} After {len(game.losses)} epochs {game.accuracy:.0%} of them lie on the side "
        f"of the boundary that the network gives to their class; the loss is {game.losses[-1]:.3f}."
    )


def _controls(game):
    """A menu for each setting, standing where the game does."""
    import ipywidgets as w

    return {
        name: w.Dropdown(
            description=text,
            options=options,
            value=getattr(game, name),
            style={"description_width": "8em"},
        )
        for name, (text, options) in _MENUS.items()
    }


def _plane():
    import anywidget
    import traitlets

    class Plane(anywidget.AnyWidget):
        _esm = _HERE / "playground.js"
        _css = _HERE / "views.css"
        extent = traitlets.Float(_EXTENT).tag(sync=True)
        size = traitlets.Int(_SIZE).tag(sync=True)
        colours = traitlets.Dict().tag(sync=True)
        points = traitlets.List().tag(sync=True)
        field = traitlets.Bytes().tag(sync=True)
        losses = traitlets.Bytes().tag(sync=True)
        text = traitlets.Unicode().tag(sync=True)

    return Plane(
        colours={
            "classes": [palette.VERMILLION, palette.BLUE],
            "paper": palette.PAPER,
            "line": palette.GREY,
            "ink": palette.INK,
        }
    )


def _tinted(game):
    """What the network says of every place, as colours: ``uint8`` of shape (60, 60, 4)."""
    # Not as deep as the points, which have to stand out.
    said = 0.5 + 0.7 * (game.boundary(_SIZE, _EXTENT) - 0.5)
    return palette.diverging()(said, bytes=True)


def _draw(game, ax):
    ax.imshow(_tinted(game), extent=(-_EXTENT, _EXTENT) * 2, interpolation="bilinear")
    for label, (colour, marker) in enumerate(((palette.VERMILLION, "o"), (palette.BLUE, "s"))):
        x = game.x[game.y == label]
        ax.scatter(*x.T, s=16, marker=marker, color=colour, edgecolor=palette.PAPER, lw=0.6)
    ax.set(xlim=(-_EXTENT, _EXTENT), ylim=(-_EXTENT, _EXTENT), xticks=[], yticks=[])
    ax.set_title(f"after {len(game.losses)} epochs", loc="left", color=palette.INK)
    plot.describe(ax, described(game))
