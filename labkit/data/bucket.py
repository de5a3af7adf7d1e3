"""Buckets, and all else that fsspec reads by its address: connect, list, copy both ways."""

import contextlib
import errno
import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from filelock import FileLock

from labkit import machine, settings
from labkit.data import files
from labkit.data.download import (
    HostSilent,
    checksum,
    make_cache,
    note_silence,
    silence_file,
    unfit,
    was_silent,
    within,
)
from labkit.errors import DataError, DownloadError, LabError

_PATIENCE = 10.0  # seconds for the first answer; a client of S3 needs some of them for itself
_THREADS = 8
_DEPTH = 4  # data/train/cats/1.jpg: deeper than that no layout of pictures goes
_MOST = 100_000  # pictures and folders that are copied from one address
_LARGEST = 4 << 20  # bytes of a list of checksums
_ALONE = 16 << 20  # bytes from which a file is copied alone: clients hold much of it in memory
_SILENCE = {"ConnectionError", "HTTPClientError", "TimeoutError"}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Kept:
    """What a store says of a file: as long as it says the same, the file is the same."""

    size: int | None
    tag: str | None
    """The ETag, which may be the file's MD5, or else the time when it was written."""
    written: object = field(default=None, compare=False)
    """When, in whatever form this store has for it."""

    def is_newer(self, other: "Kept") -> bool:
        """Whether it may have been written after ``other`` of the same store."""
        return None in (self.written, other.written) or self.written > other.written


def is_address(text: str) -> bool:
    """Whether ``text`` is an address, such as ``s3://bucket/prefix``, and no folder."""
    return "://" in text


def is_http(address: str) -> bool:
    """Whether an address is for plain downloads: a web server has files, but no list of them."""
    return address.startswith(("http://", "https://"))


def is_remote(address: str) -> bool:
    """Whether LABKIT_OFFLINE=1 forbids to ask there: all but this machine's memory and disk."""
    return is_address(address) and address.partition("://")[0] not in ("memory", "file", "local")


def connect(address: str):
    """The file system behind a folder or an address, and the path in it.

    Raises:
        Exception: whatever the file system raises, for :func:`plainly` to explain.
    """
    import fsspec

    if address.startswith(("s3://", "s3a://")) and _user(address):
        raise ValueError("the address of a bucket has no place for a user and a password")
    # What another process has written a second ago must be seen.
    fs, root = fsspec.url_to_fs(address, use_listings_cache=False)
    return fs, root.rstrip("/")


def is_local(fs) -> bool:
    """Whether a file system is this machine's own."""
    return "file" in (fs.protocol if isinstance(fs.protocol, tuple) else ())


@contextlib.contextmanager
def plainly(kind: type[LabError], sentence: str, address: str, *passing, then: str):
    """Raise what goes wrong inside as ``kind``: what happened, why, and what to check.

    Args:
        kind: the error to raise; one of that kind passes as it is.
        sentence: what could not be done.
        address: its user and password do not get into the message.
        passing: other errors that pass as they are.
        then: what to do once all is checked.
    """
    try:
        yield
    except (kind, *passing):
        raise
    except Exception as error:  # each file system raises its own
        _forget(address)
        # A message of theirs may hold the address, and a stack trace shows it.
        cause = None if _user(address) else error
        why = _reason(error, address)
        if getattr(error, "errno", None) in _FULL:
            raise kind(f"{sentence} ({why}). Free some space; then {then}") from cause
        if isinstance(error, ImportError):
            raise kind(
                f'{sentence} ({why}). Run: python -m pip install "labkit[store]", which brings '
                "what buckets need."
            ) from cause
        raise kind(
            f"{sentence} ({why}). Check its address, and for a bucket AWS_ENDPOINT_URL, "
            f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; then {then}"
        ) from cause


@contextlib.contextmanager
def bytes_bar(title: str):
    """A bar for one file, after two seconds: what it gives is the callback of fsspec's copying."""
    from fsspec.callbacks import Callback

    shown = bar(title, unit="B", unit_scale=True, unit_divisor=1024)

    class Counting(Callback):
        def call(self, *args, **kwargs):
            shown.total = self.size
            shown.update(self.value - shown.n)

    with shown:
        yield Counting()


def put_file(fs, source: Path, path: str, callback=None) -> None:
    """Copy a file of this machine to ``path``."""
    from fsspec.callbacks import DEFAULT_CALLBACK

    if is_local(fs):  # a bucket has no folders, and s3fs would make the bucket
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    fs.put_file(str(source), path, callback=callback or DEFAULT_CALLBACK)


