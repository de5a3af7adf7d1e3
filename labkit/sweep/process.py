"""Workers as processes: how one is started, and what it does.

A worker gets a folder with the job and the data, and a standard input that stays open: a
line on it asks the worker to stop after its trial, the end of it (the parent has died)
to stop at once.
"""

import contextlib
import dataclasses
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

from labkit import backend
from labkit.errors import SweepError
from labkit.machine import worker_environment
from labkit.sweep import claims, job
from labkit.sweep.storage import is_database
from labkit.sweep.worker import Worker

DISK_FULL = 28  # the exit status of a worker that cannot write, as errno.ENOSPC


def write(folder: Path, what: job.Job) -> None:
    """Put a job where workers find it; its data go to a file that they share in memory."""
    import cloudpickle
    import joblib

    joblib.dump(what.data, folder / "data.joblib")
    # By value, because a notebook's functions can be imported from nowhere.
    (folder / "job.pickle").write_bytes(cloudpickle.dumps(dataclasses.replace(what, data=None)))


def start(folder: Path, name: str, claimed: Path, until: float | None) -> subprocess.Popen:
    """A new worker process for the job in ``folder``; what it says goes to ``NAME.log`` there."""
    with open(folder / f"{name}.log", "w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", __name__, folder, name, claimed, str(until or 0)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            env=worker_environment(1),
            start_new_session=True,  # Ctrl-C is for the parent, which passes it on in its own way
        )


def main(folder: Path, name: str, claimed: Path, until: float | None) -> int:
    import joblib

    what = pickle.loads((folder / "job.pickle").read_bytes())
    what = dataclasses.replace(what, data=joblib.load(folder / "data.joblib", mmap_mode="r"))
    with claims.holding(claimed, name) as announce:
        worker = Worker(what, job.find(what.study, what.storage), announce)
        backend.keras()
        gc.freeze()  # so that looking for garbage after each trial passes TensorFlow by
        threading.Thread(target=_obey, args=(worker,), daemon=True).start()
        try:
            worker.work(until)
        except SweepError as error:
            print(error)
            return DISK_FULL
    return 0


def here(what: job.Job) -> None:
    """Be a worker in this process, as a pod does, until the study is complete.

    Ctrl-C stops after the trial that is running. A second one, or SIGTERM, with which a
    pod is ended, stops at once and lets another worker have the trial.
    """
    study = job.find(what.study, what.storage)
    with contextlib.ExitStack() as stack:
        announce = lambda trial_id, mark: None  # noqa: E731
        if not is_database(what.storage):
            folder = claims.folder(what.storage)
            claims.lose_orphans(study, folder)
            announce = stack.enter_context(claims.holding(folder, uuid.uuid4().hex[:8]))
        worker, failed = Worker(what, study, announce), []

        def work():
            try:
                worker.work()
            except BaseException as error:
                failed.append(error)

        def handler(number, frame):
            if number == signal.SIGTERM or worker.stop.is_set():
                print("Stopping now; another worker gets the trial.", flush=True)
                worker.give_back("it was stopped")
                os._exit(128 + number)
            worker.stop.set()
            print("Stopping after this trial. Ctrl-C once more stops now.", flush=True)

        # In a thread, so that signals reach this one, and not the training.
        thread = threading.Thread(target=work, daemon=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, handler)
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
        if failed:
            raise failed[0]


def _obey(worker):
    for _ in sys.stdin:
        worker.stop.set()
    os._exit(1)  # there is no parent any more; the next one finds the trial


if __name__ == "__main__":
    folder, name, claimed, until = sys.argv[1:]
    sys.exit(main(Path(folder), name, Path(claimed), float(until) or None))
