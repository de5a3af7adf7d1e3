"""What only the components say: their commands, names, ports and metrics agree with labkit."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import labkit
from labkit import k8s
from labkit.data import CATALOGUE
from labkit.stream import loop
from labkit.stream.connection import MOST_BYTES, PARTITIONS
from tests.k8s.rendering import K8S, composed, folders, left_out, overlay
from tests.k8s.test_agreement import understood

COMPONENTS = K8S / "components"
# Together, as an overlay would list them: store last, since it mounts its volume into the others.
PLAIN = ("sweep", "train", "train/volumes", "serve", "stream", "datasets", "datasets/photos")
PLAIN += ("monitoring", "store/volume")
OTHERS = [("train", "train/jobset", "store/volume"), ("serve/kserve", "store/bucket")]
SETS = [PLAIN, *OTHERS, ("datasets", "store/bucket")]


def named(things, kind, name):
    (found,) = (t for t in things if t["kind"] == kind and t["metadata"]["name"] == name)
    return found


def templates(things):
    """The pods that objects make: (labels, spec)."""
    for thing in things:
        spec = thing.get("spec", {})
        if thing["kind"] == "InferenceService":
            yield spec["predictor"]["labels"], spec["predictor"]
        for job in spec.get("replicatedJobs", ()):
            template = job["template"]["spec"]["template"]
            yield template["metadata"]["labels"], template["spec"]
        if "containers" in spec.get("template", {}).get("spec", {}):
            yield spec["template"]["metadata"]["labels"], spec["template"]["spec"]


def matches(selector, labels):
    wanted = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", ())
    )


def component(labels):
    return labels["app.kubernetes.io/component"]


def ours(things):
    """The containers of our image: (component, container)."""
    for labels, spec in templates(things):
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            if container["image"].startswith("ai101:"):
                yield component(labels), container


def option(arguments, name):
    (value,) = (a.partition("=")[2] for a in arguments if a.startswith(f"--{name}="))
    return value


@pytest.mark.parametrize("components", SETS, ids="+".join)
def test_labkit_knows_what_lines_of_shell_in_pods_call(components):
    for _, container in ours(composed(*components)):
        if container.get("command") == ["sh", "-c"]:
            (line,) = container["args"]
            understood(re.search(r"labkit ([^;>]*)", line)[1].replace('"', "").split())


def test_keys_of_secrets_are_those_of_their_templates():
    described = {"stream-classify": ["password"]}  # Strimzi makes it
    for path in K8S.rglob("secret.template.yaml"):
        secret = yaml.safe_load(path.read_text())
        described[secret["metadata"]["name"]] = secret["stringData"]
    asked = set()
    for components in SETS:
        text = str(composed(*components))
        for what in ("secretKeyRef", "credentials"):  # of a variable, of a PodMonitor
            asked |= set(re.findall(rf"'{what}': {{'key': '(\S+)', 'name': '(\S+)'", text))
    assert {name for _, name in asked} == {
        *("jupyterlab", "serve", "sweep-database", "stream-classify")
    }
    for key, name in asked:
        assert key in described[name], f"no template describes {key} of the Secret {name}"


# Who lets whom in


def test_monitors_find_their_ports():
    things = composed(*PLAIN)
    for thing in things:
        if thing["kind"] != "PodMonitor":
            continue
        wanted = {one["port"] for one in thing["spec"]["podMetricsEndpoints"]}
        found = [
            {p["name"] for c in spec["containers"] for p in c.get("ports", ())}
            for labels, spec in templates(things)
            if matches(thing["spec"]["selector"], labels)
        ]
        # The Job that makes the study has the label of the workers, and no port.
        assert any(found) and all(not names or wanted <= names for names in found)


def test_prometheus_is_let_in_where_it_asks():
    things = composed(*PLAIN)
    policy = named(things, "NetworkPolicy", "monitoring")["spec"]
    (allowed,) = policy["ingress"]
    numbers = {one["port"] for one in allowed["ports"]}
    for thing in things:
        if thing["kind"] != "PodMonitor":
            continue
        wanted = {one["port"] for one in thing["spec"]["podMetricsEndpoints"]}
        for labels, spec in templates(things):
            if matches(thing["spec"]["selector"], labels):
                assert matches(policy["podSelector"], labels)
                ports = [p for c in spec["containers"] for p in c.get("ports", ())]
                assert {p["containerPort"] for p in ports if p["name"] in wanted} <= numbers


@pytest.mark.parametrize("where", ["components", "kubeflow"])
def test_training_pods_are_reached_by_training_pods_only(where):
    things = overlay("kubeflow") if where == "kubeflow" else composed(*PLAIN)
    policies = [t["spec"] for t in things if t["kind"] == "NetworkPolicy"]
    train = {
        "app.kubernetes.io/name": "ai101",
        "app.kubernetes.io/component": "train",
        "app.kubernetes.io/part-of": "ai101",
    }
    rules = [
        rule
        for policy in policies
        if "Ingress" in policy["policyTypes"] and matches(policy["podSelector"], train)
        for rule in policy.get("ingress", ())
    ]
    assert rules == [
        {
            "from": [
                {"podSelector": {"matchLabels": {k: train[k] for k in list(train)[:2]}}},
            ],
            "ports": [{"protocol": "TCP", "port": 2222}],
        }
    ]


# Data sets


def mounts(things, name):
    labels, spec = next(t for t in templates(things) if component(t[0]) == name)
    claims = {
        v["name"]: v["persistentVolumeClaim"]
        for v in spec["volumes"]
        if "persistentVolumeClaim" in v
    }
    (container, *_) = spec["containers"]
    found = {
        m["mountPath"]: (claims[m["name"]], m)
        for m in container["volumeMounts"]
        if m["name"] in claims
    }
    return container, found


def test_each_data_set_has_a_volume_that_is_only_read():
    things = composed("sweep", "train", "datasets", "datasets/photos")
    claims = {t["metadata"]["name"] for t in things if t["kind"] == "PersistentVolumeClaim"}
    # The table of lab 01 comes with nobody's host: labkit draws it.
    names = set(CATALOGUE) - {"linear_regression"}
    assert claims == {f"data-{name.replace('_', '-')}" for name in names}
    for who in ("jupyterlab", "sweep", "train"):
        container, found = mounts(things, who)
        assert {"name": "LABKIT_DATA", "value": "/data"} in container["env"]
        for name in names:
            claim, mount = found[f"/data/{name}"]
            assert claim == {"claimName": f"data-{name.replace('_', '-')}", "readOnly": True}
            assert mount["readOnly"]


def test_load_finds_what_the_job_has_put_on_volumes(tmp_path, monkeypatch):
    """The Job's own lines of shell, with a folder for /data and labkit as it is here."""
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    source, volumes = tmp_path / "source", tmp_path / "data"
    names = ("mnist", "cats_and_dogs")
    lay_out(source)
    job = named(composed("datasets", "datasets/photos"), "Job", "datasets")
    lines = {c["name"]: c["args"][0] for c in job["spec"]["template"]["spec"]["containers"]}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = os.environ | {"PATH": path, "LABKIT_OFFLINE": "1", "LABKIT_HEADLESS": "1"}
    for again in (False, True):  # the second time without the source
        for name in names:
            (volumes / name).mkdir(parents=True, exist_ok=True)
            line = lines[name.replace("_", "-")].replace("/data", str(volumes))
            more = {} if again else {"LABKIT_DATA_SOURCE": str(source)}
            done = subprocess.run(
                ["sh", "-c", line], env=env | more, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, done.stdout + done.stderr
        shutil.rmtree(source, ignore_errors=True)
    monkeypatch.setenv("LABKIT_DATA", str(volumes))
    for name in names:
        data = labkit.load(name)
        assert (data.source.kind, data.source.verified) == ("folder", True)
        assert str(volumes / name) in data.source.where


def lay_out(folder):
    """A mirror of a few examples, all in one folder."""
    import numpy as np
    from PIL import Image

    folder.mkdir()
    digits = np.arange(20, dtype=np.uint8)
    pictures = np.tile(digits[:, None, None], (1, 28, 28))
    parts = {"x_train": pictures, "y_train": digits % 10}
    parts |= {"x_test": pictures, "y_test": digits % 10}
    np.savez(folder / "mnist.npz", **parts)
    for part in ("train", "validation"):
        for kind in ("cats", "dogs"):
            place = folder / "cats_and_dogs" / part / kind
            place.mkdir(parents=True)
            for shade in (40, 80, 120):
                Image.new("RGB", (64, 64), (shade, shade, shade)).save(place / f"{shade}.jpg")


def test_claims_that_are_no_pods_own_outlive_what_mounts_them():
    """`labkit k8s down` knows them by their label."""
    found = [thing for name in folders("components") for thing in composed(name)]
    claims = [t for t in (*found, *overlay("kubeflow")) if t["kind"] == "PersistentVolumeClaim"]
    assert len({claim["metadata"]["name"] for claim in claims}) == 9
    for claim in claims:
        assert claim["metadata"]["labels"][k8s.KEEP] == "true", claim["metadata"]["name"]


# Sweeps


def test_a_sweep_has_as_many_indexes_as_workers():
    job = named(composed("sweep"), "Job", "sweep")["spec"]
    assert job["completions"] == job["parallelism"]
    assert job["completionMode"] == "Indexed"


def test_what_the_pods_tune_can_be_made_into_a_study(tmp_path):
    """`labkit sweep create`, as the Job calls it, with a journal for the database."""
    things = composed("sweep")
    words = next(c["args"] for who, c in ours(things) if "create" in c.get("args", ()))
    values = named(things, "ConfigMap", "sweep")["data"]
    (tmp_path / "tune.py").write_text(named(things, "ConfigMap", "sweep-tune")["data"]["tune.py"])
    words = [re.sub(r"\$\((\w+)\)", lambda m: values[m[1]], w) for w in words]
    words = [w.replace("/etc/sweep", str(tmp_path)) for w in words]
    env = os.environ | {"LABKIT_STUDIES": str(tmp_path), "LABKIT_DATA": "sample"}
    done = subprocess.run(
        [sys.executable, "-m", "labkit", *words],
        env=env | {"LABKIT_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"of {values['TRIALS']} trials done" in done.stdout


def test_no_address_of_the_database_holds_its_password():
    for who, container in ours(composed("sweep")):
        if who == "sweep":
            env = {one["name"]: one for one in container["env"]}
            assert env["LABKIT_STORAGE"]["value"].startswith("postgresql+psycopg://sweep@")
            assert env["PGPASSWORD"]["valueFrom"]["secretKeyRef"]["key"] == "password"


# Training


def test_workers_of_a_job_are_as_many_as_they_are_told():
    things = composed("train", "train/volumes")
    job, service = named(things, "Job", "train")["spec"], named(things, "Service", "train")
    words = job["template"]["spec"]["containers"][0]["args"]
    assert job["parallelism"] == job["completions"] == int(option(words, "workers"))
    # Kubernetes calls the pods of an Indexed Job NAME-INDEX, below the Service of their subdomain.
    assert job["template"]["spec"]["subdomain"] == service["metadata"]["name"] == "train"
    assert option(words, "hosts") == "train-{index}.train:2222"
    assert service["spec"]["publishNotReadyAddresses"]
    assert job["template"]["spec"]["restartPolicy"] == "OnFailure"
    _, found = mounts(things, "train")
    share = option(words, "share")
    for rank in range(job["completions"]):
        claim, mount = found[share.replace("{index}", str(rank))]
        assert claim["claimName"] == f"train-share-{rank}" and mount["readOnly"]


def test_each_worker_of_a_jobset_mounts_its_own_share():
    things = composed("train", "train/jobset")
    assert not [t for t in things if t["kind"] == "Job"]
    jobset = named(things, "JobSet", "train")
    jobs = jobset["spec"]["replicatedJobs"]
    for rank, job in enumerate(jobs):
        spec = job["template"]["spec"]["template"]["spec"]
        (worker,) = spec["containers"]
        assert int(option(worker["args"], "workers")) == len(jobs)
        assert {"name": "JOB_COMPLETION_INDEX", "value": str(rank)} in worker["env"]
        # JobSet calls its pods SET-JOB-0-0 below its subdomain.
        name = f"{jobset['metadata']['name']}-{job['name']}-0-0"
        address = f"{name}.{jobset['spec']['network']['subdomain']}:2222"
        assert option(worker["args"], "hosts").replace("{index}", str(rank)) == address
        share = option(worker["args"], "share").replace("{index}", str(rank))
        assert [m["mountPath"] for m in worker["volumeMounts"]] == ["/tmp", share]
        claims = [v["persistentVolumeClaim"] for v in spec["volumes"] if v["name"] == "share"]
        assert claims == [{"claimName": f"train-share-{rank}", "readOnly": True}]


# Streams


def test_kafkas_names_are_those_that_labkit_uses():
    things = composed("stream")
    (words,) = (c["args"] for who, c in ours(things) if who == "stream")
    options = understood(words)
    source, sink, group = options["source"], options["sink"], options["group"]
    dead = loop.dead_letters(source, group)
    topics = {t["metadata"]["name"]: t["spec"] for t in things if t["kind"] == "KafkaTopic"}
    assert set(topics) == {source, sink, dead}
    assert {spec["partitions"] for spec in topics.values()} == {PARTITIONS}
    assert topics[dead]["config"]["max.message.bytes"] == MOST_BYTES
    allowed = {
        (a["resource"]["type"], a["resource"]["name"]): a
        for a in named(things, "KafkaUser", "stream-classify")["spec"]["authorization"]["acls"]
    }
    assert set(allowed) == {
        *(("topic", name) for name in (source, sink, dead)),
        ("group", group),
        ("transactionalId", f"labkit-{group}-"),
    }
    assert allowed["topic", source]["operations"] == ["Describe", "Read"]
    prefix = allowed["transactionalId", f"labkit-{group}-"]["resource"]
    assert prefix["patternType"] == "prefix"
    worker = loop._Worker(None, source, group, None, 1, None, 1, None, None)
    assert worker._id.startswith(prefix["name"])


def test_strimzis_pods_do_not_get_our_label():
    """Strimzi copies part-of to its pods, and the policy default-deny chooses by it."""
    for thing in composed("stream"):
        if thing["kind"] in ("Kafka", "KafkaNodePool"):
            assert "app.kubernetes.io/part-of" not in thing["metadata"]["labels"]


# Metrics

KUBERNETES = {
    # The kubelet and its cAdvisor, kube-state-metrics.
    *("container_cpu_usage_seconds_total", "container_memory_working_set_bytes"),
    *("kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"),
    *("kube_pod_info", "kube_pod_status_phase", "kube_pod_status_ready", "kube_job_failed"),
    *("kube_pod_container_resource_limits", "kube_pod_container_status_restarts_total"),
    "kube_pod_container_status_terminated_reason",
    "kube_pod_container_status_last_terminated_reason",
}
# What Jupyter Server and jupyter-resource-usage tell; test_jupyterlab_tells_its_metrics holds it.
JUPYTER = {"kernel_currently_running_total", "total_memory_usage", "max_memory_usage"}


def metrics_in(expression):
    """The names of metrics in PromQL: what is no function, keyword, label or text."""
    text = re.sub(r'"(\\.|[^"\\])*"', '""', expression)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", text)
    text = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    keywords = {"and", "or", "unless", "bool", "offset"}
    names = re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)(?!\w)\s*(?!\s*\()", text)
    return {name for name in names if name not in keywords and not _is_call(text, name)}


def _is_call(text, name):
    return re.search(rf"(?<!\w){name}\s*\(", text) is not None


def exported():
    """The names that labkit's servers and workers tell, from their own registries."""
    import optuna

    from labkit.serve.measures import Measures as Serve
    from labkit.stream.measures import Measures as Stream
    from labkit.sweep import measures as sweep

    serve, stream = Serve(), Stream()
    texts = [serve.text().decode(), generate_latest(stream.registry).decode()]
    study = optuna.create_study(direction="maximize")
    study.set_user_attr("trials", 1)
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs={"slot": 0}))
    families = [family for text in texts for family in text_string_to_metric_families(text)]
    found = set()
    for family in (*families, *sweep._Progress(study).collect()):
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        found |= {family.name + end for end in ends.get(family.type, [""])}
    return found


def expressions():
    things = composed("monitoring")
    for group in named(things, "PrometheusRule", "ai101")["spec"]["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.sub(r", \w+\)$", ")", variable["query"]["query"])


