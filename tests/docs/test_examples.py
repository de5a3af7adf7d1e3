"""The examples in docstrings run, and show what they say they show."""

import ast
import doctest
import functools
import importlib
import os
import pkgutil
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import requests
from matplotlib import pyplot
from PIL import Image

import labkit
from labkit import models, space, store, stream

INTERNET = "needs the internet"
WEIGHTS = "needs weights from ImageNet"
ELSEWHERE = {
    "labkit.data.download.download": INTERNET,
    "labkit.data.load.mirror": INTERNET,
    "labkit.data.weights.available_weights": WEIGHTS,
    "labkit.data.weights.fetch_weights": INTERNET,
    "labkit.data.weights.find_weights": WEIGHTS,
    "labkit.data.weights.imagenet_classes": WEIGHTS,
    "labkit.data.weights.mirror_weights": WEIGHTS,
    "labkit.k8s.classroom": "tests/k8s/test_classroom.py",
    "labkit.models.transfer.classifier": WEIGHTS,
    "labkit.models.transfer.decode": WEIGHTS,
    "labkit.models.transfer.fine_tune": WEIGHTS,
    "labkit.models.transfer.transfer": WEIGHTS,
    "labkit.pod.copy_labs": "tests/unit/test_pod.py",
    "labkit.store.forms.read_joblib": "tests/unit/test_store.py",
    "labkit.stream.classifying.classify": "tests/unit/test_stream.py",
    "labkit.stream.connection.Connection": "tests/unit/test_stream_connection.py",
    "labkit.stream.connection.connect": "tests/unit/test_stream_connection.py",
    "labkit.stream.reading.read": "tests/unit/test_stream.py",
    "labkit.stream.replaying.replay": "tests/unit/test_stream.py",
    "labkit.stream.watching.watch": "tests/unit/test_stream_watch.py",
    "labkit.sweep.load_study": "tests/unit/test_sweep.py",
    "labkit.sweep.measures.registry": "tests/unit/test_sweep_measures.py",
    "labkit.sweep.study.Study": "tests/unit/test_sweep.py",
    "labkit.sweep.sweep": "tests/unit/test_sweep.py",
    "labkit.training.meeting.Meeting": "tests/unit/test_training_parallel.py",
    "labkit.training.parallel.ParallelHistory": "tests/unit/test_training_parallel.py",
    "labkit.training.parallel.fit_parallel": "tests/unit/test_training_parallel.py",
    "labkit.training.shares.Share": "tests/unit/test_training_parallel.py",
    "labkit.zoo.train": "tests/unit/test_zoo.py",
}
"""What is not run here, and why, or where it is tested."""

VARIES = {
    "labkit.check.record.progress",
    "labkit.data.pipeline.Augment",
    "labkit.data.pipeline.batches",
    "labkit.data.pipeline.single_pass",
    "labkit.doctor.doctor",
    "labkit.models.builders.probabilities",
    "labkit.store.Version",
    "labkit.store.save",
    "labkit.stream.collecting.collect",
    "labkit.stream.sending.send",
    "labkit.training.fitting.History",
    "labkit.training.shares.share_out",
    "labkit.widgets.boundary.Playground",
}
"""Where the numbers are others each time, or on the sample; all but the numbers has to agree."""

NOTES = r"(?m)^(Note: this is SAMPLE DATA.*\n|No Kafka is configured\. )"
"""What is said beside the result, because the tests have neither."""


def examples():
    """Every docstring of labkit's public names with an example, by the name it belongs to.

    But those of the panels of lab c2, which take functions that the learner writes there.
    """
    names = [m.name for m in pkgutil.walk_packages(labkit.__path__, "labkit.")]
    found = {}
    for name in ["labkit", *(n for n in names if n != "labkit.__main__")]:
        module = importlib.import_module(name)
        for test in doctest.DocTestFinder().find(module, name):
            if test.examples and not re.search(r"\._[a-z]|widgets\.neurons\.", test.name):
                found[test.name] = test
    return found


EXAMPLES = examples()


class Checker(doctest.OutputChecker):
    def __init__(self, numbers_vary):
        self.numbers_vary = numbers_vary

    def check_output(self, want, got, flags):
        if not want:
            return True  # an example may leave out what it shows
        want, got = want.replace("…", "..."), re.sub(NOTES, "", got)
        if self.numbers_vary:
            want, got = (re.sub(r"\d([\w,.:-]*\w)?", "0", text) for text in (want, got))
        return super().check_output(want, got, flags)


