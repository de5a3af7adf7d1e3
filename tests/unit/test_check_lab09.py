"""The exercises of lab 09: grids, search spaces, the best trial, a search of your own."""

from types import SimpleNamespace

import pandas as pd
import pytest

from labkit.check import check
from labkit.check.exercises.lab09 import _hidden_tables
from labkit.space import choice, integers, log_uniform, uniform

SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "units": choice(32, 64, 128),
    "dropout": uniform(0, 0.5),
}


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


# The grid


@pytest.mark.parametrize("answer", [120, 5 * 4 * 3 * 2.0])
def test_09_grid_passes(answer):
    assert check("09-grid", answer).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (14, "14 adds the values up"),
        (60, "60 leaves out the 2 activation functions"),
        (625, "only the learning rate has 5 values"),
        (121, "multiply how many values each of the four hyperparameters has"),
        ("120", "write the number without quotation marks"),
    ],
)
def test_09_grid_knows_the_usual_mistakes(answer, hint):
    (line,) = failed_lines(check("09-grid", answer))
    assert hint in line


# The space


@pytest.mark.parametrize(
    "space",
    [
        SPACE,
        dict(reversed(SPACE.items())),
        SPACE | {"units": choice(128, 32, 64)},
    ],
)
def test_09_space_passes(space):
    assert check("09-space", space).passed is True


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"learning_rate": uniform(1e-4, 1e-1)}, "drawn lie below 0.001"),
        ({"learning_rate": log_uniform(1e-3, 1e-1)}, "go from 0.001 to 0.097, not 0.0001 to 0.1"),
        ({"learning_rate": log_uniform(1e-5, 1e-1)}, "not 0.0001 to 0.1"),
        ({"learning_rate": choice(1e-4, 1e-1)}, "only 0.0001, 0.1 can be drawn; log_uniform"),
        ({"units": choice(32, 64)}, "the values drawn are 32, 64, not 32, 64 and 128"),
        ({"units": choice("32", "64", "128")}, "are 128, 32, 64, not 32, 64 and 128"),
        ({"units": integers(32, 128)}, "different values were drawn; choice takes one of a few"),
        ({"dropout": uniform(0, 1)}, "not 0 to 0.5"),
        ({"dropout": choice(0.0, 0.5)}, "only 0.0, 0.5 can be drawn; uniform"),
        ({"units": [32, 64, 128]}, "'units' is of the type list; say which values it may take"),
        ({"epochs": integers(1, 3)}, "three hyperparameters are asked for; yours has 'epochs'"),
    ],
)
def test_09_space_says_which_line_is_wrong(change, hint):
    (line,) = failed_lines(check("09-space", SPACE | change))
    assert hint in line


def test_09_space_names_what_is_missing():
    space = {"learning_rate": SPACE["learning_rate"], "size": SPACE["units"]}
    (line,) = failed_lines(check("09-space", space))
    assert line == "'units' is missing; the space has 'learning_rate', 'size'"
    (line,) = failed_lines(check("09-space", list(SPACE)))
    assert "a space is a dictionary" in line


# The best trial


def complete(table):
    return table[table["state"] == "complete"]


def test_09_best_passes():
    result = check("09-best", lambda t: complete(t).set_index("trial")["accuracy"].idxmax())
    assert result.passed is True
    assert "trial 2" in repr(result)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda t: t.set_index("trial")["accuracy"].idxmax(), "trial 6 is pruned; only complete"),
        (lambda t: complete(t)["accuracy"].idxmax(), "is the place of the row in the table"),
        (lambda t: complete(t)["accuracy"].max(), "0.93 is the accuracy of the best trial"),
        (lambda t: complete(t)["trial"].iloc[0], "trial 4 reached 0.71, and another one 0.93"),
        (lambda t: complete(t)["trial"].max() + 10, "there is no trial 15 in the table"),
        (lambda t: t["score"].max(), "your function stopped with KeyError"),
        (3, "hand over the function itself"),
    ],
)
def test_09_best_says_what_was_returned(wrong, hint):
    assert hint in failed_lines(check("09-best", wrong))[0]


def test_09_best_with_dots_is_no_attempt():
    assert check("09-best", lambda table: ...).passed is None


def test_09_best_cannot_be_changed_by_the_answer():
    def spoils(table):
        found = complete(table).set_index("trial")["accuracy"].idxmax()
        table["accuracy"] = 0.0
        return found

    assert check("09-best", spoils).passed is True


def test_the_tables_look_like_those_of_a_study():
    for _, table in _hidden_tables():
        assert isinstance(table, pd.DataFrame)
        assert list(table.columns) == ["trial", "state", "accuracy", "epochs", "learning_rate"]
        assert set(table["state"]) <= {"complete", "pruned", "running", "waiting", "failed"}
        assert not complete(table)["accuracy"].isna().any()


# Free space


def study(trials=6, validation=0.25, best=0.93):
    optuna = SimpleNamespace(user_attrs={"identity": {"validation": validation}})
    return SimpleNamespace(trials=[None] * trials, optuna=optuna, best_value=best)


def test_09_free_space_passes():
    assert check("09-free-space", study(), baseline=0.9).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (study(trials=12), "12 trials are more than 6"),
        (study(validation=0.1), "judged by 10% of the pictures; keep validation=validation"),
        (study(best=0.9), "validation accuracy 0.9000 is not above 0.9000"),
        (0.95, "your answer is of the type float; hand over what labkit.sweep returned"),
    ],
)
def test_09_free_space_says_what_is_missing(answer, hint):
    (line,) = failed_lines(check("09-free-space", answer, baseline=0.9))
    assert hint in line
