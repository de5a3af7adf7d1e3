"""A study's journal survives kills and full disks; each slot is filled once."""

import json
import subprocess
import sys
import threading

import optuna
import pytest
from optuna.trial import TrialState

from labkit.errors import SweepError
from labkit.settings import shown
from labkit.sweep import slots
from labkit.sweep.storage import connect, mend, place


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "s.journal"


def make(journal, trials=4, **attributes):
    study = optuna.create_study(
        study_name="s", storage=connect(str(journal)), direction="maximize", load_if_exists=True
    )
    for key, value in ({"trials": trials} | attributes).items():
        study.set_user_attr(key, value)
    slots.fill(study)
    return study


def take(study, sampler=optuna.samplers.RandomSampler):
    trial = slots.take(study, lambda trial_id, mark: None, lambda slot: sampler(seed=slot))
    if trial:
        trial.suggest_float("x", 0, 1)
    return trial


def finish(study, trial, value=0.5):
    slots.tell(study, trial._trial_id, TrialState.COMPLETE, value)


def test_every_slot_gets_one_result_however_many_work(journal):
    make(journal, trials=40)

    def work():
        study = optuna.load_study(study_name="s", storage=connect(str(journal)))
        while trial := take(study):
            finish(study, trial)

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    study = make(journal, trials=40)
    assert slots.count(study) == slots.Counts(40, complete=40, pruned=0, failed=0, running=0)
    assert len(study.trials) == 40
    assert len({trial.params["x"] for trial in study.trials}) == 40, "no two draw the same"


def test_a_sampler_learns_from_the_trials_before(journal):
    study = make(journal, trials=40)
    while trial := take(study, optuna.samplers.TPESampler):
        finish(study, trial, value=-abs(trial.params["x"] - 0.7))
    away = [-trial.value for trial in study.trials]
    # The first ten are random.
    assert sum(away[10:]) / 30 < sum(away[:10]) / 10 / 2, "the others lie much closer to the best"


def test_a_lost_trial_is_tried_again_with_its_parameters(journal):
    study = make(journal)
    trial = take(study)
    slots.lose(study, trial._trial_id, "its worker died")
    slots.fill(study)
    assert slots.count(study).left == 4
    again = [take(study) for _ in range(4)]
    assert trial.params["x"] in [t.params["x"] for t in again]
    for t in again:
        finish(study, t)
    assert slots.count(study).complete == 4 and slots.count(study).failed == 0


def test_a_trial_that_kills_every_worker_fails_with_its_reason(journal):
    study = make(journal, trials=1)
    for _ in range(slots.ATTEMPTS):
        slots.lose(study, take(study)._trial_id, "memory ran out")
        slots.fill(study)
    assert take(study) is None
    assert slots.count(study).failed == 1
    assert slots.results(study)[0].user_attrs["reason"] == "memory ran out"


def test_who_is_told_too_late_changes_nothing(journal):
    study = make(journal, trials=1)
    trial = take(study)
    slots.lose(study, trial._trial_id, "not heard of any more")
    finish(study, trial)
    slots.fill(study)
    again = take(study)
    finish(study, again, 0.9)
    slots.lose(study, again._trial_id, "its worker died")
    assert slots.count(study).complete == 1 and slots.results(study)[0].value == 0.9


def test_a_slot_that_was_filled_twice_has_one_result(journal):
    study = make(journal, trials=1)
    study.enqueue_trial({}, user_attrs={"slot": 0, "attempt": 1})
    finish(study, take(study))
    assert take(study) is None
    assert slots.count(study).complete == 1
    assert [t.state.name for t in study.trials] == ["COMPLETE", "FAIL"]


def test_more_trials_are_added_to_those_that_are_there(journal):
    study = make(journal, trials=2)
    finish(study, take(study))
    study = make(journal, trials=5)
    assert slots.count(study).complete == 1 and slots.count(study).left == 4


