"""What every page says in its head, and what the built book leaves out."""

import html
import re
import shutil
import textwrap
from pathlib import Path

from docutils import nodes
from sphinx_exercise.nodes import solution_node

# Nothing from another host and nothing to one, whatever a page tries. Inline scripts and data: are how live figures
# travel in their page; forms and the base of all links are no part of default-src.
POLICY = "default-src 'self' 'unsafe-inline' data:; form-action 'self'; base-uri 'none'"
HEAD = f'\n    <meta http-equiv="Content-Security-Policy" content="{POLICY}" />'

# What the theme ships and no page of ours asks for
UNUSED = [
    "**/*.map", "**/webpack-macros.html", "**/sbt-webpack-macros.html", "scripts/bootstrap.js*",
    "scripts/fontawesome.js*", "styles/theme.css", "vendor", "locales", "images/logo_*", "copybutton_funcs.js",
    "file.png", "check-solid.svg",
]  # fmt: skip

MENDED = {
    # docutils puts no list items into the list that is the bibliography
    'role="doc-biblioentry"': 'role="listitem"',
    # each exercise's and theorem's content has the same id, and so has each proof
    r'(<section(?: class="[\w-]+")?) id="(?:exercise|solution|proof)-content">': r"\1>",
    r'<div class="proof admonition" id="proof">\n<p>Proof\. ': '<div class="argument admonition">\n<p><em>Proof.</em> ',
    r"<p( id=[^>]*)?><strong>Figure.</strong>": r'<p\1 class="under-figure"><strong>Figure.</strong>',
}

FRONT = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />{head}
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta http-equiv="refresh" content="0; url={target}" />
    <title>{title}</title>
    <link rel="icon" href="_static/favicon.svg" />
  </head>
  <body><main><h1>{title}</h1><p><a href="{target}">Open the book</a></p></main></body>
</html>
"""


def description(doctree) -> str:
    """The first sentence or two that a page begins with."""
    opening = (p for p in doctree.findall(nodes.paragraph) if isinstance(p.parent, nodes.section))
    return textwrap.shorten(next(opening, nodes.Text("")).astext(), 200, placeholder=" …")


def outdated(app, env, added, changed, removed):
    """All pages, if style, scripts or these extensions are newer than the book: Sphinx looks at the texts alone."""
    front, sources = Path(app.outdir) / "index.html", Path(app.srcdir).glob("book/_*/*.*")
    newer = front.exists() and any(path.stat().st_mtime > front.stat().st_mtime for path in sources)
    return env.found_docs if newer else []


def open_solution(self, node):
    """Folded by the browser itself: it opens by key, and without scripts."""
    title = node.pop(0).astext()
    self.body.append(self.starttag(node, "details") + f"<summary>{html.escape(title)}</summary>\n")


def close_solution(self, node):
    self.body.append("</details>\n")


def complete(app, pagename, templatename, context, doctree):
    context["metatags"] = HEAD + context.get("metatags", "")
    if doctree and (text := description(doctree)):
        context["metatags"] += f'\n    <meta name="description" content="{html.escape(text)}" />'
    for old, new in MENDED.items():
        context["body"] = re.sub(old, new, context.get("body", ""))


def finish(app, exception):
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for path in {path for pattern in UNUSED for path in (out / "_static").glob(pattern)}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    sheet = out / "_static" / "styles" / "pydata-sphinx-theme.css"  # names the icon fonts that were left out
    sheet.write_text(re.sub(r"@font-face\{[^}]*\}", "", sheet.read_text()))
    front, target = out / "index.html", f"{app.config.root_doc}.html"
    if app.builder.name == "singlehtml":
        (out / target).replace(front)  # its links are written as from here
    elif target != "index.html":
        front.write_text(FRONT.format(head=HEAD, title=html.escape(app.config.html_title), target=target))


def one_page_too(app):
    """sphinx-exercise speaks to the single page by name, and Sphinx then forgets what others tell every HTML page."""
    handlers = app.registry.translation_handlers
    handlers["singlehtml"] = {**handlers["html"], **handlers["singlehtml"]}
    if app.builder.name == "singlehtml":
        app.set_html_assets_policy("always")  # the page bears the name of the first, which may have no formulas


def setup(app):
    app.setup_extension("sphinx_exercise")
    solution = (open_solution, close_solution)
    app.add_node(solution_node, override=True, html=solution, singlehtml=solution)
    app.connect("builder-inited", one_page_too)
    app.connect("env-get-outdated", outdated)
    app.connect("html-page-context", complete, priority=900)
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
