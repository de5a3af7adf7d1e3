"""The server around the protocols: who may ask, how much, and what happens when it breaks."""

import asyncio
import contextlib
import http.client
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests

from labkit.errors import ServeError
from labkit.serve.batching import Batcher
from labkit.serve.limits import Limits
from labkit.serve.process import background
from tests.unit import tiny_models as tiny
from tests.unit.serve_process import serving, until

TOKEN = "secret-of-the-test"
SMALL = Limits(body=10_000, bodies=25_000, waiting=8, batch=4, seconds=0.4, connections=20)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    tiny.put(folder, "line", tiny.line(1, 2, 3))
    return folder


@pytest.fixture(scope="module")
def url(store):
    with background(["line"], store=store, port=21_000) as server:
        yield server.url


@pytest.fixture(scope="module")
def small(store):
    """A server with limits that a test can reach."""
    with background(["line"], store=store, port=22_000, limits=SMALL) as server:
        yield server.url


def predict(url, *examples, model="line", **headers):
    body = {"instances": examples or [[1, 1, 1]]}
    return requests.post(f"{url}v1/models/{model}:predict", json=body, headers=headers, timeout=20)


def metric(url, name, **labels):
    shown = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels))
    name += f"{{{shown}}}" if labels else ""
    for line in requests.get(url + "metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    return 0


def connect(url):
    return socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10)


def everything(sock):
    """What comes until the other side closes."""
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


@pytest.fixture
def gate(monkeypatch):
    """The model waits for ``gate.go``; ``gate.began`` tells that it is asked."""

    class Gate:
        go, began, sizes = threading.Event(), threading.Event(), []

    answer = Batcher._answer

    async def guarded(self, batch):
        Gate.sizes.append(sum(len(part) for part, _ in batch))
        Gate.began.set()
        await asyncio.to_thread(Gate.go.wait, 10)
        await answer(self, batch)

    monkeypatch.setattr(Batcher, "_answer", guarded)
    yield Gate
    Gate.go.set()


# Who may ask


def test_a_page_of_the_web_cannot_reach_the_server_under_a_name_of_its_own(url):
    for name in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        answer = requests.get(url + "v1/models", headers={"Host": name})
        assert answer.status_code == 403 and "does not answer to the name" in answer.json()["error"]
        assert predict(url, Host=name).status_code == 403
    port = urlsplit(url).port
    for name in ("localhost", f"LOCALHOST:{port}", f"[::1]:{port}", "127.0.0.1"):
        assert requests.get(url + "v1/models", headers={"Host": name}).status_code == 200
    ready = requests.get(url + "v2/health/ready", headers={"Host": "10.0.0.7:8080"})
    assert ready.status_code == 200, "a kubelet asks by the pod's address"


def test_the_token_opens_and_nothing_else_does(command):
    url, _ = command
    for way in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Cookie": "x=y"}):
        answer = requests.get(url + "v1/models", headers=way)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer TOKEN" in answer.json()["error"]
        assert predict(url, **way).status_code == 401
    for path in ("", "docs", "openapi.json", "metrics", "?token=wrong", "?token="):
        assert requests.get(url + path).status_code == 401
    assert predict(url, Authorization=f"bearer {TOKEN}").status_code == 200
    for path in ("v2/health/live", "v2/health/ready"):
        assert requests.get(url + path).status_code == 200


