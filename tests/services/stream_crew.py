"""Processes that read pictures from Kafka, for the tests that end them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import kafka as kafka_python


class Crew:
    """`labkit stream …` as processes by their names; what they print goes to files of a folder."""

    def __init__(self, folder: Path, **environment: str):
        self.folder = folder
        # One that is stuck tells where when it is aborted.
        self.environment = os.environ | {"PYTHONFAULTHANDLER": "1"} | environment
        self.calls, self.processes, self.ended = {}, {}, []

    def start(self, name, *arguments):
        self.calls[name] = [sys.executable, "-m", "labkit", "stream", *map(str, arguments)]
        self._start(name)

    def kill(self, name):
        """As when the machine goes away; another one takes its place at once."""
        self.processes[name].kill()
        self.processes[name].wait()
        self._start(name)

    def tend(self):
        """Start again who has ended by itself, and keep in `ended` what it said last."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                said = self._log(name).read_text().splitlines()
                self.ended.append((name, process.returncode, "\n".join(said[-5:])))
                self._start(name)

    def stop(self):
        """Each finishes its batch: what they return."""
        for process in self.processes.values():
            process.terminate()
        try:
            return [process.wait(60) for process in self.processes.values()]
        finally:
            for process in self.processes.values():
                process.kill()

    def where(self):
        """Abort all: the ends of what they have printed, each with where it was."""
        for process in self.processes.values():
            process.send_signal(signal.SIGABRT)
            process.wait()
        return "\n".join(
            f"--- {name}\n" + self._log(name).read_text()[-3000:] for name in self.processes
        )

    def told(self, *messages):
        """The log lines of these messages, by time."""
        found = []
        for path in self.folder.glob("*.log"):
            for line in path.read_text().splitlines():
                with contextlib.suppress(ValueError):  # cut off by a kill, or for people
                    found.append(json.loads(line))
        found = [line for line in found if isinstance(line, dict) and line["message"] in messages]
        return sorted(found, key=lambda line: line["timestamp"])

    def _start(self, name):
        with self._log(name).open("a") as log:
            self.processes[name] = subprocess.Popen(
                self.calls[name], env=self.environment, stdout=log, stderr=log
            )

    def _log(self, name):
        return self.folder / f"{name}.log"


def others_read(kafka, name, *, isolation_level="read_committed"):
    """The messages of a topic, read by kafka-python: an independent client."""
    consumer = kafka_python.KafkaConsumer(
        name,
        bootstrap_servers=kafka.bootstrap,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
        consumer_timeout_ms=3000,
    )
    with contextlib.closing(consumer):
        return [*consumer]