def get_file(fs, path: str, target: Path, check: Callable[[Path], object], callback=None) -> None:
    """Copy a file to ``target``, where it appears whole and once ``check`` has let it pass."""
    from fsspec.callbacks import DEFAULT_CALLBACK

    target.parent.mkdir(parents=True, exist_ok=True)
    arriving = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        fs.get_file(path, str(arriving), callback=callback or DEFAULT_CALLBACK)
        check(arriving)
        os.replace(arriving, target)
    finally:
        arriving.unlink(missing_ok=True)


class Bucket:
    """Data sets or pictures below an address that fsspec knows, such as ``s3://bucket/prefix``.

    Raises:
        DownloadError: there is no such kind of place, or a package for it is missing.
    """

    def __init__(self, address: str):
        self.address = address
        self.shown = settings.shown(address).rstrip("/")
        with self._saying("opened"):
            self.fs, self.root = connect(address)

    def text(self, name: str) -> str:
        """A small file, from a store that may be silent.

        Raises:
            HostSilent: no answer within ten seconds, now or lately.
            DownloadError: it is not there, too large, or not for us.
        """
        if was_silent(self._host):
            raise HostSilent(
                f"{self.shown} did not answer a short while ago and is not asked again for now. "
                f"Delete {silence_file()} to have it asked at once."
            )
        try:
            content = self._first_answer(
                lambda: self.fs.cat_file(self._at(name), start=0, end=_LARGEST + 1)
            )
        except HostSilent:
            note_silence(self._host, silent=True)
            raise
        except FileNotFoundError as error:
            raise DownloadError(
                f"{self.shown} has no {name}. Check the address; `labkit data mirror "
                f"{self.shown}` makes one there."
            ) from error
        if len(content) > _LARGEST:
            raise DownloadError(
                f"{self.shown}/{name} is longer than {_LARGEST:,} bytes: that is not what was "
                "asked for. Check the address."
            )
        return content.decode("utf-8", "replace")

    def find(self) -> dict[str, Kept]:
        """All files by their path below the address, however deep.

        Raises:
            HostSilent: no answer within ten seconds.
            DownloadError: it cannot be listed.
        """
        self._ask()
        root = self._at("") + "/"
        with self._saying("listed"):
            try:
                found = self.fs.find(self.root, detail=True)
            except FileNotFoundError:
                return {}
        return {
            name.removeprefix(root): _kept(entry)
            for name, entry in found.items()
            if name.startswith(root)
        }

    def walk(
        self, wanted: Callable[[str, bool], bool]
    ) -> tuple[dict[str, Kept], list[tuple[str, str]]]:
        """The pictures in folders, four deep at most.

        Args:
            wanted: whether a name, and whether it is a folder's, is one to look at.

        Returns:
            The files by path, and the paths that cannot be had here, each with the reason.

        Raises:
            HostSilent: no answer within ten seconds.
            DownloadError: it cannot be listed.
            DataError: there are more than can be meant.
        """
        self._ask()
        found, left_out, folders = {}, [], [""]
        for _ in range(_DEPTH):
            below = []
            for folder in folders:
                # A file before a folder of the same name, of which a disk takes one.
                for entry in sorted(self._list(folder), key=lambda entry: entry["type"] != "file"):
                    is_folder = entry["type"] == "directory"
                    name = entry["name"].removeprefix(f"{self._at(folder)}/")
                    if name == entry["name"] or (not name and not is_folder):
                        continue  # what stands for the folder itself
                    path = f"{folder}/{name}" if folder else name
                    if name.strip(".") and not wanted(name, is_folder):
                        continue
                    problem = unfit(name)
                    if path in found:
                        problem = "a picture has the same name"
                    if problem:
                        left_out.append((path, problem))
                    elif is_folder:
                        below.append(path)
                    else:
                        found[path] = _kept(entry)
                    if len(found) + len(below) + len(left_out) > _MOST:
                        raise DataError(
                            f"{self.shown} holds more than {_MOST:,} pictures or folders. Give "
                            "the address of a folder further down."
                        )
            folders = below
        return found, left_out

    def get(
        self,
        names: Iterable[str],
        folder: Path,
        *,
        kept: dict[str, Kept] | None = None,
        sums: dict[str, str] | None = None,
    ) -> Iterator[str]:
        """Copy files to the same paths in ``folder``, eight at a time, and yield each name then.

        One that has vanished meanwhile is passed over.

        Args:
            names: their paths, which lead nowhere else.
            folder: where to.
            kept: what the store said of them, with which size and MD5 must agree.
            sums: their SHA-256, which must agree.

        Raises:
            DownloadError: one cannot be read, or is not what it should be.
        """

        def get(name, callback=None):
            def check(file):
                if kept:
                    self._check(name, file, kept[name])
                if sums and checksum(file, "sha256") != sums[name]:
                    raise self._wrong(name, "its SHA-256 is not the one in SHA256SUMS")

            try:
                with self._saying("copied", FileNotFoundError):
                    get_file(self.fs, self._at(name), folder / name, check, callback)
            except FileNotFoundError:
                return None
            return name

        sizes = {name: kept[name].size if kept else None for name in names}
        yield from filter(None, _each(get, sizes, f"Copying from {self.shown}"))

    def put(self, folder: Path, names: Iterable[str]) -> None:
        """Copy files from ``folder`` to the same paths, eight at a time.

        Raises:
            DownloadError: one cannot be written.
        """

        def put(name, callback=None):
            with self._saying("written"):
                put_file(self.fs, folder / name, self._at(name), callback)

        sizes = {name: (folder / name).stat().st_size for name in names}
        for _ in _each(put, sizes, f"Copying to {self.shown}"):
            pass

    def write(self, name: str, text: str) -> None:
        """Write a small file."""
        with self._saying("written"):
            self.fs.pipe_file(self._at(name), text.encode())

    @property
    def _host(self):
        """What is silent or not: with another endpoint the same bucket is another one."""
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
        scheme, _, rest = self.shown.partition("://")
        return f"{scheme}://{rest.partition('/')[0]} {settings.shown(endpoint)}".strip()

    def _at(self, name):
        return f"{self.root}/{name}".rstrip("/")

    def _list(self, folder):
        with self._saying("listed"):
            try:
                return self.fs.ls(self._at(folder), detail=True)
            except FileNotFoundError:
                return []

    def _ask(self):
        """Find out at once whether the store answers, and lets us in."""
        with contextlib.suppress(FileNotFoundError):
            self._first_answer(lambda: self.fs.info(self.root))

    def _first_answer(self, call):
        try:
            answer = within(_PATIENCE, call)
        except FileNotFoundError:
            raise
        except Exception as error:
            if _SILENCE & {kind.__name__ for kind in type(error).__mro__}:
                _forget(self.address)
                raise HostSilent(
                    f"{self.shown} did not answer ({_reason(error, self.address)}). Check the "
                    "connection and AWS_ENDPOINT_URL; set LABKIT_OFFLINE=1 to never try."
                ) from None
            with self._saying("read"):
                raise
        note_silence(self._host, silent=False)
        return answer

    def _saying(self, what, *passing):
        sentence = f"{self.shown} could not be {what}"
        return plainly(DownloadError, sentence, self.address, *passing, then="call the same again.")

    def _check(self, name, file, kept):
        size = file.stat().st_size
        if kept.size not in (None, size):
            raise self._wrong(name, f"it has {size:,} bytes and not {kept.size:,}")
        if _MD5.fullmatch(kept.tag or "") and checksum(file, "md5") != kept.tag:
            # With some kinds of encryption the tag looks like an MD5 and is none. Then the file
            # arrives the same once more.
            again = file.with_name(f"{file.name}.tmp")
            try:
                self.fs.get_file(self._at(name), str(again))
                same = checksum(again, "sha256") == checksum(file, "sha256")
            finally:
                again.unlink(missing_ok=True)
            if not same:
                raise self._wrong(name, "its MD5 is not the one that the store gives")

    def _wrong(self, name, why):
        return DownloadError(
            f"{self.shown}/{files.printable(name)} did not arrive as it should: {why}. It was "
            "thrown away. Somebody may be changing it: call the same again, and if that does not "
            "help, put the file there anew."
        )


