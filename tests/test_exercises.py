"""Each check cell of a code exercise lets its solution pass and a plausible wrong answer not."""

import contextlib
import io
import re
import tomllib

import pytest
from notebooks import ROOT, STEMS, code_cells, tags


def check_cells(stem: str) -> dict[str, str]:
    """The source of each check cell, by the label of its exercise."""
    sources = [cell.source for cell in code_cells(stem) if "check" in tags(cell)]
    return {source.split('check_answer("')[1].split('"')[0]: source for source in sources}


def wrong_answers(stem: str) -> dict[str, dict]:
    path = ROOT / "tests" / "wrong_answers" / f"{stem}.toml"
    return tomllib.loads(path.read_text()) if path.exists() else {}


CASES = [(stem, label) for stem in STEMS for label in check_cells(stem)]


@pytest.mark.parametrize("stem", STEMS)
def test_every_check_has_a_wrong_answer_to_be_tested_against(stem):
    assert check_cells(stem).keys() == wrong_answers(stem).keys()


@pytest.mark.parametrize(("stem", "label"), CASES, ids=[label for _, label in CASES])
def test_a_wrong_answer_is_told_so(stem, label):
    entry = wrong_answers(stem)[label]
    needed = [cell.source for cell in code_cells(stem) if cell.id in entry.get("needs", [])]
    assert len(needed) == len(entry.get("needs", []))
    space: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        for source in [code_cells(stem)[0].source, *needed, entry["code"]]:
            exec(source, space)
        out.truncate(out.seek(0))
        exec(check_cells(stem)[label], space)
    assert out.getvalue().startswith(f"✗ {label}: "), out.getvalue()
    nonsense = re.search("stops with|should be numbers|has shape", out.getvalue())
    assert not nonsense, f"a plausible answer runs, and gives numbers of the right shape: {out.getvalue()}"


@pytest.mark.parametrize("stem", STEMS)
def test_stubs_are_unanswered_and_solutions_right(stem):
    said = {"check": [], "solution": []}
    for cell in code_cells(stem):
        for kind in set(tags(cell)) & said.keys():
            said[kind] += [o.text.strip() for o in cell.outputs if o.output_type == "stream"]
    labels = list(check_cells(stem))
    assert said["check"] == [f"… {label}: not answered yet" for label in labels]
    assert sorted(said["solution"]) == sorted(f"✓ {label}: right" for label in labels)
