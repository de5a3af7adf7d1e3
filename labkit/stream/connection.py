"""Where Kafka is, and how to speak to it; without one, a small broker in this process."""

import contextlib
import functools
import logging
import re
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labkit import settings
from labkit.errors import StreamError

PARTITIONS = 4
"""Of a topic that is made here: so many consumers of a group can share it."""
_PARTITION_BYTES = 5 << 20  # what the embedded broker keeps of each
_SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER")
_NOT_YET = ("NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PART")
_ALLOWED = ("bootstrap.servers", "client.id", "security.protocol")
_ALLOWED += ("sasl.", "ssl.", "enable.ssl.", "https.")
# These load libraries or run commands.
_NOT_ALLOWED = ("ssl.engine.location", "ssl.providers", "sasl.kerberos.kinit.cmd")
_STARTING = threading.Lock()
MOST_BYTES = 16 << 20
"""Of a message that is written; how many a topic takes Kafka says."""
# A dead letter is larger than what came, which may be as large as its topic takes.
_DEAD, _LARGE = ".dead-letters", {"max.message.bytes": str(MOST_BYTES)}
_JAVA = {
    "sasl.jaas.config": "sasl.username and sasl.password",
    "ssl.truststore.location": "ssl.ca.location, a PEM file",
    "ssl.keystore.type": "ssl.keystore.location, a PKCS#12 file",
}


@dataclass(frozen=True, repr=False)
class Connection:
    """A Kafka cluster that answered. It is shown without what is secret.

    Example:
        >>> kafka = stream.connect("kafka:9092")
        >>> kafka
        Kafka at kafka:9092 (PLAINTEXT)
    """

    bootstrap: str
    """Its addresses, as other programs take them."""
    embedded: bool
    """Whether it is the small broker, of this process or of another."""
    options: dict[str, str]
    """librdkafka's settings, the secret ones among them."""
    _broker: object = field(default=None, compare=False)

    def __repr__(self):
        if self.embedded:
            where = "in this process" if self._broker else "of another process"
            return f"The embedded broker {where}, at {self.bootstrap}"
        user = self.options.get("sasl.username") or self.options.get("sasl.oauthbearer.client.id")
        words = [self.options["security.protocol"]]
        words += [self.options["sasl.mechanism"]] if "sasl.mechanism" in self.options else []
        words += [f"as {user}"] if user else []
        return f"Kafka at {self.bootstrap} ({', '.join(words)})"

    def producer(self, **options):
        """A producer of confluent-kafka's; options in its words with ``_`` for ``.``."""
        from confluent_kafka import Producer

        chosen = {
            "enable.idempotence": True,
            "linger.ms": 5,
            "queue.buffering.max.kbytes": 65_536,
            "message.max.bytes": MOST_BYTES,
            # Of messages that do not get through, said after this time and not in five minutes.
            "message.timeout.ms": 60_000,
        }
        return Producer(self._config(chosen, options))

    @functools.cached_property
    def sender(self):
        """The producer of all that this connection sends; a new one has to wait for its id."""
        # Over a slow line what waits at the end of a long queue would be given up.
        return self.producer(queue_buffering_max_kbytes=8_192)

    def renew_sender(self) -> None:
        """Have another :attr:`sender` from now on."""
        self.__dict__.pop("sender", None)

    def consumer(self, group: str | None, **options):
        """A consumer of confluent-kafka's, of a group or alone; it reads what was committed."""
        from confluent_kafka import Consumer

        chosen = {
            "group.id": group or "labkit-alone",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 16_384,
            "fetch.max.bytes": 8 << 20,
            "max.partition.fetch.bytes": 2 << 20,
            # Once the queue was full it is looked at again soon, and not after a second.
            "fetch.queue.backoff.ms": 10,
        }
        if self.embedded:  # it answers when this time is over, also with messages there
            chosen["fetch.wait.max.ms"] = 10
        return Consumer(self._config(chosen, options))

    def make_topics(self, *topics: str) -> None:
        """Make those topics that are not there.

        Raises:
            StreamError: a topic cannot be called that, or must not be made.
        """
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient(self._config({}, {}))
        for topic in topics:
            check_topic(topic)
        with self._plainly("cannot make topics"):
            if self.embedded:  # it makes a topic when it is asked about it, and in no other way
                for topic in topics:
                    admin.list_topics(topic, timeout=10)
                return
            there = admin.list_topics(timeout=10).topics
            new = [
                NewTopic(topic, PARTITIONS, -1, config=_LARGE if topic.endswith(_DEAD) else {})
                for topic in dict.fromkeys(topics)
                if topic not in there
            ]
            for topic, made in (admin.create_topics(new) if new else {}).items():
                try:
                    made.result(30)
                except KafkaException as error:
                    if error.args[0].name() == "TOPIC_ALREADY_EXISTS":
                        continue
                    room = f" and max.message.bytes={MOST_BYTES}" if topic.endswith(_DEAD) else ""
                    raise StreamError(
                        f"The topic {topic} is not there, and Kafka does not let you make it "
                        f"({error.args[0].str()}). Ask whoever runs it to make it with "
                        f"{PARTITIONS} partitions{room}."
                    ) from error

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """The offset of the oldest message of each partition, and that of the next new one."""
        from confluent_kafka import TopicPartition

        consumer = self.consumer(None)
        try:
            with self._plainly(f"does not tell what is in {topic}"):
                numbers = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
                return {n: _watermarks(consumer, TopicPartition(topic, n)) for n in numbers}
        finally:
            consumer.close()

    def check_room(self, topic: str, sizes: list[int]) -> None:
        """That the embedded broker can hold messages of these sizes, in bytes.

        Raises:
            StreamError: it would drop the first of them.
        """
        most = PARTITIONS * _PARTITION_BYTES * 3 // 4  # keys do not spread quite evenly
        if self.embedded and sum(sizes) > most:
            raise StreamError(
                f"These {len(sizes)} pictures are {sum(sizes) / 1e6:.0f} MB, and the embedded "
                f"broker keeps 5 MiB in each of {PARTITIONS} partitions: the first of them would "
                f"be lost. Send about {len(sizes) * most // sum(sizes)} at a time and have each "
                "lot read before the next, or use a real Kafka: LABKIT_KAFKA_BOOTSTRAP."
            )

    def _config(self, chosen, options):
        hear = options.pop("error_cb", lambda error: None)
        options = {key.replace("_", "."): value for key, value in options.items()}
        # It would print what is fatal, and we make a new one.
        log = {"log_level": 0, "logger": logging.getLogger("labkit.stream.librdkafka")}
        return log | {"error_cb": hear} | chosen | self.options | options

    def _plainly(self, what):
        return plainly(f"{self!r} {what}")


