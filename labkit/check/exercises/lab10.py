"""The exercises of lab 10: ask a server, write a question, read metrics, serve a model."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from labkit.check.judging import (
    Unattempted,
    Verdict,
    Wrong,
    a_function,
    a_number,
    called,
    exercise,
    kind_of,
    plain,
    reason,
)
from labkit.errors import ServeError

_PATH = "/v1/models/mnist-cnn:predict"


@exercise("10-ask", "Ask a server which digit a picture shows")
def _ask(answer):
    import numpy as np

    a_function(answer)
    rng = np.random.default_rng(10)
    for digit in (3, 0, 8):
        picture = rng.integers(0, 256, (28, 28, 1), dtype=np.uint8)
        said = rng.uniform(0, 0.1, 10).round(3)
        said[digit] = 0.9
        with _server(said.tolist()) as (url, asked):
            try:
                found = answer(url, picture)
            except Exception as error:
                wrong = asked and _what_request(asked[0], picture)
                raise Wrong(wrong or f"your function stopped with {reason(error)}") from error
        if not asked:
            if found is None or found is ...:
                raise Unattempted
            raise Wrong("the server was not asked; send it a request with requests.post")
        wrong = _what_request(asked[0], picture) or _what_digit(found, said, digit)
        yield Verdict(not wrong, wrong or f"the server says {digit}, and so does your function")


def _what_request(request, picture) -> str:
    """What is wrong with a request that came; empty when nothing is."""
    import numpy as np

    method, path, body = request
    if (method, path) != ("POST", _PATH):
        return f"{method} {path} came; asked for is POST {_PATH}"
    try:
        instances = json.loads(body)["instances"]
    except (ValueError, KeyError, TypeError):
        return 'the body is no JSON with "instances"; write json={"instances": …}'
    try:
        shape = np.shape(instances)
    except ValueError:
        shape = ()
    if shape in (picture.shape, picture.shape[:2]):
        return "the picture itself was sent; a list of one picture is asked for: picture[None]"
    if shape[:1] != (1,) or np.size(instances) != picture.size:
        return f"instances of the shape {shape} came; one picture is (1, 28, 28, 1)"
    same = np.array_equal(np.ravel(instances), picture.ravel())
    return "" if same else "the pixels that came are not those of the picture"


def _what_digit(found, said, digit) -> str:
    import numpy as np

    if np.size(found) == 10:
        return "your function returns all ten numbers; return which of them is the largest"
    value = a_number(found)
    if value == digit:
        return ""
    if value == said[digit]:
        return f"{plain(value)} is how sure the server is; which digit is asked for"
    return f"the server says {digit}, and your function {plain(value)}"


@contextmanager
def _server(answer):
    """A server that answers everything with the same numbers, and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, body))
            reply = json.dumps({"predictions": [answer]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_PUT = do_POST

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()
            thread.join()


@exercise("10-tensor", "Write a question of the Open Inference Protocol")
def _tensor(answer):
    import numpy as np

    from labkit.serve import protocol

    a_function(answer)
    rng = np.random.default_rng(11)
    for count in (2, 1):
        pictures = rng.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
        found = called(answer, pictures)
        if not isinstance(found, dict):
            raise Wrong(f"your answer is {kind_of(found)}; a dictionary is asked for")
        try:
            body = json.dumps(found).encode()
        except (TypeError, ValueError) as error:
            raise Wrong(
                f"it cannot be written as JSON ({error}); NumPy's arrays and numbers become "
                "Python's own with .tolist() and int()"
            ) from error
        try:
            tensor = protocol.read_v2(body, None, "input").array
        except ServeError as error:
            raise Wrong(f"the server says: {error}") from error
        same = tensor.shape == pictures.shape and np.array_equal(tensor, pictures)
        right = f"{count} of 28 × 28 × 1 arrive as they were"
        yield Verdict(
            same, right if same else f"a tensor of {tensor.shape} arrives, with other numbers"
        )


@exercise("10-metrics", "Read how long requests took")
def _metrics(answer):
    import numpy as np

    a_function(answer)
    for what, seconds, count in (("4 requests", 0.5, 4), ("others", 3.0, 20), ("none", 0.0, 0)):
        value = a_number(called(answer, _metrics_text(seconds, count)))
        right = seconds / count if count else 0.0
        hints = {
            seconds: "is the sum of all seconds; divide it by how many requests there were",
            float(count): "is how many requests there were; divide the seconds by it",
            99.0 / 9: "is the mean of another route; take the lines with :predict",
        }
        if np.isclose(value, right):
            yield Verdict(True, f"{what}: {plain(value)} seconds")
        else:
            hint = hints.get(value, f"is not it; {plain(right)} is")
            yield Verdict(False, f"{what}: {plain(value)} {hint}")


def _metrics_text(seconds, count) -> str:
    route = '{route="/v1/models/{name}:predict"}'
    lines = [
        "# HELP labkit_request_seconds From a request to its answer.",
        "# TYPE labkit_request_seconds histogram",
        'labkit_request_seconds_count{route="/metrics"} 9.0',
        'labkit_request_seconds_sum{route="/metrics"} 99.0',
    ]
    if count:
        lines += [
            f'labkit_request_seconds_bucket{{le="0.1",{route[1:]} {count}.0',
            f"labkit_request_seconds_count{route} {float(count)}",
            f"labkit_request_seconds_sum{route} {seconds}",
        ]
    return "\n".join([*lines, 'labkit_predictions_total{model="mnist-cnn",version="1"} 7.0', ""])


@exercise("10-free-space", "Serve a model of your own")
def _free_space(serving):
    import numpy as np
    import requests

    if not hasattr(serving, "url") or not hasattr(serving, "running"):
        raise Wrong(f"your answer is {kind_of(serving)}; hand over what labkit.serve returned")
    if not serving.running:
        raise Wrong("the server has stopped; call labkit.serve again and hand over the new one")
    name = serving.names[0]
    yield Verdict(
        name != "mnist-cnn",
        f"{name} is {'a model of your own' if name != 'mnist-cnn' else 'the one of the lab'}",
    )
    about = requests.get(f"{serving.url}v2/models/{name}", timeout=30).json()
    shape = about["inputs"][0]["shape"][1:]
    example = np.full([1, *shape], 128).tolist()
    asked = {"instances": example}
    reply = requests.post(f"{serving.url}v1/models/{name}:predict", json=asked, timeout=30)
    said = np.ravel(reply.json().get("predictions", []))
    one = said.size == 1 and 0 <= said[0] <= 1
    classifies = one or (said.size > 1 and bool(np.isclose(said.sum(), 1, atol=1e-3)))
    yield Verdict(
        classifies,
        f"it answers with {said.size} numbers"
        + ("" if classifies else ", which do not add up to 1: hand over a classifier"),
    )
