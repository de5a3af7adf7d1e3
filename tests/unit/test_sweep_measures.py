"""What a sweep's workers tell Prometheus: in this process, and as `labkit sweep work` does it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
import requests
from optuna.trial import TrialState
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from labkit.errors import SweepError
from labkit.sweep import measures, slots
from labkit.sweep.storage import connect
from tests.services.ports import free_port

TUNE = Path(__file__).parents[1] / "services" / "tune.py"


def values(text):
    """The labkit_* samples of an exposition, by name and state."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("labkit_"):
                assert sample.labels["study"] == "s"
                found[sample.name, sample.labels.get("state")] = sample.value
    return found


def told(registry):
    return values(generate_latest(registry).decode())


@pytest.fixture
def study(tmp_path):
    """A study of six trials: one complete, one pruned, one failed, one running."""
    storage = connect(str(tmp_path / "s.journal"))
    study = optuna.create_study(study_name="s", storage=storage, direction="maximize")
    study.set_user_attr("identity", {})
    study.set_user_attr("trials", 6)
    slots.fill(study)
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, None):
        trial = slots.take(
            study, lambda trial_id, mark: None, lambda slot: optuna.samplers.RandomSampler()
        )
        if state:
            value = 0.75 if state == TrialState.COMPLETE else None
            slots.tell(study, trial._trial_id, state, value)
    return study


def test_a_study_is_told_by_state(study, tmp_path):
    found = told(measures.registry("s", tmp_path / "s.journal"))
    states = {state: value for (name, state), value in found.items() if state}
    assert states == {"complete": 1, "pruned": 1, "failed": 1, "running": 1, "waiting": 2}
    assert found["labkit_sweep_trials_asked", None] == 6
    assert found["labkit_sweep_best_value", None] == 0.75
    assert found["labkit_sweep_storage_up", None] == 1


def test_the_storage_is_read_once_in_ten_seconds(study, tmp_path, monkeypatch):
    registry = measures.registry("s", tmp_path / "s.journal")
    before = told(registry)
    study.set_user_attr("trials", 7)
    assert told(registry) == before, "what was read is told again"
    later = time.monotonic() + 11
    monkeypatch.setattr(measures.time, "monotonic", lambda: later)
    assert told(registry)["labkit_sweep_trials_asked", None] == 7


def test_a_storage_that_is_away_is_told_as_such(study, tmp_path, monkeypatch):
    registry = measures.registry("s", tmp_path / "s.journal")
    away = OSError("the database is away")
    monkeypatch.setattr(measures.slots, "count", lambda study: (_ for _ in ()).throw(away))
    assert told(registry) == {("labkit_sweep_storage_up", None): 0}


def test_without_a_study_there_is_nothing_to_tell(tmp_path):
    with pytest.raises(SweepError, match="Make it first"):
        measures.registry("s", tmp_path / "s.journal")


@pytest.mark.slow
def test_a_worker_answers_prometheus_while_it_trains(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_STUDIES", str(tmp_path))
    monkeypatch.setenv("LABKIT_DATA", "sample")
    sweep = [sys.executable, "-m", "labkit", "sweep"]
    options = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    made = subprocess.run(
        [*sweep, "create", TUNE, "--study", "s", "--trials", "4", "--epochs", "1"],
        timeout=120,
        **options,
    )
    assert made.returncode == 0, made.stdout
    port = free_port()
    worker = subprocess.Popen(
        [*sweep, "work", TUNE, "--study", "s", "--metrics-port", str(port)],
        env=os.environ | {"SLOW": "12"},  # longer than what was read is kept
        **options,
    )
    try:
        end, seen = time.monotonic() + 120, {}
        while not seen.get(("labkit_sweep_best_value", None)):
            assert worker.poll() is None, worker.stdout.read()
            assert time.monotonic() < end, f"no trial was told as complete: {seen}"
            time.sleep(0.5)
            try:
                answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)
            except requests.ConnectionError:
                continue  # it is still starting
            seen = values(answer.text)
        assert seen["labkit_sweep_trials_asked", None] == 4
        assert seen["labkit_sweep_trials", "complete"] >= 1
        assert 0 < seen["labkit_sweep_best_value", None] <= 1
        assert "process_resident_memory_bytes" in answer.text or sys.platform != "linux"
        taken = subprocess.run(
            [*sweep, "work", TUNE, "--study", "s", "--metrics-port", str(port)],
            timeout=120,
            **options,
        )
        assert taken.returncode == 1 and "Choose another: --metrics-port" in taken.stdout
    finally:
        worker.kill()
        worker.wait()
