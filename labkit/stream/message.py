"""A picture as a message of Kafka: what stands in it, and how it is read.

Version 1 of the schema. The key is the picture's id and the value its bytes, as they are in a
file. The headers, all of them text in UTF-8:

=================  =========================================================================
labkit-schema      "1"
content-type       image/jpeg, image/png, image/gif, image/bmp or image/webp
id                 letters, digits, dots, dashes and underlines, 64 at most
sha256             of the bytes, 64 hexadecimal digits
sent-at            UTC, as ISO 8601 writes it, with milliseconds
name               the name of the file, to show it
label              of pictures to train with: their class
reference          of pictures over 1 MB, whose value is empty: where they lie in the store
=================  =========================================================================

It is read leniently: a message without any headers is a picture as well. What is there has to
be true, though: a wrong hash or content type makes a dead letter.

An answer's key is the picture's id, and its value is JSON.
"""

import hashlib
import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import methodcaller
from pathlib import Path

from labkit.data.files import printable
from labkit.store import blobs

SCHEMA = "1"
MOST_BYTES = 1_000_000
"""Of a message; what is larger goes to the store."""
MOST_PIXELS = 40_000_000
"""Of a picture; unpacked they take up to half a gigabyte."""
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_LABEL = re.compile(r"[^\W_][\w .-]{0,62}[\w]|[^\W_]")
_LONGEST = 200  # bytes of a folder's name; file systems take 255
_RESERVED = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{i}" for port in ("COM", "LPT") for i in "0123456789¹²³"),
}
_TYPES = {
    "JPEG": ("image/jpeg", ".jpg"),
    "PNG": ("image/png", ".png"),
    "GIF": ("image/gif", ".gif"),
    "BMP": ("image/bmp", ".bmp"),
    "WEBP": ("image/webp", ".webp"),
}
ENDINGS = dict(_TYPES.values())
"""The ending of a file's name for each content type."""
_SAME = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
_TIME = 40  # letters; Python reads fractions of a second of any length
_ANY = ("", "application/octet-stream", "image/*")


class Broken(Exception):
    """A message that is no picture as it claims to be.

    Args:
        reason: "schema", "empty", "hash", "type", "picture", "too-large", "reference", "label",
            "id" (when collecting) or "model" (when classifying).
        detail: a sentence for people.
    """

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Picture:
    """A picture that came as a message."""

    id: str
    raw: bytes
    """As in a file."""
    content_type: str
    pixels: int
    sha256: str
    name: str
    label: str | None
    sent_at: str | None


