"""The programs of Kubernetes, built from their Go modules into build/cluster/ and kept there."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / "build" / "cluster"
VERSION = re.search(r"k8s.io/kubernetes v(\S+)", (HERE / "go.mod").read_text())[1]
MAJOR, MINOR = VERSION.split(".")[:2]
# Each with the folder of its go.mod, and its package.
PROGRAMS = {
    "kube-apiserver": (HERE, "k8s.io/kubernetes/cmd/kube-apiserver"),
    "etcd": (HERE, "go.etcd.io/etcd/server/v3"),
    "kubectl": (HERE, "k8s.io/kubernetes/cmd/kubectl"),
    "pause": (HERE, "./pause"),
    "kube-controller-manager": (HERE, "k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": (HERE, "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kube-proxy": (HERE, "k8s.io/kubernetes/cmd/kube-proxy"),
    "kubelet": (HERE, "k8s.io/kubernetes/cmd/kubelet"),
    "coredns": (HERE / "dns", "."),
}


def build() -> Path:
    """The folder with the programs in it, which are built if it does not hold them yet.

    It takes eight minutes of two processors, and 5 GB of disk while it lasts.
    """
    folder = CACHE / f"bin-{_fingerprint()}"
    if missing := [name for name in PROGRAMS if not (folder / name).exists()]:
        if not shutil.which("go"):
            pytest.fail("go is missing: it builds Kubernetes. See https://go.dev/doc/install")
        for old in CACHE.glob("bin-*"):
            if old != folder:
                shutil.rmtree(old)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            for name in missing:
                _build(name, folder, scratch)
    return folder


def _build(name, folder, scratch):
    # Without these, a program of Kubernetes takes itself for version 0.0.0.
    stamp = {
        "k8s.io/component-base/version.gitVersion": f"v{VERSION}",
        "k8s.io/component-base/version.gitMajor": MAJOR,
        "k8s.io/component-base/version.gitMinor": MINOR,
        "k8s.io/client-go/pkg/version.gitVersion": f"v{VERSION}",
    }
    options = " ".join(["-s -w", *(f"-X {key}={value}" for key, value in stamp.items())])
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": f"{scratch}/objects",
        "GOFLAGS": "-modcacherw",
        "GOMODCACHE": f"{scratch}/modules",
        "GOWORK": "off",
    }
    module, package = PROGRAMS[name]
    new = Path(scratch) / name
    began = time.monotonic()
    done = subprocess.run(
        ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", options, "-o", new, package],
        cwd=module,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.fail(f"{name} cannot be built. Go says:\n{done.stderr[-2000:]}")
    # Renamed once it is whole: a build that is cut off leaves nothing that looks like one.
    new.rename(folder / name)
    print(f"built {name} in {time.monotonic() - began:.0f} s")


def _fingerprint():
    found = hashlib.sha256()
    for file in sorted([*HERE.rglob("go.mod"), *HERE.rglob("go.sum"), *HERE.rglob("*.go")]):
        found.update(file.read_bytes())
    return found.hexdigest()[:12]
