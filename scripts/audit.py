"""What the book depends on: licences, from the packages' own metadata, and known vulnerabilities, from pip-audit.

    .venv/bin/python scripts/audit.py

Writes docs/dependencies.md. Fails if a licence is unknown or not among FREE, if a file of the built book has an
unknown origin, or if a vulnerability is known. Where its service cannot be reached, it says so.
"""

import json
import os
import re
import subprocess
import sys
import venv
from email.message import Message
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from build_book import ROOT

sys.path.append(str(ROOT / "book" / "_ext"))
from page import POLICY

DOCUMENT = ROOT / "docs" / "dependencies.md"
STATIC = ROOT / "_build" / "html" / "_static"
PIP_AUDIT = "pip-audit==2.10.1"
UNSOUND = "jinja2==3.1.2"  # known to be, and so a question whose answer tells whether anybody answers

# Anybody may use what has one of these for any purpose and pass it on, changed or not, for nothing.
FREE = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "GPL", "ISC", "MIT", "MIT-0",
    "MIT-CMU", "MPL-2.0", "PSF-2.0", "Public Domain", "Zlib",
}  # fmt: skip
# What they are called where no SPDX expression is given
NAMES = {
    r".*apache .*2\.0.*|apache software license": "Apache-2.0",
    r"3.clause bsd( license)?|modified bsd license": "BSD-3-Clause",
    r"bsd license": "BSD",
    r"gnu general public license \(gpl\)": "GPL",
    r"isc license \(iscl\)": "ISC",
    r"mit license|the mit license( \(mit\))?": "MIT",
    r"mozilla public license 2\.0.*": "MPL-2.0",
    r"python software foundation license": "PSF-2.0",
}
# Packages that are not installed with every system or Python, as their metadata say where they are
ELSEWHERE = {
    "appnope": "BSD-2-Clause", "colorama": "BSD", "overrides": "Apache-2.0", "pexpect": "ISC", "ptyprocess": "ISC",
    "pywinpty": "MIT",
}  # fmt: skip
# Whose the files in the built book's _static are: (files, what, licence, package that brings them)
SHIPPED = [
    ("mathjax/*", "MathJax 3.2 and its fonts: all formulas", "Apache-2.0", "sphinx-mathjax-offline"),
    ("styles/pydata-sphinx-theme.css", "the theme's style, with Bootstrap 5.3 and names of Font Awesome's icons "
     "(code MIT; its fonts are left out)", "BSD-3-Clause AND MIT", "pydata-sphinx-theme"),
    ("scripts/pydata-sphinx-theme.js", "the theme's scripts", "BSD-3-Clause", "pydata-sphinx-theme"),
    ("styles/sphinx-book-theme.css|scripts/sphinx-book-theme.js", "the book theme's style and scripts", "BSD-3-Clause",
     "sphinx-book-theme"),
    ("language_data.js", "the search's word stems (Snowball)", "BSD-3-Clause", "sphinx"),
    ("basic.css|pygments.css|doctools.js|documentation_options.js|searchtools.js|sphinx_highlight.js|minus.png|plus.png",
     "Sphinx's style, and its search", "BSD-2-Clause", "sphinx"),
    ("copybutton.css|copybutton.js|copy-button.svg", "the button that copies code", "MIT", "sphinx-copybutton"),
    ("clipboard.min.js", "clipboard.js, which it uses", "MIT", "sphinx-copybutton"),
    ("design-tabs.js|sphinx-design.min.css", "cards and tabs", "MIT", "sphinx-design"),
    ("exercise.css", "the look of exercises", "MIT", "sphinx-exercise"),
    ("proof.css", "the look of theorems", "MIT", "sphinx-proof"),
    ("mystnb.*.css", "the look of cells", "BSD-3-Clause", "myst-nb"),
    ("book.css|book.js|projector.js|search.js", "the book's own style and scripts", "BSD-3-Clause", ""),
    ("favicon.svg|logo.svg|preview.png", "the book's own pictures", "CC-BY-4.0", ""),
]  # fmt: skip

