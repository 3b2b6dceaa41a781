"""What the tests of the notebooks share: where they are, and their cells."""

import functools
import re
from pathlib import Path
from typing import Any

import nbformat
from name_repository import TAG

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "book").glob("[0-9]*.ipynb"))
STEMS = [path.stem for path in CHAPTERS]


@functools.cache
def cells(stem: str) -> list[Any]:
    return nbformat.read(ROOT / "book" / f"{stem}.ipynb", as_version=4).cells


def code_cells(stem: str) -> list[Any]:
    """Those of the chapter: the first one, which installs what a notebook alone lacks, is left out."""
    code = [cell for cell in cells(stem) if cell.cell_type == "code" and cell.source.strip()]
    return [cell for cell in code if TAG not in tags(cell)]


def tags(cell: Any) -> list[str]:
    return cell.metadata.get("tags", [])


def prose(stem: str) -> str:
    return "\n\n".join(cell.source for cell in cells(stem) if cell.cell_type == "markdown")


def printed(stem: str) -> list[str]:
    """All lines that the notebook's cells print."""
    outputs = [output for cell in code_cells(stem) for output in cell.outputs if output.output_type == "stream"]
    return "".join(output.text for output in outputs).splitlines()


def labels_of_equations(stem: str) -> list[str]:
    return re.findall(r"^\$\$ \((eq-[\w-]+)\)", prose(stem), flags=re.M)


def exercises(stem: str) -> list[tuple[str, str]]:
    """(title, label) of each exercise."""
    return re.findall(r"^:::+\{exercise(?:-start)?\} (.+)\n:label: (\S+)", prose(stem), flags=re.M)
