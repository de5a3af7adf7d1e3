"""A stream of pictures survives what happens to programs: kills, outages, pauses, a full disk.

2,000 pictures are sent, 100 of them broken. In the end each good one has one answer and is in
one folder, and each broken one is a dead letter with its reason.
"""

import hashlib
import io
import json
import os
import random
import subprocess
import time
from collections import Counter
from datetime import datetime
from itertools import cycle, islice, pairwise

import numpy as np
import pytest
from confluent_kafka import KafkaException, TopicPartition
from PIL import Image

from labkit import stream
from labkit.stream.loop import dead_letters
from labkit.stream.message import pack
from tests.services.kafka import Kafka
from tests.services.stream_crew import Crew, others_read
from tests.unit import tiny_models as tiny
from tests.unit.stream_parts import bomb, sha256

GOOD, BROKEN = 1900, 100
SOURCE, SINK = "pictures", "answers"
KILLS, OUTAGES, PAUSE = 20, 5, 30
PATIENCE = 120  # seconds in which all has to be done after the last fault


def good_pictures():
    rng = np.random.default_rng(0)
    for number in range(GOOD):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(file, "PNG")
        yield pack(
            file.getvalue(),
            SOURCE,
            name=f"{number}.png",
            label=["cat", "dog"][number % 2],
            store=None,
        )


def broken_pictures(raw):
    """(reason, value, headers) without end."""
    for number in cycle(range(1000)):
        cut, nowhere = raw[: -40 - number % 50], hashlib.sha256(b"%d" % number).hexdigest()
        yield "picture", cut, {"sha256": sha256(cut), "content-type": "image/png"}
        yield "hash", raw, {"sha256": nowhere}
        yield "type", raw, {"content-type": "image/webp"}
        yield "too-large", bomb(50_000 + number), {}
        yield "reference", b"", {"reference": f"_blobs/{nowhere}"}
        yield "schema", raw, {"labkit-schema": "2"}
        yield "empty", b"", {}
        yield "picture", b"a text", {"content-type": "application/octet-stream"}


def messages():
    """All in random order, as (key, value, headers); and of the broken ones the reasons by id."""
    good = [(one.key, one.value, one.headers) for one in good_pictures()]
    broken, reasons = [], {}
    for number, (reason, value, told) in enumerate(islice(broken_pictures(good[0][1]), BROKEN)):
        name = f"broken-{number}"
        reasons[name] = reason
        headers = {"id": name, "label": "cat"} | told
        broken.append((name.encode(), value, [(k, v.encode()) for k, v in headers.items()]))
    mixed = good + broken
    random.Random(1).shuffle(mixed)
    return mixed, {key.decode() for key, _, _ in good}, reasons


class Sender:
    """Sends messages a portion at a time, and does not wait."""

    def __init__(self, connection, messages):
        self.producer = connection.producer(message_timeout_ms=240_000)
        self.left, self.failed = messages, []

    def send(self, count):
        portion, self.left = self.left[:count], self.left[count:]
        for key, value, headers in portion:
            self.producer.produce(SOURCE, value, key, headers=headers, on_delivery=self._hear)
        self.producer.poll(0)

    def _hear(self, error, message):
        if error:
            self.failed.append(error.str())


def left(connection, group):
    """Messages of the source that a group has not read; `None`: Kafka does not tell yet."""
    consumer = connection.consumer(group)
    try:
        ends = connection.ends(SOURCE)
        at = consumer.committed([TopicPartition(SOURCE, number) for number in ends], 5)
        if not any(one.error for one in at):
            return sum(ends[one.partition][1] - max(one.offset, 0) for one in at)
    except KafkaException:  # a transaction of somebody who was killed is still open
        return None
    finally:
        consumer.close()


@pytest.fixture
def broker(tmp_path):
    """One of its own, that is killed."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    broker = Kafka(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def disk(tmp_path):
    """A folder that has room for a part of the pictures, until `ballast` in it is deleted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:  # a small file system needs root to mount it
        yield disk
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], check=True)
    try:
        (disk / "ballast").write_bytes(bytes(9 << 20))
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)])


