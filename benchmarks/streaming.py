"""Streams: labkit stream classify against the textbook's loop, and how long one photo takes.

    python benchmarks/streaming.py [--rounds N] [--pictures N] [--photos N]

The pictures are files of the cats and dogs (``LABKIT_DATA``, else the sample as JPEG), the model
is ``cnn_bn`` for 64 × 64 in colour. Broker, consumer and this program are processes of their own on
one machine. There are two brokers: the embedded one (``labkit stream broker``), and Apache Kafka
where ``make test-services`` has brought its programs into build/.

- pictures: the topic is full, and a consumer starts. Pictures per second from the moment when it is
  given its partitions until its last answer is written. labkit runs the model of the store in ONNX
  Runtime and commits batches of 64, in Apache Kafka as transactions. The textbook's loop takes one
  message, decodes it with Pillow, calls Keras's ``predict``, sends the answer, waits until it is
  written, and commits; most of its time is ``predict``, which is made for batches. It is ended
  after ``--slow`` pictures. Importing and loading do not count, nor does each model's first call.
  Each picture has to be answered once, and both have to agree on nearly all of them.
- photos: ``labkit stream classify`` waits for pictures, and a consumer without a group for answers.
  ``stream.send`` sends one photo at a time, at random moments. Milliseconds from just before it is
  handed to the producer until its answer is read, and what they consist of: "answer" until the
  answer is made, "read" from then on. "send" is the whole call, "before" what it does first.
"""

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME, SIDE = "cats-and-dogs", 64
ROOM = 13e6  # bytes: the embedded broker keeps 5 MiB in each of 4 partitions
AGREE = 0.95  # labkit has a JPEG decoded at half its size or less where that is enough


def prepare(folder: Path, count: int) -> None:
    """Train the network for a moment and save it; put ``count`` pictures into files."""
    import labkit
    from labkit import models
    from labkit.data.folder import pictures_below

    data = labkit.load("cats_and_dogs")
    model = models.cnn_bn(data)
    labkit.fit(model, data, epochs=4, verbose=False)
    labkit.store.save(model, NAME, data=data, url=folder / "store")
    pictures = folder / "pictures"
    pictures.mkdir()
    if data.is_sample:
        from PIL import Image

        for number, picture in enumerate(data.x_train[:count]):
            Image.fromarray(picture).save(pictures / f"{number:05}.jpg")
        return
    found = pictures_below(Path(data.source.where))
    random.Random(0).shuffle(found)
    room = ROOM
    for number, path in enumerate(found[:count]):
        room -= path.stat().st_size
        if room < 0:
            break
        shutil.copy(path, pictures / f"{number:05}{path.suffix}")


def textbook(bootstrap: str, model: str, group: str, sink: str) -> None:
    """One message after the other, as introductions to Kafka have it."""
    import keras
    import numpy as np
    from confluent_kafka import Consumer, Producer
    from PIL import Image, ImageOps

    model = keras.models.load_model(model)
    model.predict(np.zeros((1, SIDE, SIDE, 3)), verbose=0)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})

    def assigned(consumer, partitions):
        at = datetime.now().astimezone().isoformat()
        print(json.dumps({"message": "partitions", "timestamp": at}), file=sys.stderr, flush=True)

    consumer.subscribe(["pictures"], on_assign=assigned)
    while True:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        picture = Image.open(io.BytesIO(message.value())).convert("RGB")
        example = np.asarray(ImageOps.fit(picture, (SIDE, SIDE)))
        said = model.predict(example[None], verbose=0)[0]
        answer = {"class": ("cats", "dogs")[int(said.argmax())], "probability": float(said.max())}
        producer.produce(sink, json.dumps(answer).encode(), message.key())
        producer.flush()
        consumer.commit(message, asynchronous=False)


