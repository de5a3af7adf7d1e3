"""Readers of the file formats that the data sets come in.

Each returns arrays or raises :class:`labkit.DataError` naming the file. Nothing
here unpickles, and nothing is unpacked to disk.
"""

import csv
import gzip
import io
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from labkit.data.catalogue import Entry
from labkit.errors import DataError

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""x_train, y_train, x_test, y_test."""

_PARTS = ("x_train", "y_train", "x_test", "y_test")
_PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"}
SPLITS = (("train", "training"), ("validation", "test"))
"""The folder names in use for the training and the test pictures."""


def read_npz(path: Path, entry: Entry) -> Arrays:
    """The arrays of a file in Keras's npz layout."""
    try:
        with np.load(path, allow_pickle=False) as packed:
            missing = [part for part in _PARTS if part not in packed.files]
            if missing:
                raise DataError(
                    f"{path} holds no {', '.join(missing)}: it is not {entry.title}. "
                    f"Replace it: {entry.how_to_get}."
                )
            arrays = tuple(packed[part] for part in _PARTS)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise damaged(path, entry, error) from error
    return check_pictures(arrays, path, entry)


def read_idx(paths: list[Path], entry: Entry) -> Arrays:
    """The arrays of four gzipped IDX files: train images, labels, test images, labels.

    The format: http://yann.lecun.com/exdb/mnist/, "the IDX file format".
    """
    arrays = []
    for path in paths:
        try:
            raw = gzip.decompress(path.read_bytes())
            dimensions = raw[3]
            shape = np.frombuffer(raw, ">u4", count=dimensions, offset=4)
            arrays.append(np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape))
        except (OSError, ValueError, EOFError, IndexError, zlib.error) as error:
            raise damaged(path, entry, error) from error
    return check_pictures(tuple(arrays), paths[0].parent, entry)


def read_cifar_binary(path: Path, entry: Entry) -> Arrays:
    """The arrays of CIFAR-10's binary archive, read in place.

    Each record is one label byte and 3,072 bytes of pixels, channels first
    (https://www.cs.toronto.edu/~kriz/cifar.html, "binary version").
    """
    records = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".bin") and member.isfile():
                    raw = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                    records[Path(member.name).stem] = raw.reshape(-1, 3073)
        train = np.concatenate([records[f"data_batch_{i}"] for i in range(1, 6)])
        test = records["test_batch"]
    except (OSError, ValueError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        raise damaged(path, entry, error) from error

    def pixels(rows):
        return np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))

    return check_pictures((pixels(train), train[:, 0], pixels(test), test[:, 0]), path, entry)


