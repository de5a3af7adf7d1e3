"""The programs of the labs on the real data (LABKIT_DATA).

The figures of the README are medians of three seeds (`make bench`). A single run scatters
around them, so the floors lie below: by one or two tenths of a per cent for the large
data sets, by some per cent where a few hundred pictures are tested. How long it takes is
`make bench`'s business, too; nothing here looks at a clock. The classic programs are run
by the labs themselves.
"""

import numpy as np
import pytest

import labkit
from benchmarks.recipes import LABS, measure

FLOORS = {
    ("02", "classic"): 0.924,
    ("02", "fast"): 0.926,
    ("03", "fast, 1 epoch"): 0.990,
    ("03", "fast, 5 epochs"): 0.993,
    ("04-mlp", "fast, 3 epochs"): 0.870,
    ("04-cnn", "fast cnn_bn, 1 epoch"): 0.897,
    ("05", "fast cnn_bn, 2 epochs"): 0.71,
    ("06", "transfer, frozen"): 0.93,
}


@pytest.mark.parametrize("lab, name", FLOORS)
def test_a_program_reaches_its_accuracy(lab, name):
    (program,) = (p for p in LABS[lab] if p.name == name)
    assert measure(program, seed=0).accuracy >= FLOORS[lab, name]


def test_regression_on_the_real_table():
    from sklearn.linear_model import LinearRegression

    data = labkit.load("linear_regression")
    assert not data.is_sample
    model = LinearRegression().fit(data.x_train, data.y_train)
    assert model.score(data.x_train, data.y_train) >= 0.86
    assert model.score(data.x_test, data.y_test) >= 0.86


def test_every_data_set_loads_and_is_whole():
    loaded = {name: labkit.load(name) for name in labkit.data.CATALOGUE}
    assert not [name for name, data in loaded.items() if data.is_sample]
    sizes = {name: len(data.x_train) for name, data in loaded.items()}
    assert sizes["mnist"] == sizes["fashion_mnist"] == 60_000 and sizes["cifar10"] == 50_000
    assert all(np.isfinite(size) and size > 900 for size in sizes.values())
