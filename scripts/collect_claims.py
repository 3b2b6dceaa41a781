"""Collect every empirical claim of the book, with what was measured, into book/claims.md.

    .venv/bin/python scripts/collect_claims.py

Read from the executed notebooks: `mlmath.claim` printed each with its evidence, and would have failed without it.
"""

from pathlib import Path

import nbformat
from collect_formulas import ROOT, chapters, readable

from mlmath.claims import Claim, parse

PAGE = ROOT / "book" / "claims.md"

HEAD = """# What was claimed, and what was run

The claims of the book about what could have come out otherwise: who says it, what was run here, over how many runs
(with different seeds, where nothing else is said), and how far the results spread. A claim is in this list because a
cell of its chapter asserts, each time it is executed, that every single run lies where the claim needs it to. The
numbers are those that the chapter's data gave on the machine that executed it; on another machine they may differ a
little, and the assertions still hold. The page is made from the executed notebooks by `make claims`, and a test
compares it with them.
"""

REFUTED = """## Often said, and not seen here

These are said in books and papers, some of larger models and other data, or read into them, or expected. On the small
models of this book the effect did not show up, or it was too small to matter. That refutes nobody: it says what these
models, data and seeds gave.
"""

TABLE = "| claim | said by | measured | runs | chapter |\n|---|---|---|---|---|\n"


def claims(path: Path) -> tuple[str, list[Claim]]:
    """A chapter's title, and the claims that its cells printed."""
    cells = nbformat.read(path, as_version=4).cells
    streams = [o.text for cell in cells for o in cell.get("outputs", []) if o.output_type == "stream"]
    return cells[0].source.splitlines()[0].removeprefix("# "), list(parse("\n".join(streams)))


def row(title: str, name: str, found: Claim) -> str:
    measured = f"{found.of}: {found.span} ({found.ran})"
    cells = found.text, found.said_by, measured, str(found.runs), f"[{title.split()[0]}]({name})"
    return "| " + " | ".join(readable(cell).replace("|", "\\|") for cell in cells[:-1]) + f" | {cells[-1]} |\n"


def page() -> str:
    rows: dict[bool, str] = {True: "", False: ""}
    for path in chapters():
        title, found = claims(path)
        for one in found:
            rows[one.shows] += row(title, path.name, one)
    return f"{HEAD}\n## Claimed and seen\n\n{TABLE}{rows[True]}\n{REFUTED}\n{TABLE}{rows[False]}"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(ROOT)}: {PAGE.read_text().count(chr(10) + '| ') - 2} claims")
