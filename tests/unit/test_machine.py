"""Cores and memory as a container really has them, on laid-out /proc and /sys trees."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit import machine

GIB = 2**30
MEMINFO = {"proc/meminfo": f"MemTotal: {64 * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {2**25} kB\n"}


def lay_out(root: Path, *trees: dict[str, str]) -> Path:
    for tree in trees:
        for name, text in tree.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
    return root


V2 = {
    "proc/self/cgroup": "0::/\n",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/memory.max": f"{4 * GIB}\n",
    "sys/fs/cgroup/memory.current": f"{3 * GIB}\n",
    "sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {GIB}\nactive_file 7\n",
    "sys/fs/cgroup/memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n",
}

V2_NESTED = {
    "proc/self/cgroup": "0::/kubepods/pod7/kernel\n",
    "sys/fs/cgroup/kubepods/cpu.max": "800000 100000\n",
    "sys/fs/cgroup/kubepods/memory.max": f"{32 * GIB}\n",
    "sys/fs/cgroup/kubepods/memory.current": f"{31 * GIB}\n",
    "sys/fs/cgroup/kubepods/memory.stat": "inactive_file 0\n",
    "sys/fs/cgroup/kubepods/pod7/cpu.max": "200000 100000\n",
    "sys/fs/cgroup/kubepods/pod7/memory.max": f"{8 * GIB}\n",
    "sys/fs/cgroup/kubepods/pod7/memory.current": f"{2 * GIB}\n",
    "sys/fs/cgroup/kubepods/pod7/kernel/cpu.max": "max 100000\n",
    "sys/fs/cgroup/kubepods/pod7/kernel/memory.max": "max\n",
    "sys/fs/cgroup/kubepods/pod7/kernel/memory.current": f"{2 * GIB}\n",
    "sys/fs/cgroup/kubepods/pod7/kernel/memory.events": "oom_kill 0\n",
}

# The path is the host's; inside the container its group is the top of each mount.
V1 = {
    "proc/self/cgroup": "4:memory:/docker/ab12\n3:cpu,cpuacct:/docker/ab12\n1:name=systemd:/\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
    "sys/fs/cgroup/memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 2}\n",
    "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
}

V1_UNLIMITED = {
    "proc/self/cgroup": "4:memory:/\n1:cpu:/\n",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
}

# Both versions at once: version 1 limits the processor, version 2 the memory.
HYBRID = {
    "proc/self/cgroup": "1:cpu:/lab\n0::/lab\n",
    "sys/fs/cgroup/cpu/lab/cpu.cfs_quota_us": "300000\n",
    "sys/fs/cgroup/cpu/lab/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/unified/lab/memory.max": f"{6 * GIB}\n",
    "sys/fs/cgroup/unified/lab/memory.current": f"{GIB}\n",
}


# The process was put into a group beside the container's: only the top is to be seen.
OUTSIDE = {
    "proc/self/cgroup": "0::/../helper\n",
    "sys/fs/cgroup/cpu.max": "400000 100000\n",
    "sys/fs/cgroup/helper/cpu.max": "100000 100000\n",
}


@pytest.mark.parametrize(
    ("tree", "quota", "limit", "available", "kills"),
    [
        pytest.param(V2, 1.5, 4 * GIB, 2 * GIB, 2, id="v2"),
        # The group above leaves less room than the pod's own limit.
        pytest.param(V2_NESTED, 2.0, 8 * GIB, GIB, 0, id="v2 nested"),
        pytest.param(V1, 0.5, 2 * GIB, GIB + GIB // 2, 1, id="v1"),
        pytest.param(V1_UNLIMITED, None, 64 * GIB, 32 * GIB, 0, id="v1 without limits"),
        pytest.param(HYBRID, 3.0, 6 * GIB, 5 * GIB, 0, id="hybrid"),
        pytest.param(OUTSIDE, 4.0, 64 * GIB, 32 * GIB, 0, id="outside the container"),
        pytest.param({}, None, 64 * GIB, 32 * GIB, 0, id="no control groups"),
    ],
)
def test_limits_are_those_of_the_container(tmp_path, tree, quota, limit, available, kills):
    root = lay_out(tmp_path, MEMINFO, tree)
    assert machine.cpu_quota(root) == quota
    assert machine.memory(root) == machine.Memory(limit, available)
    assert machine.memory_kills(root) == kills


@pytest.mark.parametrize(("quota", "expected"), [("25000", 1), ("100000", 1), ("max", "all")])
def test_cores_never_exceed_the_quota_and_are_at_least_one(tmp_path, quota, expected):
    root = lay_out(tmp_path, V2, {"sys/fs/cgroup/cpu.max": f"{quota} 100000\n"})
    mine = machine.cores(tmp_path / "nothing here")
    assert machine.cores(root) == (mine if expected == "all" else expected)


def test_cores_are_the_smaller_of_affinity_and_quota(tmp_path, monkeypatch):
    root = lay_out(tmp_path, V2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert machine.cores(root) == math.ceil(1.5)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert machine.cores(root) == 1


def test_a_system_without_affinity_counts_all_its_cores(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert machine.cores(tmp_path) == os.cpu_count()


def test_memory_without_proc_is_asked_of_the_system(tmp_path, monkeypatch):
    if hasattr(os, "sysconf"):
        found = machine.memory(tmp_path)
        assert found.limit > GIB // 4 and found.available is None
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert machine.memory(tmp_path) == machine.Memory(None, None)
    assert machine.memory(lay_out(tmp_path, V1_UNLIMITED)) == machine.Memory(None, None)


def test_files_that_make_no_sense_count_as_no_limit(tmp_path):
    root = lay_out(tmp_path, MEMINFO, V2, {"sys/fs/cgroup/cpu.max": "often\n"})
    (root / "sys/fs/cgroup/memory.max").write_bytes(b"\xff\xfe")
    assert machine.cpu_quota(root) is None
    assert machine.memory(root).limit == 64 * GIB


def test_free_disk_works_for_a_folder_that_is_not_there_yet(tmp_path):
    assert machine.free_disk(tmp_path / "not" / "yet") > 0
    assert machine.existing(tmp_path / "not" / "yet") == tmp_path


def test_limit_threads_fills_in_and_a_users_own_value_wins():
    environ = {"OMP_NUM_THREADS": "7"}
    machine.limit_threads(environ, count=3)
    assert environ.pop("OMP_NUM_THREADS") == "7"
    assert environ["TF_NUM_INTRAOP_THREADS"] == environ["TF_NUM_INTEROP_THREADS"] == "3"
    assert set(environ.values()) == {"3"}
    machine.limit_threads(environ, count=9)
    assert set(environ) == set(machine.THREAD_VARIABLES)
    assert environ["TF_NUM_INTRAOP_THREADS"] == "3"


def test_limit_threads_counts_the_cores_by_default():
    environ = {}
    machine.limit_threads(environ)
    assert set(environ.values()) == {str(machine.cores())}


COUNT_THREADS = """
import os
import tensorflow as tf
a = tf.random.normal((300, 300))
(a @ a).numpy()
names = [open(f"/proc/self/task/{t}/comm").read().strip() for t in os.listdir("/proc/self/task")]
print(names.count("tf_Compute"), len(names))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_tensorflow_starts_as_many_threads_as_it_is_told():
    def threads(count):
        environ = {k: v for k, v in os.environ.items() if k not in machine.THREAD_VARIABLES}
        machine.limit_threads(environ, count=count)
        done = subprocess.run(
            [sys.executable, "-c", COUNT_THREADS],
            env=environ | {"CUDA_VISIBLE_DEVICES": "-1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return [int(word) for word in done.stdout.split()]

    few, few_in_all = threads(1)
    many, many_in_all = threads(6)
    assert (few, many) == (1, 6)
    # The other pool, for the work inside one operation, grows by five as well.
    assert many_in_all - few_in_all >= 10
