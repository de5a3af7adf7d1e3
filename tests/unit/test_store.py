"""`labkit.store`: models in a folder or a bucket, by whoever may write there."""

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFile
from sklearn.linear_model import LinearRegression, LogisticRegression

import labkit
from labkit import models, store
from labkit.data.download import sha256
from labkit.errors import StoreError
from labkit.store import forms
from labkit.store.place import Place


@pytest.fixture(scope="module")
def digits():
    return labkit.load("mnist", limit=60)


@pytest.fixture(scope="module")
def network(digits):
    return models.mlp(digits, units=(8,))


@pytest.fixture(scope="module")
def table():
    return labkit.load("linear_regression")


@pytest.fixture(scope="module")
def line(table):
    return LinearRegression().fit(table.x_train, table.y_train)


@pytest.fixture(params=["folder", "memory"])
def url(request, tmp_path):
    return str(tmp_path) if request.param == "folder" else f"memory://{tmp_path.name}"


def answers(version, examples):
    """What a server says, which knows neither Keras nor scikit-learn."""
    import onnxruntime

    session = onnxruntime.InferenceSession(version.onnx().read_bytes())
    return session.run(["output"], {"input": examples.astype("float32")})[0]


def test_a_network_comes_back_as_it_was_saved(network, digits, url):
    version = store.save(network, "digits", data=digits, metrics={"accuracy": 0.5}, url=url)
    assert (version.name, version.number, version.kind) == ("digits", 1, "keras")
    assert version.class_names == [*digits.class_names]
    assert version.inputs == [{"name": "input", "datatype": "FP32", "shape": [-1, 28, 28, 1]}]
    assert version.outputs == [{"name": "output", "datatype": "FP32", "shape": [-1, 10]}]
    assert version.data["name"] == "mnist" and version.data["source"] == "sample"
    assert version.metrics == {"accuracy": 0.5} and "keras" in version.packages
    expected = network.predict(digits.x_test[:9], verbose=0)
    loaded = store.load("digits", url=url)
    assert np.array_equal(loaded.predict(digits.x_test[:9], verbose=0), expected)
    assert answers(version, digits.x_test[:9]) == pytest.approx(expected, abs=1e-5)


def test_a_regression_knows_the_ranges_of_its_columns(line, table, url):
    version = store.save(line, "output", data=table, url=url)
    assert [feature["name"] for feature in version.features] == list(table.feature_names)
    first = version.features[0]
    assert first["low"] == table.x_train[:, 0].min() <= first["middle"] <= first["high"]
    loaded = store.load("output/latest", url=url)
    assert np.array_equal(loaded.predict(table.x_test), line.predict(table.x_test))
    assert answers(version, table.x_test).ravel() == pytest.approx(line.predict(table.x_test), 1e-3)


def test_a_classifier_of_scikit_learn_gives_probabilities(digits, tmp_path):
    x = digits.x_train.reshape(len(digits.x_train), -1) / 255
    model = LogisticRegression(max_iter=50).fit(x, digits.y_train)
    version = store.save(model, "logistic", url=tmp_path)
    assert answers(version, x[:5]) == pytest.approx(model.predict_proba(x[:5]), abs=1e-4)


def test_versions_count_up_and_the_latest_is_the_newest(line, url):
    for number in (1, 2, 3):
        assert store.save(line, "m", metrics={"r2": number / 10}, url=url).number == number
    store.save(line, "another", url=url)
    assert store.find("m", url=url).number == 3
    assert store.find("m/2", url=url).metrics == {"r2": 0.2}
    assert [repr(v).split()[0] for v in store.list(url=url)] == ["another/1", "m/1", "m/2", "m/3"]


def test_nothing_there_says_what_to_do(line, url):
    assert store.list(url=url) == []
    with pytest.raises(StoreError, match="the models there: none. Save one first"):
        store.load("m", url=url)
    store.save(line, "m", url=url)
    with pytest.raises(StoreError, match="has no version 7; its versions: 1"):
        store.load("m/7", url=url)
    with pytest.raises(StoreError, match="or 'latest'"):
        store.load("m/newest", url=url)