def dashboard():
    return json.loads(
        named(composed("monitoring"), "ConfigMap", "ai101-dashboard")["data"]["ai101.json"]
    )


def test_alerts_and_panels_ask_for_metrics_that_there_are():
    known, asked = KUBERNETES | JUPYTER | exported(), set()
    for where, expression in expressions():
        names = metrics_in(expression)
        assert names or "vector" in expression, where
        assert names <= known, f"{where} asks for {sorted(names - known)}"
        asked |= names
    assert asked >= KUBERNETES | JUPYTER, "a name that nobody asks for"
    for part in ("labkit_requests", "labkit_stream_lag", "labkit_sweep_trials"):
        assert any(name.startswith(part) for name in asked)


def test_a_metric_that_is_not_there_would_be_noticed():
    assert metrics_in('sum by (x) (rate(labkit_nothing_total{a="b"}[5m])) > 0 and on (x) up') == {
        "labkit_nothing_total",
        "up",
    }


def test_jupyterlab_tells_its_metrics():
    """Those names, from the packages that make them."""
    import jupyter_server.prometheus.metrics  # noqa: F401
    from jupyter_resource_usage.prometheus import PrometheusHandler

    class Loader:
        config = None

        class server_app:
            session_manager = None

    PrometheusHandler(Loader)
    text = generate_latest(REGISTRY).decode()
    assert set(re.findall(r"^# TYPE (\S+)", text, re.M)) >= JUPYTER


