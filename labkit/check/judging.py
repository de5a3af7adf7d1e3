"""How the answers to exercises are judged.

An exercise is a function that takes the answer, and by keyword what the notebook
knows, and yields a :class:`Verdict` for each thing it looks at. It raises
:class:`Wrong` where an answer leaves nothing more to look at. Models are known by
what they can do (``predict``, ``count_params``, ``layers``), so nothing here
imports Keras.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType, MappingProxyType


@dataclass(frozen=True)
class Verdict:
    """One thing that was looked at, and what was seen."""

    passed: bool | None
    text: str


class Wrong(Exception):
    """The answer cannot be judged further; the text says why."""


class Unattempted(Exception):
    """The answer is a function whose body is still dots."""


def reason(error: Exception) -> str:
    """One line of an error that an answer set off."""
    # Keras sets parts in bold, and opens with where it happened rather than with what.
    text = re.sub(r"\x1b\[\d*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):
        del lines[0]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


@dataclass(frozen=True)
class Exercise:
    """One entry of :data:`EXERCISES`."""

    title: str
    lab: str
    """The number of its lab, "00" and up."""
    judge: Callable[..., Iterator[Verdict]]


_exercises: dict[str, Exercise] = {}
EXERCISES = MappingProxyType(_exercises)
"""Every exercise by its name; the first two characters name the lab."""


def exercise(name: str, title: str):
    """Register the decorated function as the exercise ``name``."""

    def register(judge):
        _exercises[name] = Exercise(title, name[:2], judge)
        return judge

    return register


def one_number(answer, right, praise, hints, otherwise) -> Verdict:
    """A verdict on a number that is right or wrong, with a hint for known mistakes."""
    value = a_number(answer)
    if value == right:
        return Verdict(True, praise)
    return Verdict(False, f"{plain(value)} {hints.get(value, otherwise)}")


def a_number(answer) -> float:
    if isinstance(answer, str):
        raise Wrong(f"{answer!r} is text; write the number without quotation marks")
    if isinstance(answer, bool):
        raise Wrong(f"your answer is {answer}; the exercise asks for a number")
    while len(getattr(answer, "shape", None) or ()) or isinstance(answer, list | tuple):
        if len(answer) != 1:
            raise Wrong(f"your answer holds {len(answer)} values; the exercise asks for one number")
        answer = answer[0]
    try:
        value = float(answer)
    except (TypeError, ValueError):
        raise Wrong(f"your answer is {kind_of(answer)}; the exercise asks for a number") from None
    if not math.isfinite(value):
        raise Wrong(f"your answer is {value}; the exercise asks for a number")
    return value


def a_function(answer) -> None:
    """An error for the learner unless a function was handed over."""
    if not callable(answer):
        raise Wrong("hand over the function itself: its name, without brackets after it")


def called(answer, *arguments):
    """What the learner's function returns; nothing yet is no error."""
    try:
        found = answer(*arguments)
    except Exception as error:
        raise Wrong(f"your function stopped with {reason(error)}") from error
    if found is None or found is ...:
        raise Unattempted
    return found


def an_array(found, asked: str = "an array of numbers"):
    """What the learner's function returned as a NumPy array of floats.

    Args:
        found: what :func:`called` gave.
        asked: what is asked for, for the message.

    Raises:
        Wrong: it holds other things than numbers.
    """
    import numpy as np

    try:
        return np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(
            f"what your function returns is {kind_of(found)}; {asked} is asked for"
        ) from None


def plain(value: float) -> str:
    return f"{value:,.10g}"


def kind_of(answer) -> str:
    return (
        "a function" if isinstance(answer, FunctionType) else f"of the type {type(answer).__name__}"
    )


def above_baseline(accuracy: float, baseline: float) -> Verdict:
    above = accuracy > baseline
    return Verdict(
        above, f"test accuracy {accuracy:.4f} is {'above' if above else 'not above'} {baseline:.4f}"
    )


def test_accuracy(model, data) -> float:
    """A model's accuracy on the test data. A history knows the validation data only."""
    import numpy as np

    from labkit import models

    if not hasattr(model, "predict"):
        raise Wrong(
            f"your answer is {kind_of(model)}; hand over the trained model itself, "
            "which is judged on the test data"
        )
    outputs = np.asarray(models.probabilities(model, data.x_test))
    if outputs.shape != (len(data.y_test), data.num_classes):
        raise Wrong(
            f"for {len(data.y_test)} pictures the model gives the shape {outputs.shape}; "
            f"one number for each of the {data.num_classes} classes is asked for"
        )
    return float((outputs.argmax(axis=1) == data.y_test).mean())


def all_layers(model) -> Iterator:
    """The layers of a model, and those of models inside it."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from all_layers(layer)
        else:
            yield layer
