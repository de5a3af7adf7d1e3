"""The tuner panel: sliders, a Train button, curves that grow, a leaderboard."""

import html
import math
import threading
import time
from collections.abc import Callable

from labkit import palette, plot, settings
from labkit import space as spaces
from labkit.sweep.job import create, make_job
from labkit.sweep.storage import place
from labkit.sweep.study import Study
from labkit.sweep.supervise import Stop, run
from labkit.widgets.panel import Panel, copyable, status
from labkit.widgets.run import Leaderboard, Run, code

_STEPS = 40  # positions of a slider, at most
_ROWS = 10  # of the leaderboard that are shown
_PAUSE = 1.0  # seconds between two drawings of the curves, at least


def tuner(
    build: Callable,
    data,
    space: spaces.Space,
    *,
    epochs: int = 5,
    recipe: str = "classic",
    trials: int = 20,
    name: str | None = None,
    seed: int = 0,
) -> Panel:
    """A panel to choose parameters, train, and compare.

    Args:
        build: makes a compiled model of the data and parameters, as for ``labkit.sweep``.
        data: a :class:`labkit.data.Dataset`.
        space: what there is to choose, as for ``labkit.sweep``: each range becomes a slider,
            each choice a menu.
        epochs: how often a training goes through the data, unless the space has "epochs".
        recipe: of :func:`labkit.fit`.
        trials: how many "Send to sweep" lets a sweep try.
        name: of the leaderboard, which is kept, and of the sweep's study; by default the
            builder's and the data's.
        seed: of each training.

    Returns:
        A :class:`Panel`, which a notebook shows.

    Raises:
        SpaceError: the space does not fit the builder.
        SweepError: the name cannot be a file's.

    Example:
        >>> labkit.widgets.tuner(models.mlp, data, {"dropout": uniform(0, 0.7)})
    """
    return Tuner(build, data, space, epochs, recipe, trials, name, seed).panel


