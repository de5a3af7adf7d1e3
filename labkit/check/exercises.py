"""The exercises of the labs and how each answer is judged.

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


# Lab 00: notebooks


@exercise("00-first-cell", "Add the whole numbers from 1 to 10")
def _first_cell(answer):
    yield _one_number(
        answer,
        55,
        "55 is the sum of the whole numbers from 1 to 10",
        {
            45: "is the sum of 1 to 9; range(1, 10) stops before 10",
            54: "is the sum of 2 to 10; the 1 is missing",
            10: "is how many numbers there are; add them up",
            100: "is ten times ten; add the numbers 1, 2, 3 and so on",
            110: "counts every number twice",
            3628800: "is the product of the numbers; their sum is asked for",
        },
        "is not the sum; range(1, 11) gives the numbers 1 to 10, and sum(...) adds them up",
    )


@exercise("00-shape", "Read the shape of an array")
def _shape(answer, *, of):
    shape = tuple(of.shape)
    if hasattr(answer, "shape") and answer.shape:
        raise Wrong("this is an array; its shape is what .shape after its name gives")
    if not isinstance(answer, tuple | list):
        number = _number(answer)
        if number == of.size:
            raise Wrong(f"{_plain(number)} is how many values the array holds; .shape is asked for")
        if number == shape[0]:
            raise Wrong(
                f"{_plain(number)} is the length of the first axis; .shape has one for each"
            )
        raise Wrong("the exercise asks for a tuple of numbers in round brackets, such as (3, 4)")
    answer = tuple(answer)
    if answer == shape:
        yield Verdict(True, f"{shape} is the shape: {_axes(len(shape))}")
    elif len(answer) != len(shape):
        yield Verdict(False, f"your tuple has {len(answer)} of the array's {_axes(len(shape))}")
    elif sorted(map(str, answer)) == sorted(map(str, shape)):
        yield Verdict(False, f"{answer} has the right numbers in another order")
    else:
        yield Verdict(False, f"{answer} is not the shape; .shape after the array's name gives it")


def _axes(n):
    return f"{n} axis" if n == 1 else f"{n} axes"


# Lab 01: linear regression

SPECIMEN = (600, 588, 90, 0.358, 0.333)


@exercise("01-predict", "Predict the output for one new row")
def _predict(answer, *, model):
    value = _number(answer)
    names = getattr(model, "feature_names_in_", None)
    right = _number(model.predict(_rows([SPECIMEN], names)))
    if math.isclose(value, right, rel_tol=1e-3):
        yield Verdict(True, f"{value:.4g} is what the model predicts")
    elif math.isclose(value, right, rel_tol=0.1):
        yield Verdict(
            False,
            f"{value:.4g} is close, but rounded too far or not quite it; copy at least four digits",
        )
    else:
        yield Verdict(
            False,
            f"{value:.4g} is not what the model predicts; multiply each number by its column's "
            "coefficient, add the products, then add the intercept",
        )


@exercise("01-strongest", "Find the column that moves the prediction most")
def _strongest(answer, *, data, model):
    import numpy as np

    names = data.feature_names
    if answer not in names:
        raise Wrong(f"{answer!r} is not a column; the columns are {', '.join(names)}")
    coefficients = np.ravel(model.coef_)
    if len(coefficients) != len(names):
        raise Wrong(
            f"the model has {len(coefficients)} coefficients and the table {len(names)} columns; "
            "fit it on all of them"
        )
    spread = data.x_train.std(axis=0)
    effects = np.abs(coefficients * spread)
    mine = names.index(answer)
    if mine == effects.argmax():
        yield Verdict(
            True,
            f"{answer}: {coefficients[mine]:.3g} × {spread[mine]:.3g} = "
            f"{coefficients[mine] * spread[mine]:.3g}, the largest effect",
        )
    elif mine == np.abs(coefficients).argmax():
        yield Verdict(
            False,
            f"{answer} has the largest coefficient, but its values hardly vary (standard deviation "
            f"{spread[mine]:.3g}); multiply each coefficient by its column's standard deviation",
        )
    else:
        yield Verdict(
            False,
            f"{answer} moves the prediction by {effects[mine]:.3g} for one standard deviation; "
            "another column moves it more",
        )


@exercise("01-features", "Predict nearly as well from three columns")
def _features(model, columns, *, full, x_test, y_test):
    import numpy as np

    if hasattr(columns, "predict"):
        raise Wrong("hand over the model first, then the list of its columns")
    if isinstance(columns, str):
        raise Wrong('give the columns as a list of names, such as ["var_1", "var_2", "var_3"]')
    columns, names = list(columns), list(x_test.columns)
    unknown = [repr(column) for column in columns if column not in names]
    if unknown:
        raise Wrong(f"no such column: {', '.join(unknown)}; the columns are {', '.join(names)}")
    if len(set(columns)) != 3:
        raise Wrong(f"you name {len(set(columns))} different columns; the exercise asks for three")
    fitted = getattr(model, "feature_names_in_", None)
    if fitted is not None and set(fitted) != set(columns):
        raise Wrong(
            f"the model was fitted on {', '.join(fitted)} and your list says {', '.join(columns)}"
        )
    if getattr(model, "n_features_in_", 3) != 3:
        raise Wrong(f"the model was fitted on {model.n_features_in_} columns; fit it on your three")
    columns = columns if fitted is None else list(fitted)
    chosen = x_test[columns].to_numpy()
    mine = _r_squared(y_test, np.ravel(model.predict(_rows(chosen, fitted))))
    known = getattr(full, "feature_names_in_", None)
    full = full.score(_rows(x_test.to_numpy(), known), y_test)
    yield Verdict(
        mine >= 0.9 * full,
        f"R² on the test data is {mine:.3f} with three columns and {full:.3f} with all "
        f"{len(names)}: {mine / full:.0%} of it, where at least 90% is asked for",
    )


def _rows(values, names):
    """A table with the column names that a model was fitted with, so that it does not warn."""
    import numpy as np

    if names is None:
        return np.asarray(values, dtype=float)
    import pandas as pd

    return pd.DataFrame(values, columns=list(names))


def _r_squared(y, predicted) -> float:
    return 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()


# Lab 02: a first network


@exercise("02-weights", "Count the parameters of the one-layer network")
def _weights(answer):
    yield _one_number(
        answer,
        7850,
        "7,850 = 784 × 10 weights + 10 biases",
        {
            7840: "counts the weights alone; each of the ten neurons also has a bias",
            7841: "has one bias for the whole layer; each of the ten neurons has its own",
            784: "is the weights of one neuron; there are ten neurons, each with a bias too",
            785: "is one neuron with its bias; there are ten of them",
            794: "joins the inputs and the neurons; each input has a weight to every neuron",
        },
        "is not it; count one weight for each of the 28 × 28 pixels in each of the ten neurons, "
        "then one bias for each neuron",
    )


@exercise("02-argmax", "Turn probabilities into labels")
def _argmax(answer):
    import numpy as np

    if not callable(answer):
        raise Wrong("hand over the function itself: its name, without brackets after it")
    for rows, probabilities in _hidden_probabilities():
        try:
            labels = answer(probabilities.copy())
        except Exception as error:
            raise Wrong(f"your function stopped with {reason(error)}") from error
        if labels is None or labels is ...:
            raise Unattempted
        labels, n = np.asarray(labels), len(probabilities)
        if labels.shape == probabilities.shape:
            raise Wrong(
                "your function returns ten numbers for each row; one label for each is asked for"
            )
        if labels.shape != (n,):
            raise Wrong(
                f"for {n} rows your function returns the shape {labels.shape}; one label for each "
                f"row has the shape {(n,)}; look along each row, which is axis=1"
            )
        right = probabilities.argmax(axis=1)
        missed = np.flatnonzero(labels != right)
        if len(missed) == 0:
            yield Verdict(True, f"{rows}: all {n} labels are right")
            continue
        row = missed[0]
        numbers = " ".join(f"{p:.2f}" for p in probabilities[row])
        yield Verdict(
            False,
            f"{rows}: for [{numbers}] your label is {labels[row]}; "
            f"the largest value stands at position {right[row]}, counted from 0",
        )


def _hidden_probabilities():
    """Rows on which rounding works, and two kinds on which it does not."""
    import numpy as np

    rng = np.random.default_rng(2)
    labels = np.arange(30) % 10
    sure = np.full((30, 10), 0.01)
    sure[np.arange(30), labels] = 0.91
    yield "rows where the network is sure", sure
    unsure = rng.uniform(0.02, 0.08, (30, 10))
    unsure[np.arange(30), labels] = 0.4
    yield "rows with no probability over 0.5", unsure / unsure.sum(axis=1, keepdims=True)
    # Ten separate yes-or-no outputs need not sum to 1.
    both = rng.uniform(0.0, 0.1, (12, 10))
    first = np.arange(12) % 9
    both[np.arange(12), first] = 0.6
    both[np.arange(12), first + 1] = 0.9
    yield "rows where two values round to 1", both


@exercise("02-better", "Beat the first network")
def _better(model, *, data, baseline):
    yield _above(_accuracy(model, data), baseline)


# Lab 03: a convolutional network


@exercise("03-shape", "Work out the height after a convolution")
def _height(answer):
    yield _one_number(
        answer,
        24,
        "24 = 28 − 5 + 1: so many places hold the kernel",
        {
            28: 'is the height with padding="same"; without it the kernel stays inside',
            23: "is one too few; from the top row down the kernel fits in 28 − 5 + 1 places",
            26: "is the height after a 3 × 3 kernel; this one is 5 × 5",
            12: "is the height after a 2 × 2 pooling as well; stop before it",
            5: "is the height of the kernel; the height of what it produces is asked for",
        },
        "is not it; count the rows on which the top of a 5-pixel kernel can lie in 28 pixels",
    )


@exercise("03-parameters", "Count the parameters of a convolution")
def _parameters(answer):
    yield _one_number(
        answer,
        16260,
        "16,260 = 60 filters × (3 × 3 × 30 weights + 1 bias)",
        {
            16200: "counts the weights alone; each of the 60 filters also has a bias",
            16230: "has 30 biases; a bias belongs to a filter, and there are 60 filters",
            16201: "has one bias for the whole layer; each of the 60 filters has its own",
            540: "leaves out the channels: each of the 60 filters looks at all 30 of them, "
            "and has a bias",
            600: "leaves out the channels: each of the 60 filters looks at all 30 of them",
            270: "is the weights of one filter; there are 60, each with a bias too",
            271: "is one filter with its bias; there are 60 of them",
            8130: "has 30 filters; 30 is the number of channels that come in, and 60 filters look "
            "at them",
        },
        "is not it; each of the 60 filters has 3 × 3 weights for each of the 30 channels "
        "that come in, and one bias",
    )


@exercise("03-kernel", "Build a network of 3 × 3 convolutions")
def _kernel(model, *, data):
    if not hasattr(model, "layers"):
        raise Wrong(f"your answer is {_kind(model)}; the exercise asks for a Keras model")
    convolutions = [x for x in _layers(model) if type(x).__name__.endswith("Conv2D")]
    n = len(convolutions)
    found = f"the model has {n} convolution{'' if n == 1 else 's'}"
    yield Verdict(n >= 2, found if n >= 2 else f"{found}; the exercise asks for at least two")
    if convolutions:
        size = " × ".join(map(str, convolutions[0].kernel_size))
        fits = tuple(convolutions[0].kernel_size) == (3, 3)
        wrong = f"your kernel is {size}; the exercise asks for 3 × 3"
        yield Verdict(fits, "the first kernel is 3 × 3" if fits else wrong)
    shape = " × ".join(map(str, data.input_shape))
    try:
        outputs = model.predict(data.x_test[:2], verbose=0)
    except Exception as error:
        raise Wrong(f"the model does not take {shape} pictures: {reason(error)}") from error
    given = f"{shape} pictures give outputs of shape {tuple(outputs.shape[1:])}"
    fits = outputs.shape[1:] == (data.num_classes,)
    wrong = f"{given}; one number for each of the {data.num_classes} classes is asked for"
    yield Verdict(fits, given if fits else wrong)


@exercise("03-free-space", "Build a better network")
def _free_space(model, *, data, baseline):
    if not hasattr(model, "count_params"):
        raise Wrong(f"your answer is {_kind(model)}; hand over the trained model itself")
    accuracy, parameters = _accuracy(model, data), model.count_params()
    small = parameters < 500_000
    relation = "fewer than" if small else "not fewer than"
    yield _above(accuracy, baseline)
    yield Verdict(small, f"{parameters:,} parameters are {relation} 500,000")


# What several exercises share


def _one_number(answer, right, praise, hints, otherwise) -> Verdict:
    """A verdict on a number that is right or wrong, with a hint for known mistakes."""
    value = _number(answer)
    if value == right:
        return Verdict(True, praise)
    return Verdict(False, f"{_plain(value)} {hints.get(value, otherwise)}")


def _number(answer) -> float:
    if isinstance(answer, str):
        raise Wrong(f"{answer!r} is text; write the number without quotation marks")
    if isinstance(answer, bool):
        raise Wrong(f"your answer is {answer}; the exercise asks for a number")
    while getattr(answer, "shape", None) or isinstance(answer, list | tuple):
        if len(answer) != 1:
            raise Wrong(f"your answer holds {len(answer)} values; the exercise asks for one number")
        answer = answer[0]
    try:
        value = float(answer)
    except (TypeError, ValueError):
        raise Wrong(f"your answer is {_kind(answer)}; the exercise asks for a number") from None
    if not math.isfinite(value):
        raise Wrong(f"your answer is {value}; the exercise asks for a number")
    return value


def _plain(value: float) -> str:
    return f"{value:,.10g}"


def _kind(answer) -> str:
    return (
        "a function" if isinstance(answer, FunctionType) else f"of the type {type(answer).__name__}"
    )


def _above(accuracy: float, baseline: float) -> Verdict:
    above = accuracy > baseline
    return Verdict(
        above, f"test accuracy {accuracy:.4f} is {'above' if above else 'not above'} {baseline:.4f}"
    )


def _accuracy(model, data) -> float:
    """A model's accuracy on the test data. A history knows the validation data only."""
    import numpy as np

    if not hasattr(model, "predict"):
        raise Wrong(
            f"your answer is {_kind(model)}; hand over the trained model itself, "
            "which is judged on the test data"
        )
    outputs = np.asarray(model.predict(data.x_test, batch_size=256, verbose=0))
    if outputs.shape != (len(data.y_test), data.num_classes):
        raise Wrong(
            f"for {len(data.y_test)} pictures the model gives the shape {outputs.shape}; "
            f"one number for each of the {data.num_classes} classes is asked for"
        )
    return float((outputs.argmax(axis=1) == data.y_test).mean())


def _layers(model) -> Iterator:
    """The layers of a model, and those of models inside it."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer
