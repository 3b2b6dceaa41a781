"""Link the first use of each glossary term in every chapter, and list these places in the index.

So a chapter's text names a term as any text does, reads the same in JupyterLab and on GitHub, and needs no marks that
its authors would forget.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

PAGE = "book/glossary"
KEPT_PLAIN = (  # what is no running text, or is a link already
    nodes.title, nodes.reference, nodes.literal, nodes.math, nodes.raw, nodes.target, nodes.rubric, nodes.table,
    nodes.FixedTextElement, addnodes.pending_xref, addnodes.glossary,
)  # fmt: skip


def terms(page: Path) -> list[str]:
    """The terms defined in a page: in its glossary, the lines that are not indented."""
    glossary = re.search(r"^:::+\{glossary\}\n(?P<body>.+?)^:::", page.read_text(), flags=re.M | re.S)
    return re.findall(r"^(?![\s:])(.+?)\s*$", glossary["body"], flags=re.M)


class LinkTerms(SphinxTransform):
    default_priority = 800  # before Sphinx collects index entries, at 850

    def apply(self):
        page = Path(self.env.srcdir, f"{PAGE}.md")
        if not re.match(r"book/\d", self.env.docname) or not page.exists():
            return
        self.env.note_dependency(str(page))
        names = {term.lower().replace("'", "’"): term for term in terms(page)}  # as smartquotes have written it
        longest_first = sorted(names, key=len, reverse=True)
        pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest_first))})(?:s|es)?(?![\w-])", re.I)
        for text in list(self.document.findall(nodes.Text)):
            if running(text):
                self.link(text, pattern, names)

    def link(self, text, pattern, names):
        """Replace `text` by itself with links in it; a term that got its link is taken from `names`."""
        parts, done, whole = [], 0, text.astext()
        block = enclosing_block(text)
        for found in pattern.finditer(whole):
            term = names.pop(found[1].lower(), None)
            if term:
                parts += [nodes.Text(whole[done : found.start()]), *self.linked(term, found[0], block)]
                done = found.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(whole[done:])])

    def linked(self, term, words, block):
        """A link to the term, and an index entry for its block: the search shows the text found at an entry's place."""
        if not block["ids"]:
            block["ids"] = [nodes.make_id(f"term-used-{term}")]
        entry = addnodes.index(entries=[("single", term, block["ids"][0], "", None)])
        link = addnodes.pending_xref(
            "", nodes.inline("", words), refdomain="std", reftype="term", reftarget=term, refdoc=self.env.docname,
            refexplicit=True, refwarn=True, classes=["term"],
        )  # fmt: skip
        return entry, link


def enclosing_block(node):
    """The paragraph, or what else is no part of a line, that a text stands in."""
    while isinstance(node, nodes.Inline | nodes.Text):
        node = node.parent
    return node


def running(text) -> bool:
    above = text.parent
    while above is not None:
        folded = isinstance(above, nodes.Element) and {"prelude", "dropdown"} & set(above.get("classes", []))
        if folded or isinstance(above, KEPT_PLAIN):
            return False
        above = above.parent
    return True


def name_chapters(app, exception):
    """In the index, the place of a term is the number of the chapter, where Sphinx counts [1], [2], …"""
    page = Path(app.outdir, "genindex.html")
    if exception or not page.exists():
        return
    place = r'(<a href="book/(\d+(?:_\d+)?)_[^"]+">)\[\d+\]</a>'
    page.write_text(re.sub(place, lambda found: f"{found[1]}{found[2].replace('_', '.')}</a>", page.read_text()))


def setup(app):
    app.add_transform(LinkTerms)
    app.connect("build-finished", name_chapters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