def test_a_grid_keeps_its_rows_when_trials_are_lost(journal):
    rows = [{"x": 0.25}, {"x": 0.75}]
    study = make(journal, trials=2, grid=rows)
    slots.lose(study, take(study)._trial_id, "its worker died")
    slots.fill(study)
    assert sorted(take(study).params["x"] for _ in rows) == [0.25, 0.75]


def test_half_a_line_is_cut_off_and_kept(journal):
    study = make(journal)
    finish(study, take(study))
    whole = journal.read_bytes()
    with open(journal, "ab") as file:
        file.write(b'{"op_code":5,"worker_')
    study = optuna.load_study(study_name="s", storage=connect(str(journal)))
    assert journal.read_bytes() == whole
    (kept,) = journal.parent.glob("*.torn-*")
    assert kept.read_bytes() == b'{"op_code":5,"worker_'
    finish(study, take(study))
    assert slots.count(study).complete == 2


def test_a_line_torn_while_others_work_does_not_spoil_theirs(journal):
    study = make(journal)
    trial = take(study)
    with open(journal, "ab") as file:
        file.write(b'{"op_code":5')
    finish(study, trial)
    assert all(json.loads(line) for line in journal.read_text().splitlines())
    again = optuna.load_study(study_name="s", storage=connect(str(journal)))
    assert slots.count(again).complete == 1


def test_mending_reads_back_over_long_lines(tmp_path):
    path = tmp_path / "j"
    path.write_bytes(b"a\n" + b"b" * 200_000)
    assert mend(path).read_bytes() == b"b" * 200_000
    assert path.read_bytes() == b"a\n"
    assert mend(path) is None


FULL = """
import resource, sys, optuna
from labkit.sweep.storage import connect
study = optuna.load_study(study_name="s", storage=connect(sys.argv[1]))
size = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
for i in range(100):
    study.set_user_attr(f"key{i}", "x" * 50)
"""


def test_a_write_that_does_not_fit_leaves_no_trace(journal):
    make(journal)
    limit = journal.stat().st_size + 1000
    tried = subprocess.run(
        [sys.executable, "-c", FULL, journal, str(limit)], capture_output=True, text=True
    )
    assert "OSError" in tried.stderr or "File too large" in tried.stderr
    assert journal.read_bytes().endswith(b"\n") and journal.stat().st_size <= limit
    study = optuna.load_study(study_name="s", storage=connect(str(journal)))
    study.set_user_attr("after", 1)
    assert "key0" in study.user_attrs and "key99" not in study.user_attrs


KILLED = """
import os, signal, sys
from filelock import FileLock
lock = FileLock(sys.argv[1] + ".lock")
lock.acquire()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_lock_ends_with_its_process(journal):
    study = make(journal)
    subprocess.run([sys.executable, "-c", KILLED, str(journal)])
    finish(study, take(study))
    assert slots.count(study).complete == 1


def test_where_a_study_lies(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_STUDIES", str(tmp_path))
    assert place("clothes", None) == str(tmp_path / "clothes.journal")
    assert place("clothes", tmp_path / "other") == str(tmp_path / "other" / "clothes.journal")
    assert place("clothes", tmp_path / "my.journal") == str(tmp_path / "my.journal")
    url = "postgresql+psycopg://user:secret@db.example/studies"
    assert place("clothes", url) == url
    assert shown(url) == "postgresql+psycopg://db.example/studies", "passwords are not shown"


@pytest.mark.parametrize(
    "study, storage, message",
    [
        ("../evil", None, "cannot be called"),
        ("", None, "cannot be called"),
        ("s", "postgresql://db/x", r"postgresql\+psycopg://"),
    ],
)
def test_a_place_that_cannot_be(study, storage, message):
    with pytest.raises(SweepError, match=message):
        place(study, storage)


def test_an_address_that_nothing_understands_says_so():
    with pytest.raises(SweepError, match="nonsense://x cannot be opened.*address is right"):
        connect("nonsense://user:secret@x")


def test_a_folder_that_is_closed_says_so(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(SweepError, match="cannot be opened.*you may write there"):
        connect(str(blocked / "s.journal"))
