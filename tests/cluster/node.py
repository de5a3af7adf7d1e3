"""A Kubernetes of one node in namespaces of its own: nothing of it is seen, or stays, outside.

The node has its own network, processes, mounts and control groups. Its first process dies with
the tests, however they end, and everything in the node with it.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cluster import images, programs

# Of the node's own network, which nobody else sees.
ADDRESS, SERVICES, PODS = "10.250.0.1", "10.251.0.0/16", "10.252.0.0/24"
# Who asks the API server, and the group they belong to.
USERS = {
    "admin": ("admin", "system:masters"),
    "controllers": ("system:kube-controller-manager", "system:authenticated"),
    "scheduler": ("system:kube-scheduler", "system:authenticated"),
    "proxy": ("system:kube-proxy", "system:authenticated"),
    "kubelet": ("system:node:node", "system:nodes"),
}
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
GROUPS = Path("/sys/fs/cgroup")
VOLUMES = 8


class Node:
    """The node, in a folder.

    `start_api` is enough to ask what Kubernetes accepts. `start_pods` runs pods, too; what they
    keep is below `volumes`.
    """

    def __init__(self, folder: Path):
        if os.geteuid():
            pytest.fail("The node needs root: run these tests as root on Linux.")
        _need({"unshare": "util-linux", "ip": "iproute2", "openssl": "openssl"})
        self.programs = programs.build()
        self.folder, self.running, self.first = folder, {}, None
        self.groups, self.joined = [], []
        self.volumes = folder / "volumes"
        (folder / "tmp").mkdir()
        self._make_certificates()
        self._make_users()

    def start_api(self):
        """etcd and the API server. Returns once it answers."""
        self._boot()
        self._daemon(
            *("etcd", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync"),
            *("--log-level", "warn"),
        )
        at, key = self.folder, self.folder / "node.key"
        self._daemon(
            *("kube-apiserver", "--etcd-servers=http://127.0.0.1:2379"),
            *(f"--advertise-address={ADDRESS}", f"--service-cluster-ip-range={SERVICES}"),
            *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"),
            *(f"--token-auth-file={at}/users.csv", f"--cert-dir={at}/tmp"),
            *(f"--tls-cert-file={at}/node.pem", f"--tls-private-key-file={key}"),
            *(f"--kubelet-client-certificate={at}/node.pem", f"--kubelet-client-key={key}"),
            f"--kubelet-certificate-authority={at}/ca.pem",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer=https://{ADDRESS}:6443",
            *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
        )
        self.wait("the API server", lambda: not self.kubectl("get", "--raw=/readyz").returncode)

    def start_pods(self):
        """All that runs pods: call `start_api` first. Returns once the node is ready."""
        _need(PACKAGES)
        self._configure()
        at = self.folder
        self._daemon("containerd", "--config", at / "containerd.toml")
        self.wait("containerd", lambda: not self.run("ctr", "version").returncode)
        self.load(images.pause(self.programs / "pause", self.folder / "tmp"))
        leads = ("--leader-elect=false", "--kubeconfig")
        self._daemon(
            *("kube-controller-manager", *leads, at / "controllers.json"),
            *("--use-service-account-credentials", f"--root-ca-file={at}/ca.pem"),
            f"--service-account-private-key-file={at}/node.key",
        )
        self._daemon("kube-scheduler", *leads, at / "scheduler.json")
        self._daemon("kube-proxy", "--config", at / "proxy-settings.json")
        self._daemon("coredns", "-conf", at / "Corefile")
        self._daemon(
            *("kubelet", "--config", at / "kubelet-settings.json"),
            *("--kubeconfig", at / "kubelet.json", f"--node-ip={ADDRESS}"),
            "--hostname-override=node",
        )
        ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        ask = ("get", "node", "node", "-o", ready)
        self.wait("the node", lambda: self.kubectl(*ask).stdout == "True")
        self._make_volumes()
        account = ("get", "serviceaccount", "default")
        self.wait("the first account", lambda: not self.kubectl(*account).returncode)

    def load(self, archive: Path):
        """Gives the node an image, as docker save and buildah push write them."""
        done = self.run("ctr", "-n", "k8s.io", "images", "import", archive, timeout=600)
        assert not done.returncode, done.stderr

    def run(self, program, *arguments, input=None, timeout=120):
        """Runs a program in the node. Returns what subprocess.run does, in text."""
        command = self.inside(program, *arguments)
        return subprocess.run(command, input=input, capture_output=True, text=True, timeout=timeout)

    def kubectl(self, *arguments, input=None, timeout=120, check=False):
        """As an administrator of the cluster does. Returns what subprocess.run does, in text."""
        command = self.inside(
            *("kubectl", f"--kubeconfig={self.folder}/admin.json"),
            *(f"--cache-dir={self.folder}/tmp/kubectl", *arguments),
        )
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(map(str, arguments))}:\n{done.stderr}")
        return done

    def wait(self, what, ready, seconds=180):
        """Until `ready` returns something true, which is returned."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for name, process in self.running.items():
                if process.poll() is not None:
                    pytest.fail(f"{name} has ended. It says:\n{self.log(name)}")
            if found := ready():
                return found
            time.sleep(0.2)
        pytest.fail(f"{what} is not ready after {seconds} seconds.")

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def stop(self):
        """Ends every process in the node, and with them its mounts and its network."""
        if self.first:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.first, signal.SIGKILL)
        for process in self.running.values():
            process.wait(timeout=60)
        for group in self.groups:
            _remove_group(group)
        # Gigabytes of images. Logs stay.
        shutil.rmtree(self.folder / "lib", ignore_errors=True)

    def _boot(self):
        """The node's namespaces. Their first process is killed with this one."""
        self.groups = self.joined = _new_groups()
        pause = self.programs / "pause"
        boot = Path(__file__).with_name("boot.sh")
        within = ("unshare", "--cgroup", "--ipc", "--mount", "--net", "--pid", "--uts", "--fork")
        command = self._grouped(
            *("setpriv", "--pdeathsig", "KILL", *within, "--kill-child"),
            *("sh", boot, self.folder, ADDRESS, pause),
        )
        self._start("node", command)
        self.wait("the node", (self.folder / "booted").exists)
        parent = self.running["node"].pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        self.first = int(children[0])
        if self.groups[0].parent == GROUPS and (GROUPS / "cgroup.controllers").exists():
            self.joined = [_divide(self.groups[0])]

    def _daemon(self, name, *arguments):
        self._start(name, self.inside(name, *arguments))

    def _start(self, name, command):
        with (self.folder / f"{name}.log").open("w") as log:
            self.running[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def inside(self, program, *arguments):
        """The command that runs a program inside the node."""
        built = self.programs / program
        enter = ("nsenter", "-t", self.first, "-C", "-i", "-m", "-n", "-p", "-u", "--")
        temporary = f"TMPDIR={self.folder}/tmp"
        program = built if built.exists() else program
        return self._grouped(*enter, "env", temporary, program, *arguments)

    def _grouped(self, *command):
        """The command that runs in the node's control groups, and outside its namespaces."""
        joins = " && ".join(f"echo $$ > {group}/cgroup.procs" for group in self.joined)
        return ["sh", "-c", f'{joins} && exec "$@"', "sh", *map(str, command)]

    def _configure(self):
        at = self.folder
        kubelet = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": f"{at}/ca.pem"},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "tlsCertFile": f"{at}/node.pem",
            "tlsPrivateKeyFile": f"{at}/node.key",
            "cgroupDriver": "cgroupfs",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "volumePluginDir": "/var/lib/kubelet/volumeplugins",
            "clusterDNS": [ADDRESS],
            "clusterDomain": "cluster.local",
            "resolvConf": f"{at}/resolv.conf",
            "failSwapOn": False,
            # The machine's disk may be full enough for others; images stay all the same.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
            "syncFrequency": "5s",
        }
        proxy = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": f"{at}/proxy.json"},
            "mode": "iptables",
            "clusterCIDR": PODS,
            "hostnameOverride": "node",
            # These would be the whole machine's.
            "conntrack": {"maxPerCore": 0, "min": 0},
        }
        network = {
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "pods0",
                    "isGateway": True,
                    "ipMasq": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": PODS}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
        (at / "network").mkdir()
        (at / "network" / "pods.conflist").write_text(json.dumps(network))
        (at / "kubelet-settings.json").write_text(json.dumps(kubelet))
        (at / "proxy-settings.json").write_text(json.dumps(proxy))
        (at / "resolv.conf").write_text("")
        (at / "Corefile").write_text(
            f".:53 {{\n  bind {ADDRESS}\n  errors\n  ready {ADDRESS}:8181\n"
            f"  kubernetes cluster.local {{\n    kubeconfig {at}/admin.json\n  }}\n}}\n"
        )
        (at / "containerd.toml").write_text(
            "version = 2\n"
            '[plugins."io.containerd.internal.v1.opt"]\n'
            'path = "/var/lib/containerd/opt"\n'
            '[plugins."io.containerd.grpc.v1.cri"]\n'
            f'sandbox_image = "{images.PAUSE}"\n'
            # Inside a container or a virtual machine, root may not protect its programs further.
            "restrict_oom_score_adj = true\n"
            '[plugins."io.containerd.grpc.v1.cri".cni]\n'
            f'bin_dir = "/usr/lib/cni"\nconf_dir = "{at}/network"\n'
        )

    def _make_volumes(self):
        """Folders that claims are bound to, as nothing here makes volumes on demand."""
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node"]}
        things = [
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {
                    "name": "folders",
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
                },
                "provisioner": "kubernetes.io/no-provisioner",
            }
        ]
        for number in range(VOLUMES):
            folder = self.volumes / str(number)
            folder.mkdir(parents=True)
            spec = {
                "storageClassName": "folders",
                "capacity": {"storage": "100Gi"},
                "accessModes": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"],
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            }
            metadata = {"name": f"folder-{number}"}
            things.append(
                {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}
            )
        everything = {"apiVersion": "v1", "kind": "List", "items": things}
        self.kubectl("create", "-f", "-", input=json.dumps(everything), check=True)

    def _make_certificates(self):
        at = self.folder
        new = ("req", "-x509", "-nodes", "-days", "7", "-newkey", "rsa:2048")
        names = ["DNS:localhost", "DNS:node", "DNS:kubernetes.default.svc", "IP:127.0.0.1"]
        names += [f"IP:{ADDRESS}", f"IP:{SERVICES.replace('.0/16', '.1')}"]
        authority = ("-CA", at / "ca.pem", "-CAkey", at / "ca.key")
        _openssl(*new, "-subj", "/CN=labkit", "-keyout", at / "ca.key", "-out", at / "ca.pem")
        _openssl(
            *(*new, *authority, "-subj", "/O=system:masters/CN=node"),
            *("-keyout", at / "node.key", "-out", at / "node.pem"),
            *("-addext", f"subjectAltName={','.join(names)}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-addext", "extendedKeyUsage=serverAuth,clientAuth"),
        )

    def _make_users(self):
        lines = []
        for name, (user, group) in USERS.items():
            token = secrets.token_urlsafe()
            lines.append(f'{token},{user},{user},"{group}"')
            cluster = {
                "server": f"https://{ADDRESS}:6443",
                "certificate-authority": str(self.folder / "ca.pem"),
            }
            config = {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "node", "cluster": cluster}],
                "users": [{"name": user, "user": {"token": token}}],
                "contexts": [{"name": "node", "context": {"cluster": "node", "user": user}}],
                "current-context": "node",
            }
            (self.folder / f"{name}.json").write_text(json.dumps(config))
        (self.folder / "users.csv").write_text("\n".join([*lines, ""]))


