"""Pictures through the embedded broker: sent, classified, collected, put back and read."""

import contextlib
import json
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import labkit
from labkit import models, store, stream
from labkit.data import from_folder
from labkit.errors import StoreError, StreamError
from labkit.serve.predictor import Predictor
from labkit.stream.loop import dead_letters
from labkit.stream.measures import Measures
from labkit.stream.message import MOST_BYTES
from tests.unit import tiny_models as tiny
from tests.unit.stream_parts import (
    bomb,
    dead,
    files,
    large_picture,
    picture,
    put,
    sha256,
    topic,
)


@pytest.fixture(scope="module")
def kafka():
    return stream.connect()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A store with a model that tells how bright a picture is."""
    folder = tmp_path_factory.mktemp("store")
    tiny.put(folder, "brightness", tiny.brightness(8, 8, 3), classes=["dark", "bright"])
    # 1 for a picture that is not black, and for a black one no number.
    mean = ("ReduceMean", "input", "mean", {"axes": [1, 2, 3], "keepdims": 0})
    nodes = [mean, ("Div", "mean mean", "one", {}), ("Reshape", "one column", "output", {})]
    ends = [("input", tiny.FLOAT, ["n", 8, 8, 3])], [("output", tiny.FLOAT, ["n", 1])]
    fickle = tiny.model(nodes, *ends, column=np.array([-1, 1]))
    tiny.put(folder, "fickle", fickle, classes=["black", "other"])
    return folder


@pytest.fixture
def classify(kafka, shelf):
    """Classifies ``count`` pictures, all by default: (tally, answers by id)."""

    def run(source, model="brightness", count=None, **options):
        sink = topic("answers")
        options = {"connection": kafka, "store": shelf} | options
        with stopping(kafka, source, count) as until:
            tally = stream.classify(model, source, sink, **until, **options)
        return tally, {record.key: record.json() for record in stream.read(sink, connection=kafka)}

    return run


@pytest.fixture
def collect(kafka, shelf):
    """Collects all that is in a topic."""

    def run(source, target, **options):
        options = {"connection": kafka, "store": shelf} | options
        with stopping(kafka, source) as until:
            return stream.collect(source, target, **until, **options)

    return run


@contextlib.contextmanager
def stopping(kafka, source, count=None):
    """Options that end a consumer once it has read so many messages, by default all."""
    count = count or sum(end for _, end in kafka.ends(source).values())
    stop, measures = threading.Event(), Measures()

    def watch():
        name, labels = "labkit_stream_pictures_total", {"topic": source}
        while (measures.registry.get_sample_value(name, labels) or 0) < count:
            if stop.wait(0.02):
                return
        stop.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield {"stop": stop, "measures": measures, "idle": 20}
    finally:
        stop.set()
        watcher.join()


def below(folder):
    """The files below a folder, by their path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Sending


def test_a_file_is_sent_as_it_is_and_the_receipt_says_where_it_lies(kafka, tmp_path):
    (path,) = files(tmp_path / "cats", 10)
    source = topic()
    (receipt,) = stream.send(path, source, connection=kafka)
    assert receipt.topic == source and 0 <= receipt.partition < 4 and receipt.offset == 0
    (record,) = stream.read(source, connection=kafka)
    assert record.value == path.read_bytes()
    assert (record.partition, record.offset) == (receipt.partition, receipt.offset)
    sent_at = record.headers.pop("sent-at")
    assert record.headers == {
        "labkit-schema": "1",
        "content-type": "image/png",
        "id": sha256(record.value)[:32],
        "sha256": sha256(record.value),
        "name": "10.png",
    }
    assert record.key == receipt.id == record.headers["id"]
    assert sent_at[:10] == record.at[:10] and sent_at.endswith("Z")


