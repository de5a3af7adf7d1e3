"""What the README and the pages beside it say is so: minutes, sums, links, addresses, commands."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import nbformat
import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import labkit
from labkit import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ABOUT = ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-prose.md"]
PAGES = {
    path: path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *map(ROOT.joinpath, ABOUT), *(ROOT / "docs").glob("*.md")]
}
LABS = {
    path: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())

every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)


def rows(text):
    """The cells of a table's lines, without the head."""
    lines = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    return [[cell.strip(" *") for cell in line.split("|")] for line in lines[2:]]


def section(heading):
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)[1]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def needs(notebook):
    """The minutes and gigabytes of a lab's own first cell."""
    line = re.search(r"You will need: (\d+) minutes · ([\d.]+) GB", notebook.cells[0].source)
    return line[1], line[2]


def code(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_the_tables_say_of_each_lab_what_it_says_itself():
    text = section("The labs")
    told = {}
    for first, *_, minutes, memory in re.findall(
        r"^\| (\[[^|]*) \| .*\| ([^|]*) \| ([^|]*) GB \|$", text, re.MULTILINE
    ):
        told[re.search(r"\]\((.*)\)", first)[1]] = (minutes, memory)
    assert told == {f"notebooks/{path.name}": needs(lab) for path, lab in LABS.items()}


def test_the_table_names_the_data_that_a_lab_begins_with():
    names = {
        "mnist": "MNIST",
        "fashion_mnist": "Fashion-MNIST",
        "cifar10": "CIFAR-10",
        "cats_and_dogs": "cats and dogs",
        "plant_seedlings": "plant seedlings",
        "linear_regression": "a table",
    }
    main_path = [row for row in rows(section("The labs")) if re.match(r"\[\d\d ", row[0])]
    begins = [
        names[re.search(r'labkit\.load\("(\w+)"', code(lab))[1]]
        for path, lab in LABS.items()
        if path.name[0] != "c"
    ]
    assert [row[2] for row in main_path] == begins


def test_the_schedules_add_up_and_give_each_lab_the_minutes_it_asks_for():
    *lines, (_, *totals) = rows(section("How to teach with it"))
    own = {path.name.split("-")[0]: needs(lab)[0] for path, lab in LABS.items()}
    taught = set()
    for first, *minutes in lines:
        number = first.split(" ·")[0]
        if re.fullmatch(r"\d\d|c\d", number):
            taught.add(number)
            assert {given for given in minutes if given} == {own[number]}, first
    assert taught == set(own)
    columns = zip(*(minutes for _, *minutes in lines), strict=True)
    assert [str(sum(int(n) for n in column if n)) for column in columns] == totals


def slug(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@every_page
def test_links_lead_to_files_and_headings(path):
    for address in re.findall(r"\]\(([^)\s]+)\)", PAGES[path]):
        if re.match(r"[a-z]+:", address):
            continue
        file, _, anchor = address.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), address
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), address


@every_page
def test_pictures_are_described_and_come_from_here(path):
    for alt, address in re.findall(r"!\[(.*?)\]\((.*?)\)", PAGES[path]):
        assert not re.match(r"[a-z]+:", address), f"{address} would be asked for at each reading"
        assert len(alt) >= (12 if "badges" in address else 40), address


