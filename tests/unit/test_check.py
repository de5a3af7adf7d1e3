"""Exercises check themselves: specific feedback, and a file that remembers."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import filelock  # noqa: F401  loaded before a test gives up the right to read it
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from labkit.check import EXERCISES, check, progress
from labkit.data import Dataset, Source
from labkit.errors import LabError
from labkit.training import History

NOT_ATTEMPTED = "not attempted yet: replace the dots in the cell above and run it again"


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """The progress file of this test alone."""
    path = tmp_path / "progress" / "progress.json"
    monkeypatch.setenv("LABKIT_PROGRESS", str(path))
    return path


@pytest.fixture(scope="module")
def table():
    """var_1 matters most; var_3 has the largest coefficient and hardly varies."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 5)) * [100, 50, 0.01, 1, 1]
    y = x @ [0.01, 0.01, 5, 0.1, 0.1] + rng.normal(size=400) * 0.1
    names = tuple(f"var_{i}" for i in range(1, 6))
    return Dataset(
        name="table",
        title="A table",
        x_train=x[:300],
        y_train=y[:300],
        x_test=x[300:],
        y_test=y[300:],
        source=Source("sample", "this test"),
        feature_names=names,
    )


@pytest.fixture(scope="module")
def full_model(table):
    return LinearRegression().fit(table.x_train, table.y_train)


