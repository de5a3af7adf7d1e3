"""One version of a model, ready to answer."""

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np

from labkit import machine
from labkit.errors import ServeError
from labkit.serve import protocol
from labkit.serve.batching import Batcher
from labkit.serve.limits import Limits
from labkit.store import Version
from labkit.store.forms import signature

_QUICK = 0.002  # seconds for two examples, in which other threads have hardly woken up


class Served:
    """A version that was loaded into ONNX Runtime.

    Args:
        version: from the store.
        executor: where it computes.
        limits: see there.
        seen: is told how many examples a batch had.

    Raises:
        ServeError: the file is no model, or one that cannot be served.
        StoreError: the file is not the one that was saved.
    """

    def __init__(
        self, version: Version, executor: Executor, limits: Limits, seen: Callable[[int], None]
    ):
        self.version = version
        self.limits = limits
        self._session = _session(version, threads=1)
        self.inputs, self.outputs = signature(self._session).values()
        _check(version, self.inputs, self.outputs)
        self.input_name: str = self.inputs[0]["name"]
        self.shape: tuple[int, ...] = tuple(self.inputs[0]["shape"][1:])
        """Of one example."""
        self.dtype = protocol.DATATYPES[self.inputs[0]["datatype"]]
        self._batcher = Batcher(self._run, executor, limits, seen)
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

    def examples(self, values) -> np.ndarray:
        """What came in, as the model takes it; see :func:`labkit.serve.protocol.examples`.

        Raises:
            ServeError: it does not fit.
        """
        most = self.limits.examples
        return protocol.examples(values, shape=self.shape, dtype=self.dtype, most=most)

    async def ask(self, examples: np.ndarray) -> dict[str, np.ndarray]:
        """What the model says, by output.

        Raises:
            ServeError: it could not answer, or not in time, or not in finite numbers.
        """
        said = await self._batcher(examples)
        if not all(np.isfinite(one).all() for one in said if one.dtype.kind == "f"):
            raise ServeError(
                "What the model computes of this is larger than its numbers can be. Send smaller "
                "numbers."
            )
        return {output["name"]: one for output, one in zip(self.outputs, said, strict=True)}

    async def probabilities(self, examples: np.ndarray) -> np.ndarray:
        """Of a classifier: ``(n, classes)``, each row adding up to 1.

        Raises:
            ServeError: as :meth:`ask`.
        """
        said = list((await self.ask(examples)).values())[-1]
        # One sigmoid unit says how likely the second class is.
        return np.concatenate([1 - said, said], axis=1) if said.shape[1:] == (1,) else said

    def _try(self, examples):
        name = f"{self.version.name}/{self.version.number}"
        try:
            said = self._run(examples)
        except Exception as error:  # the runtime's own
            raise ServeError(f"{name} cannot compute: {_first_line(error)}.") from error
        if not all(isinstance(one, np.ndarray) and len(one) == len(examples) for one in said):
            raise ServeError(f"{name} cannot be served: it does not answer each example alone.")

    def _run(self, examples):
        return self._session.run(None, {self.input_name: examples})


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
