"""`labkit k8s`: what it asks of kubectl, what it tells people, and what it never shows."""

import base64
import contextlib
import json
import os
import queue
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent import futures
from pathlib import Path

import psutil
import pytest

from labkit import k8s

READY = "JupyterLab is ready: "
TOKEN = "0123456789abcdef"
SCRIPT = Path(__file__).with_name("kubectl_script.py")
OVERLAYS = Path(__file__).parents[2] / "k8s" / "overlays"


class Kubectl:
    """The script on PATH, and what it was asked."""

    def __init__(self, home: Path):
        self.home = home
        (home / "base-url").write_text("/")

    def put(self, kind, name, *states):
        """What there is; several states follow each other."""
        for number, state in enumerate(states):
            suffix = f".{number:03}" if len(states) > 1 else ""
            (self.home / f"{kind}-{name}.json{suffix}").write_text(json.dumps(state))

    def running(self, pod=None):
        self.put("statefulset", "jupyterlab", {"metadata": {}, "spec": {"replicas": 1}})
        self.put("pod", k8s.POD, pod or ready())
        self.secret(TOKEN)

    def secret(self, token, **labels):
        data = {"token": base64.b64encode(token.encode()).decode()}
        self.put("secret", "jupyterlab", {"metadata": {"labels": labels}, "data": data})

    def fail(self, verb, text):
        (self.home / f"fail-{verb}").write_text(text)

    @property
    def calls(self):
        path = self.home / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def calls_that_change(self):
        """Those that do more than look, in their order."""
        return [call for call in self.calls if not {"get", "logs"} & set(call["words"])]

    def verbs(self):
        return [call["words"] for call in self.calls_that_change()]


@pytest.fixture
def kubectl(home, monkeypatch):
    folder = home / "bin"
    folder.mkdir()
    command = folder / "kubectl"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -S {SCRIPT} "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    state = home / "cluster"
    state.mkdir()
    monkeypatch.setenv("KUBECTL_SCRIPT", str(state))
    monkeypatch.chdir(home)
    return Kubectl(state)


def pod(*, phase="Pending", conditions=(), container=None, base_url="/", **metadata):
    """A pod as Kubernetes tells of it."""
    environment = [{"name": "LABKIT_BASE_URL", "value": base_url}]
    return {
        "metadata": {"name": k8s.POD, **metadata},
        "spec": {"containers": [{"image": "ai101:0.1.0", "env": environment}]},
        "status": {
            "phase": phase,
            "conditions": [{"type": t, "status": s, "message": m} for t, s, m in conditions],
            "containerStatuses": [container] if container else [],
        },
    }


def ready(**more):
    return pod(phase="Running", conditions=[("Ready", "True", "")], **more)


def unscheduled(message):
    return pod(conditions=[("PodScheduled", "False", message)])


def waiting(reason, message="", **more):
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(container={"image": "ai101:0.1.0", "state": state, **more})