def test_a_folder_and_a_list_of_files_and_folders_are_sent_in_order(kafka, tmp_path):
    cats, dogs = files(tmp_path / "all" / "cats", 1, 2), files(tmp_path / "all" / "dogs", 3, 4)
    (tmp_path / "all" / "notes.txt").write_text("no picture")
    every = [sha256(path.read_bytes())[:32] for path in [*cats, *dogs]]
    receipts = stream.send(str(tmp_path / "all"), topic(), connection=kafka)
    assert [receipt.id for receipt in receipts] == every
    given = [dogs[1], tmp_path / "all" / "cats"]
    receipts = stream.send(iter(given), topic(), connection=kafka)
    assert [receipt.id for receipt in receipts] == [every[3], every[0], every[1]]


def test_the_same_picture_has_the_same_id_and_partition_wherever_it_is_sent(kafka, tmp_path):
    (one,) = files(tmp_path / "a", 10)
    other = one.rename(tmp_path / "other name.png")
    source, elsewhere = topic(), topic()
    receipts = [
        *stream.send([other, other], source, connection=kafka),
        *stream.send(other, elsewhere, connection=kafka, label="cat"),
    ]
    assert len({receipt.id for receipt in receipts}) == 1
    assert len({receipt.partition for receipt in receipts}) == 1
    assert [receipt.offset for receipt in receipts] == [0, 1, 0]


def test_labels_are_one_for_all_or_told_by_a_function(kafka, tmp_path):
    files(tmp_path / "cats", 1), files(tmp_path / "dogs", 2)
    source = topic()
    stream.send(tmp_path, source, connection=kafka, label=lambda path: path.parent.name)
    stream.send(tmp_path / "cats", source, connection=kafka, label="kitten")
    labels = sorted(record.headers["label"] for record in stream.read(source, connection=kafka))
    assert labels == ["cats", "dogs", "kitten"]


@pytest.mark.parametrize("label", ["../../x", "", "a/b", "CON", "cat\0", "_hidden", "x" * 65])
def test_a_label_that_no_folder_can_have_is_refused_when_it_is_sent(kafka, tmp_path, label):
    source = topic()
    with pytest.raises(StreamError, match="is no class: use letters"):
        stream.send(files(tmp_path, 1), source, connection=kafka, label=label)
    assert stream.read(source, connection=kafka) == []


def test_when_one_is_no_picture_nothing_is_sent(kafka, tmp_path):
    source, good = topic(), files(tmp_path, 1, 2)
    (tmp_path / "notes.jpg").write_text("no picture")
    (tmp_path / "bomb.png").write_bytes(bomb())
    for bad, why in (
        ("notes.jpg", "it is not a JPEG, PNG, GIF, BMP or WebP picture"),
        ("bomb.png", "it has more than 40 million pixels"),
        ("missing.jpg", "it is not there"),
    ):
        with pytest.raises(StreamError) as error:
            stream.send([*good, tmp_path / bad], source, connection=kafka)
        assert f"{bad} was not sent, and nothing else: {why}" in str(error.value)
    assert stream.read(source, connection=kafka) == []
    (tmp_path / "empty").mkdir()
    for nothing in ([], tmp_path / "empty"):
        with pytest.raises(StreamError, match="There is no picture in .* Give the path of a"):
            stream.send(nothing, source, connection=kafka)


def test_a_picture_with_more_pictures_in_it_is_a_jpeg_as_phones_make_them(kafka, tmp_path):
    import io

    from PIL import Image

    one, file = Image.new("RGB", (16, 16), "white"), io.BytesIO()
    one.save(file, "MPO", save_all=True, append_images=[one])
    (tmp_path / "photo.jpg").write_bytes(file.getvalue())
    source = topic()
    stream.send(tmp_path / "photo.jpg", source, connection=kafka)
    (record,) = stream.read(source, connection=kafka)
    assert record.headers["content-type"] == "image/jpeg"


def test_a_picture_just_below_1_mb_goes_into_the_message(kafka, shelf, tmp_path):
    small = picture(10)
    path = tmp_path / "photo.jpg"
    path.write_bytes(small + bytes(MOST_BYTES - len(small)))  # what follows its end is not read
    source = topic()
    stream.send(path, source, connection=kafka, store=shelf)
    (record,) = stream.read(source, connection=kafka)
    assert len(record.value) == MOST_BYTES and "reference" not in record.headers


