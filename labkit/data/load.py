"""``load`` and ``mirror``."""

import shutil
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock

from labkit import samples, settings
from labkit.data import files, sources
from labkit.data.catalogue import CATALOGUE, Entry, entry
from labkit.data.dataset import Dataset, Source
from labkit.data.download import write_atomically
from labkit.errors import DataError


def load(name: str, *, limit: int | None = None, image_size: int | None = None) -> Dataset:
    """A data set of the workshop, from the first source that has it.

    1. ``LABKIT_DATA``, when it is set: a folder in the layout below, the address of a
       mirror of one (``https://host/data``, ``s3://bucket/prefix``), or ``sample``,
       which goes straight to 4.
    2. Keras's cache (``~/.keras/datasets``), where the files are the official ones.
    3. A download from the official host into labkit's own cache, unless
       ``LABKIT_OFFLINE=1``. A host that is silent for three seconds is left alone
       for twelve hours.
    4. The shipped sample, with a notice: small stand-in data that labkit draws.

    The layout of a ``LABKIT_DATA`` folder, in which any part may be missing::

        mnist.npz, fashion_mnist.npz, cifar10.npz
            x_train, y_train, x_test, y_test: uint8 pictures (n, 28, 28) or
            (n, 32, 32, 3) and labels (n,), as Keras lays them out
        cats_and_dogs/{train,validation}/{cats,dogs}/*.jpg
        plant_seedlings/{train,validation}/<species>/*.jpg
            or any other layout that from_folder knows
        linear_regression.csv       var_1 … var_5, output
        *.h5                        pretrained weights under the names that Keras gives them
        SHA256SUMS                  what it lists must agree; a mirror must have it

    Each part may also lie in a folder of its name with a SHA256SUMS of its own, such as
    ``mnist/mnist.npz``: then a data set can have a volume for itself.

    ``labkit data mirror DIR`` makes such a folder, and ``labkit data mirror
    s3://bucket/prefix`` makes it in a bucket. From an address labkit takes what
    SHA256SUMS lists, keeps a copy, and looks each time whether the list has changed:
    after you have put more pictures there, make the mirror once more.

    Args:
        name: ``mnist``, ``fashion_mnist``, ``cifar10``, ``cats_and_dogs``,
            ``plant_seedlings`` or ``linear_regression``.
        limit: at most this many training and this many test examples, the same
            share of every class; all by default.
        image_size: for ``cats_and_dogs`` and ``plant_seedlings``, the side of the pictures
            in pixels, from 8 to 1,024; 64 by default.

    Returns:
        A frozen :class:`~labkit.data.Dataset`. Print it to see what it holds.

    Raises:
        DataError: the name is unknown, a file is there but damaged or wrong, or the
            pictures of that set have one size only. The message says what to do.

    Example:
        >>> data = labkit.load("mnist")
        >>> data.x_train.dtype, data.x_train.shape[1:]
        (dtype('uint8'), (28, 28, 1))
    """
    known = entry(name)
    files.check_limit(limit)
    if image_size is not None:
        known = _at_size(known, image_size)
    try:
        found = sources.find(known, limit=limit)
    except LookupError as error:
        found = sources.Found(
            _resized(_sample(known), known.input_shape),
            Source("sample", f"drawn by labkit, version {samples.VERSION}", True),
        )
        print(
            f"Note: this is SAMPLE DATA that labkit draws, not the real {name} ({error}). "
            f"For the real data, {known.how_to_get}."
        )
    x_train, y_train, x_test, y_test = found.arrays
    if limit is not None:
        keep = [files.evenly(y if known.class_names else np.zeros(len(y)), limit)
                for y in (y_train, y_test)]  # fmt: skip
        x_train, y_train = x_train[keep[0]], y_train[keep[0]]
        x_test, y_test = x_test[keep[1]], y_test[keep[1]]
    return Dataset(
        name=name,
        title=known.title,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        source=found.source,
        class_names=known.class_names,
        feature_names=known.feature_names,
        target_name=known.target_name,
        skipped=found.skipped,
    )


