"""Figures of sweeps show what happened in them, and say it for readers who cannot see."""

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
optuna = pytest.importorskip("optuna")

from labkit import plot  # noqa: E402
from labkit.errors import LabError, SweepError  # noqa: E402
from labkit.sweep.study import Study  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    matplotlib.pyplot.close("all")


def study_of(finished, pruned=1, name="clothes"):
    """A study whose accuracy grows with the rate and knows nothing of the units."""
    study = optuna.create_study(study_name=name, direction="maximize")
    study.set_user_attr("trials", finished + pruned)
    space = {
        "rate": optuna.distributions.FloatDistribution(0.001, 0.1, log=True),
        "units": optuna.distributions.CategoricalDistribution((8, 16, 32)),
    }
    for i in range(finished + pruned):
        rate = 0.001 * 100 ** (i / max(1, finished + pruned - 1))
        value = 0.5 + 0.03 * i
        done = i < finished
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState[("PRUNED", "COMPLETE")[done]],
                value=value if done else None,
                params={"rate": rate, "units": (8, 16, 32)[i % 3]},
                distributions=space,
                intermediate_values={1: 0.4, 2: value} if done else {1: 0.3},
                user_attrs={"slot": i},
            )
        )
    return Study(study, "nowhere.journal")


def test_the_history_has_a_point_for_each_trial_and_the_best_so_far():
    ax = plot.optimization_history(study_of(4))
    points, best, pruned = ax.lines
    assert list(points.get_ydata()) == pytest.approx([0.5, 0.53, 0.56, 0.59])
    assert best.get_ydata()[-1] == pytest.approx(0.59)
    assert list(pruned.get_ydata()) == [0.3]
    assert "4 finished trials and 1 pruned, the best 0.59 in trial 3" in plot.alt_text(ax)


def test_searches_are_compared_in_one_figure():
    ax = plot.optimization_history([study_of(3, name="grid"), study_of(4, name="random")])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["grid", "random"]
    with pytest.raises(LabError, match="cannot be told apart"):
        plot.optimization_history([])


def test_what_matters_most_is_the_longest_bar():
    ax = plot.param_importances(study_of(20))
    rate, units = (bar.get_width() for bar in ax.patches)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["rate", "units"]
    assert rate > 0.6 and rate + units == pytest.approx(1)
    with pytest.raises(SweepError, match="at least 20 finish"):
        plot.param_importances(study_of(5))


def test_lines_run_through_the_parameters_to_the_accuracy():
    ax = plot.parallel_coordinate(study_of(5))
    best = next(line for line in ax.lines if line.get_linewidth() > 2)
    assert list(best.get_ydata()) == pytest.approx([0.8, 0.5, 1])
    assert "units 16" in plot.alt_text(ax)


def test_learning_curves_of_all_trials():
    ax = plot.intermediate_values(study_of(3, pruned=2))
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert labels == ["pruned", "finished", "the best"]
    assert "5 trials, 2 of them pruned. The best is trial 2" in plot.alt_text(ax)


@pytest.mark.parametrize(
    "draw", [plot.optimization_history, plot.parallel_coordinate, plot.intermediate_values]
)
def test_a_study_in_which_nothing_has_happened_says_so(draw):
    with pytest.raises(LabError, match="Let it go on"):
        draw(study_of(0, pruned=0))