@pytest.mark.parametrize("name", ["", "../etc", "A", "a b", ".hidden", "a" * 65])
def test_a_name_cannot_lead_elsewhere(line, name, tmp_path):
    for call in (lambda: store.save(line, name, url=tmp_path), lambda: store.find(name)):
        with pytest.raises(StoreError, match="cannot be called"):
            call()


@pytest.mark.parametrize(
    "thing, message", [(object(), "is no model"), (LinearRegression(), "call its fit")]
)
def test_what_is_no_trained_model_is_not_saved(thing, message, tmp_path):
    with pytest.raises(StoreError, match=message):
        store.save(thing, "m", url=tmp_path)
    assert store.list(url=tmp_path) == []


def test_a_changed_file_is_refused(line, url):
    version = store.save(line, "m", url=url)
    place = Place(url)
    path = place._at(f"m/{version.folder}/model.skops")
    place.fs.pipe_file(path, place.fs.cat_file(path) + b" ")
    with pytest.raises(StoreError, match="is not the file that was saved"):
        store.load("m", url=url)


@pytest.mark.parametrize(
    "change",
    [
        {"folder": "../../somewhere"},
        {"folder": "files/1-" + "0" * 32, "files": {"../../x": "0" * 64}},
        {"kind": "pickle"},
        {"format": 99},
        {"extra": 1},
        {"files": {"model.skops": "x", "model.onnx": "y"}},
        {"class_names": 5},
        {"data": []},
    ],
)
def test_a_manifest_that_someone_else_wrote_is_not_trusted(line, change, tmp_path):
    store.save(line, "m", url=tmp_path)
    manifest = tmp_path / "m/000001.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(StoreError, match="is no version of a model"):
        store.load("m", url=tmp_path)


def test_a_model_that_could_run_code_is_refused(tmp_path):
    keras = labkit.keras
    unsafe = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    path = tmp_path / "model.keras"
    unsafe.save(path)
    with pytest.raises(StoreError, match="is refused: build it without"):
        forms.read("keras", path)

    import skops.io

    class Surprise:
        pass

    Surprise.__module__ = "somewhere"
    path = tmp_path / "model.skops"
    path.write_bytes(skops.io.dumps(Surprise()))
    with pytest.raises(StoreError, match="could run code"):
        forms.read("sklearn", path)


def test_an_archive_cannot_write_outside_its_folder(network, tmp_path):
    inside = tmp_path / "a/b"
    inside.mkdir(parents=True)
    network.save(inside / "model.keras")
    with zipfile.ZipFile(inside / "model.keras", "a") as archive:
        archive.writestr("../../evil.txt", "x")
        archive.writestr("assets/../../../evil.txt", "x")
    with contextlib.suppress(StoreError):
        forms.read("keras", inside / "model.keras")
    assert [*tmp_path.rglob("evil*")] == []


def _save_two(url):
    model = LinearRegression().fit(np.eye(3), np.arange(3.0))
    return [store.save(model, "m", url=url).number for _ in range(2)]


