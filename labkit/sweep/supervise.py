"""The parent of worker processes: starts them, replaces the dead, shows how it goes."""

import contextlib
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from labkit import machine, settings
from labkit.errors import SweepError
from labkit.space import text
from labkit.sweep import claims, process, slots
from labkit.sweep.job import Job
from labkit.sweep.storage import is_database, patiently

_LOOK = 0.5  # seconds between two looks at the workers and the study
_DEATHS = 5  # workers that may die in a row before any trial is finished


@dataclass
class Stop:
    """How often Ctrl-C, or a Stop button, was pressed: once to stop soon, twice at once."""

    presses: int = 0

    def press(self, *_):
        self.presses += 1


def run(
    job: Job,
    study,
    workers: int | None = None,
    minutes: float | None = None,
    stop: Stop | None = None,
    show: Callable | None = None,
) -> None:
    """Fill the slots of an Optuna study with ``workers`` processes, by default one a core.

    ``show``, called with the :class:`labkit.sweep.slots.Counts` and the best accuracy so far or
    ``None``, takes the place of the progress line.

    Returns when the study is complete, when no trial is to be begun any more and the
    running ones are finished, or after Ctrl-C.

    Raises:
        SweepError: workers cannot start or write.
    """
    folder = Path(tempfile.mkdtemp(prefix="labkit-sweep-"))
    claimed = folder if is_database(job.storage) else claims.folder(job.storage)
    until = time.time() + 60 * minutes if minutes else None
    try:
        process.write(folder, job)
        with contextlib.nullcontext(stop) if stop else _pressing() as pressed:
            crew = _Crew(job, study, folder, claimed, until, pressed, show)
            crew.run(workers or machine.cores())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Crew:
    job: Job
    study: object
    folder: Path
    claimed: Path
    until: float | None
    stop: Stop
    tell: Callable | None = None
    workers: dict = field(default_factory=dict)
    deaths: int = 0
    """In a row, without a trial that was finished between them."""
    done: int = 0

    def run(self, count):
        if not is_database(self.job.storage):
            claims.lose_orphans(self.study, self.claimed)
        before = self.count()
        self.done = before.done
        with contextlib.nullcontext() if self.tell else _Progress(self.study, before) as bar:
            try:
                for _ in range(min(count, before.left)):
                    self.start()
                while self.workers:
                    time.sleep(_LOOK)
                    self.look()
                    self.show(bar)
            finally:
                self.end()
            self.show(bar)

    def count(self):
        return patiently(lambda: slots.count(self.study))

    def show(self, bar):
        """Tell how it stands: the bar, or who asked to be told."""
        trials = patiently(lambda: slots.results(self.study))
        best = max((t.value for t in trials if t.value is not None), default=None)
        if bar:
            bar.show(trials, self.count(), best)
        else:
            self.tell(self.count(), best)

    def start(self):
        name = uuid.uuid4().hex[:8]
        self.workers[name] = process.start(self.folder, name, self.claimed, self.until)

    def look(self):
        """Notice the dead, replace them, and pass Ctrl-C on."""
        if self.stop.presses > 1:
            return self.end()
        done = self.count().done
        if done > self.done:
            self.done, self.deaths = done, 0
        for name, worker in list(self.workers.items()):
            if self.stop.presses:
                _ask_to_stop(worker)
            if worker.poll() is None:
                continue
            del self.workers[name]
            if worker.returncode:
                self.bury(name, worker.returncode)
                if self.count().left and not self.stop.presses:
                    self.start()
            claims.forget(self.claimed, name)

    def bury(self, name, status):
        """Free the trial of a worker that died."""
        log = (self.folder / f"{name}.log").read_text(errors="replace").strip()
        if status == process.DISK_FULL:
            raise SweepError(log)
        how = f"its worker was killed by signal {-status}" if status < 0 else "its worker died"
        if status == -signal.SIGKILL:
            how += ", perhaps because memory ran out"
        trial_id = claims.held(self.claimed, name)
        self.deaths += 1
        if trial_id is not None:
            patiently(lambda: slots.lose(self.study, trial_id, how))
        if not is_database(self.job.storage):
            claims.lose_orphans(self.study, self.claimed)
        if trial_id is None and (status > 0 or self.deaths >= _DEATHS):
            said = "\n".join(log.splitlines()[-8:]) or "nothing"
            raise SweepError(
                f"A worker could not start (exit status {status}). It said:\n{said}\n"
                "Workers import the builder anew: define it in the notebook, or in a file that "
                "can be imported."
            )
        patiently(lambda: slots.fill(self.study))

    def end(self):
        """Stop the workers that are left now; their trials become free."""
        for name, worker in self.workers.items():
            worker.kill()
            worker.wait()
            trial_id = claims.held(self.claimed, name)
            with contextlib.suppress(Exception):  # the next run does it if this one cannot
                if trial_id is not None:
                    slots.lose(self.study, trial_id, "it was stopped")
            claims.forget(self.claimed, name)
        if self.workers:
            with contextlib.suppress(Exception):
                slots.fill(self.study)
        self.workers.clear()


def _ask_to_stop(worker):
    with contextlib.suppress(OSError, ValueError):
        worker.stdin.write("stop\n")
        worker.stdin.flush()


@contextlib.contextmanager
def _pressing():
    """Count Ctrl-C instead of being interrupted by it."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def handler(number, frame):
        stop.press()
        print(
            "\nStopping after the trials that are running. Once more stops now; "
            "their parameters are kept either way."
            if stop.presses == 1
            else "\nStopping now.",
            flush=True,
        )

    signal.signal(signal.SIGINT, handler)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class _Progress:
    """One live line; without a terminal, a line for each result."""

    def __init__(self, study, counts):
        from tqdm.auto import tqdm

        self.headless = settings.read().headless
        finished = (t for t in slots.results(study) if t.state.is_finished())
        self.seen = {trial.number for trial in finished}
        self.bar = tqdm(
            total=counts.slots,
            initial=counts.done,
            desc=study.study_name,
            unit="trial",
            leave=False,
            disable=self.headless,
            bar_format="{desc} |{bar}| {n_fmt}/{total_fmt} trials{postfix}, {remaining} left",
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def show(self, trials, counts, best):
        self.bar.set_postfix_str(
            f"{counts.pruned} pruned, {counts.failed} failed, "
            f"best {'–' if best is None else format(best, '.4f')}",
            refresh=False,
        )
        self.bar.update(counts.done - self.bar.n)
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self.seen:
                self.seen.add(trial.number)
                if self.headless:
                    print(line(trial), flush=True)
                elif trial.state.name == "FAIL":
                    self.bar.write(line(trial))


def line(trial) -> str:
    """A finished trial in one line."""
    params = ", ".join(f"{name} {text(value)}" for name, value in trial.params.items())
    how = {
        "COMPLETE": lambda: f"{trial.value:.4f}",
        "PRUNED": lambda: f"pruned after {trial.last_step} epochs",
        "FAIL": lambda: f"failed: {trial.user_attrs.get('reason', 'no reason is known')}",
    }
    return f"trial {trial.number}  {how[trial.state.name]()}  {params}"
