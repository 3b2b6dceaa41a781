"""The page of claims is what the executed notebooks say, and it leaves no chapter's claims out."""

import ast
import re

import pytest
from collect_claims import PAGE, claims, page
from collect_formulas import chapters
from notebooks import STEMS, code_cells

from mlmath.claims import parse


def test_the_page_is_current():
    assert PAGE.read_text() == page(), "make claims writes it anew"


def test_every_claim_that_a_cell_makes_is_in_the_page():
    for path in chapters():
        made = sum(len(re.findall(r"^\s*claim\(", cell.source, flags=re.M)) for cell in code_cells(path.stem))
        assert len(claims(path)[1]) >= made, path.stem  # a call in a loop prints several


def calls(cell):
    """The calls of `claim` in a cell."""
    nodes = ast.walk(ast.parse(cell.source))
    return [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "claim"]


@pytest.mark.parametrize("stem", STEMS)
def test_the_committed_output_has_the_words_of_the_claim(stem):
    """So far as they stand in the call itself; some are names of a sentence that several claims share."""
    for cell in code_cells(stem):
        said = "".join(output.text for output in cell.outputs if output.output_type == "stream")
        for call in calls(cell):
            words = {argument.arg: argument.value for argument in call.keywords} | {"text": call.args[0]}
            given = {name: node.value for name, node in words.items() if isinstance(node, ast.Constant)}
            texts = {
                name: value.rstrip(".") for name, value in given.items() if name in ("text", "of", "ran", "said_by")
            }
            if None not in words:  # else `**said` may have it
                texts["shows"] = given.get("shows", True)
            fits = [found for found in parse(said) if texts.items() <= found._asdict().items()]
            assert fits or any(isinstance(node, ast.For) for node in ast.walk(ast.parse(cell.source))), cell.source


def test_a_claim_can_be_read_without_its_chapter():
    """It does not count on what stands before it, and what it averages over is not counted as runs."""
    for path in chapters():
        for found in claims(path)[1]:
            assert not re.match(r"(It|This|That|These|They|The same|The network) ", found.text), found.text
            assert not re.search(r"\b(all the same|above|below|see|this figure)\b", found.text), found.text
            assert not re.search(r"\bmean (?:of|over) \w+ seeds|each the mean", f"{found.of} {found.ran}"), found.text
            assert len(found.ran) > 15 and len(found.said_by) > 5, found


def test_what_did_not_show_is_somebody_elses_claim():
    for path in chapters():
        for found in claims(path)[1]:
            assert found.shows or not re.match(r"this book|we\b", found.said_by), found.text
