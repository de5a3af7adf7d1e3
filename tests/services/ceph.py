"""A Ceph cluster of one machine: a monitor, one store in memory, and its S3 gateway.

Unlike a mock it checks signatures, and it can be killed. Debian's packages are ceph-mon,
ceph-osd and radosgw; the daemons run as root.
"""

import contextlib
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

from tests.services.ports import free_port

KEY, SECRET = "labkit", "a-secret-of-the-tests"


class Ceph:
    """The cluster, in a folder, on free ports of loopback."""

    def __init__(self, folder: Path):
        programs = ("ceph-mon", "ceph-osd", "radosgw")
        if missing := [program for program in programs if not shutil.which(program)]:
            pytest.fail(f"{missing[0]} is missing. On Debian and Ubuntu: apt install {missing[0]}")
        self.folder, self.running = folder, {}
        self.port, monitor = free_port(), free_port()
        for name in ("mon", "osd", "gateway", "run"):
            (folder / name).mkdir()
        cluster = str(uuid.uuid4())
        settings = {
            "fsid": cluster,
            "mon initial members": "a",
            "mon host": f"v2:127.0.0.1:{monitor}",
            "public network": "127.0.0.0/8",
            "keyring": folder / "keyring",
            "mon data": folder / "mon",
            "osd data": folder / "osd",
            "rgw data": folder / "gateway",
            "run dir": folder / "run",
            "crash dir": folder / "run",
            "admin socket": f"{folder}/run/$name.asok",
            "log file": f"{folder}/$name.log",
            "mon cluster log file": folder / "cluster.log",
            "osd objectstore": "memstore",
            "memstore device bytes": 4 << 30,
            "osd pool default size": 1,
            "osd pool default min size": 1,
            "osd pool default pg num": 1,
            "osd crush chooseleaf type": 0,
            "mon allow pool size one": "true",
            # How full the machine's disk is does not matter: nothing is stored on it.
            "mon data avail crit": 1,
            "mon data avail warn": 1,
            "rgw frontends": f"beast endpoint=127.0.0.1:{self.port}",
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        (folder / "ceph.conf").write_text("\n".join(["[global]", *lines, ""]))
        keyring, everything = folder / "keyring", "allow *"
        for name, rights in {
            "mon.": ("mon", everything),
            "osd.0": ("mon", "allow profile osd", "osd", everything),
            "client.admin": ("mon", everything, "osd", everything, "mgr", everything),
            "client.gateway": ("mon", "allow rw", "osd", "allow rwx"),
        }.items():
            new = [] if keyring.exists() else ["--create-keyring"]
            pairs = zip(rights[::2], rights[1::2], strict=True)
            caps = [word for kind, right in pairs for word in ("--cap", kind, right)]
            self._call("ceph-authtool", *new, keyring, "--gen-key", "-n", name, *caps)
        place = f"[v2:127.0.0.1:{monitor}]"
        self._call(
            "monmaptool", "--create", "--fsid", cluster, "--addv", "a", place, folder / "map"
        )
        self._call(
            "ceph-mon", "--mkfs", "-i", "a", "--monmap", folder / "map", "--keyring", keyring
        )

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        store = str(uuid.uuid4())
        self._daemon("ceph-mon", "-i", "a")
        self._call("ceph", "osd", "new", store)
        self._call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store)
        self._daemon("ceph-osd", "-i", "0")
        self.start_gateway()
        self._call(
            *("radosgw-admin", "user", "create", "--uid", "lab", "--display-name", "lab"),
            *("--access-key", KEY, "--secret-key", SECRET),
        )

    def start_gateway(self):
        self._daemon("radosgw", "-n", "client.gateway")
        for _ in range(600):
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                return urllib.request.urlopen(self.address, timeout=5).close()
            time.sleep(0.1)
        raise AssertionError("the gateway does not answer")

    def kill_gateway(self):
        """As a power cut does."""
        process = self.running.pop("radosgw")
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self):
        for process in self.running.values():
            process.kill()
            process.wait()

    def environment(self, secret=SECRET):
        """What a client needs to know."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def _call(self, program, *arguments):
        subprocess.run(
            self._command(program, *arguments), check=True, capture_output=True, timeout=90
        )

    def _daemon(self, program, *arguments):
        command = self._command(program, *arguments, "-f")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.running[program] = subprocess.Popen(command, cwd=self.folder, **quiet)

    def _command(self, program, *arguments):
        plain = program in ("ceph-authtool", "monmaptool")  # they ask no cluster
        config = [] if plain else ["-c", self.folder / "ceph.conf"]
        return [str(word) for word in (program, *config, *arguments)]
