"""What a server answers: KServe's V1 and V2, JSON and binary, and a sentence when it is wrong."""

import json
import re
import struct
import time

import numpy as np
import pytest
import requests

from labkit.serve.process import background
from tests.unit import tiny_models as tiny


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    tiny.put(store, "line", tiny.line(9, 9, 9))
    tiny.put(store, "digits", tiny.digits(), classes="0123456789")
    tiny.put(store, "labelled", tiny.labelled(), classes=["cat", "dog"])
    tiny.put(store, "words", tiny.words())
    names = ["line", "digits", "labelled", "words"]
    with background(names, store=store, port=20_000, refresh=0.05) as serving:
        tiny.put(store, "line", tiny.line(1, 2, 3))
        while requests.get(serving.url + "v2/models/line").json()["versions"] != ["1", "2"]:
            time.sleep(0.02)
        yield serving.url


@pytest.fixture
def post(url):
    def post(path, body, **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return requests.post(url + path, data=content, headers=headers, timeout=20)

    return post


@pytest.fixture
def infer(post):
    """A V2 request with one tensor."""

    def infer(model, array=None, *, more=None, outputs=None, **tensor):
        if array is not None:
            values = np.asarray(array, "float32")
            tensor = {"shape": values.shape, "data": values.ravel().tolist()} | tensor
        request = {"inputs": [{"name": "input", "datatype": "FP32"} | tensor]} | (more or {})
        if outputs is not None:
            request["outputs"] = outputs
        return post(f"v2/models/{model}/infer", request)

    return infer


def tensors(answer):
    """The outputs of a V2 answer, by name, whether they came as JSON or as bytes."""
    end = int(answer.headers.get("inference-header-content-length", len(answer.content)))
    rest, found = answer.content[end:], {}
    for output in json.loads(answer.content[:end])["outputs"]:
        kind = {"FP32": "<f4", "INT64": "<i8"}[output["datatype"]]
        size = output.get("parameters", {}).get("binary_data_size")
        data = output["data"] if size is None else np.frombuffer(rest[:size], kind)
        rest = rest[size or 0 :]
        found[output["name"]] = np.reshape(data, output["shape"]).tolist()
    assert not rest
    return found


def test_v1_lists_the_models_and_their_state(url):
    models = requests.get(url + "v1/models").json()
    assert models == {"models": ["line", "digits", "labelled", "words"]}
    state = requests.get(url + "v1/models/line").json()
    assert state == {"name": "line", "ready": True}


def test_v1_predicts_each_example(post):
    answer = post("v1/models/line:predict", {"instances": [[1, 0, 0], [0, 1.5, 0], [1, 1, 1]]})
    assert answer.json() == {"predictions": [[1], [3], [6]]}
    assert answer.headers["content-type"] == "application/json"


def test_a_picture_may_be_nested_or_flat(post):
    picture = np.arange(784.0).reshape(28, 28, 1)
    for shape in ((28, 28, 1), (28, 28), (784,)):
        answer = post("v1/models/digits:predict", {"instances": [picture.reshape(shape).tolist()]})
        assert answer.json() == {"predictions": [[*range(10)]]}


def test_v2_tells_what_the_server_and_its_models_are(url):
    server = requests.get(url + "v2").json()
    assert server["name"] == "labkit" and "binary_tensor_data" in server["extensions"]
    model = requests.get(url + "v2/models/labelled").json()
    assert model["name"] == "labelled" and model["versions"] == ["1"]
    assert model["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 2]}]
    assert model["outputs"] == [
        {"name": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "output", "datatype": "FP32", "shape": [-1, 2]},
    ]


@pytest.mark.parametrize("path", ["health/live", "health/ready", "models/line/ready"])
def test_v2_says_that_it_is_ready(path, url):
    assert requests.get(f"{url}v2/{path}").status_code == 200


def test_v2_infers_and_returns_the_id(infer):
    answer = infer("line", [[1, 0, 0], [0, 0, 2]], more={"id": "mine"}).json()
    assert answer == {
        "id": "mine",
        "model_name": "line",
        "model_version": "2",
        "outputs": [{"name": "output", "datatype": "FP32", "shape": [2, 1], "data": [1, 6]}],
    }
    nested = infer("line", shape=[2, 3], data=[[1, 0, 0], [0, 0, 2]]).json()
    assert nested["outputs"] == answer["outputs"]


@pytest.mark.parametrize("datatype", ["FP64", "FP16", "INT8", "INT64", "UINT32"])
def test_numbers_of_another_type_are_taken_as_the_models(datatype, infer):
    answer = infer("line", shape=[1, 3], datatype=datatype, data=[1, 2, 3])
    assert tensors(answer) == {"output": [[14]]}


def test_versions_are_asked_by_number(url, post):
    assert requests.get(url + "v2/models/line/versions/1/ready").status_code == 200
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 3], "data": [1, 0, 0]}
    answer = post("v2/models/line/versions/1/infer", {"inputs": [tensor]})
    assert answer.json()["model_version"] == "1" and tensors(answer) == {"output": [[9]]}
    for number in ("3", "0", "x", "1" * 40, "-1"):
        answer = requests.get(f"{url}v2/models/line/versions/{number}/ready")
        assert answer.status_code == 404 and "those are: 1, 2" in answer.json()["error"]


