"""Getting the real data over a network that misbehaves."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import labkit
from labkit.data import catalogue, download
from labkit.errors import DownloadError
from tests.unit.lab_server import LabServer


def digits(seed=0, count=1200):
    """A file in the layout of mnist.npz, of about a megabyte."""
    random = np.random.default_rng(seed)
    parts = {
        "x_train": random.integers(0, 256, (count, 28, 28), np.uint8),
        "y_train": (np.arange(count) % 10).astype(np.uint8),
        "x_test": random.integers(0, 256, (200, 28, 28), np.uint8),
        "y_test": (np.arange(200) % 10).astype(np.uint8),
    }
    file = io.BytesIO()
    np.savez(file, **parts)
    return file.getvalue(), parts


def mirror_of(raw):
    """What a server with an instructor's folder holds."""
    sums = f"{hashlib.sha256(raw).hexdigest()}  mnist.npz\n"
    return {"/SHA256SUMS": sums.encode(), "/mnist.npz": raw}


@pytest.fixture
def official(monkeypatch):
    """Let the official host of MNIST be a server of ours: call it with (address, bytes)."""

    def be(address, raw):
        remote = catalogue.Remote(f"{address}/mnist.npz", hashlib.sha256(raw).hexdigest(), len(raw))
        entry = replace(catalogue.CATALOGUE["mnist"], remotes=(remote,))
        monkeypatch.setitem(catalogue.CATALOGUE, "mnist", entry)

    return be


def test_the_official_file_is_downloaded_once_and_then_comes_from_the_cache(official, capsys):
    raw, parts = digits()
    server = LabServer({"/mnist.npz": raw})
    with server.running() as address:
        official(address, raw)
        first = labkit.load("mnist")
        second = labkit.load("mnist")
    assert (first.x_train[..., 0] == parts["x_train"]).all()
    assert first.source.kind == second.source.kind == "download"
    assert first.source.verified
    assert len(server.requests) == 1
    assert "SAMPLE" not in capsys.readouterr().out


@pytest.mark.slow
def test_thirty_processes_make_one_download(home):
    raw, parts = digits()
    server = LabServer(mirror_of(raw), pause=0.1)
    program = (
        "import labkit, hashlib; d = labkit.load('mnist');"
        "print(d.source.kind, hashlib.sha256(d.x_train.tobytes()).hexdigest())"
    )
    with server.running() as address:
        env = {**os.environ, "LABKIT_DATA": address, "OPENBLAS_NUM_THREADS": "1"}
        running = [
            subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE)
            for _ in range(30)
        ]
        answers = [process.communicate(timeout=120)[0].decode().split() for process in running]
    correct = hashlib.sha256(parts["x_train"].tobytes()).hexdigest()
    assert answers == [["mirror", correct]] * 30
    assert len(server.asked("/mnist.npz")) == 1
    assert len(server.asked("/SHA256SUMS")) == 30, "whether anything has changed"


