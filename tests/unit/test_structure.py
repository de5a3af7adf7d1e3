"""The shape of the project: light imports, and three lists of dependencies that agree."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def python(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_labkit_imports_nothing_heavy():
    heavy = {"tensorflow", "keras", "pandas", "matplotlib", "sklearn", "PIL", "IPython", "requests"}
    loaded = python("import labkit, sys; print(*{m.split('.')[0] for m in sys.modules})").split()
    assert not heavy & set(loaded)


def test_every_public_name_loads_without_start_up_messages():
    program = (
        "import labkit; [getattr(labkit, n) for n in labkit.__all__]; labkit.keras.ops.zeros(1)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_stays_what_it_is_after_its_module_was_imported():
    python(
        "import labkit, labkit.cli; labkit.progress, labkit.doctor, labkit.check;"
        "assert callable(labkit.check) and callable(labkit.doctor) and callable(labkit.load)"
    )


def test_an_unknown_name_is_an_attribute_error():
    assert python("import labkit; print(hasattr(labkit, 'nonsense'))").strip() == "False"


@pytest.fixture(scope="module")
def declared():
    """Every direct dependency of pyproject.toml with its range, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    groups = [
        project["dependencies"],
        *(extras[e] for e in extras if e not in ("gpu", "browser", "bench", "services")),
    ]
    requirements = [Requirement(text) for group in groups for text in group]
    return {canonicalize_name(r.name): r for r in requirements if r.name != "labkit"}


@pytest.fixture(scope="module")
def locked():
    """Every version of requirements.lock, by name; a name may have one for each Python."""
    versions = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        match = re.match(r"([a-zA-Z0-9._-]+)==([^ ;\\]+)", line)
        if match:
            versions.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return versions


@pytest.fixture(scope="module")
def conda():
    """The lines of environment.yml, by name: (version, has a comment)."""
    text = (ROOT / "environment.yml").read_text()
    lines = re.findall(r"^ +- ([a-zA-Z0-9._-]+)==?([^ \n]+)(.*)$", text, re.MULTILINE)
    own_names = {"python-confluent-kafka": "confluent-kafka"}
    return {
        own_names.get(n, canonicalize_name(n)): (v, c.strip().startswith("#")) for n, v, c in lines
    }


def test_the_lock_satisfies_pyproject(declared, locked):
    for name, requirement in declared.items():
        assert name in locked, f"{name} is not in requirements.lock: run `make lock`"
        assert all(requirement.specifier.contains(version) for version in locked[name]), name


def test_pyproject_gives_ranges_not_pins(declared):
    for requirement in declared.values():
        assert requirement.specifier and "==" not in str(requirement.specifier)


def test_environment_yml_has_the_same_versions_each_with_its_reason(declared, locked, conda):
    assert set(conda) - {"python", "pip"} == set(declared)
    for name, (version, explained) in conda.items():
        assert explained, f"environment.yml does not say why {name} is there"
        if name in declared:
            assert locked[name] == {version}, name
    assert yaml.safe_load((ROOT / "environment.yml").read_text())["channels"] == ["conda-forge"]


def test_the_lock_has_hashes_and_no_address(locked):
    text = (ROOT / "requirements.lock").read_text()
    assert text.count("--hash=sha256:") > len(locked)
    assert not re.search(r"https?://|--index-url|--find-links", text)


def test_the_readme_names_only_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named and named <= targets
