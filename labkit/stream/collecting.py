"""Pictures to train with: from a topic into folders."""

import threading
from collections.abc import Callable
from pathlib import Path

from labkit import settings
from labkit.data.bucket import connect as open_folder
from labkit.data.bucket import is_local, plainly
from labkit.data.download import write_atomically
from labkit.data.files import decode, quiet_pillow
from labkit.errors import StreamError
from labkit.stream import loop
from labkit.stream.connection import Connection, connect
from labkit.stream.measures import Measures
from labkit.stream.message import ENDINGS, MOST_PIXELS, Broken, Picture, check_label, unpack

_LOOKED_AT = 64  # pixels: a picture that can be made this small can be trained with


def collect(
    source: str = "training-pictures",
    target: str | Path = "data",
    *,
    connection: Connection | None = None,
    group: str = "collect",
    validation: float = 0.2,
    batch: int = 64,
    idle: float | None = None,
    patience: float = 120,
    store: str | Path | None = None,
    stop: threading.Event | None = None,
    measures: Measures | None = None,
) -> loop.Tally:
    """Put the pictures of a topic into folders to train from, until Ctrl-C.

    Each goes to ``training/<label>/<id>.jpg`` or ``validation/<label>/<id>.jpg`` below the
    target. Which of the two follows from its bytes, so that no picture is in both. An id that
    is there is not written again: collecting the same twice changes nothing. What has no label,
    an id that another picture of its part and label has, or is no picture, goes to the topic
    ``<source>.<group>.dead-letters``. A picture that comes again with another label is in the
    folders of both.

    Args:
        source: the topic.
        target: a folder, or an address such as "s3://bucket/prefix".
        connection: from :func:`~labkit.stream.connect`; ``None``: what that returns.
        group: the consumer group.
        validation: the share that is for validation, 0 to 1. Keep it the same for a folder:
            with another share a picture that comes again may get into both parts.
        batch: messages that are handled in one go, at most.
        idle: end after so many seconds without a message; ``None``: go on.
        patience: seconds that Kafka may be away before this gives up.
        store: where large pictures are; ``None``: the setting LABKIT_STORE.
        stop: when it is set, the batch in work is finished, and this returns.
        measures: what Prometheus is told.

    Returns:
        How many were read and put into folders, and how many went to the dead letters.

    Raises:
        StreamError: Kafka is away for longer, or the target cannot be written. What was not
            finished is read again the next time.
        StoreError: the store does not answer.

    Example:
        >>> stream.collect("training-pictures", "data", idle=2)
        40 read, 40 done, 0 dead letters
    """
    if not 0 <= validation <= 1:
        raise StreamError(f"validation is {validation}; give a share from 0 to 1, such as 0.2.")
    connection = connection or connect()
    write = writer(target)
    connection.make_topics(source, loop.dead_letters(source, group))

    def handle(messages):
        return [], keep(messages, write, validation=validation, store=store)

    with quiet_pillow():
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


def keep(
    messages: list,
    write: Callable[[str, bytes], None],
    *,
    validation: float,
    store: str | Path | None,
) -> list[tuple[object, Broken]]:
    """Write the pictures of messages; returns those that cannot be trained with, and why."""
    broken = []
    for message in messages:
        try:
            picture = _checked(unpack(message, store=store))
            share = int(picture.sha256[:8], 16) / 16**8
            part = "validation" if share < validation else "training"
            ending = ENDINGS[picture.content_type]
            write(f"{part}/{picture.label}/{picture.id}{ending}", picture.raw)
        except Broken as error:
            # Not the error itself: its stack trace holds the picture, unpacked.
            broken.append((message, Broken(error.reason, error.detail)))
    return broken


def writer(target: str | Path) -> Callable[[str, bytes], None]:
    """What writes bytes to a path below the target, unless they are there.

    Raises:
        StreamError: the target cannot be written.
        Broken: other bytes are there ("id").
    """
    target = str(target)
    with plainly(StreamError, f"{settings.shown(target)} cannot be opened", target, then=_THEN):
        fs, root = open_folder(target)

    def write(path, raw):
        whole = f"{root}/{path}"
        with plainly(
            StreamError, f"{settings.shown(target)} cannot be written", target, Broken, then=_THEN
        ):
            if fs.exists(whole):
                if fs.cat_file(whole) != raw:
                    raise Broken("id", "another picture of that label has its id")
                return
            if is_local(fs):
                write_atomically(Path(whole), lambda file: file.write(raw))
            else:  # an object is there whole or not at all
                fs.pipe_file(whole, raw)

    return write


def _checked(picture: Picture) -> Picture:
    if not picture.label:
        raise Broken("label", "it has no label")
    check_label(picture.label)
    try:
        decode(picture.raw, _LOOKED_AT, MOST_PIXELS)
    except ValueError as error:
        raise Broken("picture", str(error)) from error
    return picture


_THEN = "call the same again: what is there stays, and the rest is read again."
