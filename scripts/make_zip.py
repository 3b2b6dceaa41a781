"""Pack the built book as one archive to hand to a class: unpack, open index.html. The same book, the same bytes."""

import zipfile
from pathlib import Path

from build_book import ROOT, build

HTML = ROOT / "_build" / "html"
FOLDER = "mathematics-of-deep-learning"
ZIP = ROOT / "_build" / f"{FOLDER}.zip"

README = """The Mathematics of Deep Learning

Open index.html in a browser. Everything works without a network: formulas, live figures, search.
Only the excerpts beside search results need a web server; `python3 -m http.server` in this folder is one.
Every chapter is also here as a notebook, in _sources/book.

Text: CC BY 4.0. Code: BSD 3-Clause.
"""


def contents() -> dict[str, bytes]:
    files = {path.relative_to(HTML): path for path in HTML.rglob("*") if path.is_file() and path.name[0] != "."}
    return {"README.txt": README.encode()} | {name.as_posix(): path.read_bytes() for name, path in files.items()}


def pack(target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(contents().items()):
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}")  # dated 1980, whenever it is packed
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)


def main() -> None:
    build("html")
    pack(ZIP)
    print(f"Hand out {ZIP.relative_to(ROOT)} ({ZIP.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
