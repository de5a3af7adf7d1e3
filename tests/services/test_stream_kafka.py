"""Pictures through Apache Kafka: every way to log in, transactions, groups, other clients."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import kafka as kafka_python
import psutil
import pytest
import requests
from confluent_kafka.admin import AdminClient

from labkit import stream
from labkit.errors import StreamError
from labkit.stream.loop import dead_letters
from labkit.stream.measures import Measures
from tests.services.kafka import PASSWORD, USER, Kafka
from tests.services.ports import free_port
from tests.services.stream_crew import others_read
from tests.unit import tiny_models as tiny
from tests.unit.serve_process import until
from tests.unit.stream_parts import files, large_picture, picture, put, sha256, topic

WORKER = """
import os, signal, sys, time
import confluent_kafka

class Producer(confluent_kafka.Producer):
    def __init__(self, options):
        super().__init__(options | {{"transaction.timeout.ms": 3000, "message.timeout.ms": 3000}})

    def {method}(self, *arguments):
        {does}
        super().{method}(*arguments)

confluent_kafka.Producer = Producer
from labkit import stream
stream.classify(*sys.argv[1:4], connection=stream.connect(), store=sys.argv[4], idle=6)
"""
DIES = WORKER.format(
    method="commit_transaction", does="self.flush(); os.kill(os.getpid(), signal.SIGKILL)"
)
SLEEPS = WORKER.format(
    method="begin_transaction", does="os.kill(os.getpid(), signal.SIGSTOP); time.sleep(2)"
)


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


class Enough:
    """What ends a consumer: so many messages of a topic are done."""

    def __init__(self, source, count):
        self.source, self.count, self.measures = source, count, Measures()

    def is_set(self):
        name, labels = "labkit_stream_pictures_total", {"topic": self.source}
        return (self.measures.registry.get_sample_value(name, labels) or 0) >= self.count

    def options(self):
        return {"stop": self, "measures": self.measures, "idle": 30}


@pytest.fixture
def classify(cluster, shelf):
    """Classifies so many messages of a topic: (tally, the answers in theirs)."""

    def run(source, count, sink=None, **options):
        sink = sink or topic("answers")
        options = {"connection": cluster, "store": shelf} | options
        tally = stream.classify(
            "brightness", source, sink, **Enough(source, count).options(), **options
        )
        return tally, stream.read(sink, connection=cluster)

    return run


def values(records):
    """By their names, what pictures were said to be."""
    return {record.json()["name"]: record.json()["class"] for record in records}


def test_send_classify_read_replay_and_collect(cluster, classify, shelf, tmp_path):
    source = topic()
    dark, bright = files(tmp_path / "photos", 10, 240)
    receipts = stream.send([dark, bright], source, connection=cluster, label="grey")
    put(cluster, source, (b"broken", b"no picture", [("label", b"grey")]))
    tally, answers = classify(source, 3)
    assert str(tally) == "3 read, 2 done, 1 dead letters (1 picture)"
    assert values(answers) == {dark.name: "dark", bright.name: "bright"}
    assert {record.key for record in answers} == {receipt.id for receipt in receipts}

    assert stream.replay(source, connection=cluster).done == 1
    assert stream.replay(source, connection=cluster).read == 0
    tally, answers = classify(source, 1)
    assert (str(tally), answers) == ("1 read, 0 done, 1 dead letters (1 picture)", [])
    first, again = stream.read(dead_letters(source, "classify"), connection=cluster)
    assert (first.key, first.value) == (again.key, again.value) == ("broken", b"no picture")

    enough = Enough(source, 4).options()
    collected = stream.collect(source, tmp_path / "data", connection=cluster, **enough)
    assert (collected.done, collected.dead_letters) == (2, 2)
    found = {path.read_bytes() for path in (tmp_path / "data").rglob("grey/*.png")}
    assert found == {dark.read_bytes(), bright.read_bytes()}


def test_topics_are_made_with_four_partitions(cluster, classify):
    source = topic()
    classify(source, 0)
    topics = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics().topics
    assert len(topics[source].partitions) == 4
    assert len(topics[dead_letters(source, "classify")].partitions) == 4


def test_a_large_picture_goes_through_the_store(cluster, classify, shelf, tmp_path):
    source, photo = topic(), tmp_path / "photo.png"
    photo.write_bytes(large_picture())
    stream.send(photo, source, connection=cluster, store=shelf)
    (record,) = stream.read(source, connection=cluster)
    assert record.value == b"" and record.headers["sha256"] == sha256(photo.read_bytes())
    assert classify(source, 1)[0].done == 1


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
        tally, answers = classify(source, 1, connection=there)
        assert tally.done == 1 and values(answers) == {photo.name: "bright"}


def test_pictures_go_on_when_tokens_end(kafka, monkeypatch, tmp_path):
    # Kafka hangs up on who comes late with a new token: a busy machine, and so short a life.
    monkeypatch.setattr(kafka.tokens, "lifetime", 4)
    there, source = stream.connect(**logins(kafka)["OAuth"]), topic()
    there.make_topics(source)
    producer, photo, acknowledged = there.producer(), picture(200), []
    ends, given, number = time.monotonic() + 13, kafka.tokens.given, 0
    while time.monotonic() < ends:
        producer.produce(
            source, photo, str(number), on_delivery=lambda error, _: acknowledged.append(error)
        )
        number += 1
        producer.poll(0)
        time.sleep(0.1)
    assert producer.flush(30) == 0
    assert acknowledged == [None] * number
    assert kafka.tokens.given >= given + 2
    records = stream.read(source, connection=stream.connect(kafka.bootstrap), last=1000)
    assert {record.key for record in records} == {str(sent) for sent in range(number)}


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
        classify(source, 1, sink="answers", connection=there, group="mine")
    for _ in range(2):
        with pytest.raises(StreamError, match="acknowledged 0 of 1 pictures .*uthoriz"):
            stream.send(photo, source, connection=there)


# Groups


def group_type(cluster, group):
    client = AdminClient({"bootstrap.servers": cluster.bootstrap})
    return client.describe_consumer_groups([group])[group].result(10).type.name


def test_the_new_group_protocol_is_used_where_there_is_one(cluster, classify):
    source, group = topic(), topic("group")
    cluster.make_topics(source)
    put(cluster, source, (None, picture(), None))
    classify(source, 1, group=group)
    assert group_type(cluster, group) == "CONSUMER"


def test_a_broker_with_classic_groups_alone_is_used_as_well(guarded, classify, tmp_path, capfd):
    there = stream.connect(guarded.bootstrap)
    source, group, photos = topic(), topic("group"), files(tmp_path / "photos", 10, 240)
    stream.send(photos, source, connection=there)
    assert classify(source, 2, group=group, connection=there)[0].done == 2
    assert group_type(there, group) == "CLASSIC"
    assert "FATAL" not in capfd.readouterr().err


def test_the_classic_protocol_can_be_chosen(cluster, classify, monkeypatch):
    monkeypatch.setenv("LABKIT_KAFKA_PROTOCOL", "classic")
    source, group = topic(), topic("group")
    cluster.make_topics(source)
    put(cluster, source, (None, picture(), None))
    classify(source, 1, group=group)
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


@pytest.fixture
def eight(kafka, monkeypatch, tmp_path):
    """A topic with pictures, and their ids; which Kafka it is the settings tell."""
    monkeypatch.setenv("LABKIT_KAFKA_BOOTSTRAP", kafka.bootstrap)
    source = topic()
    receipts = stream.send(files(tmp_path / "photos", *range(0, 240, 30)), source)
    return source, [receipt.id for receipt in receipts]


def worker(code, source, sink, shelf):
    return subprocess.Popen([sys.executable, "-c", code, "brightness", source, sink, str(shelf)])


def test_a_worker_killed_before_the_last_word_has_answered_nothing(eight, kafka, classify, shelf):
    (source, ids), sink = eight, topic("answers")
    assert worker(DIES, source, sink, shelf).wait(60) == -signal.SIGKILL
    written = others_read(kafka, sink, isolation_level="read_uncommitted")
    assert written and others_read(kafka, sink) == []
    assert classify(source, 8, sink)[0].done == 8
    answers = [message.key.decode() for message in others_read(kafka, sink)]
    assert sorted(answers) == sorted(ids)


def test_a_worker_that_wakes_up_after_others_did_its_work_answers_nothing(
    eight, kafka, classify, shelf
):
    (source, ids), sink = eight, topic("answers")
    sleeping = worker(SLEEPS, source, sink, shelf)
    try:
        until(lambda: psutil.Process(sleeping.pid).status() == psutil.STATUS_STOPPED, 30)
        assert classify(source, 8, sink)[0].done == 8
        sleeping.send_signal(signal.SIGCONT)
        assert sleeping.wait(60) == 0
    finally:
        sleeping.kill()
    answers = [message.key.decode() for message in others_read(kafka, sink)]
    assert sorted(answers) == sorted(ids)


# Other programs


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
    _, records = classify(source, 2)
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
    tally, records = classify(source, 3, group=group)
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
    lags = [f'labkit_stream_lag{{partition="{number}",{label}}}' for number in range(4)]

    def told():
        found = metrics()
        is_done = found.get(f"labkit_stream_pictures_total{{{label}}}") == 3
        return is_done and all(found.get(lag) == 0 for lag in lags) and found

    try:
        found = until(told, 60)
        assert found[f'labkit_stream_dead_letters_total{{reason="picture",{label}}}'] == 1
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
