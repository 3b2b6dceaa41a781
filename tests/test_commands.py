"""A command that cannot do what it was asked says so in a sentence, fails, and leaves everything as it was."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from notebooks import ROOT

CUT = '{"cells": [{"cell_type": "code", "sou'


@pytest.fixture
def project(tmp_path):
    """A project with one notebook, which is cut off, and with what was made before that happened."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in {"book/1_cut.ipynb": CUT, "_build/html/index.html": "old", "_build/book.zip": "old"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def refusal(root: Path, *arguments: str) -> str:
    """What a command says that fails, prints no traceback and changes no file."""
    before = files(root)
    done = subprocess.run([sys.executable, *arguments], cwd=root, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said, said
    assert files(root) == before
    return said


@pytest.mark.parametrize("script", ["build_book", "make_zip"])
def test_no_book_is_built_of_a_notebook_that_is_cut_off(project, script):
    said = refusal(project, f"scripts/{script}.py")
    assert said.startswith("book/1_cut.ipynb is not a notebook (JSONDecodeError")
    assert said.endswith("; the book was not built.\n") and said.count("\n") == 1


def test_a_notebook_without_cells_is_none(project):
    (project / "book" / "1_cut.ipynb").write_text("{}")
    assert refusal(project, "scripts/build_book.py").startswith("book/1_cut.ipynb is not a notebook (KeyError('cells')")


def test_a_notebook_that_is_not_there_is_named_and_nothing_is_run(project):
    said = refusal(project, "scripts/run_notebooks.py", "book/1_cut.ipynb", "book/none.ipynb")
    assert said.startswith("There is no book/none.ipynb; nothing was run.") and said.count("\n") == 1


def test_a_notebook_that_is_cut_off_is_not_run(project):
    said = refusal(project, "scripts/run_notebooks.py", "book/1_cut.ipynb")
    assert said.splitlines() == [
        "[1/1] 1_cut.ipynb … it is not a notebook, and was left as it is",
        "1 of 1 notebooks were not stored",
    ]


def test_no_pdf_is_printed_without_chromium(project):
    program = "import make_pdf; make_pdf.CHROMIUM = '/none'; make_pdf.main()"
    said = refusal(project, "-c", f"import sys; sys.path.insert(0, 'scripts'); {program}")
    assert said == "Printing needs Chromium at /none. On Debian and Ubuntu: apt install chromium\n"


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_passes_the_sentence_and_the_failure_on():
    if not (ROOT / ".venv" / "ready").exists():
        pytest.skip("make would make the environment first")
    command = ["make", "-o", ".venv/ready", "run", "NB=book/none.ipynb"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("There is no book/none.ipynb; nothing was run.")