def connect(
    bootstrap: str | None = None,
    *,
    user: str | None = None,
    password: str | None = None,
    mechanism: str | None = None,
    security: str | None = None,
    ca: str | Path | None = None,
    token_url: str | None = None,
    properties: str | Path | None = None,
) -> Connection:
    """Find Kafka, and make sure that it answers.

    What is left out comes from the settings ``LABKIT_KAFKA_…``, then from the properties file.
    With nothing configured it starts the embedded broker: librdkafka's own, in this process, on
    loopback, in memory. Other processes can use its address as long as this one lives.

    Args:
        bootstrap: addresses such as "kafka:9092", several of them with commas.
        user: the user, or OAuth's client id.
        password: the password, or OAuth's client secret.
        mechanism: "SCRAM-SHA-512" (where there is a user), "SCRAM-SHA-256", "PLAIN" or
            "OAUTHBEARER".
        security: "PLAINTEXT", "SSL", "SASL_PLAINTEXT" or "SASL_SSL"; left out, it is SASL_SSL
            with a user, SSL with a ``ca``, and PLAINTEXT without both.
        ca: the PEM file of the authority that signed Kafka's certificate.
        token_url: where OAuth's tokens are given out.
        properties: a file of librdkafka's settings, ``key=value`` in each line; those about
            addresses, TLS and SASL are taken.

    Raises:
        StreamError: it does not answer, or the settings cannot be.

    Example:
        >>> kafka = stream.connect()
        No Kafka is configured. A small Kafka runs in this process, at 127.0.0.1:43117. ...
    """
    chosen = settings.read()
    named = {
        "bootstrap.servers": bootstrap or chosen.kafka,
        "security.protocol": security or chosen.kafka_security,
        "sasl.mechanism": mechanism or chosen.kafka_mechanism,
        "ssl.ca.location": str(ca or chosen.kafka_ca),
        "sasl.username": user or chosen.kafka_user,
        "sasl.password": password or chosen.kafka_password,
        "sasl.oauthbearer.token.endpoint.url": token_url or chosen.kafka_token_url,
    }
    options = _read(properties or chosen.kafka_properties)
    options |= {key: value for key, value in named.items() if value}
    if "bootstrap.servers" not in options:
        if options:
            raise StreamError(
                "Kafka's address is missing, though other settings of it are there. Set "
                "LABKIT_KAFKA_BOOTSTRAP, such as to kafka:9092, or call "
                "labkit.stream.connect('kafka:9092')."
            )
        print("No Kafka is configured.", end=" ")
        return embedded()
    if "@" in options["bootstrap.servers"]:
        raise StreamError(
            "Kafka's address has no place for a user and a password. Set LABKIT_KAFKA_USER and "
            "LABKIT_KAFKA_PASSWORD."
        )
    options = _completed(options)
    _choice("LABKIT_KAFKA_PROTOCOL", chosen.kafka_protocol, ("consumer", "classic"))
    cluster = _ask(options)
    is_embedded = cluster.startswith("mockCluster")
    return Connection(options["bootstrap.servers"], is_embedded, options)


