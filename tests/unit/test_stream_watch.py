"""The wall of pictures, on the embedded broker: what is on it, and how it begins and ends."""

import base64
import html.parser
import io
import json
import signal
import subprocess
import sys
import threading
import time
import uuid

import numpy as np
import pytest
from PIL import Image

from labkit import stream
from labkit.errors import StreamError
from labkit.stream import loop, watching
from tests.unit import tiny_models as tiny

PLAIN = {"style", "ul", "li", "div", "span", "b", "em", "br", "p", "table", "tbody", "tr", "td"}


@pytest.fixture(scope="module")
def kafka():
    return stream.connect()


@pytest.fixture
def topics():
    """A topic of pictures and one of answers that no other test has."""
    mark = uuid.uuid4().hex[:8]
    return f"pictures-{mark}", f"answers-{mark}"


@pytest.fixture
def watch(kafka, topics, home):
    """A function that watches these topics; the walls are stopped at the end."""
    walls = []

    def begin(**options):
        chosen = {"connection": kafka, "store": home / "store"} | options
        walls.append(stream.watch(*topics, **chosen))
        return walls[-1]

    yield begin
    for wall in walls:
        wall.stop()


@pytest.fixture
def classify(kafka, topics, home):
    """A function that classifies what there is by its brightness, and returns what was done."""
    tiny.put(home / "store", "lamp", tiny.brightness(64, 64, 3), ["dark", "bright"])

    def run(connection=kafka):
        store = home / "store"
        return stream.classify("lamp", *topics, connection=connection, store=store, idle=2)

    return run


def picture(folder, name, colour, size=(90, 60)):
    Image.new("RGB", size, colour).save(folder / name)
    return folder / name


def produce(kafka, topic, value, key=None, **options):
    producer = kafka.producer()
    producer.produce(topic, value, key, **options)
    assert producer.flush(10) == 0


def until(holds, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def seen(page):
    """The alt texts of a page, in their order; nothing but plain elements may be there."""
    found = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            told = dict(attributes)
            if tag == "img":
                scheme, _, written = told["src"].partition(",")
                assert scheme == "data:image/jpeg;base64"
                with Image.open(io.BytesIO(base64.b64decode(written, validate=True))) as drawn:
                    assert drawn.format == "JPEG" and drawn.size == (96, 96)
                    assert not drawn.getexif() and "comment" not in drawn.info
            else:
                assert tag in PLAIN
            assert not [name for name in told if name.startswith("on")]
            found.extend(told[name] for name in ("alt", "aria-label") if name in told)

    Reader().feed(page)
    return found


def test_pictures_come_onto_the_wall_and_then_their_answers(kafka, topics, watch, classify, home):
    wall = watch()
    assert wall.running and f"No picture has come to {topics[0]} yet." in repr(wall)
    for name, colour in (("night.png", "black"), ("noon.png", "white")):
        stream.send(picture(home, name, colour), topics[0], connection=kafka)
    until(lambda: wall.wall.seen == 2)
    assert seen(wall.wall.html()) == ["noon.png: waiting", "night.png: waiting"]

    assert classify().done == 2, "the wall takes no work from others"
    until(lambda: "2 answered" in repr(wall))
    assert seen(wall.wall.html()) == ["noon.png: bright, 100 %", "night.png: dark, 100 %"]
    assert repr(wall) == (
        f"Watching {topics[0]}. Pictures seen: 2. On the wall: 2 answered, 0 waiting, "
        "0 dead letters."
    )


def test_a_wall_that_begins_later_shows_what_was_there(kafka, topics, watch, classify, home):
    paths = [picture(home, f"{i}.png", (20 * i,) * 3) for i in range(10)]
    stream.send(paths, topics[0], connection=kafka)
    assert classify().done == 10
    bundle = watch()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}, "without widgets there is a table"
    names = {text.partition(":")[0] for text in seen(bundle["text/html"])}
    assert names == {path.name for path in paths}
    assert "10 answered, 0 waiting" in bundle["text/html"]
    assert "Open this notebook in JupyterLab" in bundle["text/html"]


def test_a_picture_that_comes_again_is_moved_to_the_front(kafka, topics, watch, home):
    wall = watch()
    paths = [picture(home, name, name[:-4]) for name in ("red.png", "blue.png", "red.png")]
    for count, path in enumerate(paths, 1):
        stream.send(path, topics[0], connection=kafka)
        until(lambda count=count: wall.wall.seen == count)
    assert seen(wall.wall.html()) == ["red.png: waiting", "blue.png: waiting"]


