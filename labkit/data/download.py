"""Downloads that survive: checked, resumed, retried, and done once."""

import contextlib
import hashlib
import json
import os
import queue
import threading
import time
import unicodedata
from pathlib import Path
from urllib.parse import urlsplit

import requests
from filelock import FileLock

from labkit import settings
from labkit.errors import DataError, DownloadError

PATIENCE = 3.0
"""Seconds that a lab waits for a host's first answer."""
FORGET_AFTER = 12 * 3600
"""Seconds for which a host that did not answer is left alone."""
_TRIES = 5
_CHUNK = 1 << 16
_TITLES = {"sha256": "SHA-256", "md5": "MD5"}


class HostSilent(DownloadError):
    """The host did not answer in time."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return checksum(path, "sha256")


def checksum(path: Path, algorithm: str) -> str:
    """The checksum of a file, in hexadecimal; ``algorithm`` is "sha256" or "md5"."""
    with open(path, "rb") as file:
        # Machines in FIPS mode give MD5 only for what is no protection against people.
        return hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=algorithm != "md5")
        ).hexdigest()


def write_atomically(path: Path, write) -> None:
    """Call ``write(file)`` on a temporary file, then move it to ``path``.

    A reader sees the old file or the new one, and a crash leaves no half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def make_cache(folder: Path) -> None:
    """Make a folder of the cache.

    Raises:
        DataError: that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be made ({error.strerror}). Set LABKIT_CACHE to a folder that you "
            "can write to."
        ) from error


def unfit(name: str) -> str:
    """Why a name from another machine, one part of a path, is none for a file here; or "".

    Example:
        >>> unfit("..")
        'its name leads out of the folder'
    """
    if not name.strip(".") or "/" in name or "\\" in name or (os.name == "nt" and ":" in name):
        return "its name leads out of the folder"
    # Control characters, and halves of characters, which no file system knows.
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        return "its name holds control characters"
    return "its name is too long" if len(name.encode()) > 200 else ""


def within(seconds: float, call):
    """What ``call()`` returns or raises; TimeoutError when that takes longer.

    A thread, because neither looking up a name nor trying a host's several addresses one
    after the other keeps to anybody's timeout.
    """
    answers = queue.SimpleQueue()

    def ask():
        try:
            answers.put((call(), None))
        except Exception as error:
            answers.put((None, error))

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} seconds") from None
    if error is not None:
        raise error
    return answer


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    patience: float = PATIENCE,
    progress: bool = True,
) -> Path:
    """Bring ``url`` to ``path``, once, and return ``path``.

    The file is written beside its place as ``….part``, from which a later call
    goes on, and gets its name only when its checksum agrees. Processes that ask
    for the same path wait for the first one and use its file.

    Args:
        url: an http or https address.
        path: where the file goes; its folder is made.
        sha256: the checksum, in hexadecimal.
        md5: the checksum of a host that publishes no SHA-256; give one of the two.
        size: the length in bytes, when it is known; more than that is refused.
        patience: seconds to wait for the first answer. A host that lets them pass is
            remembered for twelve hours, so that the next call fails at once;
            a larger patience than the default asks it again all the same.
        progress: show a bar.

    Raises:
        HostSilent: no answer within ``patience``, now or lately.
        DownloadError: the host refused, broke off for good, or sent a wrong file.

    Example:
        >>> download("https://example.org/mnist.npz", Path("mnist.npz"), sha256="731c…")
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.exists():
                expected = ("sha256", sha256) if sha256 else ("md5", md5)
                _download(url, path, expected, size, patience, progress)
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise
        raise DownloadError(
            f"{path} could not be written: {error.strerror or error}. Free some space, or set "
            "LABKIT_CACHE to a folder that you can write to; what has arrived so far is kept."
        ) from error
    return path


def fetch_text(url: str, *, patience: float = PATIENCE, limit: int = 4 << 20) -> str:
    """The text at ``url``, at most ``limit`` bytes of it.

    Raises:
        HostSilent: no answer within ``patience``, now or lately.
        DownloadError: the host refused, or the text is longer than ``limit``.
    """
    try:
        with _open(url, 0, patience) as response:
            body = b""
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > limit:
                    raise DownloadError(
                        f"{settings.shown(url)} is longer than {limit:,} bytes: that is not what "
                        "was asked for. Check the address."
                    )
            return body.decode("utf-8", "replace")
    except requests.RequestException as error:
        raise DownloadError(f"{settings.shown(url)} broke off ({error}). Try again.") from error


