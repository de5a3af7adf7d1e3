"""`labkit pod`: the labs on a volume, where edits are sacred, and JupyterLab behind a token."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from labkit import pod
from labkit.doctor import STARTS, check_machine
from labkit.errors import LabError, SettingsError
from tests.unit.serve_process import until

ROOT = Path(__file__).parents[2]
LAB = "notebooks/01-lab.ipynb"


@pytest.fixture
def image(tmp_path):
    """The folder in the image that the labs are copied from."""
    folder = tmp_path / "image"
    for name, text in {LAB: "one", "notebooks/solutions/01.py": "1", "Pictures/a.png": "a"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def volume(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def labs(volume):
    """What the learner sees, by name."""
    folder = volume / "ai101"
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_labs_are_copied_once(image, volume):
    (image / "notebooks/.ipynb_checkpoints").mkdir()
    (image / "notebooks/.ipynb_checkpoints/01-lab-checkpoint.ipynb").write_text("old")
    first = pod.copy_labs(image, volume)
    assert str(first) == "3 new"
    assert labs(volume) == {LAB: "one", "notebooks/solutions/01.py": "1", "Pictures/a.png": "a"}
    before = {path: path.stat().st_mtime_ns for path in volume.rglob("*")}
    assert str(pod.copy_labs(image, volume)) == "as they were"
    assert before == {path: path.stat().st_mtime_ns for path in volume.rglob("*")}


def test_a_newer_image_brings_new_labs_and_updates_those_that_nobody_changed(image, volume):
    pod.copy_labs(image, volume)
    (image / LAB).write_text("two")
    (image / "notebooks/02-lab.ipynb").write_text("new")
    copied = pod.copy_labs(image, volume)
    assert copied.new == ("notebooks/02-lab.ipynb",)
    assert copied.updated == (LAB,)
    assert labs(volume)[LAB] == "two"


def test_what_the_learner_changed_stays_and_the_new_version_comes_beside_it_once(image, volume):
    pod.copy_labs(image, volume)
    (volume / "ai101" / LAB).write_text("mine")
    assert str(pod.copy_labs(image, volume)) == "as they were"
    (image / LAB).write_text("two")
    copied = pod.copy_labs(image, volume)
    beside = "notebooks/01-lab.new.ipynb"
    assert copied.beside == (beside,) and beside in str(copied)
    assert labs(volume)[LAB] == "mine" and labs(volume)[beside] == "two"
    (volume / "ai101" / beside).unlink()
    assert str(pod.copy_labs(image, volume)) == "as they were"
    assert beside not in labs(volume)


def test_the_version_beside_is_as_safe(image, volume):
    pod.copy_labs(image, volume)
    lab, beside = volume / "ai101" / LAB, volume / "ai101/notebooks/01-lab.new.ipynb"
    lab.write_text("mine")
    (image / LAB).write_text("two")
    pod.copy_labs(image, volume)
    (image / LAB).write_text("three")
    pod.copy_labs(image, volume)
    assert beside.read_text() == "three", "nobody had changed it"
    beside.write_text("mine too")
    (image / LAB).write_text("four")
    copied = pod.copy_labs(image, volume)
    assert (lab.read_text(), beside.read_text()) == ("mine", "mine too")
    assert labs(volume)[copied.beside[0]] == "four"


def test_a_lab_that_was_deleted_comes_back(image, volume):
    pod.copy_labs(image, volume)
    (volume / "ai101" / LAB).unlink()
    assert pod.copy_labs(image, volume).new == (LAB,)


@pytest.mark.parametrize("record", [None, "{", "[]", '{"notebooks/01-lab.ipynb": 1}'])
def test_without_its_record_everything_counts_as_changed(image, volume, record):
    pod.copy_labs(image, volume)
    path = volume / pod._RECORD
    path.unlink() if record is None else path.write_text(record)
    (volume / "ai101" / LAB).write_text("mine")
    (image / "Pictures/a.png").write_text("b")
    pod.copy_labs(image, volume)
    found = labs(volume)
    assert (found[LAB], found["Pictures/a.png"], found["Pictures/a.new.png"]) == ("mine", "a", "b")


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links; the image is Linux")
def test_a_folder_or_a_link_of_that_name_is_left_alone(image, volume):
    (volume / "ai101" / LAB).mkdir(parents=True)
    (volume / "ai101/Pictures").mkdir()
    (volume / "ai101/Pictures/a.png").symlink_to("nowhere")
    copied = pod.copy_labs(image, volume)
    assert len(copied.beside) == 2
    assert (volume / "ai101" / LAB).is_dir()
    assert (volume / "ai101/Pictures/a.png").is_symlink()


def test_killed_at_any_moment_it_is_whole_the_next_time(image, volume):
    for number in range(60):
        (image / f"notebooks/{number:03}.ipynb").write_text(f"{number} " * 20_000)
    program = (
        "import sys; from pathlib import Path; from labkit import pod;"
        "pod.copy_labs(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    for wanted in (1, 20, 40):
        copying = subprocess.Popen([sys.executable, "-c", program, image, volume])
        try:
            until(lambda n=wanted: len([*volume.glob("ai101/notebooks/*.ipynb")]) >= n, 120)
        finally:
            copying.kill()
            copying.wait(30)
    (volume / "ai101/notebooks/000.ipynb").write_text("mine")
    pod.copy_labs(image, volume)
    found = labs(volume)
    assert found.pop("notebooks/000.ipynb") == "mine"
    found.pop("notebooks/000.new.ipynb", None)
    assert not [name for name in found if name.endswith(".tmp")]
    assert all(found[f"notebooks/{n:03}.ipynb"] == f"{n} " * 20_000 for n in range(1, 60))


def test_what_a_learner_made_of_one_place_keeps_nothing_else_away(image, volume):
    pod.copy_labs(image, volume)
    (volume / "ai101" / LAB).unlink()
    (volume / "ai101" / LAB).symlink_to("nowhere/at/all")
    (volume / ".labkit/labs.json").unlink()
    (volume / ".labkit/labs.json").mkdir()
    shutil.rmtree(volume / "ai101/Pictures")
    (volume / "ai101/Pictures").write_text("a file of mine")
    (image / "notebooks/99-new.ipynb").write_text("new")
    copied = pod.copy_labs(image, volume)
    assert "notebooks/99-new.ipynb" in copied.new
    assert any(name.startswith("Pictures/a.png (") for name in copied.failed)
    assert "could not be brought: Pictures/a.png (" in str(copied)
    assert (volume / "ai101/Pictures").read_text() == "a file of mine"


def test_a_record_that_makes_no_sense_writes_over_nothing(image, volume):
    pod.copy_labs(image, volume)
    (volume / "ai101" / LAB).write_text("mine")
    (volume / ".labkit/labs.json").write_text("[" * 200_000)
    pod.copy_labs(image, volume)
    assert (volume / "ai101" / LAB).read_text() == "mine"


def test_a_full_volume_is_an_error_of_its_own(image, volume, monkeypatch):
    def full(path, write):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pod, "write_atomically", full)
    with pytest.raises(pod.VolumeFull, match="is full.*Delete"):
        pod.copy_labs(image, volume)


@pytest.mark.parametrize(
    "text, base",
    [
        ("", "/"),
        ("/", "/"),
        ("user/ada", "/user/ada/"),
        ("/hub/user/a%20b@c/", "/hub/user/a%20b@c/"),
    ],
)
def test_base_urls(text, base):
    assert pod.base_url({"LABKIT_BASE_URL": text}) == base


@pytest.mark.parametrize("text", ["https://host/a", "/a b", "/a?b", "/a//b", "/a#b", "/a\nb"])
def test_what_is_no_base_url(text):
    with pytest.raises(SettingsError, match="/user/ada/"):
        pod.base_url({"LABKIT_BASE_URL": text})


@pytest.mark.parametrize(
    "environ, text",
    [
        ({}, "Set JUPYTER_TOKEN"),
        ({"JUPYTER_TOKEN": " \n"}, "Set JUPYTER_TOKEN"),
        ({"JUPYTER_TOKEN_FILE": "/nowhere"}, "cannot be read"),
    ],
)
def test_no_token_is_an_error(environ, text):
    with pytest.raises(LabError, match=text):
        pod._token(environ)


def test_a_token_may_come_from_a_file_and_end_in_a_line_feed(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    assert pod._token({"JUPYTER_TOKEN_FILE": str(tmp_path / "token")}) == "secret"


def test_elsewhere_than_in_the_image_it_says_what_to_run(tmp_path):
    with pytest.raises(LabError, match="labkit lab"):
        pod._first_lab(tmp_path)


def test_doctor_tells_that_the_container_was_started_again(tmp_path, monkeypatch):
    monkeypatch.setattr(pod.tempfile, "tempdir", str(tmp_path))
    pod.count_start()
    assert not [found for found in check_machine() if found.subject == "restarted"]
    pod.count_start()
    (told,) = [found for found in check_machine() if found.subject == "restarted"]
    assert "1 time" in told.text and "137" in told.text and "kubectl" in told.remedy
    assert (tmp_path / STARTS).exists()


def status(address, **headers):
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, headers=headers), timeout=10
        ) as a:
            return a.status, a.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


@pytest.mark.skipif(sys.platform == "win32", reason="the image is Linux")
def test_it_becomes_jupyterlab_with_the_containers_limits(image, volume, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = (
        "import sys; from pathlib import Path; import labkit; from labkit.pod import pod;"
        "pod(Path(sys.argv[1]), source=Path(sys.argv[2]), port=int(sys.argv[3]),"
        " arguments=('--allow-root', '--ServerApp.ip=127.0.0.1'))"
    )
    (tmp_path / "tmp").mkdir()
    env = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("JUPYTER", "TF_NUM_"))
    }
    env |= {
        "LABKIT_BASE_URL": "/user/ada",
        "JUPYTER_TOKEN": "secret-of-ada\n",
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "TMPDIR": str(tmp_path / "tmp"),
        "OMP_NUM_THREADS": "3",
    }
    server = subprocess.Popen(
        [sys.executable, "-c", program, volume, image, str(port)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        api = f"http://127.0.0.1:{port}/user/ada/api"
        deadline = time.monotonic() + 120
        while status(api)[0] != 200:
            assert server.poll() is None, server.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert status(f"{api}/contents")[0] == 403
        known = {"Authorization": "token secret-of-ada"}
        content = json.loads(status(f"{api}/contents", **known)[1])["content"]
        assert [entry["name"] for entry in content] == ["ai101"]
        meter = json.loads(status(f"{api}/metrics/v1", **known)[1])
        assert meter["limits"]["memory"]["rss"] > 0
        command, environ = (Path(f"/proc/{server.pid}/{part}") for part in ("cmdline", "environ"))
        if command.exists():  # Linux
            assert "jupyterlab" in command.read_text() and "secret" not in command.read_text()
            assert "OMP_NUM_THREADS=3" in environ.read_text()
            assert "TF_NUM_INTRAOP_THREADS=" in environ.read_text()
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            log = server.communicate(timeout=60)[0]
        finally:
            server.kill()
    assert server.returncode == 0
    assert log.splitlines()[0].startswith(f"JupyterLab starts on port {port} at /user/ada/")
    assert "3 new" in log and "secret" not in log and "Traceback" not in log