def test_the_board_is_well_formed():
    board = dashboard()
    panels = board["panels"]
    assert board["schemaVersion"] >= 39 and board["uid"]
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, f"{panel['title']} lies on another"
        assert all(x < 24 for x, _ in cells)
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["datasource"]["uid"] == "${datasource}"
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references))
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            assert 'namespace="$namespace"' in target["expr"], "of one namespace only"
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource", "namespace"]


UNITS = {"short", "none", "percentunit", "bytes", "s", "reqps", "cps"}


def promtool(*words, cwd):
    if not shutil.which("promtool"):
        left_out("no promtool here: apt install prometheus")
    done = subprocess.run(
        ["promtool", *words], cwd=cwd, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def rules(tmp_path):
    """A folder with alerts.yaml, as Prometheus itself reads it, and its tests."""
    spec = named(composed("monitoring"), "PrometheusRule", "ai101")["spec"]
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(spec))
    shutil.copy(Path(__file__).with_name("alerts_test.yaml"), tmp_path)
    return tmp_path


def test_alerts_fire_when_they_should_and_not_before(rules):
    status, said = promtool(
        "check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml", cwd=rules
    )
    assert status == 0, said
    status, said = promtool("test", "rules", "alerts_test.yaml", cwd=rules)
    assert status == 0, said
    tested = (rules / "alerts_test.yaml").read_text()
    for alert in re.findall(r"alert: (\S+)", (rules / "alerts.yaml").read_text()):
        assert f"alertname: {alert}" in tested, f"{alert} is not tested"