@dataclass(frozen=True)
class Outgoing:
    """A message to be sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def now() -> str:
    """The time, as messages carry it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def look_at(raw: bytes) -> tuple[str, int]:
    """The content type of a picture and how many pixels it has; nothing is unpacked.

    Raises:
        Broken: it is none that labkit reads ("picture"), or has too many pixels ("too-large").
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(raw), formats=tuple(_TYPES)) as picture:
            # A phone's JPEG may hold more pictures after the first; Pillow calls that MPO.
            name = "JPEG" if picture.format == "MPO" else picture.format
            kind, pixels = _TYPES[name][0], picture.width * picture.height
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except Exception as error:  # hostile bytes make Pillow raise nearly anything
        raise Broken("picture", "it is not a JPEG, PNG, GIF, BMP or WebP picture") from error
    if pixels > MOST_PIXELS:
        raise _too_large()
    return kind, pixels


def pack(
    raw: bytes, topic: str, *, name: str = "", label: str | None = None, store: str | Path | None
) -> Outgoing:
    """A picture as a message; a large one goes to the store first.

    Its id is the beginning of its hash: the same picture has the same id wherever it is sent.

    Raises:
        Broken: it is no picture, or its label no class.
        StoreError: the store cannot be written.
    """
    kind, _ = look_at(raw)
    digest = hashlib.sha256(raw).hexdigest()
    headers = {
        "labkit-schema": SCHEMA,
        "content-type": kind,
        "id": digest[:32],
        "sha256": digest,
        "sent-at": now(),
        "name": printable(name)[:200],
    }
    if label is not None:
        headers["label"] = check_label(label)
    if len(raw) > MOST_BYTES:
        try:
            headers["reference"] = blobs.put(raw, url=store)
        except ValueError as error:
            raise Broken("too-large", str(error)) from error
        raw = b""
    encoded = [(key, value.encode()) for key, value in headers.items()]
    return Outgoing(topic, digest[:32].encode(), raw, encoded)


def check_label(label: str) -> str:
    """``label``, if a folder can be called that on every system.

    Raises:
        Broken: it cannot.
    """
    fits = _LABEL.fullmatch(label) and len(label.encode()) <= _LONGEST
    if not fits or _is_reserved(label):
        raise Broken("label", f"{_shown(label)} is no class: use letters, digits and dashes")
    return label


def unpack(message, *, store: str | Path | None) -> Picture:
    """The picture in a message of confluent-kafka's.

    Raises:
        Broken: it is none, or not what it claims to be.
        StoreError: the store does not answer.
    """
    headers = headers_of(message)
    if headers.get("labkit-schema", SCHEMA) != SCHEMA:
        raise Broken("schema", f"its schema is {_shown(headers['labkit-schema'])}: update labkit")
    raw = message.value() or b""
    if not raw and "reference" in headers:
        raw = _fetched(headers["reference"], store)
    if not raw:
        raise Broken("empty", "it has no bytes")
    digest = hashlib.sha256(raw).hexdigest()
    if headers.get("sha256", digest).lower() != digest:
        raise Broken("hash", "its SHA-256 is another one than its header says")
    kind, pixels = look_at(raw)
    claimed = headers.get("content-type", "").partition(";")[0].strip().lower()
    if claimed not in _ANY and _SAME.get(claimed, claimed) != kind:
        raise Broken("type", f"it says {_shown(claimed)} and is {kind}")
    sent_at = headers.get("sent-at")
    given = (headers.get("id"), (message.key() or b"").decode(errors="replace"))
    known = next((one for one in given if one and _is_id(one)), digest[:32])
    return Picture(
        id=known,
        raw=raw,
        content_type=kind,
        pixels=pixels,
        sha256=digest,
        name=printable(headers.get("name", ""))[:200],
        label=headers.get("label"),
        sent_at=None if seconds_since(sent_at) is None else sent_at,
    )


def headers_of(message) -> dict[str, str]:
    """A message's headers; of those that are there twice, the last, as in Kafka's own clients."""
    return {
        key: (value or b"").decode(errors="replace") if not isinstance(value, str) else value
        for key, value in raw_headers(message)
    }


def raw_headers(message) -> list[tuple[str, bytes | None]]:
    """A message's headers as they came; none when the name of one is not UTF-8."""
    # There confluent-kafka 2.16 raises an error and gives null pointers out as well. Python's
    # methodcaller notices the error each time; a plain call, once it is optimised, crashes.
    try:
        return methodcaller("headers")(message) or []
    except SystemError:
        message.set_headers([])  # asked again, it would give the null pointers out
        return []


def seconds_since(text: str | None) -> float | None:
    """How long ago that was; ``None`` when it is no time."""
    if not text or len(text) > _TIME:
        return None
    try:
        then = datetime.fromisoformat(text)
        return (datetime.now(UTC) - then).total_seconds()
    except (ValueError, TypeError, OverflowError):  # TypeError: without a time zone
        return None


def _too_large():
    return Broken("too-large", f"it has more than {MOST_PIXELS // 10**6} million pixels")


def _is_id(text):
    return _ID.fullmatch(text) and not _is_reserved(text)


def _is_reserved(name):
    """Whether Windows has a device of that name, whatever its ending."""
    return name.partition(".")[0].rstrip().upper() in _RESERVED


def _fetched(reference, store):
    try:
        return blobs.get(reference, url=store)
    except FileNotFoundError as error:
        raise Broken("reference", "the store does not have what it refers to") from error
    except ValueError as error:
        raise Broken("reference", str(error)) from error


def _shown(text):
    return repr(printable(text)[:60])
