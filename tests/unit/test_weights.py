"""Pretrained weights: where they come from, what is checked, and what a learner reads without."""

import hashlib
import importlib.util
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labkit.cli import app
from labkit.data import weights
from labkit.data.download import checksum
from labkit.data.weights import (
    BACKBONES,
    WEIGHTS,
    MissingWeights,
    available_weights,
    fetch_weights,
    find_weights,
    imagenet_classes,
    mirror_weights,
)
from labkit.errors import DataError, DownloadError
from tests.unit.lab_server import LabServer

RAW = b"not really weights, but bytes all the same" * 2000
NAME = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"


@pytest.fixture
def official(monkeypatch):
    """Let bytes of ours be the official file: call it with a name, an address and the bytes."""

    def be(name, address, raw, algorithm="md5"):
        file = WEIGHTS[name]
        made = replace(
            file,
            url=f"{address}/{file.filename}",
            checksum=hashlib.new(algorithm, raw).hexdigest(),
            size=len(raw),
        )
        monkeypatch.setitem(WEIGHTS, name, made)
        return f"/{file.filename}"

    return be


def vouch(folder):
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in folder.glob("*.h5")
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))


def test_addresses_and_checksums_are_those_of_the_installed_keras():
    source = Path(importlib.util.find_spec("keras").origin).parent / "src" / "applications"
    text = "".join(path.read_text() for path in source.glob("*.py"))
    assert weights._HOST in text
    for name, file in WEIGHTS.items():
        if "MobileNet" not in name:  # Keras 3.15 holds no checksums for these
            assert f'"{file.checksum}"' in text, name
    assert {name.removesuffix("-top") for name in WEIGHTS} == {*BACKBONES, "imagenet_classes"}


def test_a_file_in_the_folder_is_found_under_keras_s_name(folder, capsys):
    (folder / NAME).write_bytes(RAW)
    found = find_weights("ResNet50")
    assert (found.path, found.kind, found.top) == (folder / NAME, "folder", False)
    assert not found.verified
    assert f"{NAME} is not the official file" in capsys.readouterr().out
    with pytest.raises(MissingWeights, match="ResNet50 with its top"):
        find_weights("ResNet50", top=True)


def test_the_small_mobilenet_goes_by_another_name_too(folder):
    path = folder / "mobilenet_0.25_224_imagenet_notop.h5"
    path.write_bytes(RAW)
    assert find_weights("MobileNet-0.25").path == path


def test_sha256sums_beside_a_file_vouches_for_it_or_refuses_it(folder, capsys):
    (folder / NAME).write_bytes(RAW)
    vouch(folder)
    assert find_weights("ResNet50").verified
    assert capsys.readouterr().out == ""
    (folder / NAME).write_bytes(RAW[:-1])
    with pytest.raises(DataError, match="SHA-256 is not the one in .*SHA256SUMS"):
        find_weights("ResNet50")


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_the_official_file_needs_no_sha256sums(folder, official, algorithm, capsys):
    official("ResNet50", "https://example.org", RAW, algorithm)
    (folder / NAME).write_bytes(RAW)
    assert find_weights("ResNet50").verified
    assert capsys.readouterr().out == ""


def test_keras_s_own_cache_is_used_where_its_file_is_the_official_one(home, official, monkeypatch):
    monkeypatch.setenv("LABKIT_OFFLINE", "1")
    official("ResNet50", "https://example.org", RAW)
    cached = home / "keras" / "models" / NAME
    cached.parent.mkdir(parents=True)
    cached.write_bytes(RAW)
    found = find_weights("ResNet50")
    assert (found.path, found.kind, found.verified) == (cached, "keras cache", True)
    cached.write_bytes(RAW[:-1])
    with pytest.raises(MissingWeights, match="damaged or not the official file, delete it"):
        find_weights("ResNet50")


def test_missing_weights_say_which_file_where_to_put_it_and_the_command(folder):
    with pytest.raises(MissingWeights) as caught:
        find_weights("VGG16", top=True)
    text = str(caught.value)
    for part in (
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        "LABKIT_OFFLINE=1",
        "`labkit data fetch VGG16-top` (553.5 MB)",
        "put https://storage.googleapis.com/",
        f"into {folder}.",
    ):
        assert part in text


