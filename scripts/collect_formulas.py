"""Collect every labelled equation of the book, and the checks that vouch for it, into book/formulas.md.

    .venv/bin/python scripts/collect_formulas.py

Read from the executed notebooks: the equations from their text, the checks from the lines that they printed.
"""

import re
from pathlib import Path

import nbformat

from mlmath.verify import parse

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "book" / "formulas.md"
POWER = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
EQUATION = re.compile(r"^\$\$\n(?P<formula>(?:(?!\$\$).)+)^\$\$ \((?P<label>eq-[\w-]+)\)", flags=re.M | re.S)

HEAD = """# All formulas and their checks

Every labelled equation of the book, with the checks that its chapter ran. An *identity* was proved by SymPy for all
values of its symbols; where the formula is an inequality, a limit or a sum of any length, it is the step of the proof
that is algebra, or a case, and the cell in the chapter shows which. A *derivative* was compared with one found
independently, by the complex step or by differences. *Agrees* means that two computations, one of them mostly `mlmath`
or TensorFlow, gave the same numbers, within the bound that is named. To check an inequality, one side is cut off at the
other (*capped*, or *raised*) before the two are compared: they are equal if it held everywhere. A *definition* needs no
check, and says why it is one. The checks were shown to be able to fail: wrong signs, factors and indices were planted
in each equation that is checked, and all were caught (`make planted`). The page is made from the executed notebooks by
`make formulas`, and a test compares it with them.
"""


def chapters() -> list[Path]:
    """The chapters in the order of the table of contents."""
    listed = re.findall(r"file: (book/\d\S+)", (ROOT / "_toc.yml").read_text())
    return [ROOT / f"{name}.ipynb" for name in listed]


def formulas(path: Path) -> tuple[str, list[tuple[str, str, list[str]]]]:
    """A chapter's title, and (label, formula, checks) of each of its labelled equations."""
    cells = nbformat.read(path, as_version=4).cells
    title = cells[0].source.splitlines()[0].removeprefix("# ")
    streams = [o.text for cell in cells for o in cell.get("outputs", []) if o.output_type == "stream"]
    checks = [check for line in "".join(streams).splitlines() if (check := parse(line))]
    found = [match for cell in cells if cell.cell_type == "markdown" for match in EQUATION.finditer(cell.source)]
    return title, [
        (match["label"], match["formula"].strip(), [check.detail for check in checks if check.label == match["label"]])
        for match in found
    ]


def readable(text: str) -> str:
    """Numbers as a page has them: 10⁻⁸ for 1e-08, 100,352 for 100352, a minus sign for the hyphen before a digit."""
    text = re.sub(r"\b1e([+-]\d+)\b", lambda m: "10" + f"{int(m[1])}".translate(POWER), text)
    text = re.sub(r"(?<![\w.,/])\d{5,}(?![\w.])", lambda m: f"{int(m[0]):,}", text)
    return re.sub(r"(?<![\w.)\]])-(?=\d)", "−", text)


def page() -> str:
    parts = [HEAD]
    for path in chapters():
        title, entries = formulas(path)
        parts.append(f"## [{title}]({path.name})\n")
        for label, formula, checks in entries:
            lines = "\n".join(f"- {readable(check)}" for check in dict.fromkeys(checks))
            parts.append(f"(check-{label})=\nEquation {{eq}}`{label}`, `{label}`\n\n$$\n{formula}\n$$\n\n{lines}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
    text = PAGE.read_text()
    print(f"{PAGE.relative_to(ROOT)}: {text.count('(check-eq')} equations, {text.count(chr(10) + '- ')} checks")
