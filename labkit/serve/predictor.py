"""One version of a model in ONNX Runtime: examples in, what it says of them out."""

import math
import time

import numpy as np

from labkit import machine
from labkit.errors import ServeError
from labkit.serve import protocol
from labkit.store import Version
from labkit.store.forms import signature

_QUICK = 0.002  # seconds for two examples, in which other threads have hardly woken up


class Predictor:
    """A version that was loaded into ONNX Runtime.

    Args:
        version: from the store.

    Raises:
        ServeError: the file is no model, or one that cannot be served.
        StoreError: the file is not the one that was saved.
    """

    def __init__(self, version: Version):
        self.version = version
        self._session = _session(version, threads=1)
        self.inputs, self.outputs = signature(self._session).values()
        _check(version, self.inputs, self.outputs)
        self.input_name: str = self.inputs[0]["name"]
        self.shape: tuple[int, ...] = tuple(self.inputs[0]["shape"][1:])
        """Of one example."""
        self.dtype = protocol.DATATYPES[self.inputs[0]["datatype"]]
        two = np.zeros((2, *self.shape), self.dtype)
        self._try(two)  # the first time takes longer
        began = time.perf_counter()
        self._try(two)
        if time.perf_counter() - began > _QUICK:
            self._session = _session(version, threads=machine.cores())
            self._try(two)

    @property
    def is_classifier(self) -> bool:
        """Whether the last output is one number for each class."""
        return len(self.version.class_names) > 1

    @property
    def takes_pictures(self) -> bool:
        """Whether it tells the class of a square picture, grey or in colour."""
        shape = self.shape
        is_square = len(shape) == 3 and 8 <= shape[0] == shape[1] <= 1024
        return is_square and shape[2] in (1, 3) and self.is_classifier

    def run(self, examples: np.ndarray) -> list[np.ndarray]:
        """What the model says of ``(n, *shape)`` examples: an array for each output."""
        return self._session.run(None, {self.input_name: examples})

    @staticmethod
    def probabilities_of(said: list[np.ndarray]) -> np.ndarray:
        """Of a classifier's outputs: ``(n, classes)``, each row adding up to 1."""
        last = said[-1]
        # One sigmoid unit says how likely the second class is.
        return np.concatenate([1 - last, last], axis=1) if last.shape[1:] == (1,) else last

    def _try(self, examples):
        name = f"{self.version.name}/{self.version.number}"
        try:
            said = self.run(examples)
        except Exception as error:  # the runtime's own
            raise ServeError(f"{name} cannot compute: {_first_line(error)}.") from error
        if not all(isinstance(one, np.ndarray) and len(one) == len(examples) for one in said):
            raise ServeError(f"{name} cannot be served: it does not answer each example alone.")


def _session(version, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait by counting take the core that the next request needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    path = version.onnx()
    # Where other files would be that the model names: nowhere. It must not read any.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(path)
    )
    try:
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # it has a class for each mistake
        raise ServeError(
            f"{version.name}/{version.number} cannot be loaded: {_first_line(error)}. Save the "
            "model again."
        ) from error


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _check(version, inputs, outputs):
    """That this is a model which the pages and protocols can serve."""

    def refuse(why):
        raise ServeError(
            f"{version.name}/{version.number} cannot be served: {why}. Save a model of another "
            "form with labkit.store.save."
        )

    if len(inputs) != 1:
        refuse(f"it has {len(inputs)} inputs, and one is served")
    shape = inputs[0]["shape"]
    if inputs[0]["datatype"] not in protocol.DATATYPES:
        refuse(f"its input is of the type {inputs[0]['datatype']}")
    if len(shape) < 2 or shape[0] != -1 or min(shape[1:]) < 1 or math.prod(shape[1:]) > 1 << 22:
        refuse(f"its input has the shape {shape}")
    for output in outputs:
        if output["datatype"] not in (*protocol.DATATYPES, "BYTES") or not output["shape"]:
            refuse(f"its output is of the type {output['datatype']}, shape {output['shape']}")
    classes = version.class_names
    size = outputs[-1]["shape"][-1]
    if classes and size not in (len(classes), 1 if len(classes) == 2 else -1):
        refuse(f"it has {len(classes)} classes, and its output has the size {size}")