def test_promtool_understands_what_the_board_asks(tmp_path):
    asked = [
        {"record": f"board:{number}", "expr": target["expr"].replace("$namespace", "class")}
        for number, target in enumerate(
            target for panel in dashboard()["panels"] for target in panel.get("targets", ())
        )
    ]
    assert len(asked) > 15
    rules = {"groups": [{"name": "board", "rules": asked}]}
    (tmp_path / "board.yaml").write_text(yaml.safe_dump(rules))
    status, said = promtool("check", "rules", "board.yaml", cwd=tmp_path)
    assert status == 0, said


def test_an_alert_that_asks_for_something_else_would_be_noticed(rules):
    text = (rules / "alerts.yaml").read_text()
    (rules / "alerts.yaml").write_text(text.replace("labkit_stream_lag", "labkit_stream_lags"))
    status, said = promtool("test", "rules", "alerts_test.yaml", cwd=rules)
    assert status != 0 and "AI101StreamLag" in said


# The rest


def test_the_gpu_goes_to_jupyterlab_and_training_alone():
    for who, container in ours(composed("sweep", "train", "serve", "gpu")):
        has = "nvidia.com/gpu" in container["resources"]["limits"]
        assert has == container["image"].endswith("-gpu") == (who in ("jupyterlab", "train"))


def test_each_component_is_one_and_says_what_it_is_for():
    for name in folders("components"):
        text = (COMPONENTS / name / "kustomization.yaml").read_text()
        assert yaml.safe_load(text)["kind"] == "Component"
        assert re.search(r"^# \w", text, re.M), f"{name} does not say what it is for"
