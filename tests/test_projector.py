"""The projector view, in Chromium, on the built book: large type, one part of a page at a time, moved by keys."""

import pytest
from browser import browser, new_page  # noqa: F401  (fixtures)
from test_page import book, built, homes, ready  # noqa: F401  (fixtures)

VIEW = {"viewport": {"width": 1280, "height": 800}}
SEEN = """() => [...document.querySelectorAll(".bd-article :is(h1, h2, h3)")]
    .filter(heading => heading.offsetParent && !heading.closest("details, dialog"))
    .map(heading => heading.firstChild.data)"""


@pytest.fixture
def page(new_page, homes):  # noqa: F811
    return ready(new_page(**VIEW), homes["http"] + "book/3_2_activation_functions.html")


def size(page) -> float:
    return page.evaluate("parseFloat(getComputedStyle(document.querySelector('.bd-article p')).fontSize)")


def test_the_key_begins_and_ends_it(page):
    small, headings = size(page), page.evaluate(SEEN)
    page.keyboard.press("p")
    assert size(page) >= 1.2 * small
    assert len(page.evaluate(SEEN)) == 1 < len(headings)
    page.keyboard.press("Escape")
    assert size(page) == small and page.evaluate(SEEN) == headings


def test_arrows_go_through_every_heading_in_order_and_stop_at_the_ends(page):
    headings = page.evaluate(SEEN)
    page.locator("[aria-label='Projector view']").click()
    page.keyboard.press("ArrowLeft")
    gone_through = []
    for _ in headings:
        gone_through += page.evaluate(SEEN)
        page.keyboard.press("ArrowRight")
    assert gone_through == headings
    assert page.evaluate(SEEN) == headings[-1:]
    assert page.locator("#projected").inner_text() == f"{len(headings)} of {len(headings)}"
    page.keyboard.press("PageUp")
    assert page.evaluate(SEEN) == headings[-2:-1]


def test_it_begins_where_one_reads_and_ends_there(page):
    heading = page.locator(".bd-article h2").nth(2)
    third = heading.evaluate("heading => (scrollTo(0, heading.offsetTop - 100), heading.firstChild.data)")
    page.keyboard.press("p")
    assert page.evaluate(SEEN) == [third]
    page.keyboard.press("p")
    assert 0 <= heading.bounding_box()["y"] < VIEW["viewport"]["height"] / 2


def test_the_arrow_keys_of_a_slider_stay_with_the_slider(page):
    page.keyboard.press("p")
    for _ in range(40):
        if page.locator(".explore input[type=range]:visible").count():
            break
        page.keyboard.press("ArrowRight")
    slider, before = page.locator(".explore input[type=range]:visible").first, page.evaluate(SEEN)
    value = slider.input_value()
    slider.press("ArrowRight")
    assert slider.input_value() != value and page.evaluate(SEEN) == before


def test_nothing_is_lost_at_the_side_of_the_screen(page):
    page.keyboard.press("p")
    for _ in range(30):
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        page.keyboard.press("ArrowRight")
