"""The book in numbers, counted from its notebooks.

.venv/bin/python scripts/count_book.py            prints the table
.venv/bin/python scripts/count_book.py --readme   writes it into README.md, where a test holds it to the book
"""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
from collect_claims import claims
from collect_formulas import ROOT, chapters, formulas
from name_repository import TAG

README = ROOT / "README.md"
BEGIN, END = "<!-- counted by `make count` -->\n", "<!-- end -->"


def count(path: Path) -> dict[str, int]:
    """What one chapter has."""
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]
    code = [cell for cell in code if TAG not in cell.metadata.get("tags", [])]  # what the page leaves out
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    free = [cell for cell in code if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    equations = formulas(path)[1]
    shown = [output.data.get("text/plain", "") for cell in code for output in cell.outputs if "data" in output]
    return {
        "labelled equations": len(equations),
        "of them checked by machine": sum(any(not c.startswith("definition") for c in ch) for _, _, ch in equations),
        "checks of equations": sum(len(dict.fromkeys(checks)) for _, _, checks in equations),
        "claims with their evidence": len(claims(path)[1]),
        "exercises": len(re.findall(r"\{exercise(?:-start)?\} ", text)),
        "solutions": len(re.findall(r"\{solution(?:-start)?\} ", text)),
        "live figures": sum(named.startswith(("explore(", "pad(")) for named in shown),
        "experiments": sum("experiment(" in cell.source for cell in code[1:]),
        "code cells executed": len(code),
        "outputs compared strictly": sum(bool(cell.outputs) for cell in code if cell not in free),
    }


def book() -> dict[str, int]:
    counts = [count(path) for path in chapters()]
    return {"chapters": len(counts), **{name: sum(c[name] for c in counts) for name in counts[0]}}


def table() -> str:
    rows = "".join(f"| {name} | {number:,} |\n" for name, number in book().items())
    return f"{BEGIN}\n| the book has | |\n|---|---:|\n{rows}\n{END}"


def tests() -> int:
    listing = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests", "mlmath"]
    done = subprocess.run(listing, capture_output=True, text=True, check=False, cwd=ROOT)
    return int(re.search(r"(\d+) tests collected", done.stdout)[1])


def main() -> None:
    if sys.argv[1:] == ["--readme"]:
        readme = README.read_text()
        README.write_text(re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: table(), readme, flags=re.S))
    for name, number in {**book(), "tests, besides those of the notebooks": tests()}.items():
        print(f"{number:6,}  {name}")


if __name__ == "__main__":
    main()
