"""The exercises of lab 10: ask a server, write a question, read metrics, serve a model."""

import numpy as np
import pytest
import requests

from labkit.check import check
from labkit.check.exercises.lab10 import _metrics_text


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


# Asking


def ask(url, picture, *, path="v1/models/mnist-cnn:predict", axis=True, read=np.argmax):
    instances = (picture[None] if axis else picture).tolist()
    reply = requests.post(url + path, json={"instances": instances}, timeout=30).json()
    return read(reply["predictions"][0])


def test_10_ask_passes():
    assert check("10-ask", ask).passed is True
    flat = check(
        "10-ask",
        lambda url, picture: ask(url, picture.reshape(784), read=lambda p: int(np.argmax(p))),
    )
    assert flat.passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda u, p: ask(u, p, axis=False), "a list of one picture is asked for"),
        (lambda u, p: ask(u, p, read=list), "returns all ten numbers"),
        (lambda u, p: ask(u, p, read=max), "how sure the server is"),
        (lambda u, p: ask(u, p, read=np.argmin), "the server says 3, and your function"),
        (lambda u, p: ask(u, 255 - p), "not those of the picture"),
        (lambda u, p: ask(u, p, path="v1/models/mnist:predict"), "asked for is POST"),
        (lambda u, p: requests.get(u, timeout=30).json(), "GET / came"),
        (lambda u, p: requests.post(u + "v1/models/mnist-cnn:predict", data=b"x"), "no JSON"),
        (lambda u, p: 7, "the server was not asked"),
        (lambda u, p: 1 / 0, "ZeroDivisionError"),
        (7, "hand over the function itself"),
    ],
)
def test_10_ask_knows_the_usual_mistakes(answer, hint):
    lines = failed_lines(check("10-ask", answer))
    assert hint in lines[0]


def test_10_ask_unattempted_is_no_error():
    def answer(url, picture): ...

    assert check("10-ask", answer).passed is None


# The question


def question(pictures, **changes):
    tensor = {"name": "input", "shape": list(pictures.shape), "datatype": "UINT8"}
    return {"inputs": [tensor | {"data": pictures.ravel().tolist()} | changes]}


@pytest.mark.parametrize(
    "answer",
    [question, lambda p: question(p, datatype="FP32"), lambda p: question(p, data=p.tolist())],
)
def test_10_tensor_passes(answer):
    assert check("10-tensor", answer).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda p: question(p, name="x"), "called 'input'"),
        (lambda p: question(p, shape=[2, 784]), "a tensor of (2, 784) arrives"),
        (lambda p: question(p, datatype="uint8"), "datatype is 'uint8'"),
        (lambda p: question(p, data=p.ravel()), "cannot be written as JSON"),
        (lambda p: question(p, data=(255 - p).ravel().tolist()), "other numbers"),
        (lambda p: question(p[:1]), "a tensor of (1, 28, 28, 1) arrives"),
        (lambda p: question(p)["inputs"], "a dictionary is asked for"),
    ],
)
def test_10_tensor_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("10-tensor", answer))[0]


# The metrics


def mean_seconds(text, route=":predict"):
    lines = [line for line in text.splitlines() if route in line]
    total = [float(x.split()[-1]) for x in lines if x.startswith("labkit_request_seconds_sum")]
    count = [float(x.split()[-1]) for x in lines if x.startswith("labkit_request_seconds_count")]
    return sum(total) / sum(count) if count else 0


def test_10_metrics_passes():
    assert check("10-metrics", mean_seconds).passed is True


def test_10_metrics_reads_what_a_real_server_writes():
    from labkit.serve.measures import Measures

    measures = Measures()
    for seconds in (0.2, 0.4):
        measures.seconds.labels("/v1/models/{name}:predict").observe(seconds)
    assert mean_seconds(measures.text().decode()) == pytest.approx(0.3)
    assert mean_seconds(_metrics_text(0.6, 2)) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda text: mean_seconds(text, "/metrics"), "another route"),
        (lambda text: 0.5, "is the sum of all seconds"),
        (lambda text: 4, "how many requests there were"),
    ],
)
def test_10_metrics_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("10-metrics", answer))[0]


# A model of one's own


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    from sklearn.linear_model import LinearRegression, LogisticRegression

    from labkit import store
    from labkit.serve import serve

    url = tmp_path_factory.mktemp("store")
    x = np.random.default_rng(0).normal(size=(40, 3))
    store.save(LogisticRegression().fit(x, x[:, 0] > 0), "mine", url=url)
    store.save(LogisticRegression().fit(x, x[:, 0] > 0), "mnist-cnn", url=url)
    store.save(LinearRegression().fit(x, 7 + x[:, 0]), "line", url=url)
    started = {name: serve(name, store=url) for name in ("mine", "mnist-cnn", "line")}
    yield started
    for one in started.values():
        one.stop()


def test_10_free_space_wants_a_classifier_of_ones_own_that_runs(serving):
    assert check("10-free-space", serving["mine"]).passed is True
    assert "is the one of the lab" in failed_lines(check("10-free-space", serving["mnist-cnn"]))[0]
    assert "hand over a classifier" in failed_lines(check("10-free-space", serving["line"]))[0]
    serving["mine"].stop()
    assert "has stopped" in failed_lines(check("10-free-space", serving["mine"]))[0]
    assert "hand over what labkit.serve" in failed_lines(check("10-free-space", "mine"))[0]
