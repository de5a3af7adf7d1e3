"""Mutated pictures, headers and keys through what reads them, in a process of its own.

The process can be run alone, as `python -m tests.services.test_stream_fuzz FOLDER COUNT`. Case
17 is the same in every run.
"""

import faulthandler
import hashlib
import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from confluent_kafka import Message
from PIL import Image, ImageDraw

from labkit import store, stream
from labkit.data.files import quiet_pillow
from labkit.serve.predictor import Predictor
from labkit.stream import loop
from labkit.stream.classifying import answers
from labkit.stream.collecting import keep, writer
from labkit.stream.measures import Measures
from tests.unit import tiny_models as tiny
from tests.unit.stream_parts import bomb, topic

ROOT = Path(__file__).parents[2]
CASES, BATCH = 24_000, 64
HUGE = 5000
"""Of so many cases one has nearly as many pixels as are read."""
MOST_MEMORY = 750_000_000
"""Bytes that may come on top: one such picture, unpacked, takes up to 480 million of them."""
REASONS = {"schema", "empty", "hash", "type", "picture", "too-large", "reference", "label", "id"}
COLLECTED = re.compile(
    r"(training|validation)/[^/\\\0]{1,64}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}\.(jpg|png|gif|bmp|webp)"
)
NASTY = [b"../../x", b"/etc/passwd", b"..", b"CON", b"nul.jpg", b"a\0b", b"\xff\xfe", b"", b"~"]
NASTY += [b"x" * 10_000, "\U00020000".encode() * 64, b"C:\\x", b"%2e%2e/", b"-rf", b"cat/../.."]
NUMBERS = [0, 1, 2, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 6000, 20_000, 0x7FFFFFFF, 0xFFFFFFFF]


def test_nothing_that_comes_breaks_what_reads_it(tmp_path):
    target = tmp_path / "a" / "b" / "c" / "target"
    call = [sys.executable, "-m", "tests.services.test_stream_fuzz", target, str(CASES)]
    place = tmp_path / "here"
    place.mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LABKIT_HEADLESS": "1"}
    environment |= {"LABKIT_STORE": str(tmp_path / "store"), "PYTHONDONTWRITEBYTECODE": "1"}
    # What would be a warning in a log is an error here, but for those of Pillow.
    done = subprocess.run(call, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-10_000:]
    report = json.loads(done.stdout.splitlines()[-1])
    print(report)
    assert done.stderr == ""
    assert report["cases"] == CASES >= 20_000
    for part, least in (("answered", 0.2), ("collected", 0.1)):  # most of it came that far
        assert report[part] >= least * CASES
    assert {*report["classify"], *report["collect"]} == REASONS
    assert report["memory"] < MOST_MEMORY
    everything = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    inside = "a/b/c/target/"
    found = {path for path in everything if path.startswith(inside)}
    files = {path.removeprefix(inside) for path in found if (tmp_path / path).is_file()}
    assert len(files) > 100
    assert [path for path in files if not COLLECTED.fullmatch(path)] == []
    others = {path for path in everything - found if not path.startswith("store/")}
    assert others == {"a", "a/b", "a/b/c", "a/b/c/target", "here", "store"}


def test_a_header_whose_name_is_no_text_does_not_stop_a_consumer(kafka, tmp_path):
    """confluent-kafka raises SystemError for all headers of such a message."""
    from kafka import KafkaProducer

    class Bytes(str):
        def encode(self, *_):
            return b"\xff\xfe"

    there, source = stream.connect(kafka.bootstrap), topic()
    there.make_topics(source)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    for value in (picture("JPEG"), b"no picture") * 20:
        producer.send(source, value, key=b"key", headers=[(Bytes("x"), b"1"), ("label", b"cat")])
    producer.flush(10)
    tally = stream.collect(source, tmp_path, connection=there, idle=3)
    assert tally.reasons == {"label": 20, "picture": 20}
    letters = stream.read(loop.dead_letters(source, "collect"), connection=there)
    assert {letter.headers["dead-letter-reason"] for letter in letters} == {*tally.reasons}
    assert stream.replay(source, group="collect", connection=there).done == 40
    assert [record.headers for record in stream.read(source, connection=there)] == [{}] * 80


def test_a_message_as_large_as_its_topic_takes_does_not_stop_a_consumer(kafka, tmp_path):
    """Its dead letter is larger, by the reason; and once put back it is as large as before."""
    there, source, refused = stream.connect(kafka.bootstrap), topic(), []
    there.make_topics(source)
    producer = there.producer()
    for size in (1_048_400, 1_048_490, 1_100_000, 5):  # a broker takes 1,048,588 with the rest
        producer.produce(source, b"x" * size, "k", on_delivery=lambda e, _: refused.append(bool(e)))
        producer.flush(10)
    assert refused == [False, False, True, False]
    tally = stream.collect(source, tmp_path, connection=there, idle=3)
    assert repr(tally) == "3 read, 0 done, 3 dead letters (3 picture)"
    assert stream.replay(source, group="collect", connection=there).done == 3


# The process


