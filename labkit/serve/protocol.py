"""What clients send and get: KServe's V1, and the Open Inference Protocol, which it calls V2.

V1: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol,
V2: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol, with the
binary extension of
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md.
"""

import math
import struct
from dataclasses import dataclass
from itertools import chain
from reprlib import repr as shown  # shortened: it comes from outside

import numpy as np
from pydantic_core import from_json, to_json

from labkit.errors import ServeError

DATATYPES = {
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
}
"""The protocol's names of what a tensor holds, and NumPy's."""
_AXES = 16  # more than any model has


@dataclass(frozen=True)
class Ask:
    """A request of V2, read."""

    array: np.ndarray
    id: str | None
    binary: dict[str, bool]
    """The outputs that are asked for, and whether as bytes; empty: all of them."""
    all_binary: bool


def examples(values, *, shape: tuple[int, ...], dtype: str, most: int) -> np.ndarray:
    """Examples for a model from what came in.

    Args:
        values: a list of examples, or an array. An example is nested as the model's input is, or
            flat; a last axis of one, as of grey pictures, may be missing.
        shape: of one example.
        dtype: what the model computes with.
        most: how many examples there may be.

    Returns:
        An array of shape ``(n, *shape)``.

    Raises:
        ServeError: they are no numbers, or too many, or do not fit.
    """
    found = _array(values) if isinstance(values, list) else values
    count = len(found) if found.ndim else 0
    if not 1 <= count <= most:
        raise ServeError(f"{count} examples came. Send 1 to {most} in one request.")
    fitting = [shape, (math.prod(shape),)]
    while fitting[0][-1:] == (1,) and len(fitting[0]) > 1:
        fitting.insert(0, fitting[0][:-1])
    if found.shape[1:] not in fitting:
        raise ServeError(
            f"An example of shape {list(found.shape[1:])} came, and the model takes "
            f"{list(shape)}, or {math.prod(shape)} numbers in one list."
        )
    with np.errstate(over="ignore", invalid="ignore"):  # found out below
        array = found.astype(dtype, copy=False).reshape(-1, *shape)
    if array.dtype.kind != "f" and not np.array_equal(array, found.reshape(array.shape)):
        raise ServeError(f"Not all of the numbers are whole ones that fit {array.dtype.name}.")
    if not np.isfinite(array).all():
        raise ServeError(
            f"Not all of the numbers are finite as {dtype}. Replace NaN, infinity and what is "
            "larger than the type holds."
        )
    return array


def parsed(body: bytes) -> dict:
    """A body that is a JSON object.

    Raises:
        ServeError: it is none.
    """
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ServeError(f"The body is not JSON: {error}.", 400) from error
    if not isinstance(found, dict):
        raise ServeError("The body is not a JSON object. Send one, such as {...}.")
    return found


def instances(body: bytes) -> list:
    """The examples of a V1 request.

    Raises:
        ServeError: there are none.
    """
    found = parsed(body).get("instances")
    if not isinstance(found, list):
        raise ServeError('The request has no list "instances". Send {"instances": [example, ...]}.')
    return found


def read_v2(body: bytes, header_length: str | None, name: str) -> Ask:
    """A V2 request, with its tensor as JSON or as bytes behind the JSON.

    Args:
        body: JSON, and bytes behind it.
        header_length: the header Inference-Header-Content-Length: how long the JSON is.
        name: of the model's input.

    Raises:
        ServeError: it is not as the protocol has it.
    """
    if header_length is None:
        end = len(body)
    elif header_length.isdecimal() and len(header_length) < 12 and int(header_length) <= len(body):
        end = int(header_length)
    else:
        raise ServeError("Inference-Header-Content-Length is not the length of the JSON part.", 400)
    request, rest = parsed(body[:end]), memoryview(body)[end:]
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise ServeError(f'The request needs a list "inputs" with one tensor, {name!r}.')
    if inputs[0].get("name") != name:
        found = shown(inputs[0].get("name"))
        raise ServeError(f"The model's input is called {name!r}, not {found}.")
    identity = request.get("id")
    if identity is not None and not isinstance(identity, str):
        raise ServeError('"id" has to be text.')
    return Ask(
        array=_tensor(inputs[0], rest),
        id=identity,
        binary=_wanted(request),
        all_binary=_parameter(request, "binary_data_output", bool) or False,
    )