@pytest.mark.parametrize("into", [False, True])
@pytest.mark.parametrize("out", [False, True])
def test_tensors_go_as_json_or_as_bytes_both_ways(into, out, post):
    values = np.array([[1, 0, 0], [0.5, 0.25, 1]], "<f4")
    content = values.tobytes() if into else b""
    size = {"parameters": {"binary_data_size": len(content)}}
    tensor = {"name": "input", "datatype": "FP32", "shape": [2, 3]}
    tensor |= size if into else {"data": values.tolist()}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": out}}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))} if into else {}
    answer = post("v2/models/line/infer", head + content, **length)
    assert tensors(answer) == {"output": [[1], [4]]}
    kind = "application/octet-stream" if out else "application/json"
    assert answer.headers["content-type"] == kind
    assert ("inference-header-content-length" in answer.headers) == out


def test_outputs_are_chosen_by_name_and_form(infer):
    both = {"label": [1, 0], "output": [[0, 1], [3, 2]]}
    assert tensors(infer("labelled", both["output"])) == both
    one = infer("labelled", both["output"], outputs=[{"name": "label"}])
    assert tensors(one) == {"label": [1, 0]}
    mixed = [{"name": "output", "parameters": {"binary_data": True}}, {"name": "label"}]
    answer = infer("labelled", both["output"], outputs=mixed)
    assert tensors(answer) == both and b'"label"' in answer.content
    assert answer.content.endswith(np.array(both["output"], "<f4").tobytes())
    answer = infer("labelled", [[0, 1]], outputs=[{"name": "other"}])
    assert answer.status_code == 422 and "its outputs: label, output" in answer.json()["error"]


def test_text_goes_out_as_json_or_as_bytes(infer):
    said = infer("words", shape=[1, 2], datatype="UINT8", data=[7, 255])
    assert said.json()["outputs"][0] == {
        "name": "output",
        "datatype": "BYTES",
        "shape": [1, 2],
        "data": ["7", "255"],
    }
    more = {"parameters": {"binary_data_output": True}}
    said = infer("words", shape=[1, 2], datatype="UINT8", data=[7, 255], more=more)
    assert said.content.endswith(struct.pack("<I1sI3s", 1, b"7", 3, b"255"))


def test_the_page_of_another_workshop_is_answered(post):
    pixels = np.zeros(784)
    pixels[7] = 1
    assert post("predict", {"data": pixels.tolist()}).json() == {"prediction": 7}
    assert post("predict", {"data": [0, 1]}).json() == {"prediction": 1}, "two numbers, two classes"
    for wrong in ({"data": [1] * 5}, {"data": 7}, {}, {"data": [[0] * 784]}, {"data": ["0"] * 784}):
        answer = post("predict", wrong)
        assert answer.status_code == 422 and answer.json()["error"].endswith(".")


