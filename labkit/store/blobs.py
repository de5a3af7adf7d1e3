"""Bytes in the store under their own SHA-256: what is too large for a message."""

import contextlib
import hashlib
import re
from pathlib import Path

from labkit.store.place import DamagedManifest, Place

_REFERENCE = re.compile(r"_blobs/([0-9a-f]{64})")
_LARGEST = 100_000_000  # bytes


def put(raw: bytes, *, url: str | Path | None = None) -> str:
    """Keep bytes; the same ones once only.

    Args:
        raw: 100 MB of them at most.
        url: the store; ``None``: the setting LABKIT_STORE.

    Returns:
        What :func:`get` takes. It names no place: whoever reads has a store of their own choice.

    Raises:
        ValueError: there are too many.
        StoreError: the store cannot be written.
    """
    if len(raw) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST // 10**6} MB")
    reference = f"_blobs/{hashlib.sha256(raw).hexdigest()}"
    with contextlib.suppress(FileExistsError):
        Place(url).create(reference, raw)
    return reference


def get(reference: str, *, url: str | Path | None = None) -> bytes:
    """What :func:`put` has kept.

    Raises:
        ValueError: that is no reference, or there are other bytes.
        FileNotFoundError: there are none.
        StoreError: the store cannot be read.
    """
    known = _REFERENCE.fullmatch(reference)
    if not known:
        raise ValueError("it refers to something else than a picture of the store")
    try:
        raw = Place(url).read(reference, most=_LARGEST)
    except DamagedManifest as error:
        raise ValueError(f"it is larger than {_LARGEST // 10**6} MB") from error
    if hashlib.sha256(raw).hexdigest() != known[1]:
        raise ValueError("the store has other bytes than those it refers to")
    return raw
