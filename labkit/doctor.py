"""The preflight: is this machine ready for the labs, and if not, what mends it."""

import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from labkit import machine, settings
from labkit.errors import LabError

MEMORY_NEEDED = 1.5e9
DISK_NEEDED = 1e9
STARTS = "labkit-starts"
"""A file in a pod's /tmp with a line for each start; /tmp stays when a container starts again."""
_ALSO = {"tensorflow": "tensorflow-cpu"}
"""Packages that are published a second time under another name, with the same modules."""

# importlib.metadata takes longer to import than the rest of labkit, so the functions that
# need it import it themselves.


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    level: Literal["ok", "note", "problem"]
    """"note" is worth knowing; "problem" keeps a lab from running."""
    subject: str
    text: str
    remedy: str = ""
    """What to do; empty where nothing is to be done."""


@dataclass(frozen=True, repr=False)
class Report:
    """What :func:`doctor` found. As a string it is one line, and one more for each problem."""

    facts: tuple[str, ...]
    """The versions and sizes that head the report."""
    findings: tuple[Finding, ...]
    variables: tuple[tuple[str, str, str], ...]
    """The ``LABKIT_*`` variables, each with its name, value and meaning."""

    @property
    def ok(self) -> bool:
        """Whether every lab can run here."""
        return not self._at("problem")

    def __str__(self) -> str:
        problems, notes = self._at("problem"), self._at("note")
        if problems:
            verdict = f"{_count(len(problems), 'thing')} to mend:"
        elif notes:
            verdict = f"ready ({_count(len(notes), 'note')}: run labkit doctor in a terminal)"
        else:
            verdict = "ready"
        lines = [" · ".join((*self.facts, verdict))]
        lines += [f"  {p.subject}: {' '.join((p.text, p.remedy)).strip()}" for p in problems]
        return "\n".join(lines)

    __repr__ = __str__

    def table(self) -> str:
        """The full report: a line for each check, remedies below it, then the settings."""
        width = max(len(f.subject) for f in self.findings)
        lines = [" · ".join(self.facts), ""]
        for f in self.findings:
            lines.append(f"{f.level:<7}  {f.subject:<{width}}  {f.text}")
            if f.remedy:
                lines.append(f"{'':7}  {'':{width}}  → {f.remedy}")
        lines += ["", "Settings (environment variables)"]
        for name, value, meaning in self.variables:
            lines.append(f"  {name}={value or '(not set)'}")
            lines.append(f"      {meaning}")
        problems, notes = self._at("problem"), self._at("note")
        verdict = f"{_count(len(problems), 'thing')} to mend" if problems else "Ready"
        lines += ["", f"{verdict}; {_count(len(notes), 'note')}." if notes else f"{verdict}."]
        return "\n".join(lines)

    def _at(self, level: str) -> list[Finding]:
        return [f for f in self.findings if f.level == level]


def doctor(
    *, datasets: Iterable | None = None, lock: Path | None = None, root: str | Path = "/"
) -> Report:
    """Look over this machine before the labs; never raises, and starts no TensorFlow.

    Args:
        datasets: what :func:`labkit.data.available` returned; asked for when left out.
        lock: the ``requirements.lock`` to compare with; found beside labkit when left out.
        root: where ``proc`` and ``sys`` are; another folder only in tests.

    Example:
        >>> labkit.doctor()
        labkit 0.1.0 · Python 3.11.7 · TensorFlow 2.21.0 · 2 cores · 22 GB free memory · ...
    """
    from importlib import metadata

    try:
        now, unreadable = settings.read(), None
    except ValueError as error:
        now, unreadable = settings.read({}), str(error)
    findings = [
        *check_python(platform.python_version()),
        *check_packages(find_lock() if lock is None else lock),
        *check_machine(root),
        *check_disk(now.cache),
        *check_widgets(),
    ]
    if unreadable:
        # The data sets are looked for where the settings say, so they wait for this one.
        findings.append(Finding("problem", "settings", unreadable))
    else:
        findings += check_datasets(datasets)
    free, disk = machine.memory(root).available, machine.free_disk(now.cache)
    facts = (
        f"labkit {metadata.version('labkit')}",
        f"Python {platform.python_version()}",
        f"TensorFlow {_installed('tensorflow') or 'missing'}",
        _count(machine.cores(root), "core"),
        *([f"{_gigabytes(free)} free memory"] if free is not None else []),
        *([f"{_gigabytes(disk)} free disk"] if disk is not None else []),
    )
    return Report(facts, tuple(findings), tuple(_variables()))


