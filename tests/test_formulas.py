"""The page of formulas is what the executed notebooks say, and it lists every labelled equation."""

from collect_formulas import PAGE, chapters, formulas, page
from notebooks import STEMS, labels_of_equations


def test_the_page_is_current():
    assert PAGE.read_text() == page(), "make formulas writes it anew"


def test_every_labelled_equation_is_listed_with_a_check():
    entries = [entry for path in chapters() for entry in formulas(path)[1]]
    assert [label for label, _, _ in entries] == [
        label for path in chapters() for label in labels_of_equations(path.stem)
    ]
    assert [label for label, _, checks in entries if not checks] == []


def test_all_chapters_are_collected():
    assert sorted(path.stem for path in chapters()) == STEMS
