"""Serve MathJax from the book itself: copies the one script and its fonts that the pages need."""

import importlib.util
import shutil
from pathlib import Path

FILES = ["tex-chtml-full.js", "output/chtml/fonts/woff-v2/*.woff"]


def copy(app, exception):
    if exception or app.builder.format != "html":
        return
    package = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    for pattern in FILES:
        for source in package.glob(pattern):
            target = Path(app.outdir) / "_static" / "mathjax" / source.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def setup(app):
    app.config.mathjax_path = f"mathjax/{FILES[0]}"
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