def check_python(version: str) -> Iterator[Finding]:
    """Whether labkit supports Python ``version``."""
    from importlib import metadata

    from packaging.specifiers import SpecifierSet

    supported = SpecifierSet(metadata.metadata("labkit")["Requires-Python"])
    if supported.contains(version, prereleases=True):
        yield Finding("ok", "Python", f"{version} at {sys.executable}")
    else:
        yield Finding(
            "problem",
            "Python",
            f"labkit needs Python {supported}; this is {version}.",
            "Make a new environment with one of those (make lab does it).",
        )


def find_lock() -> Path | None:
    """The lock of a clone (beside ``pyproject.toml``) or of an installed wheel (inside labkit)."""
    here = Path(__file__).parent
    inside, beside = here / "requirements.lock", here.parent / "requirements.lock"
    if inside.is_file():
        return inside
    # An environment's site-packages may hold a stranger's file of this name.
    return beside if beside.is_file() and (here.parent / "pyproject.toml").is_file() else None


def check_packages(lock: Path | None) -> Iterator[Finding]:
    """Whether what the labs import is installed, fits labkit and is what the lock names.

    A package that is missing or outside labkit's own range is a problem; another
    version than the locked one is a note.
    """
    mending = 'Run make lab, or: python -m pip install "labkit[all]"'
    broken = []
    for wanted in _needed():
        version = _installed(wanted.name)
        if version is None:
            broken.append(f"{wanted.name} is not installed")
        elif not wanted.specifier.contains(version, prereleases=True):
            broken.append(f"{wanted.name} is {version} and labkit needs {wanted.specifier}")
    if broken:
        yield Finding("problem", "packages", "; ".join(broken) + ".", mending)
    if lock is None:
        yield Finding(
            "note", "lock", "There is no requirements.lock here to compare versions with."
        )
        return
    try:
        pinned = {pin.name: pin for pin in read_lock(lock)}
    except (OSError, ValueError) as error:
        text = f"{lock} cannot be read: {str(error).splitlines()[0]}."
        yield Finding("note", "lock", text, "In a clone, git checkout requirements.lock mends it.")
        return
    here = {name: _installed(name) for name in pinned}
    others = [
        f"{name} {version} (the lock has {str(pinned[name].specifier)[2:]})"
        for name, version in here.items()
        if version and not pinned[name].specifier.contains(version, prereleases=True)
    ]
    if others:
        yield Finding(
            "note",
            "lock",
            f"Other versions than the tested ones: {', '.join(others)}.",
            "Where a lab misbehaves, make lab in a clone brings the tested ones.",
        )
    else:
        found = sum(version is not None for version in here.values())
        yield Finding("ok", "lock", f"{found} packages, each in the version of {lock.name}")


def read_lock(path: Path) -> list:
    """The pins of a lock that apply here, as ``packaging.requirements.Requirement``.

    Raises:
        OSError: the file cannot be opened.
        ValueError: a line is no pin.
    """
    from packaging.requirements import Requirement

    # Only pins start a line; hashes and comments are indented or start with "#".
    lines = [line for line in path.read_text("utf-8").splitlines() if line[:1].isalnum()]
    pins = [Requirement(line.rstrip("\\ ")) for line in lines]
    return [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]


def check_machine(root: str | Path = "/") -> Iterator[Finding]:
    """Cores and memory as the container has them, and whether memory ran out before."""
    quota, threads = machine.cpu_quota(root), machine.cores(root)
    text = f"{_count(threads, 'core')} for this process"
    if quota is not None and quota < threads:
        text += f" (its time is limited to {quota:g})"
    if (os.cpu_count() or threads) > threads:
        text += f"; the host shows {os.cpu_count()}"
    yield Finding("ok", "cores", text)

    memory = machine.memory(root)
    if memory.available is None:
        yield Finding("ok", "memory", "this system does not tell how much is free")
    else:
        text = f"{_gigabytes(memory.available)} free of {_gigabytes(memory.limit)}"
        if memory.available < MEMORY_NEEDED:
            yield Finding(
                "problem",
                "memory",
                f"{text}; a lab needs {_gigabytes(MEMORY_NEEDED)}.",
                "Shut down other notebooks (in JupyterLab: Kernel, then Shut Down All Kernels) "
                "or ask for a larger container.",
            )
        else:
            yield Finding("ok", "memory", text)
    fewer = (
        "Keep one notebook running at a time, or load fewer examples: "
        'labkit.load("mnist", limit=10000).'
    )
    kills = machine.memory_kills(root)
    if kills:
        yield Finding(
            "note",
            "stopped",
            f"exit code 137: the kernel was stopped because memory ran out "
            f"({_count(kills, 'time')} since this container started).",
            fewer,
        )
    restarts = _starts() - 1
    if restarts > 0:
        yield Finding(
            "note",
            "restarted",
            f"This pod's container was started again ({_count(restarts, 'time')}), most often "
            "because memory ran out and Kubernetes stopped all of it: exit code 137. What was "
            "saved is there.",
            f"{fewer} `kubectl describe pod` gives the reason.",
        )


