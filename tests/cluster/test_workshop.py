"""The workshop's image on the node: what a learner and an engineer do with it, pods and all."""

import copy
import json
import os
import re
import signal
import subprocess
import sys

import nbformat
import pytest

from tests.k8s.rendering import K8S, composed
from tests.notebooks.labs import read

TOKEN = "a-secret-of-the-tests"
POD = "jupyterlab-0"


@pytest.fixture
def lab(workshop, space):
    """The laptop overlay, with JupyterLab's token in its Secret."""
    secret = ("create", "secret", "generic", "jupyterlab", f"--from-literal=token={TOKEN}")
    space.kubectl(*secret, check=True)
    space.kubectl("apply", "-k", K8S / "overlays" / "laptop", check=True)
    space.wait(f"pod/{POD}", "Ready")
    return space


def test_a_learner_keeps_a_file_when_the_pod_is_killed(lab):
    assert lab.status("jupyterlab", "/api/contents") == "403"
    assert lab.status("jupyterlab", f"/api/contents?token={TOKEN}") == "200"
    assert TOKEN not in lab.kubectl("logs", POD, check=True).stdout

    notebook = "ai101/notebooks/02-mnist-first-network.ipynb"
    ran = lab.execute(POD, "env", "LABKIT_DATA=sample", "labkit", "run", notebook, timeout=900)
    assert not ran.returncode, ran.stdout + ran.stderr
    lab.execute(POD, "sh", "-c", "echo mine > /home/learner/work/mine.txt", check=True)

    before = lab.uid(f"pod/{POD}")
    lab.kubectl("delete", "pod", POD, "--grace-period=0", "--force", check=True)
    lab.node.wait("another pod", lambda: lab.uid(f"pod/{POD}") not in ("", before))
    lab.wait(f"pod/{POD}", "Ready")
    kept = lab.execute(POD, "cat", "/home/learner/work/mine.txt", check=True)
    assert kept.stdout == "mine\n"


