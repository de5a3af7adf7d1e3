"""Real services, started for the tests on loopback and stopped after them."""

import contextlib
import getpass
import os
import shutil
import subprocess
import time
from pathlib import Path

import fsspec
import psutil
import pytest

from tests.services.ceph import Ceph
from tests.services.kafka import Kafka
from tests.services.ports import free_port


class PostgreSQL:
    """A PostgreSQL server of its own, in a folder, on a free port of loopback."""

    def __init__(self, folder: Path):
        # Debian and Ubuntu keep a server's programs out of the PATH.
        programs = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
        if found := shutil.which("createdb"):
            programs.append(Path(found).parent)
        if not programs:
            pytest.fail("PostgreSQL is missing. On Debian and Ubuntu: apt install postgresql")
        self.programs = programs[0]
        self.folder = folder
        self.port = free_port()
        # PostgreSQL refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        if os.geteuid() == 0:
            shutil.chown(folder, self.user)
            for parent in folder.parents:
                if parent != Path("/tmp") and parent.stat().st_uid == 0 and parent != Path("/"):
                    parent.chmod(parent.stat().st_mode | 0o011)
        self._call("initdb", "-D", folder / "db", "-A", "trust", "-U", "labkit", "-N")

    @property
    def url(self):
        return f"postgresql+psycopg://labkit@127.0.0.1:{self.port}/studies"

    def create(self, name):
        self._call("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "labkit", name)

    def start(self):
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c fsync=off"
        log = self.folder / "log"
        try:
            self._call("pg_ctl", "-D", self.folder / "db", "-l", log, "-o", options, "-w", "start")
        except subprocess.CalledProcessError:
            pytest.fail("PostgreSQL does not start. It says:\n" + log.read_text()[-2000:])

    def kill(self):
        """As a power cut does: the server and the process of each connection.

        Each of them leads a group of its own, and PostgreSQL does not start again before the
        last one is gone.
        """
        pid = int((self.folder / "db" / "postmaster.pid").read_text().split()[0])
        server = psutil.Process(pid)
        server.suspend()
        family = [server, *server.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert not alive, alive

    def stop(self):
        self._call("pg_ctl", "-D", self.folder / "db", "-m", "fast", "-w", "stop")

    def _call(self, program, *arguments):
        command = [self.programs / program, *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", self.user, "--", *command]
        subprocess.run(
            [str(word) for word in command], check=True, stdout=subprocess.DEVNULL, cwd="/tmp"
        )


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory):
    server = PostgreSQL(tmp_path_factory.mktemp("postgresql"))
    server.start()
    try:
        server.create("studies")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def ceph(tmp_path_factory):
    cluster = Ceph(tmp_path_factory.mktemp("ceph"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    broker = Kafka(tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def url(ceph, monkeypatch, tmp_path):
    """An address in a new bucket, empty so far, which this process may read and write."""
    for name, value in ceph.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    fsspec.filesystem("s3").clear_instance_cache()
    bucket = f"lab-{time.time_ns()}"
    fsspec.filesystem("s3").mkdir(bucket)
    return f"s3://{bucket}/lab"