def main(target, count):
    faulthandler.enable()
    place, shelf = writer(target), Path(os.environ["LABKIT_STORE"])
    tiny.put(shelf, "brightness", tiny.brightness(8, 8, 3), classes=["dark", "bright"])
    predictor = Predictor(store.find("brightness"))
    seeds, huge = drawn(), huge_ones()
    kept = [store.blobs.put(raw) for raw in seeds.values()]
    changed = shelf / store.blobs.put(b"another picture")
    changed.write_bytes(b"changed")
    references = [*kept, f"_blobs/{changed.name}", f"_blobs/{'0' * 64}", "../x", "_blobs/../x"]
    report = Counter()
    reasons = {"classify": Counter(), "collect": Counter()}
    measures, before, largest = Measures(), None, 0
    with ThreadPoolExecutor(1) as pool, quiet_pillow():
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            messages = [case(number, seeds, huge, references) for number in numbers]
            try:
                told, broken = answers(
                    messages, predictor, "answers", store=None, pool=pool, measures=measures
                )
                refused = keep(messages, place, validation=0.2, store=None)
                largest = max([largest, *(len(answer.value) for answer in told)])
                [json.loads(answer.value) for answer in told]
                for group, wrong in (("classify", broken), ("collect", refused)):
                    for message, why in wrong:
                        letter = loop.dead_letter(message, why, group)
                        assert letter.value == message.value() and len(why.detail) < 500
                        reasons[group][why.reason] += 1
            except BaseException:
                print(f"It was one of the cases {first} to {numbers[-1]}.", file=sys.stderr)
                raise
            assert len(told) + len(broken) == len(messages)
            report.update(answered=len(told), collected=len(messages) - len(refused))
            report.update(cases=len(messages))
            if not before:  # now all libraries are there
                Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
                before = peak()
    assert largest < 4000, largest
    print(json.dumps({**report, **reasons, "memory": peak() - before}))


def peak():
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[1])


def case(number, seeds, huge, references):
    """A message with something wrong, as the number says."""
    rng = random.Random(number)
    if number % HUGE == 0:
        return Message(topic="pictures", partition=0, offset=number, value=rng.choice(huge))
    name = rng.choice([*seeds])
    raw = seeds[name]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        raw = rng.choice(MUTATIONS)(rng, raw, seeds)
    if name.startswith("PNG") and rng.random() < 0.7:
        raw = with_sums(raw)
    headers = []
    if rng.random() < 0.8:
        headers.append(("label", rng.choice((b"cat", b"dog", b"a b", "Kätzchen".encode()))))
    if rng.random() < 0.2:
        headers.append(("sha256", hashlib.sha256(raw).hexdigest().encode()))
    for _ in range(rng.choice((0, 0, 0, 1, 2, 8))):
        headers.append((rng.choice(HEADERS), header(rng, raw, references)))
    if rng.random() < 0.02:
        headers += [(f"x{i}", rng.randbytes(20)) for i in range(500)]
    if rng.random() < 0.05:
        raw, own = rng.choice((b"", None)), rng.choice(references).encode()
        headers += [("reference", own)] if rng.random() < 0.8 else []
    key = rng.choice((None, b"", b"cat-1", rng.randbytes(12), rng.choice(NASTY)))
    return Message(
        topic="pictures",
        partition=rng.randrange(4),
        offset=number,
        key=key,
        value=raw,
        headers=rng.choice((headers, headers, headers or None)),
    )