def check_disk(cache: Path) -> Iterator[Finding]:
    """Whether data sets can be kept in the folder ``cache``."""
    folder, free = machine.existing(cache), machine.free_disk(cache)
    elsewhere = "Set LABKIT_CACHE to a folder with space that you may write to."
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        yield Finding("problem", "disk", f"The cache {cache} cannot be written to.", elsewhere)
    elif free is None:
        yield Finding("note", "disk", f"The free space at {cache} is not known.")
    elif free < DISK_NEEDED:
        text = f"{_gigabytes(free)} free at {cache}; the labs need {_gigabytes(DISK_NEEDED)}."
        yield Finding("problem", "disk", text, elsewhere)
    else:
        yield Finding("ok", "disk", f"{_gigabytes(free)} free at {cache}")


def check_datasets(datasets: Iterable | None = None) -> Iterator[Finding]:
    """Which data sets are here. A sample in place of the real data is no fault."""
    if datasets is None:
        from labkit import data

        try:
            datasets = data.available()
        except (LabError, OSError) as error:
            yield Finding("problem", "data", str(error))
            return
    datasets = tuple(datasets)
    for found in datasets:
        if found.problem:
            yield Finding("problem", found.name, found.problem)
        elif found.kind != "sample":
            proof = "verified" if found.verified else "no checksum to verify it with"
            yield Finding("ok", found.name, f"{found.kind}, {proof}: {found.where}")
    samples = [found.name for found in datasets if found.kind == "sample" and not found.problem]
    if samples:
        yield Finding(
            "ok",
            "sample data",
            f"drawn by labkit, in place of {', '.join(samples)}",
            "labkit data fetch NAME gets the real data, or says how to.",
        )


def check_widgets() -> Iterator[Finding]:
    """Whether sliders and buttons will show: both halves of ipywidgets must agree."""
    from importlib import metadata

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    kernel, browser = _installed("ipywidgets"), _installed("jupyterlab_widgets")
    if kernel is None:
        return  # already named among the packages
    requirements = [Requirement(line) for line in metadata.requires("ipywidgets") or ()]
    for wanted in requirements:
        if canonicalize_name(wanted.name) != "jupyterlab-widgets":
            continue
        if browser is None or not wanted.specifier.contains(browser, prereleases=True):
            have = f"version {browser} is here" if browser else "it is not installed"
            yield Finding(
                "problem",
                "widgets",
                f"ipywidgets {kernel} needs {wanted} and {have}.",
                "Run: python -m pip install --upgrade ipywidgets jupyterlab_widgets, "
                "and start JupyterLab again.",
            )
            return
    text = f"ipywidgets {kernel} and jupyterlab_widgets {browser} agree"
    # Asking IPython, but only where it runs already: importing it takes long.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or not hasattr(shell, "kernel"):
        text += "; they show in a notebook, not in this terminal"
    yield Finding("ok", "widgets", text)


def _variables() -> Iterator[tuple[str, str, str]]:
    for f in fields(settings.Settings):
        name, default = f.metadata["name"], f.metadata["default"]
        value = os.environ.get(name, "").strip() or default
        shown = "(set)" if value and name in settings.SECRET else settings.shown(value)
        yield name, shown, f.metadata["meaning"]


def _needed() -> list:
    """What labkit says that its labs need: its dependencies with the extra "all"."""
    from importlib import metadata

    from packaging.requirements import Requirement

    needed = map(Requirement, metadata.requires("labkit") or ())
    return [r for r in needed if r.marker is None or r.marker.evaluate({"extra": "all"})]


def _installed(name: str) -> str | None:
    from importlib import metadata

    for known_as in filter(None, (name, _ALSO.get(name))):
        try:
            return metadata.version(known_as)
        except metadata.PackageNotFoundError:
            continue
    return None


def _starts() -> int:
    try:
        return len(Path(tempfile.gettempdir(), STARTS).read_text().splitlines())
    except (OSError, ValueError):
        return 0


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _gigabytes(n: float) -> str:
    """Decimal gigabytes, with one decimal below ten."""
    return f"{n / 1e9:.1f} GB" if n < 9.95e9 else f"{n / 1e9:.0f} GB"