def write_v2(
    ask: Ask, outputs: dict[str, np.ndarray], model: str, number: int
) -> tuple[bytes, int | None]:
    """The answer to a V2 request.

    Returns:
        The body, and how much of it is JSON; ``None``: all of it.

    Raises:
        ServeError: an output is asked for that the model has not.
    """
    unknown = [name for name in ask.binary if name not in outputs]
    if unknown:
        raise ServeError(
            f"The model has no output {shown(unknown[0])}; its outputs: {', '.join(outputs)}."
        )
    tensors, parts = [], []
    for name in ask.binary or outputs:
        array = outputs[name]
        tensor = {"name": name, "datatype": datatype(array), "shape": list(array.shape)}
        if ask.binary.get(name, ask.all_binary):
            parts.append(_as_bytes(array))
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = array.ravel().tolist()
        tensors.append(tensor)
    answer = {"model_name": model, "model_version": str(number), "outputs": tensors}
    if ask.id is not None:
        answer["id"] = ask.id
    head = to_json(answer)
    return b"".join((head, *parts)), len(head) if parts else None


def datatype(array: np.ndarray) -> str:
    """The protocol's name of what an array holds."""
    if array.dtype.kind in "OU":
        return "BYTES"
    kind = {"f": "FP", "i": "INT", "u": "UINT"}[array.dtype.kind]
    return f"{kind}{8 * array.dtype.itemsize}"


def _array(nested):
    """Lists of numbers as an array.

    NumPy alone would take for each element of a list as much room as the longest text in it.
    """
    shape = [len(nested)]
    while nested and type(nested[0]) is list:
        size = len(nested[0])
        if any(type(one) is not list or len(one) != size for one in nested):
            raise ServeError("Some lists are longer than others. All examples have one shape.")
        shape.append(size)
        nested = list(chain.from_iterable(nested))
    array = np.array(nested) if {int, float}.issuperset(map(type, nested)) else None
    if array is None or array.dtype.kind not in "iuf":  # whole numbers beyond 64 bits
        raise ServeError(
            "There is something else than numbers in the lists, or a number that is too large. "
            "Send numbers."
        )
    if len(shape) > _AXES:
        raise ServeError(f"The lists are {len(shape)} deep, and {_AXES} at most may be.")
    return array.reshape(shape)


def _tensor(tensor, rest):
    kind = DATATYPES.get(tensor.get("datatype")) if _is_text(tensor.get("datatype")) else None
    if kind is None:
        raise ServeError(
            f"The tensor's datatype is {shown(tensor.get('datatype'))}. Use one of: "
            f"{', '.join(DATATYPES)}."
        )
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise ServeError('The tensor\'s "shape" has to be a list of whole numbers.')
    if len(shape) > _AXES:
        raise ServeError(f'The tensor\'s "shape" has {len(shape)} axes; up to {_AXES} may be.')
    size = _parameter(tensor, "binary_data_size", int)
    if size is None:
        return _from_json(tensor.get("data"), kind, shape)
    needed = math.prod(shape) * np.dtype(kind).itemsize
    if "data" in tensor or not size == needed == len(rest):
        raise ServeError(
            f"{len(rest)} bytes came behind the JSON, binary_data_size is {size}, and a tensor of "
            f"this shape and datatype has {needed}."
        )
    return np.frombuffer(rest, kind).reshape(shape)


def _from_json(data, kind, shape):
    if not isinstance(data, list):
        raise ServeError('The tensor has no list "data".')
    found = _array(data)
    if found.shape not in (tuple(shape), (math.prod(shape),)):
        raise ServeError(
            f'"data" has the shape {list(found.shape)}, and "shape" says {shape}. Send it flat or '
            "nested in that shape."
        )
    if kind[1] != "f":
        limits = np.iinfo(kind)
        whole = found.dtype.kind in "iu"
        if not whole or (found.size and not limits.min <= found.min() <= found.max() <= limits.max):
            raise ServeError('Not everything in "data" is a whole number that fits its datatype.')
    with np.errstate(over="ignore"):  # the model's examples have to be finite, which is seen then
        return found.astype(kind).reshape(shape)


def _wanted(request):
    outputs = request.get("outputs")
    if outputs is None:
        return {}
    named = isinstance(outputs, list) and all(
        isinstance(output, dict) and _is_text(output.get("name")) for output in outputs
    )
    if not named:
        raise ServeError('"outputs" has to be a list of objects with a "name".')
    default = _parameter(request, "binary_data_output", bool) or False
    asked = {}
    for output in outputs:
        binary = _parameter(output, "binary_data", bool)
        asked[output["name"]] = default if binary is None else binary
    return asked


def _parameter(holder, name, kind):
    parameters = holder.get("parameters")
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        raise ServeError('"parameters" has to be an object.')
    value = parameters.get(name)
    if value is not None and type(value) is not kind:
        raise ServeError(f'The parameter "{name}" is {shown(value)}, which is of another type.')
    return value


def _is_text(value):
    return isinstance(value, str)


def _as_bytes(array):
    if array.dtype.kind not in "OU":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = (str(text).encode() for text in array.ravel())
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)
