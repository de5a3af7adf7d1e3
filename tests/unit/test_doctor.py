"""The preflight says what is wrong and what mends it."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from labkit.data import Availability
from labkit.doctor import (
    Finding,
    check_datasets,
    check_disk,
    check_machine,
    check_packages,
    check_python,
    check_widgets,
    doctor,
    find_lock,
    read_lock,
)

SAMPLE = Availability("mnist", "sample", "shipped with labkit", False)
GOOD = Availability("cifar10", "folder", "/share/cifar10.npz", True)
DAMAGED = Availability("mnist", "cache", "/c/mnist.npz", False, "mnist.npz is cut off. Delete it.")


@pytest.fixture
def lock(tmp_path):
    """A lock that agrees with what is installed here."""
    path = tmp_path / "requirements.lock"
    path.write_text(f"numpy=={metadata.version('numpy')} \\\n    --hash=sha256:00\n")
    return path


def container(root: Path, *, limit: int, used: int, quota: str, kills: int = 0) -> Path:
    """A /proc and /sys tree as a container with cgroup v2 shows them."""
    group = root / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/\n")
    (root / "proc/meminfo").write_text("MemTotal: 64000000 kB\nMemAvailable: 32000000 kB\n")
    (group / "cpu.max").write_text(f"{quota}\n")
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text(f"{used}\n")
    (group / "memory.events").write_text(f"oom 0\noom_kill {kills}\n")
    return root


def test_a_ready_machine_is_one_line(lock, tmp_path):
    root = container(tmp_path, limit=8 * 10**9, used=10**9, quota="100000 100000")
    report = doctor(datasets=[SAMPLE, GOOD], lock=lock, root=root)
    line = repr(report)
    assert report.ok
    assert line.startswith(f"labkit {metadata.version('labkit')} · Python 3.")
    assert f"TensorFlow {metadata.version('tensorflow')}" in line
    assert " · 1 core · 7.0 GB free memory · " in line and " free disk · " in line
    assert line.endswith("· ready")
    assert "\n" not in line


def test_problems_follow_the_line_with_their_remedies(lock, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "file" / "cache"))
    root = container(tmp_path, limit=8 * 10**9, used=0, quota="max 100000")
    report = doctor(datasets=[DAMAGED], lock=lock, root=root)
    head, *rest = str(report).splitlines()
    assert not report.ok
    assert head.endswith("2 things to mend:")
    assert rest[0].startswith("  disk: ") and "Set LABKIT_CACHE" in rest[0]
    assert rest[1] == "  mnist: mnist.npz is cut off. Delete it."


def test_notes_are_counted_and_leave_the_machine_ready(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==0.1\n")
    root = container(tmp_path, limit=8 * 10**9, used=0, quota="max 100000")
    report = doctor(datasets=[], lock=lock, root=root)
    assert report.ok
    assert str(report).endswith("ready (1 note: run labkit doctor in a terminal)")
    assert f"numpy {metadata.version('numpy')} (the lock has 0.1)" in report.table()


def test_the_table_lists_every_check_and_every_setting(lock, monkeypatch, tmp_path):
    root = container(tmp_path, limit=8 * 10**9, used=0, quota="max 100000")
    monkeypatch.setenv("LABKIT_OFFLINE", "1")
    text = doctor(datasets=[SAMPLE, GOOD], lock=lock, root=root).table()
    for subject in ("Python", "lock", "cores", "memory", "disk", "widgets", "cifar10"):
        assert f"  {subject} " in text
    assert "folder, verified: /share/cifar10.npz" in text
    assert "→ labkit data fetch NAME gets the real data" in text
    assert "LABKIT_OFFLINE=1" in text and "LABKIT_DATA=(not set)" in text
    assert text.endswith("Ready.")


def test_a_setting_that_cannot_be_read_is_a_problem_and_no_exception(lock, monkeypatch):
    monkeypatch.setenv("LABKIT_OFFLINE", "perhaps")
    report = doctor(lock=lock)
    assert not report.ok
    assert "LABKIT_OFFLINE is 'perhaps'; set it to 1 (on) or 0 (off)." in str(report)


def test_data_sets_are_asked_for_when_none_are_given(lock, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", "sample")
    text = doctor(lock=lock).table()
    assert "drawn by labkit, in place of mnist, " in text


@pytest.mark.parametrize(
    ("version", "level"),
    [("3.10.14", "problem"), ("3.11.0", "ok"), ("3.13.9", "ok"), ("3.14.0rc1", "problem")],
)
def test_python_3_11_to_3_13_is_supported(version, level):
    (finding,) = check_python(version)
    assert finding.level == level
    assert bool(finding.remedy) == (level == "problem")


def test_a_lock_is_read_with_its_markers(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "# made by a tool\n"
        "numpy==9.9 ; python_full_version < '3.0' \\\n    --hash=sha256:00\n    # via pandas\n"
        "numpy==2.4 ; python_full_version >= '3.0' \\\n    --hash=sha256:00\n"
        "pillow==11.0\n"
    )
    assert [(pin.name, str(pin.specifier)) for pin in read_lock(lock)] == [
        ("numpy", "==2.4"),
        ("pillow", "==11.0"),
    ]


def test_the_clones_own_lock_is_found_and_read():
    names = {pin.name for pin in read_lock(find_lock())}
    assert {"tensorflow", "jupyterlab", "numpy"} <= names


@pytest.mark.parametrize("content", [b"this is no pin\n", b"\xff\xfe", None])
def test_a_lock_that_cannot_be_read_is_a_note(tmp_path, content):
    lock = tmp_path / "requirements.lock"
    if content is not None:
        lock.write_bytes(content)
    levels = {(f.level, f.subject) for f in check_packages(lock)}
    assert levels == {("note", "lock")}


def test_no_lock_is_a_note():
    assert [f.level for f in check_packages(None)] == ["note"]


def distribution(folder: Path, name: str, version: str, *requires: str) -> None:
    """An installed package, as pip leaves it in site-packages."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    (info / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")


