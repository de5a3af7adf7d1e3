"""`labkit lab`: one line with the address, loopback and a token, a clean stop."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import psutil
import pytest


@pytest.fixture
def lab(home):
    """Start `labkit lab` on a folder of its own; (process, address) when it answers."""
    (home / "notebooks").mkdir()
    started = []

    def start(*options):
        process = subprocess.Popen(
            [sys.executable, "-m", "labkit", "lab", str(home), "--no-browser", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline()

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def status(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def words(process):
    """The command line of a process, if it is still there: the server asks others in passing."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize(
    "stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_lab_answers_only_with_its_token_and_stops_cleanly(lab, stop):
    process, line = lab()
    found = re.search(r"(http://127\.0\.0\.1:\d+)/lab/tree/(\S+)\?token=(\S+)", line)
    assert found, line
    host, notebook, token = found.groups()
    assert notebook == "notebooks/00-start-here.ipynb"
    assert status(f"{host}/api/contents?token={token}") == 200
    assert status(f"{host}/api/contents") == 403
    servers = psutil.Process(process.pid).children(recursive=True)
    assert token not in " ".join(word for s in servers for word in words(s))
    (server,) = (s for s in servers if "jupyterlab" in words(s))
    path = server.environ()["PATH"].split(os.pathsep)
    assert path[0] == os.path.dirname(sys.executable)  # a terminal there finds labkit
    process.send_signal(stop)
    rest = process.communicate(timeout=30)[0]
    assert process.returncode == 0
    assert "stopped" in rest and "Traceback" not in rest
    assert not [s for s in servers if s.is_running() and s.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
def test_a_taken_port_is_no_obstacle(lab):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        _, line = lab("--port", str(port))
    found = int(re.search(r"127\.0\.0\.1:(\d+)", line)[1])
    assert port < found < port + 50
