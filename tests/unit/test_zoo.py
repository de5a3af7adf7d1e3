"""The models of the labs by name: trained, saved, and found again by a server that needs them."""

import re
import subprocess
import sys
import time

import numpy as np
import pytest
import requests

from labkit import store, zoo
from labkit.data import CATALOGUE
from labkit.errors import LabError


def test_a_name_is_all_it_takes(tmp_path, capsys):
    version = zoo.train("linear-regression", url=tmp_path)
    assert (version.name, version.number, version.kind) == ("linear-regression", 1, "sklearn")
    assert version.metrics["r2"] > 0.5
    assert version.data["source"] == "sample", "the version says what it learned from"
    assert "SAMPLE DATA" in capsys.readouterr().out
    assert store.load("linear-regression", url=tmp_path).predict([[0, 0, 0, 0, 0]]).shape == (1,)


def test_every_recipe_is_one_of_data_that_there_are():
    assert {recipe.data for recipe in zoo.RECIPES.values()} <= set(CATALOGUE)


def test_an_unknown_name_says_which_there_are(tmp_path):
    with pytest.raises(LabError, match="no recipe for a model 'mnist'.*mnist-cnn"):
        zoo.train("mnist", url=tmp_path)


class Says:
    """A model that always says the same class."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, pictures, **_):
        return np.tile(self.answer, (len(pictures), 1))


def test_a_model_that_forgets_a_class_is_not_saved():
    data = zoo.load("mnist", limit=100)
    with pytest.raises(LabError, match="never says 1, 2, 3, 4, 5, 6, 7, 8, 9: too little learned"):
        zoo._judged(Says(np.eye(10)[0]), data)


@pytest.mark.slow
def test_a_fresh_pod_trains_what_it_serves_and_a_restarted_one_starts_at_once(tmp_path):
    command = [sys.executable, "-m", "labkit", "serve", "mnist-softmax", "linear-regression"]
    command += ["--store", str(tmp_path), "--port", "23500", "--train-if-missing"]

    def served():
        """What the server prints before its address, and how long that took."""
        began = time.monotonic()
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        lines = []
        try:
            for line in server.stdout:
                lines.append(line)
                if found := re.search(r"Serving .* at (\S+)", line):
                    took = time.monotonic() - began
                    body = {"data": [0] * 784}
                    answer = requests.post(f"{found[1]}predict", json=body, timeout=30).json()
                    assert 0 <= answer["prediction"] <= 9
                    return "".join(lines), took
        finally:
            server.terminate()
            server.wait(20)
        raise AssertionError("".join(lines))

    first, long = served()
    assert "There is no mnist-softmax in the store yet: training it." in first
    assert "SAMPLE DATA" in first
    second, short = served()
    assert "training" not in second and short < long
    assert [v.number for v in store.list(url=tmp_path)] == [1, 1], "nothing was trained again"
