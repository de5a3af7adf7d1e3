"""JupyterLab on a cluster, by kubectl: ``labkit k8s up | url | down | classroom``.

Everything here can be done with kubectl alone, and docs/cluster.md says how. This adds what people
forget: a token that is nobody else's, what a pod that does not start is waiting for, and a
connection that comes back.
"""

import base64
import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from labkit import machine
from labkit.errors import ClusterError

NAME = "jupyterlab"
"""What StatefulSet, Service and Secret are called in ``k8s/base``."""
PORT = 8888
"""Where JupyterLab listens in its pod."""
POD = f"{NAME}-0"
"""The only pod of the StatefulSet."""
_MINE = {"app.kubernetes.io/part-of": "ai101", "app.kubernetes.io/managed-by": "labkit"}
WORK = "app.kubernetes.io/name=ai101,app.kubernetes.io/component=jupyterlab"
"""What selects the claims of learners' volumes."""
KEEP = "ai101/keep"
"""The label of claims in the manifests that outlive what mounts them: models, data sets, shares."""
LEARNER = "ai101/learner"
"""The label of what belongs to one learner of a classroom."""
_LOOK = 1.0  # seconds between two looks at the pod
_ANSWER = 30  # seconds in which a pod that is ready has to answer through the connection
_WATCH = 5.0  # seconds between two looks whether the connection still carries anything
_RESTARTS = 2  # ends of the container in a row, after which waiting for it is no use


