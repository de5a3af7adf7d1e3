"""A sweep survives what happens to programs: kills, a database that goes away, a full disk.

After each fault the sweep is called again, and then: all trials are there, none that had
finished was lost or run again, and no parameters were lost.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import psutil
import pytest
import requests
import sqlalchemy

import labkit
from labkit.machine import THREAD_VARIABLES
from labkit.sweep import job as jobs
from labkit.sweep import slots
from labkit.sweep.storage import connect, patiently, place
from tests.services.ports import free_port

ROOT = Path(__file__).parents[2]
TUNE = ROOT / "tests/services/tune.py"
PARENT = f"""
import runpy, sys, labkit
tune = runpy.run_path({str(TUNE)!r})
study = labkit.sweep(tune["build"], tune["data"], tune["space"], trials=int(sys.argv[2]), epochs=2,
                     study="s", storage=sys.argv[1], workers=int(sys.argv[3]), pruner=None,
                     minutes=float(sys.argv[4]) or None)
print("RESULT", study)
"""


def start(storage, trials=8, workers=2, slow=0.0, minutes=0.0):
    numbers = map(str, (trials, workers, minutes))
    return subprocess.Popen(
        [sys.executable, "-u", "-c", PARENT, str(storage), *numbers],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "LABKIT_HEADLESS": "1", "SLOW": str(slow)},
    )


def finish(storage, **options):
    out = start(storage, **options).communicate(timeout=300)[0]
    assert "RESULT" in out, out
    return out


def study_of(storage):
    return jobs.find("s", place("s", storage))


def trials_of(storage):
    return study_of(storage).get_trials(deepcopy=False)


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"it did not happen within {seconds} s")


def done(storage):
    def look():
        try:
            return {t.number: t.value for t in trials_of(storage) if t.value is not None}
        except labkit.LabError:
            return {}

    return look


def running(storage):
    def look():
        try:
            return [t for t in trials_of(storage) if t.state.name == "RUNNING" and t.params]
        except labkit.LabError:
            return []

    return look


def workers_of(process):
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end while it is looked at
            if "labkit.sweep.process" in " ".join(child.cmdline()):
                found.append(child)
    return found


def check(storage, before=None, trials=8):
    """All slots have one result, and what was there before is there still."""
    counts = slots.count(study_of(storage))
    assert (counts.done, counts.complete, counts.left) == (trials, trials, 0)
    found = trials_of(storage)
    results = [t for t in found if t.value is not None]
    assert Counter(t.user_attrs["slot"] for t in results) == Counter(range(trials))
    now = {t.number: t.value for t in results}
    assert (before or {}).items() <= now.items(), "a finished trial was lost"
    for lost in (t for t in found if "lost" in t.user_attrs):
        (result,) = (t for t in results if t.user_attrs["slot"] == lost.user_attrs["slot"])
        assert lost.params.items() <= result.params.items(), "parameters were lost"


@pytest.fixture(params=["journal", "postgresql"])
def storage(request, tmp_path):
    if request.param == "journal":
        return str(tmp_path / "s.journal")
    server = request.getfixturevalue("postgresql")
    name = "s" + re.sub(r"\W", "_", request.node.name)[-50:].lower()
    server.create(name)
    return server.url.replace("/studies", f"/{name}")


def test_a_killed_worker_is_replaced_and_its_trial_run_again(storage):
    parent = start(storage, slow=2)
    until(lambda: running(storage)() and workers_of(parent))
    before = done(storage)()
    workers_of(parent)[0].kill()
    out = parent.communicate(timeout=300)[0]
    assert "RESULT" in out, out
    check(storage, before)


def test_a_killed_parent_leaves_a_study_that_goes_on(storage):
    parent = start(storage, slow=1)
    until(lambda: done(storage)() and running(storage)())
    workers = workers_of(parent)
    parent.kill()
    before = done(storage)()
    until(lambda: not any(w.is_running() and w.status() != "zombie" for w in workers), 20)
    if "://" in storage:
        silence(storage)
    finish(storage)
    check(storage, before)


def test_two_parents_share_one_study(storage):
    parents = [start(storage, trials=10, workers=1, slow=0.3) for _ in range(2)]
    outs = [parent.communicate(timeout=300)[0] for parent in parents]
    assert all("RESULT" in out for out in outs), outs
    check(storage, trials=10)


def test_a_new_database_may_be_opened_by_many_at_once(postgresql):
    postgresql.create("new")
    url = postgresql.url.replace("/studies", "/new")
    ready = threading.Barrier(8)

    def open_it(_):
        ready.wait()
        return connect(url).get_all_studies()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(open_it, range(8))) == [[]] * 8


def test_ctrl_c_finishes_what_runs_and_twice_stops_at_once(storage):
    parent = start(storage, slow=2)
    until(lambda: done(storage)() and running(storage)())
    parent.send_signal(signal.SIGINT)
    out = parent.communicate(timeout=60)[0]
    assert "Stopping after the trials that are running" in out and "RESULT" in out
    states = Counter(t.state.name for t in trials_of(storage))
    assert states["RUNNING"] == 0 and states["COMPLETE"] >= 2 and states["FAIL"] == 0
    before = done(storage)()
    parent = start(storage, slow=30)
    until(running(storage))
    parent.send_signal(signal.SIGINT)
    time.sleep(0.5)
    parent.send_signal(signal.SIGINT)
    began = time.monotonic()
    out = parent.communicate(timeout=60)[0]
    assert time.monotonic() - began < 10 and "RESULT" in out
    finish(storage)
    check(storage, before)


def test_one_worker_does_the_same_again_and_stops_in_time(tmp_path):
    first, second = str(tmp_path / "a.journal"), str(tmp_path / "b.journal")
    finish(first, trials=5, workers=1)
    finish(second, trials=5, workers=1, minutes=0.001)
    assert slots.count(study_of(second)).left == 5, "the time was over before a trial began"
    finish(second, trials=5, workers=1)
    assert [(t.params, t.value) for t in trials_of(first)] == [
        (t.params, t.value) for t in trials_of(second)
    ]


def test_a_database_that_is_away_for_ten_seconds(postgresql):
    storage = postgresql.url
    parent = start(storage, trials=10, slow=1)
    until(lambda: done(storage)() and running(storage)())
    before = done(storage)()
    postgresql.kill()
    try:
        time.sleep(10)
        assert parent.poll() is None, parent.communicate()[0]
    finally:
        postgresql.start()
    out = parent.communicate(timeout=300)[0]
    assert "RESULT" in out, out
    check(storage, before, trials=10)


def test_a_database_that_goes_away_while_it_is_asked_for_the_trials(postgresql):
    study = optuna.create_study(storage=connect(postgresql.url))
    study.enqueue_trial({"x": 1})
    engine = study._storage._backend.engine
    started = []

    def start_in_a_second():
        time.sleep(1)
        postgresql.start()

    with ThreadPoolExecutor(1) as thread:

        def kill(connection, cursor, statement, *_):
            if "FROM trials" in statement and not started:
                postgresql.kill()
                started.append(thread.submit(start_in_a_second))

        sqlalchemy.event.listen(engine, "before_cursor_execute", kill)
        state = patiently(lambda: study.get_trials(deepcopy=False))[0].state.name
    started[0].result()
    assert state == "WAITING"


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root to mount it")
def test_a_disk_that_is_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    try:
        storage = str(disk / "s.journal")
        parent = start(storage, slow=0.5)
        until(lambda: done(storage)())
        ballast = disk / "ballast"
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        out = parent.communicate(timeout=120)[0]
        assert "RESULT" not in out and "Make room there" in out, out
        before = done(storage)()
        assert all(json.loads(line) for line in Path(storage).read_text().splitlines())
        ballast.unlink()
        finish(storage)
        check(storage, before)
    finally:
        subprocess.run(["umount", "-l", str(disk)])


def test_pods_finish_exactly_what_was_created(postgresql, tmp_path):
    """Four identical workers; one is evicted on the way."""
    url = postgresql.url.replace("/studies", "/postgres")
    call = [sys.executable, "-m", "labkit", "sweep"]
    environment = {**os.environ, "LABKIT_HEADLESS": "1", "LABKIT_STORAGE": url}
    subprocess.run(
        [*call, "create", str(TUNE), "--trials", "12", "--epochs", "1", "--study", "s"],
        check=True,
        env=environment,
        cwd=ROOT,
    )
    work = [*call, "work", str(TUNE), "--study", "s"]

    def pod():
        slow = environment | {"SLOW": "0.5"}
        return subprocess.Popen(work, env=slow, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    pods = [pod()]
    until(running(url))
    pods += [pod(), pod()]
    pods[0].send_signal(signal.SIGTERM)
    outs = [pod.communicate(timeout=300)[0] for pod in pods]
    assert pods[0].returncode == 143 and "another worker gets the trial" in outs[0]
    assert [pod.returncode for pod in pods[1:]] == [0, 0], outs
    counts = slots.count(study_of(url))
    assert (counts.done, counts.failed) == (12, 0)
    shown = subprocess.run(
        [*call, "show", "--study", "s"], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert "Of 12 trials" in shown.stdout and "labkit@" not in shown.stdout


def test_eight_pods_and_a_database_that_is_started_again(postgresql):
    """What `components/sweep` runs, with one worker that Prometheus asks."""
    postgresql.create("eight")
    url, port = postgresql.url.replace("/studies", "/eight"), free_port()
    call = [sys.executable, "-m", "labkit", "sweep"]
    environment = {**os.environ, "LABKIT_HEADLESS": "1", "LABKIT_STORAGE": url, "SLOW": "1"}
    environment |= dict.fromkeys(THREAD_VARIABLES, "1")
    create = [*call, "create", str(TUNE), "--trials", "24", "--epochs", "1", "--study", "s"]
    subprocess.run(create, check=True, env=environment, cwd=ROOT)
    work = [*call, "work", str(TUNE), "--study", "s"]
    pods = []
    for told in ([f"--metrics-port={port}"], *([] for _ in range(7))):
        pods.append(
            subprocess.Popen(
                [*work, *told],
                env=environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        until(lambda: len(running(url)()) >= 4 and done(url)())
        before = done(url)()
        postgresql.kill()
        time.sleep(3)
        assert [pod.poll() for pod in pods] == [None] * 8
        postgresql.start()
        until(lambda: len(done(url)()) > len(before) + 2)
        metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        assert 'labkit_sweep_trials_asked{study="s"} 24.0' in metrics
        outs = [pod.communicate(timeout=300)[0] for pod in pods]
    finally:
        for pod in pods:
            pod.kill()
    assert [pod.returncode for pod in pods] == [0] * 8, outs
    check(url, before, trials=24)


def silence(storage):
    """Let the heartbeats of a dead parent's trials look as old as they will be in a while."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(storage)
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = heartbeat - interval '1 hour'")
        )
