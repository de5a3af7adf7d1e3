"""Pictures through Apache Kafka: every way to log in, transactions, groups, other clients."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter

import kafka as kafka_python
import pytest
import requests
from confluent_kafka.admin import AdminClient

from labkit import stream
from labkit.errors import StreamError
from labkit.stream.loop import dead_letters
from tests.services.kafka import PASSWORD, USER, Kafka
from tests.services.ports import free_port
from tests.unit import tiny_models as tiny
from tests.unit.serve_process import until
from tests.unit.stream_parts import files, large_picture, picture, put, sha256, topic

# Dies when all of a batch is written but the last word.
CUT = """
import os, signal, sys
import confluent_kafka

class Producer(confluent_kafka.Producer):
    def commit_transaction(self, *_):
        self.flush()
        os.kill(os.getpid(), signal.SIGKILL)

confluent_kafka.Producer = Producer
from labkit import stream
stream.classify(*sys.argv[1:4], connection=stream.connect(), store=sys.argv[4])
"""


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """No settings but those of the test."""
    for name in list(os.environ):
        if name.startswith("LABKIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LABKIT_HEADLESS", "1")
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A store with a model that tells how bright a picture is."""
    folder = tmp_path_factory.mktemp("store")
    tiny.put(folder, "brightness", tiny.brightness(8, 8, 3), classes=["dark", "bright"])
    return folder


@pytest.fixture
def cluster(kafka):
    return stream.connect(kafka.bootstrap)


@pytest.fixture
def classify(cluster, shelf):
    """Classifies what is in a topic: (tally, the answers in theirs)."""

    def run(source, sink=None, **options):
        sink = sink or topic("answers")
        options = {"connection": cluster, "store": shelf, "idle": 3} | options
        tally = stream.classify("brightness", source, sink, **options)
        return tally, stream.read(sink, connection=cluster, last=10_000)

    return run


def values(records):
    """By their names, what pictures were said to be."""
    return {record.json()["name"]: record.json()["class"] for record in records}


def test_send_classify_read_replay_and_collect(cluster, classify, shelf, tmp_path):
    source = topic()
    dark, bright = files(tmp_path / "photos", 10, 240)
    receipts = stream.send([dark, bright], source, connection=cluster, label="grey")
    put(cluster, source, (b"broken", b"no picture", [("label", b"grey")]))
    tally, answers = classify(source)
    assert str(tally) == "3 read, 2 done, 1 dead letters (1 picture)"
    assert values(answers) == {dark.name: "dark", bright.name: "bright"}
    assert {record.key for record in answers} == {receipt.id for receipt in receipts}

    assert stream.replay(source, connection=cluster).done == 1
    assert stream.replay(source, connection=cluster).read == 0
    tally, answers = classify(source)
    assert (str(tally), answers) == ("1 read, 0 done, 1 dead letters (1 picture)", [])
    first, again = stream.read(dead_letters(source, "classify"), connection=cluster)
    assert (first.key, first.value) == (again.key, again.value) == ("broken", b"no picture")

    collected = stream.collect(source, tmp_path / "data", connection=cluster, idle=3)
    assert (collected.done, collected.dead_letters) == (2, 2)
    found = {path.read_bytes() for path in (tmp_path / "data").rglob("grey/*.png")}
    assert found == {dark.read_bytes(), bright.read_bytes()}


def test_topics_are_made_with_four_partitions(cluster, classify):
    source = topic()
    classify(source, idle=0)
    topics = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics().topics
    assert len(topics[source].partitions) == 4
    assert len(topics[dead_letters(source, "classify")].partitions) == 4


def test_a_large_picture_goes_through_the_store(cluster, classify, shelf, tmp_path):
    source, photo = topic(), tmp_path / "photo.png"
    photo.write_bytes(large_picture())
    stream.send(photo, source, connection=cluster, store=shelf)
    (record,) = stream.read(source, connection=cluster)
    assert record.value == b"" and record.headers["sha256"] == sha256(photo.read_bytes())
    assert classify(source)[0].done == 1


# Logging in


def logins(kafka):
    """Of each way to log in, the arguments of connect()."""
    known = {"user": USER, "password": PASSWORD}
    return {
        "TLS": {"bootstrap": kafka.tls, "ca": kafka.ca},
        "SCRAM": {"bootstrap": kafka.sasl_tls, "ca": kafka.ca} | known,
        "OAuth": {
            "bootstrap": kafka.oauth,
            "security": "SASL_PLAINTEXT",
            "mechanism": "OAUTHBEARER",
            "token_url": kafka.token_url,
        }
        | known,
    }


