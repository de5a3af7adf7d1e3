"""Where a study is kept: a journal file on this machine, or a database that pods share."""

import contextlib
import json
import os
import random
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from labkit import settings
from labkit.errors import SweepError
from labkit.settings import shown

# A short heartbeat fails trials that are alive: a busy training gives its thread no turn.
HEARTBEAT, GRACE = 60, 180  # seconds
_PATIENCE = 300  # seconds that a database may be away
_JOURNAL = ".journal"


def place(study: str, storage: str | Path | None) -> str:
    """The storage of a study as one text: the path of a journal, or a database's URL.

    Raises:
        SweepError: the study's name cannot be a file's, or the URL lacks a driver.
    """
    if not study or study.startswith(".") or any(c in '/\\:*?"<>|' for c in study):
        raise SweepError(f"A study cannot be called {study!r}. Use letters, digits and dashes.")
    storage = storage or settings.read().storage
    if not storage:
        return str(settings.read().studies / f"{study}{_JOURNAL}")
    text = str(storage)
    if "://" not in text:
        return text if text.endswith(_JOURNAL) else str(Path(text) / f"{study}{_JOURNAL}")
    if text.startswith(("postgres://", "postgresql://")):
        raise SweepError(
            "The storage is PostgreSQL without a driver. Begin its URL with postgresql+psycopg://."
        )
    return text


def is_database(storage: str) -> bool:
    return "://" in storage


def connect(storage: str):
    """Optuna's storage for :func:`place`'s text; a database's tables are made when missing.

    Raises:
        SweepError: the folder or database cannot be used.
    """
    import optuna
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Heartbeats; the pinned version has them, and the tests of outages try them.
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    try:
        if not is_database(storage):
            return optuna.storages.JournalStorage(_journal(Path(storage)))
        kind = urlsplit(storage).scheme
        return _make_tables(
            lambda: optuna.storages.RDBStorage(
                storage,
                # A connection that the database closed meanwhile is noticed before it is used.
                engine_kwargs={
                    "pool_pre_ping": True,
                    "connect_args": {"timeout": 60} if kind.startswith("sqlite") else {},
                },
                heartbeat_interval=HEARTBEAT,
                grace_period=GRACE,
            )
        )
    except ImportError as error:
        raise SweepError(
            f"The driver of {shown(storage)} is missing ({error}). For PostgreSQL: "
            "pip install 'psycopg[binary]'."
        ) from error
    except (OSError, SQLAlchemyError, StorageInternalError) as error:
        raise SweepError(
            f"The storage {shown(storage)} cannot be opened: {_first_line(error)}. Check that it "
            "runs, that its address is right, and that you may write there."
        ) from error


def _make_tables(open_storage):
    """What ``open_storage`` returns, also when others make the same tables at the same moment.

    Optuna asks which tables there are, and makes the others without a lock; whoever is
    second finds a table, or a row, that was not there before.
    """
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for _ in range(9):
        with contextlib.suppress(IntegrityError, ProgrammingError):
            return patiently(open_storage, patience=20)
        time.sleep(random.uniform(0.1, 0.5))
    return patiently(open_storage, patience=20)


def patiently(call: Callable, *, patience: float = _PATIENCE):
    """What ``call`` returns, tried again while a database is away.

    Raises:
        Exception: what ``call`` raised, when the database is away for longer.
    """
    until, pause, told = time.monotonic() + patience, 0.2, False
    while True:
        try:
            return call()
        except Exception as error:
            if not _is_away(error) or time.monotonic() > until:
                raise
            if pause > 1 and not told:
                told = True
                print(f"Waiting for the database: {_first_line(error)}", flush=True)
        # Not all workers at the same moment.
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, 5)


def _is_away(error) -> bool:
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError

    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    # The last: Optuna asks for the trials a second time, on the connection that has just broken.
    return isinstance(cause, OperationalError | InterfaceError | PendingRollbackError)


def _first_line(error) -> str:
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]


def _journal(path):
    """A backend for Optuna's journal that a kill or a full disk cannot spoil.

    Optuna's own leaves half a line behind when it is killed while writing, the next line
    is then glued to it, and its lock outlives its owner by half a minute. Here a half
    line is cut off before anything is added, kept in a file beside it, and the lock is the
    kernel's, which ends with the process.
    """
    from filelock import FileLock
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    # Its wait is a poll; a study has many short writes.
    lock = FileLock(f"{path}.lock", poll_interval=0.005)
    with lock:
        path.touch()
        mend(path)

    class Journal(JournalFileBackend):
        def append_logs(self, logs):
            lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
            with lock:
                mend(path)
                _append(path, lines)

    return Journal(str(path), lock)


def mend(path: Path) -> Path | None:
    """Cut a journal back to its last whole line; the file that keeps the rest, if any.

    Call it with the journal's lock held.
    """
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        start, tail = end, b""
        while start and b"\n" not in tail:
            start = max(0, start - 65536)
            file.seek(start)
            tail = file.read(end - start)
        whole = start + tail.rfind(b"\n") + 1
        if whole == end:
            return None
        kept = path.with_name(f"{path.name}.torn-{whole}")
        kept.write_bytes(tail[whole - start :])
        file.truncate(whole)
        return kept


def _append(path, lines):
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        end = os.fstat(descriptor).st_size
        try:
            while lines:
                lines = lines[os.write(descriptor, lines) :]
            os.fsync(descriptor)
        except OSError:
            # The disk is full: nobody must find half a line.
            os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)
