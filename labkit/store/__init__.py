"""Models in a folder or a bucket: numbered versions, each complete or absent.

A version is a small file, ``NAME/NUMBER.json``, that names the model's files with their
checksums. The files are written first, the small file last and only if nobody else has
written that number: whoever reads sees all of a version or nothing of it.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import re
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labkit.data.dataset import Dataset
from labkit.data.download import sha256
from labkit.errors import StoreError
from labkit.store import forms
from labkit.store.forms import read_joblib
from labkit.store.place import DamagedManifest, Place

__all__ = ["Version", "find", "has", "list", "load", "read_joblib", "save"]

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_FOLDER = re.compile(r"files/[0-9]+-[0-9a-f]{32}")
_FORMAT = 1
_DAY = 24 * 3600
_PACKAGES = (
    *("labkit", "keras", "tensorflow", "tensorflow-cpu"),
    *("scikit-learn", "onnx", "numpy"),
)


@dataclass(frozen=True)
class Version:
    """A saved model: what it is, what it takes and gives, and where its files are.

    Example:
        >>> version = store.find("mnist-cnn")
        >>> version.number, version.metrics
        (3, {'accuracy': 0.991})
    """

    name: str
    number: int
    url: str
    kind: str
    """ "keras" or "sklearn"."""
    created: str
    """UTC, as ISO 8601 writes it."""
    inputs: list[dict]
    """Name, datatype and shape of the input, in the words of the Open Inference Protocol."""
    outputs: list[dict]
    class_names: list[str]
    """In the order of the outputs; empty for regression."""
    features: list[dict]
    """The columns of a table, each with its smallest, middle and largest training value."""
    data: dict
    """Name, source, number of examples and SHA-256 of the training part."""
    metrics: dict[str, float]
    packages: dict[str, str]
    """The versions of what it was made with."""
    folder: str
    files: dict[str, str]
    """The SHA-256 of each file."""

    def model(self):
        """The model, as it was saved.

        Raises:
            StoreError: the file was changed, or could run code.
        """
        return forms.read(self.kind, self.file(forms.FILES[self.kind]))

    def onnx(self) -> Path:
        """The file with the model as ONNX, checked, on this machine.

        Raises:
            StoreError: the file was changed.
        """
        return self.file(forms.ONNX)

    def file(self, name: str) -> Path:
        """One of ``files``, checked, on this machine.

        Raises:
            StoreError: the file was changed.
        """
        return Place(self.url).get(f"{self.name}/{self.folder}/{name}", self.files[name])

    def __repr__(self):
        metrics = ", ".join(f"{key} {value:.4g}" for key, value in self.metrics.items())
        return f"{self.name}/{self.number}  {self.kind}, {self.created[:16]}  {metrics}".rstrip()


def save(
    model,
    name: str,
    *,
    data: Dataset | None = None,
    metrics: Mapping[str, float] | None = None,
    url: str | Path | None = None,
) -> Version:
    """Save a model as the next version of ``name``.

    It is written in its own form (Keras, or scikit-learn's through skops) and as ONNX, from
    which it is served without TensorFlow. Both are compared on a few random examples.

    Args:
        model: a Keras model with one input and one output, or a trained scikit-learn
            estimator.
        name: lower-case letters, digits, dashes, dots; up to 64 of them.
        data: what it was trained on: class names, the ranges of a table's columns, and the
            data's checksum are kept with the model.
        metrics: what it reached, such as ``{"accuracy": 0.99}``.
        url: where to: a folder, or an address such as ``s3://bucket/prefix``; ``None``:
            the setting LABKIT_STORE.

    Returns:
        The version, with its number.

    Raises:
        StoreError: the name or the model cannot be saved, or the place cannot be written.

    Example:
        >>> store.save(model, "mnist-cnn", data=data, metrics={"accuracy": 0.991})
        mnist-cnn/1  keras, 2026-11-20T10:15  accuracy 0.991
    """
    _check(name)
    place = Place(url)
    now = time.time()
    folder = f"files/{int(now)}-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory() as here:
        ends = forms.write(model, Path(here))
        written = sorted(Path(here).iterdir())
        manifest = {
            "format": _FORMAT,
            "kind": forms.kind_of(model),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            **ends,
            **_described(data),
            "metrics": {key: float(value) for key, value in (metrics or {}).items()},
            "packages": _packages(),
            "folder": folder,
            "files": {file.name: sha256(file) for file in written},
        }
        try:
            for file in written:
                place.put(file, f"{name}/{folder}/{file.name}")
        except BaseException:
            place.delete(f"{name}/{folder}")
            raise
    # From here on the files stay, whatever happens: a manifest may have been written although
    # the answer to that was lost.
    number = _commit(place, name, manifest)
    with contextlib.suppress(StoreError):  # the version is saved; another save will tidy
        _tidy(place, name, now)
    return find(f"{name}/{number}", url=place.url)


def find(name: str, *, url: str | Path | None = None) -> Version:
    """A version: ``"mnist-cnn"`` and ``"mnist-cnn/latest"`` are the newest, ``"mnist-cnn/3"`` one.

    Raises:
        StoreError: there is none, or what is there is no version.
    """
    name, _, wanted = name.partition("/")
    _check(name)
    place = Place(url)
    if wanted in ("", "latest"):
        numbers = place.numbers(name)
        if not numbers:
            there = ", ".join(filter(_NAME.fullmatch, place.names())) or "none"
            raise StoreError(
                f"There is no model {name!r} in the store; the models there: {there}. Save one "
                "first: labkit.store.save(model, name)."
            )
        number = numbers[-1]
    elif wanted.isdecimal() and len(wanted) < 10:
        number = int(wanted)
    else:
        raise StoreError(f"{wanted!r} is no version. Write a number, or 'latest'.")
    try:
        content = place.read(_manifest(name, number))
    except FileNotFoundError as error:
        there = ", ".join(map(str, place.numbers(name))) or "none"
        raise StoreError(f"{name!r} has no version {number}; its versions: {there}.") from error
    return _parse(content, name, number, place.url)


def has(name: str, *, url: str | Path | None = None) -> bool:
    """Whether there is such a version, see :func:`find`.

    Raises:
        StoreError: the place cannot be read.
    """
    name, _, wanted = name.partition("/")
    _check(name)
    numbers = Place(url).numbers(name)
    if wanted in ("", "latest"):
        return bool(numbers)
    return wanted in map(str, numbers)


def load(name: str, *, url: str | Path | None = None):
    """The model of a version, see :func:`find`.

    Raises:
        StoreError: there is none, its file was changed, or it could run code.

    Example:
        >>> model = store.load("mnist-cnn")
        >>> first = store.load("mnist-cnn/1", url="s3://workshop/models")
    """
    return find(name, url=url).model()


def list(*, url: str | Path | None = None) -> list[Version]:
    """All versions of all models, by name and number.

    One whose manifest was damaged is left out, and named in a note.

    Raises:
        StoreError: the place cannot be read.
    """
    place = Place(url)
    versions = []
    for name in filter(_NAME.fullmatch, place.names()):
        for number in place.numbers(name):
            try:
                versions.append(find(f"{name}/{number}", url=place.url))
            except DamagedManifest as error:
                print(f"Note: left out: {error}")
    return versions


def _check(name):
    if not _NAME.fullmatch(name):
        raise StoreError(
            f"A model cannot be called {name!r}. Use lower-case letters, digits, dashes and dots, "
            "such as 'mnist-cnn'."
        )


def _manifest(name, number):
    return f"{name}/{number:06}.json"


def _commit(place, name, manifest) -> int:
    """Write the manifest under the next number that nobody has."""
    content = json.dumps(manifest, indent=2).encode()
    number = max(place.numbers(name), default=0) + 1
    while True:
        try:
            place.create(_manifest(name, number), content)
            return number
        except FileExistsError:
            number += 1


def _tidy(place, name, now):
    """Delete what a save left behind that was killed more than a day ago."""
    known, damaged = set(), False
    for number in place.numbers(name):
        try:
            named = _FOLDER.findall(place.read(_manifest(name, number)).decode(errors="replace"))
        except (DamagedManifest, FileNotFoundError):
            named = []
        known.update(named)
        damaged = damaged or not named
    for folder in place.folders(f"{name}/files"):
        began = folder.partition("-")[0]
        if f"files/{folder}" in known or not began.isdecimal() or now - int(began) <= _DAY:
            continue
        # A manifest that no longer says which files are its own may be of any that are complete.
        if damaged and forms.are_complete(place.files(f"{name}/files/{folder}")):
            continue
        place.delete(f"{name}/files/{folder}")


def _parse(content: bytes, name: str, number: int, url: str) -> Version:
    """A manifest is what someone else may have written: nothing in it is taken on trust."""
    try:
        found = json.loads(content)
        if found.pop("format") != _FORMAT:
            raise ValueError("it was written by another labkit: update yours")
        version = Version(name=name, number=number, url=url, **found)
        if not _FOLDER.fullmatch(version.folder):
            raise ValueError("its folder is none of ours")
        if version.kind not in forms.FILES:
            raise ValueError(f"there is no kind {version.kind!r}")
        if set(version.files) != {forms.FILES[version.kind], forms.ONNX}:
            raise ValueError("its files are not those of a model")
        if not all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in version.files.values()):
            raise ValueError("its checksums are none")
        empty = {"class_names": [], "features": [], "data": {}, "metrics": {}, "packages": {}}
        for field, kind in empty.items():
            if type(getattr(version, field)) is not type(kind):
                raise ValueError(f"its {field} are something else")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedManifest(
            f"{name}/{number} is no version of a model: {error}. Save the model again."
        ) from error
    return version


def _described(data) -> dict:
    if data is None:
        return {"class_names": [], "features": [], "data": {}}
    features = []
    for column, name in zip(np.transpose(data.x_train), data.feature_names, strict=False):
        low, middle, high = (float(v) for v in np.quantile(column, (0, 0.5, 1)))
        features.append({"name": name, "low": low, "middle": middle, "high": high})
    return {
        "class_names": [*data.class_names],
        "features": features,
        "data": {
            "name": data.name,
            "source": data.source.kind,
            "examples": len(data.x_train),
            "sha256": _digest(data.x_train, data.y_train),
        },
    }


def _digest(*arrays) -> str:
    """The SHA-256 of arrays: their types, shapes and values."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()


def _packages() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
