"""What a built page may load, enforced by the policy in the page itself: the server here sends none."""

import functools
import http.server
import threading
from collections.abc import Iterator

import pytest
from browser import browser  # noqa: F401
from test_page import book, built, served_and_filed  # noqa: F401

# Every way known to us by which a page can reach another host
ATTEMPTS = """other => {
  const add = (tag, properties, where = document.body) => {
    const element = Object.assign(document.createElement(tag), properties);
    where.append(element);
    return element;
  };
  const link = (rel, more) => add("link", {rel, href: `${other}/${rel}`, ...more});
  window.refused = [];
  addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
  add("img", {src: other + "/img"});
  add("script", {src: other + "/script"});
  add("iframe", {src: other + "/iframe"});
  add("object", {data: other + "/object"});
  add("embed", {src: other + "/embed"});
  add("video", {src: other + "/video"});
  for (const rel of ["stylesheet", "prefetch", "icon", "manifest"]) link(rel);
  link("preload", {as: "image"});
  add("style", {textContent: `@import url(${other}/import); @font-face { font-family: x; src: url(${other}/font) }`});
  add("p", {style: `font-family: x; background: url(${other}/background)`, textContent: "x"});
  fetch(other + "/fetch", {mode: "no-cors"}).catch(() => {});
  import(other + "/import()").catch(() => {});
  navigator.sendBeacon(other + "/beacon", "data");
  new EventSource(other + "/events");
  for (const attempt of [
    () => new WebSocket(other.replace("http", "ws") + "/socket"),
    () => new Worker(other + "/worker"),
    () => { const request = new XMLHttpRequest(); request.open("GET", other + "/xhr"); request.send(); },
  ]) try { attempt(); } catch {}
  add("iframe", {name: "aside"});
  add("form", {action: other + "/form", method: "post", target: "aside"}).submit();
  add("a", {href: "#here", ping: other + "/ping"}).click();
  add("base", {href: other + "/base/"}, document.head);
  add("img", {src: "relative"});
}"""
REFUSED = {
    "base-uri", "connect-src", "default-src", "font-src", "form-action", "frame-src", "img-src", "media-src",
    "object-src", "script-src-elem", "style-src-elem",
}  # fmt: skip
REACHED = {
    "/img", "/script", "/iframe", "/video", "/stylesheet", "/font", "/background", "/fetch", "/import()", "/beacon",
    "/events", "/socket", "/xhr", "/form", "/ping", "/base/relative",
}  # fmt: skip


def serve(handler) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def other():
    """Another host: its address, and what it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    for address in serve(Handler):
        yield address, asked


class Plain(http.server.SimpleHTTPRequestHandler):
    """Files without a policy, as any web server has them."""

    def log_message(self, *_):
        pass


@pytest.fixture
def plain(tmp_path):
    yield from serve(functools.partial(Plain, directory=tmp_path))


@pytest.fixture
def plain_book(book):  # noqa: F811
    yield from serve(functools.partial(Plain, directory=book))


def attempt_all(browser, address: str, other: str) -> list[str]:  # noqa: F811
    """Try everything in the page at `address`; what its policy refused."""
    page = browser.new_context().new_page()
    page.goto(address, wait_until="load")
    page.evaluate(ATTEMPTS, other)
    page.wait_for_timeout(1500)
    refused = page.evaluate("refused")
    page.context.close()
    return refused


@served_and_filed
@pytest.mark.parametrize("path", ["book/4_mnist_model.html", "search.html", "404.html"])
def test_whatever_a_page_tries_nothing_goes_to_another_host(browser, book, plain_book, other, path, way):  # noqa: F811
    address, asked = other
    refused = attempt_all(browser, {"http": plain_book, "file": book.as_uri()}[way] + f"/{path}", address)
    assert asked == []
    assert set(refused) >= REFUSED


def test_without_the_policy_the_other_host_is_asked(browser, plain, other, tmp_path):  # noqa: F811
    """So the test above would see it."""
    address, asked = other
    (tmp_path / "page.html").write_text("<!doctype html><title>No policy</title>")
    assert attempt_all(browser, f"{plain}/page.html", address) == []
    assert set(asked) >= REACHED, REACHED - set(asked)
