"""`labkit serve` as a process of its own."""

import contextlib
import os
import subprocess
import sys
import time

import requests

from tests.services.ports import free_port


def until(condition, seconds=10):
    """What ``condition`` gives as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"it did not happen within {seconds} s"
        time.sleep(0.01)
    return found


@contextlib.contextmanager
def serving(store, *names, **environment):
    """`labkit serve` in the folder of its store: (process, address, the file with its log)."""
    port, log = free_port(), store / f"log-{time.time_ns()}"
    call = [sys.executable, "-m", "labkit", "serve", *names, "--store", store, "--port", str(port)]
    with open(log, "wb") as file:
        process = subprocess.Popen(
            call, stdout=file, stderr=file, cwd=store, env=os.environ | environment
        )
    try:
        url = f"http://127.0.0.1:{port}/"
        until(lambda: process.poll() is not None or b"Serving" in log.read_bytes(), 60)
        assert process.poll() is None, log.read_text()
        requests.get(url + "v2/health/live")
        yield process, url, log
    finally:
        process.kill()
        process.wait()
