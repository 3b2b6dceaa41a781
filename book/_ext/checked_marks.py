"""A small mark beside each labelled equation that the page of formulas lists, linking to its checks there."""

import re
from pathlib import Path

from docutils import nodes

PAGE = "book/formulas"


def listed(app) -> set[str]:
    page = Path(app.srcdir, f"{PAGE}.md")
    return set(re.findall(r"^\(check-(eq-[\w-]+)\)=", page.read_text(), flags=re.M)) if page.exists() else set()


def mark(app, doctree, docname):
    if app.builder.format != "html" or docname == PAGE:
        return
    for block in list(doctree.findall(nodes.math_block)):
        if block.get("label") in app.env.checked:
            target = f"{app.builder.get_relative_uri(docname, PAGE)}#check-{block['label']}"
            link = f'<a class="checked" href="{target}" title="How this equation is checked">checked</a>'
            block.parent.insert(block.parent.index(block) + 1, nodes.raw("", link, format="html"))


def marked_otherwise(app, env):
    """The pages with equations that came to the list, or left it, since the last build: they are to be written anew."""
    before, env.checked = getattr(env, "checked", set()), listed(app)
    equations = env.get_domain("math").equations
    return {equations[label][0] for label in before ^ env.checked if label in equations}


def setup(app):
    app.connect("env-get-updated", marked_otherwise)
    app.connect("doctree-resolved", mark)
    return {"version": "2", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