# What the examples take as given, made when one of them names it.


@functools.cache
def data():
    return labkit.load("mnist", limit=300)


@functools.cache
def model():
    labkit.keras.backend.clear_session()  # whose layers are called max_pooling2d, not …_7
    return models.cnn(data(), filters=(4, 4))


@functools.cache
def history():
    return labkit.fit(model(), data(), epochs=2, verbose=False)


@functools.cache
def study():
    from tests.unit.test_plot_studies import study_of

    return study_of(20)


def canvas():
    return np.zeros((280, 280))


def prices():
    import pandas

    return pandas.Series([100, 140, 180])


def plt():
    from matplotlib import pyplot

    return pyplot


MAKERS = {
    **{"data": data, "model": model, "history": history, "classic": history, "fast": history},
    **{"study": study, "grid": study, "random": study, "tpe": study},
    **{"canvas": canvas, "plt": plt, "prices": prices},
}


def line():
    """A straight line through a table, as lab 01 fits it."""
    from sklearn.linear_model import LinearRegression

    data = labkit.load("linear_regression")
    model = LinearRegression().fit(data.x_train, data.y_train)
    return {"data": data, "model": model, "x_test": data.x_test, "y_test": data.y_test}


def saved():
    store.save(model(), "mnist-cnn", data=data(), metrics={"accuracy": 0.991})
    return {}


def sent():
    stream.send("my_cat.jpg", "training-pictures", label="cats")
    return {}


def two_classes():
    data = labkit.load("cats_and_dogs", limit=20)
    return {"data": data, "model": models.cnn(data, filters=(2, 2))}


BEFORE = {
    "labkit.models.builders.probabilities": two_classes,
    "labkit.plot.coefficients": line,
    "labkit.plot.predicted_vs_actual": line,
    "labkit.store.Version": saved,
    "labkit.store.load": saved,
    "labkit.stream.collecting.collect": sent,
}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """A folder with a photograph, photographs by class, and a lab; and nobody's models."""
    folder = tmp_path_factory.mktemp("examples")
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 48, 3), dtype=np.uint8)
    photographs = iter(map(Image.fromarray, noise))
    next(photographs).save(folder / "my_cat.jpg")
    for place in ("cats_and_dogs/cats", "cats_and_dogs/dogs", "rabbits/rabbits"):
        (folder / place).mkdir(parents=True)
        for i in range(10):
            next(photographs).save(folder / place / f"{i}.jpg")
    lab = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    (folder / "notebooks").mkdir()
    for name in ("lab.ipynb", "notebooks/01-lab.ipynb"):
        nbformat.write(lab, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LABKIT_")]:
            patch.delenv(name)
        patch.setenv("LABKIT_DATA", "sample")
        patch.setenv("LABKIT_HEADLESS", "1")
        for name in ("CACHE", "PROGRESS", "STORE", "STUDIES"):
            patch.setenv(f"LABKIT_{name}", str(folder / f".{name.lower()}"))
        # Handouts as PDF are for machines with Chromium; tests/docs/test_handouts.py makes them.
        patch.setattr("labkit.notebooks.chromium", lambda: None)
        patch.chdir(folder)
        yield


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - ELSEWHERE.keys()))
def test_an_example_runs_and_shows_what_it_says(name):
    test = EXAMPLES[name]
    test.examples = [one for one in test.examples if "s3://" not in one.source]
    tree = ast.parse("".join(one.source for one in test.examples))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    given = {"uniform": space.uniform, "log_uniform": space.log_uniform}
    given |= {"labkit": labkit, "models": models, "nbformat": nbformat, "np": np, "Path": Path}
    given |= {"requests": requests, "store": store, "stream": stream} | test.globs
    given |= {one: make() for one, make in MAKERS.items() if one in used and one not in given}
    test.globs = given | BEFORE.get(name, dict)()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    said = []
    runner = doctest.DocTestRunner(Checker(name in VARIES), verbose=False, optionflags=flags)
    try:
        assert not runner.run(test, out=said.append).failed, "".join(said)
    finally:
        pyplot.close("all")


def test_what_is_not_run_here_is_there_to_be_run():
    assert not (ELSEWHERE.keys() | VARIES | BEFORE.keys()) - EXAMPLES.keys()
    files = [reason for reason in ELSEWHERE.values() if reason.startswith("tests/")]
    assert all((Path(__file__).parents[2] / file).is_file() for file in files)
