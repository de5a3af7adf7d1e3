"""`labkit.sweep`: what an engineer calls, and what comes back."""

import re
from dataclasses import replace

import pytest

import labkit
from labkit import models
from labkit.errors import SpaceError, SweepError
from labkit.space import choice, log_uniform, uniform
from labkit.sweep.job import Job, grid_rows, train

SPACE = {"units": choice((4,), (16,)), "learning_rate": log_uniform(1e-3, 1e-1)}


@pytest.fixture(scope="module")
def data():
    # Without a test part, which no sweep may look at.
    return replace(labkit.load("mnist", limit=300), x_test=None, y_test=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def study(data, folder):
    """Two workers share eight trials; one kind of model cannot be built."""

    def build(data, *, units, seed):
        if units == (3,):
            raise ValueError("three is not allowed here\nbecause of this test")
        return models.mlp(data, units=units, dropout=0, seed=seed)

    space = {**SPACE, "units": choice((3,), (4,), (16,))}
    return labkit.sweep(
        build, data, space, trials=8, epochs=2, study="clothes", storage=folder, workers=2
    )


@pytest.mark.slow
def test_a_sweep_has_as_many_results_as_were_asked_for(study):
    table = study.table()
    assert len(table) == 8
    assert set(table["state"]) <= {"complete", "pruned", "failed"}
    assert list(table) == [
        *("trial", "state", "accuracy", "epochs", "seconds"),
        *("units", "learning_rate", "reason"),
    ]


@pytest.mark.slow
def test_the_test_part_is_never_looked_at(study, data):
    assert data.x_test is None and (study.table()["state"] == "complete").any()


@pytest.mark.slow
def test_a_trial_that_fails_is_written_down_with_its_reason(study):
    failed = study.table().query("state == 'failed'")
    assert set(failed["units"]) == {"(3,)"}
    assert set(failed["reason"]) == {"ValueError: three is not allowed here"}


@pytest.mark.slow
def test_the_best_parameters_are_those_of_the_best_model(study, data, capsys):
    assert study.best_params["units"] in [(4,), (16,)]
    model = study.best_model()
    assert "training it again" not in capsys.readouterr().out
    assert model.layers[-3].units == study.best_params["units"][0]
    held_back = labkit.training.split(data, validation=0.1, seed=0)[1]
    accuracy = model.evaluate(*held_back, verbose=0)[1]
    assert accuracy == pytest.approx(study.best_value, abs=1e-6)


@pytest.mark.slow
def test_weights_that_are_gone_are_trained_again(study, capsys):
    for path in study._job.folder.glob("*"):
        path.unlink()
    study.best_model()
    assert "training it again" in capsys.readouterr().out


@pytest.mark.slow
def test_a_study_explains_itself(study):
    said = study.explain()
    assert f"The best was trial {study.best_trial.number}" in said
    assert "evaluate the model once on the test set" in said
    assert "Of 8 trials" in said


@pytest.mark.slow
def test_calling_it_again_trains_nothing(study, data, folder):
    found = labkit.load_study("clothes", storage=folder)
    assert found.table().equals(study.table())
    with pytest.raises(SweepError, match="without its builder"):
        found.best_model()


@pytest.mark.slow
def test_a_study_of_something_else_is_refused(study, data, folder):
    with pytest.raises(SweepError, match="another name: study='clothes-2'"):
        labkit.sweep(models.mlp, data, SPACE, trials=8, study="clothes", storage=folder)


def test_a_trial_keeps_the_weights_of_its_best_epoch(data):
    class Ruin(labkit.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.set_weights([0 * weights for weights in self.model.get_weights()])

    job = Job("s", "s.journal", models.mlp, data, SPACE, 3, "classic", 0.5, 0, "tpe", None)
    model, history = train(job, {"units": (16,), "learning_rate": 0.01}, [Ruin()])
    accuracies = history.metrics["val_accuracy"]
    assert accuracies[2] < 0.3 < max(accuracies)
    held_back = labkit.training.split(data, validation=0.5, seed=0)[1]
    assert model.evaluate(*held_back, verbose=0)[1] == pytest.approx(max(accuracies), abs=1e-6)


def test_a_builder_may_train_its_model_before(data):
    def build(data, *, seed):
        model = models.mlp(data, units=(4,), seed=seed)
        labkit.fit(model, data, epochs=1, validation=0.5, verbose=False)
        return model

    steps = -(-len(data.x_train) // 2 // 32)
    job = Job("s", "s.journal", build, data, {}, 2, "classic", 0.5, 0, "tpe", None)
    model, _ = train(job, {"learning_rate": 0.01})
    assert int(model.optimizer.iterations) == 3 * steps, "one epoch before, two in the trial"


def test_a_grid_is_the_finest_that_fits():
    job = Job("s", "s.journal", models.mlp, None, SPACE, 1, "classic", 0.1, 0, "grid", None)
    assert len(grid_rows(job, 4)) == len(grid_rows(job, 5)) == 4
    assert len(grid_rows(job, 9)) == 8
    with pytest.raises(SweepError, match="has 4 points, and there are 3 trials"):
        grid_rows(job, 3)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(trials=0), "at least 1"),
        (dict(minutes=0), "above 0"),
        (dict(workers=0), "at least 1"),
        (dict(workers="all"), "or 'auto'"),
        (dict(sampler="bayes"), "Use one of: tpe, random, grid"),
        (dict(pruner="median"), "'halving', None"),
        (dict(recipe="slow"), "Use one of: classic, fast"),
        (dict(study="a/b"), "cannot be called"),
    ],
)
def test_wrong_arguments_say_what_to_do(data, tmp_path, options, message):
    options = {"trials": 2, "storage": tmp_path} | options
    with pytest.raises(SweepError, match=re.escape(message)):
        labkit.sweep(models.mlp, data, SPACE, **options)
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_a_parameter_that_nobody_takes(data, tmp_path):
    with pytest.raises(SpaceError, match="Nothing takes 'droput'"):
        labkit.sweep(models.mlp, data, {"droput": uniform(0, 1)}, trials=2, storage=tmp_path)
