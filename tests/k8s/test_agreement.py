"""What is written down twice is the same: in manifests, the image, the pages and labkit."""

import re
import shutil
import subprocess

import pytest
import typer
import yaml

import labkit
from labkit import cli, k8s, settings
from tests.k8s.rendering import K8S, ROOT, folders, overlay, render
from tests.k8s.test_manifests import RENDERED, TOGETHER, composed, everything, pods, things

DOCKERFILE = ROOT / "docker" / "jupyterlab" / "Dockerfile"
README = ROOT / "README.md"
CLUSTER = ROOT / "docs" / "cluster.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
HUB = K8S / "overlays" / "classroom" / "jupyterhub.yaml"
IMAGE = f"ai101:{labkit.__version__}"
SOURCES = [path for path in K8S.rglob("*") if path.suffix in (".yaml", ".json", ".env", ".py")]


def dockerfile(pattern):
    """The first group of each place in the Dockerfile."""
    found = re.findall(pattern, DOCKERFILE.read_text(), re.MULTILINE)
    assert found, pattern
    return found


def jupyterlab(found):
    """Its container, in the pod of an overlay."""
    return next(
        container
        for thing, pod in pods(found)
        if thing["metadata"]["labels"].get("app.kubernetes.io/component") == "jupyterlab"
        for container in pod["spec"]["containers"]
    )


def gibibytes(text):
    number, unit = re.fullmatch(r"([\d.]+)(Gi|G|Mi)", text).groups()
    return float(number) / (1024 if unit == "Mi" else 1)


BASES = [name for name in folders("overlays") if name != "openshift/build"]


def test_the_image_has_labkits_version_everywhere():
    ours = {
        container["image"]
        for _, pod in pods(everything())
        for container in pod["spec"]["containers"]
        if "ai101" in container["image"]
    }
    assert ours - {f"{IMAGE}-gpu"} == {IMAGE}
    assert dockerfile(r"^ARG VERSION=(\S+)") == [labkit.__version__]
    build = next(t for t in overlay("openshift/build") if t["kind"] == "BuildConfig")
    assert build["spec"]["output"]["to"]["name"] == IMAGE
    hub = yaml.safe_load(HUB.read_text())["singleuser"]["image"]
    assert hub["tag"] == labkit.__version__
    for path in (*PAGES, *SOURCES):
        for tag in re.findall(r"\bai101:(\d[\w.]*)", path.read_text()):
            assert tag == labkit.__version__, path


def test_openshift_builds_the_dockerfile():
    build = next(t for t in overlay("openshift/build") if t["kind"] == "BuildConfig")
    path = build["spec"]["strategy"]["dockerStrategy"]["dockerfilePath"]
    assert ROOT / path == DOCKERFILE and DOCKERFILE.is_file()


@pytest.mark.parametrize("name", BASES)
def test_jupyterlab_has_one_port_and_its_probes_ask_below_its_base_url(name):
    container = jupyterlab(overlay(name))
    assert [p["containerPort"] for p in container["ports"]] == [k8s.PORT]
    assert dockerfile(r"^EXPOSE (\d+)") == [str(k8s.PORT)]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]
        if "tcpSocket" not in asked:  # Kubeflow alone knows its base URL
            assert (
                asked["httpGet"]["path"]
                == f"{k8s.base_url({'spec': {'containers': [container]}})}api"
            )


@pytest.mark.parametrize("what", RENDERED)
def test_ports_have_names_that_their_pods_know(what):
    found = things(what)
    services = [t for t in found if t["kind"] == "Service"]
    for service in services:
        wanted = service["spec"].get("selector", {}).items()
        chosen = [
            pod for _, pod in pods(found) if wanted <= pod["metadata"].get("labels", {}).items()
        ]
        assert chosen or "strimzi.io/cluster" in dict(wanted), service["metadata"]["name"]
        for pod in chosen:
            ports = [p for c in pod["spec"]["containers"] for p in c.get("ports", [])]
            known = {p.get("name") for p in ports} | {p["containerPort"] for p in ports}
            for port in service["spec"]["ports"]:
                assert port.get("targetPort", port["port"]) in known, service["metadata"]["name"]


@pytest.mark.parametrize("what", RENDERED)
def test_what_a_pod_refers_to_is_there_or_a_template_shows_it(what):
    found = things(what)
    there = {(t["kind"], t["metadata"]["name"]) for t in found}
    for path in K8S.rglob("*.template.yaml"):
        template = yaml.safe_load(path.read_text())
        there.add((template["kind"], template["metadata"]["name"]))
    for thing, pod in pods(found):
        spec, wanted = pod["spec"], set()
        for container in spec["containers"]:
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {})
                for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                    if key in source and not source[key].get("optional"):
                        wanted.add((kind, source[key]["name"]))
            for source in container.get("envFrom", []):
                for key, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                    if key in source and not source[key].get("optional"):
                        wanted.add((kind, source[key]["name"]))
        for volume in spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                wanted.add(("PersistentVolumeClaim", claim))
            if "configMap" in volume:
                wanted.add(("ConfigMap", volume["configMap"]["name"]))
        if spec.get("serviceAccountName", "default") != "default":
            wanted.add(("ServiceAccount", spec["serviceAccountName"]))
        # Such as train, which needs a store beside it; on Kubeflow its ConfigMap is made by hand.
        alone = what.startswith("component") or what == "overlay kubeflow"
        missing = {name for name in wanted - there if not alone or name[0] == "Secret"}
        made = {("Secret", "stream-classify"), ("Secret", "kafka-cluster-ca-cert")}  # by Strimzi
        assert not missing - made, thing["metadata"]["name"]