def test_the_token_in_the_address_becomes_a_cookie(command):
    url, _ = command
    visitor = requests.Session()
    answer = visitor.get(f"{url}v1/models?a=1&token={TOKEN}", allow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/v1/models?a=1"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Strict" in answer.headers["set-cookie"]
    assert visitor.get(url + "v1/models").status_code == 200
    for path in ("//evil.example", "/%5Cevil.example", "/%0D%0AX-Mine:1"):
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.request("GET", f"{path}?token={TOKEN}")
        answer = connection.getresponse()
        assert answer.status == 303 and re.match(r"/[\w%]", answer.getheader("location"))
        assert answer.getheader("x-mine") is None


# What is written down


def test_every_answer_has_an_id_and_the_log_has_it_too(url, caplog):
    caplog.set_level(logging.INFO, "labkit.serve")
    assert (
        predict(url, [1, 1, 1], [2, 2, 2], **{"X-Request-Id": "mine-1"}).headers["x-request-id"]
        == "mine-1"
    )
    (line,) = until(lambda: [r for r in caplog.records if r.getMessage() == "request"])
    assert (line.request_id, line.status, line.path) == ("mine-1", 200, "/v1/models/line:predict")
    assert (line.model, line.version, line.examples) == ("line", "1", 2) and line.seconds > 0
    ids = [
        predict(url, **{"X-Request-Id": given}).headers["x-request-id"]
        for given in ("a b", "x" * 65)
    ]
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids) and len({*ids}) == 2
    refused = requests.get(url + "nowhere")
    given = refused.headers["x-request-id"]
    until(lambda: given in [vars(record).get("request_id") for record in caplog.records])


def test_the_metrics_count_requests_examples_and_times(url):
    route = {"route": "/v1/models/{name}:predict", "method": "POST", "status": "200"}
    before = metric(url, "labkit_requests_total", **route)
    judged = metric(url, "labkit_predictions_total", model="line", version="1")
    predict(url, [1, 1, 1], [2, 2, 2])
    until(lambda: metric(url, "labkit_requests_total", **route) == before + 1)
    assert metric(url, "labkit_predictions_total", model="line", version="1") == judged + 2
    assert metric(url, "labkit_request_seconds_count", route=route["route"]) >= before + 1
    assert metric(url, "labkit_request_examples_sum", model="line") >= 2
    assert metric(url, "labkit_model_version", model="line") == 1
    for path in ("x1", "x2"):
        requests.get(url + path)
    assert "x1" not in requests.get(url + "metrics").text, "an address is no label"


# How much


def test_a_body_that_is_too_large_is_413_however_it_comes(small):
    path = small + "v1/models/line:predict"
    large = b" " * 20_000
    for body in (large, iter([large[:7000]] * 3)):
        answer = requests.post(path, data=body)
        assert answer.status_code == 413 and "larger than 0.0095" in answer.json()["error"]
    with connect(small) as waiting:
        waiting.sendall(
            b"POST /v1/models/line:predict HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
        )
        assert waiting.recv(1000).startswith(b"HTTP/1.1 413 "), "before it was sent"
    assert predict(small).status_code == 200


def test_a_body_that_does_not_come_is_408(small):
    with connect(small) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        answer = everything(slow)
    assert answer.startswith(b"HTTP/1.1 408 ") and b"within 0.4 seconds" in answer


def test_bodies_that_are_under_way_are_bounded_in_all(small):
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(connect(small)).sendall(head + b" " * 8900)
        time.sleep(0.1)
        answer = requests.post(small + "predict", data=b" " * 9000)
        assert answer.status_code == 429 and answer.headers["retry-after"] == "1"
        assert "The server has much to do" in answer.json()["error"]
        assert predict(small).status_code == 200, "there is room for a small one"
        assert requests.get(small + "v1/models").status_code == 200, "it has no body"
    until(lambda: predict(small).status_code == 200)


def test_too_many_examples_at_once_are_429(small, gate):
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(predict, small)
        assert gate.began.wait(5)
        second = pool.submit(predict, small, *[[1, 1, 1]] * 8)
        time.sleep(0.1)
        third = predict(small)
        gate.go.set()
        assert third.status_code == 429 and "Try again in a second" in third.json()["error"]
        assert third.headers["retry-after"] == "1"
        assert first.result().status_code == second.result().status_code == 200


def test_a_model_that_takes_too_long_is_503(small, gate):
    answer = predict(small)
    assert answer.status_code == 503 and "within 0.4 seconds" in answer.json()["error"]
    gate.go.set()
    until(lambda: predict(small).status_code == 200)