def test_a_connection_cut_half_way_is_resumed(official):
    raw, parts = digits()
    server = LabServer({"/mnist.npz": raw}, cuts=[len(raw) // 2])
    with server.running() as address:
        official(address, raw)
        data = labkit.load("mnist")
    assert (data.x_train[..., 0] == parts["x_train"]).all()
    first, second = server.asked("/mnist.npz")
    assert first is None
    assert second is not None and int(second.removeprefix("bytes=").rstrip("-")) > 0
    assert server.sent["/mnist.npz"] < len(raw) + (1 << 16), "what had arrived was kept"


def test_a_server_without_ranges_starts_over(official):
    raw, _ = digits()
    server = LabServer({"/mnist.npz": raw}, cuts=[len(raw) // 2], ranges=False)
    with server.running() as address:
        official(address, raw)
        assert labkit.load("mnist").source.kind == "download"


def test_a_killed_process_resumes_where_it_was(home):
    raw, parts = digits(count=4000)
    server = LabServer(mirror_of(raw), pause=0.1)
    with server.running() as address:
        env = {**os.environ, "LABKIT_DATA": address}
        process = subprocess.Popen(
            [sys.executable, "-c", "import labkit; labkit.load('mnist')"], env=env
        )
        while server.sent.get("/mnist.npz", 0) < len(raw) // 4:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        server.pause = 0
        again = subprocess.run(
            [sys.executable, "-c", "import labkit; print(len(labkit.load('mnist').x_train))"],
            env=env,
            capture_output=True,
            text=True,
        )
    assert again.stdout.strip() == "4000", again.stderr
    assert server.asked("/mnist.npz")[1] is not None, "the second process asked for the rest"
    files = sorted(p.name for p in home.rglob("mnist.npz*") if p.suffix != ".lock")
    assert files == ["mnist.npz"], "no part is left over"


def test_a_wrong_file_is_refused_and_not_kept(official, home):
    raw, _ = digits()
    server = LabServer({"/mnist.npz": b"<html>Please log in</html>"})
    with server.running() as address:
        official(address, raw)
        with pytest.raises(DownloadError, match="wrong file.*LABKIT_DATA"):
            labkit.load("mnist")
    assert not [p for p in home.rglob("mnist.npz*") if p.suffix != ".lock"]


def test_a_stale_part_of_another_version_is_thrown_away_once(official, home):
    raw, _ = digits()
    part = home / "cache" / "downloads" / "mnist" / "mnist.npz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    server = LabServer({"/mnist.npz": raw})
    with server.running() as address:
        official(address, raw)
        assert labkit.load("mnist").source.kind == "download"
    assert server.asked("/mnist.npz") == ["bytes=1000-", None]


def test_a_file_that_is_longer_than_it_should_be_is_cut_off(official):
    raw, _ = digits()
    server = LabServer({"/mnist.npz": raw + b"x" * (8 << 20)})
    with server.running() as address:
        official(address, raw)
        with pytest.raises(DownloadError, match="wrong file"):
            labkit.load("mnist")
    assert server.sent["/mnist.npz"] < len(raw) + (8 << 20), "reading stopped"


@pytest.mark.slow
def test_a_busy_server_is_asked_again(official):
    raw, _ = digits()
    server = LabServer({"/mnist.npz": raw}, status=503)
    with server.running() as address:
        official(address, raw)
        with pytest.raises(DownloadError, match="broke off 5 times.*503"):
            labkit.load("mnist")
    assert len(server.requests) == 5


def test_a_missing_file_is_not_asked_for_again(official):
    raw, _ = digits()
    server = LabServer({})
    with server.running() as address:
        official(address, raw)
        with pytest.raises(DownloadError, match="404"):
            labkit.load("mnist")
    assert len(server.requests) == 1


def test_a_server_that_is_down_gives_the_sample_with_a_notice(official, capsys):
    raw, _ = digits()
    with LabServer({}).running() as address:
        pass  # it was there, and is gone
    official(address, raw)
    data = labkit.load("mnist")
    assert data.is_sample
    notice = capsys.readouterr().out
    assert "SAMPLE DATA" in notice and "labkit data fetch mnist" in notice


def test_a_silent_host_costs_three_seconds_once(official):
    raw, _ = digits()
    server = LabServer({"/mnist.npz": raw}, mute=True)
    with server.running() as address:
        official(address, raw)
        assert labkit.load("mnist").is_sample
        assert labkit.load("mnist").is_sample
        assert len(server.requests) == 1, "the second lab did not ask again"
        server.mute = False
        download.download(
            f"{address}/mnist.npz",
            download.settings.read().cache / "asked.npz",
            sha256=hashlib.sha256(raw).hexdigest(),
            patience=10,
        )
        assert labkit.load("mnist").source.kind == "download", "it answers: no longer left alone"


def test_offline_never_asks(official, monkeypatch):
    raw, _ = digits()
    server = LabServer({"/mnist.npz": raw})
    monkeypatch.setenv("LABKIT_OFFLINE", "1")
    with server.running() as address:
        official(address, raw)
        assert labkit.load("mnist").is_sample
    assert server.requests == []


def test_a_mirror_cannot_write_outside_its_folder(home, monkeypatch):
    sums = f"{'0' * 64}  mnist.npz/../../../../evil\n"
    server = LabServer({"/SHA256SUMS": sums.encode(), "/evil": b"x"})
    with server.running() as address:
        monkeypatch.setenv("LABKIT_DATA", address)
        with pytest.raises(labkit.LabError, match="not a checksum and a path inside"):
            labkit.load("mnist")
    assert not list(home.rglob("evil"))


def test_a_mirrored_file_that_differs_from_its_sum_is_refused(monkeypatch):
    raw, _ = digits()
    server = LabServer({**mirror_of(raw), "/mnist.npz": raw[:-1] + b"x"})
    with server.running() as address:
        monkeypatch.setenv("LABKIT_DATA", address)
        with pytest.raises(DownloadError, match="wrong file"):
            labkit.load("mnist")


def test_what_changes_on_a_mirror_comes_along(home, monkeypatch, capsys):
    (raw, _), (other, parts) = digits(), digits(count=500)
    server = LabServer(mirror_of(raw))
    with server.running() as address:
        monkeypatch.setenv("LABKIT_DATA", address)
        assert len(labkit.load("mnist").x_train) != 500
        server.files |= mirror_of(other)
        assert (labkit.load("mnist").x_train[..., 0] == parts["x_train"]).all()
        assert len(server.asked("/mnist.npz")) == 2
        server.files["/SHA256SUMS"] = b""
        assert labkit.load("mnist").is_sample, "it was deleted there"
        assert not [path for path in home.rglob("mnist.npz")]
        server.files |= mirror_of(raw)
        labkit.load("mnist")
    assert labkit.load("mnist").source.kind == "mirror"
    assert "did not answer" in (said := capsys.readouterr().out) and "last time is used" in said


def test_a_full_or_read_only_cache_is_a_clear_error(official, monkeypatch, home):
    raw, _ = digits()
    blocked = home / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("LABKIT_CACHE", str(blocked))
    with LabServer({"/mnist.npz": raw}).running() as address:
        official(address, raw)
        with pytest.raises(DownloadError, match="LABKIT_CACHE"):
            labkit.load("mnist")
        monkeypatch.setenv("LABKIT_DATA", address)
        with pytest.raises(labkit.LabError, match="LABKIT_CACHE"):
            labkit.load("mnist")
