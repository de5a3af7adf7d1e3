"""`labkit.fit`: the two recipes, interruptions, kills and resuming."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

import labkit
from labkit import models
from labkit.data import Dataset, Source
from labkit.errors import LabError, TrainingError


@pytest.fixture(scope="module")
def data():
    """Four classes of 8 × 8 pictures: a bright quarter on noise."""
    random = np.random.default_rng(0)

    def draw(n):
        y = np.arange(n) % 4
        x = random.integers(0, 120, (n, 8, 8, 1), np.uint8)
        for i, label in enumerate(y):
            x[i, 4 * (label // 2) :][:4, 4 * (label % 2) :][:, :4] += 120
        return x, y.astype(np.int64)

    x_train, y_train = draw(400)
    x_test, y_test = draw(100)
    source = Source("folder", "made for this test")
    return Dataset("quarters", "Quarters", x_train, y_train, x_test, y_test, source, tuple("abcd"))


def tiny(data, **options):
    return models.cnn(data, filters=(4,), dense=8, dropout=0.0, learning_rate=0.01, **options)


@pytest.mark.parametrize("recipe", ["classic", "fast"])
def test_a_recipe_learns_and_leaves_the_model_as_it_was_compiled(data, recipe):
    model = tiny(data)
    loss = model.loss
    history = labkit.fit(model, data, epochs=12, recipe=recipe)
    assert history.epochs == 12
    assert set(history.metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    accuracy = model.evaluate(data.x_test, data.y_test, verbose=0)[1]
    assert accuracy > 0.5, "guessing gives 0.25"
    assert model.loss == loss == "sparse_categorical_crossentropy"
    assert history.seconds > 0 and "second" not in repr(history)
    assert list(history.frame().index) == list(range(1, 13))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_history(data):
    first, second = (
        labkit.fit(tiny(data, seed=7), data, epochs=2, recipe="fast", seed=3).metrics
        for _ in range(2)
    )
    other = labkit.fit(tiny(data, seed=7), data, epochs=2, recipe="fast", seed=4).metrics
    assert first == second != other


def test_a_step_is_traced_once(data, monkeypatch):
    model, traced = tiny(data), []
    step = model.train_step
    monkeypatch.setattr(model, "train_step", lambda batch: traced.append(1) or step(batch))
    labkit.fit(model, data, epochs=1)
    assert len(traced) == 1


def test_validation_is_held_back_from_training_and_can_be_left_out(data):
    # Every held-back picture has a label of its own: learning it would show.
    assert "val_loss" not in labkit.fit(tiny(data), data, epochs=1, validation=0).metrics
    with pytest.raises(TrainingError, match="too few"):
        labkit.fit(tiny(data), replace(data, x_train=data.x_train[:2]), epochs=1)


def test_the_test_part_is_never_touched(data):
    poisoned = replace(data, x_test=None, y_test=None)
    assert labkit.fit(tiny(data), poisoned, epochs=1).epochs == 1


def test_progress_is_one_line_an_epoch_without_timings(data, capsys):
    labkit.fit(tiny(data), data, epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "val_accuracy" in lines[0]


WRONG = {
    "recipe": (dict(recipe="turbo"), "no recipe 'turbo'. Use one of: classic, fast"),
    "epochs": (dict(epochs=0), "at least 1"),
    "validation": (dict(validation=1.0), "from 0 to below 1"),
}


@pytest.mark.parametrize("options, message", WRONG.values(), ids=WRONG)
def test_wrong_arguments_say_what_to_do(data, options, message):
    with pytest.raises(TrainingError, match=message):
        labkit.fit(tiny(data), data, **{"epochs": 1, **options})


def test_a_model_that_does_not_fit_the_data(data):
    with pytest.raises(TrainingError, match=r"takes examples of shape \(28, 28, 1\)"):
        labkit.fit(models.softmax_regression(((28, 28, 1), 10)), data, epochs=1)
    with pytest.raises(LabError, match="scikit-learn"):
        models.cnn(labkit.load("linear_regression"))
    with pytest.raises(LabError, match="too small.*fewer filters"):
        models.cnn(data, filters=(4, 4, 4, 4))


def test_a_model_that_is_not_compiled(data):
    from labkit import keras

    model = keras.Sequential([keras.layers.Input((8, 8, 1)), keras.layers.Flatten()])
    with pytest.raises(TrainingError, match="model.compile"):
        labkit.fit(model, data, epochs=1)


def test_a_loss_that_explodes_says_so(data):
    model = tiny(data)
    model.compile("sgd", lambda y, p: p[:, 0] * np.nan, metrics=["accuracy"])
    with pytest.raises(TrainingError, match="smaller learning_rate"):
        labkit.fit(model, data, epochs=1)


PROGRAM = """
import sys, time, numpy as np, labkit
from labkit import keras, models
from labkit.data import Dataset, Source
r = np.random.default_rng(0)
x = r.integers(0, 256, (2000, 8, 8, 1), np.uint8); y = np.arange(2000) % 4
data = Dataset("d", "D", x, y, x, y, Source("folder", "-"), tuple("abcd"))
model = models.cnn(data, filters=(4,), dense=8)
history = labkit.fit(model, data, epochs=int(sys.argv[2]), recipe=sys.argv[3],
                     checkpoint=sys.argv[1] or None)
