"""Pictures from a topic, answers into another."""

import contextlib
import json
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from labkit import machine
from labkit import store as models
from labkit.data.files import quiet_pillow
from labkit.errors import StreamError
from labkit.serve.photo import prepare
from labkit.serve.predictor import Predictor
from labkit.stream import loop
from labkit.stream.connection import Connection, connect
from labkit.stream.measures import Measures
from labkit.stream.message import (
    MOST_PIXELS,
    SCHEMA,
    Broken,
    Outgoing,
    Picture,
    now,
    seconds_since,
    unpack,
)

_MANY_PIXELS = 4_000_000  # of a picture that is unpacked while others are
_ALONE = threading.Lock()  # unpacked, one picture may take half a gigabyte


def classify(
    model,
    source: str = "pictures",
    sink: str = "answers",
    *,
    data=None,
    connection: Connection | None = None,
    group: str = "classify",
    batch: int = 64,
    idle: float | None = None,
    patience: float = 120,
    store: str | Path | None = None,
    stop: threading.Event | None = None,
    measures: Measures | None = None,
) -> loop.Tally:
    """Tell the class of each picture of a topic, until Ctrl-C.

    The answers of a batch and the note on how far the group has got are one transaction: who
    reads committed answers sees one for each message, whoever is killed. (The embedded broker
    does not undo: there a batch may be answered twice after a kill.) A message that is no
    picture goes to the topic ``<source>.<group>.dead-letters`` with its reason.

    Consumers of the same group share the work; as many can as the topic has partitions.

    Args:
        model: a model in the store, such as "cats-and-dogs" or "cats-and-dogs/3"; or a Keras
            model, together with ``data``.
        source: the topic of pictures.
        sink: the topic of answers.
        data: what a Keras model was trained on, for its class names.
        connection: from :func:`~labkit.stream.connect`; ``None``: what that returns.
        group: the consumer group.
        batch: pictures that the model looks at in one go, at most.
        idle: end after so many seconds without a picture; ``None``: go on.
        patience: seconds that Kafka may be away before this gives up.
        store: where the model and large pictures are; ``None``: the setting LABKIT_STORE.
        stop: when it is set, the batch in work is finished, and this returns.
        measures: what Prometheus is told.

    Returns:
        How many were read and answered, and how many went to the dead letters.

    Raises:
        StreamError: Kafka is away for longer, or does not allow this; or the model does not
            tell classes of pictures.
        ServeError: the model cannot be loaded.
        StoreError: there is no such model, or the store does not answer.

    Example:
        >>> stream.classify("cats-and-dogs", idle=2)
        12 read, 11 done, 1 dead letters (1 picture)
    """
    if source == sink:
        raise StreamError(
            f"Pictures and answers are both {source}. Choose another topic for the answers: sink "
            "(--sink)."
        )
    connection = connection or connect()
    predictor = _predictor(model, data, store)
    measures = measures or Measures()
    connection.make_topics(source, sink, loop.dead_letters(source, group))
    with ThreadPoolExecutor(machine.cores(), "labkit-decode") as pool:

        def handle(messages):
            return answers(messages, predictor, sink, store=store, pool=pool, measures=measures)

        return loop.run(
            connection,
            source,
            group,
            handle,
            batch=batch,
            idle=idle,
            patience=patience,
            stop=stop,
            measures=measures,
        )


def answers(
    messages: list,
    predictor: Predictor,
    sink: str,
    *,
    store: str | Path | None,
    pool: ThreadPoolExecutor,
    measures: Measures,
) -> tuple[list[Outgoing], list[tuple[object, Broken]]]:
    """The answers to messages, and those that are no pictures."""

    def opened(message):
        try:
            picture = unpack(message, store=store)
            # A JPEG is unpacked no larger than needed.
            many = _MANY_PIXELS * (4 if picture.content_type == "image/jpeg" else 1)
            with _ALONE if picture.pixels > many else contextlib.nullcontext():
                example = prepare(picture.raw, predictor.shape, MOST_PIXELS)[0]
            # A batch of large files would be much to hold.
            return replace(picture, raw=b""), example
        except Broken as broken:  # with its trace it would hold what was unpacked
            return message, Broken(broken.reason, broken.detail)
        except ValueError as error:
            return message, Broken("picture", str(error))

    with quiet_pillow():
        found = list(pool.map(opened, messages))
    good = [
        (message, *pair)
        for message, pair in zip(messages, found, strict=True)
        if isinstance(pair[0], Picture)
    ]
    broken = [pair for pair in found if not isinstance(pair[0], Picture)]
    if not good:
        return [], broken
    examples = np.stack([example for _, _, example in good]).astype(predictor.dtype)
    shares = predictor.probabilities_of(predictor.run(examples))
    outgoing = []
    for (message, picture, _), row in zip(good, shares, strict=True):
        if not np.isfinite(row).all():
            broken.append((message, Broken("model", "the model gives no finite numbers for it")))
            continue
        outgoing.append(_answer(message, picture, row, predictor.version, sink))
        seconds = seconds_since(picture.sent_at)
        if seconds is not None:
            measures.latency.labels(message.topic()).observe(max(seconds, 0))
    return outgoing, broken


def _answer(message, picture, row, version, sink):
    names = [str(name) for name in version.class_names]
    best = int(row.argmax())
    value = {
        "id": picture.id,
        "class": names[best],
        "probability": round(float(row[best]), 6),
        "probabilities": {n: round(float(p), 6) for n, p in zip(names, row, strict=True)},
        "model": f"{version.name}/{version.number}",
        "name": picture.name,
        "source": [message.topic(), message.partition(), message.offset()],
        "sent-at": picture.sent_at,
        "answered-at": now(),
    }
    headers = {"labkit-schema": SCHEMA, "content-type": "application/json", "id": picture.id}
    encoded = [(key, text.encode()) for key, text in headers.items()]
    return Outgoing(sink, picture.id.encode(), json.dumps(value).encode(), encoded)


def _predictor(model, data, store) -> Predictor:
    if isinstance(model, str):
        predictor = Predictor(models.find(model, url=store))
    else:
        with tempfile.TemporaryDirectory(prefix="labkit-stream-") as folder:
            predictor = Predictor(models.save(model, "model", data=data, url=folder))
    if not predictor.takes_pictures:
        raise StreamError(
            f"{predictor.version.name} tells no classes of square pictures: it takes the shape "
            f"{predictor.shape} and knows the classes {predictor.version.class_names or 'none'}. "
            "Give a model of pictures; a Keras model together with its data, for the class names."
        )
    return predictor
