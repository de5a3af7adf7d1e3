"""The server as others speak to it: Triton's client of V2, and curl."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import tritonclient.http as triton

from labkit.serve.process import background
from tests.unit import tiny_models as tiny

PICTURES = np.random.default_rng(0).random((5, 28, 28, 1), "float32")
FIRST_PIXELS = PICTURES.reshape(5, 784)[:, :10]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    tiny.put(store, "digits", tiny.digits(), classes="0123456789")
    tiny.put(store, "labelled", tiny.labelled(), classes=["cat", "dog"])
    tiny.put(store, "words", tiny.words())
    with background(["digits", "labelled", "words"], store=store, port=24_000) as serving:
        yield serving.url


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(server.removeprefix("http://").rstrip("/")) as client:
        yield client


def tensor(array, *, binary, datatype="FP32"):
    given = triton.InferInput("input", array.shape, datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return [given]


def test_tritons_client_finds_its_way(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("digits") and client.is_model_ready("digits", "1")
    assert not client.is_model_ready("nobody")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("digits")["inputs"][0]["shape"] == [-1, 28, 28, 1]


@pytest.mark.parametrize("out", [False, True])
@pytest.mark.parametrize("into", [False, True])
def test_tritons_client_infers_with_json_and_with_bytes(into, out, client):
    wanted = [triton.InferRequestedOutput("output", binary_data=out)]
    asked = {"inputs": tensor(PICTURES, binary=into), "outputs": wanted, "request_id": "mine"}
    for version in ("", "1"):
        said = client.infer("digits", model_version=version, **asked)
        assert said.as_numpy("output") == pytest.approx(FIRST_PIXELS)
        assert said.get_response()["id"] == "mine"


def test_tritons_client_asks_for_all_outputs_or_for_one(client):
    two = np.array([[1, 2], [4, 3]], "float32")
    said = client.infer("labelled", tensor(two, binary=True))
    assert said.as_numpy("label").tolist() == [1, 0]
    assert said.as_numpy("output").tolist() == two.tolist()
    one = [triton.InferRequestedOutput("label", binary_data=True)]
    said = client.infer("labelled", tensor(two, binary=True), outputs=one)
    assert said.as_numpy("label").tolist() == [1, 0] and said.as_numpy("output") is None


@pytest.mark.parametrize("out", [False, True])
def test_tritons_client_reads_text(out, client):
    wanted = [triton.InferRequestedOutput("output", binary_data=out)]
    numbers = tensor(np.array([[7, 255]], "uint8"), binary=True, datatype="UINT8")
    said = client.infer("words", numbers, outputs=wanted).as_numpy("output")
    assert [[bytes(x).decode() if out else x for x in row] for row in said] == [["7", "255"]]


def test_tritons_client_is_told_what_is_wrong(client):
    with pytest.raises(triton.InferenceServerException, match="An example of shape .* came"):
        client.infer("digits", tensor(PICTURES[:, 1:], binary=True))
    with pytest.raises(triton.InferenceServerException, match="There is no model 'nobody'"):
        client.infer("nobody", tensor(PICTURES, binary=True))


def test_tritons_client_asks_in_parallel(server):
    address = server.removeprefix("http://").rstrip("/")
    with triton.InferenceServerClient(address, concurrency=8) as client:
        asked = [
            client.async_infer("digits", tensor(PICTURES[i % 5 :][:1], binary=i % 2 == 0))
            for i in range(100)
        ]
        for i, request in enumerate(asked):
            said = request.get_result().as_numpy("output")
            assert said == pytest.approx(FIRST_PIXELS[i % 5 :][:1])


@pytest.fixture
def curl(server):
    if not shutil.which("curl"):
        pytest.fail("curl is missing. On Debian and Ubuntu: apt install curl")

    def curl(path, *options, text=None):
        """Status and body."""
        call = ["curl", "--silent", "--max-time", "20", "--write-out", "\n%{http_code}", *options]
        done = subprocess.run([*call, server + path], input=text, capture_output=True, text=True)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    return curl


def test_curl_asks_as_the_readme_says(curl):
    assert curl("v2/health/ready") == (200, '{"ready":true}')
    status, body = curl("v1/models/labelled:predict", "--data", '{"instances": [[1, 2]]}')
    assert (status, json.loads(body)) == (200, {"predictions": [[1, 2]]})
    tensor = {"name": "input", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    status, body = curl("v2/models/labelled/infer", "--json", json.dumps({"inputs": [tensor]}))
    assert status == 200 and json.loads(body)["outputs"][0]["data"] == [1]
    status, body = curl("predict", "--data", json.dumps({"data": [0] * 3 + [1] + [0] * 780}))
    assert (status, body) == (200, '{"prediction":3}')
    status, body = curl("metrics")
    assert status == 200 and "labkit_requests_total" in body


def test_curl_is_told_what_is_wrong(curl):
    status, body = curl("v1/models/labelled:predict", "--data", "{")
    assert status == 400 and "not JSON" in json.loads(body)["error"]
    large = " " * (9 << 20)
    status, body = curl("predict", "--data-binary", "@-", text=large)
    assert status == 413 and "larger than 8 MiB" in body
    chunked = ("--header", "Transfer-Encoding: chunked", "--data-binary", "@-")
    status, body = curl("predict", *chunked, text=large)
    assert status == 413 and "larger than 8 MiB" in body