PROPERTIES = {
    "bootstrap": "bootstrap.servers",
    "ca": "ssl.ca.location",
    "user": "sasl.username",
    "password": "sasl.password",
    "security": "security.protocol",
    "mechanism": "sasl.mechanism",
    "token_url": "sasl.oauthbearer.token.endpoint.url",
}


@pytest.mark.parametrize("way", ["TLS", "SCRAM", "OAuth"])
@pytest.mark.parametrize("by", ["arguments", "variables", "a file"])
def test_logging_in(kafka, way, by, classify, monkeypatch, tmp_path):
    given = logins(kafka)[way]
    if by == "variables":
        for name, value in given.items():
            monkeypatch.setenv(f"LABKIT_KAFKA_{name.upper()}", str(value))
        there = stream.connect()
    elif by == "a file":
        lines = [f"{PROPERTIES[name]} = {value}" for name, value in given.items()]
        written = tmp_path / "client.properties"
        written.write_text("\n".join(["# for Kafka", *lines, ""]))
        there = stream.connect(properties=written)
    else:
        there = stream.connect(**given)
    assert PASSWORD not in repr(there)
    source, (photo,) = topic(), files(tmp_path / "photos", 200)
    stream.send(photo, source, connection=there)
    (record,) = stream.read(source, connection=there)
    assert record.value == photo.read_bytes()
    if by == "arguments":
        tally, answers = classify(source, connection=there)
        assert tally.done == 1 and values(answers) == {photo.name: "bright"}


def test_a_token_is_asked_for_again_before_it_ends(kafka, monkeypatch, tmp_path):
    monkeypatch.setattr(kafka.tokens, "lifetime", 4)
    there = stream.connect(**logins(kafka)["OAuth"])
    producer, given = there.producer(), kafka.tokens.given
    producer.list_topics(timeout=5)
    until(lambda: producer.poll(0.1) or kafka.tokens.given > given + 1, 10)
    assert producer.list_topics(timeout=5).topics is not None


NOBODY = f"127.0.0.1:{free_port()}"
WRONG = [
    ("SCRAM", {"password": "a-wrong-one"}, "refuses the user or the password"),
    ("SCRAM", {"user": "nobody"}, "refuses the user or the password"),
    ("SCRAM", {"mechanism": "PLAIN"}, "it takes SCRAM-SHA-512"),
    ("OAuth", {"password": "a-wrong-one"}, "refuses the user or the password"),
    ("OAuth", {"token_url": f"http://{NOBODY}"}, "No token .* comes from .*KAFKA_TOKEN_URL"),
    ("TLS", {"ca": None, "security": "SSL"}, "not trusted here.*LABKIT_KAFKA_CA"),
    ("SCRAM", {"ca": None}, "not trusted here, so nothing was sent"),
    ("TLS", {"ca": None}, "where it wants TLS, set LABKIT_KAFKA_CA"),
    ("TLS", {"bootstrap": "PLAINTEXT"}, "does not speak TLS"),
    ("SCRAM", {"bootstrap": "PLAINTEXT"}, "does not speak TLS"),
    ("SCRAM", {"bootstrap": "SSL"}, "it takes no passwords on this port"),
    ("TLS", {"bootstrap": NOBODY}, "Connection refused.* that Kafka runs"),
]


@pytest.mark.parametrize(("way", "changes", "words"), WRONG)
def test_what_is_wrong_is_said_with_what_to_do(kafka, way, changes, words):
    given = logins(kafka)[way] | changes
    given["bootstrap"] = kafka.addresses.get(given["bootstrap"], given["bootstrap"])
    with pytest.raises(StreamError, match=words) as raised:
        stream.connect(**given)
    said = str(raised.value)
    assert re.search(r"(Check|Set) .*\.$", said), said
    assert PASSWORD not in said and "a-wrong-one" not in said


