"""What this process may really use: processor cores, memory and disk.

Inside a container the operating system still reports the whole host. The true
limits lie in the control groups that the kernel keeps under ``/sys/fs/cgroup``;
this module reads both of their versions
(https://docs.kernel.org/admin-guide/cgroup-v2.html and
https://docs.kernel.org/admin-guide/cgroup-v1/index.html).
"""

import math
import os
import shutil
import socket
import sys
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError

# TensorFlow's own pools, then OpenMP, OpenBLAS and MKL, which NumPy, SciPy and scikit-learn use.
THREAD_VARIABLES = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)

# Version 1 writes "no limit" as the largest multiple of a page below 2**63.
_NO_LIMIT = 2**60


@dataclass(frozen=True)
class Memory:
    """Bytes of memory for this process; ``None`` where the system does not tell."""

    limit: int | None
    """All there is: the container's limit or the machine's memory, the smaller."""
    available: int | None
    """What can still be taken before the limit is reached."""


def cores(root: str | Path = "/") -> int:
    """The number of threads that can really run at once, at least 1.

    The smaller of the cores that this process is allowed to run on and the time
    quota of its control group, rounded up: half a core makes 1, 1.5 cores make 2.

    Args:
        root: where ``proc`` and ``sys`` are; another folder only in tests.

    Example:
        >>> cores() >= 1
        True
    """
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = cpu_quota(root)
    return max(1, math.ceil(min(allowed, quota or allowed)))


def cpu_quota(root: str | Path = "/") -> float | None:
    """The processor time that the control groups grant, in cores; ``None`` without a limit.

    A group never gets more than the groups above it, so the smallest quota counts.
    """
    quotas = []
    for group in _groups("cpu", root):
        words = (
            _read(group / "cpu.max")
            or _read(group / "cpu.cfs_quota_us") + " " + _read(group / "cpu.cfs_period_us")
        ).split()
        # "max" and -1 both mean no limit.
        if len(words) == 2 and all(word.isdigit() and int(word) for word in words):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def memory(root: str | Path = "/") -> Memory:
    """The memory that this process has, from its control groups and the machine.

    Pages of files that nobody has used lately count as available, because the
    kernel gives them up before it stops a process.

    Args:
        root: where ``proc`` and ``sys`` are; another folder only in tests.
    """
    total, available = _host_memory(root)
    limits, rooms = [total], [available]
    for group in _groups("memory", root):
        limit = _number(group / "memory.max", group / "memory.limit_in_bytes")
        used = _number(group / "memory.current", group / "memory.usage_in_bytes")
        if limit is None or limit > _NO_LIMIT:
            continue
        limits.append(limit)
        if used is not None:
            stat = _table(group / "memory.stat")
            idle = stat.get("total_inactive_file", stat.get("inactive_file", 0))
            rooms.append(max(0, limit - max(0, used - idle)))
    return Memory(
        limit=min((n for n in limits if n is not None), default=None),
        available=min((n for n in rooms if n is not None), default=None),
    )


def memory_kills(root: str | Path = "/") -> int:
    """How many processes the kernel has stopped here because memory ran out.

    The count belongs to the control group: on a pod it starts with the container.
    """
    for group in _groups("memory", root):
        for name in ("memory.events", "memory.oom_control"):
            kills = _table(group / name).get("oom_kill")
            if kills is not None:
                return kills
    return 0


def peak_memory(pid: int, root: str | Path = "/") -> int | None:
    """The most memory that a process has held so far, in bytes; ``None`` where nobody tells.

    Args:
        pid: the process.
        root: where ``proc`` is; another folder only in tests.
    """
    kilobytes = _table(Path(root, f"proc/{pid}/status")).get("VmHWM:")
    return kilobytes and 1024 * kilobytes


def free_disk(path: str | Path) -> int | None:
    """The bytes that are free where ``path`` is, or would be once it is made."""
    try:
        return shutil.disk_usage(existing(path)).free
    except OSError:
        return None


def existing(path: str | Path) -> Path:
    """``path``, or the nearest folder above it that exists."""
    path = Path(path).expanduser().absolute()
    # os.path.exists, unlike Path.exists before Python 3.14, never raises on a closed folder.
    return next(p for p in (path, *path.parents) if os.path.exists(p) or p == p.parent)


def limit_threads(
    environ: MutableMapping[str, str] | None = None, *, count: int | None = None
) -> None:
    """Have TensorFlow and NumPy start ``count`` threads, by default :func:`cores`.

    Left alone they start one thread for each core of the host. A variable that
    is already set keeps its value. The libraries read the variables when they
    start, so this comes before their import; programs started from here inherit it.

    Args:
        environ: the variables to complete, by default ``os.environ``.
        count: threads for each pool.
    """
    environ = os.environ if environ is None else environ
    value = str(cores() if count is None else count)
    for name in THREAD_VARIABLES:
        environ.setdefault(name, value)


def worker_environment(threads: int) -> dict[str, str]:
    """The variables of a process that works for this one: so many threads, and no questions.

    It imports from where this one does, also what a notebook has put on its path.
    """
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    path = os.pathsep.join(filter(None, sys.path))
    return environment | {"LABKIT_HEADLESS": "1", "PYTHONPATH": path}


def free_port(first: int) -> int:
    """``first``, or the next port of this machine that nothing listens on.

    Raises:
        LabError: the next fifty are taken.
    """
    for port in range(first, first + 50):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise LabError(f"No port from {first} to {first + 49} is free. Choose another: --port 9000.")


def _groups(controller: str, root: str | Path) -> Iterator[Path]:
    """The folders of this process's control group, its own first, then those above it.

    A container sees its own group as the top of the mount, often under a path
    that only the host has; so the top is always among them, and the caller
    passes over what is not there.
    """
    top = Path(root, "sys/fs/cgroup")
    for line in _read(Path(root, "proc/self/cgroup")).splitlines():
        _, names, path = line.split(":", 2)
        if names == "":
            mounts = (top, top / "unified")
        elif controller in names.split(","):
            mounts = (top / names, top / controller)
        else:
            continue
        parts = [part for part in path.split("/") if part]
        for mount in dict.fromkeys(mounts):
            for depth in range(len(parts), -1, -1):
                yield mount.joinpath(*parts[:depth])


def _host_memory(root: str | Path) -> tuple[int | None, int | None]:
    table = _table(Path(root, "proc/meminfo"))
    if "MemTotal:" in table:
        available = table.get("MemAvailable:")
        return table["MemTotal:"] * 1024, None if available is None else available * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    except (AttributeError, ValueError, OSError):
        # Windows has no sysconf; some systems have it without these names.
        return None, None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(*paths: Path) -> int | None:
    return next((int(text) for text in map(_read, paths) if text.isdigit()), None)


def _table(path: Path) -> dict[str, int]:
    """A file of lines such as ``oom_kill 2`` or ``MemTotal: 16384 kB``."""
    rows = (line.split() for line in _read(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
