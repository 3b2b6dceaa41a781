"""What a published book has besides its pages."""

from xml.etree import ElementTree

from bs4 import BeautifulSoup
from build_book import ROOT
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
