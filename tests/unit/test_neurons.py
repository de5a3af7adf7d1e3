"""The figures and panels of lab c2, drawn from functions as the lab writes them."""

import re

import numpy as np
import pytest

from labkit import plot
from labkit.widgets import neurons

POINTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
AND, XOR = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 0])
X, Y = np.array([-1.0, 0.0, 2.0]), np.array([-1.0, 0.5, 2.0])


def step(z):
    return np.where(z > 0, 1.0, 0.0)


def relu(z):
    return np.maximum(0.0, z)


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def bowl(weight, bias):
    return sum((weight * a + bias - b) ** 2 for a, b in zip(X, Y, strict=True)) / len(X)


def downhill(learning_rate, steps):
    path = [(-1.0, 1.0)]
    for _ in range(steps):
        weight, bias = path[-1]
        miss = weight * X + bias - Y
        by_weight, by_bias = 2 * (miss * X).mean(), 2 * miss.mean()
        path.append((weight - learning_rate * by_weight, bias - learning_rate * by_bias))
    return path


@pytest.fixture(autouse=True)
def no_windows():
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


def sliders(panel):
    """The controls of a panel by what stands before them, and the line under its figure."""
    *controls, _, said = panel.view.children
    return {control.description: control for control in controls}, said


def shown(panel):
    return re.search(r'<img alt="([^"]*)"', panel.picture())[1]


def test_the_sliders_of_a_neuron_move_its_input_its_weight_and_its_bias():
    panel = neurons.activation_viewer(step, relu)
    controls, said = sliders(panel)
    assert set(controls) == {"input", "weight", "bias"}
    assert "net input 1.00. Output: step 1.00, relu 1.00." in shown(panel)
    controls["weight"].value, controls["bias"].value = -1.5, -0.5
    assert "net input -2.00. Output: step 0.00, relu 0.00." in said.value
    controls["input"].value = -3.0
    assert "net input 4.00. Output: step 1.00, relu 4.00." in said.value


def test_a_score_that_grows_takes_from_the_other_probabilities():
    panel = neurons.softmax_viewer(softmax)
    controls, said = sliders(panel)
    assert "probabilities 0.71 0.26 0.04" in shown(panel)
    for control in controls.values():
        control.value = 4.0
    assert "probabilities 0.33 0.33 0.33" in said.value


def test_a_boundary_is_drawn_after_each_pass_and_says_how_many_points_are_right():
    passes = [(np.zeros(2), 0.0), (np.ones(2), 0.0), (np.ones(2), -1.5)]
    axes = neurons.boundaries(passes, POINTS, AND)
    assert [ax.get_title("left") for ax in axes] == [
        "pass 1\n3 of 4 right",
        "pass 2\n2 of 4 right",
        "pass 3\n4 of 4 right",
    ]
    # No weight, no line; and the line of the last pass is where the inputs add up to 1.5.
    assert [len(ax.lines) for ax in axes] == [0, 1, 1]
    assert np.allclose(axes[2].lines[0].get_xydata().sum(axis=1), 1.5)
    assert "after pass 3: 4 of 4 right" in plot.alt_text(axes[0].figure)


def test_the_hidden_layer_lays_two_points_in_one_place():
    hidden = np.ones((2, 2)), np.array([-0.5, -1.5])
    left, right = neurons.two_planes(POINTS, XOR, hidden, (np.array([1.0, -1.0]), -0.5))
    assert "[0 1] to [1 0], [1 0] to [1 0]" in plot.alt_text(left.figure)
    assert len(left.lines) == 2 and len(right.lines) == 1
    assert [text.get_text() for text in right.texts] == ["2 points"]


def test_the_tangent_of_each_number_has_its_slope():
    def loss(numbers):
        return numbers[0] ** 2 + 3 * numbers[1]

    axes = neurons.slopes(["a", "b"], np.array([2.0, 1.0]), loss, np.array([4.0, 3.0]))
    titles = [ax.get_title("left") for ax in np.ravel(axes)][:2]
    assert titles == ["a: slope 4.00", "b: slope 3.00"]
    tangent = np.ravel(axes)[0].lines[1].get_xydata()
    rise, run = np.diff(tangent, axis=0)[0][::-1]
    assert rise / run == pytest.approx(4)


def test_the_descent_follows_the_sliders():
    panel = neurons.descent_viewer(downhill, bowl, X, Y)
    controls, said = sliders(panel)
    controls["learning rate"].value, controls["step"].value = 0.1, 7
    weight, bias = downhill(0.1, 7)[-1]
    expected = f"weight {weight:.2f}, bias {bias:.2f}, loss {bowl(weight, bias):.3f}."
    assert f"Learning rate 0.10, step 7: {expected}" in said.value
    controls["step"].value = 0
    assert "step 0: weight -1.00, bias 1.00" in said.value


def test_paths_stand_side_by_side_with_the_loss_at_their_end():
    paths = {"small": downhill(0.01, 5), "right": downhill(0.1, 5)}
    axes = neurons.three_descents(paths, bowl)
    for ax, (name, path) in zip(axes, paths.items(), strict=True):
        assert ax.get_title("left") == f"{name}\nloss {bowl(*path[-1]):.2f}"
    assert "a path of 5 steps" in plot.alt_text(axes[0].figure)