TEXT = """# What the book is made of, and what its pages may load

Made by `make audit`, which fails on a licence that does not let anybody use and pass on what has it, on a file of unknown origin in the built book, and on a vulnerability that pip-audit knows.

## What a page may load

Its own files, from where it lies itself, and what it carries in itself; nothing from another host. Nor does it send anything to one. A link to a source leads out, when it is clicked. Every page bears this Content-Security-Policy as a `<meta>`, so the browser enforces it wherever the page is served from, and for a page that is opened as a file:

    {policy}

- `default-src 'self'`: scripts, styles, fonts, pictures, frames, requests and connections of any kind go to the page's own host alone.
- `'unsafe-inline' data:`: live figures, the drawing pad and their pictures are in the page itself. What is in the page is what its author put there: a page has no place where others write.
- `form-action 'self'`, `base-uri 'none'`: the search form leads to the book's own search; no page changes where its links begin. `default-src` does not cover these two.

`tests/test_policy.py` tries, in a browser, every way out that we know, from a page served without any header and from a file: another server on the same machine is asked for nothing. Without the policy it is asked for all of it.

## What the pages ship

Beside the text, the notebooks and the figures (CC BY 4.0, code BSD-3-Clause), every file in `_static`:

| files | what | licence | from |
|---|---|---|---|
{shipped}

There is no jQuery, no font but MathJax's, and nothing that counts readers. `page.py` leaves out what the themes bring and no page asks for.

## What it is built, run and tested with

The whole resolution of `requirements.txt`, with the licence that each package states. Those of the class server ([deploy/jupyterhub](../deploy/jupyterhub/README.md)) are BSD-3-Clause, all four and the proxy.

| package | version | licence |
|---|---|---|
{packages}
"""  # noqa: E501


def spdx(name: str) -> str:
    """The licence's short name, if we know it by this one."""
    return next((short for long, short in NAMES.items() if re.fullmatch(long, name.strip(), re.IGNORECASE)), name)


def free(expression: str) -> bool:
    """Whether an expression (a AND b, a OR b) lets anybody use and pass on what has it."""
    return all(any(one.strip("() ") in FREE for one in part.split(" OR ")) for part in expression.split(" AND "))


def stated(metadata: Message, text: str = "") -> str:
    """The licence that a package states: an SPDX expression, else its own words, its classifiers, its licence file."""
    classifiers = [text.split(" :: ")[-1] for text in metadata.get_all("Classifier") or [] if "License ::" in text]
    ways = [
        metadata.get("License-Expression") or "",
        spdx(metadata.get("License") or ""),
        " AND ".join(sorted(map(spdx, classifiers))),
        *map(spdx, text.splitlines()[:20]),
    ]
    return next((way for way in ways if way and free(way)), next(filter(None, ways), "unknown").splitlines()[0])


def licence(name: str) -> str:
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return ELSEWHERE.get(name, "unknown")
    texts = [file for file in package.files or [] if re.match(r"licen[cs]e|copying", file.name, re.IGNORECASE)]
    return stated(package.metadata, texts[0].read_text(encoding="utf-8") if texts else "")


def packages() -> list[tuple[str, str, str]]:
    """Name, version and licence of all that constraints.txt pins."""
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return [(name, version, licence(name)) for name, version in pins]


def owner(file: str) -> str | None:
    """The row of SHIPPED that a file of _static belongs to."""
    return next((row[0] for row in SHIPPED if any(fnmatch(file, pattern) for pattern in row[0].split("|"))), None)


def document(found: list[tuple[str, str, str]]) -> str:
    shipped = [
        f"| {', '.join(f'`{file}`' for file in files.split('|'))} | {what} | {terms} | {source or 'this repository'} |"
        for files, what, terms, source in SHIPPED
    ]
    rows = [f"| {name} | {version} | {terms} |" for name, version, terms in found]
    return TEXT.format(policy=POLICY, shipped="\n".join(shipped), packages="\n".join(rows))


def asked(python: Path, requirements: Path) -> list[str]:
    """The flaws that pip-audit knows of pinned versions; RuntimeError if it gives no answer."""
    options = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    command = [python, "-m", "pip_audit", "-r", requirements, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        raise RuntimeError((done.stderr.strip() or "pip-audit said nothing").splitlines()[-1]) from None
    for reason in (one["skip_reason"] for one in found if "skip_reason" in one):
        raise RuntimeError(reason)
    return [f"{one['name']} {one['version']}: {flaw['id']}" for one in found for flaw in one["vulns"]]


def vulnerabilities(requirements: Path) -> list[str]:
    """What pip-audit knows of the pinned versions. RuntimeError if there is no asking it, or if it knows nothing: an
    index that mirrors another may leave vulnerabilities out, and then all looks sound."""
    folder = ROOT / "_build" / "audit"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q", PIP_AUDIT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or "pip said nothing").splitlines()[-1])
    (folder / "unsound.txt").write_text(UNSOUND)
    if not asked(python, folder / "unsound.txt"):
        raise RuntimeError(f"the package index knows of no flaw even in {UNSOUND}")
    return asked(python, requirements)


def main() -> None:
    found = packages()
    DOCUMENT.write_text(document(found))
    print(f"{len(found)} packages and what the pages ship: {DOCUMENT.relative_to(ROOT)}")
    files = [path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()]
    wrong = [f"{name}: its licence is {terms}" for name, _, terms in found if not free(terms)]
    wrong += [f"_static/{file}: nobody knows whose it is" for file in files if not owner(file)]
    try:
        wrong += vulnerabilities(ROOT / "constraints.txt")
    except RuntimeError as reason:
        print(f"Known vulnerabilities were NOT looked up: {reason}.")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