def read_csv(path: Path, entry: Entry) -> Arrays:
    """The rows of a table with a heading, three quarters of them for training."""
    columns = (*entry.feature_names, entry.target_name)
    rows = []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{path} has no column {', '.join(missing)}. Its first line must name "
                    f"{', '.join(columns)}."
                )
            for row in reader:
                try:
                    rows.append([float(row[name]) for name in columns])
                except (TypeError, ValueError):
                    raise DataError(
                        f"{path}, line {reader.line_num}: not a number in every column. "
                        "Mend that line or take it out."
                    ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise damaged(path, entry, error) from error
    table = np.array(rows, dtype=np.float64).reshape(-1, len(columns))
    if len(table) < 20 or not np.isfinite(table).all():
        raise DataError(
            f"{path} has {len(table)} rows, or values that are not finite; at least 20 rows of "
            "finite numbers are needed. Replace the file."
        )
    table = table[np.random.default_rng(0).permutation(len(table))]
    cut = round(0.75 * len(table))
    return table[:cut, :-1], table[:cut, -1], table[cut:, :-1], table[cut:, -1]


def read_folder(folder: Path, entry: Entry, *, limit: int | None, sums: dict[str, str]) -> Arrays:
    """The pictures of ``train/<class>/`` and ``validation/<class>/``, cut to one size.

    Args:
        folder: the data set's folder.
        limit: at most this many pictures of each part, the same share of every class.
        sums: SHA-256 by path relative to the folder's parent; a picture that is listed must agree.
    """
    arrays = []
    skipped = []
    for names in SPLITS:
        part = next((folder / name for name in names if (folder / name).is_dir()), None)
        if part is None:
            raise DataError(
                f"{folder} has no folder {' or '.join(names)}. Lay the pictures out as "
                f"{entry.path}/train/<class>/ and {entry.path}/validation/<class>/."
            )
        files, labels = picture_files(part, entry)
        chosen = evenly(labels, limit)
        pixels, kept = [], []
        for index in chosen:
            try:
                pixels.append(_read_picture(files[index], folder, entry.input_shape, sums))
                kept.append(labels[index])
            except (OSError, ValueError, SyntaxError) as error:
                skipped.append(f"{files[index].relative_to(folder)} ({error})")
        shape = (len(pixels), *entry.input_shape)
        arrays += [np.array(pixels, np.uint8).reshape(shape), np.array(kept, np.int64)]
    if skipped:
        shown = "; ".join(skipped[:5]) + (" …" if len(skipped) > 5 else "")
        print(f"Left out {len(skipped)} unreadable pictures of {folder.name}: {shown}")
    return check_pictures(tuple(arrays), folder, entry)


def picture_files(part: Path, entry: Entry) -> tuple[list[Path], np.ndarray]:
    """The picture files below ``part/<class>/`` in a stable order, and their labels."""
    by_class = {
        folder.name.replace("_", " "): folder for folder in part.iterdir() if folder.is_dir()
    }
    missing = [name for name in entry.class_names if name not in by_class]
    if missing:
        raise DataError(
            f"{part} has no folder for {', '.join(missing)}. Add it, or take the data set anew: "
            f"{entry.how_to_get}."
        )
    files, labels = [], []
    for label, name in enumerate(entry.class_names):
        found = sorted(
            file
            for file in by_class[name].iterdir()
            if file.suffix.lower() in _PICTURES and not file.is_symlink()
        )
        files += found
        labels += [label] * len(found)
    return files, np.array(labels, np.int64)


def evenly(labels: np.ndarray, limit: int | None) -> np.ndarray:
    """Indices, in order, of at most ``limit`` examples, the same share of each class."""
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    rank = np.empty(len(labels), int)  # an example's place among those of its class
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        rank[of_class] = np.arange(len(of_class))
    return np.sort(np.argsort(rank, kind="stable")[:limit])


def check_pictures(arrays: Arrays, path: Path, entry: Entry) -> Arrays:
    """The arrays in labkit's form, or an error that says what is wrong with them."""
    x_train, y_train, x_test, y_test = arrays
    pairs = []
    for x, y in ((x_train, y_train), (x_test, y_test)):
        x = x[..., None] if x.shape[1:] + (1,) == entry.input_shape else x
        y = y.reshape(-1)
        problem = (
            f"pictures are {x.dtype} of shape {x.shape[1:]}, not uint8 of {entry.input_shape}"
            if x.dtype != np.uint8 or x.shape[1:] != entry.input_shape
            else f"{len(x):,} pictures have {len(y):,} labels"
            if len(x) != len(y) or not len(x)
            else f"labels are {y.dtype}, not whole numbers"
            if y.dtype.kind not in "iu"
            else f"labels run from {y.min()} to {y.max()}, not 0 to {len(entry.class_names) - 1}"
            if y.min() < 0 or y.max() >= len(entry.class_names)
            else None
        )
        if problem:
            raise DataError(
                f"{path} is not {entry.title}: {problem}. Replace it: {entry.how_to_get}."
            )
        pairs += [x, y.astype(np.int64)]
    return tuple(pairs)


def damaged(path: Path, entry: Entry, error: Exception) -> DataError:
    """The error for a file that cannot be read."""
    return DataError(
        f"{path} is damaged or incomplete ({error}) and is not used. Delete it, then replace it: "
        f"{entry.how_to_get}."
    )


def _read_picture(path, folder, shape, sums):
    from PIL import Image, ImageOps

    raw = path.read_bytes()
    expected = sums.get(path.relative_to(folder.parent).as_posix())
    if expected:
        import hashlib

        if hashlib.sha256(raw).hexdigest() != expected:
            raise ValueError("its SHA-256 is not the one in SHA256SUMS")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(raw)) as picture:
                picture.draft("RGB", (2 * shape[1], 2 * shape[0]))  # JPEG: decode no more than that
                upright = ImageOps.exif_transpose(picture).convert("RGB")
                return np.asarray(ImageOps.fit(upright, (shape[1], shape[0])))
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ValueError("more pixels than any photo has") from error