def test_a_topic_has_a_name_that_kafka_knows(kafka, tmp_path):
    for name in ("my pictures", "..", "", "a/b", "x" * 300):
        with pytest.raises(StreamError, match="A topic cannot be called .* Use letters"):
            stream.send(files(tmp_path, 1), name, connection=kafka)


# Classifying


def test_an_answer_is_what_the_model_itself_says(kafka, classify, shelf, tmp_path):
    paths, source = files(tmp_path, 0, 51, 255), topic()
    receipts = stream.send(paths, source, connection=kafka)
    tally, answers = classify(source)
    assert repr(tally) == "3 read, 3 done, 0 dead letters"
    predictor = Predictor(store.find("brightness", url=shelf))
    for path, receipt in zip(paths, receipts, strict=True):
        answer = answers[receipt.id]
        example = labkit.data.read_picture(path, image_size=8)[None].astype("float32")
        dark, bright = (float(share) for share in predictor.run(example)[0][0])
        assert answer["probabilities"] == pytest.approx({"dark": dark, "bright": bright}, abs=1e-6)
        assert answer["class"] == ("dark" if dark > bright else "bright")
        assert answer["probability"] == max(answer["probabilities"].values())
        assert answer["source"] == [source, receipt.partition, receipt.offset]
        assert (answer["id"], answer["name"]) == (receipt.id, path.name)
        assert answer["model"] == "brightness/1"
        assert answer["sent-at"] <= answer["answered-at"]


def test_a_group_goes_on_where_it_was_and_another_one_begins_anew(kafka, classify, tmp_path):
    source = topic()
    stream.send(files(tmp_path, 1, 2), source, connection=kafka)
    assert classify(source)[0].done == 2
    stream.send(files(tmp_path, 3), source, connection=kafka)
    tally, answers = classify(source, count=1)
    assert tally.done == 1 and len(answers) == 1
    assert classify(source, group="others")[0].done == 3


def test_it_ends_when_nothing_comes_any_more(kafka, shelf):
    options = {"connection": kafka, "store": shelf, "idle": 0.2}
    assert stream.classify("brightness", topic(), topic("answers"), **options).read == 0
    assert stream.collect(topic(), shelf / "data", **options).read == 0


def test_a_picture_over_1_mb_goes_through_the_store(kafka, classify, collect, shelf, tmp_path):
    raw, source = large_picture(), topic()
    (tmp_path / "large.png").write_bytes(raw)
    (receipt,) = stream.send(
        tmp_path / "large.png", source, connection=kafka, label="noise", store=shelf
    )
    (record,) = stream.read(source, connection=kafka)
    assert record.value == b"" and record.headers["reference"] == f"_blobs/{sha256(raw)}"
    assert (shelf / record.headers["reference"]).read_bytes() == raw
    tally, answers = classify(source)
    assert answers[receipt.id]["probability"] == pytest.approx(0.5, abs=0.1)  # noise is grey
    collect(source, tmp_path / "data", validation=0)
    assert below(tmp_path / "data") == {f"training/noise/{receipt.id}.png": raw}


def test_a_plain_jpeg_of_any_other_program_works(kafka, classify):
    source, raw = topic(), picture(255)
    odd = [
        ("Content-Type", b"text"),
        ("reference", b"order 12"),
        ("sent-at", b"today"),
        ("x", None),
    ]
    put(kafka, source, (None, raw, None), (b"camera-7", raw, odd), (b"\xff\0", raw, []))
    tally, answers = classify(source)
    assert repr(tally) == "3 read, 3 done, 0 dead letters"
    assert {*answers} == {sha256(raw)[:32], "camera-7"}
    assert answers["camera-7"]["class"] == "bright" and answers["camera-7"]["sent-at"] is None