def test_a_large_picture_comes_from_the_store(kafka, topics, watch, home):
    wall = watch()
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    Image.fromarray(noise).save(home / "large.png")
    stream.send(home / "large.png", topics[0], connection=kafka, store=home / "store")
    (record,) = stream.read(topics[0], connection=kafka)
    assert record.value == b"" and "reference" in record.headers
    until(lambda: wall.wall.seen == 1)
    assert seen(wall.wall.html()) == ["large.png: waiting"]


def test_what_is_no_picture_says_why_once_it_is_a_dead_letter(kafka, topics, watch, classify, home):
    wall = watch()
    produce(kafka, topics[0], b"<html>", headers={"name": b"page.jpg"})
    stream.send(picture(home, "noon.png", "white"), topics[0], connection=kafka)
    until(lambda: wall.wall.seen == 2)
    assert seen(wall.wall.html()) == ["noon.png: waiting", "page.jpg: no picture, waiting"]
    assert classify().dead_letters == 1
    until(lambda: "1 dead letters" in repr(wall))
    why = "it is not a JPEG, PNG, GIF, BMP or WebP picture"
    for page in (wall.wall.html(), wall.wall.table()):
        assert f"<b>dead letter</b>: {why}" in page
    assert f"page.jpg: no picture, dead letter, {why}" in seen(wall.wall.html())


def test_nothing_of_a_hostile_message_reaches_the_page(kafka, topics, watch):
    script = '"><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\x1b[31m'
    file = io.BytesIO()
    exif = Image.Exif()
    exif[270] = "<script>description</script>"
    Image.new("RGB", (40, 40)).save(file, "JPEG", exif=exif, comment=b"<script>comment</script>")
    good = file.getvalue() + b"<script>behind</script>"
    producer = kafka.producer()
    for number, value in enumerate((good, good[:300], b"", None, b"\x89PNG\r\n" + bytes(99))):
        headers = {"name": script.encode() + b"\xff", "id": f"one-{number}".encode()}
        producer.produce(topics[0], value, headers=headers, partition=1)
    producer.produce(topics[0], good, headers={"labkit-schema": b"99"}, partition=2)
    producer.produce(topics[0], b"", headers={"reference": b"../../etc/passwd"}, partition=0)
    # No id, and far from now.
    producer.produce(topics[0], good, script, timestamp=2**60, partition=3)
    answer = {"class": script, "model": script, "name": script, "probability": 0.5}
    answers = [answer | {"id": "one-0"}, answer | {"id": "one-1", "probability": 1e999}]
    answers += [answer | {"id": "one-2", "class": "\ud800"}, answer | {"id": 7}]
    answers += [{"id": "one-3"}, [], None, 10**400]
    for value in [*map(json.dumps, answers), "", "[" * 100_000, b"\xff"]:
        producer.produce(topics[1], value, script)
    dead = loop.dead_letters(topics[0], "classify")
    for place in (("x", "1"), ("0", "1" * 5000), ("0", "0")):
        told = zip(("partition", "offset", "detail"), (*place, script), strict=True)
        headers = {f"{loop.PREFIX}{key}": text.encode() for key, text in told}
        producer.produce(dead, b"", headers=headers)
    assert producer.flush(10) == 0

    wall = watch()
    static = wall._repr_mimebundle_()["text/html"]
    assert wall.running and wall.wall.seen == 8
    for page in (static, wall.wall.html()):
        texts = seen(page)
        assert "<script" not in page and "\x1b" not in page and "\u202e" not in page
        page.encode()
    assert len(texts) == 8
    assert sum(text.endswith(", 50 %") for text in texts) == 1
    assert sum("dead letter" in text for text in texts) == 1


def test_it_holds_no_more_than_its_size(kafka, topics, watch, home):
    wall = watch(size=3)
    producer, begun = kafka.producer(), int(1000 * time.time())
    for number in range(12):
        raw = picture(home, f"{number}.png", (number,) * 3).read_bytes()
        headers = {"name": f"{number}.png".encode()}
        producer.produce(topics[0], raw, headers=headers, timestamp=begun - 100 + number)
    for number in range(500):
        producer.produce(topics[1], json.dumps({"id": f"{number}", "class": "cat"}))
    assert producer.flush(10) == 0
    wall._repr_mimebundle_()  # reads all that is there
    assert wall.wall.seen == 12
    assert seen(wall.wall.html()) == [f"{i}.png: waiting" for i in (11, 10, 9)]
    assert len(wall.wall._tiles) == 3 and len(wall.wall._said) <= 60


