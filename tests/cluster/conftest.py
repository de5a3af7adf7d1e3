"""The node of the tests: one with the API server alone, and one that runs pods."""

import json
import secrets

import pytest

from tests.cluster import images
from tests.cluster.node import Node

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """Runs pods."""
    node = Node(tmp_path_factory.mktemp("node"))
    try:
        node.start_api()
        node.start_pods()
        yield node
    finally:
        node.stop()


@pytest.fixture(scope="session")
def workshop(node):
    """The node, which has the workshop's images."""
    for make in (images.workshop, images.database):
        archive = make(node.folder / "tmp")
        node.load(archive)
        archive.unlink()
    return node


@pytest.fixture
def space(node):
    """A namespace of its own, gone after the test with all that is in it."""
    space = Space(node, f"test-{secrets.token_hex(4)}")
    yield space
    space.delete()


class Space:
    """A namespace that holds its pods to the Pod Security Standard "restricted"."""

    def __init__(self, node, name):
        self.node, self.name = node, name
        metadata = {"name": name, "labels": RESTRICTED}
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        account = ("get", "serviceaccount", "default")
        node.wait("the account of pods", lambda: not self.kubectl(*account).returncode)

    def kubectl(self, *arguments, **options):
        return self.node.kubectl("--namespace", self.name, *arguments, **options)

    def create(self, *things):
        everything = {"apiVersion": "v1", "kind": "List", "items": things}
        self.kubectl("create", "-f", "-", input=json.dumps(everything), check=True)

    def wait(self, thing, condition, seconds=300):
        """Until a pod is Ready, or a job Complete. Tells what there is to see where it is not."""
        ask = (
            "get",
            thing,
            "-o",
            f"jsonpath={{.status.conditions[?(@.type=='{condition}')].status}}",
        )
        try:
            self.node.wait(thing, lambda: self.kubectl(*ask).stdout == "True", seconds)
        except pytest.fail.Exception as failure:
            tells = [("get", "pods,jobs,pvc"), ("describe", thing), ("logs", thing, "--tail=40")]
            seen = [self.kubectl(*tell).stdout for tell in tells]
            pytest.fail("\n".join([str(failure), *seen]))

    def execute(self, pod, *command, timeout=120, check=False):
        """Runs a command in a pod. Returns what subprocess.run does, in text."""
        return self.kubectl("exec", pod, "--", *command, timeout=timeout, check=check)

    def status(self, service, path):
        """The HTTP status that a service answers with."""
        where = "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}"
        at = self.kubectl("get", "service", service, "-o", where, check=True).stdout
        ask = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}")
        return self.node.run(*ask, f"http://{at}{path}").stdout

    def uid(self, thing):
        """Which one it is, of those that have had this name; "" where there is none."""
        return self.kubectl("get", thing, "-o", "jsonpath={.metadata.uid}").stdout

    def delete(self):
        self.kubectl("delete", "namespace", self.name, "--wait=false", check=True)


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """Asks Kubernetes what it accepts. Nothing runs on it."""
    node = Node(tmp_path_factory.mktemp("api"))
    try:
        node.start_api()
        yield node
    finally:
        node.stop()
