"""The rights that k8s/components/stream gives are enough for what its users do, and for no more."""

import re
import signal
import subprocess
import sys

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.k8s.rendering import composed
from tests.services.kafka import PASSWORD, USER, Kafka
from tests.unit import tiny_models as tiny
from tests.unit.stream_parts import files

KINDS = {"topic": "--topic", "group": "--group", "transactionalId": "--transactional-id"}


class Strict(Kafka):
    """A broker as Strimzi sets it up: topics are made by it alone, and rights are lists."""

    def _settings(self):
        return super()._settings() | {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "auto.create.topics.enable": "false",
        }

    def apply(self, things, names):
        """Make the topics; give the users' rights to our users, by KafkaUser."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        made = admin.create_topics(
            [
                NewTopic(
                    thing["metadata"]["name"],
                    thing["spec"]["partitions"],
                    1,
                    config={key: str(value) for key, value in thing["spec"]["config"].items()},
                )
                for thing in things
                if thing["kind"] == "KafkaTopic"
            ]
        )
        for one in made.values():
            one.result(30)
        for thing in things:
            if thing["kind"] == "KafkaUser":
                for rule in thing["spec"]["authorization"]["acls"]:
                    self.allow(names[thing["metadata"]["name"]], rule)

    def allow(self, user, rule):
        what, operations = rule["resource"], rule["operations"]
        self.tool(
            *("org.apache.kafka.tools.AclCommand", "--bootstrap-server", self.bootstrap),
            *("--add", "--allow-principal", f"User:{user}", KINDS[what["type"]], what["name"]),
            *("--resource-pattern-type", what["patternType"].replace("prefix", "prefixed")),
            *(word for name in operations for word in ("--operation", name)),
        )

    def add(self, user, password):
        self.tool(
            *("kafka.admin.ConfigCommand", "--bootstrap-server", self.bootstrap, "--alter"),
            *("--add-config", f"SCRAM-SHA-512=[password={password}]"),
            *("--entity-type", "users", "--entity-name", user),
        )


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    broker = Strict(tmp_path_factory.mktemp("strict"))
    try:
        broker.start()
        broker.add("people", "another-secret")
        broker.apply(composed("stream"), {"stream-classify": USER, "stream-people": "people"})
        yield broker
    finally:
        broker.stop()


def test_pods_classify_and_people_send_watch_and_replay(strict, tmp_path, monkeypatch):
    shelf, photos = tmp_path / "store", tmp_path / "photos"
    tiny.put(shelf, "brightness", tiny.brightness(8, 8, 3), classes=["dark", "bright"])
    files(photos, 100, 200)
    monkeypatch.setenv("LABKIT_HEADLESS", "1")
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LABKIT_STORE", str(shelf))
    monkeypatch.setenv("LABKIT_KAFKA_BOOTSTRAP", strict.sasl_tls)
    monkeypatch.setenv("LABKIT_KAFKA_CA", str(strict.ca))

    def start(who, *words):
        monkeypatch.setenv("LABKIT_KAFKA_USER", who)
        monkeypatch.setenv("LABKIT_KAFKA_PASSWORD", PASSWORD if who == USER else "another-secret")
        return subprocess.Popen(
            [sys.executable, "-m", "labkit", "stream", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(*words):
        process = start(*words)
        said, wrong = process.communicate(timeout=120)
        return process.returncode, said + wrong

    watching = start("people", "watch")
    assert "Watching answers" in watching.stderr.readline()
    assert run("people", "send", photos)[0] == 0
    admin = Producer({"bootstrap.servers": strict.bootstrap})
    admin.produce("pictures", b"no picture")
    assert admin.flush(30) == 0
    status, said = run(USER, "classify", "brightness", "--idle", "8")
    assert status == 0 and "3 read, 2 done, 1 dead letters" in said, said
    status, said = run("people", "replay")
    assert status == 0 and "1 read, 1 done" in said, said
    watching.send_signal(signal.SIGINT)
    seen, wrong = watching.communicate(timeout=60)
    assert len(re.findall("brightness/1", seen)) == 2, seen + wrong

    status, said = run("people", "classify", "brightness", "--idle", "5")
    assert status == 1 and "does not allow this" in said, said
    status, said = run(USER, "send", photos)
    assert status == 1 and "uthoriz" in said, said