def copy_of_folder(
    address: str, wanted: Callable[[str, bool], bool]
) -> tuple[Path, list[tuple[str, str]]]:
    """labkit's own copy of the pictures below an address, brought up to date.

    What is new or changed is copied, and what is no longer there is deleted. An interrupted
    call goes on where it was.

    Args:
        address: such as ``s3://bucket/animals``.
        wanted: whether a name, and whether it is a folder's, is one to look at.

    Returns:
        The folder, and the paths that cannot be had here, each with the reason.

    Raises:
        DownloadError: the store is silent, refuses, or sends something else than it lists.
        DataError: nothing is there, there is too much of it, or there is no room for it.
    """
    shown = settings.shown(address).rstrip("/")
    if is_http(address):
        raise DataError(
            f"{shown} is a web address, and a web server does not tell which pictures it has. "
            "Give a folder, or a bucket such as s3://bucket/animals."
        )
    name = PurePosixPath(urlsplit(shown).path).name or urlsplit(shown).netloc
    place = settings.read().cache / "buckets" / digest(address)
    folder = place / ("pictures" if unfit(name) else name)
    if settings.read().offline and is_remote(address):
        if not folder.is_dir():
            raise DataError(
                f"LABKIT_OFFLINE=1, and {shown} was not copied to this machine before. Unset "
                "LABKIT_OFFLINE, or give a folder."
            )
        print(f"Note: LABKIT_OFFLINE=1. These are the pictures of {shown} as they were last time.")
        return folder, []
    make_cache(folder)
    bucket = Bucket(address)
    with FileLock(place / "lock"):
        there, left_out = bucket.walk(wanted)
        if not there and not left_out:
            raise DataError(
                f"{shown} holds no pictures. Check the address, and put them there: a folder for "
                "each class, such as cats/ and dogs/."
            )
        _bring(bucket, there, folder, place / "copied.jsonl")
    return folder, left_out


