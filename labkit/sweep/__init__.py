"""``labkit.sweep``: look for good hyperparameters, on all cores or across pods."""

from collections.abc import Callable
from pathlib import Path

from labkit.errors import SweepError
from labkit.space import Space

__all__ = ["load_study", "sweep"]


def sweep(
    build: Callable,
    data,
    space: Space,
    *,
    trials: int,
    epochs: int = 5,
    recipe: str = "classic",
    minutes: float | None = None,
    workers: int | str = "auto",
    study: str = "study",
    storage: str | Path | None = None,
    sampler: str = "tpe",
    pruner="halving",
    validation: float = 0.1,
    seed: int = 0,
):
    """Train many models with different parameters, and find the best ones.

    A trial builds a model, trains it with :func:`labkit.fit` and is judged by its accuracy
    on examples held back from the training part, after its best epoch, whose weights it
    keeps; the test part is never looked at. Which
    parameters are tried next depends on how the ones before did (the tree-structured
    Parzen estimator; Bergstra et al., 2011,
    https://papers.nips.cc/paper/4443-algorithms-for-hyper-parameter-optimization).

    The trials run in worker processes with one thread each, and are written down as they
    finish. Whatever stops a sweep, calling it again with the same arguments goes on where it
    stopped; with more ``trials`` it adds some. Ctrl-C stops after the trials that are
    running, a second one stops at once.

    Args:
        build: makes a compiled model of the data and parameters, such as ``models.cnn`` or a
            function of your own, ``def build(data, *, units, seed): …``.
        data: a :class:`labkit.data.Dataset`.
        space: what to choose from, see :mod:`labkit.space`. The parameters "epochs",
            "recipe", "learning_rate" and "batch_size" go to ``fit``, the others to ``build``.
        trials: how many the study is to have in all.
        epochs: how often a trial that is not pruned goes through the data.
        recipe: of :func:`labkit.fit`.
        minutes: after so long no trial is begun any more; ``None``: no limit.
        workers: how many processes, or "auto": one a core. One worker does the same trials in
            the same order each time; several do not.
        study: its name.
        storage: ``None``: a journal file in the folder LABKIT_STUDIES; another folder or
            ``.journal`` file; or the URL of a database that several machines reach, such as
            ``postgresql+psycopg://user@host/name``.
        sampler: "tpe", "random", or "grid": the finest grid of at most ``trials`` points.
        pruner: "halving" ends a trial after 2, 4, 8, … epochs unless it is in the better half
            there (asynchronous successive halving; Li et al., 2020,
            https://arxiv.org/abs/1810.05934); ``None`` ends none; or a pruner of Optuna.
        validation: the share of the training part that judges.
        seed: of the split, of what is drawn, and of each training.

    Returns:
        A :class:`labkit.sweep.study.Study`.

    Raises:
        SpaceError: the space does not fit the builder.
        SweepError: an argument does not fit, the study belongs to something else, or the
            storage cannot be used. A trial that fails does not raise: it is written down
            with its reason.

    Example:
        >>> space = {"learning_rate": log_uniform(1e-4, 1e-1), "dropout": uniform(0, 0.7)}
        >>> study = labkit.sweep(models.mlp, data, space, trials=20, study="clothes")
        >>> print(study.explain())
    """
    # Here, because `import labkit` loads this module, and has to be quick.
    from labkit.sweep import supervise
    from labkit.sweep.job import create, make_job
    from labkit.sweep.study import Study

    job = make_job(
        build,
        data,
        space,
        epochs=epochs,
        recipe=recipe,
        study=study,
        storage=storage,
        sampler=sampler,
        pruner=pruner,
        validation=validation,
        seed=seed,
    )
    if trials < 1:
        raise SweepError(f"trials is {trials}; give a whole number of at least 1.")
    if minutes is not None and minutes <= 0:
        raise SweepError(f"minutes is {minutes}; give a time above 0, or None for no limit.")
    if workers != "auto" and (not isinstance(workers, int) or workers < 1):
        raise SweepError(f"workers is {workers!r}; give a whole number of at least 1, or 'auto'.")
    made = create(job, trials)
    try:
        supervise.run(job, made, None if workers == "auto" else workers, minutes)
    finally:
        found = Study(made, job.storage, job)
        found.tidy()
    return found


def load_study(study: str = "study", *, storage: str | Path | None = None):
    """A study that was made before, to look at while it runs or afterwards.

    Raises:
        SweepError: there is none of that name.

    Example:
        >>> labkit.load_study("clothes").table()
    """
    from labkit.sweep.job import find
    from labkit.sweep.storage import place
    from labkit.sweep.study import Study

    where = place(study, storage)
    return Study(find(study, where), where)
