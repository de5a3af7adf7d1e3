"""Pictures in folders, one for each class: a learner's own, and the workshop's photo sets."""

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from labkit import machine, settings
from labkit.data import files
from labkit.data.bucket import copy_of_folder, is_address
from labkit.data.dataset import Dataset, Source
from labkit.errors import DataError

_TRAINING = ("train", "training")
_VALIDATION = ("validation", "val", "test")
_READ = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"}
_NOT_READ = {".avif", ".heic", ".heif", ".tif", ".tiff"}
_SYSTEM = {"__macosx", "lost+found"}
"""What unpackers and file systems leave behind, passed over as hidden files are."""
_PACKED = {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}
_THREADS = 8
_SHOWN = 5
_LAYOUT = (
    "Make one folder for each class and put its pictures into it: cats/, dogs/; or, split by "
    "hand, train/cats/, train/dogs/, validation/cats/ and validation/dogs/. Give the folder that "
    "holds these."
)


@dataclass(frozen=True)
class Pictures:
    """What :func:`read_folders` found."""

    arrays: files.Arrays
    class_names: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class _Listing:
    """What lies in one folder, in the order of names."""

    folders: tuple[Path, ...] = ()
    pictures: tuple[Path, ...] = ()
    problems: tuple[tuple[Path, str], ...] = ()


