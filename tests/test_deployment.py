"""The files for other people's machines name what is there: commands, targets, folders, packages."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
import yaml
from build_book import ROOT
from name_repository import TAG, alone
from notebooks import STEMS, code_cells

import mlmath

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))


def commands(text: str) -> set[str]:
    """The targets that a text has `make` make."""
    return {name for line in re.findall(r"\bmake ((?:[a-z-]+ ?)+)", text) for name in line.split()}


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_workflows_are_well_formed_and_call_commands_that_exist(path):
    workflow = yaml.safe_load(path.read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert steps[0]["uses"].startswith("actions/checkout@") and all(set(step) & {"uses", "run"} for step in steps)
    called = set().union(*(commands(step.get("run", "")) for step in steps))
    assert called and called <= TARGETS


def test_ci_runs_on_the_three_pythons():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_the_image_is_made_by_a_command_that_exists_from_files_that_exist():
    text = (ROOT / "Dockerfile").read_text()
    assert commands("\n".join(re.findall(r"^RUN (make .+)", text, flags=re.M))) == {"book"} <= TARGETS
    services = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", text, flags=re.M))
    assert {service["build"]["target"] for service in services.values()} <= stages


def test_the_proof_of_the_dockerfile_leaves_no_kind_of_step_out():
    kinds = set(re.findall(r"^([A-Z]+) ", (ROOT / "Dockerfile").read_text(), flags=re.M))
    proven = set(re.findall(r"^ +([A-Z]+)\)", (ROOT / "scripts" / "prove").read_text(), flags=re.M))
    assert kinds - {"FROM", "EXPOSE"} == proven  # a base image, and a remark for the engine


@pytest.mark.parametrize(
    "name", [".devcontainer/devcontainer.json", ".vscode/settings.json", ".vscode/extensions.json"]
)
def test_editor_settings_are_json(name):
    assert json.loads((ROOT / name).read_text())


def test_binder_installs_what_the_book_pins():
    line = (ROOT / ".binder" / "requirements.txt").read_text().split()
    assert line[0] == "-r" and (ROOT / ".binder" / line[1]).resolve() == ROOT / "requirements.txt"
    assert re.fullmatch(r"python-3\.1[123]\n", (ROOT / ".binder" / "runtime.txt").read_text())
    for name in ("postBuild", "start"):
        assert (ROOT / ".binder" / name).stat().st_mode & 0o100
    command = [ROOT / ".binder" / "start", "printenv", "OMP_NUM_THREADS"]
    started = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": os.defpath})
    assert started.stdout == "1\n"


# A notebook alone: its first cell runs where there is no mlmath, with a pip that notes what it is asked for.
RUN = """import sys
class get_ipython:
    def run_line_magic(self, *asked):
        print(asked)
exec(sys.argv[1])
print("went on")"""


def run_alone(cell: str, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *options, "-c", RUN, cell], capture_output=True, text=True, check=False)


def test_a_notebook_beside_the_package_installs_nothing():
    assert run_alone(alone()).stdout == "went on\n"


def test_a_notebook_alone_says_what_is_missing_while_no_repository_is_named():
    ran = run_alone(re.sub('"[^"]*"  #', '""  #', alone()), "-I", "-S")
    assert ran.stdout == ""
    assert ran.stderr.splitlines()[-1].startswith("ModuleNotFoundError: mlmath is missing: get the whole book")


@pytest.fixture
def fork(tmp_path):
    """A copy of what `make repository` changes, and a chapter that has outputs."""
    (tmp_path / "book").mkdir()
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "_config.yml", tmp_path)
    shutil.copy(ROOT / "book" / "3_1_neural_networks.ipynb", tmp_path / "book")
    return tmp_path


def name(fork, *address: str) -> subprocess.CompletedProcess:
    program = [sys.executable, fork / "scripts" / "name_repository.py", *address]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_once_the_repository_is_named_a_notebook_alone_installs_from_it(fork):
    path = fork / "book" / "3_1_neural_networks.ipynb"
    before = path.read_text()
    assert name(fork, "https://github.com/owner/name.git/").stdout == "book/3_1_neural_networks.ipynb\n"
    assert yaml.safe_load((fork / "_config.yml").read_text())["repository"]["url"] == "https://github.com/owner/name"
    cells = json.loads(path.read_text())["cells"]
    [cell] = ["".join(cell["source"]) for cell in cells if TAG in cell["metadata"].get("tags", [])]
    asked = ("pip", 'install -q "mlmath[book] @ git+https://github.com/owner/name"')
    assert run_alone(cell, "-I", "-S").stdout == f"{asked}\nwent on\n"
    assert sum(a != b for a, b in zip(before.splitlines(), path.read_text().splitlines(), strict=True)) == 1
    assert name(fork).stdout == ""


@pytest.mark.parametrize("address", ["owner/name", "https://github.com", "https://a.b/'/c", 'https://a.b/x"/c'])
def test_what_is_no_address_is_not_written(fork, address):
    before = (fork / "_config.yml").read_text()
    refused = name(fork, address)
    assert refused.returncode == 1 and refused.stderr.startswith(f"URL was {address!r}; it should be like")
    assert (fork / "_config.yml").read_text() == before


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    return next(folder.glob("mlmath-*.whl"))


def test_the_wheel_has_the_package_its_licence_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mlmath"}
    assert any(name.endswith("licenses/LICENSE") for name in names) and "mlmath/figures/explore.js" in names


def test_the_wheel_installs_and_imports_alone_with_its_own_metadata(wheel, tmp_path):
    options = ["--no-index", "--no-deps", "--no-compile", "--target", tmp_path]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *options, wheel], check=True, capture_output=True)
    program = f"""import sys; sys.path.insert(0, {str(tmp_path)!r})
import mlmath, importlib.metadata; told = importlib.metadata.metadata("mlmath")
print(mlmath.__file__, told["Version"], told["License-Expression"], told["Requires-Python"])"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.split() == [
        str(tmp_path / "mlmath" / "__init__.py"),
        mlmath.__version__,
        "BSD-3-Clause",
        ">=3.11",
    ]


def test_what_a_notebook_alone_installs_has_all_that_package_and_notebooks_import():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    [everything] = extras.pop("book")
    assert everything == f"mlmath[{','.join(extras)}]"
    by_way_of = {
        "sklearn": "scikit-learn", "mpmath": "sympy", "keras": "tensorflow", "contourpy": "matplotlib",
        "PIL": "matplotlib", "IPython": "ipywidgets", "traitlets": "ipywidgets",
    }  # fmt: skip
    sources = [path.read_text() for path in (ROOT / "mlmath").rglob("*.py")]
    sources += [cell.source for stem in STEMS for cell in code_cells(stem)]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    needed = {name.split(".")[0] for name in imported} - sys.stdlib_module_names - {"mlmath"}
    declared = {re.match(r"[\w-]+", line)[0] for line in sum(extras.values(), project["dependencies"])}
    assert {by_way_of.get(name, name) for name in needed} == declared