@pytest.fixture(scope="module")
def pictures():
    """Pictures of 8 × 8 pixels, bright in the upper half (class 0) or in the lower (class 1)."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 50, (60, 8, 8, 1), dtype=np.uint8)
    y = np.arange(60) % 2
    x[y == 0, :4] += 150
    x[y == 1, 4:] += 150
    return Dataset(
        name="halves",
        title="Halves",
        x_train=x[:40],
        y_train=y[:40],
        x_test=x[40:],
        y_test=y[40:],
        source=Source("sample", "this test"),
        class_names=("upper", "lower"),
    )


def network(*, kernels=(3, 3), outputs=2):
    from labkit import keras

    layers = keras.layers
    return keras.Sequential(
        [
            layers.Rescaling(1 / 255),
            *[layers.Conv2D(4, kernel, padding="same", activation="relu") for kernel in kernels],
            layers.Flatten(),
            layers.Dense(outputs, activation="softmax"),
        ]
    )


def knowing_network(*, hidden=0):
    """A network whose weights already tell the halves apart; ``hidden`` only makes it larger."""
    from labkit import keras

    layers = keras.layers
    pixels = keras.Input((8, 8, 1))
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(pixels))
    upper = np.repeat([1.0, -1.0], 32)
    decide = layers.Dense(2, activation="softmax")
    decided = decide(flat)
    decide.set_weights([np.stack([upper, -upper], axis=1), np.zeros(2)])
    if hidden:
        nothing = layers.Dense(2, kernel_initializer="zeros")(layers.Dense(hidden)(flat))
        decided = layers.Add()([decided, nothing])
    return keras.Model(pixels, decided)


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


# Number exercises: (right answer, {wrong answer: what the hint must say})

NUMBERS = {
    "00-first-cell": (55, {45: "stops before 10", 3628800: "product", 56: "range(1, 11)"}),
    "02-weights": (7850, {7840: "each of the ten neurons also has a bias", 785: "one neuron"}),
    "03-shape": (24, {28: "padding", 23: "one too few", 7: "5-pixel kernel"}),
    "03-parameters": (
        16260,
        {16200: "60 filters also has a bias", 540: "leaves out the channels", 1: "one bias"},
    ),
    "04-parameters": (
        239490,
        {238352: "the 1,138 neurons also has a bias", 110490: "between the two", 1: "(inputs + 1)"},
    ),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_right_number_passes_in_any_form(name):
    right, _ = NUMBERS[name]
    for answer in (right, float(right), np.int64(right), np.array([right])):
        result = check(name, answer)
        assert result.passed is True
        assert repr(result).startswith("passed: ")


@pytest.mark.parametrize(
    ("name", "wrong", "hint"),
    [(name, wrong, hint) for name, (_, hints) in NUMBERS.items() for wrong, hint in hints.items()],
)
def test_a_wrong_number_gets_its_own_hint(name, wrong, hint):
    result = check(name, wrong)
    assert result.passed is False
    assert repr(result).startswith(f"not yet: {wrong:,} ")
    assert hint in repr(result)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("55", "'55' is text; write the number without quotation marks"),
        (True, "your answer is True; the exercise asks for a number"),
        ((24, 24), "your answer holds 2 values; the exercise asks for one number"),
        (np.zeros((2, 2)), "your answer holds 2 values"),
        (float("nan"), "your answer is nan"),
        (print, "of the type builtin_function_or_method"),
        (lambda: 55, "your answer is a function"),
        ({}, "of the type dict"),
        (10**400, "could not be checked: OverflowError"),
    ],
)
def test_an_answer_that_is_no_number_is_told_so(answer, says):
    result = check("00-first-cell", answer)
    assert result.passed is False
    assert says in repr(result)


@pytest.mark.parametrize("answers", [(...,), (None,), ((..., 3),), ()])
def test_dots_are_no_attempt(answers, file):
    result = check("00-first-cell", *answers)
    assert result.passed is None
    assert repr(result) == NOT_ATTEMPTED
    assert not file.exists()


def test_an_unknown_exercise_names_those_close_to_it():
    with pytest.raises(LabError, match="Close to it are: .*02-weights"):
        check("02-weight", 7850)
    with pytest.raises(LabError, match="There are: 00-first-cell, 00-shape"):
        check("?", 1)


def test_a_call_with_something_missing_says_how_to_write_it():
    assert 'write labkit.check("01-features", model, columns, full=full, ' in repr(
        check("01-features", 1)
    )


def test_exercises_are_read_only():
    with pytest.raises(TypeError):
        EXERCISES["04-new"] = None


def test_html_says_in_words_what_its_colour_says():
    passed = check("02-weights", 7850)._repr_html_()
    assert "✓ passed" in passed and "7,850 = 784 × 10" in passed
    wrong = check("02-weights", "<b>7850</b>")._repr_html_()
    assert "✗ not yet" in wrong and "&lt;b&gt;" in wrong and "<b>7850" not in wrong
    assert "○ not attempted yet" in check("02-weights", ...)._repr_html_()
    both = check("02-argmax", lambda p: p.round().argmax(axis=1))._repr_html_()
    assert both.count("<li>✓ ") == 1 and both.count("<li>✗ ") == 2


# Lab 00


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((60, 28, 28), "passed: (60, 28, 28) is the shape: 3 axes"),
        ([60, 28, 28], "passed: "),
        ((60, 28), "not yet: your tuple has 2 of the array's 3 axes"),
        ((28, 28, 60), "not yet: (28, 28, 60) has the right numbers in another order"),
        ((60, 28, 29), "not yet: (60, 28, 29) is not the shape"),
        (60 * 28 * 28, "not yet: 47,040 is how many values the array holds"),
        (60, "not yet: 60 is the length of the first axis"),
        (7, "not yet: the exercise asks for a tuple of numbers in round brackets"),
        (np.zeros((60, 28, 28)), "not yet: this is an array; its shape is what .shape"),
        ("(60, 28, 28)", "is text"),
    ],
)
def test_00_shape(answer, says):
    assert says in repr(check("00-shape", answer, of=np.zeros((60, 28, 28))))


# Lab 01


def test_01_predict(full_model):
    row = [[600, 588, 90, 0.358, 0.333]]
    right = full_model.predict(row)
    assert check("01-predict", float(right[0]), model=full_model).passed
    assert check("01-predict", right, model=full_model).passed
    assert "copy at least four digits" in repr(check("01-predict", 1.02 * right, model=full_model))
    assert "then add the intercept" in repr(check("01-predict", 2 * right, model=full_model))


@pytest.mark.filterwarnings("error")
def test_01_predict_with_a_model_that_knows_its_columns(table):
    frame = pd.DataFrame(table.x_train, columns=table.feature_names)
    model = LinearRegression().fit(frame, table.y_train)
    row = pd.DataFrame([[600, 588, 90, 0.358, 0.333]], columns=table.feature_names)
    assert check("01-predict", model.predict(row)[0], model=model).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("var_1", "the largest effect"),
        ("var_2", "another column moves it more"),
        ("var_3", "var_3 has the largest coefficient, but its values hardly vary"),
        ("output", "'output' is not a column; the columns are var_1, var_2"),
        (0, "0 is not a column"),
    ],
)
def test_01_strongest(answer, says, table, full_model):
    assert says in repr(check("01-strongest", answer, data=table, model=full_model))


def test_01_strongest_needs_a_model_of_all_columns(table):
    small = LinearRegression().fit(table.x_train[:, :2], table.y_train)
    assert "2 coefficients" in repr(check("01-strongest", "var_1", data=table, model=small))
    assert "AttributeError" in repr(check("01-strongest", "var_1", data=table, model="none"))


def fitted_on(table, *columns):
    chosen = [table.feature_names.index(column) for column in columns]
    return LinearRegression().fit(table.x_train[:, chosen], table.y_train)


@pytest.fixture
def held_out(table, full_model):
    """What the notebook hands over with the answer to 01-features."""
    x_test = pd.DataFrame(table.x_test, columns=table.feature_names)
    return {"full": full_model, "x_test": x_test, "y_test": table.y_test}


def test_01_features(table, held_out):
    good, weak = ("var_1", "var_2", "var_4"), ("var_3", "var_4", "var_5")
    passed = check("01-features", fitted_on(table, *good), list(good), **held_out)
    assert passed.passed and "R² on the test data is 0.9" in repr(passed)
    assert "at least 90%" in repr(
        check("01-features", fitted_on(table, *weak), list(weak), **held_out)
    )


@pytest.mark.filterwarnings("error")
def test_01_features_follows_the_models_own_order(table, held_out):
    frame = pd.DataFrame(table.x_train, columns=table.feature_names)
    model = LinearRegression().fit(frame[["var_4", "var_1", "var_2"]], table.y_train)
    assert check("01-features", model, ["var_1", "var_2", "var_4"], **held_out).passed
    wrong = check("01-features", model, ["var_1", "var_2", "var_5"], **held_out)
    assert "the model was fitted on var_4, var_1, var_2 and your list says" in repr(wrong)


def test_01_features_says_what_does_not_fit(held_out, full_model):
    three = ["var_1", "var_2", "var_4"]

    def said(model, columns):
        result = check("01-features", model, columns, **held_out)
        assert result.passed is False
        return repr(result)

    assert "fitted on 5 columns" in said(full_model, three)
    assert "NotFittedError" in said(LinearRegression(), three)
    assert "as a list of names" in said(full_model, "var_1")
    assert "no such column: 'var_9'" in said(full_model, ["var_1", "var_2", "var_9"])
    assert "you name 2 different columns" in said(full_model, ["var_1", "var_1", "var_2"])
    assert "the model first" in said(three, full_model)


# Lab 02


@pytest.mark.parametrize(
    "function",
    [lambda p: p.argmax(axis=1), lambda p: [int(np.argmax(row)) for row in p]],
    ids=["array", "list"],
)
def test_02_argmax_passes(function):
    result = check("02-argmax", function)
    assert result.passed and len(result.lines) == 3


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda p: np.round(p).argmax(axis=1), "rows with no probability over 0.5: for [0.0"),
        (lambda p: p.argmax(axis=0), "for 30 rows your function returns the shape (10,)"),
        (lambda p: p.argmax(), "returns the shape ()"),
        (np.round, "returns ten numbers for each row"),
        (lambda p: p[0][99], "your function stopped with IndexError"),
        (lambda: 3, "your function stopped with TypeError"),
        (np.zeros((3, 10)), "hand over the function itself"),
    ],
)
def test_02_argmax_says_what_goes_wrong(function, says):
    result = check("02-argmax", function)
    assert result.passed is False
    assert says in repr(result)


def test_02_argmax_catches_rounding_on_both_kinds_of_rows_and_only_there():
    failed = failed_lines(check("02-argmax", lambda p: np.round(p).argmax(axis=1)))
    assert [text.split(":")[0] for text in failed] == [
        "rows with no probability over 0.5",
        "rows where two values round to 1",
    ]


def test_02_argmax_with_dots_for_a_body_is_no_attempt(file):
    def labels(probabilities): ...

    assert repr(check("02-argmax", labels)) == NOT_ATTEMPTED
    assert not file.exists()


def test_02_better(pictures):
    model = knowing_network()
    result = check("02-better", model, data=pictures, baseline=0.9)
    assert repr(result) == "passed: test accuracy 1.0000 is above 0.9000"
    result = check("02-better", model, data=pictures, baseline=1.0)
    assert repr(result) == "not yet: test accuracy 1.0000 is not above 1.0000"


def test_02_better_is_judged_on_test_data_so_a_history_is_not_enough(pictures):
    history = History("cnn", {"val_accuracy": [0.99]}, 1.0, "fast", 42)
    result = check("02-better", history, data=pictures, baseline=0.5)
    assert "of the type History; hand over the trained model itself" in repr(result)


# Lab 03


def test_03_kernel(pictures):
    result = check("03-kernel", network(), data=pictures)
    assert result.passed
    assert [line.text for line in result.lines] == [
        "the model has 2 convolutions",
        "the first kernel is 3 × 3",
        "8 × 8 × 1 pictures give outputs of shape (2,)",
    ]


def test_03_kernel_finds_convolutions_in_models_inside_models(pictures):
    from labkit import keras

    assert check("03-kernel", keras.Sequential([network()]), data=pictures).passed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernels": (5, 3)}, "your kernel is 5 × 5; the exercise asks for 3 × 3"),
        ({"kernels": ((3, 1), 3)}, "your kernel is 3 × 1"),
        ({"kernels": (3,)}, "the model has 1 convolution; the exercise asks for at least two"),
        ({"kernels": ()}, "the model has 0 convolutions"),
        ({"outputs": 7}, "give outputs of shape (7,); one number for each of the 2 classes"),
    ],
)
def test_03_kernel_names_what_differs(options, says, pictures):
    result = check("03-kernel", network(**options), data=pictures)
    assert result.passed is False
    assert any(says in line for line in failed_lines(result))


def test_a_model_that_does_not_fit_the_data_is_feedback(pictures):
    from labkit import keras

    layers = keras.layers
    convolutions = [layers.Conv2D(2, 3), layers.Conv2D(2, 3)]
    wrong_size = keras.Sequential(
        [keras.Input((28, 28, 1)), *convolutions, layers.Flatten(), layers.Dense(2)]
    )
    said = repr(check("03-kernel", wrong_size, data=pictures))
    assert "the model does not take 8 × 8 × 1 pictures: ValueError" in said
    assert "expected axis -1 of input shape to have value 1152" in said
    free = check("03-free-space", wrong_size, data=pictures, baseline=0.5)
    assert "your answer could not be checked: ValueError" in repr(free)
    assert "of the type str; the exercise asks for a Keras model" in repr(
        check("03-kernel", "cnn", data=pictures)
    )


def test_03_free_space_gives_every_number(pictures):
    result = check("03-free-space", knowing_network(), data=pictures, baseline=0.98)
    assert repr(result) == (
        "passed:\n"
        "  ✓ test accuracy 1.0000 is above 0.9800\n"
        "  ✓ 130 parameters are fewer than 500,000"
    )
    large = check("03-free-space", knowing_network(hidden=8000), data=pictures, baseline=1.0)
    assert failed_lines(large) == [
        "test accuracy 1.0000 is not above 1.0000",
        "536,132 parameters are not fewer than 500,000",
    ]
    headless = check("03-free-space", network(outputs=7), data=pictures, baseline=0.5)
    assert "for 20 pictures the model gives the shape (20, 7)" in repr(headless)


# Lab 04


def most_frequent_mistake(counts):
    wrong = counts - np.diag(np.diag(counts) + 1)
    return np.unravel_index(wrong.argmax(), wrong.shape)


@pytest.mark.parametrize("kind", [tuple, list, np.array], ids=["tuple", "list", "array"])
def test_04_confused_passes(kind):
    result = check("04-confused", lambda counts: kind(most_frequent_mistake(counts)))
    assert result.passed and len(result.lines) == 4


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda c: divmod(int(c.argmax()), len(c)), "lies on the diagonal"),
        (lambda c: most_frequent_mistake(c)[::-1], "ten classes: (6, 2) is turned round"),
        (lambda c: (c - 999 * np.eye(len(c))).argmax(), "divmod(26, 10) makes a row and a column"),
        (lambda c: (0, 1), "at (0, 1) stands another number than the largest mistake"),
        (lambda c: c, "your function returns 100 numbers"),
        (lambda c: ("Shirt", "Coat"), "and not ('Shirt', 'Coat')"),
        (lambda c: (2.5, 6), "return two whole numbers"),
        (lambda c: (float("nan"), 6), "return two whole numbers"),
        (lambda c: c[99], "your function stopped with IndexError"),
        ((2, 6), "hand over the function itself"),
    ],
)
def test_04_confused_says_what_goes_wrong(function, says):
    result = check("04-confused", function)
    assert result.passed is False
    assert says in repr(result)


def test_04_confused_catches_looking_above_the_diagonal_only():
    failed = failed_lines(
        check("04-confused", lambda counts: most_frequent_mistake(np.triu(counts)))
    )
    assert [text.split(":")[0] for text in failed] == [
        "a mistake below the diagonal",
        "no class is ever right",
    ]


def test_04_confused_with_dots_for_a_body_is_no_attempt():
    def answer(counts): ...

    assert repr(check("04-confused", answer)) == NOT_ATTEMPTED


class CornerReader:
    """Tells in which corner a picture is brightest: all that an exercise asks of a model."""

    def predict(self, pictures, **options):
        half = pictures.shape[1] // 2
        corners = [
            pictures[:, rows, columns].mean(axis=(1, 2, 3))
            for rows in (slice(half), slice(half, None))
            for columns in (slice(half), slice(half, None))
        ]
        return np.stack(corners, axis=1) / 255


@pytest.fixture(scope="module")
def corners(pictures):
    """Test pictures of 8 × 8 pixels, each bright in one corner: upper left, upper right, …"""
    y = np.random.default_rng(4).integers(0, 4, 60)
    x = np.zeros((60, 8, 8, 1), dtype=np.uint8)
    for picture, label in zip(x, y, strict=True):
        row, column = divmod(label, 2)
        picture[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 200
    names = ("upper left", "upper right", "lower left", "lower right")
    return replace(pictures, x_test=x, y_test=y, class_names=names)


def test_04_mirrored(corners):
    labels = np.array([1, 0, 3, 2])[corners.y_test]
    for answer in (labels, list(labels)):
        result = check("04-mirrored", answer, model=CornerReader(), data=corners)
        assert repr(result) == "passed: these are the classes of the 60 mirrored pictures"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x, y: y, "these are the true labels"),
        (lambda x, y: np.array([2, 3, 0, 1])[y], "stand on their heads: axis 1 counts the rows"),
        (lambda x, y: y[::-1], "in reverse order, the last one first"),
        (lambda x, y: np.zeros(60), "not the model's predictions for the mirrored"),
        (lambda x, y: x[:, :, ::-1], "these are the mirrored pictures; let the model predict"),
        (lambda x, y: CornerReader().predict(x), "your answer has 4 probabilities for each"),
        (lambda x, y: y[:5], "has the shape (5,); one class for each of the 60 test pictures"),
        (lambda x, y: "boots", "has the shape ()"),
    ],
)
def test_04_mirrored_says_what_it_was_given(answer, says, corners):
    given = answer(corners.x_test, corners.y_test)
    result = check("04-mirrored", given, model=CornerReader(), data=corners)
    assert result.passed is False
    assert says in repr(result)


def test_04_mirrored_knows_predictions_from_labels(corners):
    class Wrongly(CornerReader):
        def predict(self, pictures, **options):
            return super().predict(pictures)[:, [3, 0, 1, 2]]

    as_they_are = Wrongly().predict(corners.x_test).argmax(axis=1)
    said = repr(check("04-mirrored", as_they_are, model=Wrongly(), data=corners))
    assert "these are the predictions for the pictures as they are" in said


def test_04_free_space_gives_every_number(pictures):
    result = check("04-free-space", knowing_network(), data=pictures, baseline=0.98)
    assert repr(result) == (
        "passed:\n"
        "  ✓ balanced accuracy 1.0000 is above 0.9800; the hardest class is upper, 1.00 right\n"
        "  ✓ 130 parameters are fewer than 500,000"
    )
    large = check("04-free-space", knowing_network(hidden=8000), data=pictures, baseline=1.0)
    assert failed_lines(large) == [
        "balanced accuracy 1.0000 is not above 1.0000; the hardest class is upper, 1.00 right",
        "536,132 parameters are not fewer than 500,000",
    ]
    history = History("cnn", {"val_accuracy": [0.99]}, 1.0, "fast", 42)
    assert "hand over the trained model itself" in repr(
        check("04-free-space", history, data=pictures, baseline=0.5)
    )


def test_04_free_space_is_not_taken_in_by_the_frequent_class(pictures):
    always_upper = knowing_network()
    always_upper.layers[-1].set_weights([np.zeros((64, 2)), np.array([1.0, 0.0])])
    mostly_upper = np.r_[np.flatnonzero(pictures.y_test == 0), 1]
    rare = replace(
        pictures, x_test=pictures.x_test[mostly_upper], y_test=pictures.y_test[mostly_upper]
    )
    result = check("04-free-space", always_upper, data=rare, baseline=0.6)
    assert failed_lines(result) == [
        "balanced accuracy 0.5000 is not above 0.6000; the hardest class is lower, 0.00 right"
    ]


# Progress


def test_attempts_are_counted_and_the_first_pass_stays(file):
    check("02-weights", 7840)
    assert json.loads(file.read_text()) == {
        "02-weights": {"passed": False, "attempts": 1, "first_passed": None}
    }
    check("02-weights", 7850)
    first = json.loads(file.read_text())["02-weights"]
    assert first["passed"] and first["first_passed"].endswith("+00:00")
    check("02-weights", 1)
    assert json.loads(file.read_text())["02-weights"] == first | {"attempts": 3}


def test_progress_is_a_readable_table():
    check("02-weights", 7850)
    check("03-shape", 28)
    found = progress()
    rows = {row.exercise: row for row in found.rows}
    assert list(rows) == list(EXERCISES)
    assert rows["02-weights"].done and rows["02-weights"].lab == "02"
    assert not rows["03-shape"].done and rows["03-shape"].attempts == 1
    text = str(found)
    assert text.startswith(f"1 of {len(EXERCISES)} exercises done")
    assert re.search(r"✓ done     02-weights +Count the parameters", text)
    assert "○ not yet  03-shape " in text


def test_progress_before_anything_was_done(tmp_path):
    assert str(progress(tmp_path / "nothing.json")).startswith(
        f"0 of {len(EXERCISES)} exercises done"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b'{"02-weights": {"passed": tr', b"\xff\xfe", b"[]", b'{"02-weights": 3}'],
    ids=["empty", "cut off", "no text", "a list", "other entries"],
)
def test_a_damaged_file_is_kept_aside_and_said(file, content):
    file.parent.mkdir()
    file.write_bytes(content)
    assert "is damaged" in str(progress())
    result = check("02-weights", 7850)
    assert result.passed
    assert "The progress file was damaged; it is kept as progress.json.broken." in repr(result)
    assert "progress.json.broken" in result._repr_html_()
    assert file.with_name("progress.json.broken").read_bytes() == content
    assert json.loads(file.read_text())["02-weights"]["passed"]
    assert check("02-weights", 7850).note == ""


def test_entries_of_exercises_that_this_version_lacks_are_kept(file):
    file.parent.mkdir()
    file.write_text('{"99-later": {"passed": true, "attempts": 1, "first_passed": null}}')
    check("02-weights", 7850)
    assert set(json.loads(file.read_text())) == {"99-later", "02-weights"}


@contextmanager
def without_rights_over(folder: Path):
    """Run as somebody who may not write to ``folder``, even where the tests run as root."""
    folder.chmod(0o555)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="folders have other rights on Windows")
def test_a_read_only_folder_gives_one_note(tmp_path):
    with without_rights_over(tmp_path):
        result = check("02-weights", 7850)
        text = repr(result)
        listed = str(progress())
    assert result.passed
    assert text.count("Your progress is not saved") == 1
    assert "Set LABKIT_PROGRESS to a file in a folder of yours." in text
    assert listed.startswith(f"0 of {len(EXERCISES)}")


def test_a_folder_that_cannot_be_made_gives_a_note(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "file" / "progress.json"))
    assert "Your progress is not saved" in check("02-weights", 7850).note
    assert str(progress()).startswith(f"0 of {len(EXERCISES)} exercises done")


def test_a_setting_that_cannot_be_read_gives_a_note(monkeypatch):
    monkeypatch.setenv("LABKIT_OFFLINE", "perhaps")
    assert "LABKIT_OFFLINE is 'perhaps'" in check("02-weights", 7850).note


ATTEMPT = """
import sys
from pathlib import Path
from labkit.check.record import record
for _ in range(20):
    print(record(Path(sys.argv[1]), sys.argv[2], passed=False), end="")
"""


def test_several_notebooks_at_once_lose_nothing(file):
    notebooks = [
        subprocess.Popen([sys.executable, "-c", ATTEMPT, str(file), name], stdout=subprocess.PIPE)
        for name in ("02-weights", "03-shape", "02-weights")
    ]
    assert [notebook.communicate()[0] for notebook in notebooks] == [b""] * 3
    entries = json.loads(file.read_text())
    assert {name: entry["attempts"] for name, entry in entries.items()} == {
        "02-weights": 40,
        "03-shape": 20,
    }


def test_importing_it_starts_no_heavy_library():
    code = (
        "import sys; import labkit.check; import labkit.doctor;"
        "print([m for m in ('numpy', 'sklearn', 'keras', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
