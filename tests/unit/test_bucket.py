"""Data and pictures in a bucket: a mirror of data sets, and pictures that somebody adds to."""

import hashlib
import io
import os
import sys
import time
import traceback

import fsspec
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import labkit
from labkit import data as labdata
from labkit.cli import app
from labkit.data import bucket, from_folder, mirror, mirror_weights
from labkit.data.bucket import Bucket, Kept
from labkit.data.download import silence_file, unfit
from labkit.errors import DataError, DownloadError, LabError
from tests.unit.lab_server import LabServer
from tests.unit.test_data import digits, photos
from tests.unit.test_folder import greys

WEIGHTS = "mobilenet_2_5_224_tf_no_top.h5"


@pytest.fixture
def memory():
    return fsspec.filesystem("memory")


@pytest.fixture
def url(home):
    """An address in this process's memory, empty so far."""
    return f"memory://{home.name}/lab"


def grey(value):
    file = io.BytesIO()
    Image.new("RGB", (12, 8), (value,) * 3).save(file, "PNG")
    return file.getvalue()


def fill(fs, folder, values):
    for value in values:
        fs.pipe_file(f"{folder}/{value}.png", grey(value))


def share(fs, url, files):
    """A mirror in a bucket, with its SHA256SUMS."""
    for name, raw in files.items():
        fs.pipe_file(f"{url}/{name}", raw)
    sums = "".join(f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for name, raw in files.items())
    fs.pipe_file(f"{url}/SHA256SUMS", sums.encode())


def packed(**options):
    file = io.BytesIO()
    np.savez(file, **digits(**options))
    return file.getvalue()


# A mirror


def test_a_bucket_is_a_mirror(url, memory, monkeypatch):
    share(memory, url, {"mnist.npz": packed()})
    monkeypatch.setenv("LABKIT_DATA", url)
    data = labkit.load("mnist")
    assert data.source.kind == "mirror" and data.source.verified
    assert (data.x_train[..., 0] == digits()["x_train"]).all()
    here = {found.name: found for found in labdata.available()}
    assert here["mnist"].kind == "mirror" and here["mnist"].verified
    assert "mnist              mirror, verified" in CliRunner().invoke(app, ["data", "list"]).stdout


def test_weights_in_a_bucket(url, memory, monkeypatch):
    share(memory, url, {WEIGHTS: b"weights"})
    monkeypatch.setenv("LABKIT_DATA", url)
    found = labdata.find_weights("MobileNet-0.25")
    assert found.kind == "mirror" and found.verified and found.path.read_bytes() == b"weights"
    assert "MobileNet-0.25     mirror, verified" in CliRunner().invoke(app, ["data", "list"]).stdout


def test_what_a_bucket_does_not_have_is_drawn_and_said(url, memory, monkeypatch, capsys):
    share(memory, url, {"mnist.npz": packed()})
    monkeypatch.setenv("LABKIT_DATA", url)
    assert labkit.load("cats_and_dogs").is_sample
    assert f"{url} has no cats_and_dogs" in capsys.readouterr().out


def test_pictures_that_are_added_to_a_mirror_are_trained_on(url, memory, home, monkeypatch):
    photos(home, "cats_and_dogs", ("cats", "dogs"))
    monkeypatch.setenv("LABKIT_DATA", str(home))
    assert mirror(url, ("cats_and_dogs",)) == {"cats_and_dogs": "mirrored"}
    monkeypatch.setenv("LABKIT_DATA", url)
    assert len(labkit.load("cats_and_dogs").x_train) == 6
    cats = f"{url}/cats_and_dogs/train/cats"
    memory.pipe_file(f"{cats}/new.png", grey(9))
    memory.pipe_file(f"{cats}/0.jpg", grey(8))
    memory.rm(f"{cats}/1.jpg")
    assert mirror(url, ("cats_and_dogs",)) == {"cats_and_dogs": "mirrored"}
    data = labkit.load("cats_and_dogs")
    assert {8, 9} < set(greys(data.x_train)) and len(data.x_train) == 6
    assert data.source.verified and not data.skipped


