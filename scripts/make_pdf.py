"""Print the whole book to one PDF: Sphinx puts it on a single page, Chromium sets the formulas and prints it.

The contents carry page numbers, which only the printed book knows; so it is printed twice.
"""

import re
import sys
import time
from pathlib import Path

from build_book import ROOT, build

CHROMIUM = "/usr/bin/chromium"
PAGE = ROOT / "_build" / "singlehtml" / "index.html"
PDF = ROOT / "_build" / "pdf" / "The Mathematics of Deep Learning.pdf"

FOOT = '<p style="font: 8pt sans-serif; width: 100%; text-align: center"><span class="pageNumber"></span></p>'

# Opens what is folded, turns links between chapters into links within the document, and sets the contents in front.
PREPARE = """() => {
  const article = document.querySelector("article"), make = name => document.createElement(name);
  for (const fold of article.querySelectorAll("details:not(.hide)")) fold.open = true;
  for (const formula of article.querySelectorAll("mjx-container[display]"))
    if (formula.scrollWidth > formula.clientWidth)
      formula.style.fontSize = `${99 * formula.clientWidth / formula.scrollWidth}%`;
  for (const table of article.querySelectorAll("table.table"))
    if (table.offsetWidth > table.parentElement.clientWidth)
      table.style.fontSize = `${95 * table.parentElement.clientWidth / table.offsetWidth}%`;
  document.title = article.querySelector("h1").firstChild.textContent;
  // every chapter has its "exercises"; a document has one of each name
  for (const [i, section] of article.querySelectorAll("section[id]").entries())
    if (document.getElementById(section.id) !== section) section.id += `-${i}`;
  for (const link of article.querySelectorAll("a[href*='.html#']")) link.href = "#" + link.href.split("#").pop();
  // every chapter counts its own id1, id2, …; a citation means the one among the sources
  for (const source of article.querySelectorAll(".citation")) source.id = "source-" + source.id;
  for (const link of article.querySelectorAll(".bibtex-citation a")) link.hash = "source-" + link.hash.slice(1);
  document.getElementById("document-genindex")?.nextElementSibling.remove(); // a page of links without page numbers
  const contents = make("ol");
  contents.className = "printed-contents";
  for (const [i, heading] of article.querySelectorAll("[id^='document-'] + section > h2").entries()) {
    heading.querySelector(".headerlink")?.remove();
    heading.className = "chapter";
    heading.id = `contents-${i}`;
    const link = make("a"), text = make("span");
    link.href = `#contents-${i}`;
    text.append(...heading.cloneNode(true).childNodes);
    link.append(text, make("span"));
    contents.append(make("li"));
    contents.lastChild.append(link);
  }
  article.querySelector("h1").after(contents);
  // between two chapters such a mark could end up on a page of its own
  for (const mark of article.querySelectorAll("[id^='document-'] + section"))
    mark.querySelector("h2").prepend(mark.previousElementSibling);
}"""
NUMBERS = """pages => { for (const link of document.querySelectorAll(".printed-contents a"))
  link.lastChild.textContent = pages[link.hash.slice(1)] ?? ""; }"""


def pages(pdf: bytes) -> dict[str, int]:
    """The page on which each entry of the contents is, from the destinations that Chromium writes."""
    order = re.findall(rb"(\d+) 0 obj\s*<</Type /Page\b", pdf)
    found = re.findall(rb"/(contents-\d+) \[(\d+) 0 R", pdf)
    return {name.decode(): order.index(page) + 1 for name, page in found}


def print_page(page, pdf: Path) -> None:
    """Print the single page that `page`, a Playwright page, shows."""
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 642, "height": 970})  # A4 within its margins
    page.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => null)")
    page.evaluate(PREPARE)
    margin = dict.fromkeys(("top", "bottom", "left", "right"), "20mm")
    options = {"format": "A4", "margin": margin, "print_background": True, "outline": True, "tagged": True}
    options |= {"display_header_footer": True, "header_template": "<p></p>", "footer_template": FOOT}
    page.evaluate(NUMBERS, pages(page.pdf(**options)))
    page.pdf(path=pdf, **options)


def main() -> None:
    from playwright.sync_api import sync_playwright

    if not Path(CHROMIUM).exists():
        sys.exit(f"Printing needs Chromium at {CHROMIUM}. On Debian and Ubuntu: apt install chromium")
    build("singlehtml")
    print("Printing it …", end=" ", flush=True)
    start = time.monotonic()
    PDF.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme="light")
        page.set_default_timeout(0)  # a slow machine may take its time
        page.goto(PAGE.as_uri(), wait_until="load")
        print_page(page, PDF)
        browser.close()
    print(f"{time.monotonic() - start:.0f} s")
    print(f"Open {PDF.relative_to(ROOT)} ({PDF.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