def test_what_jupyterlab_writes_is_below_its_two_mounts():
    for name in BASES:
        mounts = {m["mountPath"] for m in jupyterlab(overlay(name))["volumeMounts"]}
        assert mounts == {"/home/learner/work", "/tmp"}
    hub = yaml.safe_load(HUB.read_text())["singleuser"]["storage"]
    assert hub["homeMountPath"] == "/home/learner/work"
    assert dockerfile(r"^WORKDIR (\S+)") == ["/home/learner/work"]
    written = dockerfile(r"(?:_(?:DIR|HOME)|DIR|LABKIT_(?!DATA)\w+)=(/\S+)")
    for path in written:
        assert path.startswith(("/home/learner/work/", "/tmp/")), path


def test_every_variable_of_labkits_is_one_that_labkit_has():
    known = {f.metadata["name"] for f in settings.fields(settings.Settings)}
    for path in (DOCKERFILE, *PAGES, *SOURCES):
        named = set(re.findall(r"\bLABKIT_[A-Z_]+[A-Z]\b", path.read_text()))
        # The source that a Job of the data sets is given becomes LABKIT_DATA there.
        assert named <= known | {"LABKIT_DATA_SOURCE", "LABKIT_KAFKA"}, path


def test_memory_is_that_of_the_largest_lab_and_a_gigabyte_for_the_rest():
    table = re.findall(r"^\| \[\d\d · .*\| ([\d.]+) GB \|$", README.read_text(), re.MULTILINE)
    assert len(table) >= 12
    wanted = max(map(float, table)) + 1
    for name in BASES:
        assert gibibytes(jupyterlab(overlay(name))["resources"]["limits"]["memory"]) == wanted
    base = jupyterlab(composed())["resources"]
    assert gibibytes(base["requests"]["memory"]) == wanted
    hub = yaml.safe_load(HUB.read_text())["singleuser"]["memory"]
    assert {gibibytes(hub["limit"]), gibibytes(hub["guarantee"])} == {wanted}


def test_labkit_k8s_knows_the_names_of_the_base():
    found = {t["kind"]: t for t in composed() if t["metadata"]["name"] == k8s.NAME}
    assert {"StatefulSet", "Service", "ServiceAccount"} <= set(found)
    stateful = found["StatefulSet"]["spec"]
    labels = stateful["volumeClaimTemplates"][0]["metadata"]["labels"]
    assert dict(pair.split("=") for pair in k8s.WORK.split(",")).items() <= labels.items()
    token = jupyterlab(composed())["env"][0]
    assert token["name"] == "JUPYTER_TOKEN"
    assert token["valueFrom"]["secretKeyRef"] == {"name": k8s.NAME, "key": "token"}
    pods_service = next(t for t in composed() if t["metadata"]["name"] == stateful["serviceName"])
    assert pods_service["spec"]["clusterIP"] == "None"


def test_no_secret_has_a_default():
    assert not [t for t in everything() if t["kind"] == "Secret"]
    for path in K8S.rglob("*.template.yaml"):
        values = yaml.safe_load(path.read_text()).get("stringData", {}).values()
        text = "\n".join(values)
        assert not re.search(r"[0-9a-f]{16}", text), path
        assert path.name not in (path.parent / "kustomization.yaml").read_text().split(), path


@pytest.mark.parametrize("name", ["openshift", "classroom-openshift"])
def test_openshift_chooses_user_and_group(name):
    for thing, pod in pods(overlay(name)):
        contexts = [pod["spec"]["securityContext"]]
        contexts += [c["securityContext"] for c in pod["spec"]["containers"]]
        fixed = {"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"}
        assert not [c for c in contexts if fixed & set(c)], thing["metadata"]["name"]


@pytest.mark.parametrize("name", ["laptop", "classroom"])
def test_volumes_of_other_clusters_are_made_writable(name):
    _, pod = pods(overlay(name))[0]
    assert pod["spec"]["securityContext"]["fsGroup"] == 100


def test_the_components_fit_on_openshift():
    names = [name for name in TOGETHER["a bucket"] if name != "fsgroup"]
    found = composed(*names, base="overlays/openshift")
    for thing, pod in pods(found):
        context = pod["spec"].get("securityContext", {})
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(context), thing["metadata"]["name"]


