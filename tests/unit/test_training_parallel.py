"""`labkit.fit_parallel`: who trains on what, how workers meet, and one real run of two."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import labkit
from labkit import models
from labkit.data import Dataset, Source
from labkit.errors import LabError, TrainingError
from labkit.training import parallel, share_out, shares, split, worker
from labkit.training.meeting import Lost, Meeting


@pytest.fixture(scope="module")
def data():
    return quarters(240)


def quarters(count, seed=0, name="quarters"):
    """Four classes of 8 × 8 pictures: a bright quarter on noise."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % 4
    x = random.integers(0, 120, (count, 8, 8, 1), np.uint8)
    for i, label in enumerate(y):
        x[i, 4 * (label // 2) :][:4, 4 * (label % 2) :][:, :4] += 120
    source = Source("folder", f"made for this test, {seed}")
    return Dataset(name, "Quarters", x, y, x[:40], y[:40], source, tuple("abcd"))


def tiny(data):
    return models.cnn(data, filters=(4,), dense=8, dropout=0.0, learning_rate=0.01)


def share(worker, counts):
    return shares.Share(worker, f"folder: {worker}", sum(counts.values()), 10, counts)


# --- who trains on what


def test_a_data_set_is_shared_out_whole_and_evenly(data):
    parts = share_out(data, 7)
    assert {len(part.x_train) for part in parts} == {34, 35}
    pictures = np.concatenate([part.x_train for part in parts])
    assert sorted(map(bytes, pictures)) == sorted(map(bytes, data.x_train))
    assert sum(len(part.x_test) for part in parts) == len(data.x_test)
    for part in parts:
        assert set(part.y_train) == {0, 1, 2, 3}, "a share in the order of the data has one class"


def test_fewer_examples_than_workers(data):
    with pytest.raises(TrainingError, match="2 training examples for 3 workers"):
        share_out(replace(data, x_train=data.x_train[:2], y_train=data.y_train[:2]), 3)


@pytest.mark.parametrize("sizes", [(100, 100), (1000, 10, 1), (7, 5, 3, 900), (64,)])
def test_each_step_takes_from_all_shares_in_proportion(sizes):
    plan = shares.Plan(sizes, batch_size=64)
    assert plan.steps == -(-sum(sizes) // 64)
    assert plan.totals().sum() == sum(sizes)
    assert plan.totals().max() <= 64 + len(sizes)
    for k, size in enumerate(sizes):
        parts = np.diff(plan.bounds(k))
        assert parts.sum() == size, "each example is shown once, and all end together"
        assert parts.max() - parts.min() <= 1
        assert sorted(plan.order(k, seed=1, epoch=2)) == list(range(size))


def test_the_order_follows_from_seed_epoch_and_worker_alone():
    plan = shares.Plan((50, 50), batch_size=10)
    first = plan.order(0, seed=1, epoch=3)
    assert np.array_equal(first, plan.order(0, seed=1, epoch=3))
    for other in ((1, 1, 3), (0, 2, 3), (0, 1, 4)):
        assert not np.array_equal(first, plan.order(other[0], seed=other[1], epoch=other[2]))


def test_the_table_shows_how_unlike_the_shares_are():
    found = (share(0, {"cats": 90, "dogs": 10}), share(1, {"cats": 5, "dogs": 15}))
    table = shares.table(found)
    assert table.loc["all"].to_dict() == {
        "source": "",
        "examples": 120,
        "held back": 20,
        "cats": 95,
        "dogs": 25,
    }
    lines = shares.text(found).splitlines()
    assert lines[0].split() == ["worker", "source", "examples", "held", "back", "cats", "dogs"]
    assert lines[-1].split() == ["all", "120", "20", "95", "25"]
    many = {f"class {i}": 10 + i for i in range(50)}
    assert "59 class 49" in shares.text((share(0, many),)).splitlines()[1]


def test_balanced_weights_come_from_all_shares_together():
    found = (
        share(0, {"cats": 90, "dogs": 0, "rats": 0}),
        share(1, {"cats": 0, "dogs": 30, "rats": 0}),
    )
    weights = shares.balanced(found)
    # 120 examples of 2 classes: 60 each would be even.
    assert np.allclose(weights, [60 / 90, 60 / 30, 0])


def test_a_share_may_lack_a_class_and_keeps_the_names_of_its_labels(data):
    two = replace(data, class_names=("b", "d"), y_train=data.y_train % 2, y_test=data.y_test % 2)
    said = [{"shape": d.input_shape, "classes": d.class_names} for d in (two, data)]
    classes = shares.check_alike(said)
    assert classes == ("a", "b", "c", "d")
    assert set(shares.in_classes(two, classes).y_train) == {1, 3}


UNLIKE = {
    "shape": ({"shape": (9, 9, 1)}, r"worker 1 has examples of shape \(9, 9, 1\).*image_size"),
    "class": ({"classes": ("a", "dog")}, "worker 1 has a class 'dog'.*names of the folders"),
}


@pytest.mark.parametrize("other, message", UNLIKE.values(), ids=UNLIKE)
def test_shares_that_do_not_go_together(other, message):
    one = {"shape": (8, 8, 1), "classes": ("a", "b", "dogs")}
    with pytest.raises(TrainingError, match=message):
        shares.check_alike([one, one | other])


# --- arguments

WRONG = {
    "workers": (dict(workers=0), "whole number of at least 1"),
    "batch": (dict(workers=4, batch_size=3), "a step has to have an example for each"),
    "weights": (dict(class_weight="even"), "Use 'balanced'"),
    "deadline": (dict(deadline=0), "seconds above 0"),
    "epochs": (dict(epochs=0), "at least 1"),
}


@pytest.mark.parametrize("options, message", WRONG.values(), ids=WRONG)
def test_wrong_arguments_say_what_to_do(data, options, message):
    with pytest.raises(TrainingError, match=message):
        labkit.fit_parallel(tiny(data), data, **{"epochs": 1, **options})


def test_one_data_set_for_each_worker(data):
    with pytest.raises(TrainingError, match="2 data sets for 3 workers"):
        labkit.fit_parallel(tiny(data), [data, data], epochs=1, workers=3)
    with pytest.raises(TrainingError, match="no data set in the list"):
        labkit.fit_parallel(tiny(data), [], epochs=1)


def test_the_number_of_a_worker_comes_from_its_job():
    assert parallel.rank_of({"JOB_COMPLETION_INDEX": "2"}, 3) == 2
    with pytest.raises(TrainingError, match="completionMode: Indexed"):
        parallel.rank_of({}, 3)
    with pytest.raises(TrainingError, match="is 3, and --workers 3 means the numbers 0 to 2"):
        parallel.rank_of({"JOB_COMPLETION_INDEX": "3"}, 3)


def test_the_addresses_of_the_workers():
    found = parallel.addresses_of("train-{index}.train:2222", 2)
    assert found == ["train-0.train:2222", "train-1.train:2222"]
    for wrong in ("train-{index}.train", "train:2222", "{index}:x", ":2222"):
        with pytest.raises(TrainingError, match="--hosts is"):
            parallel.addresses_of(wrong, 2)


JOBS = {
    "model": (dict(model="vgg"), "There is no model 'vgg'. Use one of: softmax_regression"),
    "data": (dict(data="cats"), "There is no data set 'cats'.*--share"),
    "table": (dict(data="linear_regression"), "has no classes"),
    "shares": (dict(shares=["a", "b", "c"]), "3 times --share for 2 workers"),
}


@pytest.mark.parametrize("options, message", JOBS.values(), ids=JOBS)
def test_a_command_that_cannot_be(options, message):
    usual = dict(data="mnist", model="cnn", workers=2, epochs=1, batch_size=8, deadline=1, seed=0)
    with pytest.raises(TrainingError, match=message):
        parallel.make_job(**{**usual, **options})


def test_a_job_names_its_shares_and_travels_as_json(tmp_path):
    job = parallel.make_job(
        "cats_and_dogs",
        "cnn_bn",
        workers=2,
        epochs=1,
        batch_size=8,
        deadline=9,
        seed=0,
        shares=["s3://{index}/pets"],
        checkpoint="s3://runs/pets/",
    )
    assert (job.name, job.places) == ("cats-and-dogs-cnn-bn", ("s3://0/pets", "s3://1/pets"))
    assert job.checkpoint == "s3://runs/pets/cats-and-dogs-cnn-bn"
    job.write(tmp_path / "job.json")
    assert worker.Job.read(tmp_path / "job.json") == job
    assert job.digest() == replace(job, checkpoint="/tmp/1", deadline=7).digest()
    assert job.digest() != replace(job, epochs=2).digest()


def test_a_share_without_the_data_that_is_asked_for(tmp_path):
    job = parallel.make_job(
        "mnist",
        "cnn",
        workers=1,
        epochs=1,
        batch_size=8,
        deadline=9,
        seed=0,
        shares=[str(tmp_path)],
    )
    with pytest.raises(TrainingError, match="has no mnist.npz, which worker 0 was to train on"):
        worker.read_share(job, 0)


# --- how workers meet


def addresses(count):
    return [f"127.0.0.1:{port}" for port in parallel._free_ports(count)]


def in_threads(count, call, deadline=30):
    """What ``call(rank)`` returns or raises, in a thread for each rank."""
    found = {}

    def one(rank):
        try:
            found[rank] = call(rank)
        except Exception as error:
            found[rank] = error

    threads = [threading.Thread(target=one, args=(rank,), daemon=True) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline)
    return [found.get(rank, "it hangs") for rank in range(count)]


def test_workers_meet_and_tell_each_other():
    where = addresses(3)

    def work(rank):
        with Meeting(rank, where, run="r") as meeting:
            meeting.join(20)
            said = [meeting.exchange({"worker": rank, "turn": turn}) for turn in range(2)]
            meeting.leave()
            return said

    expected = [[{"worker": k, "turn": turn} for k in range(3)] for turn in range(2)]
    assert in_threads(3, work) == [expected] * 3


def test_who_does_not_arrive_is_named_to_all():
    where = addresses(4)

    def work(rank):
        if rank in (1, 3):
            return "stays away"
        with Meeting(rank, where, run="r") as meeting:
            meeting.join(2 if rank == 0 else 20)

    here, _, there, _ = in_threads(4, work)
    for error in (here, there):
        assert isinstance(error, TrainingError)
        assert f"Workers 1 ({where[1]}), 3 ({where[3]}) have not arrived within 2 s" in str(error)


def test_worker_0_that_does_not_arrive_under_a_name_that_nobody_knows():
    with (
        pytest.raises(TrainingError, match=r"Worker 0 \(train-0.train.invalid:2222\) has not"),
        Meeting(
            1, parallel.addresses_of("train-{index}.train.invalid:2222", 2), run="r"
        ) as meeting,
    ):
        meeting.join(1)


def test_strangers_and_workers_of_another_run_are_not_let_in():
    where = addresses(2)

    def work(rank):
        with Meeting(rank, where, run="mine" if rank == 0 else "other") as meeting:
            meeting.join(4 if rank == 0 else 20)

    def stranger():
        host, port = where[0].split(":")
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                with socket.create_connection((host, int(port)), 1) as one:
                    one.sendall(b'GET / HTTP/1.1\r\n\r\n{"rank": 1, "run": "mine"}\n')
                    one.settimeout(10)
                    return one.recv(100)
            except OSError:
                time.sleep(0.05)

    asked = threading.Thread(target=stranger, daemon=True)
    asked.start()
    errors = in_threads(2, work)
    assert "started with other settings" in str(errors[1])
    assert "has not arrived" in str(errors[0]) and "other settings" in str(errors[0])


def test_a_lost_worker_is_noticed_by_all():
    where = addresses(3)

    def work(rank):
        with Meeting(rank, where, run="r") as meeting:
            meeting.join(20)
            meeting.exchange({})
            if rank == 2:
                return "killed"
            try:
                meeting.exchange({})
            except Lost as error:
                return str(error)

    found = in_threads(3, work)
    assert found == ["Worker 2 has ended: its connection is closed."] * 2 + ["killed"]


# --- all of it


def test_two_workers_do_what_one_process_does_on_all_the_data(data, capsys):
    uneven = [quarters(160, seed=1), quarters(50, seed=2)]
    model, same = tiny(data), tiny(data)
    history = labkit.fit_parallel(model, uneven, epochs=2, batch_size=32, class_weight="balanced")
    expected = as_one_process(same, uneven, history.shares, epochs=2, batch_size=32)
    assert np.allclose(history.metrics["loss"], expected, atol=1e-4)
    for mine, other in zip(model.get_weights(), same.get_weights(), strict=True):
        assert np.allclose(mine, other, atol=1e-4)
    assert [s.examples for s in history.shares] == [144, 45]
    assert set(history.metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history.epochs == 2 and len(history.speeds) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("worker  source")
    assert [line.split("  ")[0] for line in lines[-2:]] == ["epoch 1/2", "epoch 2/2"]


def as_one_process(model, sets, found, *, epochs, batch_size, seed=42):
    """Keras's own steps on the same batches: the loss of each epoch."""
    parts = [split(one, validation=0.1, seed=seed)[0] for one in sets]
    plan = shares.Plan(tuple(len(y) for _, y in parts), batch_size)
    weights = shares.balanced(found)
    losses = []
    for epoch in range(epochs):
        orders = [plan.order(k, seed=seed, epoch=epoch) for k in range(len(parts))]
        total = 0.0
        for step in range(plan.steps):
            mine = [
                order[slice(*plan.bounds(k)[step : step + 2])] for k, order in enumerate(orders)
            ]
            x = np.concatenate([parts[k][0][places] for k, places in enumerate(mine)])
            y = np.concatenate([parts[k][1][places] for k, places in enumerate(mine)])
            model.reset_metrics()
            total += len(y) * model.train_on_batch(x, y, sample_weight=weights[y])[0]
        losses.append(total / sum(plan.sizes))
    return losses


def test_an_error_in_a_worker_comes_with_its_number_and_its_log(home, data):
    path = home / "job"
    path.mkdir()
    job = worker.Job(
        name="j", workers=1, epochs=1, model="cnn", places=(str(path / "gone.npz"),), checkpoint="c"
    )
    show = parallel.Show(1)
    with pytest.raises(LabError, match=r"Worker 0 failed. It said:(.|\n)*gone.npz"):
        parallel.Crew(job, path, show, restarts=3).run()


def test_the_command_says_what_is_missing():
    call = [sys.executable, "-m", "labkit", "train", "mnist", "--model", "cnn", "--hosts", "a:1"]
    environment = {k: v for k, v in os.environ.items() if k != "JOB_COMPLETION_INDEX"}
    done = subprocess.run(call, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: With --hosts this is one worker of a cluster")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="Windows has no alarm")
def test_a_worker_that_hangs_in_tensorflow_is_ended():
    """As there, no thread of Python runs while it waits: `PyDLL` keeps the interpreter's lock."""
    program = (
        "import ctypes\n"
        "from labkit.training import worker\n"
        "with worker._ended_after(1):\n"
        "    ctypes.PyDLL(None).sleep(100)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=90)
    assert done.returncode == -signal.SIGALRM
