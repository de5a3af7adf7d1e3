"""Networks that start from nothing: their sizes, their ends, and what they give."""

from dataclasses import replace

import numpy as np
import pytest

import labkit
from labkit import models, plot
from labkit.check.judging import test_accuracy as accuracy_on_test
from labkit.data.dataset import Dataset, Source


@pytest.fixture
def lamps():
    """Pictures of lamps: label 1 where one is lit."""
    random = np.random.default_rng(3)

    def draw(n):
        y = np.arange(n) % 2
        x = random.integers(0, 100, (n, 12, 12, 3), np.uint8)
        x[y == 1, 4:8, 4:8] += 120
        return x, y

    source = Source("folder", "made for this test")
    return Dataset("lamps", "Lamps", *draw(320), *draw(80), source, ("dark", "lit"))


def test_the_classic_programs_have_their_known_sizes():
    digits = ((28, 28, 1), 10)
    assert models.softmax_regression(digits).count_params() == 784 * 10 + 10
    assert models.mlp(digits).count_params() == 785 * 128 + 129 * 1000 + 1001 * 10
    conv = (9 + 1) * 30 + (9 * 30 + 1) * 60 + (9 * 60 + 1) * 90
    assert models.cnn(digits).count_params() == conv + (810 + 1) * 64 + 65 * 10
    fashion = models.cnn(digits, filters=(32, 64, 64), dropout=0.0)
    assert [layer.filters for layer in fashion.layers if hasattr(layer, "filters")] == [32, 64, 64]


@pytest.mark.parametrize("recipe", ["classic", "fast"])
def test_two_classes_and_one_sigmoid_unit(lamps, recipe):
    model = models.cnn(lamps, filters=(8,), dense=16, dropout=0.0, sigmoid=True)
    labkit.fit(model, lamps, epochs=12, recipe=recipe)
    assert model.output_shape == (None, 1) and model.loss == "binary_crossentropy"
    said = models.probabilities(model, lamps.x_test)
    assert said.shape == (80, 2) and said.sum(axis=1) == pytest.approx(1)
    assert said[:, 1] == pytest.approx(model.predict(lamps.x_test, verbose=0)[:, 0])
    assert ((said[:, 1] > 0.5) == lamps.y_test).mean() > 0.9
    # Figures and checks take it as they take a softmax.
    assert "80" in plot.alt_text(plot.confusion_matrix(model, lamps))
    assert accuracy_on_test(model, lamps) > 0.9


def test_grad_cam_of_a_sigmoid_unit_takes_either_class(lamps):
    keras = labkit.keras
    layers = keras.layers
    # One filter that answers to brightness, and a unit that takes it for the second class.
    model = keras.Sequential(
        [
            layers.Input((12, 12, 3)),
            layers.Conv2D(1, 3, kernel_initializer="ones", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, activation="sigmoid", kernel_initializer="ones"),
        ]
    )
    lit = lamps.x_test[1]
    assert models.grad_cam(model, lit).max() == models.grad_cam(model, lit, label=1).max() == 1
    assert models.grad_cam(model, lit, label=0).max() == 0
    with pytest.raises(labkit.LabError, match="classes 0 to 1"):
        models.grad_cam(model, lit, label=2)


def test_batch_normalisation_learns_in_few_steps(lamps):
    model = models.cnn_bn(lamps, filters=(8, 16, 16))
    assert [layer.strides for layer in model.layers if hasattr(layer, "filters")] == [
        (2, 2),
        (1, 1),
        (1, 1),
    ]
    labkit.fit(model, lamps, epochs=4, recipe="fast")
    assert accuracy_on_test(model, lamps) > 0.9
    with pytest.raises(labkit.LabError, match="too small to be halved 4 times"):
        models.cnn_bn(lamps, filters=(8,) * 5)


def test_a_third_class_makes_it_a_softmax(lamps):
    three = replace(lamps, class_names=("dark", "lit", "broken"))
    model = models.cnn(three, filters=(4,), dense=8, sigmoid=True)
    assert model.output_shape == (None, 3)
    said = models.probabilities(model, lamps.x_test)
    assert said.shape == (80, 3) and said.sum(axis=1) == pytest.approx(1, abs=1e-5)
    with pytest.raises(labkit.LabError, match="gives 3 numbers and lamps has 2 classes"):
        plot.confusion_matrix(model, lamps)
