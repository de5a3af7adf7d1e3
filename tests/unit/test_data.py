"""`labkit.load`: what a learner's own folder may hold, and what is never used."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

import labkit
from labkit import data as labdata
from labkit.data import catalogue, files
from labkit.errors import DataError


def digits(count=400, height=28):
    random = np.random.default_rng(0)
    return {
        "x_train": random.integers(0, 256, (count, height, height), np.uint8),
        "y_train": (np.arange(count) % 10).astype(np.uint8),
        "x_test": random.integers(0, 256, (100, height, height), np.uint8),
        "y_test": (np.arange(100) % 10).astype(np.uint8),
    }


def photos(folder, name, classes, count=3):
    random = np.random.default_rng(1)
    for part in ("train", "validation"):
        for label in classes:
            place = folder / name / part / label
            place.mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 256, (90, 120, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{i}.jpg")


def test_real_data_in_a_folder(folder):
    parts = digits()
    np.savez(folder / "mnist.npz", **parts)
    data = labkit.load("mnist")
    assert data.x_train.shape == (400, 28, 28, 1) and data.x_train.dtype == np.uint8
    assert data.y_train.dtype == np.int64
    assert (data.x_test[..., 0] == parts["x_test"]).all()
    assert data.class_names == tuple("0123456789")
    assert data.source.kind == "folder" and not data.is_sample


def test_the_repr_tells_a_learner_everything(folder):
    np.savez(folder / "mnist.npz", **digits())
    shown = repr(labkit.load("mnist"))
    for word in ("MNIST", "400 pictures of 28 × 28 × 1", "100", "0, 1, 2", "mnist.npz"):
        assert word in shown
    assert "SAMPLE DATA" in repr(labkit.load("fashion_mnist"))


@pytest.mark.parametrize("name", catalogue.CATALOGUE)
def test_the_shipped_sample_stands_in_with_a_notice(name, folder, capsys):
    data = labkit.load(name)
    assert data.is_sample
    assert data.input_shape == catalogue.CATALOGUE[name].input_shape
    assert len(data.x_train) == len(data.y_train) > len(data.x_test) == len(data.y_test)
    notice = capsys.readouterr().out
    assert "SAMPLE DATA" in notice and f"real {name}" in notice


def test_the_sample_is_drawn_once(folder, home):
    first = labkit.load("mnist")
    (cached,) = (home / "cache" / "samples").glob("mnist-*.npz")
    second = labkit.load("mnist")
    assert (first.x_train == second.x_train).all()
    cached.write_bytes(cached.read_bytes()[:1000])
    assert (labkit.load("mnist").x_train == first.x_train).all(), "a damaged cache is drawn anew"


def test_sample_can_be_asked_for(monkeypatch, folder):
    np.savez(folder / "mnist.npz", **digits())
    monkeypatch.setenv("LABKIT_DATA", "sample")
    assert labkit.load("mnist").is_sample


def test_limit_keeps_the_same_share_of_every_class(folder):
    parts = digits()
    order = np.argsort(parts["y_train"], kind="stable")  # all zeros first, as in a folder
    np.savez(folder / "mnist.npz", **{**parts, "y_train": parts["y_train"][order]})
    data = labkit.load("mnist", limit=50)
    assert np.bincount(data.y_train).tolist() == [5] * 10
    assert len(data.x_test) == 50
    assert len(labkit.load("linear_regression", limit=30).x_train) == 30
    with pytest.raises(DataError, match="at least 1"):
        labkit.load("mnist", limit=0)


def break_truncated(path):
    path.write_bytes(path.read_bytes()[:5000])


def break_flipped(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 255
    path.write_bytes(raw)


def break_html(path):
    path.write_text("<html>Please log in</html>")


def break_empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [break_truncated, break_flipped, break_html, break_empty])
def test_a_damaged_file_is_named_and_never_used(folder, damage):
    np.savez(folder / "mnist.npz", **digits())
    damage(folder / "mnist.npz")
    with pytest.raises(DataError, match=r"mnist\.npz is damaged.*Delete it"):
        labkit.load("mnist")


WRONG = {
    "another shape": (lambda p: digits(height=32), r"\(32, 32\), not uint8 of \(28, 28, 1\)"),
    "floats": (lambda p: {**p, "x_train": p["x_train"] / 255}, "float64"),
    "too few labels": (lambda p: {**p, "y_train": p["y_train"][1:]}, "400 pictures have 399"),
    "labels to 10": (lambda p: {**p, "y_test": p["y_test"] + 1}, "labels run from 1 to 10"),
    "no test part": (lambda p: {k: v for k, v in p.items() if k != "x_test"}, "no x_test"),
    "pickled objects": (lambda p: {**p, "y_train": np.array([{}] * 400)}, "damaged"),
}


@pytest.mark.parametrize("change, message", WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused(folder, change, message):
    np.savez(folder / "mnist.npz", **change(digits()))
    with pytest.raises(DataError, match=message):
        labkit.load("mnist")


def test_a_pickle_in_a_data_file_is_not_run(folder, home):
    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {home / 'ran'}",)

    np.savez(folder / "mnist.npz", **{**digits(), "y_train": np.array([Bomb()] * 400)})
    with pytest.raises(DataError):
        labkit.load("mnist")
    assert not (home / "ran").exists()


def test_a_file_that_differs_from_sha256sums_is_refused(folder):
    np.savez(folder / "mnist.npz", **digits())
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  mnist.npz\n")
    with pytest.raises(DataError, match="SHA-256 is not the one"):
        labkit.load("mnist")
    right = hashlib.sha256((folder / "mnist.npz").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{right}  mnist.npz\n")
    assert labkit.load("mnist").source.verified


def test_a_folder_that_is_not_there(monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", "/nowhere/at/all")
    with pytest.raises(DataError, match="not a folder. Set it to"):
        labkit.load("mnist")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match="mnist, fashion_mnist"):
        labkit.load("minst")


def test_photos_in_folders(folder):
    photos(folder, "cats_and_dogs", ("cats", "dogs"))
    data = labkit.load("cats_and_dogs")
    assert data.x_train.shape == (6, 64, 64, 3)
    assert data.y_train.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.source.kind == "folder"


def test_the_other_folder_names_in_use(folder):
    photos(folder, "cats_and_dogs", ("cats", "dogs"))
    place = folder / "cats_and_dogs"
    (place / "train").rename(place / "training")
    (place / "validation").rename(place / "test")
    assert len(labkit.load("cats_and_dogs").x_test) == 6


def test_species_with_underscores_and_a_limit(folder):
    names = catalogue.CATALOGUE["plant_seedlings"].class_names
    photos(folder, "plant_seedlings", [name.replace(" ", "_") for name in names])
    data = labkit.load("plant_seedlings", limit=24)
    assert np.bincount(data.y_train).tolist() == [2] * 12


def test_an_unreadable_photo_is_left_out_and_named(folder, capsys):
    photos(folder, "cats_and_dogs", ("cats", "dogs"))
    cats = folder / "cats_and_dogs" / "train" / "cats"
    (cats / "a.jpg").write_bytes((cats / "0.jpg").read_bytes()[:300])
    (cats / "b.jpg").write_text("<html>not found</html>")
    (cats / "c.jpg").symlink_to("/etc/passwd")
    data = labkit.load("cats_and_dogs")
    assert len(data.x_train) == 6
    note = capsys.readouterr().out
    assert "a.jpg" in note and "b.jpg" in note


def test_a_photo_with_a_hundred_million_pixels_is_left_out(folder, capsys):
    photos(folder, "cats_and_dogs", ("cats", "dogs"))
    bomb = folder / "cats_and_dogs" / "train" / "dogs" / "bomb.png"
    Image.new("1", (14000, 14000)).save(bomb)
    assert len(labkit.load("cats_and_dogs").x_train) == 6
    assert "bomb.png" in capsys.readouterr().out


def test_a_missing_class_is_named(folder):
    photos(folder, "cats_and_dogs", ("cats",))
    with pytest.raises(DataError, match="no picture of dogs to train with"):
        labkit.load("cats_and_dogs")


def test_the_table_of_the_regression_lab(folder):
    head = "var_1,var_2,var_3,var_4,var_5,output\n"
    rows = "".join(f"{i},{i + 1},3,0.4,0.5,{i * 0.01}\n" for i in range(100))
    (folder / "linear_regression.csv").write_text(head + rows)
    data = labkit.load("linear_regression")
    assert data.x_train.shape == (75, 5) and data.x_test.shape == (25, 5)
    table = data.frame()
    assert list(table) == head.strip().split(",") and len(table) == 100
    (folder / "linear_regression.csv").write_text(head + rows + "1,2,three,4,5,6\n")
    with pytest.raises(DataError, match="line 102.*Mend that line"):
        labkit.load("linear_regression")
    (folder / "linear_regression.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no column var_1"):
        labkit.load("linear_regression")


def test_a_switch_that_is_neither_on_nor_off(monkeypatch):
    monkeypatch.setenv("LABKIT_OFFLINE", "perhaps")
    with pytest.raises(labkit.LabError, match="LABKIT_OFFLINE is 'perhaps'; set it to 1"):
        labkit.load("mnist")


def test_pictures_are_no_table(folder):
    with pytest.raises(DataError, match="Use data.x_train"):
        labkit.load("mnist").frame()


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.tobytes())


def test_fashion_mnist_in_keras_cache(home, monkeypatch):
    parts = digits()
    names = ("x_train", "y_train", "x_test", "y_test")
    place = home / "keras" / "datasets" / "fashion-mnist"
    place.mkdir(parents=True)
    real = catalogue.CATALOGUE["fashion_mnist"]
    remotes = []
    for name, remote in zip(names, real.remotes, strict=True):
        raw = idx(parts[name])
        (place / remote.filename).write_bytes(raw)
        remotes.append(catalogue.Remote(remote.url, hashlib.sha256(raw).hexdigest(), len(raw)))
    changed = catalogue.Entry(**{**vars(real), "remotes": tuple(remotes)})
    monkeypatch.setitem(catalogue.CATALOGUE, "fashion_mnist", changed)
    monkeypatch.setenv("LABKIT_OFFLINE", "1")
    data = labkit.load("fashion_mnist")
    assert data.source.kind == "keras cache"
    assert (data.x_train[..., 0] == parts["x_train"]).all()
    (place / remotes[0].filename).write_bytes(b"damaged")
    assert labkit.load("fashion_mnist").is_sample, "a damaged copy is named and not used"


def test_cifar_in_its_binary_form(home):
    random = np.random.default_rng(0)
    path = home / "cifar.tar.gz"
    first = random.integers(0, 256, (20, 3073), np.uint8)
    first[:, 0] = np.arange(20) % 10
    with tarfile.open(path, "w:gz") as archive:
        for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = first.nbytes
            archive.addfile(member, io.BytesIO(first.tobytes()))
    arrays = files.read_cifar_binary(path, catalogue.CATALOGUE["cifar10"])
    assert arrays[0].shape == (100, 32, 32, 3)
    red, green = first[0, 1], first[0, 1 + 1024]
    assert arrays[0][0, 0, 0, 0] == red and arrays[0][0, 0, 0, 1] == green
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match="damaged"):
        files.read_cifar_binary(path, catalogue.CATALOGUE["cifar10"])


def test_a_mirror_is_a_folder_that_load_and_sha256sum_accept(folder, home, monkeypatch):
    np.savez(folder / "mnist.npz", **digits())
    photos(folder, "cats_and_dogs", ("cats", "dogs"))
    share = home / "share"
    outcome = labdata.mirror(share)
    assert outcome["mnist"] == outcome["cats_and_dogs"] == "mirrored"
    assert outcome["cifar10"].startswith("left out"), "the sample is never passed on as real"
    check = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=share, capture_output=True)
    assert check.returncode == 0, check.stdout
    monkeypatch.setenv("LABKIT_DATA", str(share))
    assert labkit.load("mnist").source.verified
    assert labkit.load("cats_and_dogs").source.verified
    (share / "cats_and_dogs" / "train" / "cats" / "0.jpg").write_bytes(b"changed")
    assert len(labkit.load("cats_and_dogs").x_train) == 5


def test_available_says_what_is_here(folder):
    np.savez(folder / "mnist.npz", **digits())
    (folder / "fashion_mnist.npz").write_bytes(b"")
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  fashion_mnist.npz\n")
    here = {found.name: found for found in labdata.available()}
    assert here["mnist"].kind == "folder" and not here["mnist"].problem
    assert "fashion_mnist.npz" in here["fashion_mnist"].problem
    assert here["cifar10"].kind == "sample"


def test_the_command_line(folder, home):
    np.savez(folder / "mnist.npz", **digits())

    def command(*words):
        return subprocess.run(
            [sys.executable, "-m", "labkit", *words], capture_output=True, text=True
        )

    shown = command("data", "list")
    assert shown.returncode == 0 and "mnist              folder" in shown.stdout
    assert command("data", "mirror", str(home / "share"), "mnist").returncode == 0
    refused = command("data", "fetch", "cats_and_dogs")
    assert refused.returncode == 1 and "LABKIT_DATA" in refused.stderr
    wrong = command("data", "fetch", "minst")
    assert wrong.returncode == 1 and "Traceback" not in wrong.stderr and "Choose" in wrong.stderr