def test_a_connection_that_says_nothing_is_closed(small):
    began = time.monotonic()
    slowly = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
    with connect(small) as silent, connect(small) as slow:
        with contextlib.suppress(OSError):
            for byte in slowly[:20]:
                slow.sendall(bytes([byte]))
                time.sleep(0.08)
        assert everything(silent) == everything(slow) == b""
    assert time.monotonic() - began < 5


def test_of_too_many_connections_the_quietest_is_closed(small):
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(small)) for _ in range(60)]
        assert predict(small).status_code == 200
        silent[0].settimeout(0.2)
        assert silent[0].recv(1) == b"", "the first was closed"


def test_a_head_without_an_end_is_refused(url):
    with connect(url) as endless:
        endless.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(10_000):
                endless.sendall(b"x" * 10_000)
            pytest.fail("it was all taken")


# Together


def test_requests_at_the_same_time_are_computed_together_and_each_gets_its_own(url, gate):
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(predict, url, [100, 0, 0])
        assert gate.began.wait(5)
        others = [pool.submit(predict, url, [i, 0, 0], [0, i, 0]) for i in range(8)]
        time.sleep(0.3)
        gate.go.set()
        assert first.result().json() == {"predictions": [[100]]}
        for i, other in enumerate(others):
            assert other.result().json() == {"predictions": [[i], [2 * i]]}
    assert gate.sizes[0] == 1 and sum(gate.sizes[1:]) == 16 and len(gate.sizes) <= 3


def batcher(run, **limits):
    return Batcher(run, ThreadPoolExecutor(1), Limits(**limits), lambda size: None)


def test_a_large_request_is_cut_into_batches():
    sizes = []

    def run(examples):
        sizes.append(len(examples))
        return [examples * 2, examples[:, 0]]

    async def main():
        return await batcher(run, batch=4)(np.arange(20.0).reshape(10, 2))

    doubled, first = asyncio.run(main())
    assert sizes == [4, 4, 2]
    assert np.array_equal(doubled.ravel(), np.arange(20) * 2)
    assert np.array_equal(first, np.arange(0, 20, 2))


def test_nobody_fails_because_of_somebody_elses_numbers():
    go = threading.Event()

    def run(examples):
        go.wait(5)
        if (examples < 0).any():
            raise RuntimeError("index out of bounds\nat some line")
        return [examples]

    async def main():
        ask = batcher(run)
        asked = [asyncio.create_task(ask(np.full((1, 1), n))) for n in (0.0, 1.0, -1.0, 2.0)]
        await asyncio.sleep(0.05)
        go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    zero, one, wrong, two = asyncio.run(main())
    assert [zero[0][0, 0], one[0][0, 0], two[0][0, 0]] == [0, 1, 2]
    assert isinstance(wrong, ServeError) and str(wrong).endswith("index out of bounds.")
    assert wrong.status == 422


def test_what_was_cancelled_is_not_computed():
    go, seen = threading.Event(), []

    def run(examples):
        seen.append(examples[0, 0])
        go.wait(5)
        return [examples]

    async def main():
        ask = batcher(run, waiting=2)
        first, second = (asyncio.create_task(ask(np.full((1, 1), n))) for n in (1.0, 2.0))
        await asyncio.sleep(0.05)
        second.cancel()
        third = asyncio.create_task(ask(np.full((1, 1), 3.0)))
        await asyncio.sleep(0.05)
        go.set()
        await asyncio.gather(first, third)
        for _ in range(4):  # nobody's place is lost
            await ask(np.zeros((2, 1)))

    asyncio.run(main())
    assert seen[:2] == [1, 3]


def test_a_client_that_goes_away_takes_nobody_with_it(url, gate):
    body = json.dumps({"instances": [[5, 5, 5]]}).encode()
    head = (
        f"POST /v1/models/line:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
    )
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(predict, url)
        assert gate.began.wait(5)
        with connect(url) as leaving:
            leaving.sendall(head.encode() + b"\r\n\r\n" + body)
            other = pool.submit(predict, url, [2, 0, 0])
            time.sleep(0.1)
        gate.go.set()
        assert first.result().status_code == 200
        assert other.result().json() == {"predictions": [[2]]}


