"""Strict schemas of everything in ``k8s/``: an unknown kind or field is an error.

Kubernetes's own come from kubernetes-validate; those of custom resources from the projects'
definitions in ``../shared/crds``, when that folder is there; and what neither has (OpenShift,
Kubeflow's notebooks and runtimes, Prometheus's rules) is written down here as far as it is used.
"""

import copy
import functools
import json
from importlib import resources

import jsonschema
import yaml
from referencing import Registry, Resource

from tests.k8s.rendering import ROOT

VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
CRDS = ROOT.parent / "shared" / "crds"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class UnknownKind(Exception):
    """There is no schema of this kind."""


class NotHere(UnknownKind):
    """It is a custom resource, and the folder of their definitions is not there."""


def problems(thing: dict, version: str = VERSIONS[-1]) -> list[str]:
    """What is wrong with an object in a version of Kubernetes, one line each.

    Raises:
        UnknownKind: no schema is known.
    """
    validator = _validator(thing.get("apiVersion", ""), thing.get("kind", ""), version)
    name = thing.get("metadata", {}).get("name", "?")
    return [
        f"{thing['kind']} {name}: {'.'.join(map(str, error.path))}: {error.message[:300]}"
        for error in validator.iter_errors(thing)
    ]


@functools.cache
def _validator(api, kind, version):
    core = _core(api, kind, version)
    schema = core or OWN.get((api, kind)) or _custom(api, kind)
    if callable(schema):
        schema = schema()
    if not core:
        schema = {**schema, "properties": {**schema["properties"], "metadata": _core_ref(_META)}}
    return jsonschema.Draft202012Validator(schema, registry=_registry(version))


def _folder(version):
    packed = resources.files("kubernetes_validate") / "kubernetes-json-schema"
    return packed / f"v{version}.0-local-strict"


def _core(api, kind, version):
    group, _, number = api.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], number)))
    path = _folder(version) / f"{name}.json"
    if not path.is_file():
        return None
    schema = json.loads(path.read_text())
    # The file's name has the first part of a group alone; the schema has the whole of it.
    return schema if schema["properties"]["apiVersion"].get("enum") == [api] else None


@functools.cache
def _registry(version):
    definitions = json.loads((_folder(version) / "_definitions.json").read_text())
    return Resource.from_contents(definitions) @ Registry()


def _core_ref(name):
    return {"$ref": f"https://kubernetes.io/api/_definitions.json#/$defs/{name}"}


def _custom(api, kind):
    group, _, number = api.rpartition("/")
    if "." not in group:
        raise UnknownKind(f"{api} {kind}")
    if not CRDS.is_dir():
        raise NotHere(
            f"{api} {kind}: the definitions of custom resources (../shared/crds) are not here"
        )
    for path in CRDS.glob(f"*.{group}.yaml"):
        for definition in _read(path):
            spec = definition["spec"]
            for one in spec["versions"]:
                if spec["names"]["kind"] == kind and one["name"] == number and one["served"]:
                    return strict(one["schema"]["openAPIV3Schema"])
    raise UnknownKind(f"{api} {kind}")


@functools.cache
def _read(path):
    documents = yaml.load_all(path.read_text(), yaml.CSafeLoader)
    return [d for d in documents if d and d["kind"] == "CustomResourceDefinition"]


