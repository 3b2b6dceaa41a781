"""A small mark beside each labelled equation that the page of formulas lists, linking to its checks there."""

import re
from pathlib import Path

from docutils import nodes


def mark(app, doctree, docname):
    page = "book/formulas"
    listed = Path(app.srcdir, f"{page}.md")
    if app.builder.format != "html" or docname == page or not listed.exists():
        return
    known = set(re.findall(r"^\(check-(eq-[\w-]+)\)=", listed.read_text(), flags=re.M))
    for block in list(doctree.findall(nodes.math_block)):
        if block.get("label") in known:
            target = f"{app.builder.get_relative_uri(docname, page)}#check-{block['label']}"
            link = f'<a class="checked" href="{target}" title="How this equation is checked">checked</a>'
            block.parent.insert(block.parent.index(block) + 1, nodes.raw("", link, format="html"))


def setup(app):
    app.connect("doctree-resolved", mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
