"""Several processes train one model: kills, shares of their own, and what ends them.

Whatever happens, the result is the one of an undisturbed run, which is that of one process on
all the data.
"""

import contextlib
import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import labkit
from labkit import store
from labkit.data.bucket import connect
from labkit.training import share_out, shares, split
from labkit.training.worker import LOST
from tests.services.ports import free_port
from tests.unit.serve_process import until

ROOT = Path(__file__).parents[2]
TRAIN = [sys.executable, "-m", "labkit", "train"]
PROGRAM = """
import json, sys
import numpy as np
import labkit
from labkit import models

def parts():
    data = labkit.load("fashion_mnist", limit=1200)
    model = models.cnn(data, filters=(8, 16), dense=16, dropout=0.0)
    return model, data

if __name__ == "__main__":
    out, workers, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    model, data = parts()
    history = labkit.fit_parallel(model, data, epochs=epochs, workers=workers)
    np.savez(out, *model.get_weights())
    print("RESULT", json.dumps([history.metrics, history.restarts, history.interrupted]))
"""


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder for all that is temporary, and one for the store."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("LABKIT_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("LABKIT_DATA", "sample")
    monkeypatch.setenv("LABKIT_HEADLESS", "1")
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def start(call, **environment):
    return subprocess.Popen(
        [str(word) for word in call],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def program(there, out, workers, epochs):
    return start([sys.executable, "-u", there / "program.py", there / out, workers, epochs])


def finish(process, status=0, seconds=300):
    try:
        out = process.communicate(timeout=seconds)[0]
    finally:
        process.kill()
    assert process.returncode == status, out
    return out


def workers_of(process):
    """The workers below a process, by number."""
    found = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                words = child.cmdline()
                if "labkit.training.worker" in words:
                    found[int(words[words.index("labkit.training.worker") + 2])] = child
    return found


def progress(there):
    """How many epochs the workers have done, with the part of the one that is running."""
    done = 0.0
    for path in (there / "tmp").glob("labkit-train-*/told.jsonl"):
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):  # it is being written
                done = json.loads(line).get("done", done)
    return done


