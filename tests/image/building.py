"""The image from the real Dockerfile, without a registry: Debian's packages are its base."""

import json
import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = ROOT / "build" / "image"
BASE = "localhost/ai101-base:latest"
IMAGE = "localhost/ai101:latest"
DEBIAN = "trixie"
NEEDED = {program: program for program in ("buildah", "debootstrap", "runc", "curl")} | {
    "nsenter": "util-linux"
}
"""Programs, and Debian's packages that bring them."""
INDEX = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INSECURE_HOST"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT"),
)
"""How this machine reaches a package index, where that differs from the usual."""


@dataclass(frozen=True)
class Image:
    """What was built."""

    root: Path
    """Its files."""
    config: dict
    """What it says about itself: Entrypoint, Env, User, Labels, …"""
    text: str
    """Everything that its description holds, history included, as JSON."""
    size: int
    """Bytes, unpacked."""
    seconds: float
    """What building it took."""
    log: str


def missing() -> str:
    """What keeps this machine from building an image, with the way to get it; or ""."""
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "Building and running an image takes root on Linux. Run: sudo make test-image"
    packages = [package for program, package in NEEDED.items() if not shutil.which(program)]
    return f"On Debian and Ubuntu: apt install {' '.join(packages)}" if packages else ""


def build() -> Image:
    """Build the image, and mount it."""
    (HERE / "tmp").mkdir(parents=True, exist_ok=True)
    _buildah("umount", "--all")
    _buildah("rm", "--all")
    if BASE not in _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        _make_base()
    if IMAGE in _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        _buildah("rmi", IMAGE)  # each copy has 2 GB
    index = HERE / "index"
    exports = {name: os.environ[name] for name in INDEX if name in os.environ}
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in exports.items())
    index.touch(mode=0o600)  # an address may hold a password
    index.write_text("export UV_SYSTEM_CERTS=1\n" + "".join(lines))
    certificates = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
    start = time.monotonic()
    try:
        log = _buildah(
            *("bud", "--isolation", "chroot", "--pull-never", "--format", "docker"),
            *("--build-arg", f"BASE_IMAGE={BASE}", "--secret", f"id=index,src={index}"),
            *("--volume", f"{certificates}:/etc/ssl/certs/ca-certificates.crt:ro"),
            *("--file", "docker/jupyterlab/Dockerfile", "--tag", IMAGE, "."),
        )
    finally:
        index.unlink()
    seconds = time.monotonic() - start
    described = json.loads(_buildah("inspect", "--type", "image", IMAGE))
    container = _buildah("from", "--pull-never", IMAGE).split()[-1]
    root = Path(_buildah("mount", container).strip())
    size = int(subprocess.check_output(["du", "-sb", root], text=True).split()[0])
    return Image(root, described["Docker"]["config"], json.dumps(described), size, seconds, log)


def _make_base():
    """Debian's smallest system; the Dockerfile adds Python where its base has none."""
    rootfs = HERE / "debian"
    shutil.rmtree(rootfs, ignore_errors=True)
    subprocess.run(
        ["debootstrap", "--variant=minbase", "--include=ca-certificates", DEBIAN, rootfs],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=1800,
    )
    container = _buildah("from", "scratch").split()[-1]
    _buildah("add", "--quiet", container, rootfs, "/")
    _buildah("commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(rootfs)


def _buildah(*words):
    done = subprocess.run(
        [
            *("buildah", "--storage-driver", "vfs", "--root", HERE / "storage"),
            *("--runroot", HERE / "run"),
            *words,
        ],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(HERE / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if words[0] == "bud" else None,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, f"buildah {words[0]} failed:\n{done.stdout[-4000:]}"
    return done.stdout