# New versions, and broken ones


def test_a_new_version_takes_over_and_no_request_is_lost(tmp_path):
    tiny.put(tmp_path, "line", tiny.line(1, 0, 0))
    tiny.put(tmp_path, "other", tiny.line(5, 0, 0))
    with (
        background(["line", "other/1"], store=tmp_path, port=23_000, refresh=0.02) as server,
        ThreadPoolExecutor(4) as pool,
    ):
        stop, counts = threading.Event(), []

        def ask(_):
            said = []
            with requests.Session() as session:
                while not stop.is_set():
                    answer = session.post(
                        server.url + "v1/models/line:predict", json={"instances": [[1, 0, 0]]}
                    )
                    said.append((answer.status_code, answer.text))
                    counts.append(1)
            return said

        clients = [pool.submit(ask, i) for i in range(4)]
        for version in range(2, 5):
            before = len(counts)
            until(lambda before=before: len(counts) > before + 20)
            tiny.put(tmp_path, "line", tiny.line(version, 0, 0))
            tiny.put(tmp_path, "other", tiny.line(6, 0, 0))
            until(lambda n=version: metric(server.url, "labkit_model_version", model="line") == n)
        before = len(counts)
        until(lambda: len(counts) > before + 20)
        stop.set()
        for client in clients:
            said = client.result()
            values = [json.loads(text)["predictions"][0][0] for _, text in said]
            assert {status for status, _ in said} == {200}
            assert values == sorted(values) and {*values} >= {1, 4}
        assert predict(server.url, [1, 0, 0], model="other").json() == {"predictions": [[5]]}
        versions = requests.get(server.url + "v2/models/line").json()["versions"]
        assert versions == ["3", "4"], "the one before stays for whoever asks for it"


def test_a_new_version_that_is_broken_changes_nothing(tmp_path, caplog):
    caplog.set_level(logging.INFO, "labkit.serve")
    tiny.put(tmp_path, "line", tiny.line(1, 0, 0))
    with background(["line"], store=tmp_path, port=23_000, refresh=0.02) as server:
        tiny.put(tmp_path, "line", b"no model")
        until(lambda: "not loaded" in caplog.messages)
        time.sleep(0.1)
        assert caplog.messages.count("not loaded") == 1, "once is enough"
        assert predict(server.url, [7, 0, 0]).json() == {"predictions": [[7]]}
        tiny.put(tmp_path, "line", tiny.line(2, 0, 0))
        until(lambda: predict(server.url, [7, 0, 0]).json() == {"predictions": [[14]]})


def hostile(location):
    """A model with weights that are said to be in another file."""
    made = tiny.line(1, 2, 3)
    weights = made.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = tiny.TensorProto.EXTERNAL
    for key, value in {"location": location, "length": "12"}.items():
        weights.external_data.add(key=key, value=value)
    return made