@pytest.mark.slow
def test_two_writers_never_share_a_number(tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        numbers = pool.map(_save_two, [str(tmp_path)] * 2)
    assert sorted(sum(numbers, [])) == [1, 2, 3, 4]
    assert [version.number for version in store.list(url=tmp_path)] == [1, 2, 3, 4]


KILLED = """
import sys, time
from sklearn.linear_model import LinearRegression
from labkit import store
from labkit.store.place import Place
model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
put = Place.put
def slowly(self, source, path):
    put(self, source, path)
    print("put", flush=True)
    time.sleep(60)
Place.put = slowly
store.save(model, "m", url=sys.argv[1])
"""


@pytest.mark.slow
def test_a_killed_save_leaves_no_version(line, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "put\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert store.list(url=tmp_path) == []
    (left,) = (tmp_path / "m/files").iterdir()
    assert store.save(line, "m", url=tmp_path).number == 1
    assert left.exists(), "somebody may still be writing it"
    old = left.with_name(f"{int(time.time()) - 100_000}-{left.name.partition('-')[2]}")
    os.rename(left, old)
    assert store.save(line, "m", url=tmp_path).number == 2
    assert not old.exists() and len([*(tmp_path / "m/files").iterdir()]) == 2


def test_a_version_stays_whole_when_the_answer_to_its_writing_is_lost(line, url, monkeypatch):
    create = Place.create

    def and_then_the_line_is_cut(self, path, content):
        create(self, path, content)
        raise StoreError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(Place, "create", and_then_the_line_is_cut)
        with pytest.raises(StoreError, match="no answer"):
            store.save(line, "m", url=url)
    assert np.array_equal(store.load("m", url=url).coef_, line.coef_)


@pytest.mark.parametrize("content", ["{", "", "[]", "x" * (2 << 20)])
def test_a_damaged_manifest_is_named_and_keeps_nobody_from_the_others(
    line, content, tmp_path, capsys
):
    for _ in range(3):
        store.save(line, "m", url=tmp_path)
    (tmp_path / "m/000002.json").write_text(content)
    assert [version.number for version in store.list(url=tmp_path)] == [1, 3]
    said = capsys.readouterr().out
    assert "Note: left out: m/" in said and said.count("\n") == 1 and "2" in said.split()[3]
    assert store.save(line, "m", url=tmp_path).number == 4


def test_a_place_that_cannot_be_read_is_no_damaged_manifest(line, tmp_path, monkeypatch):
    store.save(line, "m", url=tmp_path)

    def cut(self, path):
        raise StoreError("no answer")

    monkeypatch.setattr(Place, "read", cut)
    with pytest.raises(StoreError, match="no answer"):
        store.list(url=tmp_path)


@pytest.mark.parametrize("content", ["{", "cut off, but: {folder}"])
def test_tidying_spares_the_files_of_a_damaged_manifest(line, content, tmp_path):
    def age(folder):
        old = folder.with_name(f"1-{folder.name.partition('-')[2]}")
        return Path(os.rename(folder, old) or old)

    version = store.save(line, "m", url=tmp_path)
    mine = age(tmp_path / "m" / version.folder)
    shown = content.replace("{folder}", f"files/{mine.name}")
    (tmp_path / "m/000001.json").write_text(shown)
    left = tmp_path / "m/files" / f"1-{'0' * 32}"
    left.mkdir()
    (left / "model.onnx").write_text("a save that was killed")
    store.save(line, "m", url=tmp_path)
    assert mine.exists() and not left.exists()


def test_a_long_transfer_shows_a_bar(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LABKIT_HEADLESS", "0")
    source = tmp_path / "large.bin"
    source.write_bytes(b"x" * (12 << 20))
    place, digest = Place(f"memory://{tmp_path.name}"), sha256(source)
    place.put(source, "m/large.bin")
    place.get("m/large.bin", digest).unlink()
    assert "large.bin" not in capsys.readouterr().err, "a short one shows none"
    read = MemoryFile.read

    def slowly(self, *size):
        time.sleep(0.8)
        return read(self, *size)

    monkeypatch.setattr(MemoryFile, "read", slowly)
    place.get("m/large.bin", digest)
    assert "Loading large.bin" in capsys.readouterr().err


def test_a_file_of_joblib_is_read_only_when_its_reader_trusts_it(line, tmp_path):
    class Surprise:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "surprise"),)

    path = tmp_path / "model.joblib"
    joblib.dump(line, path)
    assert np.array_equal(store.read_joblib(path, trusted=True).coef_, line.coef_)
    joblib.dump(Surprise(), path)
    for trusted in (False, None, "yes", 1):
        with pytest.raises(StoreError, match="runs as soon as it is read.*write trusted=True"):
            store.read_joblib(path, trusted=trusted)
    with pytest.raises(TypeError):
        store.read_joblib(path)
    assert not (tmp_path / "surprise").exists()
    path.write_bytes(b"no pickle")
    for wrong in (path, tmp_path / "not there.joblib"):
        with pytest.raises(StoreError, match="could not be read.*Check the path"):
            store.read_joblib(wrong, trusted=True)


def test_a_place_that_cannot_be_written_says_so(line, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="could not be"):
        store.save(line, "m", url=tmp_path / "file")
    with pytest.raises(StoreError, match="could not be opened"):
        store.list(url="nowhere://user:secret@host/x")
    assert not Path("nowhere:").exists()


def test_the_setting_says_where(line, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_STORE", str(tmp_path / "here"))
    store.save(line, "m")
    assert store.find("m").url == str(tmp_path / "here")