def test_labkit_k8s_starts_it_connects_again_and_ends_it(workshop, space):
    def labkit(*words):
        kubectl = f"PATH={workshop.programs}:{os.environ['PATH']}"
        where = (f"KUBECONFIG={workshop.folder}/admin.json", f"HOME={workshop.folder}/tmp", kubectl)
        command = ("env", *where, sys.executable, "-u", "-m", "labkit", "k8s", *words)
        return [*command, "--namespace", space.name]

    said = workshop.folder / "labkit.log"

    def line(text):
        return next((one for one in said.read_text().splitlines() if text in one), "")

    def address(text):
        return re.search(r"http://\S+", line(text))[0]

    with said.open("w") as log:
        command = workshop.inside(*labkit("up"))
        up = subprocess.Popen(
            command, cwd=K8S.parent, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        workshop.wait("labkit k8s up", lambda: line("JupyterLab is ready: ") or up.poll(), 300)
        assert up.poll() is None, said.read_text()
        asked = ("curl", "--silent", "--location", "--cookie", "", address("JupyterLab is ready"))
        assert "JupyterLab" in workshop.run(*asked).stdout
        space.kubectl("delete", "pod", POD, "--grace-period=0", "--force", check=True)
        workshop.wait("the connection", lambda: line("Connected again."), 300)
        assert "JupyterLab" in workshop.run(*asked).stdout
    finally:
        os.killpg(up.pid, signal.SIGINT)
        up.wait(60)
    # What has ended is what brought it into the node; it itself takes a moment longer.
    workshop.wait("labkit's last words", lambda: line("The connection has ended; JupyterLab"), 60)
    assert space.uid(f"pod/{POD}")

    down = workshop.run(*labkit("down"))
    assert not down.returncode, down.stderr
    assert not space.uid("statefulset/jupyterlab") and space.uid(f"pvc/work-{POD}")
    workshop.wait("the pod's end", lambda: not space.uid(f"pod/{POD}"))
    down = workshop.run(*labkit("down", "--delete-work", "--yes"))
    assert not down.returncode, down.stderr
    workshop.wait("the volume's end", lambda: not space.uid(f"pvc/work-{POD}"))


def test_a_sweep_finishes(workshop, space):
    password = ("--from-literal=password=a-secret-of-the-tests",)
    space.kubectl("create", "secret", "generic", "sweep-database", *password, check=True)
    things = _without_jupyterlab(composed("sweep", "fsgroup"))
    workers = _named(things, "Job", "sweep")["spec"]
    workers["parallelism"] = workers["completions"] = 2
    _named(things, "ConfigMap", "sweep")["data"].update(TRIALS="3", EPOCHS="1")
    space.create(*things, _settings())
    space.wait("job/sweep-create", "Complete", 600)
    space.wait("job/sweep", "Complete", 900)
    count = "SELECT count(*) FROM trials WHERE state = 'COMPLETE'"
    ask = ("psql", "-h", "/run/postgresql", "-U", "sweep", "-qAtc", count)
    assert space.execute("sweep-database-0", *ask, check=True).stdout == "3\n"


def test_two_workers_train_one_model_and_pods_serve_it(workshop, space):
    token = ("--from-literal=token=a-secret-of-the-tests",)
    space.kubectl("create", "secret", "generic", "serve", *token, check=True)
    things = _without_jupyterlab(composed("train", "serve", "store/volume", "fsgroup"))
    _named(things, "ConfigMap", "ai101")["data"].update(LABKIT_DATA="sample")
    space.create(*things)
    space.wait("job/train", "Complete", 900)
    found = [path.name for path in workshop.volumes.glob("*/mnist-cnn/*.json")]
    assert found == ["000001.json"]
    # Its pods end as long as there is no model; the last one's restart may wait a few minutes.
    space.wait("deployment/serve", "Available", 600)
    at = "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}"
    server = space.kubectl("get", "service", "serve", "-o", at, check=True).stdout
    white = json.dumps({"instances": [[[[1.0]] * 28] * 28]})
    ask = ("curl", "--silent", "--data", white, f"http://{server}/v1/models/mnist-cnn:predict")
    assert "asks for a token" in workshop.run(*ask).stdout
    answer = workshop.run(*ask, "--header", "Authorization: Bearer a-secret-of-the-tests").stdout
    assert sum(json.loads(answer)["predictions"][0]) == pytest.approx(1, abs=1e-4)


def test_the_cells_of_lab_12_for_a_cluster(workshop, space, tmp_path):
    notebook = read(K8S.parent / "notebooks/12-scale-out.ipynb")
    cell = next(cell for cell in notebook.cells if cell.id == "cluster")
    named = f'CLUSTER, NAMESPACE = "node", "{space.name}"'
    cell.source = re.sub(r"^CLUSTER, NAMESPACE = .*$", named, cell.source, flags=re.MULTILINE)
    lab = tmp_path / "lab.ipynb"
    nbformat.write(notebook, lab)
    here = {
        "HOME": workshop.folder / "tmp",
        "KUBECONFIG": workshop.folder / "admin.json",
        "LABKIT_DATA": "sample",
        "LABKIT_HEADLESS": "1",
        "PATH": f"{workshop.programs}:{os.environ['PATH']}",
        "PYTHONPATH": K8S.parent,  # the lab's folder is elsewhere, and k8s/ is beside labkit/
    }
    settings = [f"{name}={value}" for name, value in here.items()]
    execute = ("-m", "jupyter", "execute", "--inplace", lab)
    done = workshop.run("env", *settings, sys.executable, *execute, timeout=1200)
    assert not done.returncode, done.stderr[-3000:]
    said = {
        cell.id: "".join(output.get("text", "") for output in cell.outputs)
        for cell in read(lab).cells
        if cell.cell_type == "code"
    }
    assert "job.batch/train created" in said["apply"]
    assert "condition met" in said["logs"] and "Saved mnist-cnn/1" in said["logs"]
    assert 'job.batch "train" deleted' in said["delete"]


def _without_jupyterlab(things):
    """The objects, with pods that ask for less: a machine of two processors has room for all."""
    kept = [copy.deepcopy(thing) for thing in things if thing["metadata"]["name"] != "jupyterlab"]
    for thing in kept:
        template = thing.get("spec", {}).get("template", {}).get("spec", {})
        for container in (*template.get("initContainers", ()), *template.get("containers", ())):
            container["resources"]["requests"]["cpu"] = "50m"
    return kept


def _named(things, kind, name):
    return next(
        thing for thing in things if (thing["kind"], thing["metadata"]["name"]) == (kind, name)
    )


def _settings():
    """What pods read of their settings, where no component brings it."""
    about = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ai101"}}
    return {**about, "data": {"LABKIT_DATA": "sample"}}
