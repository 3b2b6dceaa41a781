"""Build the book from _config.yml and _toc.yml into _build/html, warnings being errors; executes nothing."""

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOG = ROOT / "_build" / "book.log"


def require_notebooks() -> None:
    """Stop where a notebook cannot be read: a file that is cut off, or has the marks of a merge in it."""
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        try:
            json.loads(path.read_text())["cells"]
        except (ValueError, KeyError, TypeError) as error:
            sys.exit(f"{path.relative_to(ROOT)} is not a notebook ({error!r:.60}); the book was not built.")


def build(builder: str) -> None:
    """Run Jupyter Book's `builder`; if anything is wrong with the book, show what and stop."""
    require_notebooks()
    LOG.parent.mkdir(exist_ok=True)
    start = time.monotonic()
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", ".", "-W", "-n", "--keep-going", "--builder", builder]
    print("Building the book …", end=" ", flush=True)
    with LOG.open("w") as log:
        failed = subprocess.run(command, check=False, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT).returncode
    print(f"{time.monotonic() - start:.0f} s")
    if failed:
        lines = LOG.read_text().splitlines()
        told = [line for line in lines if "WARNING" in line or "ERROR" in line or "rror:" in line]
        log = LOG.relative_to(ROOT)
        sys.exit("\n".join(told or lines[-30:]) + f"\nThe book was not built. All that was printed: {log}")


def main() -> None:
    build("html")
    print("Open _build/html/index.html")


if __name__ == "__main__":
    main()
