"""What is in a topic, without taking part in its work."""

import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from labkit.errors import StreamError
from labkit.stream.connection import Connection, connect, plainly
from labkit.stream.message import headers_of

_LATEST = 253_402_300_799  # the end of the year 9999
_SECONDS = 30  # in which a topic has to be read
_MOST = 100_000


@dataclass(frozen=True)
class Record:
    """A message, and where it is."""

    topic: str
    partition: int
    offset: int
    at: str
    """When it was sent, in UTC, as ISO 8601 writes it."""
    key: str
    headers: dict[str, str]
    value: bytes

    def json(self) -> dict:
        """The value of an answer.

        Raises:
            StreamError: it is no JSON.
        """
        try:
            return json.loads(self.value)
        except (ValueError, RecursionError) as error:
            raise StreamError(
                f"The message {self.offset} of {self.topic}, partition {self.partition}, is no "
                "JSON. Read a topic of answers."
            ) from error

    def __repr__(self):
        where = f"{self.topic}[{self.partition}] at {self.offset}"
        return f"Record({where}, key {self.key!r}, {len(self.value):,} bytes)"


def read(topic: str, *, connection: Connection | None = None, last: int = 100) -> list[Record]:
    """The newest messages of a topic, by time; nobody else's work is touched.

    Args:
        topic: see there.
        connection: from :func:`~labkit.stream.connect`; ``None``: what that returns.
        last: how many, 1 to 100,000.

    Raises:
        StreamError: the topic cannot be read.

    Example:
        >>> [record.json()["class"] for record in stream.read("answers")]
        ['cat', 'dog', 'dog']
    """
    if not 1 <= last <= _MOST:
        raise StreamError(f"last is {last}; give a number of messages from 1 to {_MOST:,}.")
    connection = connection or connect()
    ends = {number: at for number, at in connection.ends(topic).items() if at[0] < at[1]}
    # An empty end is told at once, and not when something might have come.
    consumer = connection.consumer(None, enable_partition_eof=True, fetch_wait_max_ms=10)
    found, reach, deadline = [], last, time.monotonic() + _SECONDS
    try:
        with plainly(f"{connection!r} does not let {topic} be read"):
            # The ends of transactions take up offsets of their own: often one for each message.
            while ends:
                starts = {n: max(low, end - reach) for n, (low, end) in ends.items()}
                found, counts = _read_from(consumer, topic, starts, last, deadline)
                if all(counts[n] >= last or starts[n] == ends[n][0] for n in ends):
                    break
                reach *= 4
    finally:
        consumer.close()
    return [record_of(message) for message in found]


def _read_from(consumer, topic, starts, last, deadline):
    """The newest messages from these offsets on, and how many each partition has there."""
    from confluent_kafka import TopicPartition

    consumer.assign([TopicPartition(topic, number, start) for number, start in starts.items()])
    found, counts, waiting = [], Counter(), set(starts)
    while waiting:
        for message in consumer.consume(last, 0.05):
            if message.error() is None:
                found.append(message)
                counts[message.partition()] += 1
            elif message.error().name() == "_PARTITION_EOF":
                waiting.discard(message.partition())
        found = sorted(found, key=_by_time)[-last:]
        if time.monotonic() > deadline:
            raise StreamError(
                f"Kafka did not give all of {topic} within {_SECONDS} s. Ask for fewer: last=10."
            )
    return found, counts


def record_of(message) -> Record:
    """A message of confluent-kafka's, as we show it."""
    # Whoever sends chooses the time: any number.
    at = datetime.fromtimestamp(min(max(message.timestamp()[1] / 1000, 0), _LATEST), UTC)
    return Record(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        key=(message.key() or b"").decode(errors="replace"),
        headers=headers_of(message),
        value=message.value() or b"",
    )


def _by_time(message):
    return message.timestamp()[1], message.partition(), message.offset()
