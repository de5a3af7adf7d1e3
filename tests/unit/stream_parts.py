"""What the tests of streams send: pictures, and messages as another program writes them."""

import hashlib
import io
import struct
import uuid
import zlib

import numpy as np
from PIL import Image

from labkit import stream
from labkit.stream.loop import dead_letters


def topic(name="pictures"):
    """A name of its own: there is one embedded broker in a process."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def picture(brightness=0, kind="JPEG", size=16, **options):
    """The bytes of a grey picture file."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), (brightness,) * 3).save(file, kind, **options)
    return file.getvalue()


def large_picture(seed=0):
    """The bytes of a PNG of about 1.2 MB: noise, which cannot be packed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (640, 640, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def bomb(side=50_000):
    """A PNG of less than 100 bytes that says it has ``side`` × ``side`` pixels."""

    def chunk(name, content):
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def sha256(raw):
    return hashlib.sha256(raw).hexdigest()


def files(folder, *brightnesses, kind="PNG"):
    """Pictures of their own in a folder: the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.{kind.lower()}" for number in brightnesses]
    for path, brightness in zip(paths, brightnesses, strict=True):
        path.write_bytes(picture(brightness, kind))
    return paths


def put(kafka, to, *messages):
    """Write (key, value, headers) as any client of Kafka's does; return partitions and offsets."""
    placed, producer = [], kafka.producer()
    for key, value, headers in messages:
        producer.produce(to, value, key, headers=headers, on_delivery=lambda _, m: placed.append(m))
        producer.flush(10)
    return [(message.partition(), message.offset()) for message in placed]


def dead(kafka, source, group):
    """The dead letters of a topic, by their reason."""
    found = stream.read(dead_letters(source, group), connection=kafka)
    return {record.headers["dead-letter-reason"]: record for record in found}
