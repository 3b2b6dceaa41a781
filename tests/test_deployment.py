"""The files for other people's machines name what is there: commands, targets, folders, packages."""

import json
import re
import subprocess
import sys
import zipfile

import pytest
import yaml
from build_book import ROOT

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


@pytest.mark.parametrize(
    "name", [".devcontainer/devcontainer.json", ".vscode/settings.json", ".vscode/extensions.json"]
)
def test_editor_settings_are_json(name):
    assert json.loads((ROOT / name).read_text())


def test_binder_installs_what_the_book_pins():
    line = (ROOT / ".binder" / "requirements.txt").read_text().split()
    assert line[0] == "-r" and (ROOT / ".binder" / line[1]).resolve() == ROOT / "requirements.txt"
    assert re.fullmatch(r"python-3\.1[123]\n", (ROOT / ".binder" / "runtime.txt").read_text())
    assert (ROOT / ".binder" / "postBuild").stat().st_mode & 0o100


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


def test_the_wheel_imports_alone(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = f"""import sys; sys.path.insert(0, {str(tmp_path)!r})
import mlmath, importlib.metadata; print(mlmath.__file__, importlib.metadata.version("mlmath"))"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.startswith(str(tmp_path)) and ran.stdout.split()[-1] == "0.1.0"
