"""A training in the background, which can be watched and stopped, and what came of each."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labkit import backend, training
from labkit import space as spaces
from labkit.sweep.job import METRIC
from labkit.sweep.worker import reason


class _Stopped(Exception):
    pass


@dataclass
class Run:
    """One training with chosen parameters.

    A notebook's kernel hears nothing while a cell runs, so the training has a thread of its
    own. Stopping it takes effect at once for who looks at it; the thread ends after the step
    that is under way, which takes seconds where TensorFlow has to prepare the first one.

    Example:
        >>> run = Run(models.mlp, data, {"dropout": 0.2}, epochs=5)
        >>> run.start()
        >>> run.stop()
        >>> run.join()
    """

    build: Callable
    data: object
    params: Mapping
    epochs: int = 5
    recipe: str = "classic"
    validation: float = 0.1
    seed: int = 0
    changed: Callable = lambda run: None
    """Called with the run when there is something new to show: in the thread of the training,
    a few times a second at most, or in that of :meth:`stop`."""
    after: "Run | None" = None
    """A run whose thread has to end before this one begins."""
    metrics: dict = field(default_factory=dict)
    """One value an epoch of each metric, as in a History."""
    state: str = "waiting"
    """"waiting", "building", "training", "done", "stopped" or "failed"."""
    progress: float = 0.0
    """The share of all steps that are done."""
    error: str = ""
    """Why it failed."""
    model: object = None

    def __post_init__(self):
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._train, daemon=True)
        self._began = self._ended = self._shown = 0.0

    def start(self) -> None:
        """Begin; returns at once."""
        self.state = "building"
        self._thread.start()

    def stop(self) -> None:
        """End the training; the model keeps what it learned."""
        self._stop.set()
        self._end("stopped")

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end of the thread; whether it has come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def running(self) -> bool:
        return self.state in ("building", "training")

    @property
    def epoch(self) -> int:
        """How many epochs are finished."""
        return len(self.metrics.get("loss", ()))

    @property
    def seconds_left(self) -> float | None:
        """How long it will go on, or ``None`` before that can be told."""
        if not self.running or self.progress < 0.02:
            return None
        return (time.monotonic() - self._began) * (1 / self.progress - 1)

    @property
    def seconds(self) -> float:
        """How long the training took, or has taken so far; 0 before it began."""
        return (self._ended or time.monotonic()) - self._began if self._began else 0.0

    def history(self, name: str) -> training.History:
        """What happened so far, for :func:`labkit.plot.learning_curves`."""
        metrics = {key: list(values) for key, values in self.metrics.items()}
        return training.History(
            name, metrics, self.seconds, self.recipe, self.seed, self.state == "stopped"
        )

    def _train(self):
        if self.after:
            self.after.join()
        try:
            to_build, to_fit = spaces.split(self.params)
            self._check()
            self.model = spaces.call(self.build, self.data, to_build, self.seed)
            self._check()
            self.state, self._began = "training", time.monotonic()
            training.fit(
                self.model,
                self.data,
                seed=self.seed,
                validation=self.validation,
                callbacks=[self._watcher()],
                verbose=False,
                **{"epochs": self.epochs, "recipe": self.recipe} | to_fit,
            )
            self._end("done")
        except Exception as error:  # whatever it is, the panel shows it
            self._end("failed", reason(error))

    def _end(self, state, error=""):
        """Come to an end, unless one has come before."""
        with self._lock:
            if not self.running:
                return
            self.state, self.error, self._ended = state, error, time.monotonic()
            self.progress = 1.0 if state == "done" else self.progress
        self.changed(self)

    def _watcher(self):
        run = self

        class Watcher(backend.keras().callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                self.epoch = epoch
                run._check()

            def on_train_batch_end(self, batch, logs=None):
                run._check()
                steps = self.params["steps"] or 1
                run.progress = (self.epoch + (batch + 1) / steps) / self.params["epochs"]
                if time.monotonic() - run._shown > 0.5:
                    run._shown = time.monotonic()
                    run.changed(run)

            def on_test_batch_end(self, batch, logs=None):
                run._check()

            def on_epoch_end(self, epoch, logs=None):
                with run._lock:
                    if run.running:
                        for key, value in logs.items():
                            run.metrics.setdefault(key, []).append(float(value))
                run._check()
                run.changed(run)

        return Watcher()

    def _check(self):
        if self._stop.is_set():
            raise _Stopped


@dataclass(frozen=True)
class Leaderboard:
    """What was tried by hand, the best first; it survives a restart of the kernel.

    It is an Optuna study in a journal, as a sweep's is.
    """

    name: str
    storage: str
    space: Mapping

    def add(self, run: Run) -> None:
        """Write down a run that has finished an epoch; nothing of one that has not."""
        from optuna.trial import FixedTrial, TrialState, create_trial

        curve = run.metrics.get(METRIC, ())
        if not curve:
            return
        labels = {name: self.space[name].label(value) for name, value in run.params.items()}
        chosen = FixedTrial(labels)
        spaces.suggest(chosen, self.space)
        self._study().add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                value=curve[-1],
                params=chosen.params,
                distributions=chosen.distributions,
                intermediate_values=dict(enumerate(curve, start=1)),
                user_attrs={"seconds": round(run.seconds, 2)},
            )
        )

    def rows(self) -> list[dict]:
        """A dictionary a run: "run", "accuracy", "epochs done", "seconds" and the
        parameters.

        A run from before a parameter was added has ``None`` there.
        """
        if not Path(self.storage).exists():
            return []
        trials = sorted(self._study().get_trials(deepcopy=False), key=lambda t: -t.value)
        return [
            {
                "run": trial.number + 1,
                "accuracy": trial.value,
                "epochs done": trial.last_step,
                "seconds": trial.user_attrs["seconds"],
                **{name: trial.params.get(name) for name in self.space},
            }
            for trial in trials
        ]

    def _study(self):
        import optuna

        from labkit.sweep.storage import connect

        return optuna.create_study(
            study_name=self.name,
            storage=connect(self.storage),
            direction="maximize",
            load_if_exists=True,
        )


def code(build: Callable, data, params: Mapping, *, epochs: int, recipe: str, seed: int) -> str:
    """The lines that do what a run did, to copy into a cell.

    Example:
        >>> print(code(models.mlp, data, {"dropout": 0.2}, epochs=5, recipe="classic", seed=0))
        model = models.mlp(data, dropout=0.2, seed=0)
        history = labkit.fit(model, data, epochs=5, recipe="classic", seed=0)
    """
    to_build, to_fit = spaces.split(params)
    name = getattr(build, "__name__", "build")
    if getattr(build, "__module__", "").startswith("labkit.models"):
        name = f"models.{name}"
    built = "".join(f", {key}={_plain(value)}" for key, value in to_build.items())
    seeded = f", seed={seed}" if spaces.takes_seed(build) else ""
    fitted = {"epochs": epochs, "recipe": recipe} | to_fit | {"seed": seed}
    options = ", ".join(f"{key}={_plain(value)}" for key, value in fitted.items())
    return f"model = {name}(data{built}{seeded})\nhistory = labkit.fit(model, data, {options})"


def _plain(value):
    return f"{value:.4g}" if isinstance(value, float) else repr(value).replace("'", '"')
