"""JupyterLab as a container runs it: the labs on the learner's volume, a token, one log line."""

import contextlib
import errno
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from labkit import machine, settings
from labkit.data.download import sha256, write_atomically
from labkit.doctor import STARTS
from labkit.errors import LabError, SettingsError

IMAGE = Path("/opt/ai101")
"""Where the image keeps notebooks/, Pictures/ and k8s/, which lab 12 reads."""
_FOLDERS = ("notebooks", "Pictures", "k8s")
_LABS = "ai101"
"""The labs' folder on the volume."""
_RECORD = ".labkit/labs.json"
"""On the volume: the SHA-256 of each file as it was copied."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


class VolumeFull(LabError):
    """The labs did not all fit on the learner's volume."""


@dataclass(frozen=True)
class Copied:
    """What :func:`copy_labs` did; the names are relative to the folder of the labs."""

    new: tuple[str, ...] = ()
    """Files that were not there."""
    updated: tuple[str, ...] = ()
    """Files that nobody had changed, and the image has a newer version of."""
    beside: tuple[str, ...] = ()
    """Newer versions of files that the learner has changed, under a name of their own."""
    failed: tuple[str, ...] = ()
    """Files that could not be brought, each with the reason: a folder has its name, say."""

    def __str__(self) -> str:
        words = [f"{len(self.new)} new"] if self.new else []
        if self.updated:
            words.append(f"{len(self.updated)} updated")
        if self.beside:
            words.append(
                f"{len(self.beside)} changed by you and kept; the new version is beside it: "
                f"{', '.join(self.beside)}"
            )
        if self.failed:
            words.append(f"{len(self.failed)} could not be brought: {', '.join(self.failed)}")
        return ", ".join(words) or "as they were"


def pod(
    volume: Path | None = None,
    *,
    source: Path = IMAGE,
    port: int = 8888,
    arguments: tuple[str, ...] = (),
) -> None:
    """Copy the labs to the volume, then become JupyterLab. Does not return.

    It listens on every address and asks for the token in JUPYTER_TOKEN, or in the file
    JUPYTER_TOKEN_FILE; the login page takes it as a password too. LABKIT_BASE_URL is the path
    under which it answers. SIGTERM ends kernels and server in order.

    Args:
        volume: the folder that JupyterLab shows, by default ``work`` in the home.
        source: the folder that holds ``notebooks``, ``Pictures`` and ``k8s``.
        port: the port.
        arguments: more for JupyterLab, such as ``--Application.log_level=INFO``.

    Raises:
        LabError: there is no token, or the volume or the folder for temporary files cannot be
            written to.
    """
    volume = Path.home() / "work" if volume is None else volume
    token, base = _token(os.environ), base_url()
    # A pod that comes back as another user of the same group can write what this one wrote.
    os.umask(0o002)
    _check_writable(volume)
    first = _first_lab(source)
    try:
        labs = f"the labs are in {volume / _LABS} ({copy_labs(source, volume)})"
    except VolumeFull as full:
        # Start all the same: where else could the learner delete something?
        labs = str(full)
    count_start()
    limit = machine.memory().limit
    if limit is not None:
        os.environ.setdefault("MEM_LIMIT", str(limit))  # what the resource meter shows
    ours = str(Path(__file__).parent / "jupyter")
    paths = filter(None, [ours, os.environ.get("JUPYTER_CONFIG_PATH")])
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(paths)
    # The token goes through the environment: a command line is for everyone to see.
    os.environ["JUPYTER_TOKEN"] = token
    os.environ.pop("JUPYTER_TOKEN_FILE", None)
    print(f"JupyterLab starts on port {port} at {base}; {labs}.", flush=True)
    given = {word.partition("=")[0] for word in arguments}
    options = {
        "--ServerApp.ip": "0.0.0.0",
        "--ServerApp.port": port,
        "--ServerApp.port_retries": 0,
        "--ServerApp.base_url": base,
        "--ServerApp.root_dir": volume.resolve(),
        "--LabApp.default_url": f"/lab/tree/{_LABS}/{first}",
        # Shutting down is the cluster's business, which would only start it again.
        "--ServerApp.quit_button": False,
        # A trash on the volume would fill it unseen.
        "--FileContentsManager.delete_to_trash": False,
        "--Application.log_level": "WARN",
    }
    words = [f"{name}={value}" for name, value in options.items() if name not in given]
    os.execv(
        sys.executable,
        [sys.executable, "-m", "jupyterlab", "--no-browser", *words, *arguments],
    )


