"""Models as files, and back: Keras, scikit-learn, and ONNX, which needs neither to predict."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from labkit import backend
from labkit.errors import StoreError

FILES = {"keras": "model.keras", "sklearn": "model.skops"}
ONNX = "model.onnx"
_CLOSE = 1e-4  # how far ONNX Runtime's answers may be from the model's


def kind_of(model) -> str:
    """ "keras" or "sklearn".

    Raises:
        StoreError: it is neither.
    """
    if type(model).__module__.partition(".")[0] == "sklearn":
        return "sklearn"
    if isinstance(model, backend.keras().Model):
        return "keras"
    raise StoreError(
        f"{type(model).__name__} is no model that can be saved. Use a Keras model, or one of "
        "scikit-learn's estimators."
    )


def are_complete(names: Iterable[str]) -> bool:
    """Whether these are the files of a whole model."""
    return ONNX in names and not set(FILES.values()).isdisjoint(names)


def write(model, folder: Path) -> dict[str, list[dict]]:
    """Save ``model`` in its own form and as ONNX, and see that both say the same.

    Returns:
        The :func:`signature` of what was written.

    Raises:
        StoreError: it has several inputs, was not trained, or cannot be written as ONNX.
    """
    kind = kind_of(model)
    try:
        write_it = _write_keras if kind == "keras" else _write_sklearn
        examples, expected = write_it(model, folder)
        _name_ends(folder / ONNX)
    except StoreError:
        raise
    except Exception as error:  # the converters raise whatever they stumble over
        raise StoreError(
            f"The model cannot be written as ONNX, which serving needs: {error}. Use layers and "
            "estimators that ONNX knows; a custom layer is not among them."
        ) from error
    import onnxruntime

    session = onnxruntime.InferenceSession((folder / ONNX).read_bytes())
    _compare(session, examples, expected)
    return signature(session)


def read(kind: str, path: Path):
    """A model from its own form. Nothing in the file is run.

    Raises:
        StoreError: it holds what could run code, or is damaged.
    """
    if kind == "keras":
        try:
            return backend.keras().models.load_model(path, safe_mode=True)
        except Exception as error:  # Keras has no class of its own for this
            raise StoreError(
                f"{path.name} could not be loaded: {error}. A model with code of its own, such as "
                "a Lambda layer, is refused: build it without."
            ) from error
    import skops.io

    try:
        strange = skops.io.get_untrusted_types(file=path)
        if not strange:
            return skops.io.load(path)
    except Exception as error:  # a damaged archive may break skops anywhere
        raise StoreError(
            f"{path.name} could not be loaded: {error}. Save the model anew."
        ) from error
    raise StoreError(
        f"{path.name} is not loaded, because it needs types that skops does not trust: "
        f"{', '.join(strange)}. Whoever made the file could run code with them."
    )


def read_joblib(path: str | Path, *, trusted: bool):
    """What a file of joblib holds, such as a model that somebody else has saved with it.

    Such a file is a pickle: a small program, which runs when it is read. Lab 01 shows it.

    Args:
        path: the file.
        trusted: ``True`` says that you trust whoever made the file, and everybody through whose
            hands it went. There is no default: this is yours to say.

    Raises:
        StoreError: you do not say so, or the file is not there or damaged.

    Example:
        >>> model = store.read_joblib("regression.joblib", trusted=True)
        >>> store.save(model, "regression")  # from now on it is data
    """
    if trusted is not True:
        raise StoreError(
            f"{path} is not read: a file of joblib is a pickle, a program that runs as soon as it "
            "is read, and could delete your files or send them away. If you know who made it, and "
            "trust them, write trusted=True. Otherwise ask for the model in a form that is data "
            "only, such as skops or ONNX."
        )
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:  # it runs code, which may raise anything
        raise StoreError(
            f"{path} could not be read ({type(error).__name__}: {error}). Check the path; a file "
            "that is damaged, or that needs another version of a library, has to be saved anew."
        ) from error


def signature(session) -> dict[str, list[dict]]:
    """What an ONNX model takes and gives, in the words of the Open Inference Protocol.

    Args:
        session: an ``onnxruntime.InferenceSession``.

    Returns:
        "inputs" and "outputs", each a list with name, datatype and shape; −1 stands for any number
        of examples. A type that the protocol does not know is called as ONNX Runtime calls it.
    """

    def described(end):
        shape = [size if isinstance(size, int) else -1 for size in end.shape]
        return {"name": end.name, "datatype": _TYPES.get(end.type, end.type), "shape": shape}

    return {
        "inputs": [described(end) for end in session.get_inputs()],
        "outputs": [described(end) for end in session.get_outputs()],
    }


_TYPES = {
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(uint8)": "UINT8",
    "tensor(string)": "BYTES",
}


def _write_keras(model, folder):
    if len(model.inputs or ()) != 1 or len(model.outputs) != 1:
        raise StoreError("The model has several inputs or outputs. Save one with one of each.")
    examples = np.random.default_rng(0).uniform(0, 255, (2, *model.input_shape[1:]))
    examples = examples.astype("float32")
    expected = np.asarray(model(examples, training=False))
    model.save(folder / FILES["keras"])
    with _quiet():
        model.export(folder / ONNX, format="onnx", verbose=False)
    return examples, expected


def _write_sklearn(model, folder):
    import skl2onnx
    import skops.io

    if not hasattr(model, "n_features_in_"):
        raise StoreError("The model has not been trained: call its fit before you save it.")
    examples = np.random.default_rng(0).uniform(0, 1, (2, model.n_features_in_)).astype("float32")
    skops.io.dump(model, folder / FILES["sklearn"])
    # Probabilities as an array, not as a list of dictionaries.
    probable = hasattr(model, "predict_proba")
    options = {id(model): {"zipmap": False}} if probable else None
    converted = skl2onnx.to_onnx(model, examples, options=options)
    (folder / ONNX).write_bytes(converted.SerializeToString())
    return examples, (model.predict_proba if probable else model.predict)(examples)


def _name_ends(path):
    """Call the input "input" and the last output "output", whatever the converter called them."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    names = {graph.input[0].name: "input", graph.output[-1].name: "output"}
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(end, end) for end in ends]
    graph.input[0].name, graph.output[-1].name = "input", "output"
    onnx.save(model, path)


def _compare(session, examples, expected):
    said = session.run(None, {session.get_inputs()[0].name: examples})[-1]
    # ONNX gives a column where scikit-learn gives a row.
    off = np.abs(said.reshape(np.shape(expected)) - expected).max()
    if not off <= _CLOSE * max(1.0, float(np.abs(expected).max())):
        raise StoreError(
            f"As ONNX the model answers differently, by {off:.2g}. Please report this with the "
            "model's layers."
        )


@contextlib.contextmanager
def _quiet():
    """Without what the converter has to say about NumPy and itself."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