@dataclass(frozen=True)
class Cluster:
    """Where kubectl goes."""

    kubectl: str
    context: str | None = None
    namespace: str | None = None

    def command(self, *words: str) -> list[str]:
        """kubectl's command line for ``words``."""
        where = [f"--context={self.context}"] if self.context else []
        where += [f"--namespace={self.namespace}"] if self.namespace else []
        return [self.kubectl, *where, *words]

    def run(self, *words: str, document: dict | None = None) -> str:
        """What kubectl prints; ``document`` goes to its standard input.

        Raises:
            ClusterError: kubectl failed; with its own words and what to do about them.
        """
        done = subprocess.run(
            self.command(*words),
            input=json.dumps(document) if document is not None else "",
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise ClusterError(_failed(words, done.stderr.strip()))
        return done.stdout

    def get(self, *words: str) -> dict | None:
        """An object, or a list of objects, as it is now; ``None`` when there is none."""
        options = ("--ignore-not-found", "--output=json", "--request-timeout=20s")
        text = self.run("get", *words, *options)
        return json.loads(text) if text.strip() else None

    def shown(self, words: str) -> str:
        """``words`` as a person would type them for the same place."""
        where = "".join(
            f" --{name} {value}"
            for name, value in (("context", self.context), ("namespace", self.namespace))
            if value
        )
        return f"{words}{where}"


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


def connect(*, context: str | None = None, namespace: str | None = None) -> Cluster:
    """The cluster that kubectl's configuration names, or the ``context`` of it.

    Raises:
        ClusterError: there is no kubectl.
    """
    found = shutil.which("kubectl") or shutil.which("oc")
    if not found:
        raise ClusterError(
            "There is no kubectl on this machine (nor oc), and labkit k8s works through it. "
            "Install it: https://kubernetes.io/docs/tasks/tools/"
        )
    return Cluster(found, context, namespace)


def overlay(name: str) -> Path:
    """The folder of an overlay: a name of ``k8s/overlays``, or a folder of your own.

    Raises:
        ClusterError: there is neither.
    """
    homes = [Path("k8s/overlays"), Path(__file__).parents[1] / "k8s" / "overlays"]
    for folder in (*(home / name for home in homes), Path(name)):
        if (folder / "kustomization.yaml").is_file():
            return folder
    home = next((home for home in homes if home.is_dir()), None)
    if home is None:
        raise ClusterError(
            "There is no folder k8s/overlays here. Call this in a copy of the project, or give the "
            "folder of an overlay with --overlay."
        )
    known = sorted(path.parent.name for path in home.glob("*/kustomization.yaml"))
    raise ClusterError(f"There is no overlay {name!r}. Choose from: {', '.join(known)}.")


def up(
    cluster: Cluster, folder: Path, *, patience: float = 300, tell: Callable[[str], None] = say
) -> None:
    """Apply an overlay and wait until its JupyterLab is ready.

    A namespace that is missing is made, with Pod Security "restricted"; so is the Secret with the
    token. Neither is changed when it is there.

    Args:
        cluster: where.
        folder: the overlay.
        patience: seconds in which the pod has to be ready.
        tell: takes each line of progress.

    Raises:
        ClusterError: kubectl failed, the overlay has no JupyterLab, or the pod is not ready; the
            message says what hinders it.
    """
    _make_namespace(cluster, tell)
    _make_secret(cluster, tell)
    for line in cluster.run("apply", "--kustomize", str(folder)).splitlines():
        tell(line)
    if not cluster.get("statefulset", NAME):
        raise ClusterError(
            f"{folder} is applied, but it has no StatefulSet {NAME} that labkit k8s could wait for "
            "and connect to. Such an overlay needs kubectl alone: "
            f"{cluster.shown(f'kubectl apply --kustomize {folder}')}"
        )
    before = cluster.get("pod", POD)
    if before and hindrance(before, []).final:
        # A StatefulSet leaves a pod that never became ready as it is, whatever was mended.
        tell(cluster.run("delete", "pod", POD, "--ignore-not-found").strip())
    wait(cluster, patience=patience, tell=tell)
    tell(f"{POD} is ready. To connect to it: {cluster.shown('labkit k8s url')}")


def wait(
    cluster: Cluster,
    *,
    patience: float = 300,
    stop: threading.Event | None = None,
    tell: Callable[[str], None] = say,
) -> dict | None:
    """The pod as soon as it is ready, and as its StatefulSet wants it; ``None`` after ``stop``.

    Raises:
        ClusterError: it is not ready after ``patience`` seconds, or cannot become so, or nobody
            has asked for it.
    """
    stop = stop or threading.Event()
    deadline = time.monotonic() + patience
    said = None
    while not stop.is_set():
        wanted = cluster.get("statefulset", NAME)
        if not wanted or not wanted["spec"].get("replicas", 1):
            raise ClusterError(
                f"There is no JupyterLab to connect to: {cluster.shown('labkit k8s up')} makes one."
            )
        pod = cluster.get("pod", POD)
        if pod and _is_ready(pod, wanted):
            return pod
        found = hindrance(pod, _events(cluster))
        if found.text and found.final:
            raise ClusterError(f"{found.text}{_last_words(cluster, found)}")
        if found.text != said:
            said = found.text
            tell(f"Waiting for {POD}: {said}")
        if time.monotonic() > deadline:
            raise ClusterError(
                f"{POD} is not ready after {patience:.0f} s: {said}{_last_words(cluster, found)}\n"
                f"It may still become so; see: {cluster.shown(f'kubectl describe pod {POD}')}"
            )
        stop.wait(_LOOK)
    return None


@dataclass(frozen=True)
class Hindrance:
    """What keeps a pod from being ready."""

    text: str
    """What it is and what to do; for people."""
    final: bool = False
    """Whether waiting cannot help."""
    log: str = ""
    """The container whose last lines say more: "now", "before" (the one that ended), or ""."""


def hindrance(pod: dict | None, events: list[dict]) -> Hindrance:
    """What keeps ``pod`` from being ready, from what Kubernetes says of it.

    Args:
        pod: the pod as JSON, or ``None`` when there is none yet.
        events: the events of the pod and of its StatefulSet, oldest first.

    Example:
        >>> hindrance(None, []).text
        'the pod is not made yet.'
    """
    newest = {event.get("reason"): event.get("message", "") for event in events}
    if pod is None:
        refused = newest.get("FailedCreate")
        if not refused:
            return Hindrance("the pod is not made yet.")
        return Hindrance(
            f"the cluster refuses the pod: {refused}. A quota, or a policy of the namespace, "
            "is in the way: ask who runs the cluster, or take another --namespace."
        )
    status = pod.get("status", {})
    states = status.get("containerStatuses", [])
    if status.get("reason") == "Evicted":
        return Hindrance(f"the node put it out: {status.get('message', '')}")
    if not states:
        return _unscheduled(status, newest)
    state = states[0]
    image = state.get("image") or pod["spec"]["containers"][0]["image"]
    waiting = state.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"):
        return Hindrance(
            f"The node cannot get the image {image} ({message or reason}). An image of this "
            f"machine has to be loaded first: kind load docker-image {image}, or minikube image "
            f"load {image}. On OpenShift, build it: oc start-build ai101 --follow. From a "
            "registry, name it in the overlay (images:). Then labkit k8s up tries again at once.",
            final=reason != "ErrImagePull",
        )
    ended = (state.get("lastState", {}) or {}).get("terminated") or {}
    ended = state.get("state", {}).get("terminated") or ended
    if reason == "CrashLoopBackOff" and state.get("restartCount", 0) >= _RESTARTS:
        return Hindrance(
            f"JupyterLab has ended {state['restartCount']} times, the last time with "
            f"{_exit(ended)}. The last lines of its log say more.",
            final=True,
            log="before",
        )
    if ended:
        return Hindrance(
            f"JupyterLab ended with {_exit(ended)} and is started again.", log="before"
        )
    if reason == "CreateContainerConfigError":
        return Hindrance(f"the container cannot be made: {message}.")
    if reason:
        mount = newest.get("FailedMount") or newest.get("FailedAttachVolume")
        return Hindrance(f"the volume is not there yet: {mount}" if mount else _plain(reason))
    return Hindrance("JupyterLab is starting.", log="now")


def _unscheduled(status, newest):
    told = {c["type"]: c for c in status.get("conditions", [])}.get("PodScheduled", {})
    if told.get("status") == "True" or not told:
        return Hindrance("the node is preparing it.")
    text = told.get("message", "")
    if "PersistentVolumeClaim" in text or "persistentvolumeclaim" in text:
        return Hindrance(
            f"its volume is not there ({text}). See `kubectl get storageclass`: one has to be the "
            "default; and `kubectl describe pvc`."
        )
    room = [
        name for name in ("memory", "cpu", "ephemeral-storage") if f"Insufficient {name}" in text
    ]
    if room:
        return Hindrance(
            f"no node has enough free {' and '.join(room)} ({text}). End something else there, "
            "give the cluster a larger node, or lower the requests in the overlay."
        )
    return Hindrance(f"no node takes it: {text}" if text else "no node has been chosen yet.")


def _exit(ended):
    if ended.get("reason") == "OOMKilled":
        return "exit status 137: it was killed at its memory limit"
    if ended.get("exitCode") == 137:
        return "exit status 137: it was killed, most often for memory"
    return f"exit status {ended.get('exitCode')}"


def _plain(reason):
    return {
        "ContainerCreating": "the node is preparing it.",
        "PodInitializing": "it is prepared.",
    }.get(reason, f"{reason}.")


def _is_ready(pod, wanted):
    if pod["metadata"].get("deletionTimestamp"):
        return False
    status = wanted.get("status", {})
    if status.get("observedGeneration", 0) < wanted["metadata"].get("generation", 0):
        return False
    revision = pod["metadata"].get("labels", {}).get("controller-revision-hash")
    if revision != status.get("updateRevision", revision):
        return False  # the pod of before, which is about to be replaced
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _events(cluster):
    """Those of the pod and of what makes it; a cluster that does not show them is no error."""
    found = []
    for name in (NAME, POD):
        with contextlib.suppress(ClusterError):
            listed = cluster.get("events", f"--field-selector=involvedObject.name={name}")
            found += (listed or {}).get("items", [])
    return sorted(found, key=lambda e: e.get("lastTimestamp") or e.get("eventTime") or "")


def _last_words(cluster, found):
    if not found.log:
        return ""
    before = ["--previous"] if found.log == "before" else []
    for words in (before, []):
        with contextlib.suppress(ClusterError):
            text = cluster.run("logs", POD, "--tail=15", *words).rstrip()
            if text:
                return f"\n{text}"
    return ""


def _make_namespace(cluster, tell):
    if not cluster.namespace or cluster.get("namespace", cluster.namespace):
        return
    labels = {**_MINE, "pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": cluster.namespace, "labels": labels}
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    tell(cluster.run("create", "--filename=-", document=made).strip())


def _make_secret(cluster, tell):
    if cluster.get("secret", NAME):
        return
    # Through standard input: a command line is for everyone to see.
    made = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "labels": _MINE},
        "stringData": {"token": secrets.token_hex(24)},
    }
    tell(cluster.run("create", "--filename=-", document=made).strip())