LONG_TEXT = ["x" * 1_000_000] + [""] * 200_000  # as NumPy's text it would fill 800 GB


@pytest.mark.parametrize(
    "body, status, sentence",
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b'{"instances": [[NaN, 1, 1]]}', 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[" * 5000 + b"]" * 5000, 400, "not JSON"),
        (b'{"instances": [' + b"9" * 5000 + b"]}", 400, "not JSON"),
        ([], 422, "not a JSON object"),
        ({}, 422, 'no list "instances"'),
        ({"instances": {}}, 422, 'no list "instances"'),
        ({"instances": []}, 422, "0 examples came"),
        ({"instances": [[0, 0, 0]] * 1025}, 422, "1025 examples came. Send 1 to 1024"),
        ({"instances": [1, 2, 3]}, 422, r"shape \[\] came, and the model takes \[3\]"),
        ({"instances": [[1, 2]]}, 422, r"shape \[2\] came, and the model takes \[3\]"),
        ({"instances": [[1, 2, 3], [1]]}, 422, "longer than others"),
        ({"instances": [[1, 2, [3]]]}, 422, "else than numbers"),
        ({"instances": [[1, 2, 3], 4]}, 422, "longer than others"),
        ({"instances": [["1", "2", "3"]]}, 422, "else than numbers"),
        ({"instances": [[1, None, 3]]}, 422, "else than numbers"),
        ({"instances": [[1, True, 3]]}, 422, "else than numbers"),
        ({"instances": [{"a": 1}]}, 422, "else than numbers"),
        ({"instances": [[1, 2, 10**30]]}, 422, "too large"),
        ({"instances": [[1, 2, 1e39]]}, 422, "Not all of the numbers are finite"),
        (b'{"instances": [[1, 2, 1e999]]}', 422, "Not all of the numbers are finite"),
        ({"instances": [[3e38, 3e38, 3e38]]}, 422, "larger than its numbers can be"),
        ({"instances": json.loads("[" * 90 + "1" + "]" * 90)}, 422, "91 deep|90 deep"),
        ({"instances": LONG_TEXT}, 422, "else than numbers"),
    ],
)
def test_what_is_wrong_in_v1_is_said(body, status, sentence, post):
    answer = post("v1/models/line:predict", body)
    assert answer.status_code == status, answer.text
    (key,) = answer.json()
    assert key == "error" and answer.json()["error"].endswith(".")
    assert re.search(sentence, answer.json()["error"])


TENSOR = {"name": "input", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"name": "x"}, "is called 'input', not 'x'"),
        ({"name": "x" * 10_000}, "is called 'input', not 'xxx"),
        ({"name": None}, "is called 'input', not None"),
        ({"datatype": "FP8"}, "'FP8'. Use one of: FP16, FP32"),
        ({"datatype": ["FP32"]}, "Use one of"),
        ({"datatype": "BYTES", "data": ["a", "b", "c"]}, "Use one of"),
        ({"shape": [3]}, r"shape \[\] came"),
        ({"shape": [1, 4]}, r'"data" has the shape \[3\], and "shape" says \[1, 4\]'),
        ({"shape": [1, -3]}, "whole numbers"),
        ({"shape": [1.0, 3]}, "whole numbers"),
        ({"shape": [True, 3]}, "whole numbers"),
        ({"shape": "1,3"}, "whole numbers"),
        ({"shape": [10**11] * 12}, '"data" has the shape'),
        ({"shape": [1] * 100 + [3]}, "101 axes; up to 16"),
        ({"shape": [10**11] * 100_000}, "100000 axes"),
        ({"shape": [10**30]}, "whole numbers"),
        ({"shape": [0, 3], "data": []}, "0 examples came"),
        ({"data": None}, 'no list "data"'),
        ({"data": 1}, 'no list "data"'),
        ({"data": [1, 2, "3"]}, "else than numbers"),
        ({"data": [[1, 2], [3]]}, "longer than others"),
        ({"datatype": "INT8", "data": [1, 2, 128]}, "whole number that fits"),
        ({"datatype": "INT8", "data": [1, 2, 0.5]}, "whole number that fits"),
        ({"datatype": "UINT8", "data": [1, 2, -1]}, "whole number that fits"),
        ({"datatype": "FP16", "data": [1, 2, 70_000]}, "finite"),
        ({"parameters": []}, '"parameters" has to be an object'),
        ({"parameters": {"binary_data_size": 12}}, "12, and a tensor of this shape .* has 12"),
        ({"parameters": {"binary_data_size": "12"}}, "another type"),
    ],
)
def test_what_is_wrong_with_a_tensor_is_said(change, sentence, post):
    answer = post("v2/models/line/infer", {"inputs": [TENSOR | change]})
    assert answer.status_code == 422, answer.text
    assert re.search(sentence, answer.json()["error"])
    assert len(answer.content) < 1000, "what came in is not sent back at length"