BROKEN = {
    "damaged": "not the file that was saved",
    "garbage": "cannot be loaded",
    "miscounted": "it has 3 classes, and its output has the size 10",
    "hostile": "cannot be loaded",
    "above": "cannot be loaded",
    "beside": "cannot be loaded",
    "summing": "does not answer each example alone",
    "failing": "cannot compute",
    "double": "it has 2 inputs",
    "missing": "There is no model 'missing' in the store",
}


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """`labkit serve` with one good model and many that are not: (address, what it has printed)."""
    store = tmp_path_factory.mktemp("broken")
    (store / "secret").write_bytes(np.array([7, 7, 7], "<f4").tobytes())
    tiny.put(store, "line", tiny.line(1, 2, 3))
    with open(tiny.put(store, "damaged", tiny.line(1)), "ab") as file:
        file.write(b"\0")
    tiny.put(store, "garbage", b"no model")
    tiny.put(store, "miscounted", tiny.digits(), classes="abc")
    tiny.put(store, "hostile", hostile(str(store / "secret")))
    tiny.put(store, "above", hostile("../secret"))
    tiny.put(store, "beside", hostile("secret"))  # the server runs in that folder
    floats = [("input", tiny.FLOAT, ["n", 3])]
    one = [("output", tiny.FLOAT, [1, 3])]
    sums = ("ReduceSum", "input axis", "output", {"keepdims": 1})
    tiny.put(store, "summing", tiny.model([sums], floats, one, axis=np.array([0])))
    reshape = ("Reshape", "input odd", "output", {})
    out = [("output", tiny.FLOAT, ["n", 5])]
    tiny.put(store, "failing", tiny.model([reshape], floats, out, odd=np.array([-1, 5])))
    second = [("second", tiny.FLOAT, ["n", 3])]
    add = ("Add", "input second", "output", {})
    tiny.put(
        store,
        "double",
        tiny.model([add], floats + second, floats[:0] + [("output", tiny.FLOAT, ["n", 3])]),
    )
    with serving(store, "line", *BROKEN, LABKIT_TOKEN=TOKEN) as (process, url, log):
        yield url, log


def test_a_model_that_cannot_be_loaded_leaves_the_others_serving(command):
    url, _ = command
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert predict(url, [1, 1, 1], **bearer).json() == {"predictions": [[6]]}
    assert requests.get(url + "v2/health/ready").status_code == 200
    assert requests.get(url + "v2/models/line/ready", headers=bearer).status_code == 200


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_not_ready_and_says_why(name, command):
    url, log = command
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for path in (f"v2/models/{name}", f"v2/models/{name}/ready"):
        answer = requests.get(url + path, headers=bearer)
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
        assert f"{name} is not ready" in answer.json()["error"]
        assert BROKEN[name] in answer.json()["error"]
    assert requests.get(f"{url}v1/models/{name}", headers=bearer).json()["ready"] is False
    assert predict(url, model=name, **bearer).status_code == 503
    lines = [json.loads(line) for line in log.read_text().splitlines() if line[0] == "{"]
    assert any(line.get("model") == name and BROKEN[name] in line["why"] for line in lines)


# The process


def test_sigterm_answers_what_is_under_way_and_ends(store):
    body = json.dumps({"instances": [[1, 1, 1]]}).encode()
    with serving(store, "line") as (process, url, log), connect(url) as half, connect(url) as idle:
        half.sendall(
            b"POST /v1/models/line:predict HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body[:5]
        )
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert everything(idle) == b"", "who has not asked is not waited for"
        with pytest.raises(OSError):
            connect(url)
        half.sendall(body[5:])
        assert everything(half).endswith(b'{"predictions":[[6.0]]}')
        assert process.wait(10) == 0
        assert "Traceback" not in log.read_text()


def test_ctrl_c_ends_without_a_stack_trace(store):
    with serving(store, "line") as (process, url, log):
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert "Traceback" not in log.read_text()


def test_a_port_that_is_taken_is_a_sentence(url, store):
    port = urlsplit(url).port
    call = [sys.executable, "-m", "labkit", "serve", "line", "--store", store, "--port", str(port)]
    said = subprocess.run(call, capture_output=True, text=True)
    assert said.returncode == 1 and said.stdout == ""
    assert re.fullmatch(rf"Error: .* port {port} \(Address already in use\).*\n", said.stderr)


def test_in_the_background_the_next_port_is_taken_and_nothing_broken_is_served(store, url):
    port = urlsplit(url).port
    with background(["line"], store=store, port=port) as second:
        assert second.url != url and predict(second.url).status_code == 200
    assert not second.running
    with pytest.raises(ServeError, match="There is no model 'nobody'"):
        background(["nobody"], store=store, port=port)
    with pytest.raises(ServeError, match="twice"):
        background(["line", "line/1"], store=store, port=port)
