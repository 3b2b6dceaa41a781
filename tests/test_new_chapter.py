"""`make chapter` begins a chapter that the structure tests accept, and touches none that exists."""

import re
import shutil
import subprocess
import sys

import pytest
from new_chapter import ROOT, enter

STEM = "7_1_a_new_thing"


def python(root, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    """A copy of the project with a new chapter in it."""
    root = tmp_path_factory.mktemp("fork")
    for name in ("book", "scripts", "tests", "mlmath"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("pyproject.toml", "conftest.py", "_toc.yml", "_config.yml"):
        shutil.copy(ROOT / name, root)
    made = python(root, "scripts/new_chapter.py", STEM)
    assert made.returncode == 0 and f"Fill book/{STEM}.ipynb" in made.stdout, made.stdout + made.stderr
    return root


def test_the_skeleton_passes_the_tests_of_structure_and_exercises(fork):
    tests = python(fork, "-m", "pytest", "-q", "tests/test_notebooks.py", "tests/test_exercises.py", "-k", STEM)
    assert tests.returncode == 0, tests.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", tests.stdout)[1]) >= 15


def test_a_chapter_that_exists_is_left_alone(fork):
    before = (fork / "book" / f"{STEM}.ipynb").read_bytes()
    again = python(fork, "scripts/new_chapter.py", STEM)
    assert again.returncode == 1 and "left as it is" in again.stderr
    assert (fork / "book" / f"{STEM}.ipynb").read_bytes() == before


@pytest.mark.parametrize("name", ["7_1_another_thing", "8_2_with_answers"])
def test_nothing_of_another_chapter_is_written_over(fork, name):
    (fork / "tests" / "wrong_answers" / "8_2_with_answers.toml").write_text("mine")
    contents = (fork / "_toc.yml").read_bytes()
    refused = python(fork, "scripts/new_chapter.py", name)
    assert refused.returncode == 1 and "exists; it was left as it is, and no chapter was begun" in refused.stderr
    assert not (fork / "book" / f"{name}.ipynb").exists() and (fork / "_toc.yml").read_bytes() == contents
    assert (fork / "tests" / "wrong_answers" / "8_2_with_answers.toml").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "batch_norm", "3_8", "3_8_Batch", "../3_8_batch", "3_8_two words"])
def test_another_kind_of_name_is_refused(name):
    refused = python(ROOT, "scripts/new_chapter.py", name)
    assert refused.returncode == 1 and "NAME was" in refused.stderr


def test_the_table_of_contents_stays_in_order():
    contents = "      - file: book/1_one\n  - caption: x\n      - file: book/3_2_two\n      - file: book/notation\n"
    assert re.findall(r"book/(\S+)", enter(contents, "3_1_new")) == ["1_one", "3_1_new", "3_2_two", "notation"]
    assert re.findall(r"book/(\S+)", enter(contents, "4_new")) == ["1_one", "3_2_two", "4_new", "notation"]
