"""Where a line may end, in outputs and beside formulas."""

import re

from docutils import nodes


def wrap_sentences(app, doctree, docname):
    """Claims and checks are sentences, and break at the margin; other lines keep their columns, and scroll."""
    for output in list(doctree.findall(nodes.literal_block)):
        if "stream" not in output.get("classes", []):
            continue
        runs = []
        for line in output.astext().splitlines(keepends=True):
            sentence = line.startswith(("✓ ", "✗ ", "… ")) or (bool(runs) and runs[-1][0] and line.startswith("  "))
            if not runs or runs[-1][0] != sentence:
                runs.append((sentence, ""))
            runs[-1] = (sentence, runs[-1][1] + line)
        blocks = []
        for sentence, text in runs:
            blocks.append(nodes.literal_block(text, text, **output.attributes))
            blocks[-1]["classes"] = output["classes"] + ["sentences"] * sentence
        output.parent.replace(output, blocks or output)


def keep_punctuation(app, doctree, docname):
    """A formula is a box to the browser, which would let a line begin with the comma after it."""
    for formula in list(doctree.findall(nodes.math)):
        line = formula.parent
        at = line.index(formula)
        before, after = line[at - 1] if at else None, line[at + 1] if at + 1 < len(line) else None
        start = re.search(r"[^\s—–-]*$", before)[0] if isinstance(before, nodes.Text) else ""
        end = re.match(r"[^\s—–-]*-?", after)[0] if isinstance(after, nodes.Text) else ""
        if end:
            line[at + 1] = nodes.Text(after.removeprefix(end))
        if start:
            line[at - 1] = nodes.Text(before.removesuffix(start))
        if start or end:
            whole = nodes.inline("", "", classes=["unbroken"])
            line[at] = whole
            whole.extend([nodes.Text(start), formula, nodes.Text(end)])


def keep_percent(app, doctree, docname):
    """No line begins with a percent sign."""
    for text in list(doctree.findall(nodes.Text)):
        if re.search(r"\d %", text) and not isinstance(text.parent, nodes.FixedTextElement | nodes.literal):
            text.parent.replace(text, nodes.Text(re.sub(r"(\d) %", "\\1\N{NO-BREAK SPACE}%", text)))


def setup(app):
    app.connect("doctree-resolved", wrap_sentences)
    app.connect("doctree-resolved", keep_percent)
    app.connect("doctree-resolved", keep_punctuation, priority=900)  # after the extensions that make links
    return {"parallel_read_safe": True, "parallel_write_safe": True}
