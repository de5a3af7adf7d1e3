"""Pictures into a topic."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from labkit.data.bucket import bar
from labkit.data.files import picture_bytes, printable
from labkit.data.folder import pictures_below
from labkit.errors import StreamError
from labkit.stream.connection import Connection, connect
from labkit.stream.message import Broken, pack


@dataclass(frozen=True)
class Receipt:
    """Where Kafka has put a picture."""

    id: str
    topic: str
    partition: int
    offset: int


def send(
    paths: str | os.PathLike | Iterable[str | os.PathLike],
    topic: str = "pictures",
    *,
    connection: Connection | None = None,
    label: str | Callable[[Path], str] | None = None,
    store: str | Path | None = None,
) -> list[Receipt]:
    """Send pictures to a topic, each as it is in its file.

    The same picture has the same id wherever it is sent: that of its bytes. Over 1 MB it goes to
    the store, and its message says where. Kafka keeps what it has acknowledged; sending again
    after an error makes second messages of the same ids.

    Args:
        paths: files, or folders whose pictures are taken with those in the folders below.
        topic: is made when it is missing.
        connection: from :func:`~labkit.stream.connect`; ``None``: what that returns.
        label: the class of all of them, or what tells it from a path, such as
            ``lambda path: path.parent.name``; for pictures to train with.
        store: where large ones go; ``None``: the setting LABKIT_STORE.

    Returns:
        For each, in order, its id and where it is.

    Raises:
        StreamError: one is no picture (then none was sent), or Kafka did not take all.

    Example:
        >>> stream.send("my_cat.jpg")
        [Receipt(id='…', topic='pictures', partition=2, offset=0)]
    """
    from confluent_kafka import KafkaException

    connection = connection or connect()
    files = _files(paths)
    connection.make_topics(topic)
    # Looked at before the first is sent. They are read twice: all of them may be too many to hold.
    sizes = [len(_packed(path, topic, label, store).value) for path in _shown(files, "Looking at")]
    connection.check_room(topic, sizes)
    before = connection.ends(topic) if connection.embedded else {}
    producer, receipts, failed = connection.sender, {}, []
    try:
        for number, path in enumerate(_shown(files, "Sending")):
            message = _packed(path, topic, label, store)

            def heard(error, delivered, number=number, key=message.key):
                if error:
                    failed.append(error)
                else:
                    place = (delivered.topic(), delivered.partition(), delivered.offset())
                    receipts[number] = Receipt(key.decode(), *place)

            while True:
                try:
                    producer.produce(
                        *(topic, message.value, message.key),
                        headers=message.headers,
                        on_delivery=heard,
                    )
                    break
                except BufferError:  # as many wait as may: let some of them go out
                    producer.poll(0.2)
            producer.poll(0)
        producer.flush(90)
    except (KafkaException, SystemError) as error:
        # It has given up for good. When that is told while it calls `heard`, Python wraps it.
        cause = error.__cause__ if isinstance(error, SystemError) else error
        if not isinstance(cause, KafkaException):
            raise
        failed.insert(0, cause.args[0])
        connection.renew_sender()
    if len(receipts) < len(files):
        why = failed[0].str() if failed else "no answer in 90 s"
        missing = [str(files[i]) for i in range(len(files)) if i not in receipts]
        raise StreamError(
            f"Kafka acknowledged {len(receipts)} of {len(files)} pictures ({why}). Send these "
            f"again when it runs and you may: {', '.join(map(printable, missing))}."
        )
    _note_dropped(connection, topic, before)
    return [receipts[number] for number in range(len(files))]


def _files(paths):
    given = [paths] if isinstance(paths, str | os.PathLike) else [*paths]
    files = []
    for path in map(Path, given):
        files += pictures_below(path) if path.is_dir() else [path]
    if not files:
        raise StreamError(
            f"There is no picture in {', '.join(map(str, given)) or 'what you gave'}. Give the "
            "path of a JPEG, PNG, GIF, BMP or WebP file, or a folder with some."
        )
    return files


def _packed(path, topic, label, store):
    try:
        raw = picture_bytes(path)
        named = label(path) if callable(label) else label
        return pack(raw, topic, name=path.name, label=named, store=store)
    except (Broken, ValueError) as error:
        then = "Check the path, or take it out"
        if isinstance(error, Broken):
            is_label = error.reason == "label"
            then = "Choose another" if is_label else "Take it out, or save it as JPEG or PNG"
        raise StreamError(
            f"{printable(str(path))} was not sent, and nothing else: {error}. {then}."
        ) from error


def _shown(files, what):
    with bar(what, total=len(files), unit=" pictures") as shown:
        for path in files:
            yield path
            shown.update()


def _note_dropped(connection, topic, before):
    """Say so when the embedded broker has made room."""
    dropped = sum(
        low - before.get(number, (0, 0))[0]
        for number, (low, _) in (connection.ends(topic) if connection.embedded else {}).items()
    )
    if dropped > 0:
        print(
            f"Note: the embedded broker has dropped the {dropped} oldest messages of {topic}: it "
            "keeps 5 MiB a partition. If nobody has read them, send them again."
        )