print("RESULT", history.epochs, history.interrupted, int(model.count_params()))
"""


def start(checkpoint, epochs, recipe="fast"):
    return subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAM, str(checkpoint), str(epochs), recipe],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LABKIT_HEADLESS": "1"},
    )


def until_epoch(process, epoch):
    for line in process.stdout:
        if line.startswith(f"epoch {epoch}/"):
            return
    raise AssertionError("the process ended early")


@pytest.mark.slow
def test_a_killed_training_resumes_after_its_last_epoch(home):
    checkpoint = home / "run"
    process = start(checkpoint, 8)
    until_epoch(process, 3)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = start(checkpoint, 8)
    out = again.communicate(timeout=120)[0]
    shown = [int(line.split("/")[0][6:]) for line in out.splitlines() if line.startswith("epoch ")]
    assert shown[0] >= 3 and shown[-1] == 8, "it went on, and did not begin again"
    assert "RESULT 8 False" in out
    assert not list(home.glob(".run*")), "no temporary file is left over"


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_learned(home):
    process = start("", 5000)
    until_epoch(process, 2)
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert "the model keeps what it has learned" in out
    assert "True" in out.split("RESULT")[1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_that_python_drops_ends_the_training_all_the_same(data):
    class Bomb:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def loss(y, p):
        del bombs[:]
        return labkit.keras.losses.sparse_categorical_crossentropy(y, p)

    model, bombs = tiny(data), [Bomb()]
    model.compile("adam", loss, metrics=["accuracy"], run_eagerly=True)
    history = labkit.fit(model, data, epochs=3)
    assert history.interrupted and history.epochs == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.slow
def test_resuming_goes_on_where_it_stopped(data, home, capsys):
    through = labkit.fit(tiny(data), data, epochs=4)
    labkit.fit(tiny(data), data, epochs=2, checkpoint=home / "c")
    resumed = labkit.fit(tiny(data), data, epochs=4, checkpoint=home / "c")
    assert resumed.metrics["loss"][:2] == through.metrics["loss"][:2]
    assert resumed.epochs == 4
    assert resumed.metrics["loss"][3] < resumed.metrics["loss"][0]
    capsys.readouterr()
    complete = labkit.fit(tiny(data), data, epochs=4, checkpoint=home / "c")
    assert complete.metrics == resumed.metrics
    assert "epoch 1/4" not in capsys.readouterr().out, "nothing is trained again"


def test_a_checkpoint_of_another_run_is_refused(data, home):
    path = home / "c.weights.h5"
    labkit.fit(tiny(data), data, epochs=1, checkpoint=path)
    with pytest.raises(TrainingError, match="its seed is 42, yours is 1. Delete it"):
        labkit.fit(tiny(data), data, epochs=1, seed=1, checkpoint=path)
    with pytest.raises(TrainingError, match="saved by another model"):
        labkit.fit(models.cnn(data, filters=(4,), dense=9), data, epochs=1, checkpoint=path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(TrainingError, match="not a checkpoint of labkit, or is damaged"):
        labkit.fit(tiny(data), data, epochs=1, checkpoint=path)


@pytest.mark.slow
def test_a_resumed_run_sees_the_pictures_that_an_uninterrupted_one_sees(data, home):
    augment = labkit.data.Augment(shift=1)
    through = labkit.fit(tiny(data), data, epochs=3, augment=augment)
    labkit.fit(tiny(data), data, epochs=2, augment=augment, checkpoint=home / "c")
    resumed = labkit.fit(tiny(data), data, epochs=3, augment=augment, checkpoint=home / "c")
    assert resumed.metrics["loss"] == pytest.approx(through.metrics["loss"], rel=1e-4)
    with pytest.raises(TrainingError, match="its augment is"):
        labkit.fit(tiny(data), data, epochs=3, checkpoint=home / "c")


def with_backbone(data):
    """As models.transfer builds it, with a backbone small enough for a test."""
    layers = labkit.keras.layers
    pictures = layers.Input(data.input_shape)
    backbone = labkit.keras.Sequential(
        [layers.Input(data.input_shape), layers.Conv2D(8, 3, activation="relu")], name="backbone"
    )
    backbone.trainable = False
    maps = backbone(layers.Rescaling(1 / 255)(pictures))
    features = layers.Dropout(0.1)(layers.Flatten()(maps))
    outputs = layers.Dense(data.num_classes, activation="softmax")(features)
    model = labkit.keras.Model(pictures, outputs, name="with_backbone")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_the_fast_recipe_trains_what_comes_after_a_frozen_backbone(data, home):
    model, again = with_backbone(data), with_backbone(data)
    again.set_weights(model.get_weights())
    before = model.get_layer("backbone").get_weights()
    history = labkit.fit(model, data, epochs=8, recipe="fast", checkpoint=home / "c")
    with h5py.File(home / "c.weights.h5") as file:
        saved = []
        file["layers"].visit(saved.append)
    assert any("dense" in name for name in saved) and not any("backbone" in n for n in saved)
    after = model.get_layer("backbone").get_weights()
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    assert history.epochs == 8 and history.metrics["loss"][-1] < history.metrics["loss"][0]
    accuracy = model.evaluate(data.x_test, data.y_test, verbose=0)[1]
    assert accuracy > 0.6, "the model that was given has learned, and is compiled as before"
    labkit.fit(again, data, epochs=8, recipe="fast", checkpoint=home / "c")
    trained = model.predict(data.x_test, verbose=0)
    assert again.predict(data.x_test, verbose=0) == pytest.approx(trained, abs=1e-5)


def test_the_fast_recipe_trains_a_backbone_at_the_rate_that_was_asked_for(data):
    model = models.fine_tune(with_backbone(data), learning_rate=1e-12)
    still = model.get_weights()
    labkit.fit(model, data, epochs=1, recipe="fast", validation=0)
    assert all(
        np.allclose(a, b, atol=1e-6) for a, b in zip(still, model.get_weights(), strict=True)
    )
    labkit.fit(models.fine_tune(model, learning_rate=1e-3), data, epochs=1, recipe="fast")
    assert np.abs(model.get_weights()[0] - still[0]).max() > 1e-4, "now the backbone has moved"