def test_all_that_this_project_runs_is_behind_the_policy_of_default_deny():
    found = composed(*TOGETHER["a bucket"])
    deny = next(t for t in found if t["metadata"]["name"] == "default-deny")
    assert set(deny["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    wanted = deny["spec"]["podSelector"]["matchLabels"].items()
    for thing, pod in pods(found):
        assert wanted <= pod["metadata"]["labels"].items(), thing["metadata"]["name"]


def kept_in_git():
    """The files that Git has, or would take: not those that .gitignore hides."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return None
    return None if done.returncode else set(done.stdout.split("\0"))


def test_what_the_pages_name_is_there():
    text, kept = "\n".join(path.read_text() for path in PAGES), kept_in_git()
    for path in re.findall(r"\bk8s/[\w./-]*\w", text):
        if path.startswith("k8s/overlays/mine"):  # the reader's own
            continue
        assert (ROOT / path).exists(), path
        if kept is not None:  # not an archive without Git
            assert any(f"{file}/".startswith(f"{path}/") for file in kept), f"ignored: {path}"
    for name in re.findall(r"--overlay ([\w-]+)", text):
        assert name in folders("overlays"), name


def claims_of(thing, pod):
    """How many claims a pod mounts."""
    own = thing["spec"].get("volumeClaimTemplates", [])
    return len(own) + sum("persistentVolumeClaim" in v for v in pod["spec"].get("volumes", []))


def test_the_pages_own_overlay_runs_on_a_laptop(tmp_path):
    blocks = re.findall(r"^```yaml\n(.*?)^```", CLUSTER.read_text(), re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if "k8s/overlays/mine" in block)
    shutil.copytree(K8S, tmp_path / "k8s")
    mine = tmp_path / "k8s" / "overlays" / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(block)
    found = render(mine)
    claims = [t["spec"] for t in found if t["kind"] == "PersistentVolumeClaim"]
    assert claims and not [c for c in claims if "ReadWriteMany" in c["accessModes"]]
    mounting = [(thing, pod) for thing, pod in pods(found) if claims_of(thing, pod)]
    assert len(mounting) >= 4
    for thing, pod in mounting:
        assert pod["spec"]["securityContext"].get("fsGroup"), thing["metadata"]["name"]


def needs_models(args):
    return (
        args[0] == "serve"
        or args[:2] == ["stream", "classify"]
        or (args[0] == "train" and any(a.startswith("--model") for a in args))
    )


@pytest.mark.parametrize("what", RENDERED)
def test_who_works_with_models_is_told_where_they_are(what):
    found = things(what)
    maps = {t["metadata"]["name"]: t["data"] for t in found if t["kind"] == "ConfigMap"}
    # A component alone has no store beside it; on Kubeflow its ConfigMap is made by hand.
    maps.setdefault("ai101", {"LABKIT_STORE": "s3://models/ai101"})
    told = {
        t["spec"]["runtimeRef"]["name"]: t["spec"]["trainer"]["args"]
        for t in found
        if t["kind"] == "TrainJob"
    }
    for thing, pod in pods(found):
        for container in pod["spec"]["containers"]:
            args = container.get("args")
            if thing["kind"] == "TrainingRuntime":
                args = told[thing["metadata"]["name"]]
            if args and needs_models(args):
                known = {e["name"] for e in container.get("env", [])}
                for source in container.get("envFrom", []):
                    known |= set(maps.get(source.get("configMapRef", {}).get("name"), {}))
                assert "LABKIT_STORE" in known, thing["metadata"]["name"]


def understood(args):
    """The options of labkit's command line ``args``, as labkit understands them."""
    command = typer.main.get_command(cli.app)
    context = typer.Context(command)
    while hasattr(command, "resolve_command"):
        name, command, args = command.resolve_command(context, args)
    return command.make_context(name, list(args), parent=context).params


def filled(container):
    """Its arguments, with the variables in them."""
    values = {e["name"]: e.get("value", "1") for e in container.get("env", [])}
    return [
        re.sub(r"\$\((\w+)\)", lambda found: values.get(found[1], "1"), argument)
        for argument in container["args"]
    ]


def test_labkit_understands_what_its_pods_are_told_to_run():
    ran = set()
    for _, pod in pods(everything()):
        for container in pod["spec"]["containers"]:
            if container["image"] == IMAGE and "args" in container and "command" not in container:
                told = filled(container)
                understood(told)
                ran.add(told[0])
    assert ran >= {"serve", "stream", "sweep", "train"}


def test_the_trainjob_names_its_own_pods():
    job = next(t for t in overlay("kubeflow") if t["kind"] == "TrainJob")
    trainer, name = job["spec"]["trainer"], job["metadata"]["name"]
    options = understood(trainer["args"])
    assert options["workers"] == trainer["numNodes"]
    assert options["hosts"] == f"{name}-node-0-{{index}}.{name}:2222"
    assert options["checkpoint"] and options["deadline"]
    assert job["spec"]["runtimeRef"]["name"] in {
        t["metadata"]["name"] for t in overlay("kubeflow") if t["kind"] == "TrainingRuntime"
    }
