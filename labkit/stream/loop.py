"""Read messages, do something with them, write others, and note how far it got: all or nothing.

What a batch writes and the offsets that it has read are one transaction (Kafka's KIP-98 and
KIP-447): readers of what was committed see both or neither, whoever is killed in between. The
embedded broker does not undo. There the offsets are committed once the messages were written,
so that after a kill a batch may be written twice, and nothing is lost.
"""

import contextlib
import functools
import logging
import queue
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from labkit import settings
from labkit.errors import StreamError
from labkit.stream.connection import MOST_BYTES, Connection
from labkit.stream.measures import Measures
from labkit.stream.message import Broken, Outgoing, now, raw_headers

PREFIX = "dead-letter-"
"""Of the headers that a dead letter has besides its own."""
_TRANSACTION = 15  # seconds until the broker gives up a transaction of someone who was killed
_CLASSIC = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 1000}
_SETTLED = 30  # seconds after which what is there to be read has come
_TELL = 3  # seconds after which a learner is told what is waited for
_JOIN = 60  # seconds in which a group gives out its partitions, whoever was killed
_log = logging.getLogger("labkit.stream")
_log.addHandler(logging.NullHandler())  # a notebook shows the tally


@dataclass
class Tally:
    """What was done."""

    read: int = 0
    done: int = 0
    """Answered, collected or put back."""
    dead_letters: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Of the dead letters."""

    def add(self, other: "Tally") -> None:
        """Count another one in."""
        self.read += other.read
        self.done += other.done
        self.dead_letters += other.dead_letters
        for reason, count in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count

    def __repr__(self):
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(self.reasons.items()))
        dead = f"{self.dead_letters} dead letters" + (f" ({why})" if why else "")
        return f"{self.read} read, {self.done} done, {dead}"


def dead_letters(topic: str, group: str) -> str:
    """The topic for what a group of consumers could not use."""
    return f"{topic}.{group}.dead-letters"


def dead_letter(message, broken: Broken, group: str) -> Outgoing:
    """A message that is no picture, as it came, and why."""
    why = {
        "reason": broken.reason,
        "detail": broken.detail,
        "topic": message.topic(),
        "partition": str(message.partition()),
        "offset": str(message.offset()),
        "at": now(),
    }
    added = [(f"{PREFIX}{key}", text.encode()) for key, text in why.items()]
    return Outgoing(
        dead_letters(message.topic(), group),
        message.key(),
        message.value(),
        [*raw_headers(message), *added],
    )


def run(
    connection: Connection,
    source: str,
    group: str,
    handle: Callable[[list], tuple[list[Outgoing], list[tuple[object, Broken]]]],
    *,
    batch: int,
    idle: float | None = None,
    until: dict[int, int] | None = None,
    patience: float = 120,
    stop: threading.Event | None = None,
    measures: Measures | None = None,
) -> Tally:
    """Hand a topic's messages to ``handle``, batch by batch, and write what it returns.

    Args:
        connection: see there.
        source: the topic.
        group: consumers of the same group share its partitions.
        handle: takes messages, returns what is to be written, and what was broken and why.
        batch: messages that are handled in one go, at most.
        idle: end after so many seconds without a message; ``None``: go on.
        until: by partition the offset that is not read any more; end when all before are done.
        patience: seconds in which a broker that went away has to come back.
        stop: ends it after the batch that is being worked on.
        measures: what Prometheus is told.

    Returns:
        What was done. Ctrl-C in a notebook ends it as well, and undoes the batch it interrupts
        (one that was just being committed may count all the same; and the embedded broker undoes
        nothing).

    Raises:
        StreamError: Kafka is away for longer, or does not allow this.
    """
    measures = measures or Measures()
    worker = _Worker(connection, source, group, handle, batch, measures, patience, until, stop)
    tally, quiet_since = Tally(), time.monotonic()
    try:
        while not (stop and stop.is_set()):
            done = worker.step()
            if done:
                tally.add(done)
                quiet_since = time.monotonic()
            elif worker.is_joining() or worker.is_away():
                quiet_since = time.monotonic()
            if until is not None and worker.has_joined and worker.has_reached_all():
                break
            if idle is not None and time.monotonic() - quiet_since >= idle:
                break
    except KeyboardInterrupt:
        print("Stopped. What was not finished is read again the next time.")
    finally:
        worker.close()
    return tally


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set; a second one of them ends at once."""
    stop = threading.Event()
    before = {}

    def hear(number, frame):
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, hear)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_time(call, seconds):
    """What ``call`` returns, or an error of Kafka's when it does not.

    librdkafka does not keep the timeout of sending offsets: when the group's coordinator is
    started again, it may wait for ever (its issues 5456 and 5511).
    """
    from confluent_kafka import KafkaError, KafkaException

    answer = queue.SimpleQueue()

    def work():
        try:
            answer.put((call(), None))
        except Exception as error:
            answer.put((None, error))

    threading.Thread(target=work, name="labkit-offsets", daemon=True).start()
    try:
        result, error = answer.get(timeout=seconds)
    except queue.Empty:
        error = KafkaException(KafkaError(KafkaError._TIMED_OUT, "the coordinator is silent"))
    if error:
        raise error
    return result


