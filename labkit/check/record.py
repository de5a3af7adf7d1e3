"""Which exercises are solved: a small JSON file that outlives the kernel.

``{"02-weights": {"passed": true, "attempts": 2, "first_passed": "2026-01-31T09:30:00+00:00"}}``
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from labkit import settings
from labkit.check.judging import EXERCISES


@dataclass(frozen=True)
class Row:
    """One exercise and how far you are with it."""

    exercise: str
    lab: str
    title: str
    done: bool
    attempts: int
    first_passed: str | None
    """When it first passed (ISO 8601, UTC)."""


@dataclass(frozen=True, repr=False)
class Progress:
    """Every exercise, in the order of the labs; as text, a table."""

    rows: tuple[Row, ...]
    note: str = ""

    def __str__(self) -> str:
        width = max(len(row.exercise) for row in self.rows)
        done = sum(row.done for row in self.rows)
        lines = [f"{done} of {len(self.rows)} exercises done"]
        lab = None
        for row in self.rows:
            if row.lab != lab:
                lab = row.lab
                lines += ["", f"Lab {lab}"]
            mark, word = ("✓", "done") if row.done else ("○", "not yet")
            lines.append(f"  {mark} {word:<7}  {row.exercise:<{width}}  {row.title}")
        return "\n".join([*lines, "", self.note] if self.note else lines)

    __repr__ = __str__


def progress(path: str | Path | None = None) -> Progress:
    """What you have solved so far.

    Args:
        path: the progress file, by default the one that ``LABKIT_PROGRESS`` names.

    Example:
        >>> labkit.progress()
        1 of 12 exercises done
        ...
    """
    path = Path(path) if path is not None else settings.read().progress
    note = ""
    try:
        entries = _read(path)
    except ValueError:
        entries, note = {}, f"{path} is damaged; the next check sets it aside and begins a new one."
    except OSError as error:
        entries, note = {}, f"{path} cannot be read ({error.strerror}); set LABKIT_PROGRESS."
    rows = []
    for name, exercise in EXERCISES.items():
        entry = entries.get(name, {"passed": False, "attempts": 0})
        rows.append(
            Row(
                name,
                exercise.lab,
                exercise.title,
                entry["passed"],
                entry["attempts"],
                entry.get("first_passed"),
            )
        )
    return Progress(tuple(rows), note)


def record(path: Path, exercise: str, *, passed: bool) -> str:
    """Add one attempt to the file at ``path``; once passed, an exercise stays passed.

    Several notebooks may do so at once. A damaged file is kept under another name.

    Returns:
        What the learner should know about the file; empty when all is well.
    """
    # filelock takes 30 ms to import, and most labs start without checking anything.
    from filelock import FileLock

    note = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=10):
            try:
                entries = _read(path)
            except ValueError:
                aside = path.with_name(f"{path.name}.broken")
                os.replace(path, aside)
                entries, note = {}, f"The progress file was damaged; it is kept as {aside.name}."
            old = entries.get(exercise, {"passed": False, "attempts": 0, "first_passed": None})
            now = datetime.now(UTC).isoformat(timespec="seconds")
            entries[exercise] = {
                "passed": old["passed"] or passed,
                "attempts": old["attempts"] + 1,
                "first_passed": old.get("first_passed") or (now if passed else None),
            }
            part = path.with_name(f"{path.name}.part")
            part.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", "utf-8")
            os.replace(part, path)
    except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
        why = getattr(error, "strerror", None) or error
        return (
            f"Your progress is not saved: {path.parent} cannot be written to ({why}). "
            "Set LABKIT_PROGRESS to a file in a folder of yours."
        )
    return note


def _read(path: Path) -> dict[str, dict]:
    """The file's entries; empty when there is none yet.

    Raises:
        ValueError: the file is not what :func:`record` writes.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if not isinstance(entries, dict) or not all(map(_is_entry, entries.values())):
        raise ValueError("not a progress file")
    return entries


def _is_entry(entry) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("passed"), bool)
        and isinstance(entry.get("attempts"), int)
    )
