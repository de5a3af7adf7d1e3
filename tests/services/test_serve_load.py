"""The server at its limit for a minute: no answer is wrong or lost, and memory stays flat."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
import requests

from tests.unit import tiny_models as tiny
from tests.unit.serve_process import serving

LOAD = Path(__file__).with_name("serve_load.py")
CLIENTS, WARM_UP, SECONDS, GROWTH = 64, 10, 60, 0.05


@pytest.fixture
def server(tmp_path):
    tiny.put(tmp_path, "digits", tiny.digits(), classes="0123456789")
    with serving(tmp_path, "digits") as (process, url, log):
        yield psutil.Process(process.pid), url, log


def load(url, seconds):
    call = [sys.executable, LOAD, url, str(seconds), str(CLIENTS)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, text=True)


def memory(process):
    return process.memory_info().rss


def test_a_minute_at_saturation_with_a_new_version_in_the_middle(server, tmp_path):
    process, url, log = server
    load(url, WARM_UP).communicate()
    clients, held = load(url, SECONDS), []
    for second in range(SECONDS):
        if second == SECONDS // 2:
            tiny.put(tmp_path, "digits", tiny.digits(times=2), classes="0123456789")
        held.append(memory(process))
        time.sleep(1)
    tally = json.loads(clients.communicate()[0])
    print(f"{tally}, {held[0] >> 20} to {max(held) >> 20} MiB")
    answered = {int(key[7:]) for key in tally if key.startswith("status")}
    # Nobody is turned away: 64 clients with three pictures each are far below the bounds.
    assert answered == {200, 400, 404, 413, 422}, tally
    problems = [key for key in tally if key.startswith("lost")]
    assert not problems and tally.get("version 0", 0) == 0, tally
    assert tally["wrong status"] == tally["no sentence"] == tally["back in time"] == 0, tally
    assert tally["version 1"] > 1000 and tally["version 2"] > 1000, tally
    wrong = sum(tally[f"status {status}"] for status in (400, 404, 413, 422))
    assert wrong > 0.08 * (wrong + tally["status 200"]) and tally["status 413"] > 10, tally
    assert np.median(held[-5:]) < (1 + GROWTH) * np.median(held[:5]), held
    assert '"ERROR"' not in log.read_text() and "Traceback" not in log.read_text()


def test_connections_that_say_nothing_do_no_harm(server):
    process, url, _ = server
    address = urlsplit(url).hostname, urlsplit(url).port
    body = {"instances": [[0] * 784]}
    with requests.Session() as session, contextlib.ExitStack() as stack:
        session.post(url + "v1/models/digits:predict", json=body)
        before = memory(process)
        for i in range(900):
            silent = stack.enter_context(socket.create_connection(address, timeout=10))
            if i % 2:  # some have asked once, and keep their connection
                silent.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        began = time.monotonic()
        for _ in range(100):
            assert session.post(url + "v1/models/digits:predict", json=body).status_code == 200
        assert time.monotonic() - began < 10
        assert requests.get(url + "v2/health/ready").status_code == 200
        assert process.num_fds() < 600, "the quietest were closed"
        assert memory(process) - before < 32 << 20
        time.sleep(22)
        assert process.num_fds() < 50, "and then all of them"
