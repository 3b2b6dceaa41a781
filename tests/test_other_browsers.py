"""The book in the engines that Chromium is not: Firefox's, and WebKit, which Safari has.

Debian has both: firefox-esr; webkit2gtk-driver with xvfb. Each is driven by its own protocol, without another package.
Where one is missing its tests are skipped, loudly. The tests in Chromium look closer; these see that a page works.
"""

import itertools
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_page import PAGES, book, built, homes  # noqa: F401

MINI_BROWSER = Path("/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser")
SIZE = {"width": 1300, "height": 900}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def patiently(attempt, seconds: float = 60):
    """What the attempt gives as soon as the connection is not refused."""
    end = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


class Firefox:
    """Firefox, asked by its Marionette protocol: messages `length:[0, number, command, parameters]`."""

    def __init__(self, folder: Path):
        port = free_port()
        (folder / "user.js").write_text(f'user_pref("marionette.port", {port});')
        command = ["firefox-esr", "--marionette", "--headless", "--no-remote", "--profile", folder]
        self.processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
        self.connection = patiently(lambda: socket.create_connection(("127.0.0.1", port)))
        self.stream = self.connection.makefile("rwb")
        self.numbers = itertools.count()
        self.read()  # it introduces itself
        self.ask("WebDriver:NewSession", timeouts={"script": 120_000, "pageLoad": 120_000})
        self.ask("WebDriver:SetWindowRect", **SIZE)

    def read(self):
        length = b"".join(iter(lambda: self.stream.read(1), b":"))
        return json.loads(self.stream.read(int(length)))

    def ask(self, command: str, **parameters):
        message = json.dumps([0, next(self.numbers), command, parameters]).encode()
        self.stream.write(b"%d:%s" % (len(message), message))
        self.stream.flush()
        _, _, error, result = self.read()
        assert error is None, error
        return result

    def close(self) -> None:
        self.stream.close()
        self.connection.close()

    def visit(self, address: str) -> None:
        self.ask("WebDriver:Navigate", url=address)

    def run(self, script: str):
        return self.ask("WebDriver:ExecuteAsyncScript", script=script, args=[])["value"]

    def act(self, actions: list) -> None:
        self.ask("WebDriver:PerformActions", actions=actions)


class WebKit:
    """WebKit in its small browser, asked by the WebDriver protocol."""

    def __init__(self, folder: Path):
        read, write = os.pipe()
        screen = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24"]
        self.processes = [subprocess.Popen(screen, pass_fds=[write], stderr=subprocess.DEVNULL)]
        display = os.read(read, 20).decode().strip()
        port = free_port()
        # root may not have its sandbox, and there is no graphics card
        own = {"DISPLAY": f":{display}", "LIBGL_ALWAYS_SOFTWARE": "1", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
        command, env = ["WebKitWebDriver", "-p", str(port)], os.environ | own | {"HOME": str(folder)}
        self.processes.append(subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL))
        self.address = f"http://127.0.0.1:{port}/session"
        options = {"webkitgtk:browserOptions": {"binary": str(MINI_BROWSER), "args": ["--automation"]}}
        timeouts = {"script": 120_000, "pageLoad": 120_000}
        asked = {"capabilities": {"alwaysMatch": options | {"timeouts": timeouts}}}
        self.address += "/" + patiently(lambda: self.ask("", **asked))["sessionId"]
        self.ask("/window/rect", **SIZE)

    def ask(self, path: str, **parameters):
        with urllib.request.urlopen(self.address + path, json.dumps(parameters).encode(), timeout=200) as answer:
            return json.load(answer)["value"]

    def close(self) -> None:
        """Every question has had a connection of its own."""

    def visit(self, address: str) -> None:
        self.ask("/url", url=address)

    def run(self, script: str):
        return self.ask("/execute/async", script=script, args=[])

    def act(self, actions: list) -> None:
        self.ask("/actions", actions=actions)


