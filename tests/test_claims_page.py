"""The page of claims is what the executed notebooks say, and it leaves no chapter's claims out."""

import re

from collect_claims import PAGE, claims, page
from collect_formulas import chapters
from notebooks import code_cells


def test_the_page_is_current():
    assert PAGE.read_text() == page(), "make claims writes it anew"


def test_every_claim_that_a_cell_makes_is_in_the_page():
    for path in chapters():
        made = sum(len(re.findall(r"^\s*claim\(", cell.source, flags=re.M)) for cell in code_cells(path.stem))
        assert len(claims(path)[1]) >= made, path.stem  # a call in a loop prints several
