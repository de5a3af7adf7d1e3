"""The images of the tests, as archives: no registry is asked for any of them."""

import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.cluster.programs import CACHE, HERE
from tests.image import building

GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}  # of processors
PAUSE = "docker.io/labkit/pause:1"
# PostgreSQL's image in k8s/components/sweep; the one made here behaves as it does.
DATABASE = "quay.io/sclorg/postgresql-16-c9s:c9s"
DEBIAN = "trixie"
WORKSHOP = "ai101:0.1.0"  # as the manifests name it


def pause(program: Path, folder: Path) -> Path:
    """One program, in one layer."""
    layer = _layer(folder / "pause-layer.tar", {program: "pause"})
    config = {"Entrypoint": ["/pause"], "User": "65534:65534"}
    return _archive(PAUSE, [layer], config, folder / "pause.tar")


def database(folder: Path) -> Path:
    """Debian's PostgreSQL. Its files are kept in build/cluster/; to get them takes minutes."""
    debian = CACHE / f"postgresql-{DEBIAN}.tar"
    if not debian.exists():
        _bring_postgresql(debian)
    with tarfile.open(debian) as tar:
        users = tar.extractfile("./etc/passwd").read().decode().splitlines()
    user = next(line.split(":")[2] for line in users if line.startswith("postgres:"))
    scripts = {
        HERE / "database" / "check-container": "usr/libexec/check-container",
        HERE / "database" / "run-postgresql": "usr/bin/run-postgresql",
    }
    layer = _layer(folder / "database-layer.tar", scripts)
    config = {"Cmd": ["run-postgresql"], "User": user, "Env": ["PATH=/usr/bin:/bin"]}
    return _archive(DATABASE, [debian, layer], config, folder / "database.tar")


def workshop(folder: Path) -> Path:
    """The workshop's own, as `make test-image` has built it."""
    archive = folder / "workshop.tar"
    store = ("--storage-driver", "vfs", "--root", building.HERE / "storage")
    command = ["buildah", *store, "--runroot", building.HERE / "run", "push", building.IMAGE]
    command.append(f"docker-archive:{archive}:{WORKSHOP}")
    if not shutil.which("buildah"):
        pytest.fail("buildah is missing. On Debian and Ubuntu: apt install buildah")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"There is no image: make test-image builds it. buildah says:\n{done.stderr}")
    return archive


def _bring_postgresql(archive):
    if not shutil.which("debootstrap"):
        pytest.fail("debootstrap is missing. On Debian and Ubuntu: apt install debootstrap")
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        root, new = Path(temporary) / "root", Path(temporary) / "new.tar"
        command = ["debootstrap", "--variant=minbase", "--include=postgresql", DEBIAN, root]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"debootstrap fails. It says:\n{done.stdout[-2000:]}{done.stderr}")
        for unneeded in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc"):
            shutil.rmtree(root / unneeded)
        with tarfile.open(new, "w") as tar:
            tar.add(root, ".", filter=lambda entry: None if entry.isdev() else entry)
        new.rename(archive)


def _layer(archive, files):
    with tarfile.open(archive, "w") as tar:
        for file, place in files.items():
            tar.add(file, place)
    return archive


def _archive(name, layers, config, archive):
    """An image of these layers, as docker save writes them."""
    digests = []
    for layer in layers:
        with layer.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    about = {
        "architecture": GO_NAMES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }
    names = [f"{digest}.tar" for digest in digests]
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": names}]
    with tarfile.open(archive, "w") as tar:
        for layer, place in zip(layers, names, strict=True):
            tar.add(layer, place)
        for file, content in (("config.json", about), ("manifest.json", manifest)):
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(file)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive
