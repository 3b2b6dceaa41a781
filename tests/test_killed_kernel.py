"""A kernel that dies in the middle of training: notebook and data stay whole, and the next run is undisturbed."""

import io
import os
import re
import signal
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from browser import browser  # noqa: F401
from build_book import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from test_lab import KERNEL, lab, opened, wait_for  # noqa: F401  (fixtures and their helpers)

from mlmath.data import SHAPES, load_mnist

BEGIN = """
import hashlib
import os
import numpy as np
from mlmath import Adam, Dense, Network, as_rows, fit, load_mnist
from mlmath.figures import experiment
os.environ |= {"KERAS_HOME": "keras", "MLMATH_MNIST": ""}
(x_train, y_train), _ = load_mnist()
X, labels = as_rows(x_train[:4000]), y_train[:4000]
with open("pid.txt", "w") as file:
    file.write(str(os.getpid()))
def train(epochs, progress=None):
    def callback(history):
        with open("steps.txt", "w") as file:
            file.write(str(len(history.step_losses)))
        if progress:
            progress(len(history.step_losses) / 32 / epochs, "training")
    network = Network([Dense(784, 64, "relu", rng=0), Dense(64, 10, rng=1)])
    losses = fit(network, X, labels, Adam(), epochs, rng=2, callback=callback).step_losses
    return f"result {len(losses)} " + hashlib.sha256(np.array(losses)).hexdigest()[:16]
"""
RUNS = {"fit": "print(train(60))", "experiment": "experiment(train, epochs=60)"}


def made(*cells) -> nbformat.NotebookNode:
    return new_notebook(cells=list(cells), metadata=KERNEL)


@pytest.fixture(scope="module")
def data_file(lab):  # noqa: F811
    """A file with MNIST's shapes, random but always the same, where Keras would keep it."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 10, shape, np.uint8) for name, shape in SHAPES.items()}
    for name in ("x_train", "x_test"):
        arrays[name] *= 28
    path = lab[0] / "keras" / "datasets" / "mnist.npz"
    path.parent.mkdir(parents=True)
    np.savez_compressed(content := io.BytesIO(), **arrays)
    path.write_bytes(content.getvalue())
    return path


@pytest.fixture(scope="module")
def undisturbed(lab, data_file) -> str:  # noqa: F811
    """What a run gives whose kernel nobody kills."""
    from nbclient import NotebookClient

    notebook = made(new_code_cell(BEGIN), new_code_cell(RUNS["fit"]))
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": lab[0]}}).execute(env=lab[2])
    return re.search(r"result 1920 \w{16}", str(notebook.cells[1].outputs))[0]


@pytest.mark.parametrize("how", RUNS)
def test_in_jupyterlab_it_is_said_and_nothing_is_lost(lab, data_file, undisturbed, browser, how):  # noqa: F811
    folder, address, _ = lab
    path, before = folder / f"{how}.ipynb", data_file.read_bytes()
    nbformat.write(made(new_markdown_cell("My words."), new_code_cell(BEGIN), new_code_cell(RUNS[how])), path)
    stored = path.read_bytes()
    for name in ("pid.txt", "steps.txt"):
        (folder / name).unlink(missing_ok=True)

    def choose(menu: str, entry: str) -> None:
        page.get_by_role("menuitem", name=menu, exact=True).click()
        page.get_by_text(entry, exact=True).click()

    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = opened(context.new_page(), address, path.name)
    choose("Run", "Run All Cells")
    wait_for(lambda: (folder / "steps.txt").exists() and (folder / "steps.txt").read_text() > "", 60)
    os.kill(int((folder / "pid.txt").read_text()), signal.SIGKILL)
    page.get_by_text(f"The kernel for {path.name} appears to have died. It will restart automatically.").wait_for()
    assert int((folder / "steps.txt").read_text() or 0) < 1920 and page.get_by_text("result 1920").count() == 0
    assert path.read_bytes() == stored and data_file.read_bytes() == before
    page.get_by_role("dialog").get_by_role("button", name="Ok").click()

    page.get_by_text("| Idle").wait_for(timeout=60_000)
    choose("Run", "Run All Cells")
    page.get_by_text("result 1920").first.wait_for(timeout=120_000)
    assert page.get_by_text(undisturbed).count() == 1
    choose("File", "Save Notebook")

    def saved():  # nothing while it is being written
        text = path.read_bytes()
        return text != stored and text.rstrip().endswith(b"}") and nbformat.reads(text.decode(), as_version=4)

    assert [cell.source for cell in wait_for(saved).cells] == ["My words.", BEGIN, RUNS[how]]
    context.close()


DEADLY = """
import os, signal
import numpy as np
from mlmath import Adam, Dense, Network, fit
def die(history):
    if len(history.step_losses) == 30:
        os.kill(os.getpid(), signal.SIGKILL)
network = Network([Dense(4, 2, rng=0)])
fit(network, np.eye(4), np.array([0, 1, 0, 1]), Adam(), epochs=100, rng=0, callback=die)
"""


def test_the_books_own_runner_says_so_and_leaves_the_notebook_as_it_was(tmp_path):
    path = tmp_path / "7_1_deadly.ipynb"
    nbformat.write(made(new_code_cell("print('before')"), new_code_cell(DEADLY)), path)
    before = path.read_bytes()
    command = [sys.executable, ROOT / "scripts" / "run_notebooks.py", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == f"[1/1] {path.name} … its kernel died; nothing was stored\n"
    assert done.stderr == "1 of 1 notebooks were not stored\n"
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


# Dies when the bytes are half written, or all written and not yet in their place.
KEEP = """
import os, signal, sys
from pathlib import Path
from mlmath import data
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def half(path, content):
    with open(path, "wb") as file:
        file.write(content[: len(content) // 2])
    die()
setattr(*{"half": (Path, "write_bytes", half), "whole": (os, "replace", die)}[sys.argv[1]])
data._keep(data._keras_cache(), bytes(10**6))
"""


@pytest.mark.parametrize("written", ["half", "whole"])
@pytest.mark.parametrize("old", [False, True])
def test_the_kept_data_are_whole_or_not_there_whenever_it_dies(lab, data_file, tmp_path, monkeypatch, written, old):  # noqa: F811
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("MLMATH_MNIST", raising=False)
    path = tmp_path / "datasets" / "mnist.npz"
    if old:
        path.parent.mkdir()
        path.write_bytes(data_file.read_bytes())
    killed = subprocess.run([sys.executable, "-c", KEEP, written], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.exists() == old
    if old:
        assert load_mnist().source == "Keras' cache"
