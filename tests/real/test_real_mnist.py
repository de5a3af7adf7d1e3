"""The recipes on the real MNIST (LABKIT_DATA).

The bars of the README hold for medians of three seeds (`make bench`). A single run
scatters by one or two tenths of a per cent around them, so the floors lie that much below
the medians. How long it takes is `make bench`'s business, too; nothing here looks at
a clock.
"""

import numpy as np
import pytest

import labkit
from benchmarks.recipes import measure
from labkit import models


@pytest.fixture(scope="module")
def mnist():
    data = labkit.load("mnist")
    assert not data.is_sample, "set LABKIT_DATA to a folder with the real mnist.npz"
    assert len(data.x_train) == 60_000
    return data


@pytest.mark.parametrize(
    "build, recipe, epochs, floor",
    [
        (models.softmax_regression, "classic", 6, 0.924),
        (models.softmax_regression, "fast", 6, 0.926),
        (models.cnn, "classic", 5, 0.988),
        (models.cnn, "fast", 1, 0.990),
        (models.cnn, "fast", 5, 0.993),
    ],
)
def test_a_recipe_reaches_its_accuracy(mnist, build, recipe, epochs, floor):
    assert measure(build, mnist, recipe, epochs, seed=0).accuracy >= floor


def test_regression_on_the_real_table():
    from sklearn.linear_model import LinearRegression

    data = labkit.load("linear_regression")
    assert not data.is_sample
    model = LinearRegression().fit(data.x_train, data.y_train)
    assert model.score(data.x_train, data.y_train) >= 0.86
    assert model.score(data.x_test, data.y_test) >= 0.86


def test_every_data_set_loads_and_is_whole():
    sizes = {name: len(labkit.load(name).x_train) for name in labkit.data.CATALOGUE}
    assert sizes["fashion_mnist"] == 60_000 and sizes["cifar10"] == 50_000
    assert all(np.isfinite(size) and size > 900 for size in sizes.values())