class Tuner:
    """The tuner's controls, the run that is shown, and the leaderboard."""

    def __init__(self, build, data, space, epochs, recipe, trials, name, seed):
        import ipywidgets as w

        spaces.check(space, build)
        self.build, self.data, self.space, self.trials = build, data, dict(space), trials
        self.options = {"epochs": epochs, "recipe": recipe, "seed": seed}
        self.name = name or f"{getattr(build, '__name__', 'model')}-{data.name}"
        # On this machine, wherever the studies of sweeps are: a click must not wait for a database.
        journal = place(self.name, settings.read().studies / "panels")
        self.board = Leaderboard(self.name, journal, self.space)
        self.run, self.searching = None, None
        self._lock = threading.Lock()
        self._drawn = (0, 0.0)  # the epochs that the curves show, and when they were drawn
        self.controls = {key: control(key, one) for key, one in self.space.items()}
        # None of the buttons is ever disabled: one that is loses the keyboard's focus.
        self.buttons = {
            "Train": w.Button(description="Train", icon="play", button_style="primary"),
            "Stop": w.Button(description="Stop", icon="stop"),
            "Reset": w.Button(description="Reset", icon="undo"),
            "Send to sweep": w.Button(
                description="Send to sweep",
                icon="search",
                tooltip=f"Let a sweep try {trials} points of these ranges",
            ),
        }
        acts = (self.start, self.end, self.restore, self.search)
        for button, act in zip(self.buttons.values(), acts, strict=True):
            button.on_click(lambda _, act=act: act())
            button.layout.width = "auto"
        self.bar = w.FloatProgress(min=0, max=1, layout=w.Layout(width="100%"))
        self.said, self.left, self.curves, self.code, self.table = (w.HTML() for _ in range(5))
        controls = w.VBox([*self.controls.values()], layout=w.Layout(width="26em"))
        wrap = w.Layout(flex_flow="row wrap")
        side = [w.HBox([*self.buttons.values()], layout=wrap), self.bar, self.left, self.said]
        top = w.HBox([controls, w.VBox(side, layout=w.Layout(flex="1 1 20em"))], layout=wrap)
        self.say("Move the sliders, then press Train.")
        self.show_board()
        view = w.VBox([top, self.curves, self.code, self.table])
        self.panel = Panel(view, self.picture, f"Tuner of {self.name}")

    @property
    def params(self) -> dict:
        """What the controls say, as :func:`labkit.space.suggest` gives it."""
        return {name: chosen(one, self.controls[name].value) for name, one in self.space.items()}

    @property
    def busy(self) -> bool:
        """Whether a training or a sweep is under way."""
        return bool(self.searching or (self.run and self.run.running))

    def start(self):
        """Train with what the controls say."""
        if self.busy:
            return self.say("Something is under way. Press Stop first.")
        self.clear()
        self.say("Building the model. The first time, TensorFlow needs some seconds to start.")
        self.code.value = copyable(code(self.build, self.data, self.params, **self.options))
        self.run = Run(
            self.build, self.data, self.params, changed=self.look, after=self.run, **self.options
        )
        self.run.start()

    def end(self):
        """Stop the training, or the sweep, that is under way."""
        if self.searching:
            self.searching.press()
            soon = self.searching.presses == 1
            return self.say(
                "The sweep stops after the trials that are running. Press Stop again to stop now."
                if soon
                else "Stopping the sweep now."
            )
        if self.busy:
            self.run.stop()
        else:
            self.say("Nothing is under way.")

    def restore(self):
        """The controls as they were at first, and no curves; the leaderboard stays."""
        if self.busy:
            return self.say("Something is under way. Press Stop first.")
        for name, one in self.space.items():
            self.controls[name].value = first(one)
        self.clear()
        self.say("The controls are where they began.")

    def clear(self):
        """Show no run."""
        self.curves.value = self.code.value = self.left.value = ""
        self.bar.value, self._drawn = 0.0, (0, 0.0)

    def look(self, now: Run):
        """Show how a run stands; the run calls it."""
        # Held for moments only, so that Stop never waits for a drawing.
        with self._lock:
            if now is not self.run:
                return
            running, left = now.running, now.seconds_left
            self.bar.value = now.progress
            # Not read out: it changes all the time. The status line tells of each epoch.
            self.left.value = "" if left is None else f"about {duration(left)} left"
            said = {
                "done": f"Done: {epochs_of(now.epoch)}.",
                "stopped": f"Stopped: {epochs_of(now.epoch)} done.",
                "failed": f"It failed. {now.error}",
            }.get(now.state, f"Training: {epochs_of(now.epoch)} done.")
            self.say(said)
        self.draw(now, last=not running)
        if running:
            return
        try:
            self.board.add(now)
            self.show_board()
        except Exception as error:  # the disk is full, say; a thread has no cell to raise in
            self.say(f"{said} The leaderboard cannot be written: {error}")

    def draw(self, now: Run, last: bool = False):
        """The curves anew, if there is an epoch that they do not show."""
        epochs, moment = self._drawn
        # Drawing takes as long as many steps of a small network.
        if now.epoch > epochs and (last or time.monotonic() - moment > _PAUSE):
            history = now.history("this run")
            drawn = curves(history)
            with self._lock:
                # Another thread may have been faster, or the run is not shown any more.
                if now is self.run and history.epochs > self._drawn[0]:
                    self.curves.value = drawn
                    self._drawn = (history.epochs, time.monotonic())

    def search(self):
        """Let a sweep look through the ranges, in the background."""
        if self.busy:
            return self.say("Something is under way. Press Stop first.")
        self.clear()
        self.searching = Stop()
        self.say(f"Starting a sweep of {self.trials} trials.")
        threading.Thread(target=self._search, daemon=True).start()

    def _search(self):
        try:
            if self.run:
                self.run.join()
            job = make_job(
                self.build,
                self.data,
                self.space,
                study=self.name,
                storage=None,
                sampler="tpe",
                pruner="halving",
                validation=0.1,
                **self.options,
            )
            made = create(job, self.trials)
            run(job, made, stop=self.searching, show=self.look_at_sweep)
            study = Study(made, job.storage, job)
            study.tidy()
            self.code.value = copyable(sweep_code(self.build, self.trials, self.name, self.options))
            self.say(study.explain())
        except Exception as error:  # a thread has no cell to raise in
            self.say(f"The sweep failed: {error}")
        finally:
            self.searching = None

    def look_at_sweep(self, counts, best: float | None):
        """Show how the sweep stands; it calls this twice a second."""
        self.bar.value = counts.done / counts.slots
        so_far = "" if best is None else f" The best so far: {best:.4f}."
        # Stop has the word when it was pressed.
        if not self.searching.presses:
            self.say(
                f"Sweep {self.name}: {counts.done} of {counts.slots} trials done, "
                f"{counts.pruned} pruned, {counts.failed} failed.{so_far}"
            )

    def say(self, text):
        self.said.value = status(text)

    def show_board(self):
        self.table.value = board_table(self.board.rows())

    def picture(self):
        """What stands for the panel where widgets are not available."""
        # The pages that the project publishes must not depend on what was tried on a machine.
        rows = [] if settings.read().headless else self.board.rows()
        return static(self.space, self.params, rows)


