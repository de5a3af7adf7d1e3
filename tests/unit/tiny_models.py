"""Models of a few numbers, made by hand, as versions in a store: what they say is plain to see."""

import json
import uuid
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from labkit.data.download import sha256

FLOAT, INT64, UINT8, STRING = (
    getattr(TensorProto, kind) for kind in ("FLOAT", "INT64", "UINT8", "STRING")
)


def model(nodes, inputs, outputs, **constants) -> onnx.ModelProto:
    """Nodes as (operator, inputs, outputs, attributes); ends as (name, type, shape)."""
    graph = helper.make_graph(
        [helper.make_node(op, i.split(), o.split(), **options) for op, i, o, options in nodes],
        "tiny",
        [helper.make_tensor_value_info(*end) for end in inputs],
        [helper.make_tensor_value_info(*end) for end in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def line(*weights: float) -> onnx.ModelProto:
    """The sum of the weighted inputs."""
    return model(
        [("MatMul", "input weights", "output", {})],
        [("input", FLOAT, ["n", len(weights)])],
        [("output", FLOAT, ["n", 1])],
        weights=np.array(weights, "float32")[:, None],
    )


def digits(*, times: float = 1) -> onnx.ModelProto:
    """Of a picture of 28 × 28 the first ten pixels, as if they were the ten probabilities."""
    return model(
        [("Reshape", "input flat", "pixels", {}), ("MatMul", "pixels first", "output", {})],
        [("input", FLOAT, ["n", 28, 28, 1])],
        [("output", FLOAT, ["n", 10])],
        flat=np.array([-1, 784]),
        first=times * np.eye(784, 10, dtype="float32"),
    )


def brightness(*shape: int, classes: int = 2) -> onnx.ModelProto:
    """Of a picture, how dark and how bright it is, from 0 to 1; other classes are at 0."""
    weights, shift = np.zeros((1, classes), "float32"), np.zeros(classes, "float32")
    weights[0, :2], shift[0] = (-1 / 255, 1 / 255), 1
    return model(
        [
            ("ReduceMean", "input", "mean", {"axes": [1, 2, 3], "keepdims": 0}),
            ("Reshape", "mean column", "one", {}),
            ("MatMul", "one weights", "scaled", {}),
            ("Add", "scaled shift", "output", {}),
        ],
        [("input", FLOAT, ["n", *shape])],
        [("output", FLOAT, ["n", classes])],
        column=np.array([-1, 1]),
        weights=weights,
        shift=shift,
    )


def labelled() -> onnx.ModelProto:
    """Two outputs: which of two numbers is larger, and the numbers themselves."""
    return model(
        [("ArgMax", "input", "label", {"axis": 1, "keepdims": 0}), ("Neg", "input", "m", {})]
        + [("Neg", "m", "output", {})],
        [("input", FLOAT, ["n", 2])],
        [("label", INT64, ["n"]), ("output", FLOAT, ["n", 2])],
    )


def words() -> onnx.ModelProto:
    """Whole numbers, from 0 to 255, as text."""
    return model(
        [("Cast", "input", "output", {"to": STRING})],
        [("input", UINT8, ["n", 2])],
        [("output", STRING, ["n", 2])],
    )


def put(store: Path, name: str, content: onnx.ModelProto | bytes, classes=(), **told) -> Path:
    """Save the next version, with what else its manifest tells, and return its ONNX file."""
    number = len([*(store / name).glob("*.json")]) + 1
    folder = f"files/1-{uuid.uuid4().hex}"
    place = store / name / folder
    place.mkdir(parents=True)
    (place / "model.skops").write_bytes(b"")
    made = content if isinstance(content, bytes) else content.SerializeToString()
    (place / "model.onnx").write_bytes(made)
    manifest = {
        "format": 1,
        "kind": "sklearn",
        "created": "2026-11-22T00:00:00Z",
        "inputs": [],
        "outputs": [],
        "class_names": [*classes],
        "features": [],
        "data": {},
        "metrics": {},
        "packages": {},
        "folder": folder,
        "files": {path.name: sha256(path) for path in place.iterdir()},
        **told,
    }
    written = store / name / f".{number}"
    written.write_text(json.dumps(manifest))
    written.rename(store / name / f"{number:06}.json")
    return place / "model.onnx"