def test_twenty_five_kills_a_pause_and_a_full_disk_lose_nothing(broker, disk, tmp_path, capsys):
    began = time.monotonic()
    tiny.put(tmp_path / "store", "brightness", tiny.brightness(8, 8, 3), classes=["dark", "bright"])
    all_messages, good, reasons = messages()
    connection, rng = stream.connect(broker.bootstrap), random.Random(2)
    crew = Crew(
        tmp_path,
        LABKIT_HEADLESS="1",
        LABKIT_KAFKA_BOOTSTRAP=broker.bootstrap,
        LABKIT_STORE=str(tmp_path / "store"),
        LABKIT_CACHE=str(tmp_path / "cache"),
    )
    connection.make_topics(SOURCE)
    sender = Sender(connection, all_messages)
    for number in range(3):
        crew.start(f"classify-{number}", "classify", "brightness", "--batch", 8)
    crew.start("collect", "collect", disk / "data", "--source", SOURCE, "--batch", 8)

    def tend(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sender.producer.poll(0)
            crew.tend()
            if any("Free some space" in said for name, _, said in crew.ended):
                (disk / "ballast").unlink(missing_ok=True)
            time.sleep(0.1)

    faults = ["kill"] * (KILLS // 2) + ["kill in a transaction"] * (KILLS // 2)
    faults += ["outage"] * OUTAGES + ["pause"]
    rng.shuffle(faults)
    try:
        tend(5)
        for number, fault in enumerate(faults):
            # There is work at the moment of the fault.
            sender.send(len(sender.left) // (len(faults) - number))
            tend(rng.uniform(0, 1))
            victim = f"classify-{rng.randrange(3)}"
            if fault == "kill":
                crew.kill(victim)
            elif fault == "kill in a transaction":
                broker.pause()  # who has messages gets as far as to the broker's next answer
                time.sleep(0.5)
                crew.kill(victim)
                broker.resume()
            elif fault == "outage":
                broker.kill()
                tend(rng.uniform(0, 2))
                broker.start()
            else:
                broker.pause()
                tend(PAUSE)
                broker.resume()
            tend(rng.uniform(1, 6))
        last_fault = time.monotonic()
        assert not sender.producer.flush(60) and not sender.failed, sender.failed[:3]
        assert sum(end for _, end in connection.ends(SOURCE).values()) == len(all_messages)
        while (rest := [left(connection, name) for name in ("classify", "collect")]) != [0, 0]:
            assert time.monotonic() < last_fault + PATIENCE, (
                f"{rest} pictures are still to be classified and collected, {PATIENCE} s after "
                f"the last fault. Ended by themselves: {crew.ended}\n{crew.where()}"
            )
            tend(1)
        drained = time.monotonic() - last_fault
        assert crew.stop() == [0, 0, 0, 0], crew.ended
    finally:
        broker.resume()
        for process in crew.processes.values():
            process.kill()

    answers = others_read(broker, SINK)
    counted = Counter(json.loads(message.value)["id"] for message in answers)
    assert {one: count for one, count in counted.items() if count > 1} == {}
    assert good - set(counted) == set() and set(counted) - good == set()
    assert len(answers) == GOOD
    for group in ("classify", "collect"):
        dead = others_read(broker, dead_letters(SOURCE, group))
        why = [(m.key.decode(), dict(m.headers)["dead-letter-reason"].decode()) for m in dead]
        assert sorted(why) == sorted(reasons.items())
    collected = Counter(path.stem for path in (disk / "data").rglob("*.png"))
    assert collected == Counter(good)
    by_id = {key.decode(): value for key, value, _ in all_messages}
    assert all(path.read_bytes() == by_id[path.stem] for path in (disk / "data").rglob("*.png"))

    others = [one for one in crew.ended if "Free some space" not in one[2]]
    full = len(crew.ended) - len(others)
    assert full or os.geteuid() != 0, "the disk was never full"
    shared = [
        datetime.fromisoformat(line["timestamp"])
        for line in crew.told("partitions")
        if line.get("added")
    ]
    gaps = [(after - before).total_seconds() for before, after in pairwise(shared)]
    assert max(gaps) < 60, "a minute went by without a rebalance"
    with capsys.disabled():
        print(
            f"\nSurvived in {time.monotonic() - began:.0f} s: {KILLS} kills of consumers, {OUTAGES}"
            f" of the broker, a pause of {PAUSE} s, {len(shared)} rebalances, "
            f"{len(crew.told('undone'))} batches undone, {len(crew.told('connecting again'))} times"
            f" connected again, a full disk {full} times; done "
            f"{drained:.0f} s after the last fault. Ended by themselves: {others or 'none'}."
        )
