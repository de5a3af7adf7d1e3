"""Where a data set is, tried in order: LABKIT_DATA, Keras's cache, a download, the sample."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock

from labkit import settings
from labkit.data import files
from labkit.data.bucket import Bucket, digest, is_address, is_http, is_remote
from labkit.data.catalogue import CATALOGUE, Entry
from labkit.data.dataset import Source
from labkit.data.download import (
    PATIENCE,
    HostSilent,
    checksum,
    download,
    fetch_text,
    make_cache,
    sha256,
    unfit,
    write_atomically,
)
from labkit.data.folder import read_folders
from labkit.errors import DataError, DownloadError

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Found:
    """A data set's arrays and where they came from."""

    arrays: files.Arrays
    source: Source
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Availability:
    """Whether the real data set is on this machine, as ``labkit doctor`` reports it."""

    name: str
    kind: str
    """"folder", "mirror", "keras cache" or "download"; else "sample", or "missing" for weights."""
    where: str
    verified: bool
    problem: str = ""
    """What is wrong with the file that was found; empty when nothing is."""


def find(entry: Entry, *, limit: int | None = None) -> Found:
    """The real data set from the first source that has it.

    Raises:
        DataError: a file is there but damaged or wrong.
        LookupError: no source has it; the text says why.
    """
    now = settings.read()
    reasons = []
    if now.data == "sample":
        raise LookupError("LABKIT_DATA=sample asks for it")
    if is_address(now.data):
        try:
            folder = copy_of_mirror(now.data, entry.path, offline=now.offline)
            return _read_folder_source(folder, entry, limit, "mirror", settings.shown(now.data))
        except (HostSilent, LookupError) as error:
            reasons.append(str(error))
    elif now.data:
        folder = _folder_of(entry, named_folder(now.data))
        try:
            return _read_folder_source(folder, entry, limit, "folder", str(folder))
        except LookupError as error:
            reasons.append(str(error))
    for kind, paths in _local_copies(entry):
        wrong = _wrong(paths, entry)
        if not wrong:
            return Found(_read_remotes(paths, entry), Source(kind, str(paths[0].parent), True))
        print(
            f"Note: {wrong} is damaged or not the file that the official host offers, and is not "
            "used. Delete it."
        )
    if not entry.remotes:
        reasons.append("no host offers it as one file")
    elif now.offline:
        reasons.append("LABKIT_OFFLINE=1")
    else:
        try:
            paths = fetch(entry)
            return Found(
                _read_remotes(paths, entry), Source("download", entry.remotes[0].url, True)
            )
        except HostSilent as error:
            reasons.append(str(error))
    raise LookupError("; ".join(reasons))


def fetch(entry: Entry, *, patience: float = PATIENCE) -> list[Path]:
    """Download the official files into labkit's cache, unless they are there.

    Raises:
        DataError: the data set has no official download, or it failed.
    """
    if not entry.remotes:
        raise DataError(f"{entry.name} has no download that can be checked: {entry.how_to_get}.")
    paths = _download_paths(entry)
    for remote, path in zip(entry.remotes, paths, strict=True):
        if path.exists() and sha256(path) != remote.sha256:
            path.unlink()  # our own cache: fetch it anew
        download(remote.url, path, sha256=remote.sha256, size=remote.size, patience=patience)
    return paths


def available() -> tuple[Availability, ...]:
    """What is on this machine, without touching the network or reading pictures.

    Raises:
        DataError: LABKIT_DATA names a folder that does not exist.
    """
    now = settings.read()
    return tuple(_availability(entry, now) for entry in CATALOGUE.values())


def read_sums(folder: Path) -> dict[str, str]:
    """The checksums of a folder's SHA256SUMS by relative path; empty when there is none."""
    path = folder / SUMS
    return parse_sums(path.read_text(errors="replace"), path) if path.is_file() else {}


def parse_sums(text: str, path: Path | str) -> dict[str, str]:
    """Checksums by relative path from the format of ``sha256sum``.

    Raises:
        DataError: a line has another form, or names a path outside its folder.
    """
    sums = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line.strip())
        name = PurePosixPath(match[2]) if match else None
        if name is None or any(map(unfit, name.parts)):
            raise DataError(
                f"{path}, line {number}: not a checksum and a path inside the folder. Make it "
                "anew with `labkit data mirror`."
            )
        sums[str(name)] = match[1]
    return sums


