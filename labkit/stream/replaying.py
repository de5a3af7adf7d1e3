"""Dead letters back to where they came from."""

from labkit.stream import loop
from labkit.stream.connection import Connection, connect
from labkit.stream.message import Outgoing, raw_headers


def replay(
    source: str = "pictures",
    *,
    connection: Connection | None = None,
    group: str = "classify",
    patience: float = 120,
) -> loop.Tally:
    """Put a topic's dead letters back, once what was wrong is mended.

    Each is sent again as it had come, in one transaction with the note that it was. Those that
    arrive meanwhile are left for the next time, and those that another replay of the same group
    has taken are left to it.

    Args:
        source: the topic that the messages came from.
        connection: from :func:`~labkit.stream.connect`; ``None``: what that returns.
        group: the consumer group that could not use them.
        patience: seconds that Kafka may be away before this gives up.

    Raises:
        StreamError: Kafka is away for longer, or does not allow this.

    Example:
        >>> stream.replay("pictures")
        3 read, 3 done, 0 dead letters
    """
    connection = connection or connect()
    dead = loop.dead_letters(source, group)
    connection.make_topics(source, dead)
    ends = connection.ends(dead)
    if not any(low < end for low, end in ends.values()):
        print(f"{dead} is empty. For what was collected: group='collect' (--group collect).")

    def handle(messages):
        return [_as_it_came(message, source) for message in messages], []

    return loop.run(
        connection,
        dead,
        f"{group}-replay",
        handle,
        batch=64,
        until={number: end for number, (_, end) in ends.items()},
        patience=patience,
    )


def _as_it_came(message, source):
    headers = [pair for pair in raw_headers(message) if not pair[0].startswith(loop.PREFIX)]
    return Outgoing(source, message.key(), message.value(), headers)