def test_the_sample_has_no_weights_on_any_machine(home, official, monkeypatch):
    official("ResNet50", "https://example.org", RAW)
    cached = home / "keras" / "models" / NAME
    cached.parent.mkdir(parents=True)
    cached.write_bytes(RAW)
    monkeypatch.setenv("LABKIT_DATA", "sample")
    with pytest.raises(MissingWeights, match="LABKIT_DATA=sample.*a folder, and set LABKIT_DATA"):
        find_weights("ResNet50")
    assert {found.kind for found in available_weights()} == {"missing"}


def test_unknown_names_list_the_known_ones():
    with pytest.raises(DataError, match="no backbone 'ResNet5'. Choose one of: MobileNet-0.25"):
        find_weights("ResNet5")
    with pytest.raises(DataError, match="ResNet50, ResNet50-top"):
        fetch_weights("ResNet5")


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_the_official_file_is_downloaded_once_and_then_comes_from_the_cache(official, algorithm):
    server = LabServer({f"/{NAME}": RAW})
    with server.running() as address:
        official("ResNet50", address, RAW, algorithm)
        first, second = find_weights("ResNet50"), find_weights("ResNet50")
    assert first == second and first.kind == "download" and first.verified
    assert first.path.read_bytes() == RAW
    assert len(server.requests) == 1


@pytest.mark.parametrize("algorithm, title", [("md5", "MD5"), ("sha256", "SHA-256")])
def test_a_wrong_download_is_refused_and_not_kept(official, home, algorithm, title):
    server = LabServer({f"/{NAME}": b"<html>Please log in</html>"})
    with server.running() as address:
        official("ResNet50", address, RAW, algorithm)
        with pytest.raises(DownloadError, match=f"wrong file: its {title} is"):
            find_weights("ResNet50")
    assert not [path for path in home.rglob("resnet50*") if path.suffix != ".lock"]


def test_a_damaged_download_of_ours_is_fetched_anew(official):
    server = LabServer({f"/{NAME}": RAW})
    with server.running() as address:
        official("ResNet50", address, RAW)
        (path,) = fetch_weights("ResNet50")
        path.write_bytes(RAW[:100])
        assert find_weights("ResNet50").path.read_bytes() == RAW
    assert len(server.requests) == 2


def test_a_silent_host_is_asked_once(official, monkeypatch):
    monkeypatch.setattr(weights, "PATIENCE", 0.3)
    server = LabServer({f"/{NAME}": RAW}, mute=True)
    with server.running() as address:
        official("ResNet50", address, RAW)
        for _ in range(2):
            with pytest.raises(MissingWeights, match="labkit data fetch ResNet50"):
                find_weights("ResNet50")
    assert len(server.requests) == 1


@pytest.mark.parametrize("variable, value", [("LABKIT_OFFLINE", "1"), ("LABKIT_DATA", "sample")])
def test_nothing_is_downloaded_when_it_must_not_be(official, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    server = LabServer({f"/{NAME}": RAW})
    with server.running() as address:
        official("ResNet50", address, RAW)
        with pytest.raises(MissingWeights, match=f"{variable}={value}"):
            find_weights("ResNet50")
    assert server.requests == []


def test_an_http_mirror_serves_weights(home, monkeypatch):
    known = hashlib.sha256(RAW).hexdigest()
    server = LabServer({f"/{NAME}": RAW, "/SHA256SUMS": f"{known}  {NAME}\n".encode()})
    with server.running() as address:
        monkeypatch.setenv("LABKIT_DATA", address)
        found = find_weights("ResNet50")
        monkeypatch.setenv("LABKIT_OFFLINE", "1")
        assert find_weights("ResNet50") == found, "labkit keeps a copy"
        with pytest.raises(MissingWeights, match="has no vgg16"):
            find_weights("VGG16")
    assert found.kind == "mirror" and found.verified
    assert found.path.read_bytes() == RAW


def test_fetching_a_classifier_brings_the_names_of_its_classes(official):
    names = json.dumps({"0": ["n01", "great_white_shark"], "1": ["n02", "tench"]}).encode()
    files = {}
    server = LabServer(files)
    with server.running() as address:
        files[official("ResNet50-top", address, RAW)] = RAW
        files[official("imagenet_classes", address, names)] = names
        assert [path.read_bytes() for path in fetch_weights("ResNet50-top")] == [RAW, names]
        assert fetch_weights("imagenet_classes")[0].read_bytes() == names
    assert imagenet_classes() == ("great white shark", "tench")


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "<html>", '{"0": 5}', '{"1": ["a", "b"]}', '{"0": ["a"]}', "[" * 100000]
)
def test_a_list_of_classes_that_is_none_is_refused(folder, text):
    (folder / "imagenet_class_index.json").write_text(text)
    with pytest.raises(DataError, match="labkit data fetch imagenet_classes"):
        imagenet_classes()


