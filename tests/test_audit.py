"""The list of licences is that of what is installed, and what must fail the audit does."""

import json
from email.message import Message
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import audit
import pytest
from test_page import book, built  # noqa: F401  (fixtures)


def installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def test_the_list_is_that_of_the_installed_packages_and_says_what_a_page_may_load():
    assert audit.document(audit.packages()) == audit.DOCUMENT.read_text(), "make audit renews it"


def test_the_versions_are_those_that_are_installed():
    pinned = {name: number for name, number, _ in audit.packages() if installed(name)}
    assert {name: version(name) for name in pinned} == pinned


def test_everything_may_be_used_and_passed_on():
    assert [row for row in audit.packages() if not audit.free(row[2])] == []
    assert [row for row in audit.SHIPPED if not audit.free(row[2])] == []


def test_what_is_not_installed_everywhere_has_the_licence_it_states_where_it_is():
    here = {name for name in audit.ELSEWHERE if installed(name)}
    assert {name: audit.licence(name) for name in here} == {name: audit.ELSEWHERE[name] for name in here}


def test_every_file_beside_the_pages_has_an_owner_and_every_owner_a_file(book):  # noqa: F811
    static = book / "_static"
    files = [path.relative_to(static).as_posix() for path in static.rglob("*") if path.is_file()]
    assert [file for file in files if not audit.owner(file)] == []
    assert {audit.owner(file) for file in files} == {row[0] for row in audit.SHIPPED}
    for _, _, terms, package in audit.SHIPPED:
        if package and audit.licence(package) != "BSD":
            assert audit.licence(package) in terms


def test_there_is_no_font_but_mathjaxs_and_no_jquery(book):  # noqa: F811
    fonts = {path.parent.name for path in book.rglob("*") if path.suffix in {".woff", ".woff2", ".ttf", ".otf", ".eot"}}
    assert fonts == {"woff-v2"}
    assert not [path for path in book.rglob("*.js") if "jquery" in path.name.lower()]


OTHER = "LicenseRef-Proprietary"
MIT = ("Classifier", "License :: OSI Approved :: MIT License")


@pytest.mark.parametrize(
    ("fields", "text", "licence", "free"),
    [
        ([("License-Expression", "MIT AND PSF-2.0"), ("License", "see below")], "", "MIT AND PSF-2.0", True),
        ([("License-Expression", f"Apache-2.0 OR {OTHER}")], "", f"Apache-2.0 OR {OTHER}", True),
        ([("License-Expression", f"MIT AND {OTHER}")], "", f"MIT AND {OTHER}", False),
        ([("License", "Copyright …\nmany lines"), MIT], "", "MIT", True),
        ([("Classifier", "License :: Other/Proprietary License")], "", "Other/Proprietary License", False),
        ([("License", "for non-commercial use only")], "", "for non-commercial use only", False),
        ([], "Copyright somebody\n\nLicensed under the Apache License, Version 2.0 (the", "Apache-2.0", True),
        ([], "All rights reserved", "All rights reserved", False),
        ([], "", "unknown", False),
    ],
)  # fmt: skip
def test_a_licence_is_found_and_judged(fields, text, licence, free):
    metadata = Message()
    for name, value in fields:
        metadata[name] = value
    assert audit.stated(metadata, text) == licence
    assert audit.free(licence) == free


@pytest.fixture
def pip_audit(tmp_path, monkeypatch):
    """`pip_audit(of_the_unsound, of_ours)`: in place of pip-audit and its service a program that prints these."""

    def pip_audit(unsound: str, ours: str = "", complaint: str = "") -> None:
        folder = tmp_path / "_build" / "audit" / "bin"
        folder.mkdir(parents=True)
        for name, text in {"unsound.txt": unsound, "ours.txt": ours, "complaint": complaint}.items():
            (folder / name).write_text(text)
        program = '#!/bin/sh\ncd "${0%/*}"\n[ "$2" = pip ] || { cat "${4##*/}"; cat complaint >&2; }\n'
        (folder / "python").write_text(program)
        (folder / "python").chmod(0o755)

    monkeypatch.setattr(audit, "ROOT", tmp_path)
    return pip_audit


def answer(*flaws: str) -> str:
    return json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": flaw} for flaw in flaws]}]})


def test_a_known_vulnerability_is_named(pip_audit):
    pip_audit(answer("PYSEC-0"), answer("PYSEC-1", "PYSEC-2"))
    assert audit.vulnerabilities(Path("ours.txt")) == ["a 1: PYSEC-1", "a 1: PYSEC-2"]


def test_where_the_service_cannot_be_reached_the_reason_is_told(pip_audit):
    pip_audit("", complaint="a traceback\nCould not connect to the service")
    with pytest.raises(RuntimeError, match="^Could not connect to the service$"):
        audit.vulnerabilities(Path("ours.txt"))


def test_what_the_service_has_not_heard_of_is_told(pip_audit):
    pip_audit(answer("PYSEC-0"), '{"dependencies": [{"name": "a", "skip_reason": "a (1) was not found"}]}')
    with pytest.raises(RuntimeError, match="^a .1. was not found$"):
        audit.vulnerabilities(Path("ours.txt"))


def test_a_service_that_knows_of_no_flaw_is_not_taken_for_an_all_clear(pip_audit):
    pip_audit(answer(), answer())
    with pytest.raises(RuntimeError, match="knows of no flaw even in jinja2==3.1.2"):
        audit.vulnerabilities(Path("ours.txt"))