class Answers(threading.Thread):
    """Reads a topic as it grows; ``by_id`` has the time of reading and the message."""

    def __init__(self, kafka, topic: str):
        super().__init__(daemon=True)
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        from labkit.stream.connection import PARTITIONS

        kafka.make_topics(topic)
        self.by_id, self.count, self.changed = {}, 0, threading.Condition()
        self.consumer, self.ended = kafka.consumer(None), False
        self.consumer.assign(
            [TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(PARTITIONS)]
        )
        self.start()

    def run(self):
        while not self.ended:
            message = self.consumer.poll(0.2)
            if message is not None and not message.error():
                with self.changed:
                    self.by_id.setdefault(message.key().decode(), (time.time(), message))
                    self.count += 1
                    self.changed.notify_all()
        self.consumer.close()

    def wait(self, enough, process) -> None:
        """Until ``enough()``, as long as the process that answers lives."""
        end = time.monotonic() + 300
        with self.changed:
            while not enough():
                self.changed.wait(1)
                if process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"Only {self.count} answers came.")

    def stop(self):
        self.ended = True
        self.join()


@contextlib.contextmanager
def running(command, log: Path):
    """A process, ended with SIGTERM."""
    with log.open("wb") as out:
        process = subprocess.Popen([str(w) for w in command], stdout=out, stderr=subprocess.STDOUT)
    try:
        yield process
    except SystemExit:
        print(log.read_text()[-3000:], file=sys.stderr)
        raise
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def peak(process) -> float:
    """The most memory that it has held, in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def ours(kafka, store, group, sink, source="pictures"):
    call = [sys.executable, "-m", "labkit", "stream", "classify", NAME, "--store", store]
    where = ["--bootstrap", kafka.bootstrap, "--source", source, "--sink", sink, "--group", group]
    return [*call, *where]


def theirs(kafka, store, group, sink):
    (model,) = (store / NAME).rglob("model.keras")
    return [sys.executable, __file__, "--textbook", kafka.bootstrap, model, group, sink]


def rate(kafka, command, sink, count, log) -> tuple[float, float, dict[str, str]]:
    """Pictures per second of a consumer, its memory, and what it says of each picture."""
    answers = Answers(kafka, sink)
    with running(command, log) as process:
        answers.wait(lambda: answers.count >= count, process)
        memory = peak(process)
    answers.stop()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    given = next(line["timestamp"] for line in lines if line["message"] == "partitions")
    began = datetime.fromisoformat(given).timestamp()
    if answers.count != len(answers.by_id):
        sys.exit(f"{answers.count} answers for {len(answers.by_id)} pictures")
    written = sorted(message.timestamp()[1] / 1000 for _, message in answers.by_id.values())
    classes = {i: json.loads(m.value())["class"] for i, (_, m) in answers.by_id.items()}
    return len(written) / (written[-1] - began), memory, classes


def one_by_one(kafka, store, pictures, group, log) -> dict[str, float]:
    """What it takes from sending a photo alone to reading its answer, by column."""
    from labkit import stream

    source, sink = f"{group}-photos", f"{group}-answers"
    answers = Answers(kafka, sink)
    (first,) = stream.send(pictures[0], source, connection=kafka)
    started = time.time()
    with running(ours(kafka, store, group, sink, source), log) as process:
        answers.wait(lambda: first.id in answers.by_id, process)
        rows, moments = [], random.Random(0)
        for picture in pictures[1:]:
            time.sleep(moments.uniform(0.05, 0.25))
            called = time.time()
            (receipt,) = stream.send(picture, source, connection=kafka)
            returned = time.time()
            answers.wait(lambda key=receipt.id: key in answers.by_id, process)
            read, message = answers.by_id[receipt.id]
            said = json.loads(message.value())
            sent, made = (
                datetime.fromisoformat(said[key]).timestamp() for key in ("sent-at", "answered-at")
            )
            rows.append((read - sent, made - sent, read - made, returned - called, sent - called))
        memory = peak(process)
    answers.stop()
    whole, *parts = ([1000 * seconds for seconds in column] for column in zip(*rows, strict=True))
    return {
        "p50 ms": statistics.median(whole),
        "p95 ms": sorted(whole)[int(0.95 * len(whole))],
        **dict(
            zip(("answer", "read", "send", "before"), map(statistics.median, parts), strict=True)
        ),
        "first s": answers.by_id[first.id][0] - started,
        "peak MB": memory,
    }


@contextlib.contextmanager
def brokers(folder: Path):
    """Name: connection, of each broker that can be had here."""
    from labkit import stream

    log = folder / "broker.log"
    with (
        running([sys.executable, "-u", "-m", "labkit", "stream", "broker"], log) as process,
        contextlib.ExitStack() as stack,
    ):
        while "LABKIT_KAFKA_BOOTSTRAP=" not in log.read_text():
            if process.poll() is not None:
                sys.exit(f"The embedded broker does not start:\n{log.read_text()}")
            time.sleep(0.05)
        address = log.read_text().partition("LABKIT_KAFKA_BOOTSTRAP=")[2].split()[0]
        there = {"embedded": stream.connect(address)}
        programs = all(map(shutil.which, ("java", "mvn", "openssl")))
        if programs and list(ROOT.glob("build/kafka-*")):
            sys.path.insert(0, str(ROOT))
            from tests.services.kafka import VERSION, Kafka

            (folder / "kafka").mkdir()
            kafka = Kafka(folder / "kafka")
            stack.callback(kafka.stop)
            kafka.start()
            there[f"Kafka {VERSION}"] = stream.connect(kafka.bootstrap)
        else:
            print(
                "The embedded broker alone: make test-services has not brought Apache Kafka here."
            )
        yield there


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="the medians count")
    parser.add_argument("--pictures", type=int, default=1000, help="in the topic")
    parser.add_argument("--slow", type=int, default=200, help="that the textbook's loop answers")
    parser.add_argument("--photos", type=int, default=100, help="sent one by one")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--textbook", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        return prepare(options.prepare, options.pictures)
    if options.textbook:
        return textbook(*options.textbook)
    # What is configured for other programs is not what is measured.
    for name in [name for name in os.environ if name.startswith("LABKIT_KAFKA_")]:
        del os.environ[name]
    os.environ |= {"LABKIT_HEADLESS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        call = [sys.executable, __file__, "--prepare", name, "--pictures", str(options.pictures)]
        subprocess.run(call, check=True)
        pictures, store = sorted((folder / "pictures").iterdir()), folder / "store"
        with brokers(folder) as there:
            compare(there, pictures, store, folder / "log", options)


def compare(there, pictures, store, log, options):
    """Measure everything, and print it."""
    from labkit import stream

    rates, photos = {}, {}
    sides = {
        "labkit": (ours, len(pictures)),
        "textbook": (theirs, min(options.slow, len(pictures))),
    }
    for name, kafka in there.items():
        stream.send(pictures, "pictures", connection=kafka)
        for number in range(options.rounds):
            said = {}
            for side, (command, count) in sides.items():
                group, sink = f"{side}-{number}", f"{side}-{number}-answers"
                call = command(kafka, store, group, sink)
                speed, memory, said[side] = rate(kafka, call, sink, count, log)
                rates.setdefault((name, side), []).append((speed, memory))
                print(f"round {number}  {name:12} {side:9} {speed:8.1f} pictures/s", flush=True)
            same = statistics.mean(said["labkit"][i] == was for i, was in said["textbook"].items())
            if same < AGREE:
                sys.exit(f"The two agree on {same:.0%} of the pictures only.")
            some = pictures[: options.photos + 1]
            row = one_by_one(kafka, store, some, f"photos-{number}", log)
            photos.setdefault(name, []).append(row)
            print(f"round {number}  {name:12} photo     {row['p50 ms']:8.1f} ms", flush=True)
    size = statistics.mean(path.stat().st_size for path in pictures) / 1000
    print(f"\n{len(pictures)} pictures of {size:.1f} KB, medians of {options.rounds} rounds")
    print(f"{'broker':12} {'consumer':9} {'pictures/s':>10} {'peak MB':>8}")
    for (name, side), rows in rates.items():
        speed, memory = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{name:12} {side:9} {speed:10.1f} {memory:8.0f}")
    print(f"\n{len(some) - 1} photos one by one, medians of {options.rounds} rounds")
    print(f"{'broker':12} " + " ".join(f"{head:>8}" for head in row))
    for name, rows in photos.items():
        middles = (statistics.median(row[head] for row in rows) for head in rows[0])
        print(f"{name:12} " + " ".join(f"{middle:8.1f}" for middle in middles))
    print()
    for name in there:
        pairs = zip(rates[name, "labkit"], rates[name, "textbook"], strict=True)
        times = statistics.median(mine[0] / textbooks[0] for mine, textbooks in pairs)
        print(f"labkit answers {times:.1f} times the pictures of the textbook's loop ({name})")


if __name__ == "__main__":
    main()
