"""What a sweep found: the result that ``labkit.sweep`` returns."""

from pathlib import Path

import numpy as np

from labkit import space as spaces
from labkit.errors import SweepError
from labkit.settings import shown
from labkit.sweep import slots
from labkit.sweep.job import Job, train
from labkit.sweep.storage import is_database
from labkit.sweep.worker import weights_file


class Study:
    """The trials of a sweep, finished or not.

    Example:
        >>> study = labkit.sweep(models.mlp, data, space, trials=20, epochs=3)
        >>> study.best_params
        {'learning_rate': 0.0021, 'dropout': 0.23}
        >>> model = study.best_model()
    """

    def __init__(self, optuna, storage: str, job: Job | None = None):
        self.optuna = optuna
        """The underlying ``optuna.Study``."""
        self.storage = storage
        self._job = job

    @property
    def name(self) -> str:
        return self.optuna.study_name

    @property
    def trials(self) -> list:
        """Optuna's trials, one a slot; they have finished, run, or wait."""
        return slots.results(self.optuna)

    @property
    def best_trial(self):
        """The finished trial with the highest validation accuracy.

        Raises:
            SweepError: none has finished.
        """
        finished = [t for t in self.trials if t.state.name == "COMPLETE"]
        if not finished:
            failed = [t.user_attrs.get("reason") for t in self.trials if t.state.name == "FAIL"]
            why = f" The first that failed said: {failed[0]}" if failed else ""
            raise SweepError(
                f"No trial of {self.name!r} has finished.{why} Call labkit.sweep again with the "
                "same study to go on, or correct the builder and choose another name."
            )
        return max(finished, key=lambda t: (t.value, -t.number))

    @property
    def best_value(self) -> float:
        """The validation accuracy of the best trial, after its best epoch."""
        return self.best_trial.value

    @property
    def best_params(self) -> dict:
        """The parameters of the best trial, as the builder and ``fit`` take them."""
        params = self.best_trial.params
        return spaces.values(self._job.space, params) if self._job else params

    def best_model(self):
        """The model of the best trial, with the weights of its best epoch.

        Its weights lie beside the journal. Where they do not, because the trial ran on
        another machine, the model is trained again with the same parameters and seed.

        Raises:
            SweepError: no trial has finished, or the study was only looked up by name.
        """
        job = self._need_job()
        best, params = self.best_trial, self.best_params
        path = job.folder and weights_file(job.folder, best.number)
        if path and path.exists():
            model = spaces.call(job.build, job.data, spaces.split(params)[0], job.seed)
            with np.load(path) as weights:  # arrays only: NumPy refuses pickled objects
                model.set_weights([weights[f"arr_{i}"] for i in range(len(weights))])
            return model
        print(f"The weights of trial {best.number} are not on this machine: training it again.")
        return train(job, params, verbose=True)[0]

    def tidy(self) -> None:
        """Delete the weights of finished trials that are not the best."""
        if self._job and self._job.folder:
            done = [t for t in self.trials if t.state.is_finished()]
            for trial in sorted(done, key=lambda t: (t.value or 0, -t.number))[:-1]:
                weights_file(self._job.folder, trial.number).unlink(missing_ok=True)

    def table(self):
        """A pandas DataFrame with a row for each trial, the best first.

        Columns: trial, state ("complete", "pruned", "failed", "running" or "waiting"),
        accuracy (on the validation split; of a pruned trial, its last), epochs, seconds,
        each parameter, and the reason of a failure.
        """
        import pandas as pd

        names = list(self.optuna.user_attrs["identity"]["space"])
        rows = [
            {
                "trial": t.number,
                "state": _STATES[t.state.name],
                "accuracy": t.value if t.value is not None else _last(t),
                "epochs": t.last_step or 0,
                "seconds": t.user_attrs.get("seconds"),
                **{name: t.params.get(name) for name in names},
                "reason": t.user_attrs.get("reason", ""),
            }
            for t in self.trials
        ]
        order = list(_STATES.values())
        rows.sort(key=lambda r: (order.index(r["state"]), -(r["accuracy"] or 0), r["trial"]))
        return pd.DataFrame(rows, columns=list(rows[0]) if rows else None)

    def importances(self) -> dict[str, float]:
        """How much each parameter matters, as shares that add up to 1, the largest first.

        By PED-ANOVA (Watanabe et al., 2023, https://arxiv.org/abs/2304.10255), which looks at
        how the parameters of the better trials differ from those of all.

        Raises:
            SweepError: fewer than twenty trials have finished, too few to tell.
        """
        import optuna

        finished = [t for t in self.trials if t.state.name == "COMPLETE"]
        if len(finished) < _ENOUGH:
            raise SweepError(
                f"{len(finished)} trials have finished, too few to tell what matters. Let at "
                f"least {_ENOUGH} finish: more trials, or pruner=None."
            )
        study = optuna.create_study(direction="maximize")
        study.add_trials(finished)
        found = optuna.importance.get_param_importances(study)
        total = sum(found.values()) or 1
        return {name: share / total for name, share in found.items()}

    def explain(self) -> str:
        """What the sweep did and found, in words."""
        counts = slots.count(self.optuna)
        identity = self.optuna.user_attrs["identity"]
        said = [
            f"Study {self.name!r} looked for the best {', '.join(identity['space'])} of "
            f"{identity['build']} on {identity['data']}.",
            f"Of {counts.slots} trials, {counts.complete} ran to the end, {counts.pruned} were "
            f"pruned because they fell behind, {counts.failed} failed"
            + (f", and {counts.left} are left." if counts.left else "."),
        ]
        if not counts.complete:
            return " ".join([*said, "Nothing can be said before one has finished."])
        best = self.best_trial
        params = ", ".join(f"{name} = {spaces.text(value)}" for name, value in best.params.items())
        said.append(
            f"The best was trial {best.number}, with {params}: {best.value:.4f} of the examples "
            "held back were right."
        )
        values = sorted((t.value for t in self.trials if t.value is not None), reverse=True)
        if len(values) > 1:
            said.append(
                f"The next best reached {values[1]:.4f}, the median {values[len(values) // 2]:.4f}."
            )
        try:
            name, share = next(iter(self.importances().items()))
            said.append(f"What mattered most was {name} ({share:.0%} of the differences).")
        except SweepError:
            said.append(
                f"With fewer than {_ENOUGH} finished trials one cannot tell what matters most."
            )
        for name, one in (self._job.space if self._job else {}).items():
            edge = _edge(one, best.params[name])
            if edge:
                said.append(
                    f"Its {name} lies at the {edge} end of the range: a wider one may hold better."
                )
        said.append(
            "The accuracy is a little too good, because the best of many was chosen by it: "
            "evaluate the model once on the test set."
        )
        return " ".join(said)

    def _need_job(self):
        if self._job is None:
            raise SweepError(
                "This study was looked up by name, without its builder and data. Call "
                "labkit.sweep with them and the same study."
            )
        return self._job

    def __repr__(self):
        counts = slots.count(self.optuna)
        where = "" if is_database(self.storage) else f" in {Path(self.storage).name}"
        best = f", best {self.best_value:.4f}" if counts.complete else ""
        return (
            f"Study {self.name!r}{where or ' in ' + shown(self.storage)}: {counts.done} of "
            f"{counts.slots} trials done, {counts.pruned} pruned, {counts.failed} failed{best}"
        )


_ENOUGH = 20  # trials; the shares of a dozen are mostly luck
_STATES = {
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "RUNNING": "running",
    "WAITING": "waiting",
    "FAIL": "failed",
}


def _last(trial):
    return trial.intermediate_values.get(trial.last_step)


def _edge(one, value):
    """Whether a value lies in the outer tenth of its range, and at which end."""
    if isinstance(one, spaces.Choice):
        return None
    points = one.points(21)
    tenth = len(points) // 10
    if value <= points[tenth]:
        return "low"
    return "high" if value >= points[-1 - tenth] else None
