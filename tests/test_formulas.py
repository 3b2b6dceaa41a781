"""The page of formulas is what the executed notebooks say, and it lists every labelled equation."""

from collect_formulas import PAGE, chapters, formulas, page, readable
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


def test_numbers_are_written_as_a_page_has_them():
    assert readable("at 100352 points, within 1e-08, or 1e+07 eps") == "at 100,352 points, within 10⁻⁸, or 10⁷ eps"
    assert readable("-0.5 to 3 (784–128–10, x-2, 0.123456)") == "−0.5 to 3 (784–128–10, x-2, 0.123456)"
