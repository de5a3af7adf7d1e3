"""The Dockerfile against hadolint, and against what the rest of the project says."""

import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from labkit.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker" / "jupyterlab"
FILE = FOLDER / "Dockerfile"
needs_hadolint = pytest.mark.skipif(
    sys.platform == "win32",
    reason="hadolint has no package for Windows; make test runs it on Linux",
)


def hadolint(path):
    program = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert program, "hadolint is missing; `make setup` installs it"
    return subprocess.run([program, "--no-color", path], capture_output=True, text=True)


def pins(path):
    return dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE))


@needs_hadolint
def test_hadolint_finds_nothing():
    done = hadolint(FILE)
    assert done.returncode == 0, done.stdout


@needs_hadolint
@pytest.mark.parametrize(
    "old, new, rule",
    [
        ("USER 1000:0", "USER root", "DL3002"),
        ("# hadolint ignore=DL3008\n", "", "DL3008"),
        ("WORKDIR /home", "WORKDIR home", "DL3000"),
        ("if [ -f", "if [ f", "SC"),
    ],
)
def test_hadolint_would_notice(tmp_path, old, new, rule):
    text = FILE.read_text()
    assert old in text
    (tmp_path / "Dockerfile").write_text(text.replace(old, new))
    done = hadolint(tmp_path / "Dockerfile")
    assert done.returncode == 1 and rule in done.stdout


def test_the_base_is_pinned_by_digest():
    assert re.search(r"^ARG BASE_IMAGE=\S+@sha256:[0-9a-f]{64}$", FILE.read_text(), re.MULTILINE)


def test_the_version_is_labkits():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nARG VERSION={version}\n" in FILE.read_text()
    assert f"--tag ai101:{version} " in FILE.read_text()


def test_every_variable_of_labkit_that_it_sets_exists():
    known = {f.metadata["name"] for f in fields(Settings)}
    set_here = set(re.findall(r"\b(LABKIT_\w+)=", FILE.read_text()))
    assert len(set_here) >= 5 and set_here <= known


def test_its_own_locks_agree_with_the_projects():
    lock = pins(ROOT / "requirements.lock")
    cpu, gpu, tools = (pins(FOLDER / "locks" / f"{name}.lock") for name in ("cpu", "gpu", "tools"))
    assert cpu == {"tensorflow-cpu": lock["tensorflow"]}
    assert gpu and all(name.startswith("nvidia-") for name in gpu)
    assert {name: lock[name] for name in tools if name in lock} == {
        name: version for name, version in tools.items() if name in lock
    }
    for file in (FOLDER / "locks").glob("*.lock"):
        for block in re.split(r"\n(?=\S)", file.read_text().strip()):
            assert "--hash=sha256:" in block, f"{file.name}: {block.splitlines()[0]}"


def test_what_it_copies_reaches_the_builder():
    """The list in .dockerignore says what does; all else stays here."""
    allowed = {
        line[1:].split("/*")[0]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    text = FILE.read_text()
    wanted = set(re.findall(r"/context/([\w.-]+)", text))
    wanted |= set(re.findall(r"source=([\w./-]+)", text)) - {"/opt/tools"}
    wanted |= set(re.findall(r"^COPY (\S+)", text, re.MULTILINE))
    wanted |= {"labkit", "pyproject.toml", "README.md"}  # hatchling's
    for path in wanted:
        assert (ROOT / path).exists(), path
        assert any(path == name or path.startswith(f"{name}/") for name in allowed) or any(
            name.startswith(f"{path}/") for name in allowed
        ), path


@pytest.mark.parametrize(
    "words, base, address",
    [
        ("tini -- labkit pod", "", "http://127.0.0.1:8888/api"),
        ("tini -- labkit pod --port 80", "/user/ada/", "http://127.0.0.1:80/user/ada/api"),
        ("tini -- labkit serve mnist --port=9000", "", "http://127.0.0.1:9000/v2/health/live"),
        ("tini -- labkit sweep work tune.py", "", None),
    ],
)
def test_the_healthcheck_asks_what_runs(words, base, address):
    scope = {"__name__": "healthy"}
    exec(compile((FOLDER / "healthy.py").read_text(), "healthy.py", "exec"), scope)
    assert scope["address"](words.split(), {"LABKIT_BASE_URL": base}) == address