def test_a_mirror_in_a_bucket_is_what_a_folder_would_be(folder, home, url, memory):
    np.savez(folder / "mnist.npz", **digits())
    photos(folder, "cats_and_dogs", ("cats", "dogs"))
    (folder / WEIGHTS).write_bytes(b"weights")
    here = home / "share"
    memory.pipe_file(f"{url}/notes.txt", b"mine")
    for place in (here, url):
        assert mirror(place)["mnist"] == "mirrored"
        assert mirror_weights(place) == {"MobileNet-0.25": "mirrored"}
    there = {name.split("/lab/")[1] for name in memory.find(url)} - {"notes.txt"}
    assert there == {p.relative_to(here).as_posix() for p in here.rglob("*") if p.is_file()}
    listed = memory.cat_file(f"{url}/SHA256SUMS").decode().split()[1::2]
    assert listed == (here / "SHA256SUMS").read_text().split()[1::2]
    assert [*(home / "cache/mirrors").iterdir()] == [], "nothing is left over"


def test_the_checksums_are_written_last(folder, url, memory, monkeypatch):
    (folder / WEIGHTS).write_bytes(b"weights")
    put = bucket.put_file

    def cut(fs, source, path, callback):
        raise OSError("the line is cut")

    monkeypatch.setattr(bucket, "put_file", cut)
    with pytest.raises(DownloadError, match=r"could not be written \(OSError: the line is cut\)"):
        mirror_weights(url)
    assert not memory.exists(f"{url}/SHA256SUMS")
    monkeypatch.setattr(bucket, "put_file", put)
    assert mirror_weights(url) == {"MobileNet-0.25": "mirrored"}


def test_the_command_makes_a_mirror_in_a_bucket(folder, url, memory):
    (folder / WEIGHTS).write_bytes(b"weights")
    done = CliRunner().invoke(app, ["data", "mirror", url, "MobileNet-0.25"])
    assert done.exit_code == 0 and memory.cat_file(f"{url}/{WEIGHTS}") == b"weights"
    refused = CliRunner().invoke(app, ["data", "mirror", "https://host/data"])
    assert isinstance(refused.exception, DataError)
    assert "can be read, not written" in str(refused.exception)


def test_a_file_that_differs_from_its_sum_is_refused(url, memory, monkeypatch, home):
    share(memory, url, {"mnist.npz": packed()})
    memory.pipe_file(f"{url}/mnist.npz", packed()[:-1] + b"x")
    monkeypatch.setenv("LABKIT_DATA", url)
    with pytest.raises(DownloadError, match="SHA-256 is not the one in SHA256SUMS.*thrown away"):
        labkit.load("mnist")
    memory.rm(f"{url}/mnist.npz")
    with pytest.raises(DataError, match="lists mnist.npz.*no such file. Make it anew"):
        labkit.load("mnist")
    assert not [p for p in home.rglob("*mnist.npz*") if p.suffix != ".lock"]


@pytest.mark.parametrize("name", ["../evil", "/evil", "a\\..\\evil", "a\0b", "a/../../evil"])
def test_a_list_of_checksums_cannot_lead_out_of_its_folder(name, url, memory, monkeypatch, home):
    memory.pipe_file(f"{url}/SHA256SUMS", f"{'0' * 64}  {name}\n".encode())
    monkeypatch.setenv("LABKIT_DATA", url)
    with pytest.raises(DataError, match="not a checksum and a path inside the folder"):
        labkit.load("mnist")
    assert not [*home.rglob("*evil*")]