def _download(url, path, expected, size, patience, progress):
    part = path.with_name(path.name + ".part")
    resumed = part.exists()
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _receive(url, part, size, patience, progress)
        except requests.RequestException as error:
            # Whatever made progress deserves another try; standing still does not, for long.
            grown = part.exists() and part.stat().st_size > before
            failures = 1 if grown else failures + 1
            if failures >= _TRIES:
                raise DownloadError(
                    f"{settings.shown(url)} broke off {_TRIES} times ({error}). What has arrived "
                    f"is kept in {part.name}; run the same again to go on from there."
                ) from error
            time.sleep(0.25 * 2**failures)
            continue
        algorithm, wanted = expected
        found = checksum(part, algorithm)
        if found == wanted:
            os.replace(part, path)
            return
        part.unlink()
        if not resumed:
            raise DownloadError(
                f"{settings.shown(url)} sent a wrong file: its {_TITLES[algorithm]} is "
                f"{found[:12]}…, {wanted[:12]}… was expected. It was thrown away. The host may be "
                "showing a log-in page, or the file was changed there; open the address in a "
                "browser, or use another source through LABKIT_DATA."
            )
        resumed = False  # an old part of another version: once more from the start


def _receive(url, part, size, patience, progress):
    from tqdm.auto import tqdm  # finds out by importing IPython whether this is a notebook

    start = part.stat().st_size if part.exists() else 0
    if size is not None and start > size:
        part.unlink()
        start = 0
    if size is not None and start == size:
        return
    with _open(url, start, patience) as response:
        if response.status_code == 416:  # nothing left to send: the part is whole, or wrong
            return
        if response.status_code == 200:
            start = 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else size
        bar = tqdm(
            total=total,
            initial=start,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            desc=f"Downloading {part.stem}",
            disable=not progress or settings.read().headless,
            leave=False,
        )
        with bar, open(part, "ab" if start else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if size is not None and file.tell() > size:
                    break  # more than there should be; the checksum will say so
            file.flush()
            os.fsync(file.fileno())


def _open(url, start, patience):
    """A response with status 200, 206 or 416, whose body is still to be read."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    if patience <= PATIENCE and was_silent(host):
        raise HostSilent(
            f"{host} did not answer a short while ago and is not asked again for now. "
            "`labkit data fetch` asks it at once."
        )
    headers = {"Range": f"bytes={start}-"} if start else {}
    response = _first_answer(url, headers, patience)
    if response is None:
        note_silence(host, silent=True)
        raise HostSilent(
            f"{host} did not answer within {patience:g} seconds. Check the connection, then run "
            "`labkit data fetch`; set LABKIT_OFFLINE=1 to never try."
        )
    note_silence(host, silent=False)
    status = response.status_code
    if status in (200, 416) or (status == 206 and _starts_at(response, start)):
        return response
    response.close()
    if status in (408, 425, 429) or status >= 500 or status == 206:
        raise requests.ConnectionError(f"HTTP status {status}")
    raise DownloadError(
        f"{settings.shown(url)} answered with HTTP status {status}: the file is not there for us. "
        "Check the address, or use another source through LABKIT_DATA."
    )


def _starts_at(response, start):
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _first_answer(url, headers, patience):
    """The response, or None when nothing came in time."""
    headers = {"Accept-Encoding": "identity", **headers}
    timeout = (patience, PATIENCE * 5)
    try:
        return within(
            patience, lambda: requests.get(url, headers=headers, stream=True, timeout=timeout)
        )
    # A refused connection or an unknown name is a host that is not there.
    except (TimeoutError, requests.ConnectionError, requests.Timeout):
        return None
    except requests.RequestException as error:
        shown = settings.shown(url)
        why = str(error).replace(url, shown)
        raise DownloadError(f"{shown} cannot be asked for: {why}. Check the address.") from None


def silence_file() -> Path:
    """Where the hosts that did not answer are remembered."""
    return settings.read().cache / "silent-hosts.json"


def _silent_hosts() -> dict[str, float]:
    try:
        hosts = json.loads(silence_file().read_text())
        return {str(host): float(since) for host, since in hosts.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # absent or damaged: ask the host


def was_silent(host: str) -> bool:
    """Whether a host did not answer lately."""
    return 0 <= time.time() - _silent_hosts().get(host, 0.0) < FORGET_AFTER


def note_silence(host: str, *, silent: bool) -> None:
    """Remember that a host did not answer, or that it does again."""
    hosts = _silent_hosts()
    if not silent and host not in hosts:
        return
    hosts.pop(host, None)
    if silent:
        hosts[host] = time.time()
    with contextlib.suppress(OSError):  # a read-only cache: the host is asked again next time
        write_atomically(silence_file(), lambda file: file.write(json.dumps(hosts).encode()))
