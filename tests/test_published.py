"""What a published book has besides its pages."""

import functools
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from browser import browser, new_page  # noqa: F401
from bs4 import BeautifulSoup
from build_book import ROOT
from name_repository import NAMED
from published import not_found, preview, sitemap

BASE = "https://example.org/deep/"
PAGES = {"book/index.html": "The book", "book/4_mnist_model.html": "4 The MNIST model & more"}


def tags(head: str) -> dict[str, str]:
    return {tag["property"]: tag["content"] for tag in BeautifulSoup(head, "html.parser").find_all("meta")}


def test_the_site_map_lists_every_page_with_its_whole_address():
    tree = ElementTree.fromstring(sitemap(BASE, PAGES).encode())
    assert [place.text for place in tree.findall(".//{*}loc")] == [BASE + uri for uri in PAGES]


def test_a_wrong_address_leads_to_the_books_pages_from_any_depth():
    page = BeautifulSoup(not_found("The book", BASE, PAGES), "html.parser")
    assert [a["href"] for a in page.find_all("a")] == ["/deep/book/index.html", "/deep/book/4_mnist_model.html"]
    assert page.form["action"] == "/deep/search.html"
    assert "no such page" in page.h1.text


def test_without_a_base_the_links_begin_at_the_root():
    assert BeautifulSoup(not_found("The book", "", PAGES), "html.parser").a["href"] == "/book/index.html"


def test_a_shared_page_shows_title_sentence_and_picture_once_there_is_a_place_to_fetch_it_from():
    shown = tags(preview(BASE, "a.html", "A & B", "So."))
    assert shown["og:title"] == "A & B" and shown["og:description"] == "So."
    assert shown["og:image"] == f"{BASE}_static/preview.png" and shown["og:url"] == f"{BASE}a.html"
    assert (ROOT / "book" / "_assets" / "preview.png").stat().st_size < 60_000
    assert "og:image" not in tags(preview("", "a.html", "A", "So."))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """`built(address)`: where a small book of the project is, whose repository is at that address."""

    @functools.cache
    def built(repository: str) -> Path:
        folder = tmp_path_factory.mktemp("book")
        (folder / "book").symlink_to(ROOT / "book")
        shutil.copy(ROOT / "genindex.md", folder)
        (folder / "_config.yml").write_text(NAMED.sub(repository, (ROOT / "_config.yml").read_text()))
        (folder / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters:\n- file: {CHAPTER}\n")
        program = Path(sys.executable).with_name("jupyter-book")
        done = subprocess.run([program, "build", folder], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return folder / "_build" / "html"

    return built


CHAPTER = "book/3_1_neural_networks"
MENU = "Elsewhere on the web"
BINDER, COLAB = "https://mybinder.org/v2", "https://colab.research.google.com"
GITHUB, GITLAB = "https://github.com/owner/name", "https://gitlab.com/owner/name"


def test_without_a_repository_no_page_names_a_place_to_run_it(built):
    page = (built("") / f"{CHAPTER}.html").read_text()
    assert MENU not in page and "mybinder" not in page and "colab" not in page


@pytest.mark.parametrize("view", [(1400, 900, "light"), (360, 740, "dark")], ids=["wide", "phone"])
def test_with_a_repository_a_chapter_offers_to_be_run_and_asks_nobody_before(view, built, new_page):  # noqa: F811
    width, height, colours = view
    page = new_page(viewport={"width": width, "height": height}, color_scheme=colours)
    page.goto((built(GITHUB) / f"{CHAPTER}.html").as_uri(), wait_until="load")
    links = page.locator("#elsewhere a")
    assert not links.first.is_visible()
    page.get_by_label(MENU).click()
    assert {link.inner_text(): link.get_attribute("href") for link in links.all() if link.is_visible()} == {
        "Run this chapter on Binder": f"{BINDER}/gh/owner/name/main?urlpath=lab/tree/{CHAPTER}.ipynb",
        "Run this chapter on Colab": f"{COLAB}/github/owner/name/blob/main/{CHAPTER}.ipynb",
        "The book’s repository": GITHUB,
    }
    box = page.locator("#elsewhere").bounding_box()
    assert 0 <= box["x"] and box["x"] + box["width"] <= width
    page.evaluate(pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT)
    axe = "axe.run('.bd-header-article', {preload: false}).then(found => found.violations.map(v => v.id))"
    assert page.evaluate(axe) == []
    page.keyboard.press("Escape")
    assert not links.first.is_visible()


def test_colab_which_opens_from_github_alone_is_not_offered_elsewhere(built):
    page = BeautifulSoup((built(GITLAB) / f"{CHAPTER}.html").read_text(), "html.parser")
    links = [a["href"] for a in page.select("#elsewhere a")]
    assert [link.split("/")[2] for link in links] == ["mybinder.org", "gitlab.com"]
    assert not page.select("link[href^=http], script[src^=http], img[src^=http]")


def test_a_page_that_is_no_notebook_offers_the_repository_alone(built):
    page = BeautifulSoup((built(GITHUB) / "book" / "index.html").read_text(), "html.parser")
    assert [a["href"] for a in page.select("#elsewhere a")] == [GITHUB]