def is_configured() -> bool:
    """Whether the settings say where Kafka is."""
    chosen = settings.read()
    return bool(chosen.kafka or "bootstrap.servers" in _read(chosen.kafka_properties))


def embedded() -> Connection:
    """The embedded broker of this process, started at the first call."""
    with _STARTING:
        return _started()


@functools.cache
def _started():
    from confluent_kafka import Producer

    broker = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none", "log_level": 0})
    with plainly("The embedded broker does not start"):
        (address,) = (f"{b.host}:{b.port}" for b in broker.list_topics(timeout=10).brokers.values())
    print(
        f"A small Kafka runs in this process, at {address}. It keeps messages in memory: 5 MiB a "
        "partition, until this process ends."
    )
    options = {"bootstrap.servers": address, "security.protocol": "PLAINTEXT"}
    return Connection(address, True, options, broker)


def check_topic(topic: str) -> None:
    """An error unless a topic can be called that."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", topic) or topic in (".", ".."):
        raise StreamError(
            f"A topic cannot be called {topic!r}. Use letters, digits, dots, dashes and underlines."
        )


@contextlib.contextmanager
def plainly(sentence: str) -> Iterator[None]:
    """librdkafka's errors in a block, in plain words.

    Args:
        sentence: what cannot be done, without a full stop.
    """
    from confluent_kafka import KafkaException

    try:
        yield
    except KafkaException as error:
        raise StreamError(
            f"{sentence} ({error.args[0].str()}). Check that Kafka runs and that you may do this "
            "there; then call the same again."
        ) from error


def _watermarks(consumer, partition):
    """The oldest offset and the next new one, also of a partition that was made just now."""
    from confluent_kafka import KafkaException

    end = time.monotonic() + 10
    while True:
        try:
            return consumer.get_watermark_offsets(partition, 10)
        except KafkaException as error:
            if error.args[0].name() not in _NOT_YET or time.monotonic() > end:
                raise
        time.sleep(0.1)


def _read(path) -> dict[str, str]:
    """A file of properties."""
    if not path:
        return {}
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StreamError(
            f"The properties file {path} cannot be read ({error}). Check its path, or unset "
            "LABKIT_KAFKA_PROPERTIES."
        ) from error
    found = {}
    for number, line in enumerate(lines, 1):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not line.strip() or line.lstrip().startswith(("#", "!")):
            continue
        if not equals:
            raise StreamError(f"Line {number} of {path} is not of the form key=value. Mend it.")
        if key in _JAVA:
            raise StreamError(
                f"{path} has {key}, which only Java's clients know. Write {_JAVA[key]} instead."
            )
        # Others are about how one program reads or writes, and that is ours.
        if key.startswith(_ALLOWED) and key not in _NOT_ALLOWED:
            found[key.replace("sasl.mechanisms", "sasl.mechanism")] = value
    return found


def _completed(options):
    """The settings with those that follow from them."""
    options = dict(options)
    user = options.get("sasl.username") or options.get("sasl.oauthbearer.client.id")
    oauth = options.get("sasl.mechanism", "").upper() == "OAUTHBEARER"
    secured = "SASL_SSL" if user else "SSL" if "ssl.ca.location" in options else "PLAINTEXT"
    options["security.protocol"] = options.get("security.protocol", secured).upper()
    _choice("LABKIT_KAFKA_SECURITY", options["security.protocol"], _SECURITY)
    if not options["security.protocol"].startswith("SASL"):
        if user:
            raise StreamError(
                f"There is a user for Kafka, and the security {options['security.protocol']} sends "
                "none. Set LABKIT_KAFKA_SECURITY to SASL_SSL, or unset LABKIT_KAFKA_USER."
            )
        return options
    options["sasl.mechanism"] = options.get("sasl.mechanism", _MECHANISMS[0]).upper()
    _choice("LABKIT_KAFKA_MECHANISM", options["sasl.mechanism"], _MECHANISMS)
    if oauth:
        options["sasl.oauthbearer.method"] = "oidc"
        # librdkafka's own default is where one distribution has them.
        trusted = ssl.get_default_verify_paths()
        options.setdefault("https.ca.location", trusted.cafile or trusted.capath or "probe")
        for plain, own in (("username", "client.id"), ("password", "client.secret")):
            if f"sasl.{plain}" in options:
                options[f"sasl.oauthbearer.{own}"] = options.pop(f"sasl.{plain}")
        needed = ("client.id", "client.secret", "token.endpoint.url")
        needed = [f"sasl.oauthbearer.{name}" for name in needed]
    else:
        needed = ["sasl.username", "sasl.password"]
    if missing := [key for key in needed if not options.get(key)]:
        raise StreamError(
            f"For {options['sasl.mechanism']} Kafka needs a user and a password"
            f"{' and the address of the tokens' if oauth else ''}; missing: {', '.join(missing)}. "
            "Set LABKIT_KAFKA_USER and LABKIT_KAFKA_PASSWORD"
            f"{' and LABKIT_KAFKA_TOKEN_URL' if oauth else ''}."
        )
    return options


def _choice(name, value, values):
    if value not in values:
        raise StreamError(f"{name} is {value!r}; set it to one of {', '.join(values)}.")


def _ask(options) -> str:
    """The cluster's id."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    said, refused = [], threading.Event()

    def hear(error):
        said.append(error)
        if error.name() in ("_AUTHENTICATION", "_SSL") or "SSL" in error.str():
            refused.set()

    shown = options["bootstrap.servers"]
    try:
        admin = AdminClient({**options, "log_level": 0, "error_cb": hear})
    except KafkaException as error:
        raise StreamError(
            f"These settings for Kafka at {shown} cannot be: {error.args[0].str()}. Mend them."
        ) from error
    end = time.monotonic() + 10
    while True:
        try:
            return admin.list_topics(timeout=1).cluster_id or ""
        except KafkaException as error:
            admin.poll(0.1)  # what happened is told in a callback
            if time.monotonic() > end or refused.is_set():
                raise StreamError(_why(shown, options, said)) from error