def test_every_kind_of_broken_message_is_a_dead_letter_and_the_rest_is_answered(
    kafka, classify, shelf
):
    white, kept, source = picture(255), large_picture(7), topic()
    tampered = store.blobs.put(kept, url=shelf)
    (shelf / tampered).write_bytes(kept[:-1] + b"x")
    gone = f"_blobs/{'0' * 64}"
    broken = {
        "schema": (white, {"labkit-schema": "2"}, "update labkit"),
        "empty": (None, {}, "no bytes"),
        "hash": (white, {"sha256": sha256(b"other")}, "SHA-256"),
        "type": (white, {"content-type": "image/png"}, "'image/png' and is image/jpeg"),
        "picture": (b"<html>no picture</html>", {}, "not a JPEG"),
        "cut off": (picture(255, size=200)[:-100], {}, "damaged or cut off"),
        "too-large": (bomb(), {}, "more than 40 million pixels"),
        "bad reference": (None, {"reference": "../../etc/passwd"}, "something else than a picture"),
        "missing": (b"", {"reference": gone}, "does not have"),
        "tampered": (b"", {"reference": tampered}, "other bytes"),
    }
    reasons = {"cut off": "picture", "missing": "reference", "tampered": "reference"}
    reasons |= {"bad reference": "reference"}
    sent = [
        (name.encode(), value, [*headers.items(), ("own", b"\xff")])
        for name, (value, headers, _) in broken.items()
    ]
    good = [(f"good-{i}".encode(), white, []) for i in range(2)]
    places = put(kafka, source, good[0], *sent, good[1])
    tally, answers = classify(source)
    assert {*answers} == {"good-0", "good-1"} and tally.done == 2
    assert tally.reasons == {
        **dict.fromkeys(("schema", "empty", "hash", "type", "too-large"), 1),
        "picture": 2,
        "reference": 3,
    }
    letters = stream.read(dead_letters(source, "classify"), connection=kafka)
    assert len(letters) == tally.dead_letters == 10
    by_key = {record.key: record for record in letters}
    for place, (name, (value, headers, why)) in zip(places[1:], broken.items(), strict=False):
        record = by_key[name]
        assert record.value == (value or b"")
        assert {**headers, "own": "\N{REPLACEMENT CHARACTER}"}.items() <= record.headers.items()
        told = {k.removeprefix("dead-letter-"): v for k, v in record.headers.items()}
        assert told["reason"] == reasons.get(name, name) and why in told["detail"]
        assert (told["topic"], told["partition"], told["offset"]) == (source, *map(str, place))
        assert told["at"].endswith("Z")


def test_what_the_model_has_no_number_for_is_a_dead_letter(kafka, classify):
    source = topic()
    put(kafka, source, ("black", picture(0), []), ("white", picture(255), []))
    tally, answers = classify(source, model="fickle")
    assert {*answers} == {"white"} and tally.reasons == {"model": 1}
    assert dead(kafka, source, "classify")["model"].key == "black"


def test_what_is_too_large_for_an_answer_does_not_stop_the_stream(kafka, classify):
    """A time of half a million digits is one, for Python."""
    source, later = topic(), b"2026-01-01T00:00:00." + b"0" * 500_000 + b"+00:00"
    headers = [("sent-at", later), ("name", b"n" * 100_000), ("id", b"i" * 100_000)]
    put(kafka, source, (b"k" * 10_000, picture(), headers), (b"next", picture(255), []))
    put(kafka, source, (b"large", b"x" * (1 << 20), []))
    tally, answers = classify(source)
    assert repr(tally) == "3 read, 2 done, 1 dead letters (1 picture)"
    assert {*answers} == {sha256(picture())[:32], "next"}
    assert max(len(json.dumps(answer)) for answer in answers.values()) < 2000
    assert len(dead(kafka, source, "classify")["picture"].value) == 1 << 20


def test_a_model_that_is_not_there_or_takes_no_pictures_is_refused_in_plain_words(
    kafka, shelf, tmp_path
):
    tiny.put(tmp_path, "line", tiny.line(1, 2))
    with pytest.raises(StoreError, match="There is no model 'missing'"):
        stream.classify("missing", topic(), connection=kafka, store=shelf)
    with pytest.raises(StreamError, match="line tells no classes of square pictures"):
        stream.classify("line", topic(), connection=kafka, store=tmp_path)


# Collecting


