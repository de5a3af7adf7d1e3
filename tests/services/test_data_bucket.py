"""Data and pictures in a real object store: added to, forbidden, cut off, and full of odd names."""

import hashlib
import io
import traceback

import fsspec
import numpy as np
import pytest
from PIL import Image

import labkit
from labkit.data import bucket, from_folder, mirror
from labkit.errors import DataError, DownloadError


@pytest.fixture
def s3(url):
    """The file system, and the rest of the address."""
    return fsspec.filesystem("s3", use_listings_cache=False), url.removeprefix("s3://")


def noise(seed, side=12):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def fill(s3, folder, seeds):
    fs, root = s3
    for seed in seeds:
        fs.pipe_file(f"{root}/{folder}/{seed}.png", noise(seed))


@pytest.fixture
def pets(s3, url):
    fill(s3, "cats", range(10))
    fill(s3, "dogs", range(100, 110))
    return url


def test_pictures_that_are_added_to_a_bucket_are_read(pets, s3, monkeypatch):
    fs, root = s3
    assert len(from_folder(pets).x_train) == 16
    fill(s3, "cats", range(10, 20))
    fs.rm(f"{root}/dogs/100.png")
    fs.pipe_file(f"{root}/dogs/101.png", noise(7))
    fs.pipe_file(f"{root}/dogs/large.png", noise(8, side=1000))
    fs.touch(f"{root}/dogs/")  # as consoles do to show a folder
    copied = []
    get = bucket.get_file
    monkeypatch.setattr(
        bucket, "get_file", lambda fs, *others: copied.append(others[0]) or get(fs, *others)
    )
    data = from_folder(pets)
    assert len(data.x_train) + len(data.x_test) == 30 and data.skipped == ()
    assert len(copied) == 12 and data.source.where == pets


def test_a_picture_in_several_parts_has_no_md5(pets, s3, tmp_path):
    fs, root = s3
    (tmp_path / "large.png").write_bytes(noise(9, side=2000))
    fs.put_file(str(tmp_path / "large.png"), f"{root}/cats/large.png", chunksize=5 << 20)
    assert "-" in fs.info(f"{root}/cats/large.png")["ETag"]
    assert not from_folder(pets).skipped


def test_the_md5_of_the_store_is_compared(s3, url, tmp_path):
    fill(s3, "cats", [1])
    kept = bucket.Bucket(url).find()["cats/1.png"]
    assert (kept.size, kept.tag) == (len(noise(1)), hashlib.md5(noise(1)).hexdigest())


def test_a_mirror_in_a_bucket_takes_what_is_added_later(s3, url, tmp_path, monkeypatch):
    fs, root = s3
    for part in ("train", "validation"):
        for label, start in (("cats", 0), ("dogs", 100)):
            folder = tmp_path / "share/cats_and_dogs" / part / label
            folder.mkdir(parents=True)
            for seed in range(start, start + 3):
                (folder / f"{seed}.png").write_bytes(noise(seed))
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path / "share"))
    assert mirror(url, ("cats_and_dogs",)) == {"cats_and_dogs": "mirrored"}
    monkeypatch.setenv("LABKIT_DATA", url)
    data = labkit.load("cats_and_dogs")
    assert (data.source.kind, data.source.verified, len(data.x_train)) == ("mirror", True, 6)
    fill(s3, "cats_and_dogs/train/cats", range(50, 55))
    assert len(labkit.load("cats_and_dogs").x_train) == 6, "they have no checksum yet"
    assert mirror(url, ("cats_and_dogs",)) == {"cats_and_dogs": "mirrored"}
    data = labkit.load("cats_and_dogs")
    assert len(data.x_train) == 11 and data.source.verified and not data.skipped
    before = fs.info(f"{root}/cats_and_dogs/train/cats/0.png")["LastModified"]
    mirror(url, ("cats_and_dogs",))
    assert fs.info(f"{root}/cats_and_dogs/train/cats/0.png")["LastModified"] == before


def test_a_wrong_secret_is_named_and_not_shown(pets, ceph, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-one")
    fsspec.filesystem("s3").clear_instance_cache()
    monkeypatch.setenv("LABKIT_DATA", pets)
    for call in (lambda: labkit.load("mnist"), lambda: from_folder(pets), lambda: mirror(pets)):
        with pytest.raises(DownloadError, match="PermissionError.*AWS_SECRET_ACCESS_KEY") as raised:
            call()
        assert "a-wrong-one" not in "".join(traceback.format_exception(raised.value))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ceph.environment()["AWS_SECRET_ACCESS_KEY"])
    assert len(from_folder(pets).x_train) == 16, "mended in the same process"


def test_a_bucket_that_is_not_there(url, monkeypatch):
    with pytest.raises(DataError, match="holds no pictures. Check the address"):
        from_folder("s3://not-there/animals")
    monkeypatch.setenv("LABKIT_DATA", "s3://not-there/data")
    with pytest.raises(DownloadError, match="has no SHA256SUMS. Check the address"):
        labkit.load("mnist")


def test_names_that_lead_elsewhere(pets, s3, tmp_path):
    fs, root = s3
    name, prefix = root.split("/")
    for key in ("../evil.png", "cats/../../../evil.png", "/evil.png", "cats/a\\..\\evil.png",
                "cats/" + "x" * 300 + ".png", "cats/0.png/evil.png"):  # fmt: skip
        fs.call_s3("put_object", Bucket=name, Key=f"{prefix}/{key}", Body=noise(1))
    data = from_folder(pets)
    assert len(data.x_train) == 16 and len(data.skipped) == 6
    assert not [*tmp_path.rglob("*evil*")]


def test_a_gateway_killed_in_the_middle_of_a_copy(pets, ceph, monkeypatch, tmp_path):
    get, copied = bucket.get_file, []

    def cut(fs, path, *others):
        if len(copied) == 5:
            ceph.kill_gateway()
        copied.append(path)
        get(fs, path, *others)

    monkeypatch.setattr(bucket, "_THREADS", 1)
    with monkeypatch.context() as patched:
        patched.setattr(bucket, "get_file", cut)
        with pytest.raises(DownloadError, match="could not be copied.*call the same again"):
            from_folder(pets)
    with pytest.raises(DownloadError, match="did not answer.*AWS_ENDPOINT_URL"):
        from_folder(pets)
    ceph.start_gateway()
    copied.clear()
    monkeypatch.setattr(
        bucket, "get_file", lambda fs, *others: copied.append(others[0]) or get(fs, *others)
    )
    assert len(from_folder(pets).x_train) == 16 and len(copied) == 15
    assert not [*(tmp_path / "cache").rglob("*.tmp")]