def result(out):
    (line,) = (line for line in out.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


def weights(path):
    with np.load(path) as found:
        return [found[name] for name in found.files]


def nothing_is_left(there):
    left = (path.name for path in (there / "tmp").iterdir())
    return not [name for name in left if name.startswith("labkit-train-")]


def test_a_killed_worker_and_four_make_what_one_process_makes(there):
    training = program(there, "killed.npz", 4, 3)
    try:
        until(lambda: progress(there) > 1.2, 180)
        workers_of(training)[2].kill()
    finally:
        out = finish(training)
    assert "Worker 2 was killed by signal 9" in out
    assert re.search("Going on after epoch [12]", out), "a busy machine may look late"
    metrics, restarts, _ = result(out)
    assert restarts == 1 and len(metrics["loss"]) == 3
    assert nothing_is_left(there)

    undisturbed = result(finish(program(there, "calm.npz", 4, 3)))[0]
    assert metrics == undisturbed, "to the last bit"
    expected, losses = one_process(there)
    for name in ("killed.npz", "calm.npz"):
        for mine, other in zip(weights(there / name), expected, strict=True):
            assert np.allclose(mine, other, atol=1e-4)
    assert np.allclose(metrics["loss"], losses, atol=1e-4)


def one_process(there):
    """Keras's own steps on the union of the shares: the weights, and the loss of each epoch."""
    model, data = runpy.run_path(str(there / "program.py"))["parts"]()
    pairs = [split(one, validation=0.1, seed=42)[0] for one in share_out(data, 4)]
    plan = shares.Plan(tuple(len(y) for _, y in pairs), 64)
    losses = []
    for epoch in range(3):
        orders = [plan.order(k, seed=42, epoch=epoch) for k in range(4)]
        total = 0.0
        for step in range(plan.steps):
            mine = [o[slice(*plan.bounds(k)[step : step + 2])] for k, o in enumerate(orders)]
            x = np.concatenate([pairs[k][0][places] for k, places in enumerate(mine)])
            y = np.concatenate([pairs[k][1][places] for k, places in enumerate(mine)])
            model.reset_metrics()
            total += len(y) * model.train_on_batch(x, y)[0]
        losses.append(total / sum(plan.sizes))
    return model.get_weights(), losses


def pets(folder, counts, seed):
    """Pictures of light cats and dark dogs."""
    random = np.random.default_rng(seed)
    for (name, count), light in zip(counts.items(), (180, 40), strict=True):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            noise = random.integers(light - 30, light + 30, (32, 32, 3))
            Image.fromarray(noise.astype(np.uint8)).save(folder / name / f"{i}.png")


def test_shares_in_a_folder_and_in_a_bucket(there, url):
    pets(there / "here", {"cats": 60, "dogs": 15}, seed=1)
    pets(there / "there", {"cats": 10, "dogs": 30}, seed=2)
    fs, path = connect(f"{url}/pets")
    for file in (there / "there").rglob("*.png"):
        fs.put_file(str(file), f"{path}/{file.relative_to(there / 'there').as_posix()}")
    call = [*TRAIN, "pets", "--model", "cnn_bn", "--workers", "2", "--image-size", "32"]
    call += ["--share", there / "here", "--share", f"{url}/pets", "--class-weight", "balanced"]
    call += ["--checkpoint", f"{url}/runs", "--store", f"{url}/models", "--batch-size", "16"]
    call += ["--epochs", "4"]
    out = finish(start(call, LABKIT_CACHE=str(there / "cache")))
    table = out[out.index("worker  source") :].splitlines()
    assert table[0].split()[-2:] == ["cats", "dogs"]
    examples, held_back, cats, dogs = (int(word) for word in table[3].split()[1:])
    # Of 115 pictures from_folder keeps a fifth of each class to test, and fit a tenth of the rest.
    assert (examples, held_back) == (83, 9) and cats + dogs == 83
    assert "Saved pets-cnn-bn/1" in out
    version = store.find("pets-cnn-bn", url=f"{url}/models")
    assert version.class_names == ["cats", "dogs"] and version.metrics["accuracy"] > 0.8
    again = finish(start(call, LABKIT_CACHE=str(there / "cache")))
    assert "epoch" not in again, "it was finished, and nothing is trained again"
    other = finish(start([*call, "--seed", "7"], LABKIT_CACHE=str(there / "cache")), status=1)
    assert "belongs to another run" in other and "Traceback" not in other


def test_a_model_that_never_says_a_class_is_not_saved(there):
    pets(there / "pets", {"cats": 200, "dogs": 5}, seed=1)
    call = [*TRAIN, "pets", "--model", "cnn", "--workers", "2", "--image-size", "32"]
    call += ["--share", there / "pets", "--share", there / "pets", "--epochs", "1"]
    out = finish(start([*call, "--store", there / "models"]), status=1)
    assert "The model never says dogs: too little learned, and it is not saved." in out
    assert "Traceback" not in out and not (there / "models").exists()


def test_a_worker_that_never_arrives_is_an_error_and_no_hang(there):
    call = [*TRAIN, "mnist", "--model", "cnn", "--workers", "2", "--deadline", "3"]
    hosts = f"127.0.0.1:{free_port() // 10}{{index}}"
    out = finish(start([*call, "--hosts", hosts], JOB_COMPLETION_INDEX="0"), status=1)
    assert f"Worker 1 ({hosts.replace('{index}', '1')}) has not arrived within 3 s" in out
    assert nothing_is_left(there)


def test_a_port_that_another_program_takes_is_no_reason_to_give_up(there):
    call = [*TRAIN, "mnist", "--model", "cnn", "--workers", "2", "--epochs", "1"]
    base = free_port() // 10
    hosts = ["--hosts", f"127.0.0.1:{base}{{index}}"]
    with socket.create_server(("127.0.0.1", int(f"{base}1"))):
        partner, unlucky = (start([*call, *hosts], JOB_COMPLETION_INDEX=rank) for rank in "01")
        try:
            said = finish(unlucky, status=75)
        finally:
            partner.kill()
            partner.communicate()
    assert f"Another program has taken 127.0.0.1:{base}1" in said


@pytest.mark.parametrize("number, status", [("TERM", 143), ("INT", 130), ("KILL", -9)])
def test_what_ends_the_parent_ends_all_and_leaves_nothing(there, number, status):
    call = [*TRAIN, "fashion_mnist", "--model", "cnn", "--workers", "2", "--epochs", "500"]
    training = start(call)
    until(lambda: progress(there) > 0, 180)
    crew = list(workers_of(training).values())
    assert len(crew) == 2
    training.send_signal(getattr(signal, f"SIG{number}"))
    finish(training, status, seconds=30)
    gone, alive = psutil.wait_procs(crew, timeout=30)
    assert not alive
    until(lambda: nothing_is_left(there), 30)


def test_ctrl_c_keeps_what_was_learned(there):
    training = program(there, "stopped.npz", 2, 500)
    until(lambda: progress(there) > 1.1, 180)
    training.send_signal(signal.SIGINT)
    metrics, _, interrupted = result(finish(training, seconds=60))
    assert interrupted and 1 <= len(metrics["loss"]) < 500
    assert nothing_is_left(there)


@pytest.fixture
def pods():
    """Two machines in a network of their own, without names for each other yet."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("network namespaces need root and iproute2: sudo make test-services")
    names = [f"labkit-{os.getpid()}-{k}" for k in range(2)]
    cables = [f"lk{os.getpid() % 100000}-{k}" for k in range(2)]

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    for name in names:
        if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
            pytest.skip("this machine does not let network namespaces be made")
        hosts = Path("/etc/netns", name, "hosts")
        hosts.parent.mkdir(parents=True, exist_ok=True)
        hosts.write_text("127.0.0.1 localhost\n")
    try:
        ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1])
        for k, (name, cable) in enumerate(zip(names, cables, strict=True)):
            ip("link", "set", cable, "netns", name)
            ip("-n", name, "address", "add", f"10.77.0.{k + 1}/24", "dev", cable)
            ip("-n", name, "link", "set", cable, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
            shutil.rmtree(Path("/etc/netns", name), ignore_errors=True)


def test_pods_find_each_other_by_name_and_notice_a_lost_one(there, pods):
    call = [*TRAIN, "mnist", "--model", "cnn", "--workers", "2", "--epochs", "12", "--batch-size"]
    call += ["32", "--hosts", "train-{index}.train:2222", "--checkpoint", there / "runs"]

    def pod(rank):
        inside = ["ip", "netns", "exec", pods[rank], *call]
        return start(inside, JOB_COMPLETION_INDEX=str(rank))

    crew = [pod(1), pod(0)]  # worker 1 comes first, and its partner has no name yet
    assert crew[0].stdout.readline().startswith("Waiting for worker 0 (train-0.train:2222)")
    for name in pods:
        with open(f"/etc/netns/{name}/hosts", "a") as hosts:
            hosts.write("10.77.0.1 train-0.train\n10.77.0.2 train-1.train\n")
    until((there / "runs/mnist-cnn.weights.h5").exists, 180)
    crew[0].kill()
    began = time.monotonic()
    out = finish(crew[1], LOST, seconds=60)
    assert time.monotonic() - began < 30
    assert "Worker 1 has ended" in out
    finish(crew[0], -9)
    again = [pod(0), pod(1)]
    first, second = finish(again[0]), finish(again[1])
    assert "Going on after epoch" in first and "Saved mnist-cnn/1" in first
    assert "Traceback" not in second
    assert labkit.store.find("mnist-cnn").metrics["accuracy"] > 0.8