def _failed(words, said):
    """What to make of kubectl's words, without the lines of its own log where it says more."""
    lines = said.splitlines()
    said = "\n".join([line for line in lines if not re.match(r"[EWIF]\d{4} ", line)] or lines[-1:])
    for pattern, meaning, remedy in _FAILURES:
        if re.search(pattern, said, re.IGNORECASE):
            return f"{meaning}: {said}\n{remedy}"
    return f"kubectl {words[0]} failed: {said or 'it does not say why'}"


_FAILURES = (
    (
        "unable to connect|was refused|no such host|i/o timeout|no configuration|tls handshake|"
        "context .* does not exist|deadline exceeded|timeout exceeded",
        "kubectl reaches no cluster",
        "Start one (kind create cluster, minikube start or crc start), or name another with "
        "--context; kubectl config get-contexts lists them.",
    ),
    (
        "unauthorized|logged in|provide credentials",
        "The cluster does not know you",
        "Log in again, with oc login or as whoever runs the cluster told you.",
    ),
    (
        "updates to statefulset spec",
        "The overlay changes what cannot be changed in place",
        f"Delete the StatefulSet; its volume stays: kubectl delete statefulset {NAME}",
    ),
    (
        r"the job [\s\S]*field is immutable",
        "A Job that ran already cannot be changed",
        "Delete it, then try again: kubectl delete job NAME",
    ),
    (
        "forbidden",
        "You may not do that there",
        "Ask who runs the cluster, or take a --namespace of your own.",
    ),
    (
        "no matches for kind|ensure CRDs are installed",
        "The cluster does not know a kind that the overlay has",
        "It belongs to OpenShift or to an operator: install that, or take another --overlay.",
    ),
)