def from_folder(
    path: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    image_size: int = 64,
    validation: float = 0.2,
    limit: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Your own pictures: one folder for each class, on this machine or in a bucket.

    Any of these layouts, also below a folder ``data``::

        roses/*.jpg, tulips/*.jpg
        train/roses/*.jpg, train/tulips/*.jpg, validation/roses/*.jpg, …

    ``training`` stands for ``train``, and ``val`` or ``test`` for ``validation``. Without a
    validation folder a share of every class is held back. Which pictures these are hangs on
    their names and ``seed``, so that adding some leaves nearly all others where they were.
    A folder that holds pictures and no folders is one class more, named as the folder is.

    The classes are in alphabetical order; ``_`` in a folder's name reads as a space. Files are
    read as :func:`~labkit.data.read_picture` does. One that cannot be read is left out and
    listed in ``skipped``; so is a link that leads out of the folder.

    A bucket is copied to labkit's cache first. Each call brings the copy up to date: what is
    new or changed arrives, and what was deleted there goes. ``AWS_ENDPOINT_URL``,
    ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` say where it is and who you are.

    Args:
        path: a folder, or an address such as ``s3://bucket/animals``; or several of them, whose
            pictures are put together, class by class.
        image_size: the side of the square that pictures are cut to, in pixels, from 8 to 1,024.
        validation: the share held back, between 0 and 1, where there is no folder for it.
        limit: at most this many pictures for training and this many for validation, the
            same share of every class; all by default.
        seed: another one holds other pictures back.

    Returns:
        A :class:`~labkit.data.Dataset`, whose test part is the validation pictures.

    Raises:
        DataError: the folder is missing or laid out in another way, there are fewer than
            two classes, or a class has no picture to train or to validate with; or the bucket
            cannot be read.

    Example:
        >>> data = labkit.data.from_folder(["cats_and_dogs", "rabbits"], image_size=96)
        >>> data.class_names
        ('cats', 'dogs', 'rabbits')
        >>> data = labkit.data.from_folder("s3://workshop/animals")
    """
    paths = [path] if isinstance(path, str | os.PathLike) else path
    once, problems = {}, []
    for path in paths:
        folder, shown, wrong = _opened(path)
        once[os.path.realpath(folder)] = folder, shown
        problems += wrong
    roots = dict(once.values())
    if not roots:
        raise DataError(f"There is no folder in the list. {_LAYOUT}")
    if not 0 < validation < 1:
        raise DataError(f"validation is {validation}; give a share between 0 and 1, such as 0.2.")
    found = read_folders(
        roots,
        image_size=image_size,
        validation=validation,
        limit=limit,
        seed=seed,
        problems=problems,
    )
    kind = "bucket" if any(map(is_address, roots.values())) else "folder"
    name = "+".join(_name(root) for root in roots)
    x_train, y_train, x_test, y_test = found.arrays
    return Dataset(
        name=name,
        title=f"{name}: pictures of your own",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        source=Source(kind, _where(roots)),
        class_names=found.class_names,
        skipped=found.skipped,
    )


def read_folders(
    roots: Mapping[Path, str],
    *,
    image_size: int,
    limit: int | None,
    validation: float = 0.2,
    seed: int = 0,
    class_names: tuple[str, ...] = (),
    sums: Mapping[Path, str] | None = None,
    problems: Iterable[tuple[Path, str]] = (),
) -> Pictures:
    """The pictures of folders in one of the layouts of :func:`from_folder`.

    Args:
        roots: the folders, which exist, each with what people know it by.
        image_size, limit, validation, seed: as in :func:`from_folder`.
        class_names: the classes in label order; by default all that there are, sorted.
        sums: SHA-256 by path; a picture that is listed must agree.
        problems: what is left out already, by path and with the reason.

    Raises:
        DataError: as :func:`from_folder` does.
    """
    files.check_image_size(image_size)
    files.check_limit(limit)
    unreadable = {}
    found = None
    while found is None:
        names, chosen, left_out = _choose(
            roots, limit, validation, seed, class_names, problems, unreadable=unreadable
        )
        found = _read_all(names, chosen, image_size, sums or {}, unreadable)
    skipped = _lines([*left_out, *unreadable.items()], roots)
    if skipped:
        print(f"Note: {_count(skipped)} in {_where(roots)}:", *_some(skipped), sep="\n  ")
    return Pictures(found, names, skipped)


def pictures_below(folder: Path) -> list[Path]:
    """The pictures in a folder and in all folders below it, by name; links out are not followed."""
    real, seen, found, waiting = Path(os.path.realpath(folder)), set(), [], [folder]
    while waiting:
        here = waiting.pop()
        if os.path.realpath(here) in seen:
            continue
        seen.add(os.path.realpath(here))
        listing = _list(here, real)
        found += listing.pictures
        waiting += listing.folders
    return sorted(found)


def _choose(roots, limit, validation, seed, class_names, problems, *, unreadable):
    """The classes, the files and labels to train and to validate with, and what is left out."""
    training, checking, problems = {}, {}, [*problems]
    for root in roots:
        for_training, for_checking, wrong = _scan(root, validation, seed, unreadable)
        for part, found in ((training, for_training), (checking, for_checking)):
            for name, pictures in found.items():
                part.setdefault(name, []).extend(pictures)
        problems += wrong
    names = class_names or tuple(sorted({*training, *checking}))
    chosen = []
    left_out = _left_out([*problems, *unreadable.items()], roots)
    _check_layout(roots, names, training, left_out)
    for part, purpose in ((training, "train"), (checking, "validate")):
        missing = [name for name in names if not part.get(name)]
        if missing:
            raise DataError(
                f"{_where(roots)} has no picture of {', '.join(missing)} to {purpose} with"
                f"{left_out}. Put at least two pictures of every class into its folder, and a "
                "folder that is no class elsewhere."
            )
        paths = [path for name in names for path in part[name]]
        labels = np.repeat(np.arange(len(names)), [len(part[name]) for name in names])
        kept = files.evenly(labels, limit)
        chosen.append(([paths[index] for index in kept], labels[kept]))
    return names, chosen, problems


def _read_all(names, chosen, image_size, sums, unreadable):
    """The arrays; None when a class lost its last picture, so that others have to be chosen."""
    (train, y_train), (test, y_test) = chosen
    pixels, reasons = _read(train + test, image_size, sums)
    unreadable.update((path, why) for path, why in zip(train + test, reasons, strict=True) if why)
    kept = np.array([not why for why in reasons])
    labels = [y_train[kept[: len(train)]], y_test[kept[len(train) :]]]
    if any(
        len(np.unique(before)) > len(np.unique(after))
        for before, after in zip((y_train, y_test), labels, strict=True)
    ):
        return None
    count = len(labels[0])
    return pixels[:count], labels[0], pixels[count:], labels[1]


def _opened(path):
    """The folder of a path or an address, what people know it by, and what cannot be had there."""
    if not isinstance(path, str) or not is_address(path):
        folder = _existing(path)
        return folder, str(folder), []
    folder, wrong = copy_of_folder(
        path, lambda name, is_folder: _looked_at(name) and (is_folder or _is_picture(name))
    )
    return folder, settings.shown(path).rstrip("/"), [(folder / name, why) for name, why in wrong]


def _existing(path):
    """The absolute path of a folder, which need not be a real one: links stay as they are."""
    folder = Path(os.path.abspath(os.path.expanduser(path)))
    shown = files.printable(str(folder))
    if not os.path.exists(folder):
        raise DataError(
            f"There is no folder {shown}. Check the spelling; unless it is written in full, a path "
            "begins in the notebook's own folder."
        )
    if not os.path.isdir(folder):
        unpack = " Unpack it first." if folder.suffix.lower() in _PACKED else ""
        raise DataError(f"{shown} is a file, not a folder.{unpack} {_LAYOUT}")
    return folder


def _scan(root, validation, seed, unreadable):
    """The pictures by class, for training and for validation, and what is wrong with the rest."""
    real = Path(os.path.realpath(root))
    problems = []

    def by_class(part):
        here = _list(part, real)
        problems.extend(here.problems)
        found = [(part, here.pictures)]
        if here.folders:
            problems.extend((path, "it lies beside the folders") for path in here.pictures)
            below = [_list(folder, real) for folder in here.folders]
            problems.extend(problem for listing in below for problem in listing.problems)
            found = [(f, b.pictures) for f, b in zip(here.folders, below, strict=True)]
        classes = {}
        for folder, pictures in found if here.folders or here.pictures else ():
            of_class = classes.setdefault(_class_name(folder), [])
            of_class += [path for path in pictures if path not in unreadable]
        return classes

    for_training, for_validation = _parts(root, real)
    if for_training != root:
        problems.extend(_list(root, real).problems)
    training = by_class(for_training)
    if for_validation:
        return training, by_class(for_validation), problems
    checking = {}
    for name, paths in training.items():
        held_back = _held_back(paths, root, validation, seed)
        training[name] = [path for path in paths if path not in held_back]
        checking[name] = [path for path in paths if path in held_back]
    return training, checking, problems


def _parts(root, real):
    """The folder of the classes to train with, and that of those to validate with or None."""

    def first(folder, names):
        below = {path.name.casefold(): path for path in _list(folder, real).folders}
        found = (below[name] for name in names if name in below)
        return next((path for path in found if _list(path, real).folders), None)

    data = first(root, ("data",))
    for base in filter(None, (root, data)):
        training = first(base, _TRAINING)
        if training:
            return training, first(base, _VALIDATION)
    return data or root, None


def _list(folder, real):
    """What labkit looks at in a folder below ``real``, where all links must lead."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return _Listing(problems=((folder, f"it cannot be opened ({error.strerror})"),))
    folders, pictures, problems = [], [], []
    for name in names:
        if not _looked_at(name):
            continue
        path = folder / name
        is_folder = os.path.isdir(path)
        if not is_folder and not _is_picture(name):
            continue
        # A folder may be a link without saying so: a junction on Windows.
        may_lead_out = is_folder or os.path.islink(path)
        if may_lead_out and not Path(os.path.realpath(path)).is_relative_to(real):
            problems.append((path, "it is a link that leads out of the folder"))
        elif is_folder:
            folders.append(path)
        elif path.suffix.lower() in _NOT_READ:
            problems.append((path, "this kind is not read here; save it as JPEG"))
        else:
            pictures.append(path)
    return _Listing(tuple(folders), tuple(pictures), tuple(problems))


def _looked_at(name):
    return not name.startswith(".") and name.casefold() not in _SYSTEM


def _is_picture(name):
    return PurePath(name).suffix.lower() in _READ | _NOT_READ


def _held_back(paths, root, share, seed):
    """The share of one class's pictures to validate with: the same for the same names and seed."""

    def rank(path):
        name = unicodedata.normalize("NFC", path.relative_to(root).as_posix())
        return hashlib.sha256(f"{seed}/{name}".encode(errors="surrogatepass")).digest()

    # At least one for each part, where there are two.
    count = min(max(round(share * len(paths)), 1), len(paths) - 1)
    return set(sorted(paths, key=rank)[: max(count, 0)])


def _read(paths, image_size, sums):
    """The pixels of the pictures that can be read, in order, and for each path "" or a reason."""
    from tqdm.auto import tqdm

    _check_memory(len(paths), image_size)
    pixels = np.empty((len(paths), image_size, image_size, 3), np.uint8)

    def read(index):
        try:
            raw = files.picture_bytes(paths[index])
            expected = sums.get(paths[index])
            if expected and hashlib.sha256(raw).hexdigest() != expected:
                raise ValueError("its SHA-256 is not the one in SHA256SUMS")
            pixels[index] = files.decode(raw, image_size)
        except ValueError as error:
            return str(error)
        return ""

    # Threads are enough: Pillow lets the others work while it decodes.
    pool = ThreadPoolExecutor(min(_THREADS, machine.cores()))
    try:
        with files.quiet_pillow():
            bar = tqdm(
                pool.map(read, range(len(paths))),
                total=len(paths),
                desc="Reading pictures",
                unit="picture",
                disable=settings.read().headless,
                leave=False,
            )
            reasons = list(bar)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the pictures in hand, no more
    kept = [index for index, reason in enumerate(reasons) if not reason]
    for place, index in enumerate(kept):  # in place: a copy would take the memory twice
        if place != index:
            pixels[place] = pixels[index]
    return pixels[: len(kept)], reasons


def _check_memory(count, image_size):
    need, free = count * image_size**2 * 3, machine.memory().available
    if free is not None and need > free:
        raise DataError(
            f"{count:,} pictures of {image_size} × {image_size} take {need / 1e9:.1f} GB of "
            f"memory, and {free / 1e9:.1f} GB are free. Choose a smaller image_size, or fewer "
            "pictures with limit=."
        )


def _check_layout(roots, names, training, left_out):
    if not any(training.values()):
        raise DataError(
            f"{_where(roots)} holds no class with a picture that can be read. What is "
            f"there: {_contents(roots)}{left_out}. {_LAYOUT}"
        )
    if len(names) < 2:
        raise DataError(
            f"{_where(roots)} holds one class only, {names[0]}{left_out}. To tell things "
            f"apart takes at least two. {_LAYOUT}"
        )


def _name(folder):
    return files.printable(folder.name) or "pictures"


def _class_name(folder):
    # NFC: a Mac may write "ä" as two characters.
    return unicodedata.normalize("NFC", _name(folder)).replace("_", " ")


def _where(roots):
    return ", ".join(map(files.printable, roots.values()))


def _shown(path, roots):
    root = next(root for root in roots if path.is_relative_to(root))
    shown = path.relative_to(root if len(roots) == 1 else root.parent)
    return files.printable(shown.as_posix())


def _contents(roots):
    """What lies in the folders, for someone who wonders why it was not found."""
    found = []
    for root in roots:
        here = _list(root, Path(os.path.realpath(root)))
        for folder in here.folders:
            below = _list(folder, Path(os.path.realpath(root)))
            found.append(
                f"{_shown(folder, roots)}/ with {len(below.folders)} folders and "
                f"{len(below.pictures)} pictures"
            )
        found += [_shown(path, roots) for path in here.pictures]
    return ", ".join(_some(found)) or "neither folders nor pictures"


def _lines(problems, roots):
    return tuple(f"{_shown(path, roots)}: {why}" for path, why in problems)


def _left_out(problems, roots):
    skipped = _lines(problems, roots)
    return f" ({_count(skipped)}: {'; '.join(_some(skipped))})" if skipped else ""


def _count(skipped):
    return f"{len(skipped):,} file{'s' * (len(skipped) > 1)} left out"


def _some(lines):
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {more:,} more"] if more > 0 else [])]
