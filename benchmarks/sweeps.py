"""Sweeps: against Keras Tuner, two workers against one, and what a sweep adds to ``fit``.

    python benchmarks/sweeps.py [tuners|workers|overhead|pods] [--seconds N] [--seeds N]

Needs the real Fashion-MNIST (``LABKIT_DATA``), except for pods, and Keras Tuner
(``make bench`` installs it). What each part measures:

- tuners: labkit.sweep, and Keras Tuner's Hyperband and RandomSearch, on the same data,
  validation split, space, epochs and seconds. A trial counts at the moment when it is finished,
  with the accuracy of its best epoch. Importing TensorFlow counts, in workers as in the tuner's
  process.
- workers: the seconds of the same trials with one worker and with two.
- overhead: the seconds of the same trials in a sweep of one worker, without its start, and in a
  loop around fit, trial by trial in turn.
- pods: four ``labkit sweep work`` on the database ``--storage``, 200 short trials.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import labkit
from labkit import models
from labkit import space as spaces
from labkit.space import choice, integers, log_uniform, uniform

EXAMPLES, EPOCHS, VALIDATION = 10_000, 9, 0.2
SPACE = {
    "layers": integers(1, 3),
    "units": choice(32, 64, 128, 256),
    "dropout": uniform(0, 0.6),
    "learning_rate": log_uniform(1e-4, 3e-2),
    "batch_size": choice(32, 64, 128, 256),
}


def clothes():
    data = labkit.load("fashion_mnist", limit=EXAMPLES)
    if data.source.kind == "sample":
        sys.exit("This benchmark needs the real fashion_mnist: set LABKIT_DATA to its folder.")
    return data


def build(data, *, layers, units, dropout, seed):
    return models.mlp(data, units=(units,) * layers, dropout=dropout, seed=seed)


def labkit_sweep(data, seconds: float, seed: int) -> list[tuple[float, float]]:
    """The second at which each trial was finished, and its score."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        study = labkit.sweep(
            build,
            data,
            SPACE,
            trials=2000,
            epochs=EPOCHS,
            validation=VALIDATION,
            seed=seed,
            minutes=seconds / 60,
            storage=folder,
        )
        return [
            (trial.datetime_complete.timestamp() - began, trial.value)
            for trial in study.trials
            if trial.value is not None
        ]


