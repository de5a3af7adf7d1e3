"""A sweep described by a Python file, as pods run it: ``labkit sweep create|work``."""

import runpy
from pathlib import Path

from labkit.errors import SweepError
from labkit.sweep import job as jobs
from labkit.sweep import process
from labkit.sweep.storage import place
from labkit.sweep.study import Study


def create(file: Path, *, trials: int, study: str, storage: str | None, **options) -> Study:
    """Make the study that ``file`` describes, or extend it to ``trials``.

    Raises:
        SweepError: the file does not define what it should, or the study is of another one.
    """
    job = jobs.make_job(*_read(file), study=study, storage=storage, **_DEFAULTS | options)
    return Study(jobs.create(job, trials), job.storage, job)


def work(file: Path, *, study: str, storage: str | None) -> Study:
    """Be a worker of a study that was created before, until it is complete.

    Raises:
        SweepError: as for :func:`create`.
    """
    where = place(study, storage)
    found = jobs.find(study, where)
    identity = found.user_attrs["identity"]
    options = {key: identity[key] for key in ("epochs", "recipe", "sampler", "seed", "validation")}
    options["pruner"] = identity["pruner"]
    job = jobs.make_job(*_read(file), study=study, storage=storage, **options)
    jobs.compare(job, identity)
    process.here(job)
    return Study(found, where, job)


_DEFAULTS = {"validation": 0.1, "pruner": "halving"}


def _read(file):
    if not Path(file).is_file():
        raise SweepError(f"There is no file {file}. Name one that defines build, data and space.")
    defined = runpy.run_path(str(file))
    missing = [name for name in ("build", "data", "space") if name not in defined]
    if missing:
        raise SweepError(
            f"{file} does not define {' and '.join(missing)}. It has to define build, data and "
            "space, as labkit.sweep takes them."
        )
    return defined["build"], defined["data"], defined["space"]