class _Worker:
    """A consumer and a producer that go together, made anew when Kafka has given them up."""

    def __init__(self, connection, source, group, handle, batch, measures, patience, until, stop):
        self.connection, self.source, self.group = connection, source, group
        self.handle, self.batch, self.measures = handle, batch, measures
        self.patience, self.until, self.stop = patience, until, stop
        self._reached, self._gone, self._noted = {}, set(), {}
        self.has_joined = False
        self._id = f"labkit-{group}-{uuid.uuid4().hex[:12]}"
        self._classic = settings.read().kafka_protocol == "classic"
        self._consumer = self._producer = self._membership = None
        self._away_since = self._failing_since = self._told_at = None
        self._began = time.monotonic()

    def step(self) -> Tally | None:
        """Handle one batch; ``None`` when there was none."""
        from confluent_kafka import KafkaException

        try:
            if self._consumer is None:
                self._open()
            messages = self._messages()
            if not messages:
                return self._wait()
            began = time.perf_counter()
            tally = None
            with self._undoing():
                tally = self._finish(messages)
            if tally is None:
                return None
            self._away_since = self._failing_since = None
            self.measures.batch.labels(self.source).observe(time.perf_counter() - began)
            self._measure_lag()
            return tally
        except KafkaException as error:
            self._recover(error.args[0])
            return None

    def is_joining(self):
        """Whether the group has yet to tell which partitions are this one's."""
        return not self.has_joined and time.monotonic() - self._began < _JOIN

    def is_away(self):
        """Whether Kafka does not answer."""
        return self._away_since is not None

    def has_reached_all(self):
        """Whether the partitions that are this one's have got to where it is to end."""
        mine = self._consumer.assignment() if self._consumer else []
        return all(self._reached.get(at.partition, 0) >= self.until[at.partition] for at in mine)

    def close(self):
        """Leave the group; what is not committed is undone."""
        if self._producer is not None and not self.connection.embedded:
            with contextlib.suppress(Exception):  # most of the time there is nothing to undo
                self._producer.abort_transaction(2)
        if self._consumer is not None:
            with contextlib.suppress(Exception):
                self._consumer.close()
        # Its end lets go of what waits to be sent.
        self._consumer = self._producer = None
        self._reached, self._noted, self.has_joined = {}, {}, False

    def _open(self):
        self._began = time.monotonic()
        options = _CLASSIC if self._classic else {}
        protocol = "classic" if self._classic else "consumer"
        self._consumer = self.connection.consumer(
            self.group,
            group_protocol=protocol,
            error_cb=self._hear,
            enable_partition_eof=self.until is not None,
            **options,
        )
        self._consumer.subscribe(
            [self.source], on_assign=self._joined, on_revoke=self._left, on_lost=self._left
        )
        if self.connection.embedded:
            self._producer = self.connection.producer()
            return
        self._producer = self.connection.producer(
            transactional_id=self._id,
            transaction_timeout_ms=1000 * _TRANSACTION,
            message_timeout_ms=1000 * _TRANSACTION,
        )
        self._patiently(lambda: self._producer.init_transactions(10))

    def _messages(self):
        from confluent_kafka import KafkaException

        # As which member of the group they are read. If that has ended before they are handled,
        # others have them, and Kafka refuses the offsets; a newer membership would be let pass.
        self._membership = self._consumer.consumer_group_metadata()
        first = self._consumer.poll(0.2)
        if first is None:
            return []
        self._gone = set()
        # What is here already; a photo that comes alone does not wait for others.
        rest = self._consumer.consume(self.batch - 1, 0.002) if self.batch > 1 else []
        messages = []
        for message in rest if first.partition() in self._gone else [first, *rest]:
            if message.error() and message.error().name() != "_PARTITION_EOF":
                self._judge(message.error())
                if message.error().name() == "_FATAL":  # this consumer does nothing any more
                    raise KafkaException(message.error())
                continue
            at, ended = message.partition(), message.error() is not None
            if self.until is not None:
                self._reached[at] = self.until[at] if ended else message.offset() + 1
                ended = ended or message.offset() >= self.until[at]
            if not ended:
                messages.append(message)
        return messages

    def _finish(self, messages):
        """Handle messages and write the outcome, as one."""
        from confluent_kafka import TopicPartition

        outgoing, broken = self.handle(messages)
        dead = [dead_letter(message, why, self.group) for message, why in broken]
        reached = {message.partition(): message.offset() + 1 for message in messages}
        offsets = [TopicPartition(self.source, *at) for at in reached.items()]
        failed = []
        if self.connection.embedded:
            self._write([*outgoing, *dead], failed)
            left = self._producer.flush(30)
            if left or failed:
                raise StreamError(
                    f"The embedded broker did not take {left + len(failed)} answers. The pictures "
                    "are read again: call the same again."
                )
            self._consumer.commit(offsets=offsets, asynchronous=False)
        else:
            self._producer.begin_transaction()
            self._write([*outgoing, *dead], failed)
            as_member = (offsets, self._membership)
            send = functools.partial(self._producer.send_offsets_to_transaction, *as_member, 10)
            self._patiently(lambda: _in_time(send, 12))
            self._patiently(lambda: self._producer.commit_transaction(10))
        tally = Tally(len(messages), len(messages) - len(dead), len(dead))
        for message, why in broken:
            tally.reasons[why.reason] = tally.reasons.get(why.reason, 0) + 1
            self.measures.dead_letters.labels(self.source, why.reason).inc()
            extra = {"reason": why.reason, "why": why.detail, "topic": message.topic()}
            extra |= {"partition": message.partition(), "offset": message.offset()}
            _log.warning("dead letter", extra=extra)
        self.measures.pictures.labels(self.source).inc(len(messages))
        return tally

    def _write(self, outgoing, failed):
        def hear(error, message):
            if error:
                failed.append(error)

        hear = hear if self.connection.embedded else None  # a transaction's commit tells it
        for one in outgoing:
            while True:
                try:
                    self._producer.produce(
                        one.topic, one.value, one.key, headers=one.headers, on_delivery=hear
                    )
                    break
                except BufferError:  # more than may wait: let some of it go out
                    self._producer.poll(0.1)
        self._producer.poll(0)

    @contextlib.contextmanager
    def _undoing(self):
        """A block whose transaction is taken back when it fails."""
        from confluent_kafka import KafkaException

        try:
            yield
        except KafkaException as error:
            if self.connection.embedded or not error.args[0].txn_requires_abort():
                raise
            self._count(error.args[0])
            self._patiently(lambda: self._producer.abort_transaction(10))
            self._rewind()
            _log.info("undone", extra={"why": error.args[0].str()})

    def _rewind(self):
        """Read again from where the group has got to."""
        from confluent_kafka import OFFSET_BEGINNING, KafkaException

        self._reached = {}
        mine = self._consumer.assignment()
        if not mine:
            return
        for at in self._consumer.committed(mine, 10):
            if at.error:
                raise KafkaException(at.error)
            at.offset = at.offset if at.offset >= 0 else OFFSET_BEGINNING
            self._consumer.seek(at)

    def _patiently(self, call):
        """What ``call`` returns, tried again where Kafka says that this may help."""
        from confluent_kafka import KafkaException

        end = time.monotonic() + self.patience
        while True:
            try:
                return call()
            except KafkaException as error:
                cause = error.args[0]
                late = time.monotonic() > end or (self.stop and self.stop.is_set())
                if not cause.retriable() or cause.fatal() or late:
                    raise
            time.sleep(0.1)

    def _recover(self, error):
        """Make consumer and producer anew, unless that cannot help."""
        self._count(error)
        _log.info("connecting again", extra={"why": error.str()})
        self.close()
        time.sleep(0.5)

    def _count(self, error):
        """Give up what does not go away, at once or when patience is at its end."""
        self._judge(error)
        self._failing_since = self._failing_since or time.monotonic()
        if time.monotonic() - self._failing_since > self.patience:
            raise StreamError(
                f"{self.connection!r} has not let this be done for {self.patience:.0f} s "
                f"({error.str()}). Nothing is lost: call the same again when Kafka runs."
            )

    def _judge(self, error):
        """An error that does not go away by waiting, in plain words."""
        name = error.name()
        if name == "_FATAL" and "not supported" in error.str() and not self._classic:
            self._classic = True  # the broker is older, or has the new protocol off
        elif "AUTHORIZATION_FAILED" in name or name == "_AUTHENTICATION":
            raise StreamError(
                f"{self.connection!r} does not allow this ({error.str()}). Ask whoever runs it for "
                f"the right to read {self.source} as the group {self.group}, to write, and to use "
                "transactions."
            )
        elif name == "MSG_SIZE_TOO_LARGE":
            raise StreamError(
                f"A message does not fit into its topic ({error.str()}). Ask whoever runs Kafka to "
                f"set max.message.bytes of {dead_letters(self.source, self.group)} to "
                f"{MOST_BYTES}; then call the same again."
            )
        elif name == "_INVALID_ARG":
            raise StreamError(
                f"librdkafka does not take these settings ({error.str()}). Mend them, or update "
                "confluent-kafka."
            )
        elif name == "UNKNOWN_TOPIC_OR_PART":
            _log.info("no such topic yet", extra={"topic": self.source})

    def _wait(self):
        """A step without messages."""
        from confluent_kafka import KafkaException

        seconds = time.monotonic() - self._began
        if not self.has_joined and seconds > _TELL and self._told_at is None:
            self._told_at = seconds
            print(
                f"Waiting for the group {self.group} to share out {self.source}: seconds as a "
                "rule, up to 45 after a consumer was killed.",
                flush=True,
            )
        if self.has_joined and seconds > _SETTLED:
            self._failing_since = None  # what failed has been taken over by another
        if self._away_since is not None:
            try:
                self._consumer.list_topics(timeout=1)
                self._away_since = None
            except KafkaException as error:
                if time.monotonic() - self._away_since > self.patience:
                    self._failing_since = self._away_since
                    self._recover(error.args[0])
        self._measure_lag()

    def _hear(self, error):
        if error.name() == "_ALL_BROKERS_DOWN" and self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning("Kafka is away", extra={"at": self.connection.bootstrap})

    def _joined(self, consumer, partitions):
        self.has_joined = True
        self._membership = consumer.consumer_group_metadata()
        numbers = [at.partition for at in partitions]
        _log.info("partitions", extra={"topic": self.source, "added": numbers})

    def _left(self, consumer, partitions):
        numbers = [at.partition for at in partitions]
        self._gone |= set(numbers)
        for number in numbers:
            self._noted.pop(number, None)
            with contextlib.suppress(KeyError):  # it was not measured yet
                self.measures.lag.remove(self.source, str(number))
        _log.info("partitions", extra={"topic": self.source, "removed": numbers})

    def _measure_lag(self):
        from confluent_kafka import KafkaException

        mine = self._consumer.assignment() if self._consumer else []
        if not mine:
            return
        # What has been done is done, whether it can be measured or not.
        with contextlib.suppress(KafkaException):
            # Before the first message of a partition there is only the group's note.
            if new := [at for at in mine if at.partition not in self._noted]:
                self._noted |= {at.partition: at.offset for at in self._consumer.committed(new, 5)}
            for at in self._consumer.position(mine):
                begin, end = self._consumer.get_watermark_offsets(at, cached=True)
                reached = at.offset if at.offset >= 0 else self._noted[at.partition]
                if end >= 0:
                    lag = max(end - max(reached, begin), 0)
                    self.measures.lag.labels(self.source, str(at.partition)).set(lag)
