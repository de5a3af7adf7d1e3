"""Pods run on the node: each test starts from a namespace that holds its pods to "restricted"."""

from tests.cluster.images import PAUSE

SAFE = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def test_a_pod_finds_another_by_the_name_of_its_service(node, space):
    ports = [{"port": 80, "targetPort": 8080}]
    meta = {"name": "web", "labels": {"app": "web"}}
    probe = {"httpGet": {"port": 8080}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta}
    service["spec"] = {"selector": {"app": "web"}, "ports": ports}
    asks = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "ask"}}
    asks["spec"] = {"template": {"spec": _spec("http://web", restartPolicy="Never")}}
    web = {"apiVersion": "v1", "kind": "Pod", "metadata": meta}
    web["spec"] = _spec(":8080", readinessProbe=probe)
    space.create(web, service, asks)
    space.wait("pod/web", "Ready")
    space.wait("job/ask", "Complete")
    assert space.kubectl("logs", "job/ask", check=True).stdout.splitlines()[-1] == "200 OK"


def test_a_pod_gets_the_limits_it_asks_for(node, space):
    limits = {"memory": "64Mi", "cpu": "100m"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "small"}}
    pod["spec"] = _spec(":8080", resources={"limits": limits})
    space.create(pod)
    space.wait("pod/small", "Ready")
    limit = node.run("sh", "-c", "cat $(find /sys/fs/cgroup -name memory.limit_in_bytes)")
    assert str(64 << 20) in limit.stdout.split()


def _spec(argument, restartPolicy="Always", **container):
    container = {"name": "pause", "image": PAUSE, "args": [argument], **container}
    container["securityContext"] = SAFE
    return {"containers": [container], "restartPolicy": restartPolicy}
