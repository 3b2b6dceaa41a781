"""Name the repository of the book, once it has one.

    .venv/bin/python scripts/name_repository.py https://github.com/owner/name

The address goes into _config.yml, so that the pages link to it and to Binder and Colab, and into the first code cell
of every notebook, which installs from it where the notebook is alone. Without an address, the one in _config.yml is
written into the notebooks.
"""

import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "_config.yml"
NAMED = re.compile(r'(?<=^repository:\n  url: ")[^"\n]*(?=")', flags=re.M)

# The first code cell of every notebook, with a tag by which the page leaves it out.
TAG = "remove-cell"
CELL = """# Where this notebook is alone, as in Colab, this installs mlmath; elsewhere it does nothing.
from importlib.util import find_spec

repository = "{}"  # `make repository` writes the address
if find_spec("mlmath") is None:
    if not repository:
        raise ModuleNotFoundError("mlmath is missing: get the whole book and type `make lab`")
    get_ipython().run_line_magic("pip", f'install -q "mlmath[book] @ git+{{repository}}"')"""


def alone() -> str:
    """The cell, with the address that _config.yml names."""
    return CELL.format(NAMED.search(CONFIG.read_text())[0])


def main() -> None:
    if len(sys.argv) > 1:
        address = sys.argv[1].rstrip("/").removesuffix(".git")
        if not re.fullmatch(r"(https|file)://[^\s\"'{}\\]+/[^\s\"'{}\\/]+", address):
            sys.exit(f"URL was {sys.argv[1]!r}; it should be like https://github.com/owner/name")
        CONFIG.write_text(NAMED.sub(lambda _: address, CONFIG.read_text()))
    for path in sorted((ROOT / "book").glob("[0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        cell = next(cell for cell in notebook.cells if TAG in cell.metadata.get("tags", []))
        if cell.source != alone():
            cell.source = alone()
            nbformat.write(notebook, path)
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