def address(cluster: Cluster, pod: dict, port: int) -> str:
    """Where JupyterLab answers through ``port`` of this machine, with its token.

    Raises:
        ClusterError: the Secret with the token is gone, or is not for you to see.
    """
    secret = cluster.get("secret", NAME)
    token = base64.b64decode((secret or {}).get("data", {}).get("token", "")).decode().strip()
    if not token:
        raise ClusterError(
            f"The Secret {NAME} is not there, or has no token. `labkit k8s up` makes it; a pod "
            f"that runs already takes it when it is made anew: kubectl delete pod {POD}"
        )
    # The base URL leads on to the first lab.
    return f"http://127.0.0.1:{port}{base_url(pod)}?token={quote(token)}"


def base_url(pod: dict) -> str:
    """JupyterLab's base URL in ``pod``, with a slash at both ends."""
    env = {e["name"]: e.get("value", "") for e in pod["spec"]["containers"][0].get("env", [])}
    return re.sub("/+", "/", f"/{env.get('LABKIT_BASE_URL') or '/'}/")


def forward(
    cluster: Cluster,
    *,
    port: int = PORT,
    patience: float = 300,
    stop: threading.Event | None = None,
    tell: Callable[[str], None] = say,
) -> None:
    """Carry JupyterLab to the loopback address of this machine until Ctrl-C or ``stop``.

    Prints the address when it answers. Makes the connection again when it breaks, also to a new
    pod. Ending it leaves the pod as it is.

    Args:
        cluster: where.
        port: of this machine, or the first free one after it.
        patience: seconds in which a pod has to be ready.
        stop: ends this when it is set.
        tell: takes each line.

    Raises:
        ClusterError: there is no pod, or it does not become ready.
    """
    stop = stop or threading.Event()
    port = machine.free_port(port)
    told, lost = None, 0.0
    while not stop.is_set():
        try:
            pod = wait(cluster, patience=patience, stop=stop, tell=tell)
        except ClusterError:
            # Someone who was connected may have closed the laptop, or the API server restarts.
            if told is None or time.monotonic() > lost + patience:
                raise
            stop.wait(_WATCH)
            continue
        if pod is None:
            return
        asked = f"http://127.0.0.1:{port}{base_url(pod)}api"
        with _forwarding(cluster, port) as process:
            if _comes(asked, process, stop):
                here = address(cluster, pod, port)
                if here != told:
                    tell(f"JupyterLab is ready: {here} (Ctrl-C ends the connection, not the pod)")
                else:
                    tell("Connected again.")
                told = here
                _while_alive(asked, process, stop)
            elif told is None and not stop.is_set():
                raise ClusterError(
                    f"{POD} is ready, but nothing comes through kubectl port-forward: "
                    f"{_end(process) or 'it says nothing'}. Try again: "
                    f"{cluster.shown('labkit k8s url')}"
                )
        if not stop.is_set():
            lost = time.monotonic()
            tell("The connection broke; making it again.")
            stop.wait(_LOOK)