def strict(schema: dict, *, close: bool = True) -> dict:
    """An OpenAPI schema of a custom resource as JSON Schema that takes no unknown fields."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {key: value for key, value in schema.items() if key != "format"}
    if "properties" in schema:
        made["properties"] = {k: strict(v, close=close) for k, v in schema["properties"].items()}
        open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
        if close and not open_ended and "additionalProperties" not in schema:
            made["additionalProperties"] = False
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(schema["additionalProperties"], close=close)
    if "items" in schema:
        made["items"] = strict(schema["items"], close=close)
    for key in ("allOf", "anyOf", "oneOf"):  # these add conditions to fields that stand elsewhere
        if key in schema:
            made[key] = [strict(part, close=False) for part in schema[key]]
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
    return made


# In the short notation below, a dict is an object with these fields and no others, a field whose
# name ends in "!" has to be there, a list holds items of its one element, and a tuple lists values.
TEXT, NUMBER, WHOLE, YES_NO = (
    {"type": name} for name in ("string", "number", "integer", "boolean")
)
QUANTITY = {"type": ["string", "number"]}
MAP = {"type": "object", "additionalProperties": {"type": "string"}}


def _schema(short):
    if isinstance(short, tuple):
        return {"enum": list(short)}
    if isinstance(short, list):
        return {"type": "array", "items": _schema(short[0])}
    if "type" in short or "$ref" in short or "enum" in short or "anyOf" in short:
        return short
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name[:-1] for name in short if name.endswith("!")],
        "properties": {name.removesuffix("!"): _schema(value) for name, value in short.items()},
    }


def _object(api, kind, spec):
    return _schema({"apiVersion!": (api,), "kind!": (kind,), "metadata!": MAP, "spec!": spec})


def _pod_spec():
    return _core_ref("io.k8s.api.core.v1.PodSpec")


def _runtime():
    jobs = _custom("jobset.x-k8s.io/v1alpha2", "JobSet")["properties"]["spec"]
    template = _schema({"metadata": {"labels": MAP, "annotations": MAP}, "spec!": jobs})
    spec = _schema({"mlPolicy": {"numNodes": WHOLE}, "template!": {"$ref": "#"}})
    spec["properties"]["template"] = template
    return _object("trainer.kubeflow.org/v1alpha1", "TrainingRuntime", {**spec, "type": "object"})


_REFERENCE = {"kind!": ("ImageStreamTag", "DockerImage"), "name!": TEXT}
_RESOURCES = {
    name: {"type": "object", "additionalProperties": QUANTITY} for name in ("requests", "limits")
}
OWN = {
    ("route.openshift.io/v1", "Route"): _object(
        "route.openshift.io/v1",
        "Route",
        {
            "host": TEXT,
            "path": TEXT,
            "to!": {"kind!": ("Service",), "name!": TEXT, "weight": WHOLE},
            "port": {"targetPort!": QUANTITY},
            "tls": {
                "termination!": ("edge", "passthrough", "reencrypt"),
                "insecureEdgeTerminationPolicy": ("None", "Allow", "Redirect"),
            },
            "wildcardPolicy": ("None", "Subdomain"),
        },
    ),
    ("image.openshift.io/v1", "ImageStream"): _object(
        "image.openshift.io/v1", "ImageStream", {"lookupPolicy": {"local!": YES_NO}}
    ),
    ("build.openshift.io/v1", "BuildConfig"): _object(
        "build.openshift.io/v1",
        "BuildConfig",
        {
            "source!": {
                "type!": ("Git",),
                "git!": {"uri!": TEXT, "ref": TEXT},
                "contextDir": TEXT,
                "sourceSecret": {"name!": TEXT},
            },
            "strategy!": {
                "type!": ("Docker",),
                "dockerStrategy!": {
                    "dockerfilePath": TEXT,
                    "from": _REFERENCE,
                    "noCache": YES_NO,
                    "buildArgs": [{"name!": TEXT, "value": TEXT}],
                },
            },
            "output!": {"to!": _REFERENCE},
            "triggers!": [{"type!": ("ConfigChange", "ImageChange"), "imageChange": MAP}],
            "runPolicy": ("Parallel", "Serial", "SerialLatestOnly"),
            "successfulBuildsHistoryLimit": WHOLE,
            "failedBuildsHistoryLimit": WHOLE,
            "resources": _RESOURCES,
        },
    ),
    ("kubeflow.org/v1", "Notebook"): _object(
        "kubeflow.org/v1", "Notebook", {"template!": {"spec!": _pod_spec()}}
    ),
    ("trainer.kubeflow.org/v1alpha1", "TrainingRuntime"): _runtime,
    # What the expressions mean is promtool's to say.
    ("monitoring.coreos.com/v1", "PrometheusRule"): _object(
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        {
            "groups!": [
                {
                    "name!": TEXT,
                    "interval": TEXT,
                    "rules!": [
                        {
                            "alert": TEXT,
                            "record": TEXT,
                            "expr!": {"type": ["string", "integer"]},
                            "for": TEXT,
                            "keep_firing_for": TEXT,
                            "labels": MAP,
                            "annotations": MAP,
                        }
                    ],
                }
            ]
        },
    ),
}


def misspelled(thing: dict):
    """Copies of an object with one field misspelled each, and where: every field once.

    What stands in a free map (a label, a variable) is no field; :data:`FREE` names those maps.
    """
    for path in _fields(thing):
        wrong = copy.deepcopy(thing)
        parent = functools.reduce(lambda at, key: at[key], path[:-1], wrong)
        parent[f"{path[-1]}x"] = parent.pop(path[-1])
        yield ".".join(map(str, path)), wrong


FREE = {
    *("annotations", "labels", "matchLabels", "nodeSelector", "selector"),  # names of one's own
    *("data", "binaryData", "stringData", "limits", "requests", "parameters"),
    *("config",),  # Kafka's own settings
}


def _fields(at, path=()):
    if isinstance(at, list):
        for index, value in enumerate(at):
            yield from _fields(value, (*path, index))
    elif isinstance(at, dict):
        for key, value in at.items():
            if not (path and path[-1] in FREE and not isinstance(value, dict | list)):
                yield (*path, key)
            yield from _fields(value, (*path, key))
