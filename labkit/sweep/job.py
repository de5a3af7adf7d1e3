"""A sweep's description: what is tuned on what, and where that is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labkit import backend
from labkit import space as spaces
from labkit.errors import SweepError
from labkit.settings import shown
from labkit.sweep import slots
from labkit.sweep.storage import connect, is_database, patiently, place
from labkit.training import RECIPES, History, fit

SAMPLERS = ("tpe", "random", "grid")
METRIC = "val_accuracy"
_STEPS = 8  # training steps in one call of TensorFlow


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know."""

    study: str
    storage: str
    build: Callable
    data: object
    space: dict
    epochs: int
    recipe: str
    validation: float
    seed: int
    sampler: str
    pruner: object
    folder: Path | None = None
    """Where the weights of the best trial go; ``None``: nowhere."""

    def identity(self) -> dict:
        """What makes the study the study that it is; kept with it, compared on resuming."""
        pruner = self.pruner
        return {
            "build": getattr(self.build, "__name__", type(self.build).__name__),
            "data": f"{self.data.name}, {self.data.source.kind}, {len(self.data.x_train)} examples",
            "space": {name: repr(one) for name, one in self.space.items()},
            "epochs": self.epochs,
            "recipe": self.recipe,
            "validation": self.validation,
            "seed": self.seed,
            "sampler": self.sampler,
            "pruner": pruner if pruner in ("halving", None) else type(pruner).__name__,
        }


def train(job: Job, params: dict, callbacks=(), verbose: bool = False) -> tuple[object, History]:
    """A model with ``params``, trained, with the weights of its best epoch; and how that went."""
    to_build, to_fit = spaces.split(params)
    model = spaces.call(job.build, job.data, to_build, job.seed)
    # A call costs as much as a small network's step, and nobody looks on between two steps.
    model.steps_per_execution = max(_STEPS, model.steps_per_execution)
    # Where the builder has trained already, these still make one step a call: seven of eight
    # batches would be left out.
    model.train_function = model.test_function = None
    options = {"epochs": job.epochs, "recipe": job.recipe} | to_fit
    keep_best = backend.keras().callbacks.EarlyStopping(
        METRIC, mode="max", patience=options["epochs"], restore_best_weights=True
    )
    history = fit(
        model,
        job.data,
        seed=job.seed,
        validation=job.validation,
        callbacks=[*callbacks, keep_best],
        verbose=verbose,
        **options,
    )
    return model, history


def make_job(
    build, data, space, *, epochs, recipe, study, storage, sampler, pruner, validation, seed
) -> Job:
    """The arguments of :func:`sweep`, checked, as the workers get them.

    Raises:
        SpaceError: the space does not fit the builder.
        SweepError: another argument is none of those there are.
    """
    spaces.check(space, build)
    if recipe not in RECIPES:
        raise SweepError(f"There is no recipe {recipe!r}. Use one of: {', '.join(RECIPES)}.")
    if sampler not in SAMPLERS:
        raise SweepError(f"There is no sampler {sampler!r}. Use one of: {', '.join(SAMPLERS)}.")
    if isinstance(pruner, str) and pruner != "halving":
        raise SweepError(f"There is no pruner {pruner!r}. Use 'halving', None, or one of Optuna's.")
    where = place(study, storage)
    return Job(
        study=study,
        storage=where,
        build=build,
        data=data,
        space=dict(space),
        epochs=epochs,
        recipe=recipe,
        validation=validation,
        seed=seed,
        sampler=sampler,
        pruner=pruner,
        folder=None if is_database(where) else Path(f"{where}.best"),
    )


def create(job: Job, trials: int):
    """The Optuna study of ``job``, made, or extended to ``trials`` slots.

    Raises:
        SweepError: a study of that name is there, but of something else.
    """
    import optuna

    rows = grid_rows(job, trials) if job.sampler == "grid" else None
    trials = len(rows) if rows else trials
    storage = connect(job.storage)
    study = patiently(
        lambda: optuna.create_study(
            study_name=job.study, storage=storage, direction="maximize", load_if_exists=True
        )
    )
    found = study.user_attrs.get("identity")
    if found:
        compare(job, found)
    else:
        patiently(lambda: study.set_user_attr("identity", job.identity()))
    if rows:
        patiently(lambda: study.set_user_attr("grid", rows))
    if trials > study.user_attrs.get("trials", 0):
        patiently(lambda: study.set_user_attr("trials", trials))
    patiently(lambda: slots.fill(study))
    return study


def compare(job: Job, identity: dict) -> None:
    """Raise unless the study that is there is of the same thing as ``job``.

    Raises:
        SweepError: it is not.
    """
    for key, mine in job.identity().items():
        if identity.get(key) != mine:
            raise SweepError(
                f"The study {job.study!r} is there already, but its {key} is "
                f"{identity.get(key)!r}, and yours is {mine!r}. Choose another name: "
                f"study={job.study + '-2'!r}."
            )


def find(name: str, storage: str):
    """The Optuna study that is there already.

    Raises:
        SweepError: it is not there, or labkit did not make it.
    """
    import optuna

    advice = "Make it first: labkit sweep create."
    if not is_database(storage) and not Path(storage).exists():
        raise SweepError(f"There is no study in {storage}. {advice}")
    connected = connect(storage)
    try:
        study = patiently(lambda: optuna.load_study(study_name=name, storage=connected))
    except KeyError as error:
        there = ", ".join(repr(s.study_name) for s in connected.get_all_studies()) or "none"
        raise SweepError(
            f"There is no study {name!r} in {shown(storage)}; the studies there: {there}. {advice}"
        ) from error
    if "identity" not in study.user_attrs:
        raise SweepError(f"The study {name!r} was not made by labkit. Choose another name.")
    return study


def grid_rows(job: Job, trials: int) -> list[dict]:
    """The finest grid of at most ``trials`` points, as the storage writes them.

    Raises:
        SweepError: the coarsest one has more.
    """
    rows, points = spaces.grid(job.space, 2), 2
    if len(rows) > trials:
        raise SweepError(
            f"The coarsest grid over this space has {len(rows)} points, and there are {trials} "
            "trials. Ask for more trials, take parameters out, or use sampler='random'."
        )
    while len(finer := spaces.grid(job.space, points + 1)) <= trials and len(finer) > len(rows):
        rows, points = finer, points + 1
    return [{name: job.space[name].label(value) for name, value in row.items()} for row in rows]
