"""Chromium for the tests: one browser a file of tests; errors, and requests to other hosts, fail the test."""

import http.server
import os
import pathlib
import re
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from page import POLICY

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")  # each file imports a fixture of its own, and Playwright runs once at a time
def browser() -> Iterator:
    """Chromium, driven by Playwright; where there is none, the test is skipped, loudly, or fails if one is required."""
    playwright = pytest.importorskip("playwright.sync_api", reason="SKIPPED: no Playwright, no page was looked at")
    if not pathlib.Path(CHROMIUM).exists():
        assert "MLMATH_BROWSER_REQUIRED" not in os.environ, f"there is no Chromium at {CHROMIUM}"
        pytest.skip(f"SKIPPED: no Chromium at {CHROMIUM}, no page was looked at")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files with the book's Content-Security-Policy, and no log."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def site(tmp_path) -> Iterator[str]:
    """The address at which the files of `tmp_path` are served."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def new_page(browser) -> Iterator:
    """`new_page(**options)`: a page whose errors and requests to other hosts fail the test at its end."""
    contexts, faults = [], []

    def reach(route) -> None:
        url = route.request.url
        if url.startswith(("http://127.0.0.1:", "file://", "data:", "blob:")):
            route.continue_()
        else:
            faults.append(f"request to {url[:200]}")
            route.abort()

    def new_page(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.route("**/*", reach)
        page = context.new_page()
        page.on("console", lambda m: faults.append(f"console: {m.text}") if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        missing = lambda r: faults.append(f"{r.status} {r.url}") if r.status >= 400 and "favicon" not in r.url else None  # noqa: E731
        page.on("response", missing)
        return page

    yield new_page
    for context in contexts:
        context.close()
    # JupyterLab tells the console what is slow, as all is on a busy machine
    harmless = re.compile("favicon|Plugin .+ (to activate|taking too long)")
    assert not [fault for fault in faults if not harmless.search(fault)], faults