def control(name: str, one):
    """The slider or menu of a parameter."""
    import ipywidgets as w

    common = {
        "description": name,
        "value": first(one),
        "style": {"description_width": "8em"},
        "layout": w.Layout(width="auto"),
    }
    if isinstance(one, spaces.Choice):
        return w.Dropdown(options=[(str(value), value) for value in one.values], **common)
    if one.step:
        return w.IntSlider(min=one.low, max=one.high, step=one.step, **common)
    low, high, step = _positions(one)
    if one.log:
        return w.FloatLogSlider(min=low, max=high, step=step, readout_format=".2g", **common)
    return w.FloatSlider(min=low, max=high, step=step, readout_format=".3g", **common)


def chosen(one, value):
    """The value of a control as a sweep would draw it and a line of code shows it.

    Example:
        >>> chosen(log_uniform(0.0001, 0.1), 10**-2.5)
        0.003162
    """
    if isinstance(one, spaces.Choice) or one.step:
        return value
    return min(max(float(f"{value:.4g}"), one.low), one.high)


def first(one):
    """Where a control stands at the beginning: near the middle, or on the first choice."""
    if isinstance(one, spaces.Choice):
        return one.values[0]
    if one.step:
        points = one.points(3)
        return points[len(points) // 2]
    low, high, step = _positions(one)
    # On a step, because the page shows a slider on one wherever its value is.
    middle = low + step * round((high - low) / 2 / step)
    return chosen(one, 10**middle if one.log else middle)


def curves(history) -> str:
    """Accuracy and loss side by side, as an HTML picture."""
    from matplotlib.figure import Figure

    # Never pyplot: its figures belong to whichever cell runs at the moment.
    figure = Figure(figsize=(8.4, 3.1), dpi=100, layout="constrained")
    for ax, metric in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        plot.learning_curves(history, metric=metric, ax=ax)
        ax.set_title("", loc="left")  # the labels of the axes say it
    return plot.as_html(figure)


def board_table(rows: list[dict]) -> str:
    """The leaderboard as an HTML table."""
    if not rows:
        return "<p>The leaderboard is empty: nothing has been trained yet.</p>"
    head = "".join(f'<th scope="col">{html.escape(str(key))}</th>' for key in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(v))}</td>" for v in row.values()) + "</tr>"
        for row in rows[:_ROWS]
    )
    return (
        f"<table><caption>Leaderboard, by validation accuracy</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def sweep_code(build: Callable, trials: int, name: str, options: dict) -> str:
    """The line that opens the study that a panel has made, to copy into a cell."""
    called = code(build, None, {}, **options).partition("(")[0].removeprefix("model = ")
    told = ", ".join(
        f"{key}={value!r}".replace("'", '"')
        for key, value in {"trials": trials, **options, "study": name}.items()
    )
    return f"study = labkit.sweep({called}, data, space, {told})"


def static(space: spaces.Space, params: dict, rows: list[dict]) -> str:
    """The panel as a picture: where each control stands, and the best runs.

    Args:
        space: the search space.
        params: a value for each of its parameters.
        rows: of the leaderboard; none of them leaves it out.
    """
    from matplotlib.figure import Figure

    # Never pyplot: its figures belong to whichever cell runs at the moment.
    height = 0.9 + 0.5 * max(len(space), 3)
    figure = Figure(figsize=(8.4, height), dpi=100, layout="constrained")
    axes = figure.subplots(1, 2, width_ratios=(3, 2)) if rows else [figure.subplots()]
    said = _draw_controls(axes[0], space, params)
    if rows:
        best = rows[:5]
        axes[1].barh(range(len(best)), [row["accuracy"] for row in best], color=palette.BLUE)
        axes[1].set_yticks(range(len(best)), [f"run {row['run']}" for row in best])
        axes[1].set_title("Validation accuracy", loc="left", color=palette.INK)
        axes[1].set(xlim=(0, 1), ylim=(4.6, -0.6), xlabel="accuracy")
        axes[1].spines[["top", "right"]].set_visible(False)
        said += f" Of {len(rows)} runs the best reached {best[0]['accuracy']:.4f}."
    plot.describe(figure, said)
    return plot.as_html(figure) + (board_table(rows) if rows else "")


def _draw_controls(ax, space, params):
    """A line for each parameter, with a dot where it stands; the same in words."""
    told = []
    for row, (name, one) in enumerate(space.items()):
        is_choice = isinstance(one, spaces.Choice)
        ends = (one.values[0], one.values[-1]) if is_choice else (one.low, one.high)
        low, now, high = map(spaces.text, (ends[0], params[name], ends[1]))
        place = _share(one, params[name])
        ax.plot([0, 1], [row, row], color=palette.LINE, lw=5, solid_capstyle="round", zorder=1)
        ax.plot(place, row, "o", color=palette.BLUE, ms=11, zorder=2)
        for x, end, side in ((-0.03, low, "right"), (1.03, high, "left")):
            ax.text(x, row, end, ha=side, va="center", color=palette.GREY)
        ax.text(place, row - 0.24, now, ha="center", color=palette.INK)
        told.append(f"{name}, now {now}, from {low} to {high}")
    ax.set(xlim=(-0.25, 1.25), ylim=(len(space) - 0.5, -0.7), xticks=[])
    ax.set_yticks(range(len(space)), list(space), color=palette.INK)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title("What there is to choose", loc="left", color=palette.INK)
    return f"A panel with a control for each parameter: {'; '.join(told)}."


def _share(one, value):
    """Where a value lies between the ends of its range, from 0 to 1."""
    if isinstance(one, spaces.Choice):
        return one.values.index(value) / (len(one.values) - 1)
    scale = math.log if one.log else float
    low, high = scale(one.low), scale(one.high)
    return (scale(value) - low) / (high - low)


def _positions(one):
    """The lower and upper end and the step of a slider; of a logarithmic one, their exponents.

    The step is 1, 2 or 5 times a power of ten.
    """
    low, high = (math.log10(end) if one.log else end for end in (one.low, one.high))
    least = (high - low) / _STEPS
    power = 10.0 ** math.floor(math.log10(least))
    return low, high, next(f * power for f in (1, 2, 5, 10) if f * power >= 0.999 * least)


def _cell(value):
    return "–" if value is None else spaces.text(value)


def epochs_of(count: int) -> str:
    """``1 epoch``, ``2 epochs``."""
    return f"{count} epoch{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """How long something takes, as people say it."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
