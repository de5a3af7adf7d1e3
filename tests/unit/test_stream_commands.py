"""`labkit stream` as processes: a broker in one, those who send and read in others."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import requests

from labkit import stream
from tests.services.ports import free_port
from tests.unit import tiny_models as tiny
from tests.unit.serve_process import until
from tests.unit.stream_parts import bomb, files, topic


def start(*words, **options):
    call = [sys.executable, "-m", "labkit", "stream", *map(str, words)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen(call, **options)


def run(*words):
    """What a command prints, once it has ended well."""
    process = start(*words)
    said, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, said + wrong
    return said


@pytest.fixture(scope="module")
def broker():
    """The address that `labkit stream broker` gives; Ctrl-C ends it well."""
    process = start("broker")
    lines = iter(process.stdout.readline, "")
    address = next(
        line.split("=")[1].strip() for line in lines if "export LABKIT_KAFKA_BOOTSTRAP=" in line
    )
    yield address
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0, process.stderr.read()


@pytest.fixture(autouse=True)
def named(broker, monkeypatch):
    monkeypatch.setenv("LABKIT_KAFKA_BOOTSTRAP", broker)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    tiny.put(folder, "brightness", tiny.brightness(8, 8, 3), classes=["dark", "bright"])
    return folder


@pytest.mark.slow
def test_send_classify_and_replay_share_the_broker_of_another_process(broker, shelf, tmp_path):
    source, sink = topic(), topic("answers")
    paths = files(tmp_path, 0, *range(245, 256))
    said = run("send", *paths, "--topic", source).splitlines()
    assert re.fullmatch(rf"[0-9a-f]{{32}}  {source}\[[0-3]\] at [0-9]+", said[0])
    assert said[10:] == ["Sent 12 pictures, 2 of them not shown."]
    kafka = stream.connect(broker)
    producer = kafka.producer()
    producer.produce(source, bomb(), "bomb")
    producer.flush()
    there = ("--source", source, "--store", shelf, "--idle", 3)
    said = run("classify", "brightness", "--sink", sink, *there)
    assert said.splitlines()[-1] == "13 read, 12 done, 1 dead letters (1 too-large)"
    classes = [record.json()["class"] for record in stream.read(sink, connection=kafka)]
    assert sorted(classes) == ["bright"] * 11 + ["dark"]
    assert run("replay", "--source", source).splitlines()[-1] == "1 read, 1 done, 0 dead letters"


@pytest.mark.slow
def test_collect_puts_the_pictures_of_folders_into_folders_again(broker, tmp_path):
    files(tmp_path / "sent" / "cats", 1, 2, 3)
    files(tmp_path / "sent" / "dogs", 4, 5)
    source, target = topic(), tmp_path / "data"
    run("send", tmp_path / "sent", "--topic", source, "--label-from-folder", "--bootstrap", broker)
    said = run("collect", target, "--source", source, "--validation", 0, "--idle", 3)
    assert said.splitlines()[-1] == "5 read, 5 done, 0 dead letters"
    found = [path.parent.name for path in (target / "training").rglob("*.png")]
    assert sorted(found) == ["cats"] * 3 + ["dogs"] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_batch_with_the_tally(broker, shelf, tmp_path, number):
    source, port = topic(), free_port()
    kafka = stream.connect(broker)
    paths = files(tmp_path, 1, 2, 3)
    stream.send(paths, source, connection=kafka)
    producer = kafka.producer()
    producer.produce(source, b"no picture", "bad")
    producer.flush()
    process = start(
        *("classify", "brightness", "--source", source, "--sink", topic("answers")),
        *("--store", shelf, "--metrics-port", port),
    )
    try:

        def measured(name, **labels):
            shown = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
            try:
                text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
            except requests.ConnectionError:
                return None
            found = re.search(rf"^{name}{{{re.escape(shown)}}} (.*)$", text, re.MULTILINE)
            return found and float(found[1])

        until(lambda: measured("labkit_stream_pictures_total", topic=source) == 4, 30)
        assert measured("labkit_stream_dead_letters_total", reason="picture", topic=source) == 1
        assert measured("labkit_stream_latency_seconds_count", topic=source) == 3
        lag = [measured("labkit_stream_lag", partition=str(n), topic=source) for n in range(4)]
        assert sum(one or 0 for one in lag) == 0 and any(one is not None for one in lag)
        process.send_signal(number)
        said, log = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, log
    assert said.splitlines()[-1] == "4 read, 3 done, 1 dead letters (1 picture)"
    lines = [json.loads(line) for line in log.splitlines()]
    (letter,) = [line for line in lines if line["message"] == "dead letter"]
    assert (letter["level"], letter["reason"], letter["topic"]) == ("WARNING", "picture", source)
    assert "Traceback" not in log


def test_a_port_that_is_taken_says_so(broker, tmp_path):
    process = start("collect", tmp_path, "--metrics-port", broker.rpartition(":")[2])
    _, wrong = process.communicate(timeout=30)
    assert process.returncode == 1 and "Choose another: --metrics-port." in wrong


def test_without_an_address_the_commands_say_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.delenv("LABKIT_KAFKA_BOOTSTRAP")
    (path,) = files(tmp_path, 1)
    process = start("send", path)
    said, wrong = process.communicate(timeout=30)
    assert process.returncode == 1 and said == ""
    assert wrong.startswith("Error: No Kafka is named. Set LABKIT_KAFKA_BOOTSTRAP, such as to")
    assert wrong.endswith("run in another terminal: labkit stream broker\n")


def test_what_cannot_be_sent_is_a_message_and_no_stack_trace(tmp_path):
    (tmp_path / "notes.jpg").write_text("no picture")
    process = start("send", tmp_path / "notes.jpg", "--topic", topic(), env={**os.environ})
    _, wrong = process.communicate(timeout=30)
    assert process.returncode == 1 and "Traceback" not in wrong
    assert "notes.jpg was not sent, and nothing else: it is not a JPEG" in wrong