def where(there: bool, engine: type, missing: str):
    reason = f"SKIPPED: no {missing}, no page was looked at in {engine.__name__}"
    return pytest.param(engine, marks=pytest.mark.skipif(not there, reason=reason), id=engine.__name__)


HAVE_WEBKIT = shutil.which("WebKitWebDriver") and shutil.which("Xvfb") and MINI_BROWSER.exists()
ENGINES = [
    where(bool(shutil.which("firefox-esr")), Firefox, "firefox-esr"),
    where(bool(HAVE_WEBKIT), WebKit, "WebKitWebDriver with its MiniBrowser, or no Xvfb"),
]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request, tmp_path_factory) -> Iterator[Firefox | WebKit]:
    made = request.param(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()
    for process in reversed(made.processes):
        process.kill()
        process.wait()


def in_a_page(body: str) -> str:
    """A script that answers with what the body returns, when its promises are kept, or with the error."""
    return f"const answer = arguments[0]; (async () => {{ {body} }})().then(answer, error => answer(`${{error}}`))"


# Sets the formulas, moves each control by one, and gives what did not happen, or should not have.
LOOK = in_a_page("""
    if (window.MathJax?.startup) await MathJax.startup.promise;
    const faults = [];
    const until = async condition => {
        for (const end = performance.now() + 10_000; !condition() && performance.now() < end; )
            await new Promise(resolve => setTimeout(resolve, 20));
        return condition();
    };
    for (const formula of document.querySelectorAll(".math:not(:has(mjx-container))"))
        faults.push(`not set: ${formula.textContent}`);
    for (const figure of document.querySelectorAll(".explore")) {
        figure.scrollIntoView();
        if (!(await until(() => figure.querySelector(":scope > svg")))) faults.push("a figure does not come alive");
        const picture = figure.querySelector("svg");
        for (const control of figure.querySelectorAll("input[type=range], select")) {
            const before = picture.innerHTML;
            if (control.matches("select")) control.selectedIndex = (control.selectedIndex + 1) % control.length;
            else if (+control.value < +control.max) control.stepUp();
            else control.stepDown();
            control.dispatchEvent(new Event("input", { bubbles: true }));
            control.dispatchEvent(new Event("change", { bubbles: true }));
            if (!(await until(() => picture.innerHTML !== before))) faults.push(`${control.ariaLabel} moves nothing`);
        }
    }
    for (const { name } of performance.getEntriesByType("resource"))
        if (!/^(data|blob):/.test(name) && new URL(name).origin !== location.origin) faults.push(`request to ${name}`);
    if (document.documentElement.scrollWidth > innerWidth + 2) faults.push("wider than the window");
    return faults;
""")


@pytest.mark.parametrize("path", PAGES)
def test_formulas_are_set_controls_move_their_figures_and_nothing_comes_from_elsewhere(engine, homes, path):  # noqa: F811
    engine.visit(homes["http"] + path)
    assert engine.run(LOOK) == []


def test_a_stroke_on_the_pad_is_read_as_a_one(engine, homes):  # noqa: F811
    engine.visit(homes["http"] + "book/4_mnist_model.html")
    x, y, width, height = engine.run(
        in_a_page("""
        const canvas = document.querySelector(".pad canvas");
        canvas.scrollIntoView({ block: "center", behavior: "instant" });
        const box = canvas.getBoundingClientRect();
        return [box.x, box.y, box.width, box.height];
    """)
    )

    def to(share: float, duration: int = 0) -> dict:
        where = {"x": round(x + width / 2), "y": round(y + height * share)}
        return {"type": "pointerMove", "duration": duration, "origin": "viewport"} | where

    stroke = [to(0.2), {"type": "pointerDown", "button": 0}, to(0.8, 300), {"type": "pointerUp", "button": 0}]
    mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": stroke}
    engine.act([mouse])
    said = engine.run(in_a_page('return document.querySelector(".pad output").innerText'))
    assert "reads 1" in said, said