def keras_tuner(name: str, data, seconds: float, seed: int) -> list[tuple[float, float]]:
    """The same of Keras Tuner."""
    found, began = [], time.time()
    import keras_tuner

    class Stop(Exception):
        pass

    class Clothes(keras_tuner.HyperModel):
        def build(self, hp):
            model = build(
                data,
                layers=hp.Int("layers", 1, 3),
                units=hp.Choice("units", SPACE["units"].values),
                dropout=hp.Float("dropout", 0, 0.6),
                seed=seed,
            )
            model.optimizer.learning_rate = hp.Float("learning_rate", 1e-4, 3e-2, sampling="log")
            return model

        def fit(self, hp, model, *args, **kwargs):
            batch_size = hp.Choice("batch_size", SPACE["batch_size"].values)
            return model.fit(*args, batch_size=batch_size, **kwargs)

    class Timed(getattr(keras_tuner, name)):
        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            if trial.score is not None:
                found.append((time.time() - began, trial.score))
            if time.time() - began > seconds:
                raise Stop

    budget = {"max_epochs": EPOCHS} if name == "Hyperband" else {"max_trials": 2000}
    epochs = {} if name == "Hyperband" else {"epochs": EPOCHS}
    (x, y), held_back = labkit.training.split(data, validation=VALIDATION, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        tuner = Timed(Clothes(), objective="val_accuracy", seed=seed, directory=folder, **budget)
        with contextlib.suppress(Stop):
            tuner.search(x, y, validation_data=held_back, verbose=0, **epochs)
    return found


CONTENDERS = {
    "labkit.sweep": labkit_sweep,
    "Hyperband": lambda *a: keras_tuner("Hyperband", *a),
    "RandomSearch": lambda *a: keras_tuner("RandomSearch", *a),
}


def in_a_process(name: str, seconds: float, seed: int) -> list[tuple[float, float]]:
    """A contender's trials that were finished in time; a process of its own for each."""
    command = [sys.executable, __file__, "one", "--contender", name, "--seed", str(seed)]
    out = subprocess.run(
        [*command, "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    trials = json.loads(out.splitlines()[-1])
    return sorted((at, score) for at, score in trials if at <= seconds)


def tuners(seconds: float, seeds: int) -> None:
    rows = {name: [] for name in CONTENDERS}
    for seed in range(seeds):
        found = {name: in_a_process(name, seconds, seed) for name in CONTENDERS}
        for name, trials in found.items():
            best = max(score for _, score in trials)
            reached = [at for at, score in found["labkit.sweep"] if score >= best]
            rows[name].append((best, len(trials), min(reached, default=float("inf")) / seconds))
            print(f"seed {seed}  {name:13} best {best:.4f} of {len(trials)} trials", flush=True)
    print(f"\nReal Fashion-MNIST, {EXAMPLES} examples, {seconds:.0f} s, medians of {seeds} seeds")
    print(f"{'tool':13} {'best':>7} {'trials':>7}  share of the time after which labkit had that")
    for name, values in rows.items():
        best, trials, share = (statistics.median(v[i] for v in values) for i in range(3))
        print(f"{name:13} {best:7.4f} {trials:7.0f}  {share:.2f}")


def workers(seeds: int) -> None:
    data, ratios = clothes(), []
    for seed in range(seeds):
        seconds = {}
        for count in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                began = time.time()
                labkit.sweep(
                    build,
                    data,
                    SPACE,
                    trials=48,
                    epochs=EPOCHS,
                    sampler="random",
                    pruner=None,
                    workers=count,
                    seed=seed,
                    storage=folder,
                )
                seconds[count] = time.time() - began
        ratios.append(seconds[1] / seconds[2])
        print(f"seed {seed}  one {seconds[1]:.1f} s, two {seconds[2]:.1f} s", flush=True)
    print(f"\nTwo workers finish {statistics.median(ratios):.2f} times the trials of one")


def overhead(seeds: int) -> None:
    from labkit.sweep import job as jobs
    from labkit.sweep.worker import Worker

    data, trials = clothes(), 10 * seeds
    with tempfile.TemporaryDirectory() as folder:
        job = jobs.make_job(
            build,
            data,
            SPACE,
            epochs=EPOCHS,
            recipe="classic",
            study="overhead",
            storage=folder,
            sampler="tpe",
            pruner=None,
            validation=VALIDATION,
            seed=0,
        )
        study = jobs.create(job, trials)
        worker, sweep, loop = Worker(job, study), [], []
        began = time.perf_counter()
        while worker.step():
            sweep.append(time.perf_counter() - began)
            params = spaces.values(SPACE, study.get_trials(deepcopy=False)[len(loop)].params)
            to_build, to_fit = spaces.split(params)
            began = time.perf_counter()
            model = build(data, **to_build, seed=0)
            model.steps_per_execution = 8  # as in a sweep
            labkit.fit(model, data, epochs=EPOCHS, validation=VALIDATION, verbose=False, **to_fit)
            labkit.keras.utils.clear_session()
            loop.append(time.perf_counter() - began)
            began = time.perf_counter()
    ratios = [a / b for a, b in zip(sweep, loop, strict=True)]
    print(f"\nA trial of a sweep takes {statistics.median(ratios):.3f} times build and fit")


def pods(storage: str | None) -> None:
    if not storage:
        sys.exit("Name an empty PostgreSQL database: --storage postgresql+psycopg://…")
    tune = Path(__file__).parents[1] / "tests/services/tune.py"
    call = [sys.executable, "-m", "labkit", "sweep"]
    common = [str(tune), "--study", "pods", "--storage", storage]
    subprocess.run([*call, "create", *common, "--trials", "200", "--epochs", "1"], check=True)
    began = time.time()
    pods = [subprocess.Popen([*call, "work", *common], stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [pod.wait() for pod in pods] == [0] * 4
    table = labkit.load_study("pods", storage=storage).table()
    print(
        f"\nFour workers finished a study of 200 trials in {time.time() - began:.0f} s "
        f"with {len(table)} results: {table['state'].value_counts().to_dict()}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", choices=("tuners", "workers", "overhead", "pods", "one"))
    parser.add_argument("--seconds", type=float, default=180, help="of each tuner")
    parser.add_argument("--seeds", type=int, default=3, help="the medians count")
    parser.add_argument("--storage", help="the database of pods")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["LABKIT_HEADLESS"] = "1"
    if options.part == "one":
        data = clothes()
        found = CONTENDERS[options.contender](data, options.seconds, options.seed)
        print(f"\n{json.dumps(found)}")
        return
    if options.part in (None, "tuners"):
        tuners(options.seconds, options.seeds)
    if options.part in (None, "workers"):
        workers(options.seeds)
    if options.part in (None, "overhead"):
        overhead(options.seeds)
    if options.part == "pods":
        pods(options.storage)


if __name__ == "__main__":
    main()