def test_a_mirror_takes_the_weights_that_are_here_and_keeps_what_it_lists(folder, home):
    small = "mobilenet_0.25_224_imagenet_notop.h5"
    (folder / NAME).write_bytes(RAW)
    (folder / small).write_bytes(RAW[:99])
    share = home / "share"
    share.mkdir()
    (share / "mnist.npz").write_bytes(b"digits")
    digits = checksum(share / "mnist.npz", "sha256")
    (share / "SHA256SUMS").write_text(f"{digits}  mnist.npz\n")
    assert mirror_weights(share) == {"MobileNet-0.25": "mirrored", "ResNet50": "mirrored"}
    assert (share / "mobilenet_2_5_224_tf_no_top.h5").read_bytes() == RAW[:99], "Keras's name"
    check = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=share, capture_output=True)
    assert check.returncode == 0 and check.stdout.count(b"OK") == 3, check.stdout


def test_a_mirror_of_weights_asked_for_by_name_says_what_it_could_not_get(folder):
    (folder / NAME).write_bytes(RAW)
    outcome = mirror_weights(folder, ("ResNet50", "VGG16"))
    assert outcome["ResNet50"] == "mirrored" and outcome["VGG16"].startswith("left out: The wei")
    assert NAME in (folder / "SHA256SUMS").read_text()


def test_available_says_what_is_here_and_what_is_damaged(folder):
    (folder / NAME).write_bytes(RAW)
    vouch(folder)
    assert here()["ResNet50"].kind == "folder" and here()["ResNet50"].verified
    assert here()["VGG16"].where == "run `labkit data fetch VGG16` (58.9 MB)"
    (folder / NAME).write_bytes(b"")
    assert NAME in here()["ResNet50"].problem


def here():
    return {found.name: found for found in available_weights()}


def test_the_commands_know_weights_by_name(folder, home):
    (folder / NAME).write_bytes(RAW)
    run = CliRunner().invoke
    listed = run(app, ["data", "list"]).stdout
    assert "ResNet50           folder, not verified" in listed
    assert "VGG16              missing                  run `labkit data fetch VGG16`" in listed
    shared = run(app, ["data", "mirror", str(home / "share"), "ResNet50"])
    assert shared.exit_code == 0 and shared.stdout.split() == ["ResNet50", "mirrored"]
    assert (home / "share" / NAME).read_bytes() == RAW
    wrong = run(app, ["data", "mirror", str(home / "share"), "RseNet50"])
    assert isinstance(wrong.exception, DataError) and "ResNet50-top" in str(wrong.exception)


def test_the_fetch_command_brings_weights(official):
    server = LabServer({f"/{NAME}": RAW})
    with server.running() as address:
        official("ResNet50", address, RAW)
        done = CliRunner().invoke(app, ["data", "fetch", "ResNet50"])
        assert done.exit_code == 0 and done.stdout.strip().endswith(NAME)
        official("VGG16", address, RAW)
        assert CliRunner().invoke(app, ["data", "fetch", "VGG16"]).exit_code == 1