def write_sums(folder: Path, paths: Iterable[Path]) -> None:
    """Bring a folder's SHA256SUMS up to date: add ``paths``, drop what is no longer there."""
    sums = {name: known for name, known in read_sums(folder).items() if (folder / name).is_file()}
    sums |= {path.relative_to(folder).as_posix(): sha256(path) for path in paths}
    write_atomically(folder / SUMS, lambda file: file.write(_sums_text(sums).encode()))


def _sums_text(sums):
    return "".join(f"{known}  {name}\n" for name, known in sorted(sums.items()))


@contextlib.contextmanager
def mirror_at(target: Path | str, paths: Iterable[str]) -> Iterator[Path]:
    """The folder in which to make a mirror; that of an address goes there when it is made.

    Args:
        target: a folder, which is made when it is missing, or such as ``s3://bucket/prefix``.
        paths: the files and folders that a mirror may hold. What somebody has put under these
            since the last time gets its checksum first.

    Raises:
        DataError: the address cannot be read or written.
    """
    if not is_address(str(target)):
        Path(target).mkdir(parents=True, exist_ok=True)
        yield Path(target)
        return
    if is_http(str(target)):
        raise DataError(
            f"{settings.shown(target)} can be read, not written. Make the mirror in a folder or "
            "in a bucket such as s3://bucket/prefix."
        )
    bucket, scratch = Bucket(str(target)), settings.read().cache / "mirrors"
    there = bucket.find()
    listed = parse_sums(bucket.text(SUMS), f"{bucket.shown}/{SUMS}") if SUMS in there else {}
    paths = tuple(paths)
    unsure = [
        name
        for name in there
        if name in paths or name.startswith(tuple(f"{path}/" for path in paths))
        if name not in listed or there[name].is_newer(there[SUMS])
        if not any(map(unfit, name.split("/")))
    ]
    make_cache(scratch)
    with tempfile.TemporaryDirectory(dir=scratch) as here:
        folder = Path(here)
        sums = {name: listed[name] for name in listed if name in there}
        for name in bucket.get(unsure, folder, kept=there):
            sums[name] = sha256(folder / name)
            (folder / name).unlink()
        if sums != listed:
            bucket.write(SUMS, _sums_text(sums))
        yield folder
        made = read_sums(folder)
        # A large file has a tag that is no MD5, and is written anew.
        changed = [n for n in made if n not in there or there[n].tag != checksum(folder / n, "md5")]
        bucket.put(folder, changed)
        if sums | made != sums:
            bucket.write(SUMS, _sums_text(sums | made))  # last: whoever reads it finds the files


def _availability(entry, now):
    def report(kind, where, verified=False, problem=""):
        return Availability(entry.name, kind, str(where), verified, problem)

    if now.data == "sample":
        return report("sample", "shipped with labkit")
    if is_address(now.data):
        kind, folder = "mirror", _mirror_folder(now.data)
    else:
        kind, folder = "folder", _folder_of(entry, named_folder(now.data))
    path = folder / entry.path
    if now.data and path.exists():
        try:
            return report(kind, path, verified=verify(folder, entry.path))
        except DataError as error:
            return report(kind, path, problem=str(error))
    for kind, paths in _local_copies(entry):
        wrong = _wrong(paths, entry)
        problem = f"{wrong} is damaged. Delete it." if wrong else ""
        return report(kind, paths[0].parent, verified=not wrong, problem=problem)
    return report("sample", "shipped with labkit")


def keras_home() -> Path:
    """Where Keras keeps its cache and its settings."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def named_folder(data: str) -> Path:
    """The folder that LABKIT_DATA names; the current one when it is not set."""
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"LABKIT_DATA is {data}, which is not a folder. Set it to a folder, to the "
            "address of a mirror (https://… or s3://bucket/prefix), or to 'sample'; or unset it."
        )
    return folder


def _folder_of(entry, folder):
    """Where a data set lies: a volume that holds it alone is mounted under its name."""
    own = folder / entry.name
    return own if (own / entry.path).exists() else folder


def _read_folder_source(folder, entry, limit, kind, where):
    path = folder / entry.path
    if not path.exists():
        raise LookupError(f"{where} has no {entry.path}")
    if entry.form == "pictures":
        sums = read_sums(folder)
        listed = any(name.startswith(f"{entry.path}/") for name in sums)
        found = read_folders(
            {path: str(path)},
            image_size=entry.input_shape[0],
            limit=limit,
            class_names=entry.class_names,
            sums={folder / name: digest for name, digest in sums.items()},
        )
        return Found(found.arrays, Source(kind, str(path), listed), found.skipped)
    verified = verify(folder, entry.path)
    read = files.read_npz if entry.form == "npz" else files.read_csv
    return Found(read(path, entry), Source(kind, str(path), verified))


def verify(folder: Path, name: str) -> bool:
    """Whether the folder's SHA256SUMS vouches for the file or folder ``name`` in it.

    Raises:
        DataError: it disagrees.
    """
    sums = read_sums(folder)
    names = [n for n in sums if n == name or n.startswith(f"{name}/")]
    for name in names:
        path = folder / name
        if not path.is_file() or sha256(path) != sums[name]:
            raise DataError(
                f"{path} is {'damaged' if path.is_file() else 'missing'}: its SHA-256 is not the "
                f"one in {folder / SUMS}. It is not used. Copy it again from where the folder came "
                "from, or make the folder anew with `labkit data mirror`."
            )
    return bool(names)


def _local_copies(entry) -> Iterator[tuple[str, list[Path]]]:
    """Copies of the official files: Keras's, then what labkit downloaded before."""
    if not entry.remotes:
        return
    keras = keras_home() / "datasets"
    candidates = [("download", _download_paths(entry))]
    if entry.keras_cache:
        candidates.insert(0, ("keras cache", [keras / name for name in entry.keras_cache]))
    for kind, paths in candidates:
        if all(path.is_file() for path in paths):
            yield kind, paths


