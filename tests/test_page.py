"""The built book, page by page, in a real browser: from a server and from files, wide and narrow, light and dark.

The book is built anew into a temporary folder once a session, so what is tested is what the sources say now.
"""

import functools
import gzip
import html.parser
import http.server
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag

import make_pdf
import make_zip
import pytest
from browser import Handler, browser, new_page  # noqa: F401
from build_book import ROOT
from page import POLICY

DOCUMENTS = re.findall(r"(?:root|file): (book/\S+)", (ROOT / "_toc.yml").read_text())
CHAPTERS = [name for name in DOCUMENTS if (ROOT / f"{name}.ipynb").exists()]
PAGES = ["search.html", "genindex.html", *(f"{name}.html" for name in DOCUMENTS)]
WIDE = {"viewport": {"width": 1400, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}

every_page = pytest.mark.parametrize("path", PAGES)
served_and_filed = pytest.mark.parametrize("way", ["http", "file"])


def jupyter_book(out: Path, *options: str) -> str:
    """Build the book below `out`; what was printed."""
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", ".", "-n", "--keep-going", "--path-output", out, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("book")
    log = jupyter_book(out)
    return out / "_build" / "html", log


@pytest.fixture(scope="session")
def book(built) -> Path:
    return built[0]


@pytest.fixture(scope="session")
def homes(book) -> dict[str, str]:
    """Where the book begins, by either way of reaching it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=book))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"http": f"http://127.0.0.1:{server.server_port}/", "file": f"{book.as_uri()}/"}
    server.shutdown()
    server.server_close()


def ready(page, address: str):
    """The page at `address`, its formulas set."""
    page.goto(address, wait_until="load")
    if page.evaluate("!!window.MathJax?.startup"):
        page.evaluate("MathJax.startup.promise.then(() => null)")
    return page


@pytest.mark.skipif("MLMATH_BROWSER_REQUIRED" not in os.environ, reason="no browser is asked for")
def test_where_a_browser_is_required_there_is_one():
    assert Path(make_pdf.CHROMIUM).exists()


def test_the_book_builds_without_a_warning(built):
    assert not [line for line in built[1].splitlines() if "WARNING" in line or "ERROR" in line]


def test_nothing_but_the_contents_is_built(book):
    built = {path.relative_to(book).as_posix() for path in book.rglob("*.html")}
    assert built == {"index.html", "404.html", *PAGES}


@served_and_filed
@every_page
def test_no_page_asks_another_host_or_complains_whatever_one_does(new_page, homes, path, way):  # noqa: F811
    page = ready(new_page(**WIDE), homes[way] + path)
    article = page.locator("article")
    for slider in article.locator("input[type=range]").all():
        for key in ("End", "Home", "ArrowRight"):
            slider.press(key)
    for choice in article.locator("select").all():
        for k in range(choice.locator("option").count()):
            choice.select_option(index=k)
    for tick in article.locator("input[type=checkbox], input[type=radio]").all():
        tick.click()
    for fold in article.locator("summary").all():
        if fold.is_visible():
            fold.click()
    for button in article.locator("button:not(.copybtn)").all():
        if button.is_visible() and button.is_enabled():
            button.click()
    seen = set()
    for _ in range(3):
        page.locator(".theme-switch-button").click()
        seen.add(page.evaluate("document.documentElement.dataset.theme"))
    assert seen == {"light", "dark"}
    page.wait_for_timeout(200)


@every_page
def test_every_page_forbids_other_hosts_and_says_what_it_is(book, path):
    text = (book / path).read_text()
    head = text[: text.index("</head>")]
    assert head.index(POLICY) < min(head.index(tag) for tag in ("<link", "<title"))
    assert '<html lang="en"' in text
    title = re.search(r"<title>(.+)</title>", head)[1]
    assert title.endswith("The Mathematics of Deep Learning")
    assert "canonical" not in head
    if path.removesuffix(".html") in DOCUMENTS:
        description = re.search(r'<meta name="description" content="([^"]{20,})"', head)
        assert description, "a page begins with a sentence that says what it is"


def test_titles_and_descriptions_tell_pages_apart(book):
    heads = [(book / f"{name}.html").read_text().split("</head>")[0] for name in DOCUMENTS]
    titles = [re.search(r"<title>(.+)</title>", head)[1] for head in heads]
    assert len(set(titles)) == len(titles)


def test_each_chapter_links_a_term_once_where_it_uses_it_and_the_index_leads_there(book):
    index = (book / "genindex.html").read_text()
    for name in CHAPTERS:
        text = (book / f"{name}.html").read_text()
        linked = re.findall(r'<a class="term[^"]*" href="glossary\.html#(term-[^"]+)"', text)
        assert len(linked) >= 10 and len(set(linked)) == len(linked), name
        led = re.findall(rf'href="{name}\.html#([^"]+)"', index)
        assert len(led) == len(linked) and all(f' id="{place}"' in text for place in led)


@served_and_filed
@pytest.mark.parametrize(
    ("query", "found"),
    [("activation", "3_2_activation_functions"), ("MNIST", "4_mnist_model"), ("softmax", "3_2_activation_functions"),
     ("binary_cross_entropy", "mlmath"), ("pre-activations", "notation"),
     ("probability", "3_2_activation_functions"), ("entropy", "3_3_loss_functions")],
)  # fmt: skip
def test_search_finds(new_page, homes, way, query, found):  # noqa: F811
    if f"book/{found}" not in DOCUMENTS:
        pytest.skip(f"SKIPPED: there is no page {found} yet")
    page = ready(new_page(**WIDE), f"{homes[way]}{DOCUMENTS[-1]}.html")
    page.keyboard.press("Control+k")
    page.keyboard.type(query)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.get_by_text("Search finished").wait_for()  # one result appears after the other
    assert page.locator(f"#search-results li a[href*='book/{found}']").count()
    if way == "http":  # a page from a file may not read the others: no summaries there
        bare = "#search-results li:not(:has(p, span:not(.highlighted)))"
        page.wait_for_function(f"() => !document.querySelector('{bare}')")
        footer = page.locator(".bd-footer-content").inner_text().split("\n")[0]
        assert footer and not page.locator("#search-results p", has_text=footer).count()


def test_on_a_phone_the_contents_go_when_one_is_chosen(new_page, homes):  # noqa: F811
    page = ready(new_page(**PHONE), f"{homes['http']}book/1_background.html")
    page.get_by_role("button", name="On this page").click()
    page.locator("dialog[open] a[href^='#']").last.click()
    assert not page.locator("dialog[open]").count() and "#" in page.url


@every_page
@pytest.mark.parametrize(
    "view", [WIDE | {"color_scheme": "light"}, PHONE | {"color_scheme": "dark"}], ids=["wide-light", "phone-dark"]
)
def test_axe_finds_nothing_serious(new_page, homes, path, view):  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT
    run = """axe.run({resultTypes: ["violations"]}).then(found => found.violations
        .filter(v => ["serious", "critical"].includes(v.impact))
        .map(v => `${v.id}: ${v.nodes[0].html.slice(0, 200)}`))"""
    page = ready(new_page(**view), homes["http"] + path)
    page.wait_for_timeout(300)
    page.evaluate(axe)
    assert page.evaluate(run) == []


@every_page
def test_on_a_phone_no_heading_ends_in_an_empty_line(new_page, homes, path):  # noqa: F811
    page = ready(new_page(**PHONE), homes["http"] + path)
    alone = page.evaluate("""() => [...document.querySelectorAll(":is(h1, h2, h3) > a.headerlink")].filter(link => {
        const words = document.createRange();
        words.selectNodeContents(link.parentElement);
        words.setEndBefore(link);
        return link.getBoundingClientRect().bottom > words.getBoundingClientRect().bottom + 6;
      }).map(link => link.parentElement.textContent)""")
    assert alone == []


def test_on_a_phone_a_formula_in_a_figure_grows_from_its_own_side(new_page, homes):  # noqa: F811
    page = ready(new_page(**PHONE), f"{homes['http']}book/3_6_optimizers.html")
    sides = page.evaluate("""() => [...document.querySelectorAll(".explore > svg g[text-anchor]")].map(group => [
        group.getAttribute("text-anchor"),
        parseFloat(getComputedStyle(group).transformOrigin) / group.getBBox().width])""")
    assert {side for side, _ in sides} == {"start", "end"}
    assert [place for _, place in sides] == pytest.approx([{"start": 0, "end": 1}[side] for side, _ in sides], abs=0.01)


def test_the_rule_beside_a_checked_formula_has_no_gap(new_page, homes):  # noqa: F811
    page = ready(new_page(**WIDE), f"{homes['http']}book/3_5_backpropagation.html")
    gaps = page.evaluate("""() => [...document.querySelectorAll("div.math[id] + .checked + :is(p, .cell)")]
      .filter(after => getComputedStyle(after, "::before").content === '""')
      .map(after => after.getBoundingClientRect().top + parseFloat(getComputedStyle(after, "::before").top)
        - after.previousElementSibling.previousElementSibling.getBoundingClientRect().bottom)""")
    assert len(gaps) > 5 and max(gaps) <= 0


@every_page
def test_nothing_is_wider_than_a_phone_but_what_scrolls(new_page, homes, path):  # noqa: F811
    page = ready(new_page(**PHONE), homes["http"] + path)
    page.wait_for_timeout(300)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 360
    wide = page.evaluate("""() => [...document.querySelectorAll("main *")].filter(element => {
        for (let parent = element; parent; parent = parent.parentElement)
          if (parent.matches("svg") || /auto|scroll|hidden/.test(getComputedStyle(parent).overflowX)) return false;
        const box = element.getBoundingClientRect();
        return box.width > 0 && box.right > innerWidth + 1; }).map(element => element.outerHTML.slice(0, 200))""")
    assert wide == []


@every_page
def test_a_page_can_be_read_without_scripts(new_page, homes, path):  # noqa: F811
    page = new_page(**WIDE, java_script_enabled=False)
    page.goto(homes["http"] + path, wait_until="load")
    assert page.locator("h1").first.is_visible()
    if path.removesuffix(".html") in CHAPTERS:
        assert len(page.locator("article").inner_text()) > 500
        assert page.locator(".pst-js-only:visible").count() == 0
        for fold in page.locator("article > section details.solution").all()[:2]:
            fold.locator("summary").first.click()
            assert fold.locator("section").first.is_visible()
        for picture in page.locator("article img").all():
            assert picture.is_hidden() or picture.evaluate("picture => picture.naturalWidth") > 0


@every_page
def test_a_page_is_whole_at_twice_the_size_and_without_motion(new_page, homes, path):  # noqa: F811
    twice = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2, "reduced_motion": "reduce"}
    page = ready(new_page(**twice), homes["http"] + path)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 640
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    slider = page.locator(".explore input[type=range]")
    if slider.count():
        before = slider.first.input_value()
        slider.first.press("ArrowRight" if before != slider.first.get_attribute("max") else "ArrowLeft")
        assert slider.first.input_value() != before


class Page(html.parser.HTMLParser):
    """The ids of a page, and what it refers to."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.references = set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        self.references += [values[key] for key in ("href", "src") if values.get(key)]


def test_no_link_within_the_book_is_dead(book):
    pages = {book / path: Page(book / path) for path in PAGES}
    dead = []
    for path, page in pages.items():
        for reference in page.references:
            if re.match(r"(https?|data|mailto):", reference):
                continue
            name, fragment = urldefrag(reference.split("?")[0] if "#" not in reference else reference)
            target = (path.parent / unquote(name.split("?")[0])).resolve() if name else path
            if not target.exists() or (fragment and target in pages and unquote(fragment) not in pages[target].ids):
                dead.append(f"{path.relative_to(book)}: {reference}")
    assert dead == []


def test_numbers_begin_with_the_chapters_and_references_repeat_them(book):
    numbers, references = {}, []
    for name in CHAPTERS:
        text = (book / f"{name}.html").read_text()
        chapter = re.search(r"<h1>([\d.]+) ", text)[1]
        equations = re.findall(r'id="(equation-[\w-]+)">\s*<span class="eqno">\(([\d.]+)\)', text)
        assert [number for _, number in equations] == [f"{chapter}.{k}" for k in range(1, len(equations) + 1)]
        exercises = re.findall(r'class="caption-number">Exercise ([\d.]+)', text)
        assert exercises == [f"{chapter}.{k}" for k in range(1, len(exercises) + 1)]
        numbers |= dict(equations)
    for name in DOCUMENTS:
        text = (book / f"{name}.html").read_text()
        references += re.findall(r'href="[^"#]*#(equation-[\w-]+)">\(([\d.]+)\)</a>', text)
    assert references, "some page refers to an equation"
    assert [(name, number) for name, number in references if numbers[name] != number] == []


def test_the_front_page_leads_into_the_book(new_page, homes):  # noqa: F811
    page = new_page(java_script_enabled=False)
    page.goto(homes["file"] + "index.html")
    page.wait_for_url(f"**/{DOCUMENTS[0]}.html")


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_is_light(book, name):
    """Beyond what the whole book shares (MathJax, style), which the browser keeps."""
    text = (book / f"{name}.html").read_bytes()
    pictures = re.findall(rb'<img[^>]* src="(\.\./_images/[^"]+)"', text)
    shipped = len(gzip.compress(text)) + sum((book / "book" / path.decode()).stat().st_size for path in pictures)
    assert shipped < 600_000


def test_the_archive_is_the_book_and_always_the_same_bytes(book, tmp_path, monkeypatch):
    monkeypatch.setattr(make_zip, "HTML", book)
    for name in ("a.zip", "b.zip"):
        make_zip.pack(tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    names = make_zip.zipfile.ZipFile(tmp_path / "a.zip").namelist()
    assert {name.split("/")[0] for name in names} == {make_zip.FOLDER}
    assert {f"{make_zip.FOLDER}/{path}" for path in ("README.txt", *PAGES)} <= set(names)


def test_the_printed_book_has_contents_with_page_numbers(new_page, tmp_path):  # noqa: F811
    chapter = CHAPTERS[-1]
    toc = tmp_path / "_toc.yml"
    toc.write_text(f"format: jb-book\nroot: book/index\nchapters:\n- file: book/notation\n- file: {chapter}\n")
    jupyter_book(tmp_path, "--builder", "singlehtml", "--toc", str(toc))
    page = new_page()
    page.goto((tmp_path / "_build" / "singlehtml" / "index.html").as_uri(), wait_until="load")
    make_pdf.print_page(page, tmp_path / "book.pdf")
    printed = [int(text) for text in page.locator(".printed-contents a > span:last-child").all_inner_texts()]
    assert len(printed) == 2
    assert 1 < printed[0] < printed[1]
    assert page.locator("details:not([open], .hide)").count() == 0
    assert page.locator("div.math:not(:has(mjx-container))").count() == 0
    pdf = (tmp_path / "book.pdf").read_bytes()
    assert b"/Outlines" in pdf
    links = set(re.findall(rb"/Dest /([\w.#-]+)", pdf))
    assert links
    assert links <= set(re.findall(rb"/([\w.#-]+) \[\d+ 0 R /XYZ", pdf))
