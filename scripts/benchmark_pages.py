"""What the pages of the built book weigh: kB compressed, of the page itself and of all that it asks for on first view.

`make book` first. "Beyond the formulas" leaves MathJax and its fonts out, which every page after the first has already.
"""

import gzip
import http.server
import os
import sys
import threading
from functools import partial
from pathlib import Path

from benchmark_figures import ARGUMENTS, CHROMIUM

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


def compressed(path: Path) -> float:
    """kB as a server sends it: fonts and pictures as they are."""
    data = path.read_bytes()
    packed = path.suffix in {".woff", ".woff2", ".png", ".jpg"}
    return len(data if packed else gzip.compress(data, 6)) / 1000


def asked_for(page, address: str, name: str) -> set[str]:
    """The files of the book that a page asks for until it is at rest."""
    files: set[str] = set()
    page.on("request", lambda request: files.add(request.url.removeprefix(address).split("?")[0].split("#")[0]))
    page.goto(f"{address}{name}", wait_until="networkidle")
    return {file for file in files if not file.startswith("data:")}


def measure() -> list[dict]:
    from playwright.sync_api import sync_playwright

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address, rows = f"http://127.0.0.1:{server.server_port}/", []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for path in sorted(SITE.glob("book/*.html")):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            files = asked_for(page, address, path.relative_to(SITE).as_posix())
            page.close()
            sizes = {file: compressed(SITE / file) for file in files if (SITE / file).is_file()}
            formulas = sum(size for file, size in sizes.items() if "mathjax" in file.lower())
            total = sum(sizes.values())
            rows.append({"page": path.stem, "own": compressed(path), "all": total, "beyond": total - formulas})
        browser.close()
    server.shutdown()
    return rows


def main() -> int:
    if not SITE.exists():
        sys.exit(f"no {SITE.name}: run `make book` first")
    print("| page | itself, kB | first view, kB | beyond the formulas, kB |")
    print("|---|---|---|---|")
    for row in measure():
        print(f"| {row['page']} | {row['own']:.0f} | {row['all']:.0f} | {row['beyond']:.0f} |")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