def _download_paths(entry):
    folder = settings.read().cache / "downloads" / entry.name
    return [folder / remote.filename for remote in entry.remotes]


def _wrong(paths, entry):
    """The first of the files that is not the official one, or None."""
    return next(
        (p for p, r in zip(paths, entry.remotes, strict=True) if sha256(p) != r.sha256), None
    )


def _read_remotes(paths, entry):
    if len(paths) == 4:
        return files.read_idx(paths, entry)
    if paths[0].suffix == ".npz":
        return files.read_npz(paths[0], entry)
    return files.read_cifar_binary(paths[0], entry)


def _mirror_folder(address):
    return settings.read().cache / "mirrors" / digest(address)


def copy_of_mirror(address: str, wanted: str, *, offline: bool) -> Path:
    """The folder with labkit's own copy of the file or folder ``wanted`` of a mirror.

    The mirror's list of checksums is asked for each time, so that what was added or changed
    there comes along, and what was deleted goes. Where it cannot be had, the copy of before is
    used, with a note.

    Raises:
        LookupError: the mirror does not list it.
        HostSilent: the mirror does not answer.
        DataError: the mirror refuses, or sends something else than it lists.
    """
    folder = _mirror_folder(address)
    base, shown = address.rstrip("/"), settings.shown(address).rstrip("/")
    offline = offline and is_remote(address)
    bucket = None if offline or is_http(address) else Bucket(base)
    make_cache(folder)
    with FileLock(folder / f"{SUMS}.lock"):
        if offline and not (folder / SUMS).exists():
            raise LookupError("LABKIT_OFFLINE=1")
        if not offline:
            _bring_sums(base, bucket, folder)
    sums = read_sums(folder)
    names = [n for n in sums if n == wanted or n.startswith(f"{wanted}/")]
    if not names:
        raise LookupError(f"{shown} has no {wanted}")
    missing = [name for name in names if not (folder / name).exists()]
    if missing and offline:
        raise LookupError("LABKIT_OFFLINE=1")
    if bucket and missing:
        with FileLock(folder / "copying.lock"):  # others wait, and find what they miss
            missing = [name for name in missing if not (folder / name).exists()]
            arrived = [*bucket.get(missing, folder, sums=sums)]
        if gone := set(missing) - set(arrived):
            raise DataError(
                f"{shown} lists {min(gone)} in its {SUMS} and has no such file. Make it anew with "
                f"`labkit data mirror {shown}`."
            )
    elif missing:
        for name in missing:
            download(f"{base}/{name}", folder / name, sha256=sums[name], progress=len(names) == 1)
    return folder


def _bring_sums(base, bucket, folder):
    """Bring the mirror's SHA256SUMS, and forget the copies of what has changed since the last."""
    shown = settings.shown(base)
    try:
        text = bucket.text(SUMS) if bucket else fetch_text(f"{base}/{SUMS}")
    except DownloadError as error:
        if not (folder / SUMS).exists():
            raise
        print(f"Note: {error} What {shown} had last time is used.")
        return
    sums = parse_sums(text, f"{shown}/{SUMS}")
    known = read_sums(folder)
    for name, digest_then in known.items():
        if sums.get(name) != digest_then:
            (folder / name).unlink(missing_ok=True)
    if sums != known or not (folder / SUMS).exists():
        write_atomically(folder / SUMS, lambda file: file.write(text.encode()))
