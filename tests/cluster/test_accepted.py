"""Kubernetes accepts every overlay and component, and the pods in them as "restricted"."""

import copy
import json
import secrets

import pytest
import yaml

from tests.cluster.conftest import RESTRICTED
from tests.k8s.rendering import ROOT, composed
from tests.k8s.test_manifests import RENDERED, things

CRDS = ROOT.parent / "shared" / "crds"
# These come with OpenShift, with Kubeflow and with the Prometheus operator. Nobody here knows
# what they look like, so they are left out, and the tests say so.
ELSEWHERE = {
    *("BuildConfig", "ImageStream", "Route", "SecurityContextConstraints"),
    *("Notebook", "PrometheusRule", "TrainingRuntime"),
}
APPLY = ("apply", "--server-side", "--force-conflicts", "--validate=strict")


@pytest.fixture(scope="module")
def cluster(api):
    """The API server, which knows the custom resources whose schemas are there."""
    if CRDS.exists():
        api.kubectl("apply", "--server-side", "-f", CRDS, check=True)
        many = len(list(CRDS.glob("*.yaml")))
        ask = "jsonpath={.items[*].status.conditions[?(@.type=='Established')].status}"
        answer = ("get", "crd", "-o", ask)
        api.wait("the schemas", lambda: api.kubectl(*answer).stdout.split() == ["True"] * many)
    return api


@pytest.fixture
def accept(cluster):
    """Applies objects to a namespace of their own, and returns every complaint and warning."""
    own = f"case-{secrets.token_hex(4)}"

    def accept(objects):
        pods = [(thing, pod) for thing in objects for pod in _pods(thing)]
        elsewhere = sorted({thing["kind"] for thing in objects if thing["kind"] in ELSEWHERE})
        objects = [thing for thing in objects if thing["kind"] not in ELSEWHERE]
        if not CRDS.exists():
            served = cluster.kubectl("api-versions", check=True).stdout.split()
            custom = [thing for thing in objects if thing["apiVersion"] not in served]
            elsewhere += sorted({thing["kind"] for thing in custom})
            objects = [thing for thing in objects if thing not in custom]
        if elsewhere:
            print(f"left out, as their schemas are not here: {', '.join(elsewhere)}")
        spaces = {thing["metadata"].get("namespace") for thing in objects} - {None}
        for space in {own, *spaces}:
            _make_namespace(cluster, space)
        answers = []
        if objects:
            done = cluster.kubectl(*APPLY, "-n", own, "-f", "-", input=_stream(objects))
            answers.append(done.stderr)
        for thing, pod in pods:
            space = thing["metadata"].get("namespace", own)
            test = ("create", "--dry-run=server", "--validate=strict", "-n", space, "-f", "-")
            answers.append(cluster.kubectl(*test, input=json.dumps(pod)).stderr)
        return "".join(answers)

    return accept


@pytest.mark.parametrize("what", RENDERED)
def test_it_is_accepted(what, accept):
    assert accept(things(what)) == ""


def test_a_misspelled_field_is_refused(accept):
    objects = copy.deepcopy(composed())
    _stateful(objects)["spec"]["templates"] = {}
    assert "spec.templates: field not declared in schema" in accept(objects)


def test_a_pod_that_may_become_root_is_refused(accept):
    objects = copy.deepcopy(composed())
    container = _stateful(objects)["spec"]["template"]["spec"]["containers"][0]
    container["securityContext"]["allowPrivilegeEscalation"] = True
    assert 'violates PodSecurity "restricted:latest"' in accept(objects)


def _stateful(objects):
    return next(thing for thing in objects if thing["kind"] == "StatefulSet")


def _make_namespace(cluster, name):
    made = {"apiVersion": "v1", "metadata": {"name": name, "labels": RESTRICTED}}
    # A controller makes this account, elsewhere; and no pod is accepted without.
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    account["metadata"] = {"name": "default", "namespace": name}
    things = [{**made, "kind": "Namespace"}, account]
    cluster.kubectl(*APPLY, "-f", "-", input=_stream(things), check=True)


def _pods(thing):
    """The pods that an object makes: of a Job, a StatefulSet, a JobSet, a Notebook, …"""
    claims = (thing.get("spec") or {}).get("volumeClaimTemplates", [])
    names = [claim["metadata"]["name"] for claim in claims]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    pods = []
    for template in _templates(thing):
        spec = {**template["spec"], "volumes": [*template["spec"].get("volumes", []), *volumes]}
        metadata = {"labels": template.get("metadata", {}).get("labels", {})}
        metadata["generateName"] = f"{thing['metadata']['name']}-"
        pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    return pods


def _templates(part):
    """Those of pods, in an object, wherever they are."""
    if isinstance(part, list):
        return [found for item in part for found in _templates(item)]
    if not isinstance(part, dict):
        return []
    spec = part.get("spec")
    if isinstance(spec, dict) and "containers" in spec:
        return [part]
    return [found for item in part.values() for found in _templates(item)]


def _stream(objects):
    return yaml.safe_dump_all(objects)