class Guarded(Kafka):
    """A broker that lets a user do only what is on a list, and knows only the older groups."""

    def _settings(self):
        return super()._settings() | {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "group.coordinator.rebalance.protocols": "classic",
        }

    def allow(self, *options):
        self.tool(
            *("org.apache.kafka.tools.AclCommand", "--bootstrap-server", self.bootstrap),
            *("--add", "--allow-principal", f"User:{USER}", *options),
        )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    broker = Guarded(tmp_path_factory.mktemp("guarded"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


def test_a_user_who_may_do_little_is_told_whom_to_ask(guarded, classify, tmp_path):
    there = stream.connect(**logins(guarded)["SCRAM"])
    source, (photo,) = topic(), files(tmp_path / "photos", 200)
    with pytest.raises(StreamError, match="does not let you make it.* with 4 partitions"):
        stream.send(photo, source, connection=there)

    stream.connect(guarded.bootstrap).make_topics(source, "answers", dead_letters(source, "mine"))
    guarded.allow("--operation", "Read", "--operation", "Describe", "--topic", source)
    guarded.allow("--operation", "Describe", "--topic", "answers")
    guarded.allow("--operation", "Describe", "--topic", dead_letters(source, "mine"))
    with pytest.raises(StreamError, match="does not allow this .*Ask whoever runs it"):
        classify(source, sink="answers", connection=there, group="mine", idle=20)


# Groups


def group_type(cluster, group):
    client = AdminClient({"bootstrap.servers": cluster.bootstrap})
    return client.describe_consumer_groups([group])[group].result(10).type.name


def test_the_new_group_protocol_is_used_where_there_is_one(cluster, classify):
    group = topic("group")
    classify(topic(), group=group)
    assert group_type(cluster, group) == "CONSUMER"


def test_a_broker_with_classic_groups_alone_is_used_as_well(guarded, classify, tmp_path, capfd):
    there = stream.connect(guarded.bootstrap)
    source, group, photos = topic(), topic("group"), files(tmp_path / "photos", 10, 240)
    stream.send(photos, source, connection=there)
    assert classify(source, group=group, connection=there)[0].done == 2
    assert group_type(there, group) == "CLASSIC"
    assert "FATAL" not in capfd.readouterr().err


def test_the_classic_protocol_can_be_chosen(cluster, classify, monkeypatch):
    monkeypatch.setenv("LABKIT_KAFKA_PROTOCOL", "classic")
    group = topic("group")
    classify(topic(), group=group)
    assert group_type(cluster, group) == "CLASSIC"


# Transactions


def test_an_unfinished_transaction_is_not_seen(cluster, kafka):
    sink = topic("answers")
    cluster.make_topics(sink)
    producer = cluster.producer(transactional_id=sink)
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(sink, b"{}", b"a")
    producer.flush()
    assert stream.read(sink, connection=cluster) == []
    assert len(others_read(kafka, sink, isolation_level="read_uncommitted")) == 1
    producer.abort_transaction()
    assert stream.read(sink, connection=cluster) == []
    producer.begin_transaction()
    producer.produce(sink, b"{}", b"b")
    producer.commit_transaction()
    assert [record.key for record in stream.read(sink, connection=cluster)] == ["b"]


def test_a_worker_killed_before_the_last_word_has_answered_nothing(
    cluster, kafka, classify, shelf, monkeypatch, tmp_path
):
    source, sink, photos = topic(), topic("answers"), files(tmp_path / "photos", *range(0, 240, 30))
    stream.send(photos, source, connection=cluster)
    monkeypatch.setenv("LABKIT_KAFKA_BOOTSTRAP", kafka.bootstrap)
    call = [sys.executable, "-c", CUT, "brightness", source, sink, str(shelf)]
    assert subprocess.run(call, timeout=60).returncode == -signal.SIGKILL
    written = others_read(kafka, sink, isolation_level="read_uncommitted")
    assert written and others_read(kafka, sink) == []
    # Until Kafka gives the dead one up it does not tell how far the group has got.
    options = {"connection": cluster, "store": shelf, "idle": 20}
    assert stream.classify("brightness", source, sink, **options).done == 8
    answers = Counter(message.key.decode() for message in others_read(kafka, sink))
    assert answers == Counter(record.key for record in stream.read(source, connection=cluster))


# Other programs


def others_read(kafka, name, *, isolation_level="read_committed"):
    """The messages of a topic, read by kafka-python."""
    consumer = kafka_python.KafkaConsumer(
        name,
        bootstrap_servers=kafka.bootstrap,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
        consumer_timeout_ms=2000,
    )
    with contextlib.closing(consumer):
        return [*consumer]


def test_kafka_python_sends_and_reads(cluster, kafka, classify):
    source = topic()
    cluster.make_topics(source)
    producer = kafka_python.KafkaProducer(bootstrap_servers=kafka.bootstrap)
    plain, told = picture(10), picture(240)
    producer.send(source, plain)
    headers = [("id", b"mine"), ("sha256", sha256(told).encode()), ("content-type", b"image/jpeg")]
    producer.send(source, told, headers=headers)
    producer.flush()
    producer.close()
    _, records = classify(source)
    found = {message.key.decode(): message for message in others_read(kafka, records[0].topic)}
    said = {key: json.loads(message.value)["class"] for key, message in found.items()}
    assert said == {"mine": "bright", sha256(plain)[:32]: "dark"}
    assert dict(found["mine"].headers) == {
        "labkit-schema": b"1",
        "content-type": b"application/json",
        "id": b"mine",
    }


def test_kafkas_own_tools_send_read_and_count(cluster, kafka, classify, tmp_path):
    source, group = topic(), topic("group")
    stream.send(files(tmp_path / "photos", 10, 240), source, connection=cluster)
    at = ("--bootstrap-server", kafka.bootstrap)
    kafka.tool("org.apache.kafka.tools.ConsoleProducer", *at, "--topic", source, input="a line\n")
    tally, records = classify(source, group=group)
    assert (tally.done, tally.dead_letters) == (2, 1)

    read = ("org.apache.kafka.tools.consumer.ConsoleConsumer", *at, "--from-beginning")
    read += ("--isolation-level", "read_committed", "--timeout-ms", "5000")
    shown = ("print.key=true", "print.headers=true", "headers.separator=|")
    read += tuple(word for one in shown for word in ("--formatter-property", one))
    lines = kafka.tool(*read, "--topic", records[0].topic, "--max-messages", "2").splitlines()
    split = [line.split("\t") for line in lines]
    assert {(key, json.loads(value)["id"]) for _, key, value in split} == {
        (record.key, record.key) for record in records
    }
    assert all("labkit-schema:1|content-type:application/json|" in line[0] for line in split)
    dead = kafka.tool(*read, "--topic", dead_letters(source, group), "--max-messages", "1")
    assert "dead-letter-reason:picture" in dead and dead.endswith("\ta line\n")

    counted = kafka.tool(
        *("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", *at),
        *("--describe", "--group", group),
    )
    rows = [line.split() for line in counted.splitlines() if source in line]
    read_to = [int(row[3]) for row in rows if row[3] != "-"]
    assert sum(read_to) == 3 and {row[5] for row in rows if row[3] != "-"} == {"0"}, counted


# A process


def test_a_process_tells_prometheus_logs_json_and_ends_when_told(cluster, kafka, shelf, tmp_path):
    source, port = topic(), free_port()
    stream.send(files(tmp_path / "photos", 10, 240), source, connection=cluster)
    put(cluster, source, (None, b"no picture", None))
    call = [sys.executable, "-m", "labkit", "stream", "classify", "brightness"]
    call += ["--source", source, "--sink", topic("answers"), "--store", str(shelf)]
    call += ["--bootstrap", kafka.bootstrap, "--metrics-port", str(port)]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def metrics():
        assert process.poll() is None, process.communicate()
        try:
            text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
        except requests.ConnectionError:
            return {}
        lines = [line.rpartition(" ") for line in text.splitlines() if line[0] != "#"]
        return {name: float(value) for name, _, value in lines}

    label = f'topic="{source}"'
    try:
        found = until(
            lambda: (m := metrics()).get(f"labkit_stream_pictures_total{{{label}}}") == 3 and m, 60
        )
        assert found[f'labkit_stream_dead_letters_total{{reason="picture",{label}}}'] == 1
        lags = {name: lag for name, lag in found.items() if name.startswith("labkit_stream_lag{")}
        assert lags and set(lags.values()) == {0}
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert out == "3 read, 2 done, 1 dead letters (1 picture)\n"
    lines = [json.loads(line) for line in log.splitlines()]
    (dead,) = (line for line in lines if line["message"] == "dead letter")
    assert (dead["level"], dead["reason"], dead["topic"]) == ("WARNING", "picture", source)
    assert any(line["message"] == "partitions" for line in lines)
