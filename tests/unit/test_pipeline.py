"""Pictures on their way into training: order, changes, and what is refused."""

import numpy as np
import pytest

import labkit
from labkit import models
from labkit.data.pipeline import Augment, batches, single_pass
from labkit.errors import DataError

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def pictures():
    return RANDOM.integers(0, 256, (40, 9, 7, 3), dtype=np.uint8)


def one(size=9):
    """One picture, many times: an upright bar left of the middle."""
    picture = np.zeros((200, size, size, 1), np.uint8)
    picture[:, 2:-2, 2] = 200
    return picture


def test_an_epoch_shows_every_picture_once_in_a_new_order():
    x, y = np.zeros((50, 4, 4, 1), np.uint8), np.arange(50)
    shown = [int(v) for _, labels in batches(x, y, batch_size=10).take(10) for v in labels]
    first, second = shown[:50], shown[50:]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second and first != sorted(first)


def test_a_pass_shows_every_example_once_in_the_order_in_which_keras_does_and_ends():
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

    x, y = np.arange(25.0)[:, None], np.arange(25)

    def order(seed, make):
        labkit.keras.utils.set_random_seed(seed)
        return [int(v) for _, labels in make(x, y, batch_size=10, shuffle=True) for v in labels]

    def by_keras(*arrays, **options):
        return ArrayDataAdapter(*arrays, **options).get_tf_dataset()

    orders = [order(seed, single_pass) for seed in (1, 2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(25))
    assert orders == [order(seed, by_keras) for seed in (1, 2)]
    assert orders[0] != orders[1]
    in_order = list(single_pass(x, y, batch_size=10, shuffle=False))
    assert [len(labels) for _, labels in in_order] == [10, 10, 5]
    assert in_order[2][0].numpy().ravel().tolist() == [20, 21, 22, 23, 24]
    assert in_order[0][0].dtype == "float32"


def test_a_pass_trains_exactly_as_keras_does_with_arrays():
    data = labkit.load("mnist", limit=130)

    def losses(by_keras):
        labkit.keras.utils.set_random_seed(1)
        model, x, y = models.mlp(data, units=(8,)), data.x_train, data.y_train
        if by_keras:
            return model.fit(x, y, batch_size=32, epochs=3, verbose=0).history["loss"]
        shown = single_pass(x, y, batch_size=32, shuffle=True)
        return model.fit(shown, shuffle=False, epochs=3, verbose=0).history["loss"]

    assert losses(by_keras=False) == losses(by_keras=True)


def test_the_same_seed_shows_the_same_and_a_later_start_goes_on(pictures):
    def run(seed=0, first_epoch=0, steps=8):
        stream = batches(
            pictures,
            np.arange(40),
            batch_size=10,
            augment=Augment(shift=2, flip="horizontal", zoom=0.2),
            seed=seed,
            first_epoch=first_epoch,
        )
        return [(x.numpy(), y.numpy()) for x, y in stream.take(steps)]

    once, again, other = run(), run(), run(seed=1)
    assert all(
        (a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in zip(once, again, strict=True)
    )
    assert any((a[1] != b[1]).any() for a, b in zip(once, other, strict=True))
    later = run(first_epoch=1, steps=4)
    assert all((a[0] == b[0]).all() for a, b in zip(once[4:], later, strict=True))


def test_shifts_reach_all_places_evenly_and_no_further():
    moved = Augment(shift=1)(one(), seed=3).numpy()
    columns = np.bincount(moved[:, 4, :, 0].argmax(axis=1), minlength=9)
    assert (columns[[1, 2, 3]] > 40).all() and columns.sum() == columns[[1, 2, 3]].sum()


def test_what_comes_in_is_the_mirror_image(pictures):
    moved = Augment(shift=2)(np.repeat(pictures[:1], 60, axis=0), seed=1).numpy()
    mirrored = np.pad(pictures[0], ((2, 2), (2, 2), (0, 0)), mode="symmetric")
    windows = [mirrored[r : r + 9, c : c + 7] for r in range(5) for c in range(5)]
    found = [next(i for i, w in enumerate(windows) if (w == m).all()) for m in moved]
    assert len(set(found)) > 15


@pytest.mark.parametrize("extra", [{}, {"zoom": 1e-9}], ids=["picked", "computed"])
def test_flips_mirror_about_half_of_the_pictures(pictures, extra):
    same = np.repeat(pictures[:1], 200, axis=0)
    flipped = Augment(flip="horizontal", **extra)(same, seed=5).numpy()
    mirrored = [(picture == pictures[0][:, ::-1]).all() for picture in flipped]
    kept = [(picture == pictures[0]).all() for picture in flipped]
    assert sum(mirrored) + sum(kept) == 200 and 70 < sum(mirrored) < 130


def test_each_change_does_what_its_name_says():
    bar = one()

    def height(pictures):
        return (pictures[..., 0] > 60).any(axis=2).sum(axis=1)

    zoomed = height(Augment(zoom=0.4)(bar, seed=0).numpy())
    assert zoomed.min() < 5 < zoomed.max()
    turned = Augment(rotation=0.5)(bar, seed=0).numpy()
    assert height(turned).min() <= 2, "the bar lies down in some"
    slanted = Augment(shear=0.8)(bar, seed=0).numpy()[..., 0]
    top, bottom = slanted[:, 2].argmax(axis=1), slanted[:, 6].argmax(axis=1)
    assert (top < bottom).any() and (top > bottom).any()
    lit = Augment(brightness=0.2)(bar, seed=0).numpy().max(axis=(1, 2, 3))
    assert 159 < lit.min() < 180 and 220 < lit.max() < 241


def test_pictures_stay_bytes_and_nothing_asked_changes_nothing(pictures):
    every = Augment(2, "horizontal_and_vertical", 0.2, 0.2, 0.1, 0.2)(pictures, seed=0)
    assert every.shape == pictures.shape and every.dtype == "uint8"
    assert (Augment()(pictures, seed=0).numpy() == pictures).all()


def test_a_keras_layer_changes_pictures_too(pictures):
    flip = labkit.keras.layers.RandomFlip("horizontal", seed=0)
    shown, _ = next(iter(batches(pictures, np.arange(40), batch_size=40, augment=flip)))
    assert shown.shape == pictures.shape
    sums = np.sort(shown.numpy().reshape(40, -1).sum(axis=1))
    assert (sums == np.sort(pictures.reshape(40, -1).sum(axis=1, dtype=float))).all()


@pytest.mark.slow
def test_the_fast_recipe_shifts_unless_told_otherwise():
    data = labkit.load("mnist", limit=200)

    def losses(augment):
        model = models.cnn(data, filters=(4,), dense=8)
        return labkit.fit(model, data, epochs=3, recipe="fast", augment=augment).metrics["loss"]

    as_it_is = losses(None)
    assert losses(Augment(shift=2)) == pytest.approx(as_it_is, rel=1e-4)
    assert losses(False) != pytest.approx(as_it_is, rel=1e-3)


def test_training_takes_a_keras_layer():
    data = labkit.load("mnist", limit=200)
    model = models.cnn(data, filters=(4,), dense=8)
    dark = labkit.keras.layers.Rescaling(0.0)
    history = labkit.fit(model, data, epochs=1, augment=dark, validation=0)
    assert history.last("loss") > 2.2, "of black pictures nothing can be learned"


def test_a_shift_by_the_whole_picture_is_refused(pictures):
    side = min(pictures.shape[1:3])
    assert Augment(shift=side - 1)(pictures, seed=0).shape == pictures.shape
    with pytest.raises(DataError, match=f"shift is {side}.*smaller shift"):
        Augment(shift=side)(pictures, seed=0)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"flip": "up"}, "flip is 'up'. Use one of: horizontal"),
        ({"zoom": 1.5}, "zoom is 1.5; give a number from 0 to 0.9"),
        ({"rotation": 90}, "rotation is 90; give a number from 0 to 0.5"),
        ({"shift": -1}, "shift is -1; give a number from 0"),
    ],
)
def test_impossible_changes_are_refused(wrong, message):
    with pytest.raises(DataError, match=message):
        Augment(**wrong)


def test_too_few_pictures_for_a_batch_are_refused(pictures):
    with pytest.raises(DataError, match="40 pictures do not fill a batch of 64"):
        batches(pictures, np.arange(40), batch_size=64)