@pytest.mark.parametrize(
    "request_, sentence",
    [
        ({}, 'a list "inputs" with one tensor'),
        ({"inputs": []}, 'a list "inputs" with one tensor'),
        ({"inputs": [TENSOR, TENSOR]}, 'a list "inputs" with one tensor'),
        ({"inputs": [1]}, 'a list "inputs" with one tensor'),
        ({"inputs": [TENSOR], "id": 7}, '"id" has to be text'),
        ({"inputs": [TENSOR], "outputs": "output"}, '"outputs" has to be a list'),
        ({"inputs": [TENSOR], "outputs": [{}]}, '"outputs" has to be a list'),
        ({"inputs": [TENSOR], "parameters": {"binary_data_output": 1}}, "another type"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(request_, sentence, post):
    answer = post("v2/models/line/infer", request_)
    assert answer.status_code == 422 and sentence in answer.json()["error"]


@pytest.mark.parametrize(
    "size, came, needed", [(12, 11, 12), (8, 12, 12), (16, 16, 12), (-1, 0, 12)]
)
def test_bytes_have_to_be_as_many_as_the_tensor_has(size, came, needed, post):
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 3]}
    tensor["parameters"] = {"binary_data_size": size}
    head = json.dumps({"inputs": [tensor]}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    answer = post("v2/models/line/infer", head + b"\0" * came, **length)
    assert answer.status_code == 422
    assert f"{came} bytes came" in answer.json()["error"] and f"has {needed}" in answer.text


@pytest.mark.parametrize("length", ["-1", "x", "", "1e3", "9" * 30, "100000"])
def test_a_wrong_length_of_the_json_part_is_refused(length, post):
    head = json.dumps({"inputs": [TENSOR]}).encode()
    answer = post("v2/models/line/infer", head, **{"Inference-Header-Content-Length": length})
    assert answer.status_code == 400 and "not the length" in answer.json()["error"]


def test_a_model_of_whole_numbers_takes_no_others(infer):
    for wrong in ([0, 256], [-1, 0]):
        answer = infer("words", shape=[1, 2], datatype="INT64", data=wrong)
        assert answer.status_code == 422 and "fit uint8" in answer.json()["error"]
    answer = infer("words", [[0.5, 1]])
    assert answer.status_code == 422 and "fit uint8" in answer.json()["error"]


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "v1/models/nobody"),
        ("POST", "v1/models/nobody:predict"),
        ("GET", "v2/models/nobody"),
        ("GET", "v2/models/nobody/ready"),
        ("POST", "v2/models/nobody/infer"),
        ("GET", "v2/models/nobody/versions/1"),
        ("GET", "nowhere"),
        ("POST", "v1/models/line:explain"),
    ],
)
def test_what_is_not_there_is_404_with_a_sentence(method, path, url):
    answer = requests.request(method, url + path, json={"instances": []})
    assert answer.status_code in (404, 405) and answer.json()["error"].endswith(".")
    if "nobody" in path:
        assert "models here: line, digits" in answer.json()["error"]