def _at_size(known: Entry, image_size: int) -> Entry:
    """The entry of a photo set, with pictures of another size."""
    if known.form != "pictures":
        photos = ", ".join(name for name, other in CATALOGUE.items() if other.form == "pictures")
        raise DataError(
            f"{known.name} has no photographs to be cut to a size: its examples always are "
            f"{' × '.join(map(str, known.input_shape))}. Leave image_size out; it is for {photos}."
        )
    files.check_image_size(image_size)
    return replace(known, input_shape=(image_size, image_size, 3))


def mirror(folder: Path | str, names: tuple[str, ...] = ()) -> dict[str, str]:
    """Make a ``LABKIT_DATA`` folder of all the real data that can be had here.

    It ends in a ``SHA256SUMS`` that ``load``, and ``sha256sum -c``, check. Put the
    folder on a share, or serve it over http, for a room without internet.

    Args:
        folder: made when missing, or the address of a bucket; what it holds already is kept.
        names: the data sets; all by default.

    Returns:
        For each data set "mirrored" or the reason why it was left out. The sample
        is never mirrored.

    Raises:
        DataError: the bucket cannot be read or written.

    Example:
        >>> mirror(Path("share"), ("mnist",))
        {'mnist': 'mirrored'}
        >>> mirror("s3://workshop/data", ("mnist",))
        {'mnist': 'mirrored'}
    """
    from tqdm.auto import tqdm

    outcome = {}
    wanted = [entry(name) for name in names or CATALOGUE]
    quiet = settings.read().headless
    with sources.mirror_at(folder, (known.path for known in CATALOGUE.values())) as here:
        for known in tqdm(wanted, desc="Mirroring", unit="data set", leave=False, disable=quiet):
            try:
                _lay_out(known, sources.find(known), here)
                outcome[known.name] = "mirrored"
            except LookupError as error:
                outcome[known.name] = f"left out: {error}; {known.how_to_get}"
            except DataError as error:
                outcome[known.name] = f"left out: {error}"
        listed = (
            path
            for known in CATALOGUE.values()
            for path in [here / known.path, *(here / known.path).rglob("*")]
            if path.is_file()
        )
        sources.write_sums(here, listed)
    return outcome


def _lay_out(known: Entry, found: sources.Found, folder: Path):
    target = folder / known.path
    where = Path(found.source.where)
    if where.resolve() == target.resolve():
        return
    if known.form == "npz":
        parts = dict(zip(("x_train", "y_train", "x_test", "y_test"), found.arrays, strict=True))
        parts = {k: v.astype(np.uint8) if k[0] == "y" else v for k, v in parts.items()}
        if known.input_shape[-1] == 1:
            parts = {k: v[..., 0] if k[0] == "x" else v for k, v in parts.items()}
        write_atomically(target, lambda file: np.savez_compressed(file, **parts))
    elif known.form == "csv":
        write_atomically(target, lambda file: file.write(where.read_bytes()))
    else:
        # In a copy of a mirror there are locks beside the pictures.
        locks = shutil.ignore_patterns("*.lock", "*.part")
        shutil.copytree(where, target, dirs_exist_ok=True, symlinks=True, ignore=locks)


def _sample(known: Entry) -> files.Arrays:
    """The drawn stand-in, kept in the cache because drawing takes a second or two."""
    path = settings.read().cache / "samples" / f"{known.name}-{samples.VERSION}.npz"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            cached = _cached_sample(path)
            if cached is None:
                cached = _draw(known)
                write_atomically(path, lambda file: np.savez(file, *cached))
            return cached
    except OSError:
        return _draw(known)  # a read-only or full cache costs the time, not the lab


def _resized(arrays: files.Arrays, shape: tuple[int, ...]) -> files.Arrays:
    """The sample in the size that was asked for; its photographs are drawn in one size."""
    x_train, y_train, x_test, y_test = arrays
    if x_train.shape[1:] == shape:
        return arrays
    from PIL import Image

    def fit(pictures):
        side = shape[1::-1]
        return np.array(
            [Image.fromarray(x).resize(side, Image.Resampling.BICUBIC) for x in pictures]
        )

    return fit(x_train), y_train, fit(x_test), y_test


def _cached_sample(path):
    try:
        with np.load(path, allow_pickle=False) as packed:
            return tuple(packed[f"arr_{i}"] for i in range(4))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return None


def _draw(known):
    sample = samples.draw(known.name)
    return sample.x_train, sample.y_train, sample.x_test, sample.y_test