def test_collecting_makes_folders_that_from_folder_reads_and_a_model_learns_from(
    kafka, classify, collect, tmp_path
):
    files(tmp_path / "sent" / "dark", *range(0, 20))
    files(tmp_path / "sent" / "bright", *range(200, 220))
    source = topic("training-pictures")
    receipts = stream.send(
        tmp_path / "sent", source, connection=kafka, label=lambda path: path.parent.name
    )
    tally = collect(source, tmp_path / "data", validation=0.4)
    assert repr(tally) == "40 read, 40 done, 0 dead letters"
    found = below(tmp_path / "data")
    assert {path.rpartition("/")[0] for path in found} == {
        f"{part}/{label}" for part in ("training", "validation") for label in ("dark", "bright")
    }
    assert {sha256(raw)[:32] for raw in found.values()} == {receipt.id for receipt in receipts}
    assert 8 <= sum(path.startswith("validation/") for path in found) <= 24
    data = from_folder(tmp_path / "data", image_size=8)
    assert data.class_names == ("bright", "dark") and data.skipped == ()
    assert len(data.x_train) + len(data.x_test) == 40
    model = models.mlp(data)
    _, answers = classify(source, model=model, data=data)
    by_picture = {sha256(raw)[:32]: raw for raw in found.values()}
    assert len(answers) == 40
    for key, answer in list(answers.items())[:10]:
        example = labkit.data.read_picture(by_picture[key], image_size=8)[None]
        (row,) = model.predict(example, verbose=0)
        shares = row if len(row) == 2 else [1 - row[0], row[0]]
        expected = dict(zip(data.class_names, map(float, shares), strict=True))
        assert answer["probabilities"] == pytest.approx(expected, abs=1e-4)


def test_collecting_twice_changes_nothing(kafka, collect, tmp_path):
    source, target = topic(), tmp_path / "data"
    stream.send(files(tmp_path / "sent", *range(8)), source, connection=kafka, label="cat")
    collect(source, target)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in target.rglob("*")}
    assert collect(source, target, group="again").done == 8
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in target.rglob("*")} == before
    assert len(below(target)) == 8


def test_two_pictures_with_one_id_do_not_replace_each_other(kafka, collect, tmp_path):
    source, label = topic(), [("label", b"cat")]
    one, other = picture(1), picture(2)
    put(kafka, source, ("camera-7", one, label), ("camera-7", other, label))
    tally = collect(source, tmp_path / "data", validation=0)
    assert tally.reasons == {"id": 1}
    assert below(tmp_path / "data") == {"training/cat/camera-7.jpg": one}
    assert dead(kafka, source, "collect")["id"].value == other


def test_what_has_no_label_or_is_no_picture_is_not_collected(kafka, collect, tmp_path):
    source, label = topic(), [("label", b"cat")]
    put(kafka, source, ("none", picture(), []), ("cut", picture()[:-300], label))
    put(kafka, source, ("good", picture(), label))
    tally = collect(source, tmp_path / "data", validation=1)
    assert repr(tally) == "3 read, 1 done, 2 dead letters (1 label, 1 picture)"
    assert {*below(tmp_path / "data")} == {"validation/cat/good.jpg"}
    letters = dead(kafka, source, "collect")
    assert (letters["label"].key, letters["picture"].key) == ("none", "cut")


HOSTILE = [
    "../../x",
    "..",
    ".",
    "/etc/cron.d",
    "C:\\Windows",
    "\\\\host\\share",
    "a/../../../b",
    "cat/../../dog",
    "CON",
    "nul.txt",
    "COM¹",
    "cat\0dog",
    "cat\n",
    " cat",
    "cat.",
    "-rf",
    "~root",
    "x" * 10_000,
    "\U00020000" * 64,
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe",
    "%2e%2e%2fx",
    "$(touch x)",
    "*",
]