@contextlib.contextmanager
def _forwarding(cluster, port) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        cluster.command("port-forward", "--address=127.0.0.1", f"pod/{POD}", f"{port}:{PORT}"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C comes to us, and we end it in order
    )
    # It writes a line for each connection that fails: what nobody reads would stop it.
    process.said = []
    reader = threading.Thread(target=_collect, args=(process,), daemon=True)
    reader.start()
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(5)
        process.stderr.close()


def _collect(process):
    with contextlib.suppress(ValueError):
        for line in process.stderr:
            process.said[:] = [*process.said[-4:], line.rstrip()]


def _end(process):
    return " ".join(process.said)


def _comes(asked, process, stop):
    deadline = time.monotonic() + _ANSWER
    while time.monotonic() < deadline and process.poll() is None and not stop.is_set():
        if _answers(asked):
            return True
        stop.wait(0.1)
    return False


def _while_alive(asked, process, stop):
    """Return when kubectl has ended, or its connection carries nothing any more."""
    missed = 0
    while process.poll() is None and missed < 3 and not stop.wait(_WATCH):
        missed = 0 if _answers(asked) else missed + 1


def _answers(asked):
    """Whether anything speaks HTTP there: a busy server's refusal is an answer, too."""
    try:
        with urllib.request.urlopen(asked, timeout=10):
            return True
    except urllib.error.HTTPError:
        return True
    except (urllib.error.URLError, OSError):
        return False


def down(
    cluster: Cluster,
    folder: Path,
    *,
    delete_work: bool = False,
    tell: Callable[[str], None] = say,
) -> None:
    """Delete what an overlay made; what it keeps on volumes only with ``delete_work``.

    Those are the learner's volume and the claims of the overlay with the label ``ai101/keep``:
    models, data sets, shares. What belongs to a learner of a classroom stays in any case, as do
    the namespace and a Secret that ``up`` did not make.

    Raises:
        ClusterError: kubectl failed.
    """
    words = ("delete", "--kustomize", str(folder), "--ignore-not-found")
    for line in cluster.run(*words, f"--selector=!{KEEP}").splitlines():
        tell(line)
    secret = cluster.get("secret", NAME)
    labels = (secret or {}).get("metadata", {}).get("labels", {})
    if labels.get("app.kubernetes.io/managed-by") == "labkit":
        tell(cluster.run("delete", "secret", NAME, "--ignore-not-found").strip())
    work, kept = _claims(cluster, WORK), _claims(cluster, KEEP)
    if delete_work:
        if work:
            tell(cluster.run("delete", "persistentvolumeclaims", *work).strip())
        if kept:  # perhaps of another overlay
            tell(cluster.run(*words, f"--selector={KEEP},!{LEARNER}").strip())
    elif work or kept:
        tell(
            f"The work is kept on {', '.join(dict.fromkeys((*work, *kept)))}; labkit k8s up finds "
            f"it again, and {cluster.shown('labkit k8s down --delete-work')} deletes it for good, "
            "with the --overlay that has it."
        )


def _claims(cluster, selector):
    """The names of claims, but not of those that belong to the learners of a classroom."""
    found = cluster.get("persistentvolumeclaims", f"--selector={selector}") or {}
    return [
        claim["metadata"]["name"]
        for claim in found.get("items", [])
        if LEARNER not in claim["metadata"].get("labels", {})
    ]


@dataclass(frozen=True)
class Place:
    """One learner's JupyterLab in a classroom."""

    learner: str
    address: str
    """With its token; a path alone when no host was given."""
    new: bool
    """Whether the token was made now."""


def classroom(
    learners: Path, out: Path, *, base: Path, host: str | None = None
) -> tuple[Place, ...]:
    """Write a folder that kubectl applies: a JupyterLab for each name of a list.

    Each gets a volume and a token of its own; with ``host`` also a path below it, through an
    Ingress. Written again after a change of the list, tokens that are there stay.

    Args:
        learners: a file with one name a line; ``#`` begins a comment.
        out: the folder. It holds the tokens: it keeps itself out of Git, and only you may read it.
        base: the overlay that all of them share.
        host: such as labs.example.org; without it learners connect by kubectl port-forward.

    Raises:
        ClusterError: the list cannot be read, or a name in it or ``host`` cannot be.

    Example:
        >>> classroom(Path("learners.txt"), Path("classroom"), base=overlay("classroom"))
        ... # doctest: +SKIP
        (Place(learner='ada', address='/?token=…', new=True), …)
    """
    names = read_learners(learners)
    if host and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", host):
        raise ClusterError(
            f"{host!r} cannot be the host of an Ingress. Give the name alone, such as "
            "labs.example.org."
        )
    base = Path(os.path.relpath(base.resolve(), (out / "learner").resolve()))
    _private(out)
    (out / ".gitignore").write_text("*\n")
    places = []
    for name in names:
        folder = out / name
        _private(folder)
        token, new = _token(folder / "token.env")
        prefix = f"/{name}/" if host else "/"
        for file, text in _learner(name, base, prefix, host).items():
            (folder / file).write_text(text)
        where = f"https://{host}" if host else ""
        places.append(Place(name, f"{where}{prefix}?token={token}", new))
    listed = "".join(f'  - "{name}"\n' for name in names)
    (out / "kustomization.yaml").write_text(f"{_KIND}resources:\n{listed}")
    _write_private(
        out / "addresses.txt", "".join(f"{place.learner}  {place.address}\n" for place in places)
    )
    return tuple(places)