def copy_labs(source: Path, volume: Path) -> Copied:
    """Bring the labs onto a volume, and never write over what the learner has changed.

    What is missing is copied; what is as it was copied is brought up to date; of what was
    changed, a newer version is put beside it once, as ``03-mnist-cnn.new.ipynb``. It may be
    stopped at any moment and called again.

    Args:
        source: the folder that holds ``notebooks``, ``Pictures`` and ``k8s``.
        volume: the learner's folder; the labs go to ``ai101`` in it.

    Raises:
        VolumeFull: there is no space for them.

    Example:
        >>> print(copy_labs(Path("/opt/ai101"), Path.home() / "work"))
        52 new
    """
    record = volume / _RECORD
    before, known = _known(record), _known(record)
    done: dict[str, list[str]] = {"new": [], "updated": [], "beside": [], "failed": []}
    try:
        for path in _shipped(source):
            name = path.relative_to(source).as_posix()
            try:
                outcome, place = _place(path, volume / _LABS, name, known)
            except OSError as error:
                if error.errno in _FULL:
                    raise
                # What the learner has made of one file must not keep the others away.
                outcome, place = "failed", f"{name} ({error.strerror})"
            if outcome:
                done[outcome].append(place)
    except OSError as error:
        raise VolumeFull(
            f"the volume at {volume} is full, so that labs are missing or out of date. Delete "
            "what you no longer need, then ask for this pod to be started again"
        ) from error
    finally:
        if known != before:
            text = json.dumps(known, indent=0, sort_keys=True).encode()
            with contextlib.suppress(OSError):  # then what is newer is put beside, next time
                write_atomically(record, lambda file: file.write(text))
    return Copied(**{outcome: tuple(names) for outcome, names in done.items()})


def base_url(environ=None) -> str:
    """LABKIT_BASE_URL with a slash at both ends.

    Raises:
        SettingsError: it is no path.

    Example:
        >>> base_url({"LABKIT_BASE_URL": "user/ada"})
        '/user/ada/'
    """
    text = settings.read(environ).base_url
    if not re.fullmatch(r"[\w.~%@:/+-]*", text, re.ASCII) or "//" in text.lstrip("/"):
        raise SettingsError(
            f"LABKIT_BASE_URL is {text!r}; set it to a path, such as /user/ada/, or leave it out."
        )
    middle = text.strip("/")
    return f"/{middle}/" if middle else "/"


def count_start() -> None:
    """Note that the container starts, where :func:`labkit.doctor` counts it."""
    with open(Path(tempfile.gettempdir(), STARTS), "a") as file:
        file.write("started\n")


def _token(environ) -> str:
    token, file = environ.get("JUPYTER_TOKEN", ""), environ.get("JUPYTER_TOKEN_FILE", "")
    if not token and file:
        try:
            token = Path(file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise LabError(
                f"JUPYTER_TOKEN_FILE cannot be read: {error}. Name a file that holds the token, "
                "or set JUPYTER_TOKEN."
            ) from error
    token = token.strip()  # a Secret made by `echo` ends in a line feed
    if not token:
        raise LabError(
            "There is no token, and anybody who reaches this JupyterLab could run programs in it. "
            "Set JUPYTER_TOKEN to a secret of your own: docker run --env JUPYTER_TOKEN=… , or a "
            "Secret on a cluster. Learners type it into the login page."
        )
    return token


def _check_writable(volume):
    temporary = Path(os.environ.get("JUPYTER_RUNTIME_DIR") or tempfile.gettempdir())
    try:
        _try_to_write(temporary)
    except OSError as error:
        raise LabError(
            f"{temporary} cannot be written to: {error.strerror}. Programs keep their temporary "
            "files there. Mount a folder at /tmp: docker run --tmpfs /tmp, or an emptyDir on a "
            "cluster."
        ) from error
    try:
        _try_to_write(volume)
    except OSError as error:
        if error.errno not in _FULL:
            raise LabError(
                f"{volume} cannot be written to: {error.strerror}. What you do would be lost. "
                f"{_how_to_make_writable(volume)}"
            ) from error


def _try_to_write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def _how_to_make_writable(volume):
    user = f"user {os.getuid()} and group {os.getgid()}" if hasattr(os, "getuid") else "this user"
    return (
        f"Mount a volume at {volume} that {user} may write to: on a cluster, a volume claim "
        "(with fsGroup where nobody sets it); with docker, a named volume: "
        f"--volume ai101:{volume}."
    )


def _first_lab(source):
    for path in _shipped(source):
        if path.suffix == ".ipynb":
            return path.relative_to(source).as_posix()
    raise LabError(
        f"{source} holds no notebooks. `labkit pod` is what the image ai101 runs; on your own "
        "machine, run: labkit lab"
    )


def _shipped(source):
    """The files of the labs, in order, without what running them leaves behind."""
    paths = [path for folder in _FOLDERS for path in sorted((source / folder).rglob("*"))]
    hidden = (".", "__pycache__")
    return [
        path
        for path in paths
        if path.is_file()
        and not any(part.startswith(hidden) for part in path.relative_to(source).parts)
    ]


def _place(path, folder, name, known):
    """Put one file in its place; ("new", "updated", "beside" or "", its name there)."""
    there, shipped = folder / name, sha256(path)
    for half in there.parent.glob(f".{there.name}.*.tmp"):
        half.unlink(missing_ok=True)  # an earlier copy that was killed
    here = sha256(there) if there.is_file() else None
    outcome = ""
    if not os.path.lexists(there):
        outcome = "new"
    elif here is not None and here != shipped and here == known.get(name):
        outcome = "updated"
    elif here != shipped:
        if known.get(name) == shipped:
            return "", name  # the learner has changed it, and there is nothing newer
        known[name] = shipped
        stem, dot, ending = name.rpartition(".")
        return "beside", _place(path, folder, f"{stem}.new{dot}{ending}", known)[1]
    if outcome:
        with open(path, "rb") as original:
            write_atomically(there, lambda file: shutil.copyfileobj(original, file))
    known[name] = shipped
    return outcome, name


def _known(record):
    try:
        found = json.loads(record.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # as if everything were changed: nothing is written over
    return found if isinstance(found, dict) else {}
