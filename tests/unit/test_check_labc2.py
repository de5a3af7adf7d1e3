"""The exercises of lab c2, and the numbers that it shares with its pictures."""

import importlib.util

import numpy as np
import pytest

from labkit.check import check
from tests.notebooks.labs import ROOT, read


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


@pytest.fixture(scope="module")
def lab():
    """What the lab's cells define, up to the descent; what they draw is left out."""
    notebook = read(ROOT / "notebooks" / "c2-neurons.ipynb")
    wanted = ("setup", "activations", "network", "forward", "loss", "backward", "gradient")
    wanted += ("measure", "step-once", "surface", "descend")
    names = {}
    for cell in notebook.cells:
        if cell.id in wanted:
            exec(cell.source.replace("labkit.doctor()", ""), names)
    return names


@pytest.fixture(scope="module")
def pictures():
    path = ROOT / "Pictures" / "make_pictures.py"
    spec = importlib.util.spec_from_file_location("make_pictures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The numbers of the lab are those of its pictures


def test_the_network_is_the_one_of_the_propagation_pictures(lab, pictures):
    assert dict(zip(lab["names"], lab["numbers"], strict=True)) == pictures.WEIGHTS
    assert (*lab["inputs"],) == pictures.INPUTS and lab["target"] == pictures.TARGET


def test_the_forward_pass_is_that_of_the_picture(lab, pictures):
    flow = pictures.forward(pictures.WEIGHTS)
    z, hidden, output_z, prediction = lab["forward"](lab["numbers"], lab["inputs"])
    np.testing.assert_allclose(z, flow.sums, rtol=1e-12)
    np.testing.assert_allclose(hidden, flow.hidden, rtol=1e-12)
    np.testing.assert_allclose(output_z, flow.output_sum, rtol=1e-12)
    np.testing.assert_allclose(prediction, flow.prediction, rtol=1e-12)
    assert lab["before"] == pytest.approx(pictures.loss(pictures.WEIGHTS), rel=1e-12)


def test_every_gradient_and_the_step_are_those_of_the_picture(lab, pictures):
    right = pictures.gradients(pictures.WEIGHTS)
    slopes = dict(zip(lab["names"], lab["slopes"], strict=True))
    assert slopes == pytest.approx(right, rel=1e-12)
    stepped = {n: w - pictures.LEARNING_RATE * right[n] for n, w in pictures.WEIGHTS.items()}
    assert lab["after"] == pytest.approx(pictures.loss(stepped), rel=1e-12)


def test_the_descent_is_the_one_of_the_animation(lab, pictures):
    np.testing.assert_array_equal((lab["x"], lab["y"]), pictures.DESCENT_POINTS)
    path = lab["descend"](pictures.DESCENT_RATE, pictures.DESCENT_STEPS)
    np.testing.assert_allclose(path, pictures.descent(), rtol=1e-12)
    for weight, bias in path:
        lost = lab["mean_squared_error"](weight, bias)
        assert lost == pytest.approx(pictures.descent_loss(weight, bias), rel=1e-12)


def test_the_animation_shows_each_step_of_the_descent(pictures):
    shown = pictures.PICTURES["c2-gradient-descent.gif"]
    assert len(shown.seconds) == pictures.DESCENT_STEPS + 1
    for step in (0, 3, pictures.DESCENT_STEPS):
        texts = {t.get_gid(): t.get_text() for t in shown.draw(step=step).axes[0].texts}
        weight, bias = pictures.descent()[step]
        assert texts["step"] == f"step {step} of 12"
        assert texts["loss"] == f"loss {pictures.descent_loss(weight, bias):.3f}"


# No answer yet


@pytest.mark.parametrize("exercise", ["c2-output", "c2-nand", "c2-gradient"])
def test_dots_are_no_error(exercise):
    assert check(exercise, ...).passed is None


def test_unattempted_is_no_error(lab):
    def answer(inputs, weights, bias, target): ...

    assert check("c2-gradient", answer).passed is None
    rated = check("c2-rate", ..., descend=lab["descend"], loss=lab["mean_squared_error"])
    assert rated.passed is None


# A neuron by hand


@pytest.mark.parametrize(
    "answer", [(-0.7, 0), [-0.7, -0.0], (2 * 0.5 - 1 - 1 + 0.3, np.float64(0))]
)
def test_c2_output_passes(answer):
    assert check("c2-output", answer).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((-0.7, -0.7), "what does ReLU make of a number below 0"),
        ((-0.7, 1 / (1 + np.exp(0.7))), "this neuron has ReLU"),
        ((0.7, 0), "lost its minus sign"),
        ((-1.0, 0), "has no bias yet"),
        ((2.3, 2.3), "multiply pair by pair"),
        ((-0.7, "0"), "without quotation marks"),
        (0, "two numbers are asked for"),
    ],
)
def test_c2_output_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("c2-output", answer))[0]