def test_hostile_labels_and_ids_never_lead_out_of_the_target(kafka, collect, tmp_path):
    deep = tmp_path / "a" / "b" / "c" / "data"
    source, before = topic(), {*tmp_path.rglob("*")}
    sent = [(None, picture(), [("label", text.encode())]) for text in HOSTILE]
    for text in HOSTILE:
        sent.append((text.encode(), picture(9), [("label", b"cat"), ("id", text.encode())]))
    sent += [(b"\xff\xfe", picture(9), [("label", b"cat"), ("id", b"\xff/../x")])]
    sent += [(None, picture(7), [("label", b"../x"), ("label", "Kätzchen 2".encode())])]
    put(kafka, source, *sent)
    tally = collect(source, deep, validation=0, batch=7)
    assert tally.reasons == {"label": len(HOSTILE)}
    assert (
        {*below(tmp_path)} - {path.relative_to(tmp_path).as_posix() for path in before}
        == {
            f"a/b/c/data/training/cat/{sha256(picture(9))[:32]}.jpg",
            "a/b/c/data/training/cat/-rf.jpg",  # names as any other
            "a/b/c/data/training/cat/cat..jpg",
            f"a/b/c/data/training/Kätzchen 2/{sha256(picture(7))[:32]}.jpg",
        }
    )


def test_a_link_in_the_target_is_not_written_through(kafka, collect, tmp_path):
    source, target, secret = topic(), tmp_path / "data", tmp_path / "secret"
    (target / "training" / "cat").mkdir(parents=True)
    secret.write_text("keep me")
    (target / "training" / "cat" / "one.jpg").symlink_to(secret)
    (target / "training" / "cat" / "two.jpg").symlink_to(tmp_path / "not there")
    label = [("label", b"cat")]
    put(kafka, source, ("one", picture(1), label), ("two", picture(2), label))
    tally = collect(source, target, validation=0)
    assert tally.reasons == {"id": 1}
    assert secret.read_text() == "keep me" and not (tmp_path / "not there").exists()


def test_a_target_that_cannot_be_written_stops_it_and_nothing_is_lost(kafka, collect, tmp_path):
    source = topic()
    stream.send(files(tmp_path / "sent", 1, 2), source, connection=kafka, label="cat")
    (tmp_path / "data").write_text("a file, where a folder should be")
    with pytest.raises(StreamError, match="data cannot be written .*the rest is read again"):
        collect(source, tmp_path / "data")
    (tmp_path / "data").unlink()
    assert collect(source, tmp_path / "data").done == 2
    with pytest.raises(StreamError, match="validation is 20; give a share from 0 to 1"):
        collect(source, tmp_path / "data", validation=20)


def test_an_address_of_fsspec_is_a_target_too(kafka, collect, tmp_path):
    import fsspec

    source, where = topic(), f"memory://{topic()}/animals"
    stream.send(files(tmp_path, 1, 2, 3), source, connection=kafka, label="cat")
    assert collect(source, where, validation=0).done == 3
    fs, root = fsspec.url_to_fs(where)
    assert len(fs.ls(f"{root}/training/cat")) == 3


# Replaying


def test_replaying_puts_back_what_was_there_as_it_had_come(kafka, classify, shelf):
    source, raw = topic(), large_picture(3)
    reference = f"_blobs/{sha256(raw)}"
    headers = [("reference", reference.encode()), ("own", b"\xff"), ("own", b"2"), ("null", None)]
    put(kafka, source, ("late", b"", headers), (None, b"no picture", None))
    assert classify(source)[0].reasons == {"reference": 1, "picture": 1}
    store.blobs.put(raw, url=shelf)  # what was missing is there now
    tally = stream.replay(source, connection=kafka)
    assert repr(tally) == "2 read, 2 done, 0 dead letters"
    found = stream.read(source, connection=kafka)
    late, other = ([r for r in found if r.key == key] for key in ("late", ""))
    assert len(late) == len(other) == 2
    for first, again in (late, other):
        assert (again.headers, again.value) == (first.headers, first.value)
    tally, answers = classify(source, count=2)
    assert {*answers} == {"late"} and tally.reasons == {"picture": 1}
    assert repr(stream.replay(source, connection=kafka)) == "1 read, 1 done, 0 dead letters"


def test_replaying_leaves_what_arrives_meanwhile_for_the_next_time(kafka, monkeypatch):
    source = topic()
    letters = dead_letters(source, "classify")
    put(kafka, letters, *((str(i), b"first", []) for i in range(5)))
    ends = type(kafka).ends

    def late(self, of):
        found = ends(self, of)
        put(kafka, letters, *((str(i), b"second", []) for i in range(5)))
        return found

    monkeypatch.setattr(type(kafka), "ends", late)
    assert stream.replay(source, connection=kafka).done == 5
    monkeypatch.undo()
    assert {r.value for r in stream.read(source, connection=kafka)} == {b"first"}
    assert stream.replay(source, connection=kafka).done == 5
    assert stream.replay(source, connection=kafka).read == 0


