"""A classroom from a list of names: one kustomization, in which nobody meets anybody else."""

import os
import re
from urllib.parse import urlsplit

import pytest

from labkit import k8s
from tests.k8s import schemas
from tests.k8s.rendering import K8S, overlay, render

NAMES = ("ada", "grace-h", "k2")


@pytest.fixture(params=["classroom", "classroom-openshift"])
def room(tmp_path, request, monkeypatch):
    """The objects of a class of three, the addresses, and the list."""
    learners = tmp_path / "learners.txt"
    learners.write_text("\n".join(NAMES))
    out = tmp_path / "room"
    base = K8S / "overlays" / request.param
    places = k8s.classroom(learners, out, base=base, host="labs.example.org")
    return render(out), places


def of(found, kind, name):
    (thing,) = (t for t in found if t["kind"] == kind and t["metadata"]["name"] == name)
    return thing


def test_each_learner_has_a_place_that_kubernetes_takes(room):
    found, places = room
    for version in schemas.VERSIONS:
        assert not [p for thing in found for p in schemas.problems(thing, version)]
    assert tuple(place.learner for place in places) == NAMES
    for place in places:
        name = f"jupyterlab-{place.learner}"
        stateful = of(found, "StatefulSet", name)["spec"]
        assert stateful["serviceName"] == f"jupyterlab-pods-{place.learner}"
        assert stateful["volumeClaimTemplates"][0]["metadata"]["name"] == "work"
        (container,) = stateful["template"]["spec"]["containers"]
        variables = {v["name"]: v for v in container["env"]}
        assert variables["JUPYTER_TOKEN"]["valueFrom"]["secretKeyRef"]["name"] == name
        assert of(found, "Secret", name)["data"].keys() == {"token"}
        address = urlsplit(place.address)
        assert address.path == variables["LABKIT_BASE_URL"]["value"] == f"/{place.learner}/"
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["path"] == f"/{place.learner}/api"
        (rule,) = of(found, "Ingress", name)["spec"]["rules"]
        (path,) = rule["http"]["paths"]
        assert (rule["host"], path["path"]) == (address.netloc, address.path)
        assert path["backend"]["service"] == {"name": name, "port": {"name": "http"}}


def test_what_selects_pods_selects_one_learners(room):
    found, _ = room
    stateful = [t for t in found if t["kind"] == "StatefulSet"]
    labels = [s["spec"]["template"]["metadata"]["labels"] for s in stateful]
    assert len(labels) == len(NAMES)
    selectors = [t["spec"]["selector"] for t in found if t["kind"] == "Service"]
    for thing in found:
        if thing["kind"] in ("StatefulSet", "PodDisruptionBudget"):
            selectors.append(thing["spec"]["selector"]["matchLabels"])
        if thing["kind"] == "NetworkPolicy":
            selectors.append(thing["spec"]["podSelector"]["matchLabels"])
    assert len(selectors) >= 7 * len(NAMES)
    for selector in selectors:
        assert sum(selector.items() <= own.items() for own in labels) == 1, selector


def test_a_learner_who_leaves_the_list_leaves_the_class(tmp_path):
    learners, out = tmp_path / "learners.txt", tmp_path / "room"
    learners.write_text("ada\ngrace\n")
    base = K8S / "overlays" / "classroom"
    k8s.classroom(learners, out, base=base)
    before = of(render(out), "Secret", "jupyterlab-ada")
    learners.write_text("ada\n")
    (place,) = k8s.classroom(learners, out, base=base)
    found = render(out)
    assert of(found, "Secret", "jupyterlab-ada") == before
    assert not [t for t in found if t["metadata"]["name"].endswith("-grace")]
    assert re.fullmatch(r"/\?token=[0-9a-f]{48}", place.address)
    assert not [t for t in found if t["kind"] == "Ingress"]


@pytest.mark.parametrize("host", [None, "labs.example.org"])
def test_names_that_yaml_reads_as_something_else_are_names(tmp_path, host):
    names = ("123", "null", "1e5", "0x1f", "true")
    learners, out = tmp_path / "learners.txt", tmp_path / "room"
    learners.write_text("\n".join(names))
    k8s.classroom(learners, out, base=K8S / "overlays" / "classroom", host=host)
    found = render(out)
    for name in names:
        stateful = of(found, "StatefulSet", f"jupyterlab-{name}")
        assert stateful["metadata"]["labels"]["ai101/learner"] == name
        assert of(found, "Secret", f"jupyterlab-{name}")


def test_what_the_base_calls_its_objects_is_no_learners_name(tmp_path):
    """A learner of that name would get what another's Service or policy is called already."""
    names = {t["metadata"]["name"] for t in overlay("classroom")}
    prefix = f"{k8s.NAME}-"
    longer = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    assert {"pods", "from-the-ingress"} <= longer
    learners = tmp_path / "learners.txt"
    for name in longer:
        learners.write_text(f"ada\n{name}-ada\n")
        with pytest.raises(k8s.ClusterError, match=f"'{name}-ada' would take a name"):
            k8s.read_learners(learners)


def test_the_list_that_comes_along_can_be_used(tmp_path):
    learners = K8S / "overlays" / "classroom" / "learners.txt"
    base = os.path.relpath(K8S / "overlays" / "classroom")
    assert k8s.classroom(learners, tmp_path / "room", base=k8s.overlay(base))