def test_an_address_without_a_mirror_says_how_to_make_one(url, memory, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", url)
    with pytest.raises(DownloadError, match=f"has no SHA256SUMS.*`labkit data mirror {url}`"):
        labkit.load("mnist")
    memory.pipe_file(f"{url}/SHA256SUMS", b"x" * (5 << 20))
    with pytest.raises(DownloadError, match="longer than 4,194,304 bytes"):
        labkit.load("mnist")


@pytest.mark.parametrize("address", ["nowhere://me:hush@host/x", "s3://me:hush@bucket/x"])
def test_a_wrong_address_is_explained_and_its_password_not_shown(address, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", address)
    for call in (labkit.load, lambda name: from_folder(address), lambda name: mirror(address)):
        with pytest.raises(LabError, match="could not be opened.*Check its address") as raised:
            call("mnist")
        shown = "".join(traceback.format_exception(raised.value))
        assert "hush" not in shown
    assert "hush" not in CliRunner().invoke(app, ["data", "list"]).stdout


def test_the_password_of_a_web_mirror_is_not_shown(monkeypatch, home, capsys):
    server = LabServer({})
    with server.running() as address:
        there = address.replace("://", "://me:hush@")
        monkeypatch.setenv("LABKIT_DATA", there)
        with pytest.raises(DownloadError, match="404") as raised:
            labkit.load("mnist")
    monkeypatch.setenv("LABKIT_DATA", there)
    assert labkit.load("linear_regression").is_sample, "the host is gone"
    assert "hush" not in str(raised.value) + capsys.readouterr().out
    assert "hush" not in silence_file().read_text()


# A mirror over the network: s3fs asks a real server, which looks like S3 for who only reads


@pytest.fixture
def s3(monkeypatch):
    def at(endpoint, secret="a-secret-of-the-tests"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "labkit")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("LABKIT_DATA", "s3://bucket/lab")

    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield at
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def bucket_of(raw):
    sums = f"{hashlib.sha256(raw).hexdigest()}  mnist.npz\n".encode()
    return {"/bucket/lab/SHA256SUMS": sums, "/bucket/lab/mnist.npz": raw}


def test_a_copy_of_a_bucket_outlives_it(s3, monkeypatch, capsys):
    server = LabServer(bucket_of(packed()))
    with server.running() as address:
        s3(address)
        assert labkit.load("mnist").source.kind == "mirror"
        labkit.load("mnist")
        assert len(server.asked("/bucket/lab/mnist.npz")) == 1
        monkeypatch.setenv("LABKIT_OFFLINE", "1")
        seen = len(server.requests)
        assert labkit.load("mnist").source.kind == "mirror"
        assert labkit.load("linear_regression").is_sample
        assert len(server.requests) == seen, "offline means offline"
        monkeypatch.delenv("LABKIT_OFFLINE")
        server.files["/bucket/lab/SHA256SUMS"] = b""
        server.status = 403
        capsys.readouterr()
        assert labkit.load("mnist").source.kind == "mirror"
    said = capsys.readouterr().out
    assert "PermissionError" in said and "What s3://bucket/lab had last time is used" in said


def test_offline_without_a_copy_is_the_sample(s3, monkeypatch):
    server = LabServer(bucket_of(packed()))
    with server.running() as address:
        s3(address)
        monkeypatch.setenv("LABKIT_OFFLINE", "1")
        assert labkit.load("mnist").is_sample
        with pytest.raises(DataError, match="LABKIT_OFFLINE=1, and s3://bucket/lab was not copied"):
            from_folder("s3://bucket/lab")
    assert server.requests == []


def test_wrong_credentials_are_named_not_shown_and_can_be_mended(s3):
    server = LabServer(bucket_of(packed()), status=403)
    with server.running() as address:
        s3(address, secret="a-wrong-one")
        with pytest.raises(DownloadError, match="PermissionError.*AWS_SECRET_ACCESS_KEY") as raised:
            labkit.load("mnist")
    assert "a-wrong-one" not in "".join(traceback.format_exception(raised.value))
    with LabServer(bucket_of(packed())).running() as address:
        s3(address)
        assert labkit.load("mnist").source.kind == "mirror", "in the same process"


def test_a_silent_bucket_costs_its_patience_once(s3, monkeypatch, capsys):
    monkeypatch.setattr(bucket, "_PATIENCE", 1.5)
    server = LabServer(bucket_of(packed()), mute=True)
    with server.running() as address:
        s3(address)
        assert labkit.load("mnist").is_sample
        assert "s3://bucket/lab did not answer (TimeoutError" in capsys.readouterr().out
        assert labkit.load("mnist").is_sample
        assert "Delete" in capsys.readouterr().out
        assert len(server.asked("/bucket/lab/SHA256SUMS")) == 1
        server.mute = False
        silence_file().unlink()
        assert labkit.load("mnist").source.kind == "mirror"


# Pictures


def test_pictures_in_a_bucket_are_read_like_a_folder(url, memory):
    fill(memory, f"{url}/cats", range(10))
    fill(memory, f"{url}/dogs", range(100, 110))
    data = from_folder(f"{url}/")
    assert data.class_names == ("cats", "dogs") and data.name == "lab"
    assert (data.source.kind, data.source.where) == ("bucket", url)
    assert sorted(greys(data.x_train) + greys(data.x_test)) == [*range(10), *range(100, 110)]
    fill(memory, f"{url}/cats", [50, 51])
    memory.rm(f"{url}/dogs/100.png")
    memory.pipe_file(f"{url}/dogs/101.png", grey(200))
    data = from_folder(url)
    assert sorted(greys(data.x_train) + greys(data.x_test)) == [
        *range(10), 50, 51, *range(102, 110), 200,
    ]  # fmt: skip
    memory.rm(f"{url}/dogs", recursive=True)
    with pytest.raises(DataError, match=f"{url} holds one class only, cats"):
        from_folder(url)


@pytest.mark.parametrize(
    "training, validation", [("train", "test"), ("data/training", "data/validation")]
)
def test_every_layout_is_read_from_a_bucket(url, memory, training, validation):
    for label, start in (("cats", 0), ("dogs", 100)):
        fill(memory, f"{url}/{training}/{label}", range(start, start + 3))
        fill(memory, f"{url}/{validation}/{label}", [start + 50])
    data = from_folder(url)
    assert greys(data.x_train) == [0, 1, 2, 100, 101, 102] and greys(data.x_test) == [50, 150]


def test_a_folder_and_a_bucket_together(url, memory, home):
    fill(memory, f"{url}/cats", range(5))
    (home / "dogs").mkdir()
    fill(fsspec.filesystem("file"), home / "dogs", range(100, 105))
    data = from_folder([f"{url}/cats", home / "dogs"])
    assert data.class_names == ("cats", "dogs") and data.source.where == f"{url}/cats, {home}/dogs"
    assert len(from_folder([url + "/cats", url + "/cats/", home / "dogs"]).x_train) == 8, "once"


def test_only_what_is_new_or_changed_is_copied(url, memory, home, monkeypatch):
    fill(memory, f"{url}/cats", range(5))
    fill(memory, f"{url}/dogs", range(100, 105))
    copied = []
    get = bucket.get_file

    def counted(fs, path, *others):
        copied.append(path.rpartition("/")[2])
        get(fs, path, *others)

    monkeypatch.setattr(bucket, "get_file", counted)
    from_folder(url)
    assert len(copied) == 10
    from_folder(url)
    assert len(copied) == 10
    memory.pipe_file(f"{url}/cats/new.png", grey(9))
    memory.pipe_file(f"{url}/dogs/100.png", grey(110))
    from_folder(url)
    assert sorted(copied[10:]) == ["100.png", "new.png"]
    (kept,) = home.rglob("new.png")
    kept.unlink()
    (journal,) = home.rglob("copied.jsonl")
    journal.write_text(journal.read_text() + '["cats/0.png", 1\n5\n[1]\n["a", "b", "c"]')
    from_folder(url)
    assert copied[12:] == ["new.png"], "a damaged journal costs nothing"


def test_an_interrupted_copy_goes_on(url, memory, monkeypatch):
    fill(memory, f"{url}/cats", range(40))
    fill(memory, f"{url}/dogs", range(100, 140))
    get, copied = bucket.get_file, []

    def cut(fs, path, *others):
        if len(copied) == 30:
            raise ConnectionResetError("the line is cut")
        copied.append(path)
        get(fs, path, *others)

    monkeypatch.setattr(bucket, "_THREADS", 1)
    with monkeypatch.context() as patched:
        patched.setattr(bucket, "get_file", cut)
        with pytest.raises(DownloadError, match="could not be copied.*call the same again"):
            from_folder(url)
    copied.clear()
    monkeypatch.setattr(
        bucket, "get_file", lambda fs, *others: copied.append(others[0]) or get(fs, *others)
    )
    assert len(from_folder(url).x_train) == 64
    assert len(copied) == 50


HOSTILE = ["cats/../../evil.png", "../evil.png", "a\\..\\evil.png", "cats/a\0b.png", "/evil.png",
           "cats/" + "x" * 300 + ".png", "cats/\ud800.png", "cats/a\nb.png"]  # fmt: skip


def test_names_that_lead_elsewhere_are_left_out_and_named(url, memory, home, capsys):
    fill(memory, f"{url}/cats", range(5))
    fill(memory, f"{url}/dogs", range(100, 105))
    for name in HOSTILE:
        memory.store[f"{memory._strip_protocol(url)}/{name}"] = memory.store[
            f"{memory._strip_protocol(url)}/cats/0.png"
        ]
    data = from_folder(url)
    assert len(data.x_train) == 8 and len(data.skipped) == len(HOSTILE)
    assert ".." in str(data.skipped) and "leads out of the folder" in str(data.skipped)
    assert "8 files left out" in capsys.readouterr().out
    assert not [*home.rglob("*evil*")] and not os.path.exists("/evil.png")


def test_what_is_no_picture_is_not_copied(url, memory, home):
    fill(memory, f"{url}/cats", range(5))
    fill(memory, f"{url}/dogs", range(100, 105))
    for name in ("notes.txt", "cats/.hidden.png", "__MACOSX/cats/0.png", "a/b/c/d/e/6.png"):
        memory.pipe_file(f"{url}/{name}", b"x")
    assert not from_folder(url).skipped
    (place,) = (home / "cache/buckets").glob("*/lab")
    assert len([p for p in place.rglob("*") if p.is_file()]) == 10


def test_more_pictures_than_can_be_meant(url, memory, monkeypatch):
    fill(memory, f"{url}/cats", range(20))
    monkeypatch.setattr(bucket, "_MOST", 15)
    with pytest.raises(DataError, match="more than 15 pictures or folders. Give"):
        from_folder(url)


def test_more_than_the_disk_holds(url, memory, monkeypatch):
    fill(memory, f"{url}/cats", range(3))
    monkeypatch.setattr(bucket.machine, "free_disk", lambda folder: 10)
    with pytest.raises(DataError, match="0.0 GB are free at .*LABKIT_CACHE"):
        from_folder(url)


def test_an_address_without_pictures(url, memory):
    with pytest.raises(DataError, match=f"{url} holds no pictures. Check the address"):
        from_folder(url)
    with pytest.raises(DataError, match="is a web address.*s3://bucket/animals"):
        from_folder("https://host/animals")


def test_what_arrives_has_the_size_and_the_md5_that_the_store_gives(home, memory, url, monkeypatch):
    memory.pipe_file(f"{url}/a.png", b"picture")
    there, right = Bucket(url), hashlib.md5(b"picture").hexdigest()
    for kept in (Kept(7, right), Kept(None, None), Kept(7, "0" * 32)):
        assert [*there.get(["a.png"], home, kept={"a.png": kept})] == ["a.png"]
        (home / "a.png").unlink()
    with pytest.raises(DownloadError, match="7 bytes and not 8"):
        [*there.get(["a.png"], home, kept={"a.png": Kept(8, None)})]
    noise, get = iter(b"12"), type(memory).get_file

    def differently_each_time(self, path, target, **more):
        get(self, path, target, **more)
        with open(target, "ab") as file:
            file.write(bytes([next(noise)]))

    monkeypatch.setattr(type(memory), "get_file", differently_each_time)
    with pytest.raises(DownloadError, match="MD5 is not the one that the store gives"):
        [*there.get(["a.png"], home, kept={"a.png": Kept(8, "0" * 32)})]
    assert not [p for p in home.iterdir() if "tmp" in p.name or p.suffix == ".png"]


def test_a_missing_package_is_named(monkeypatch, url):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setenv("LABKIT_DATA", url)
    with pytest.raises(DownloadError, match=r'python -m pip install "labkit\[store\]"'):
        labkit.load("mnist")
    with pytest.raises(DownloadError, match=r"labkit\[store\]"):
        from_folder(url)


def test_a_long_transfer_shows_a_bar_and_a_short_one_none(url, memory, home, monkeypatch, capsys):
    monkeypatch.setenv("LABKIT_HEADLESS", "0")
    get = type(memory).get_file

    def slowly(self, *others, **more):
        time.sleep(0.5)
        get(self, *others, **more)

    fill(memory, f"{url}/cats", range(20))
    fill(memory, f"{url}/dogs", range(100, 120))
    there = Bucket(url)
    assert len([*there.get(["cats/0.png"], home)]) == 1
    assert "Copying" not in capsys.readouterr().err
    monkeypatch.setattr(type(memory), "get_file", slowly)
    from_folder(url)
    assert f"Copying from {url}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, fits",
    [("a.jpg", True), ("Bild ä 12:30.png", os.name != "nt"), ("..", False), ("", False),
     ("a/b", False), ("a\\b", False), ("a\0", False), ("x" * 201, False)],
)  # fmt: skip
def test_names_for_files(name, fits):
    assert (unfit(name) == "") == fits