# Reading


def test_reading_gives_the_newest_in_order_and_takes_nothing_away(kafka, tmp_path):
    source = topic()
    put(kafka, source, *((None, str(i).encode(), []) for i in range(20)))
    values = [record.value for record in stream.read(source, connection=kafka, last=7)]
    assert values == [str(i).encode() for i in range(13, 20)]
    assert len(stream.read(source, connection=kafka)) == 20
    (record,) = stream.read(source, connection=kafka, last=1)
    assert repr(record).startswith(f"Record({source}[") and "2 bytes" in repr(record)
    assert record.json() == 19
    for last in (0, -1, 10**9):
        with pytest.raises(StreamError, match=f"last is {last}; give a number"):
            stream.read(source, connection=kafka, last=last)


def test_what_is_no_json_says_so(kafka, tmp_path):
    source = topic()
    stream.send(files(tmp_path, 1), source, connection=kafka)
    (record,) = stream.read(source, connection=kafka)
    with pytest.raises(StreamError, match="is no JSON. Read a topic of answers"):
        record.json()


# The embedded broker


def test_the_embedded_broker_is_one_for_a_process_and_other_connections_use_it(
    kafka, tmp_path, capsys
):
    assert stream.connect() is kafka
    other = stream.connect(kafka.bootstrap)
    assert other.embedded and "of another process" in repr(other)
    assert repr(kafka) == f"The embedded broker in this process, at {kafka.bootstrap}"
    source = topic()
    stream.send(files(tmp_path, 1), source, connection=other)
    assert len(stream.read(source, connection=kafka)) == 1


def test_more_than_the_embedded_broker_can_hold_is_not_sent(kafka, tmp_path):
    raw = picture()
    paths = [tmp_path / f"{i}.jpg" for i in range(17)]
    for path in paths:
        path.write_bytes(raw + os.urandom(950_000))
    source = topic()
    with pytest.raises(StreamError) as error:
        stream.send(paths, source, connection=kafka)
    assert "These 17 pictures are 16 MB, and the embedded broker keeps 5 MiB" in str(error.value)
    assert "Send about 16 at a time" in str(error.value)
    assert stream.read(source, connection=kafka) == []


def test_what_the_embedded_broker_drops_is_said(kafka, tmp_path, capsys):
    path, source = tmp_path / "one.jpg", topic()
    path.write_bytes(picture() + bytes(900_000))
    stream.send([path] * 5, source, connection=kafka)  # one key, so one partition
    assert "dropped" not in capsys.readouterr().out
    stream.send([path] * 3, source, connection=kafka)
    said = capsys.readouterr().out
    assert f"the embedded broker has dropped the 3 oldest messages of {source}" in said


def test_two_consumers_of_a_group_answer_each_picture_once(kafka, shelf, tmp_path):
    source, sink = topic(), topic("answers")
    stream.send(files(tmp_path, *range(40)), source, connection=kafka)
    options = {"connection": kafka, "store": shelf, "batch": 4}
    with stopping(kafka, source) as until, ThreadPoolExecutor() as pool:
        work = [
            pool.submit(stream.classify, "brightness", source, sink, **until, **options)
            for _ in range(2)
        ]
    assert sum(one.result().done for one in work) == 40
    keys = [record.key for record in stream.read(sink, connection=kafka)]
    assert len(keys) == len({*keys}) == 40


def test_dead_letters_are_logged_for_programs(kafka, classify, caplog):
    source = topic()
    put(kafka, source, ("bad", b"no picture", []))
    with caplog.at_level(logging.INFO, "labkit.stream"):
        classify(source)
    (line,) = [record for record in caplog.records if record.getMessage() == "dead letter"]
    assert (line.reason, line.topic, line.offset) == ("picture", source, 0)
