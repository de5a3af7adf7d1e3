"""What a worker does: take a trial, train it, tell how it went, until nothing is left."""

import contextlib
import threading
import time
from pathlib import Path

import numpy as np

from labkit import backend
from labkit import space as spaces
from labkit.data.download import write_atomically
from labkit.errors import SweepError, TrainingError
from labkit.settings import shown
from labkit.sweep import slots
from labkit.sweep.job import METRIC, Job, train
from labkit.sweep.storage import HEARTBEAT, is_database, patiently

_PAUSE = 1  # seconds between two looks for a trial that became free


class Worker:
    """One worker of a study: what it holds at the moment, and whether it is to stop.

    Args:
        job: what to train.
        study: the Optuna study.
        announce: told which trial is being taken, so that others know whose it is when this
            process dies.
    """

    def __init__(self, job: Job, study, announce=lambda trial_id, mark: None):
        self.job, self.study, self.announce = job, study, announce
        self.stop = threading.Event()
        """Set to take no further trial."""
        self.trial = None
        self._shared = is_database(job.storage)
        study.pruner = _pruner(job.pruner)

    def work(self, until: float | None = None) -> None:
        """Train trials until the study is complete, ``stop`` is set or ``until`` has come.

        Args:
            until: a time as ``time.time()`` gives it, after which no trial is begun.

        Raises:
            SweepError: the storage cannot be written.
        """
        while not self.stop.is_set() and not (until and time.time() > until):
            if self.step():
                continue
            if self._kept(lambda: slots.count(self.study)).left == 0:
                return
            # Another worker may die, and its trial become free.
            self.stop.wait(_PAUSE)

    def step(self) -> bool:
        """Take a trial and train it; whether there was one.

        Raises:
            SweepError: the storage cannot be written.
        """
        self.trial = self._kept(self._next)
        if self.trial is None:
            return False
        self._train()
        self.trial = None
        return True

    def give_back(self, reason: str) -> None:
        """Let another worker have the trial that is held now."""
        if self.trial:
            held = self.trial
            self._kept(lambda: slots.lose(self.study, held._trial_id, reason))
            self._kept(lambda: slots.fill(self.study))

    def _next(self):
        if self._shared:
            for trial in slots.stale(self.study):
                slots.lose(self.study, trial._trial_id, "its worker was not heard of any more")
            slots.fill(self.study)
        return slots.take(self.study, self.announce, self._sampler)

    def _sampler(self, slot: int):
        """The sampler of a slot: seeded by it, so that no two workers draw the same."""
        import optuna

        seed = int(np.random.SeedSequence([self.job.seed, slot]).generate_state(1)[0])
        if self.job.sampler == "tpe":
            # The liar keeps workers from trying the same place at the same time.
            return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        return optuna.samplers.RandomSampler(seed=seed)

    def _train(self):
        import optuna
        from optuna.trial import TrialState

        value, state = None, TrialState.COMPLETE
        started = time.perf_counter()
        heart = _Heart(self) if self._shared else contextlib.nullcontext()
        try:
            with heart:
                params = self._kept(lambda: spaces.suggest(self.trial, self.job.space))
                model, history = train(self.job, params, [self._reporter()])
            if history.interrupted:
                return self.give_back("it was stopped")
            value = max(history.metrics[METRIC])
            self._save_if_best(model, value)
        except SweepError:
            raise
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except Exception as error:  # a trial may fail in any way; the sweep goes on
            value, state = None, TrialState.FAIL
            self._note("reason", reason(error))
        self._note("seconds", round(time.perf_counter() - started, 2))
        self._kept(lambda: slots.tell(self.study, self.trial._trial_id, state, value))
        model = history = None
        backend.keras().utils.clear_session()

    def _reporter(self):
        """The Keras callback that reports each epoch and ends what is not promising."""
        import optuna

        worker = self

        class Reporter(backend.keras().callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if METRIC not in logs:
                    raise ValueError(
                        "The model is compiled without metrics=['accuracy'], so that there is "
                        "nothing to compare. Compile it with them."
                    )
                trial = worker.trial
                worker._kept(lambda: trial.report(float(logs[METRIC]), epoch + 1))
                # After the last epoch there is nothing to save.
                if epoch + 1 < self.params["epochs"] and worker._kept(trial.should_prune):
                    raise optuna.TrialPruned

        return Reporter()

    def _note(self, key, value):
        self._kept(lambda: self.trial.set_user_attr(key, value))

    def _save_if_best(self, model, value):
        if self.job.folder is None:
            return
        others = [t.value for t in slots.results(self.study) if t.value is not None]
        if value > max(others, default=-1.0):
            path = weights_file(self.job.folder, self.trial.number)
            # Weights can be trained again; the result is what must not be lost.
            with contextlib.suppress(OSError):
                write_atomically(path, lambda file: np.savez(file, *model.get_weights()))

    def _kept(self, call):
        """What ``call`` returns; the storage's troubles become a SweepError."""
        try:
            return patiently(call)
        except OSError as error:
            raise SweepError(
                f"The study cannot be written to {shown(self.job.storage)}: {error}. What is "
                "finished is kept. Make room there, then call the same again: it goes on."
            ) from error


class _Heart:
    """Tells a database every minute that the worker's trial is alive."""

    def __init__(self, worker):
        self.worker, self.done = worker, threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def _beat(self):
        storage, trial_id = self.worker.study._storage, self.worker.trial._trial_id
        while True:
            with contextlib.suppress(Exception):  # the training notices what is serious
                patiently(lambda: storage.record_heartbeat(trial_id))
            if self.done.wait(HEARTBEAT):
                return


def _pruner(pruner):
    import optuna

    if pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2)
    return pruner or optuna.pruners.NopPruner()


def weights_file(folder: Path, number: int) -> Path:
    """Where the weights of a trial are kept while it is the best."""
    return folder / f"trial-{number}.npz"


def reason(error: BaseException) -> str:
    """Why a trial failed, in one line."""
    import tensorflow as tf

    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return "Out of memory: the model or its batches are too large for this machine."
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else ""
    return text if isinstance(error, TrainingError) else f"{type(error).__name__}: {text}"
