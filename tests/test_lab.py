"""JupyterLab, started on loopback: live figures, widgets and experiments as a reader meets them."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from browser import browser, new_page  # noqa: F401
from nbformat.v4 import new_code_cell, new_notebook

FIGURE = """
import json, time
import matplotlib.pyplot as plt
from mlmath.figures import experiment, explore
fig, ax = plt.subplots(figsize=(4, 2))
line, = ax.plot([0, 1], [0, 0])
ax.set_ylim(0, 10)
def update(step, kind):
    line.set_ydata([0, step])
    ax.set_title(f"{kind} {step}")
figure = explore(fig, update, alt="A line that rises", step=range(11), kind=["SGD", "Adam"], start={"step": 4})
"""
WIDGET = """
widget = figure.widget()
def tell(change):
    with open("seen.json", "w") as file:
        json.dump(change.new, file)
widget.observe(tell, "settings")
widget
"""
EXPERIMENT = """
def train(epochs, kind, progress):
    for epoch in range(epochs):
        with open("log.txt", "w") as file:
            file.write(str(epoch))
        sum(k * k for k in range(200_000))  # holds the interpreter, as training does
        progress(epoch / epochs, f"epoch {epoch}")
    with open("log.txt", "w") as file:
        file.write("end")
experiment(train, epochs=100_000, kind=["SGD", "Adam"])
"""
BOOK = Path(__file__).parents[1] / "book"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
CELLS = [FIGURE, "figure", WIDGET, 'widget.settings = {"step": 7, "kind": "Adam"}', EXPERIMENT]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab of the test's own: its folder, its address, and its environment."""
    pytest.importorskip("jupyterlab", reason="SKIPPED: no JupyterLab, no notebook was opened")
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    env = os.environ | own | {"MLMATH_STATIC": "0", "IPYTHONDIR": str(folder / "ipython")}
    (folder / "work").mkdir()
    options = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--no-browser"]
    token = secrets.token_hex()
    options += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder / 'work'}", "--allow-root"]
    options += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with open(folder / "lab.log", "w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: reachable(f"{address}/api"), 60)
        yield folder / "work", f"{address}/lab/tree/{{}}?reset&token={token}", env
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it would wait for the kernels, which are in its group
        process.wait()


def reachable(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def wait_for(condition, seconds: float = 30):
    """The first true value of the condition."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError("it did not come true")


def opened(page, address: str, name: str):
    page.goto(address.format(name))
    page.get_by_text("| Idle").wait_for(timeout=60_000)  # a kernel asked before it is ready lets Lab ask for another
    return page


@pytest.fixture(scope="module")
def notebook(lab):
    """A notebook that was run before it was opened, as the book's are; with the outputs of its first two cells."""
    from nbclient import NotebookClient

    folder, _, env = lab
    made = new_notebook(cells=[new_code_cell(code) for code in CELLS[:2]], metadata=KERNEL)
    NotebookClient(made, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}).execute(env=env)
    return made


def test_a_reader_moves_a_slider_and_python_sees_it_and_moves_it_back_and_stops_an_experiment(lab, new_page):  # noqa: F811
    folder, address, _ = lab
    nbformat.write(new_notebook(cells=[new_code_cell(code) for code in CELLS], metadata=KERNEL), folder / "run.ipynb")
    page = opened(new_page(viewport={"width": 1200, "height": 1600}), address, "run.ipynb")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    sliders = page.locator(".explore input[type=range]")
    titles = page.locator(".explore > svg text", has_text=re.compile("SGD|Adam"))
    sliders.nth(1).wait_for(timeout=90_000)
    page.locator(".jp-OutputArea").get_by_text("epoch").first.wait_for(timeout=60_000)

    # a cell has set the widget from Python at once; the plain figure above it stands where it began
    wait_for(lambda: titles.all_text_contents() == ["SGD 4", "Adam 7"])
    sliders.nth(0).press("ArrowRight")
    wait_for(lambda: titles.all_text_contents() == ["SGD 5", "Adam 7"])
    sliders.nth(1).press("ArrowRight")
    wait_for(lambda: titles.all_text_contents() == ["SGD 5", "Adam 8"])
    expected, file = json.dumps({"step": 8, "kind": "Adam"}), folder / "seen.json"
    wait_for(lambda: file.exists() and file.read_text() == expected)  # as text: it may be half written

    kind = page.locator(".widget-dropdown select")
    kind.press("ArrowDown")  # JupyterLab would go to the next cell
    assert kind.evaluate("e => e.selectedOptions[0].text") == "Adam"

    page.locator(".jupyter-button", has_text="Stop").click()
    page.get_by_text("stopped", exact=True).wait_for()
    epoch = (folder / "log.txt").read_text()
    time.sleep(1)
    assert epoch.isdigit() and (folder / "log.txt").read_text() == epoch


def test_an_untrusted_notebook_shows_the_picture_and_a_trusted_one_is_alive_without_being_run(lab, notebook, new_page):  # noqa: F811
    folder, address, env = lab
    nbformat.write(notebook, folder / "own.ipynb")
    notebook.cells.append(new_code_cell("1 + 1"))  # trust is in the contents: a copy of the same would have it too
    nbformat.write(notebook, folder / "copy.ipynb")
    subprocess.run(
        [sys.executable, "-m", "jupyter", "trust", folder / "own.ipynb"], env=env, check=True, capture_output=True
    )

    page = opened(new_page(viewport={"width": 1200, "height": 900}), address, "copy.ipynb")
    still = page.get_by_role("img", name="A line that rises")
    still.wait_for()
    assert still.evaluate("e => [e.tagName, e.complete, e.naturalWidth > 100]") == ["IMG", True, True]
    assert page.locator(".jp-RenderedHTML :is(input, select, svg)").count() == 0
    page.close()

    page = opened(new_page(viewport={"width": 1200, "height": 900}), address, "own.ipynb")
    slider = page.locator(".explore input[type=range]")
    slider.press("ArrowRight")
    assert page.locator(".explore > svg text", has_text="SGD 5").count() == 1


def test_a_theorem_an_exercise_and_a_reference_are_shown_and_not_their_source(lab, new_page):  # noqa: F811
    folder, address, _ = lab
    book = [cell for path in sorted(BOOK.glob("*.ipynb")) for cell in nbformat.read(path, 4).cells]
    texts = [cell for cell in book if cell.cell_type == "markdown"]
    refers, defines = re.compile(r"{eq}`(.+?)`").findall, re.compile(r"^\$\$ \((.+)\)", re.M).findall
    alone = [cell for cell in texts if set(refers(cell.source)) <= set(defines(cell.source))]
    theorem = next(cell for cell in alone if "{prf:theorem}" in cell.source and refers(cell.source))
    exercise = next(cell for cell in alone if "{exercise}" in cell.source)
    nbformat.write(new_notebook(cells=[theorem, exercise], metadata=KERNEL), folder / "text.ipynb")

    page = opened(new_page(viewport={"width": 1200, "height": 3000}), address, "text.ipynb")
    page.get_by_text("Theorem 1").first.wait_for()
    page.get_by_text("Solution to").first.wait_for()
    text = page.locator(".jp-Notebook").inner_text()
    assert not [mark for mark in (":::", "$$", ":label:", "{eq}") if mark in text], text
    solution = page.locator("details", has_text="Solution to").first
    assert not solution.evaluate("e => e.open")
