"""The built book in a Chromium that keeps nothing for any page: the reader has blocked site data."""

import json
import os
import pathlib

import pytest
from browser import ARGUMENTS, CHROMIUM
from test_page import book, built, homes, ready, served_and_filed  # noqa: F401  (fixtures)
from test_projector import SEEN

# An empty frame has the page's rights, and the names that the page has replaced for itself.
STORED = """() => {
  document.body.append(document.createElement("iframe"));
  return ["localStorage", "sessionStorage"].map((name) => {
    try { return String(frames[frames.length - 1][name]); } catch (error) { return error.name; }
  });
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page that may store nothing; what it complains of fails the tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="SKIPPED: no Playwright, no page was looked at")
    if not pathlib.Path(CHROMIUM).exists():
        assert "MLMATH_BROWSER_REQUIRED" not in os.environ, f"there is no Chromium at {CHROMIUM}"
        pytest.skip(f"SKIPPED: no Chromium at {CHROMIUM}, no page was looked at")
    profile = tmp_path_factory.mktemp("profile")
    (profile / "Default").mkdir()
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (profile / "Default" / "Preferences").write_text(json.dumps(blocked))
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=ARGUMENTS)
        page, page.faults = context.new_page(), []
        page.on("console", lambda m: page.faults.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        yield page
        context.close()


@served_and_filed
@pytest.mark.parametrize("path", ["book/3_2_activation_functions.html", "book/4_mnist_model.html"])
def test_a_chapter_works(page, homes, path, way):  # noqa: F811
    ready(page, homes[way] + path)
    assert page.evaluate(STORED) == ["SecurityError", "SecurityError"]
    themes = set()
    for _ in range(3):
        page.locator(".theme-switch-button").click()
        themes.add(page.evaluate("document.documentElement.dataset.theme"))
    assert themes == {"light", "dark"}
    page.locator("body").press("p")
    assert len(page.evaluate(SEEN)) == 1
    page.keyboard.press("p")
    slider = page.locator(".explore input[type=range]").first
    seen = []
    for key in ("Home", "End"):
        slider.press(key)
        seen.append(slider.evaluate("slider => slider.closest('.explore').querySelector('svg').innerHTML"))
    assert seen[0] != seen[1]
    if "mnist" in path:
        pad = page.locator(".pad")
        pad.locator("button, label").first.scroll_into_view_if_needed()
        before = pad.locator("output").inner_text()
        box = pad.locator(".sheet canvas").bounding_box()
        page.mouse.move(box["x"] + 60, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 180, box["y"] + 220, steps=5)
        page.mouse.up()
        assert pad.locator("output").inner_text() != before
    assert page.faults == []


@served_and_filed
def test_the_search_finds(page, homes, way):  # noqa: F811
    ready(page, homes[way] + "search.html?q=softmax")
    page.get_by_text("Search finished").wait_for()
    assert page.locator("#search-results li a[href*='book/3_2_activation_functions']").count()
    assert page.faults == []