# NAND


@pytest.mark.parametrize("answer", [(-1, -1, 1.5), [-2, -2, 3], np.array([-0.4, -0.3, 0.5])])
def test_c2_nand_passes(answer):
    assert check("c2-nand", answer).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((1, 1, -1.5), "(0, 0): net input -1.5, so the output is 0; it should be 1"),
        ((-1, -1, 1), "the step says 1 only above 0"),
        ((-1, -1, 3), "(1, 1): net input 1, so the output is 1; it should be 0"),
        ((-1, -1), "three numbers are asked for"),
        ("111", "three numbers are asked for"),
        (1.5, "three numbers are asked for"),
    ],
)
def test_c2_nand_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("c2-nand", answer))[0]


# Backward through one neuron


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def backward(inputs, weights, bias, target):
    error = sigmoid(inputs @ weights + bias) - target
    return error * inputs, error


def by_nudging(inputs, weights, bias, target):
    def loss(weights, bias):
        prediction = sigmoid(inputs @ weights + bias)
        return -np.log(prediction if target else 1 - prediction)

    nudges = 1e-6 * np.eye(len(weights))
    by_weights = [(loss(weights + n, bias) - loss(weights - n, bias)) / 2e-6 for n in nudges]
    return by_weights, (loss(weights, bias + 1e-6) - loss(weights, bias - 1e-6)) / 2e-6


@pytest.mark.parametrize("answer", [backward, by_nudging])
def test_c2_gradient_passes(answer):
    assert check("c2-gradient", answer).passed is True


def the_other_way_round(inputs, weights, bias, target):
    by_weights, by_bias = backward(inputs, weights, bias, target)
    return -by_weights, -by_bias


def with_sigmoids_slope_too(inputs, weights, bias, target):
    prediction = sigmoid(inputs @ weights + bias)
    error = (prediction - target) * prediction * (1 - prediction)
    return error * inputs, error


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (the_other_way_round, "the error is prediction − target"),
        (with_sigmoids_slope_too, "sigmoid's own slope is in it once more"),
        (lambda x, w, b, t: (backward(x, w, b, t)[1] * w, backward(x, w, b, t)[1]), "the bias is"),
        (lambda x, w, b, t: (backward(x, w, b, t)[1], backward(x, w, b, t)[1]), "for 2 weights"),
        (lambda x, w, b, t: (x, b), "they are [-0.401, -0.803, -0.401], and yours [1, 2, 0.1]"),
        (lambda x, w, b, t: backward(x, w, b, t)[0], "a pair is asked for"),
        (lambda x, w, b, t: ("steep", "flat"), "an array of numbers and one number"),
        (lambda x, w, b, t: w[7], "IndexError"),
        (lambda x: x, "TypeError"),
        (0.4, "hand over the function itself"),
    ],
)
def test_c2_gradient_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("c2-gradient", answer))[0]


# A learning rate


def rated(lab, rate):
    return check("c2-rate", rate, descend=lab["descend"], loss=lab["mean_squared_error"])


@pytest.mark.parametrize("rate", [0.34, 0.4, 0.47])
def test_c2_rate_passes(lab, rate):
    assert rated(lab, rate).passed is True


@pytest.mark.parametrize(
    ("rate", "hint"),
    [
        (0.02, "try larger steps"),
        (0.3, "try larger steps"),
        (0.55, "try smaller steps"),
        (0.65, "more than at the start"),
        (0, "a learning rate is above 0"),
        ("0.4", "without quotation marks"),
    ],
)
def test_c2_rate_knows_the_usual_mistakes(lab, rate, hint):
    assert hint in failed_lines(rated(lab, rate))[0]
