"""The README and CONTRIBUTING name commands, files and links that are there, and leave no command out."""

import re

import pytest
from notebooks import ROOT
from test_deployment import TARGETS

PAGES = {name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md")}

page = pytest.mark.parametrize("name", PAGES)


def code(text: str) -> list[str]:
    """What stands in backticks, and each line that is set off as code."""
    return re.findall(r"`([^`\n]+)`", text) + re.findall(r"^ {4}(\S.*)$", text, flags=re.M)


def made(text: str) -> set[str]:
    """The targets that its commands make; settings such as NB=… are none."""
    lines = [re.sub(r'#.*|\S+=("[^"]*"|\S*)', "", command) for command in code(text)]
    found = [words for line in lines for words in re.findall(r"\bmake((?: +[a-z-]+)+)", line)]
    return {target for words in found for target in words.split()}


def test_a_command_is_read_as_it_is_meant():
    assert made("`make run NB=book/x.ipynb formulas` and\n\n    make book PYTHON=python3.12   # make it\n") == {
        "run",
        "formulas",
        "book",
    }


@page
def test_every_target_that_is_named_exists(name):
    assert made(PAGES[name]) and made(PAGES[name]) <= TARGETS


def test_every_target_is_named_and_helps():
    makefile = (ROOT / "Makefile").read_text()
    assert TARGETS == set().union(*map(made, PAGES.values()))
    assert TARGETS == set(re.findall(r"^([a-z-]+):.*## \S", makefile, flags=re.M)), "`make help` lists it"
    assert TARGETS == set(re.search(r"^\.PHONY: (.+)$", makefile, flags=re.M)[1].split())


@page
def test_files_and_links_are_there(name):
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", PAGES[name]) if not link.startswith("https://")]
    folders = ("book/", "scripts/", "tests/", "mlmath/", "deploy/", "docs/", ".ci/")
    words = [word for command in code(PAGES[name]) for word in command.split()]
    files = [word for word in words if word.startswith(folders) and not re.search(r"[<…*]|\bbook/$", word)]
    assert [path for path in links + files if not (ROOT / path).exists()] == []


def test_the_table_of_files_names_what_is_there_and_all_of_mlmath():
    table = re.search(r"^## What is where\n\n((?: {4}.+\n)+)", PAGES["README.md"], flags=re.M)[1]
    folder, listed = ROOT, set()
    for line in table.splitlines():
        indent, names = re.fullmatch(r" {4}( *)(.+?)(?:   *\S.*)?", line).groups()
        for word in names.split():
            if re.fullmatch(r"[\w./]*\w[\w.]*/|[\w.]+\.\w+|Dockerfile", word):
                path = (folder if indent else ROOT) / word.rstrip(",;")
                assert path.exists(), line
                listed.add(path)
        if not indent:
            folder = ROOT / names.split()[0]
    modules = {path for path in (ROOT / "mlmath").glob("*.py") if path.name[0] != "_"}
    assert modules <= listed
