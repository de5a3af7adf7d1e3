"""The shipped samples: the right shapes, the same bits every time, and hard enough to teach."""

import hashlib
import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from labkit import samples
from labkit.errors import DataError
from labkit.samples import digits

PICTURES = [name for name in samples.NAMES if name != "linear_regression"]
SHAPES = {
    "mnist": ((2000, 28, 28, 1), 497),
    "fashion_mnist": ((2000, 28, 28, 1), 500),
    "cifar10": ((2000, 32, 32, 3), 500),
    "cats_and_dogs": ((2000, 64, 64, 3), 500),
    "plant_seedlings": ((2004, 64, 64, 3), 504),
}


@lru_cache
def sample(name):
    return samples.draw(name)


def digest(drawn):
    whole = hashlib.sha256()
    for part in (drawn.x_train, drawn.y_train, drawn.x_test, drawn.y_test):
        whole.update(np.ascontiguousarray(part))
    return whole.hexdigest()


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(DataError, match="Choose one of: mnist, fashion_mnist"):
        samples.draw("minst")


def test_importing_the_samples_is_light():
    modules = "clothing, digits, drawing, pets, scenes, seedlings, table"
    code = f"import sys; from labkit.samples import {modules}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"PIL", "sklearn", "scipy", "pandas", "tensorflow", "matplotlib"}
    assert heavy.isdisjoint(loaded.stdout.split())


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_and_labels_have_the_promised_shapes(name):
    drawn, (shape, tests) = sample(name), SHAPES[name]
    assert drawn.x_train.shape == shape
    assert drawn.x_test.shape == (tests, *shape[1:])
    assert drawn.x_train.dtype == drawn.x_test.dtype == np.uint8
    assert drawn.y_train.shape == shape[:1] and drawn.y_test.shape == (tests,)
    assert drawn.y_train.dtype == drawn.y_test.dtype == np.int64
    assert drawn.target_name == "label" and drawn.feature_names == ()


@pytest.mark.parametrize("name", PICTURES)
def test_classes_are_balanced(name):
    drawn = sample(name)
    classes = len(drawn.class_names)
    for labels in (drawn.y_train, drawn.y_test):
        counts = np.bincount(labels, minlength=classes)
        assert len(counts) == classes
        # Handwriting comes as it comes; what is drawn is balanced exactly.
        assert np.ptp(counts) <= (0.1 * counts.mean() if name == "mnist" else 0)


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "mnist"])
def test_a_beginning_of_the_training_set_is_balanced_too(name):
    drawn = sample(name)
    classes = len(drawn.class_names)
    assert set(np.bincount(drawn.y_train[: 10 * classes], minlength=classes)) == {10}


def test_class_names_are_those_of_the_real_sets():
    assert sample("mnist").class_names == tuple("0123456789")
    assert sample("cats_and_dogs").class_names == ("cats", "dogs")
    assert sample("fashion_mnist").class_names[6:] == ("Shirt", "Sneaker", "Bag", "Ankle boot")
    assert sample("cifar10").class_names[:4] == ("airplane", "automobile", "bird", "cat")
    species = sample("plant_seedlings").class_names
    assert len(species) == 12 and list(species) == sorted(species)


@pytest.mark.parametrize("name", samples.NAMES)
def test_no_test_example_is_in_the_training_set(name):
    drawn = sample(name)
    train = {example.tobytes() for example in drawn.x_train}
    test = {example.tobytes() for example in drawn.x_test}
    assert len(train) == len(drawn.x_train) and len(test) == len(drawn.x_test)
    assert train.isdisjoint(test)


def test_no_handwritten_original_is_on_both_sides():
    labels = np.repeat(np.arange(10), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    train, test, copied = digits.split(labels, seed=0)
    assert sorted([*train, *test]) == list(range(1797))
    assert set(copied) <= set(train) and len(set(copied)) == len(copied) == 700


def test_a_digit_follows_the_convention_of_mnist():
    pictures = sample("mnist").x_test[..., 0].astype(float)
    down, across = np.indices((28, 28))
    for picture in pictures:
        rows, columns = (np.flatnonzero(picture.any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(20, abs=1)
        middle = [np.average(down, weights=picture), np.average(across, weights=picture)]
        assert middle == pytest.approx([13.5, 13.5], abs=0.75)


@pytest.mark.slow
def test_another_process_draws_the_same_bits():
    code = (
        "import json, sys; sys.path.insert(0, 'tests/unit'); import test_samples as t;"
        "print(json.dumps({n: t.digest(t.sample(n)) for n in t.samples.NAMES}))"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert json.loads(run.stdout) == {name: digest(sample(name)) for name in samples.NAMES}


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "linear_regression"])
def test_another_seed_draws_other_examples(name):
    assert digest(samples.draw(name, seed=1)) != digest(sample(name))


def test_the_table_behaves_like_the_real_one():
    from sklearn.linear_model import LinearRegression

    table = sample("linear_regression")
    assert table.feature_names == ("var_1", "var_2", "var_3", "var_4", "var_5")
    assert table.target_name == "output" and table.class_names == ()
    assert table.x_train.shape == (924, 5) and table.x_test.shape == (308, 5)
    assert table.x_train.dtype == table.y_train.dtype == np.float64

    model = LinearRegression().fit(table.x_train, table.y_train)
    on_train = model.score(table.x_train, table.y_train)
    on_test = model.score(table.x_test, table.y_test)
    assert on_train == pytest.approx(0.87, abs=0.01)
    assert on_test == pytest.approx(on_train, abs=0.02)
    assert model.predict([[600, 588, 90, 0.358, 0.333]])[0] == pytest.approx(0.37, abs=0.01)


def linear_accuracy(x_train, y_train, x_test, y_test):
    from sklearn.linear_model import RidgeClassifier

    return RidgeClassifier(alpha=100).fit(x_train, y_train).score(x_test, y_test)


@pytest.mark.parametrize(
    ("name", "ceiling"),
    [
        ("mnist", 0.94),
        ("fashion_mnist", 0.82),
        ("cifar10", 0.60),
        ("cats_and_dogs", 0.70),
        ("plant_seedlings", 0.60),
    ],
)
def test_a_linear_model_leaves_room_for_networks(name, ceiling):
    """Labs 03 to 08 train those that get further."""
    drawn = sample(name)
    flat = [x.reshape(len(x), -1).astype(np.float32) / 255 for x in (drawn.x_train, drawn.x_test)]
    linear = linear_accuracy(flat[0], drawn.y_train, flat[1], drawn.y_test)
    assert 1 / len(drawn.class_names) + 0.05 < linear < ceiling


def test_colour_does_not_tell_cats_from_dogs():
    drawn = sample("cats_and_dogs")

    def colours(pictures):
        pictures = pictures / 255
        return np.concatenate([pictures.mean(axis=(1, 2)), pictures.std(axis=(1, 2))], axis=1)

    accuracy = linear_accuracy(
        colours(drawn.x_train), drawn.y_train, colours(drawn.x_test), drawn.y_test
    )
    assert accuracy < 0.6
