"""Which worker of this machine holds which trial, and which workers are alive.

A journal knows neither, so each worker holds a file locked, which the kernel unlocks when
the process ends in whatever way, and writes the id of a trial into another file: with a
question mark before it tries to take it, without once it has.
"""

from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from labkit.sweep import slots


def folder(journal: str) -> Path:
    """Where the workers of a journal announce what they hold."""
    return Path(f"{journal}.workers")


@contextmanager
def holding(folder: Path, name: str):
    """Be known as a live worker; yields the function that announces a trial's id."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock"):
        yield lambda trial_id, mark: _trial(folder, name).write_text(f"{trial_id}{mark}")
    forget(folder, name)


def held(folder: Path, name: str) -> int | None:
    """The id of the trial that a worker has taken, or finished, last."""
    with suppress(OSError, ValueError):
        return int(_trial(folder, name).read_text())
    return None


def _announced(folder, name):
    """The same, or of the trial that it is just trying to take."""
    with suppress(OSError, ValueError):
        return int(_trial(folder, name).read_text().rstrip("?"))
    return None


def forget(folder: Path, name: str) -> None:
    """Remove what a worker that has ended left behind."""
    for path in (_trial(folder, name), folder / f"{name}.lock"):
        path.unlink(missing_ok=True)


def lose_orphans(study, folder: Path) -> None:
    """Mark the running trials of a journal as lost whose workers have died, and refill."""
    from optuna.trial import TrialState

    # In this order: a worker announces before it takes.
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    alive = {_announced(folder, path.stem) for path in folder.glob("*.lock") if _is_locked(path)}
    for trial in running:
        if trial._trial_id not in alive:
            slots.lose(study, trial._trial_id, "its worker died")
    slots.fill(study)


def _trial(folder, name):
    return folder / f"{name}.trial"


def _is_locked(path):
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