@every_page
def test_commands_are_ones_that_labkit_and_make_understand(path):
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`(?:sudo )?make ([a-z-]+)", PAGES[path])) <= targets
    lines = "".join(blocks(PAGES[path], "sh")).replace("\\\n", "").splitlines()
    lines += re.findall(r"`(\.venv/bin/labkit [^`…]*)`", PAGES[path])
    for line in lines:
        words = shlex.split(line, comments=True)
        if words and words[0] == "make":
            assert words[1] in targets, line
        starts = [i for i, word in enumerate(words) if word.removeprefix(".venv/bin/") == "labkit"]
        if starts:
            command = typer.main.get_command(cli.app)
            context, args = typer.Context(command), words[starts[0] + 1 :]
            while hasattr(command, "resolve_command"):
                name, command, args = command.resolve_command(context, args)
            command.make_context(name, args, parent=context)


@every_page
def test_python_on_the_pages_names_what_there_is(path):
    for block in blocks(PAGES[path], "python"):
        if block.startswith((" ", "!", "%")):  # a part of a file, or of a notebook elsewhere
            continue
        compile(block, path.name, "exec")
        for module, name in re.findall(r"^from (labkit[\w.]*) import (.*)$", block, re.MULTILINE):
            assert all(hasattr(import_module(module), n) for n in name.split(", ")), name
        for name in re.findall(r"\b((?:labkit|models|plot|store)(?:\.[a-z_]+)+)\(", block):
            found = labkit
            for part in name.removeprefix("labkit.").split("."):
                found = getattr(found, part)


def mentioning():
    """The files that may name the repository."""
    files = [*PAGES, ROOT / "CITATION.cff", ROOT / "k8s/overlays/openshift/build/image.yaml"]
    return [path.relative_to(ROOT).as_posix() for path in files]


def addresses(root):
    """Every mention of a repository: the file, account and name, what follows in the address."""
    host = r"(?:github\.com|research\.google\.com/github|mybinder\.org/v2/gh)"
    for file in mentioning():
        text = (root / file).read_text(encoding="utf-8")
        for found in re.findall(rf"{host}/([\w.-]+/[\w-]+)(?:\.git)?(/[^\s)\"]*)?", text):
            yield file, *found


def repository():
    return CITATION["repository-code"].removeprefix("https://github.com/")


def test_all_name_the_same_repository_and_files_that_it_has():
    found = list(addresses(ROOT))
    ours = [entry for entry in found if entry[1].split("/")[-1] == repository().split("/")[-1]]
    assert {name for _, name, _ in ours} == {repository()}
    named = {file for file, _, _ in ours}
    assert named >= {"README.md", "CITATION.cff", "k8s/overlays/openshift/build/image.yaml"}
    paths = [urlsplit(path) for _, _, path in ours if path]
    kept = [re.match(r"/(?:blob|tree)/main/(.*)", parts.path) for parts in paths]
    files = [unquote(match[1]) for match in kept if match]
    for parts in paths:  # Binder's opens a file in JupyterLab
        for opened in parse_qs(parts.query).get("urlpath", ()):
            files.append(opened.removeprefix("lab/tree/"))
    assert len(files) >= 4
    for file in files:
        assert (ROOT / file).exists(), file


@pytest.mark.skipif(not (shutil.which("git") and shutil.which("perl")), reason="no git or perl")
def test_one_command_gives_the_repository_its_address(tmp_path):
    for file in mentioning():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    guide = PAGES[ROOT / "CONTRIBUTING.md"]
    (command,) = [block for block in blocks(guide, "sh") if "git grep" in block]
    # Called from a hook of git, its own variables would lead to the repository of the hook.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for git in ("git init --quiet", "git add --all"):
        subprocess.run(git.split(), cwd=tmp_path, env=env, check=True, timeout=60)
    before = repository()
    after = re.search(r"s#.*?#(.*?)#g", command)[1]
    subprocess.run(command, shell=True, cwd=tmp_path, env=env, check=True, timeout=60)
    told = {name for _, name, _ in addresses(tmp_path)}
    assert before == after or (after in told and before not in told)


def test_the_cell_for_colab_installs_what_the_labs_import():
    """There is nothing of ours there but what pip brings; IPython is there."""
    words = (ROOT / "docs" / "elsewhere.md").read_text()
    extras = PROJECT["optional-dependencies"]
    there = {"labkit", "ipython", "ipywidgets"}
    lines = re.findall(r'^%pip install --quiet "[./ai101]+\[(.*?)\]" (.*)$', words, re.MULTILINE)
    assert len(lines) == 2 and len(set(lines)) == 1
    chosen, others = lines[0]
    texts = [*PROJECT["dependencies"], *others.split()]
    waiting = chosen.split(",")
    while waiting:
        for text in extras[waiting.pop()]:
            if text.startswith("labkit["):
                waiting += Requirement(text).extras
            else:
                texts.append(text)
    while texts:
        wanted = Requirement(texts.pop())
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if applies and canonicalize_name(wanted.name) not in there:
            there.add(canonicalize_name(wanted.name))
            texts += requires(wanted.name) or ()
    brings = packages_distributions()
    for path, lab in LABS.items():
        imported = re.findall(r"^\s*(?:import|from) (\w+)", code(lab), re.MULTILINE)
        for module in set(imported) - sys.stdlib_module_names:
            dists = {canonicalize_name(name) for name in brings.get(module, [module])}
            assert dists & there, f"{path.name} imports {module}"


def test_binder_builds_the_environment_of_the_lock():
    binder = ROOT / ".binder"
    (line,) = (binder / "requirements.txt").read_text().split("\n")[:-1]
    assert (binder / line.removeprefix("-r ")).resolve() == ROOT / "requirements.lock"
    version = (binder / "runtime.txt").read_text().strip().removeprefix("python-")
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{version}.0")
    assert (binder / "postBuild").stat().st_mode & 0o100
    assert "--no-deps --editable ." in (binder / "postBuild").read_text()


def test_pre_commit_runs_what_make_test_runs_first():
    recipe = re.search(r"^test:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    lines = [line.strip("\t@").replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    first = lines[: next(i for i, line in enumerate(lines) if "pytest" in line)]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repo,) = config["repos"]
    assert repo["repo"] == "local"  # nothing is fetched
    entries = [hook["entry"] for hook in repo["hooks"]]
    assert entries[: len(first)] == first
    (rest,) = entries[len(first) :]
    assert (ROOT / rest.split()[-1]).is_file() and "tests/notebooks" in recipe
    assert all(hook["language"] == "system" for hook in repo["hooks"])
    assert all(hook["pass_filenames"] is False for hook in repo["hooks"])


def test_one_version_and_one_licence_everywhere():
    released = re.findall(r"^## \[(\d\S*)\] - (\S+)$", PAGES[ROOT / "CHANGELOG.md"], re.MULTILINE)
    assert released[0] == (PROJECT["version"], CITATION["date-released"])
    assert CITATION["version"] == PROJECT["version"] == labkit.__version__
    assert CITATION["license"] == [PROJECT["license"], "CC-BY-4.0"]
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    # The text as the Apache Software Foundation publishes it, to the letter.
    text = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == (
        "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    )


@pytest.mark.parametrize("name", ["mistake", "unclear", "idea"])
def test_the_forms_for_issues_are_forms(name):
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert form["name"] and form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids))
    for field in form["body"]:
        assert field["type"] in ("textarea", "input", "dropdown", "checkboxes")
        assert field["attributes"]["label"]