def _why(shown, options, said):
    """In plain words: what the client heard while it tried to connect."""
    names = {error.name() for error in said}
    text = next(
        (error.str() for error in reversed(said) if error.name() != "_ALL_BROKERS_DOWN"), ""
    )
    security = options["security.protocol"]
    if "OAUTHBEARER token" in text and "invalid_client" not in text:
        url = settings.shown(options["sasl.oauthbearer.token.endpoint.url"])
        return (
            f"No token for Kafka at {shown} comes from {url} ({_last(text)}). Check "
            "LABKIT_KAFKA_TOKEN_URL; for an authority of your own, https.ca.location in the "
            "properties file."
        )
    if "supported mechanisms:" in text:
        known = text.split("supported mechanisms:")[-1].split("(")[0].strip()
        return (
            f"Kafka at {shown} does not take {options.get('sasl.mechanism')}; it takes "
            f"{known or 'no passwords on this port'}. Check the port, LABKIT_KAFKA_MECHANISM and "
            "LABKIT_KAFKA_SECURITY."
        )
    if "_AUTHENTICATION" in names:
        return (
            f"Kafka at {shown} refuses the user or the password ({security}, "
            f"{options.get('sasl.mechanism')}). Check LABKIT_KAFKA_USER, LABKIT_KAFKA_PASSWORD and "
            "LABKIT_KAFKA_MECHANISM."
        )
    if "_SSL" in names and "verif" in text:
        return (
            f"Kafka at {shown} shows a certificate that is not trusted here, so nothing was sent. "
            "Set LABKIT_KAFKA_CA to the file of the authority that signed it (ca.crt of the "
            "cluster's CA secret in Strimzi and AMQ Streams)."
        )
    if "_SSL" in names or "SSL" in text:
        return (
            f"Kafka at {shown} does not speak TLS as {security} asks it to ({_last(text)}). Check "
            "the port, and LABKIT_KAFKA_SECURITY."
        )
    hint = "Check the address and the port, and that Kafka runs"
    if security.endswith("PLAINTEXT"):
        hint += "; where it wants TLS, set LABKIT_KAFKA_CA or LABKIT_KAFKA_SECURITY"
    return f"Kafka at {shown} does not answer ({_last(text) or 'no word in 10 s'}). {hint}."


def _last(text):
    """The end of librdkafka's message: what goes before names addresses and times."""
    return text.split(": ", 1)[-1].rstrip(".")