def _new_groups():
    """A control group for the node in each hierarchy.

    Of version 1, below the group that this process is in. Of version 2 below the root: elsewhere
    a group with processes in it hands no controllers down.
    """
    places = {}
    if (GROUPS / "cgroup.controllers").exists():
        places[GROUPS] = ""
    else:
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            top = GROUPS / (controllers.removeprefix("name=") or "unified")
            if (top / "cgroup.procs").exists():
                places[top / path.lstrip("/")] = controllers
    made, name = [], f"labkit-{os.getpid()}-{secrets.token_hex(3)}"
    for parent, controllers in places.items():
        for old in parent.glob("labkit-*"):  # of a run that was killed
            if not Path("/proc", old.name.split("-")[1]).exists():
                _remove_group(old)
        group = parent / name
        group.mkdir()
        made.append(group)
        if controllers == "cpuset":  # a new one has neither, and nothing runs in it then
            for file in ("cpuset.cpus", "cpuset.mems"):
                (group / file).write_text((parent / file).read_text())
    return made


def _divide(group):
    """A group of version 2 has processes in it, or hands controllers down: a leaf takes them."""
    leaf = group / "init"
    leaf.mkdir()
    for process in (group / "cgroup.procs").read_text().split():
        (leaf / "cgroup.procs").write_text(process)
    controllers = (group / "cgroup.controllers").read_text().split()
    (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))
    return leaf


def _remove_group(group: Path):
    deadline = time.monotonic() + 30
    for folder in sorted([group, *group.glob("**/")], reverse=True):
        while folder.exists():
            try:
                folder.rmdir()
            except OSError:  # its last process is still ending
                if time.monotonic() > deadline:
                    return
                time.sleep(0.1)


def _need(packages):
    for program, package in packages.items():
        if not shutil.which(program):
            pytest.fail(f"{program} is missing. On Debian and Ubuntu: apt install {package}")


def _openssl(*arguments):
    command = ["openssl", *(str(word) for word in arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout
