"""Containers as a strict cluster runs them: no root, no capabilities, two writable mounts."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.image.building import Image

WORK = "/home/learner/work"


class Container:
    """One container of the image under runc, in a network of its own that leads nowhere.

    Args:
        image: what :func:`tests.image.building.build` made.
        folder: for its bundle, its log and its two mounts ``work`` and ``tmp``.
        command: what stands behind ``docker run ai101``; nothing: the image's own.
        user: UID and GID.
        env: variables on top of the image's.
        memory: the limit in bytes.
        mode: the permissions of the volume, which belongs to root and the GID.
    """

    def __init__(
        self, image: Image, folder: Path, *command, user, env=None, memory=None, mode=0o2775
    ):
        self.image, self.folder = image, folder
        self.name = f"ai101-{os.getpid()}-{time.time_ns()}"
        # A new container of a learner has the old volume, and a new folder for temporary files.
        self.work, self.tmp = folder / "work", folder / f"{self.name}.tmp"
        for path in (self.work, self.tmp):
            path.mkdir(parents=True, exist_ok=True)
        # As a volume with an fsGroup: root's, and open to the group.
        os.chown(self.work, 0, user[1])
        self.work.chmod(mode)
        self.tmp.chmod(0o1777)
        self._write_config(image, command or image.config["Cmd"], user, env or {}, memory)
        self.log_file = folder / f"{self.name}.log"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                ["runc", "run", "--bundle", folder, self.name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def get(self, path: str, *options: str, port: int = 8888) -> tuple[int, str]:
        """Status and body of an address inside; status 0 where nothing answers."""
        done = subprocess.run(
            [
                *("nsenter", "--net", "--target", str(self._pid()), "curl", "--silent"),
                *("--max-time", "30", "--write-out", "\n%{http_code}", *options),
                f"http://127.0.0.1:{port}{path}",
            ],
            capture_output=True,
            text=True,
        )
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def wait_for(self, path: str, *, port: int = 8888, seconds: float = 120) -> float:
        """Wait until an address answers with 200; how long that took."""
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            assert self.process.poll() is None, f"the container has ended:\n{self.log}"
            if self.get(path, port=port)[0] == 200:
                return time.monotonic() - start
            time.sleep(0.2)
        raise AssertionError(f"{path} does not answer after {seconds} s:\n{self.log}")

    def call(self, *words: str, timeout: float = 300) -> subprocess.CompletedProcess:
        """Run a program inside, as the container's own user."""
        return subprocess.run(
            ["runc", "exec", self.name, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )

    def is_healthy(self) -> bool:
        """What its HEALTHCHECK finds."""
        return self.call(*self.image.config["Healthcheck"]["Test"][1:]).returncode == 0

    def send(self, number: signal.Signals) -> None:
        subprocess.run(["runc", "kill", self.name, number.name], check=True)

    def finish(self, timeout: float = 60) -> int:
        """Wait for its end; the exit status."""
        return self.process.wait(timeout)

    def remove(self) -> None:
        subprocess.run(["runc", "delete", "--force", self.name], capture_output=True)
        self.process.wait(30)
        shutil.rmtree(self.tmp)

    def _pid(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            state = subprocess.run(["runc", "state", self.name], capture_output=True, text=True)
            if state.returncode == 0 and json.loads(state.stdout)["pid"]:
                return json.loads(state.stdout)["pid"]
            assert self.process.poll() is None, f"the container has ended:\n{self.log}"
            time.sleep(0.1)
        raise AssertionError("runc does not start the container")

    def _write_config(self, image, command, user, env, memory):
        file = self.folder / "config.json"
        file.unlink(missing_ok=True)
        subprocess.run(["runc", "spec", "--bundle", self.folder], check=True)
        config = json.loads(file.read_text())
        variables = image.config["Env"] + [f"{name}={value}" for name, value in env.items()]
        config["process"] |= {
            "terminal": False,
            "user": {"uid": user[0], "gid": user[1]},
            "args": [*image.config["Entrypoint"], *command],
            "env": variables,
            "cwd": image.config["WorkingDir"],
            "capabilities": {},
            "noNewPrivileges": True,
            "rlimits": [],
        }
        config["root"] = {"path": str(image.root), "readonly": True}
        config["hostname"] = "ai101"
        config["mounts"] += [
            {"destination": to, "type": "bind", "source": str(path), "options": ["rbind", "rw"]}
            for to, path in ((WORK, self.work), ("/tmp", self.tmp))
        ]
        config["linux"]["resources"] = {"memory": {"limit": memory}} if memory else {}
        file.write_text(json.dumps(config))
