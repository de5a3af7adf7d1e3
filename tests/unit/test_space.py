"""Search spaces are plain dictionaries, and wrong ones say what to do."""

import re

import optuna
import pytest

from labkit import models, space
from labkit.errors import SpaceError
from labkit.space import choice, grid, integers, log_uniform, uniform

SPACE = {
    "units": choice((8,), (16, 16)),
    "dropout": uniform(0, 0.5),
    "learning_rate": log_uniform(1e-4, 1e-1),
    "batch_size": integers(16, 64, step=16),
}


def test_a_trial_draws_values_that_a_builder_takes():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        params = space.suggest(study.ask(), SPACE)
        assert params["units"] in [(8,), (16, 16)]
        assert 0 <= params["dropout"] <= 0.5
        assert 1e-4 <= params["learning_rate"] <= 1e-1
        assert params["batch_size"] in [16, 32, 48, 64]


def test_what_a_storage_holds_turns_back_into_values():
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    params = space.suggest(trial, SPACE)
    assert space.values(SPACE, trial.params) == params


def test_a_logarithmic_range_gives_each_order_of_magnitude_its_share():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [space.suggest(study.ask(), SPACE)["learning_rate"] for _ in range(300)]
    assert all(0.25 < sum(low <= x < 10 * low for x in drawn) / 300 < 0.42 for low in (1e-4, 1e-3))


def test_a_grid_has_every_combination():
    rows = grid({"units": choice(8, 16), "rate": log_uniform(0.01, 1)}, points=3)
    assert rows == [{"units": u, "rate": r} for u in (8, 16) for r in (0.01, 0.1, 1.0)]


def test_points_of_whole_numbers_are_whole_and_different():
    assert integers(1, 3).points(10) == [1, 2, 3]
    assert integers(16, 64, step=16).points(3) == [16, 48, 64]


def test_parameters_go_to_who_takes_them():
    assert space.split({"units": (8,), "epochs": 3, "learning_rate": 0.1}) == (
        {"units": (8,)},
        {"epochs": 3, "learning_rate": 0.1},
    )


def test_a_builder_gets_the_seed_where_it_takes_one():
    def seeded(data, *, units, seed):
        return data, units, seed

    def unseeded(data, *, units):
        return data, units

    assert space.call(seeded, "data", {"units": 8}, 7) == ("data", 8, 7)
    assert space.call(unseeded, "data", {"units": 8}, 7) == ("data", 8)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: choice("relu"), "at least two"),
        (lambda: choice(8, 8), "at least two"),
        (lambda: uniform(1, 0), "the smaller one first"),
        (lambda: uniform(0, float("inf")), "two numbers"),
        (lambda: uniform("0", 1), "two numbers"),
        (lambda: log_uniform(0, 1), "above 0"),
        (lambda: integers(1, 2.5), "whole numbers"),
        (lambda: integers(1, 10, step=4), "multiple of step"),
    ],
)
def test_what_is_no_range_says_so(make, message):
    with pytest.raises(SpaceError, match=message):
        make()


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({}, "is empty"),
        ({"dropout": 0.5}, "Say which values it may take"),
        ({"droput": uniform(0, 1)}, "Nothing takes 'droput': mlp takes units, dropout"),
    ],
)
def test_a_space_that_does_not_fit_the_builder(wrong, message):
    with pytest.raises(SpaceError, match=re.escape(message)):
        space.check(wrong, models.mlp)


def test_any_parameter_fits_a_builder_that_takes_any():
    space.check({"anything": uniform(0, 1)}, lambda data, **params: None)