HEADERS = ["labkit-schema", "content-type", "id", "sha256", "sent-at", "name", "label", "reference"]
HEADERS += ["Label", "", "\udc80", "dead-letter-reason", "x" * 1000]
VALUES = [b"1", b"2", b"image/jpeg", b"image/png; x=y", b"image/*", b"IMAGE/WEBP", None]
VALUES += [b"2026-11-22T10:00:00.000Z", b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00+23:59"]
VALUES += [b"2026-01-01T00:00:00." + b"0" * 100_000 + b"+00:00", b"text/html"]


def header(rng, raw, references):
    return rng.choice(
        (
            rng.choice(VALUES),
            rng.choice(NASTY),
            rng.choice(references).encode(),
            rng.randbytes(rng.choice((1, 8, 64, 5000))),
            changed_bytes(rng, rng.choice(VALUES) or b"x", None),
            hashlib.sha256(raw or b"").hexdigest().upper().encode(),
        )
    )


# Pictures, and what happens to their bytes


def picture(kind, mode="RGB", size=(40, 30), **options):
    pixels = np.indices(size[::-1]).sum(0) * 3 % 256
    drawn = Image.fromarray(pixels.astype("uint8")).convert("RGB")
    ImageDraw.Draw(drawn).ellipse((5, 5, 25, 20), "orange", "navy")
    if mode == "I;16":
        drawn = Image.fromarray(np.asarray(drawn.convert("L")).astype("uint16") * 257)
    elif mode == "P":
        drawn = drawn.quantize(16)
    else:
        drawn = drawn.convert(mode)
    file = io.BytesIO()
    drawn.save(file, kind, **options)
    return file.getvalue()


def drawn():
    """Pictures of every kind that is read, by name."""
    exif = Image.Exif()
    exif[0x0112] = 6
    more = {"save_all": True, "append_images": [Image.new("RGB", (40, 30), "red")]}
    return {
        "JPEG": picture("JPEG"),
        "JPEG progressive": picture("JPEG", progressive=True, subsampling=0),
        "JPEG turned": picture("JPEG", exif=exif, quality=95),
        "JPEG grey": picture("JPEG", "L"),
        "JPEG CMYK": picture("JPEG", "CMYK"),
        "JPEG of several": picture("MPO", **more),
        "PNG": picture("PNG"),
        "PNG clear": picture("PNG", "RGBA"),
        "PNG of 16 bits": picture("PNG", "I;16"),
        "PNG palette": picture("PNG", "P", transparency=0),
        "PNG of two colours": picture("PNG", "1"),
        "PNG of several": picture("PNG", **more),
        "PNG bomb": bomb(),
        "WebP": picture("WEBP"),
        "WebP lossless": picture("WEBP", "RGBA", lossless=True, exif=exif.tobytes()),
        "WebP of several": picture("WEBP", **more),
        "GIF": picture("GIF", "P"),
        "GIF of several": picture("GIF", "P", **more),
        "BMP": picture("BMP"),
        "BMP of two colours": picture("BMP", "1"),
    }


def huge_ones():
    """Files of at most a few hundred kB with 39.7 million pixels."""
    size, exif = (6300, 6300), Image.Exif()
    exif[0x0112] = 6
    kinds = (("PNG", "RGBA", {}), ("PNG", "RGB", {"exif": exif}), ("PNG", "L", {}))
    kinds += (("GIF", "P", {}), ("WEBP", "RGB", {"lossless": True, "method": 0}))
    kinds += (("JPEG", "RGB", {"progressive": True}),)
    files = []
    for kind, mode, options in kinds:
        file = io.BytesIO()
        Image.new(mode, size).save(file, kind, **options)
        files.append(file.getvalue())
    return files


def changed_bits(rng, raw, seeds):
    raw = bytearray(raw)
    for _ in range(rng.choice((1, 2, 8, 64)) if raw else 0):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return bytes(raw)


def changed_bytes(rng, raw, seeds):
    raw = bytearray(raw)
    for _ in range(rng.choice((1, 3)) if raw else 0):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    return bytes(raw)


def changed_start(rng, raw, seeds):
    """Where the sizes stand."""
    return changed_bytes(rng, raw[:64], seeds) + raw[64:]


def changed_number(rng, raw, seeds):
    form = rng.choice(("<H", ">H", "<I", ">I"))
    number = rng.choice(NUMBERS) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
    at = rng.randrange(min(len(raw), rng.choice((40, len(raw) or 1))) or 1)
    packed = struct.pack(form, number)
    return raw[:at] + packed + raw[at + len(packed) :]


def other_size(rng, raw, seeds):
    """A picture that claims to be wider and higher than it is."""
    width, height = rng.choice(((1, 1), (6300, 6300), (65535, 600), (2000, 19_000), (0, 40)))
    start = max(raw.find(b"\xff\xc0"), raw.find(b"\xff\xc2"))
    if raw[:4] == b"\x89PNG":
        at, form = 16, ">II"
    elif raw[:3] == b"GIF":
        at, form = 6, "<HH"
    elif raw[:2] == b"BM":
        at, form = 18, "<II"
    elif raw[12:15] == b"VP8":
        at, form = 26, "<HH"
    else:
        at, form, width, height = max(start, 0) + 5, ">HH", height, width
    return raw[:at] + struct.pack(form, width, height) + raw[at + struct.calcsize(form) :]


def cut_off(rng, raw, seeds):
    return raw[: rng.randrange(len(raw) + 1)]


def taken_out(rng, raw, seeds):
    at = rng.randrange(len(raw) + 1)
    return raw[:at] + raw[at + rng.randrange(1, 100) :]


def doubled(rng, raw, seeds):
    at = rng.randrange(len(raw) + 1)
    part = raw[at : at + rng.randrange(1, 200)]
    return raw[:at] + part * rng.choice((2, 2, 50)) + raw[at + len(part) :]


def crossed(rng, raw, seeds):
    """The beginning of one and the end of another."""
    other = seeds[rng.choice([*seeds])] if seeds else raw
    return raw[: rng.randrange(len(raw) + 1)] + other[rng.randrange(len(other) + 1) :]


def with_more(rng, raw, seeds):
    return raw + rng.randbytes(rng.choice((1, 100, 2000)))


MUTATIONS = [changed_bits, changed_bytes, changed_start, changed_number]
MUTATIONS += [cut_off, taken_out, doubled, crossed, with_more]
MUTATIONS = [*3 * MUTATIONS, other_size]


def with_sums(raw):
    """A PNG whose chunks have the right checksums, so that what is in them is looked at."""
    out, at = bytearray(raw), 8
    while at + 12 <= len(raw):
        end = at + 8 + int.from_bytes(raw[at : at + 4])
        if end + 4 > len(raw):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(raw[at + 4 : end]))
        at = end + 4
    return bytes(out)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
