"""The OpenAPI document's words for what goes in and out: FastAPI cannot see it in our code."""

import importlib.metadata
import math
from functools import cache

from labkit.serve.protocol import DATATYPES

_NAME = {"type": "string"}
_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 1}
for _ in range(3):  # as deep as a picture
    _NUMBERS = {**_NUMBERS, "items": {"anyOf": [{"type": "number"}, _NUMBERS]}}
_PARAMETERS = {"type": ["object", "null"]}
_NUMBERS["description"] = "Numbers, nested or flat."


def _tensor(datatypes, data):
    return {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": _NAME,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"enum": datatypes},
            "parameters": _PARAMETERS,
            "data": data,
        },
    }


@cache
def version() -> str:
    """labkit's own."""
    return importlib.metadata.version("labkit")


def _object(required, **properties):
    return {"type": "object", "required": required, "properties": properties}


def _request(schema, example):
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _answer(what, schema, **others):
    content = {"application/json": {"schema": schema}, **others}
    return {200: {"description": what, "content": content}}


_REASONS = {
    400: "The body cannot be read.",
    401: "The token is missing.",
    403: "The server was called by a name that it does not answer to.",
    404: "There is no such model, version or page.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    422: "The content does not fit the model.",
    429: "Too much is under way already.",
    503: "The model is not ready, or did not answer in time.",
}
_ERROR = _object(["error"], error={"type": "string", "description": "What to do about it."})


def refusals(*statuses: int) -> dict:
    """The answers that say no."""
    return {
        status: {
            "description": _REASONS[status],
            "content": {"application/json": {"schema": _ERROR}},
        }
        for status in statuses
    }


_READY = _object(["name", "ready"], name=_NAME, ready={"type": "boolean"})


def v1_request(tensor: dict) -> dict:
    """Examples for a model.

    Args:
        tensor: the input of the model that the document shows.
    """
    schema = _object(["instances"], instances={**_NUMBERS, "description": "Examples."})
    return _request(schema, {"instances": [_zeros(tensor)]})


def v2_request(tensor: dict) -> dict:
    """A tensor for a model; see :func:`v1_request`."""
    inputs = {"type": "array", "items": _tensor([*DATATYPES], _NUMBERS)}
    schema = _object(
        ["inputs"],
        id={"type": ["string", "null"]},
        inputs={**inputs, "minItems": 1, "maxItems": 1},
        outputs={
            "type": ["array", "null"],
            "items": _object(["name"], name=_NAME, parameters=_PARAMETERS),
        },
        parameters=_PARAMETERS,
    )
    one = {**tensor, "shape": [1, *tensor["shape"][1:]], "data": _zeros(tensor)}
    return _request(schema, {"inputs": [one]})


def digit_request(tensor: dict) -> dict:
    """The numbers of one example; see :func:`v1_request`."""
    schema = _object(["data"], data={"type": "array", "items": {"type": "number"}})
    return _request(schema, {"data": _zeros(tensor)})


def _zeros(tensor):
    return [0] * math.prod(tensor["shape"][1:])


V1_LIST = _answer("The names.", _object(["models"], models={"type": "array", "items": _NAME}))
V1_READY = _answer("The state.", _READY)
V1_ANSWER = _answer(
    "An answer for each example.",
    _object(["predictions"], predictions={"type": "array", "items": {}}),
)
V2_SERVER = _answer(
    "The server.",
    _object(
        ["name", "version", "extensions"],
        name=_NAME,
        version=_NAME,
        extensions={"type": "array", "items": _NAME},
    ),
)
V2_LIVE = _answer("It lives.", _object(["live"], live={"type": "boolean"}))
V2_SERVER_READY = _answer("It is ready.", _object(["ready"], ready={"type": "boolean"}))
V2_READY = _answer("It is ready.", _READY)
V2_MODEL = _answer(
    "The model.",
    _object(
        ["name", "versions", "platform", "inputs", "outputs"],
        name=_NAME,
        versions={"type": "array", "items": _NAME},
        platform=_NAME,
        inputs={"type": "array", "items": {"type": "object"}},
        outputs={"type": "array", "items": {"type": "object"}},
    ),
)
V2_ANSWER = _answer(
    "The outputs.",
    _object(
        ["model_name", "model_version", "outputs"],
        model_name=_NAME,
        model_version=_NAME,
        id=_NAME,
        outputs={
            "type": "array",
            "items": _tensor(
                [*DATATYPES, "BYTES"], {"type": "array", "items": {"type": ["number", "string"]}}
            ),
        },
    ),
    **{"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
)
DIGIT_ANSWER = _answer(
    "The class.", _object(["prediction"], prediction={"type": "integer", "minimum": 0})
)
METRICS = {200: {"description": "The metrics.", "content": {"text/plain": {}}}}