def test_packages_that_are_missing_or_out_of_range_are_named(tmp_path, monkeypatch):
    distribution(
        tmp_path, "labkit", "0.1.0", 'nosuchpackage>=1 ; extra == "all"', "keras>=3.9", "ruff>99"
    )
    distribution(tmp_path, "keras", "2.15.0")
    monkeypatch.syspath_prepend(tmp_path)
    (problem, _) = check_packages(None)
    assert problem.level == "problem"
    assert "nosuchpackage is not installed" in problem.text
    assert "keras is 2.15.0 and labkit needs >=3.9" in problem.text
    assert 'pip install "labkit[all]"' in problem.remedy


def test_an_old_browser_half_of_the_widgets_is_a_problem(tmp_path, monkeypatch):
    assert [f.level for f in check_widgets()] == ["ok"]
    distribution(tmp_path, "jupyterlab_widgets", "1.0.0")
    monkeypatch.syspath_prepend(tmp_path)
    (problem,) = check_widgets()
    assert problem.level == "problem"
    assert "jupyterlab_widgets~=3" in problem.text and "version 1.0.0 is here" in problem.text
    assert "pip install --upgrade" in problem.remedy


def test_little_memory_is_a_problem(tmp_path):
    root = container(tmp_path, limit=2 * 10**9, used=10**9, quota="50000 100000")
    cores, memory = check_machine(root)
    assert cores.text.startswith("1 core for this process (its time is limited to 0.5)")
    assert memory.level == "problem"
    assert memory.text == "1.0 GB free of 2.0 GB; a lab needs 1.5 GB."
    assert "Shut down other notebooks" in memory.remedy


def test_a_kernel_that_was_killed_for_memory_is_noted(tmp_path):
    root = container(tmp_path, limit=8 * 10**9, used=10**9, quota="max 100000", kills=2)
    stopped = list(check_machine(root))[-1]
    assert stopped.level == "note"
    assert stopped.text.startswith("exit code 137: the kernel was stopped because memory ran out")
    assert "2 times" in stopped.text


def test_a_full_disk_is_a_problem(tmp_path, monkeypatch):
    assert [f.level for f in check_disk(tmp_path / "cache")] == ["ok"]
    monkeypatch.setattr("labkit.machine.free_disk", lambda path: 5 * 10**8)
    (problem,) = check_disk(tmp_path / "cache")
    assert problem.level == "problem" and "0.5 GB free" in problem.text


def test_data_without_a_checksum_says_so():
    mirror = Availability("mnist", "mirror", "/m/mnist.npz", False)
    assert list(check_datasets([mirror])) == [
        Finding("ok", "mnist", "mirror, no checksum to verify it with: /m/mnist.npz")
    ]


def test_the_doctor_starts_no_heavy_library():
    code = (
        "import sys; from labkit.doctor import doctor; str(doctor());"
        "print([m for m in ('tensorflow', 'keras', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
