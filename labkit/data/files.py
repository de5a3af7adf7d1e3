"""Readers of the file formats that the data sets come in.

Each returns arrays or raises :class:`labkit.DataError` naming the file. Nothing
here unpickles, and nothing is unpacked to disk.
"""

import contextlib
import csv
import gzip
import io
import os
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from labkit.data.catalogue import Entry
from labkit.errors import DataError

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""x_train, y_train, x_test, y_test."""

_PARTS = ("x_train", "y_train", "x_test", "y_test")
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
_MOST_BYTES = 100_000_000
_MOST_PIXELS = 90_000_000


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


def read_picture(source: str | os.PathLike | bytes, *, image_size: int) -> np.ndarray:
    """One picture as the data sets hold it: upright, in colour, the middle cut to a square.

    JPEG, PNG, GIF (the first frame), BMP and WebP are read, whatever the name ends in. What is
    transparent lies on white, 16-bit grey is scaled to 8 bits, and CMYK becomes RGB.

    Args:
        source: a path, or the bytes of a file, such as what an upload widget holds.
        image_size: the side of the square, in pixels, from 8 to 1,024.

    Returns:
        uint8 of shape ``(image_size, image_size, 3)``, values 0 to 255.

    Raises:
        DataError: it is no picture that can be read, or too large a one.

    Example:
        >>> labkit.data.read_picture("my_cat.jpg", image_size=64).shape
        (64, 64, 3)
    """
    check_image_size(image_size)
    given = isinstance(source, bytes | bytearray | memoryview)
    try:
        with quiet_pillow():
            return decode(bytes(source) if given else picture_bytes(source), image_size)
    except ValueError as error:
        name = "What you gave" if given else printable(os.fspath(source))
        raise DataError(
            f"{name} cannot be read as a picture: {error}. Give another one, or open it in a "
            "program that shows pictures and save it as JPEG or PNG."
        ) from error


def check_image_size(image_size: int) -> None:
    """An error unless pictures can have that side."""
    if not isinstance(image_size, int | np.integer) or not 8 <= image_size <= 1024:
        raise DataError(
            f"image_size is {image_size!r}; give the side of the pictures as a whole number of "
            "pixels from 8 to 1024, such as 64."
        )


def check_limit(limit: int | None) -> None:
    """An error unless there can be at most so many examples."""
    if limit is not None and limit < 1:
        raise DataError(f"limit is {limit}; give a whole number of at least 1, or leave it out.")


def picture_bytes(path: str | os.PathLike) -> bytes:
    """What a picture file holds.

    Raises:
        ValueError: it cannot be read, with the reason in plain words.
    """
    try:
        if not os.path.isfile(path):  # reading a pipe or a device might never end
            raise ValueError("it is not a file" if os.path.exists(path) else "it is not there")
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"it cannot be opened ({error.strerror})") from error
    return raw


def decode(raw: bytes, image_size: int, most_pixels: int = _MOST_PIXELS) -> np.ndarray:
    """:func:`read_picture` for the bytes of one file, from any thread.

    Args:
        raw: the bytes.
        image_size: the side of the square.
        most_pixels: how many may be unpacked, which takes up to 12 bytes each.

    Raises:
        ValueError: they are no picture that can be read, with the reason in plain words.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not raw:
        raise ValueError("the file is empty")
    if len(raw) > _MOST_BYTES:
        raise ValueError(f"the file is larger than {_MOST_BYTES // 10**6} MB")
    side = (image_size, image_size)
    try:
        with Image.open(io.BytesIO(raw), formats=_FORMATS) as picture:
            # The header alone has been read so far.
            pixels = picture.width * picture.height
            picture.draft("RGB", (2 * image_size, 2 * image_size))  # JPEG: decode no more than that
            whole = "progressive" in picture.info  # such a JPEG is kept in memory as it is
            unpacked = pixels if whole else picture.width * picture.height
            if pixels > _MOST_PIXELS or unpacked > most_pixels:
                raise Image.DecompressionBombError
            picture.load()
            with contextlib.suppress(Exception):  # a damaged note on how it was held is no loss
                ImageOps.exif_transpose(picture, in_place=True)
            if picture.mode.startswith("I"):  # 16 bits: Pillow would cut off what is above 255
                grey = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
                return np.array(ImageOps.fit(grey, side).convert("RGB"))
            if picture.has_transparency_data:
                cut_out = ImageOps.fit(picture.convert("RGBA"), side)
                white = Image.new("RGBA", side, "white")
                return np.array(Image.alpha_composite(white, cut_out).convert("RGB"))
            return np.array(ImageOps.fit(picture.convert("RGB"), side))
    except UnidentifiedImageError as error:
        text = raw.lstrip()[:1] == b"<"
        kind = "a web page or other text" if text else "not a JPEG, PNG, GIF, BMP or WebP picture"
        raise ValueError(f"it is {kind}") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"it has more than {most_pixels // 10**6} million pixels") from error
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise ValueError(f"it is damaged or cut off ({error})") from error


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """No warnings of Pillow's while files are read that may be anything.

    Not in :func:`decode`: the warning filters belong to the process, not to a thread.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


def printable(text: str) -> str:
    """A file name of any kind as text that can be shown: it may hold control characters."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


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
