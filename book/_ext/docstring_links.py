"""The reference page from docstrings that are written to be read as they are.

`name` becomes code, |x| and d_… stay themselves, and "Source: 3_2_activation_functions, eq-sigmoid" becomes links to
the chapter and its equation.
"""

import functools
import re
from pathlib import Path


@functools.cache
def labels(book: Path) -> dict[str, set[str]]:
    """The labelled equations of each chapter in the table of contents."""
    stems = re.findall(r"file: book/(\d\S+)", (book.parent / "_toc.yml").read_text())
    texts = {stem: (book / f"{stem}.ipynb").read_text() for stem in stems}
    return {stem: set(re.findall(r"\$\$ \((eq-[a-z0-9-]+)\)", text)) for stem, text in texts.items()}


def prepare(app, what, name, obj, options, lines):
    known = labels(Path(app.srcdir) / "book")
    equations = set().union(*known.values())
    example = False
    for i, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and line.strip() != "")
        if example:
            continue
        line = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line)
        line = re.sub(r"(``.*?``)|\||(?<=\w)_(?!\w)", lambda m: m[1] or "\\" + m[0], line)
        line = re.sub(r"\b\d(_\d)?_[a-z_]+\b", lambda m: f":doc:`{m[0]}`" if m[0] in known else m[0], line)
        lines[i] = re.sub(r"\beq-[a-z0-9-]+\b", lambda m: f":eq:`{m[0]}`" if m[0] in equations else m[0], line)


def leave_out_fields(app, what, name, obj, skip, options):
    """Leave out the fields of named tuples, of which Python says only "Alias for field number 0"."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app):
    app.connect("autodoc-skip-member", leave_out_fields)
    app.connect("autodoc-process-docstring", prepare)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