def test_the_stop_button_ends_the_thread(kafka, topics, watch, home, monkeypatch):
    monkeypatch.delenv("LABKIT_HEADLESS")
    wall = watch()
    bundle = wall._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    top, tiles = wall._view.whole.children
    button, said = top.children
    stream.send(picture(home, "noon.png", "white"), topics[0], connection=kafka)
    until(lambda: "noon.png" in tiles.value and "Pictures seen: 1." in said.value)
    button.click()
    until(lambda: not wall.running)
    assert "Stopped. To go on, run the cell again." in said.value
    assert "noon.png" in tiles.value, "what was shown stays"
    stream.send(picture(home, "night.png", "black"), topics[0], connection=kafka)
    assert "Pictures seen: 1." in repr(wall) and repr(wall).startswith("Watched")


def test_stop_ends_the_thread_and_leaving_a_block_does_too(watch):
    def mine():
        return [one for one in threading.enumerate() if one.name == "labkit-watch"]

    wall = watch()
    with watch():
        assert len(mine()) == 2
    wall.stop()
    wall.stop()
    assert not mine() and not wall.running


def test_a_process_ends_while_its_wall_goes_on():
    lines = "from labkit import stream\nprint(stream.watch().running)"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.endswith("True\n") and not done.stderr


@pytest.fixture
def broker():
    """`labkit stream broker` as a process of its own, and how to speak to it."""
    command = [sys.executable, "-m", "labkit", "stream", "broker"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = next(line for line in process.stdout if "BOOTSTRAP=" in line)
        yield process, stream.connect(line.strip().rpartition("=")[2])
        process.kill()


def test_it_waits_for_a_broker_that_is_away_and_goes_on(broker, topics, watch, home, monkeypatch):
    monkeypatch.setattr(watching, "_LOOK", 0.1)
    process, kafka = broker
    kafka.make_topics(*topics, loop.dead_letters(topics[0], "classify"))
    wall = watch(connection=kafka)
    process.send_signal(signal.SIGSTOP)
    until(lambda: "does not answer. The wall goes on when it is back" in repr(wall))
    process.send_signal(signal.SIGCONT)
    until(lambda: "No picture has come" in repr(wall))
    stream.send(picture(home, "noon.png", "white"), topics[0], connection=kafka)
    until(lambda: wall.wall.seen == 1)


def test_it_gives_up_on_a_broker_that_stays_away(broker, watch):
    process, kafka = broker
    wall = watch(connection=kafka, patience=1)
    process.kill()
    until(lambda: not wall.running)
    assert "has been away for 1 s. Check that Kafka runs; then call the same again." in repr(wall)


def test_the_command_prints_answers_as_they_come(broker, topics, classify, home):
    process, kafka = broker
    stream.send(picture(home, "noon.png", "white"), topics[0], connection=kafka)
    assert classify(kafka).done == 1, "what was there before is not printed"
    command = [sys.executable, "-m", "labkit", "stream", "watch", "--answers", topics[1]]
    command += ["--bootstrap", kafka.bootstrap]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as watcher:
        assert "Ctrl-C ends this" in watcher.stderr.readline()
        named = picture(home, "night \x1b[31m.png", "black")
        (receipt,) = stream.send(named, topics[0], connection=kafka)
        assert classify(kafka).done == 1
        line = watcher.stdout.readline()
        watcher.send_signal(signal.SIGINT)
        rest, errors = watcher.communicate(timeout=20)
    assert line.split(maxsplit=5) == [receipt.id, "dark", "100", "%", "lamp/1", "night �[31m.png\n"]
    assert (rest, errors, watcher.returncode) == ("", "", 0)


@pytest.mark.parametrize("size", [0, 201, 2.5])
def test_a_wall_that_cannot_be(kafka, size):
    with pytest.raises(StreamError, match="whole number of pictures from 1 to 200"):
        stream.watch(connection=kafka, size=size)
    with pytest.raises(StreamError, match="A topic cannot be called 'my pictures'"):
        stream.watch("my pictures", connection=kafka)