def _bring(bucket, there, folder, journal):
    """Make ``folder`` the same as what is ``there``."""
    known = _read_journal(journal)
    here = {}
    for parent, folders, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(parent, name)
            here[path.relative_to(folder).as_posix()] = path.stat().st_size
            if path.relative_to(folder).as_posix() not in there:
                path.unlink()
        for name in folders:
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(Path(parent, name))
    # Without a tag nobody can say whether a file is the same as before.
    missing = [
        name
        for name, kept in there.items()
        if kept.tag is None or known.get(name) != kept or here.get(name) != kept.size
    ]
    need, free = sum(there[name].size or 0 for name in missing), machine.free_disk(folder)
    if free is not None and need > free:
        raise DataError(
            f"The pictures of {bucket.shown} take {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB are "
            f"free at {folder}. Free some space, or set LABKIT_CACHE to a folder that has more."
        )
    with open(journal, "a", buffering=1, encoding="utf-8") as file:
        for name in bucket.get(missing, folder, kept=there):
            file.write(json.dumps([name, there[name].size, there[name].tag]) + "\n")


def _read_journal(path):
    """What was copied, also by a call that was killed: the last line of a file counts."""
    known = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text("utf-8", "replace").splitlines():
            with contextlib.suppress(ValueError, TypeError):  # a line that was cut off
                name, size, tag = json.loads(line)
                known[name] = Kept(size, tag)
    return known


def _kept(entry):
    times = (entry[key] for key in ("LastModified", "mtime", "created") if entry.get(key))
    written = next(times, None)
    tag = entry.get("ETag") or written
    return Kept(entry.get("size"), None if tag is None else str(tag).strip('"'), written)


def _each(call, sizes, title):
    """What ``call`` returns for each of the names: large files alone, the others at once."""
    large = [name for name, size in sizes.items() if len(sizes) == 1 or (size or 0) > _ALONE]
    for name in large:
        with bytes_bar(title) as callback:
            yield call(name, callback)
    small = [name for name in sizes if name not in large]
    pool = ThreadPoolExecutor(_THREADS)
    try:
        with bar(title, total=len(small), unit="file") as shown:
            for answer in pool.map(call, small):
                shown.update()
                yield answer
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the files in hand, no more


def bar(title: str, **options):
    """tqdm's bar, after two seconds, and none headless."""
    from tqdm.auto import tqdm

    return tqdm(desc=title, delay=2, leave=False, disable=settings.read().headless, **options)


def _forget(address):
    """Connect anew next time: what was set wrong may be set right in this very process."""
    with contextlib.suppress(Exception):
        import fsspec

        fsspec.get_filesystem_class(address.partition("://")[0]).clear_instance_cache()


def digest(address: str) -> str:
    """A name for the folder in the cache that belongs to an address."""
    return hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:16]


def _user(address):
    """The user and password that an address carries, or ""."""
    return address.partition("://")[2].partition("/")[0].rpartition("@")[0]


def _reason(error, address):
    """What an error of a file system says, in one line."""
    text = " ".join(str(error).split())
    text = text if len(text) <= 200 else f"{text[:199]}…"
    for secret in (_user(address), _user(address).partition(":")[2]):
        text = text.replace(secret, "…") if secret else text
    said = "" if text in ("", "None") else f": {text}"
    return f"{type(error).__name__}{said}"