def read_learners(path: Path) -> tuple[str, ...]:
    """The names in a list of learners, one a line, in their order.

    Raises:
        ClusterError: the file cannot be read, is empty, or has a name that Kubernetes does not
            take, that others' objects have, or that stands there twice.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterError(
            f"Cannot read the list of learners {path}: {error}. It is text, one name a line."
        ) from None
    names = []
    for number, line in enumerate(lines, 1):
        name = line.partition("#")[0].strip()
        if not name:
            continue
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?", name):
            raise ClusterError(
                f"{path}, line {number}: {name!r} cannot be part of a name in Kubernetes. Take "
                "small letters, digits and hyphens, at most 30, such as ada-l."
            )
        if re.match("pods(-|$)|from-the-", name):
            raise ClusterError(
                f"{path}, line {number}: {name!r} would take a name of another learner's, since "
                "Services are called jupyterlab-pods-… and policies jupyterlab-from-the-…. Take "
                "another name."
            )
        if name in names:
            raise ClusterError(
                f"{path}, line {number}: {name!r} stands there twice. Each learner needs a name of "
                "their own."
            )
        names.append(name)
    if not names:
        raise ClusterError(f"{path} names nobody. Write one name a line.")
    return tuple(names)


def _private(folder):
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def _write_private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _token(path):
    if path.exists():
        found = re.search(r"^token=(\S+)$", path.read_text(), re.MULTILINE)
        if not found:
            raise ClusterError(f"{path} has no line token=… . Delete it for a new one.")
        return found[1], False
    token = secrets.token_hex(24)
    _write_private(path, f"token={token}\n")
    return token, True


_KIND = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"


def _learner(name, base, prefix, host):
    """The files of one learner. What the base calls jupyterlab gets the learner's suffix.

    Names stand in quotation marks: YAML takes 123, 1e5 or null for something else.
    """
    files = {
        "kustomization.yaml": f"""{_KIND}resources:
  - {base.as_posix()}{_listed(host)}
nameSuffix: "-{name}"
labels:
  - pairs:
      {LEARNER}: "{name}"
    includeSelectors: true
secretGenerator:
  - name: {NAME}
    envs: [token.env]
    options:
      disableNameSuffixHash: true
"""
    }
    if not host:
        return files
    files["kustomization.yaml"] += "patches:\n  - path: base-url.yaml\n"
    probes = "".join(
        f"          {probe}Probe:\n            httpGet:\n              path: {prefix}api\n"
        for probe in ("startup", "readiness", "liveness")
    )
    files["base-url.yaml"] = f"""apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {NAME}
spec:
  template:
    spec:
      containers:
        - name: {NAME}
          env:
            - name: LABKIT_BASE_URL
              value: {prefix}
{probes}"""
    files["ingress.yaml"] = f"""apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {NAME}
  labels:
    app.kubernetes.io/name: ai101
    app.kubernetes.io/component: jupyterlab
    app.kubernetes.io/part-of: ai101
  annotations:
    # Notebooks speak through WebSockets, which are quiet while a cell computes.
    nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"
    nginx.ingress.kubernetes.io/proxy-body-size: 200m
    haproxy.router.openshift.io/timeout-tunnel: 8h
    route.openshift.io/termination: edge
spec:
  tls:
    - hosts: ["{host}"]
      secretName: ai101-tls
  rules:
    - host: "{host}"
      http:
        paths:
          - path: {prefix}
            pathType: Prefix
            backend:
              service:
                name: {NAME}
                port:
                  name: http
"""
    return files


def _listed(host):
    return "\n  - ingress.yaml" if host else ""