def labkit(*words):
    return subprocess.run(
        [sys.executable, "-m", "labkit", "k8s", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


@contextlib.contextmanager
def connected(*words):
    """`labkit k8s …` in a process of its own; yields it and the lines that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit", "k8s", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    killer = threading.Timer(120, process.kill)
    killer.start()
    try:
        yield process
    finally:
        killer.cancel()
        process.terminate()
        process.wait(30)
        process.stdout.close()


def free_port():
    """A port that nobody uses, unlike 8888 on many a machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def until(process, pattern):
    """The lines up to the first with ``pattern`` in it, which stands last."""
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if re.search(pattern, line):
            return lines
    raise AssertionError(f"no {pattern!r} in: {lines}")


def test_up_makes_what_is_missing_waits_and_connects(kubectl):
    starting = pod(container={"state": {"running": {}}})
    full = unscheduled("0/1 nodes: Insufficient memory.")
    kubectl.put("pod", k8s.POD, full, full, starting, ready())
    words = ("--namespace", "ai101", "--context", "kind", "--port", free_port())
    with connected("up", *words) as process:
        lines = until(process, READY)
        address = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=([0-9a-f]{48})", lines[-1])
        assert address, lines
        with urllib.request.urlopen(f"http://127.0.0.1:{address[1]}/api", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[0]
    assert process.returncode == 0
    assert "labkit k8s url --context kind --namespace ai101" in rest
    told = "\n".join(lines[:-1])
    assert "no node has enough free memory" in told and "JupyterLab is starting" in told
    namespace, secret, apply, forward = kubectl.calls_that_change()
    assert (
        namespace["document"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )
    assert secret["document"]["stringData"] == {"token": address[2]}
    assert apply["words"][-2:] == ["--kustomize", str(OVERLAYS / "laptop")]
    assert forward["words"][-2:] == [f"pod/{k8s.POD}", f"{address[1]}:8888"]
    assert "--address=127.0.0.1" in forward["words"]
    assert not psutil.pid_exists(forward["pid"])
    for call in kubectl.calls:
        assert {"--context=kind", "--namespace=ai101"} <= set(call["words"])
        assert address[2] not in " ".join(call["words"])
    assert address[2] not in told + rest


def test_a_token_that_is_there_stays_and_a_base_url_is_kept(kubectl):
    kubectl.running(ready(base_url="/ada"))
    (kubectl.home / "base-url").write_text("/ada/")
    with connected("up", "--port", free_port()) as process:
        lines = until(process, READY)
    assert f"/ada/?token={TOKEN}" in lines[-1]
    assert "create" not in {word for call in kubectl.calls for word in call["words"]}


@pytest.mark.slow
def test_the_connection_is_made_again_on_the_same_port(kubectl):
    kubectl.running()
    with connected("url", "--port", free_port()) as process:
        first = until(process, READY)[-1]
        (forward,) = kubectl.calls_that_change()
        os.kill(forward["pid"], signal.SIGKILL)
        told = until(process, "Connected again")
        assert "The connection broke" in told[0]
        again = kubectl.calls_that_change()[-1]
        assert again["words"] == forward["words"] and again["pid"] != forward["pid"]
        port = re.search(r":(\d+)/", first)[1]
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=10).close()


@pytest.mark.slow
def test_a_connection_that_carries_nothing_any_more_is_made_again(kubectl, monkeypatch):
    kubectl.running()
    told, stop = queue.Queue(), threading.Event()
    monkeypatch.setattr(k8s, "_WATCH", 0.1)
    with futures.ThreadPoolExecutor() as pool:
        done = pool.submit(
            k8s.forward, k8s.connect(), port=int(free_port()), stop=stop, tell=told.put
        )
        try:
            assert READY in told.get(timeout=60)
            monkeypatch.setattr(k8s, "_ANSWER", 0.5)
            (kubectl.home / "carries-nothing").touch()
            os.kill(kubectl.calls_that_change()[-1]["pid"], signal.SIGTERM)
            broke = [told.get(timeout=60) for _ in range(3)]
            assert ["connection broke" in line for line in broke] == [True] * 3
            monkeypatch.setattr(k8s, "_ANSWER", 30)
            (kubectl.home / "carries-nothing").unlink()
            while "Connected again" not in told.get(timeout=60):
                pass
        finally:
            stop.set()
        done.result(timeout=60)


@pytest.mark.parametrize("pods", ["not ready", "ready"])
def test_who_stops_while_it_waits_gets_no_error(kubectl, pods):
    kubectl.running(ready() if pods == "ready" else unscheduled("no room"))
    (kubectl.home / "carries-nothing").touch()
    stop = threading.Event()
    with futures.ThreadPoolExecutor() as pool:
        done = pool.submit(k8s.forward, k8s.connect(), port=int(free_port()), stop=stop)
        last = "port-forward" if pods == "ready" else "get"
        deadline = time.monotonic() + 60
        while not any(last in call["words"] for call in kubectl.calls):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        stop.set()
        done.result(timeout=60)


@pytest.mark.slow
def test_a_taken_port_is_no_obstacle(kubectl):
    kubectl.running()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with connected("url", "--port", str(port)) as process:
            line = until(process, READY)[-1]
    assert int(re.search(r":(\d+)/", line)[1]) > port


def test_url_without_anything_running_says_how_to_start_it(kubectl):
    done = labkit("url", "--namespace", "there")
    assert done.returncode == 1
    assert "labkit k8s up --namespace there" in done.stderr


PULL = "Back-off pulling image"
MEMORY = "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1"
NO_CLASS = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
ENDED = {"terminated": {"exitCode": 137, "reason": "Error"}}
CRASHED = {"terminated": {"exitCode": 1, "reason": "Error"}}


@pytest.mark.parametrize(
    ("state", "events", "words", "final"),
    [
        (None, {}, "not made yet", False),
        (None, {"FailedCreate": "violates PodSecurity"}, "refuses the pod: violates", False),
        (unscheduled(MEMORY), {}, "no node has enough free memory", False),
        (unscheduled("1 Insufficient cpu, 1 Insufficient memory"), {}, "memory and cpu", False),
        (unscheduled(NO_CLASS), {}, "kubectl get storageclass", False),
        (unscheduled("1 node(s) had untolerated taint"), {}, "untolerated taint", False),
        (waiting("ImagePullBackOff", PULL), {}, "kind load docker-image ai101:0.1.0", True),
        (waiting("ErrImageNeverPull"), {}, "minikube image load ai101:0.1.0", True),
        (waiting("CreateContainerConfigError", 'secret "a" not found'), {}, '"a" not found', False),
        (waiting("ContainerCreating"), {}, "the node is preparing it", False),
        (waiting("ContainerCreating"), {"FailedMount": "timed out"}, "volume .* timed out", False),
        (
            waiting("CrashLoopBackOff", restartCount=3, lastState=CRASHED),
            {},
            "ended 3 times, the last time with exit status 1",
            True,
        ),
        (
            waiting("CrashLoopBackOff", restartCount=2, lastState=KILLED),
            {},
            "137: it was killed at its memory limit",
            True,
        ),
        (
            waiting("CrashLoopBackOff", restartCount=2, lastState=ENDED),
            {},
            "137: it was killed, most often for memory",
            True,
        ),
        # Somebody's notebook was too large last week: that does not hinder this start.
        (
            pod(container={"state": {"running": {}}, "restartCount": 9, "lastState": KILLED}),
            {},
            "is started again",
            False,
        ),
    ],
)
def test_what_hinders_a_pod_is_explained(state, events, words, final):
    found = k8s.hindrance(state, [{"reason": r, "message": m} for r, m in events.items()])
    assert re.search(words, found.text), found.text
    assert found.final == final


def test_the_last_log_lines_of_a_container_that_keeps_ending_are_shown(kubectl):
    kubectl.running(waiting("CrashLoopBackOff", restartCount=2, lastState=CRASHED))
    (kubectl.home / "log.txt").write_text("Error: there is no token")
    done = labkit("url")
    assert done.returncode == 1
    assert "exit status 1" in done.stderr and "there is no token" in done.stderr
    assert "Traceback" not in done.stderr


def test_up_after_mending_makes_a_stuck_pod_anew(kubectl):
    kubectl.put("pod", k8s.POD, waiting("ImagePullBackOff"))
    with pytest.raises(k8s.ClusterError, match="not ready after 0 s"):  # nothing makes it anew here
        k8s.up(k8s.connect(), OVERLAYS / "laptop", patience=0)
    assert ["delete", "pod", k8s.POD, "--ignore-not-found"] in kubectl.verbs()


@pytest.mark.slow
def test_the_pod_of_before_is_not_taken_for_the_new_one(kubectl):
    before = ready(labels={"controller-revision-hash": "old"})
    after = ready(labels={"controller-revision-hash": "new"})
    kubectl.running()
    status = {"observedGeneration": 2, "updateRevision": "new"}
    wanted = {"metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status}
    kubectl.put("statefulset", "jupyterlab", wanted)
    (kubectl.home / f"pod-{k8s.POD}.json").unlink()
    kubectl.put("pod", k8s.POD, before, ready(deletionTimestamp="2026-11-22T10:00:00Z"), after)
    assert k8s.wait(k8s.connect(), patience=60, tell=lambda text: None) == after


def test_down_keeps_the_work_unless_told_otherwise(kubectl, capsys):
    kubectl.secret(TOKEN, **{"app.kubernetes.io/managed-by": "labkit"})
    learners = {"name": "work-jupyterlab-ada-0", "labels": {"ai101/learner": "ada"}}
    claims = [{"metadata": {"name": "work-jupyterlab-0"}}, {"metadata": learners}]
    (kubectl.home / "persistentvolumeclaims.json").write_text(json.dumps({"items": claims}))
    k8s.down(k8s.connect(), OVERLAYS / "laptop")
    assert "The work is kept on work-jupyterlab-0;" in capsys.readouterr().out
    delete = ["delete", "--kustomize", str(OVERLAYS / "laptop"), "--ignore-not-found"]
    assert kubectl.verbs() == [
        [*delete, "--selector=!ai101/keep"],
        ["delete", "secret", "jupyterlab", "--ignore-not-found"],
    ]
    asked = labkit("down", "--delete-work")  # nobody answers
    assert asked.returncode == 1 and "for good?" in asked.stdout
    assert len(kubectl.verbs()) == 2
    gone = labkit("down", "--delete-work", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert kubectl.verbs()[-2:] == [
        ["delete", "persistentvolumeclaims", "work-jupyterlab-0"],  # and no learner's
        [*delete, "--selector=ai101/keep,!ai101/learner"],
    ]


def test_down_leaves_a_secret_that_somebody_else_made(kubectl):
    kubectl.secret(TOKEN)
    k8s.down(k8s.connect(), OVERLAYS / "laptop")
    assert not [words for words in kubectl.verbs() if "secret" in words]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "E1122 10:27:56.5 memcache.go] couldn't get\nThe connection to localhost was refused",
            "reaches no cluster: The connection .*\n.*kind create cluster",
        ),
        ('error: context "b" does not exist', "reaches no cluster(.|\n)*get-contexts"),
        ("error: You must be logged in to the server (Unauthorized)", "does not know you"),
        ('secrets "a" is forbidden: User "ada" cannot', "may not do that(.|\n)*--namespace"),
        (
            'The StatefulSet "jupyterlab" is invalid: spec: Forbidden: updates to statefulset spec',
            "cannot be changed in place(.|\n)*delete statefulset jupyterlab",
        ),
        (
            'The Job "sweep" is invalid: spec.template: Invalid value: {}: field is immutable',
            "A Job that ran already cannot be changed(.|\n)*kubectl delete job NAME",
        ),
        ("boom", "kubectl get failed: boom"),
    ],
)
def test_what_kubectl_refuses_is_explained(kubectl, said, meant):
    kubectl.fail("get", said)
    with pytest.raises(k8s.ClusterError, match=meant) as refused:
        k8s.connect().get("pods")
    assert "memcache" not in str(refused.value)


def test_an_overlay_of_kinds_that_the_cluster_lacks_is_explained(kubectl):
    kubectl.fail("apply", 'error: no matches for kind "Route" in version "route.openshift.io/v1"')
    with pytest.raises(k8s.ClusterError, match="OpenShift or to an operator"):
        k8s.up(k8s.connect(), k8s.overlay("openshift"))


def test_an_overlay_without_jupyterlabs_statefulset_needs_kubectl_alone(kubectl):
    with pytest.raises(k8s.ClusterError, match="no StatefulSet jupyterlab .*kubectl apply --kus"):
        k8s.up(k8s.connect(), k8s.overlay("kubeflow"))


def test_without_kubectl_it_says_where_to_get_it(home, monkeypatch):
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(k8s.ClusterError, match="Install it: https://"):
        k8s.connect()


def test_an_overlay_is_a_name_or_a_folder(home, monkeypatch):
    monkeypatch.chdir(home)
    assert k8s.overlay("laptop") == OVERLAYS / "laptop"
    own = home / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text("resources: []\n")
    assert k8s.overlay(str(own)) == own
    with pytest.raises(k8s.ClusterError, match="Choose from: classroom, .*laptop"):
        k8s.overlay("laptops")


@pytest.fixture
def learners(home, monkeypatch):
    monkeypatch.chdir(home)
    path = home / "learners.txt"
    path.write_text("# the class\nada\n\ngrace-h  # the second\n")
    return path


def test_a_classroom_has_a_token_for_each_that_stays(learners, home):
    done = labkit("classroom", str(learners), "--host", "labs.example.org")
    assert "2 learners, 2 of them new" in done.stdout
    room = home / "classroom"
    first = (room / "addresses.txt").read_text()
    tokens = re.findall(r"https://labs\.example\.org/([\w-]+)/\?token=([0-9a-f]{48})$", first, re.M)
    assert [name for name, _ in tokens] == ["ada", "grace-h"]
    assert tokens[0][1] != tokens[1][1]
    assert not [token for _, token in tokens if token in done.stdout + done.stderr]
    for private in (room, room / "ada"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    for secret in (room / "addresses.txt", room / "ada" / "token.env"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert (room / ".gitignore").read_text() == "*\n"
    learners.write_text("ada\nkatherine\n")
    again = labkit("classroom", str(learners), "--host", "labs.example.org")
    assert "2 learners, 1 of them new" in again.stdout
    assert (room / "addresses.txt").read_text().splitlines()[0] == first.splitlines()[0]
    assert "grace" not in (room / "kustomization.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ada\nAda L.\n", "line 2: 'Ada L.' cannot be part of a name"),
        ("ada\nada\n", "line 2: 'ada' stands there twice"),
        ("# nobody\n", "names nobody"),
        ("a" * 31, "at most 30"),
        ("ada\npods-ada\n", "line 2: 'pods-ada' would take a name"),
    ],
)
def test_a_list_of_learners_that_cannot_be_is_refused(learners, home, text, meant):
    learners.write_text(text)
    with pytest.raises(k8s.ClusterError, match=meant):
        k8s.classroom(learners, home / "room", base=OVERLAYS / "classroom")
    assert not (home / "room").exists()


@pytest.mark.parametrize("host", ["https://labs.example.org", "labs.example.org/ada", "a:8443"])
def test_a_host_is_a_name_alone(learners, home, host):
    done = labkit("classroom", str(learners), "--host", host)
    assert done.returncode == 1 and "such as labs.example.org." in done.stderr
    assert not (home / "classroom").exists()


def test_a_list_that_is_not_there_is_refused(home):
    with pytest.raises(k8s.ClusterError, match="Cannot read the list"):
        k8s.read_learners(home / "nobody.txt")
