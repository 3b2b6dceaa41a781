"""Each letter of a labelled equation is on the page of notation, for the chapter that uses it, and nothing else is."""

import re

import pytest
from collect_formulas import EQUATION
from notebooks import ROOT, STEMS, cells, prose

PAGE = (ROOT / "book" / "notation.md").read_text()
GREEK = "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi "
GREEK += "varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell"
WORDS = r"\\(?:text|operatorname\*?|mathrm|begin|end|array|xrightarrow)\{(?:[^{}]|\{[^{}]*\})*\}"

chapter = pytest.mark.parametrize("stem", STEMS)


def letters(formula):
    r"""The letters of a formula, with `\alpha` and `\mathcal B` as one each; words and operators left out."""
    formula = re.sub(WORDS, " ", formula)
    calligraphic = re.findall(r"\\(?:mathcal|mathbb) ?\{?[A-Z]\}?", formula)
    formula = re.sub(r"\\(?:mathcal|mathbb) ?\{?[A-Z]\}?", " ", formula)
    greek = [name for name in re.findall(r"\\([A-Za-z]+)", formula) if name in GREEK.split()]
    latin = re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", formula))
    return {re.sub(r"[ {}]", "", name) for name in calligraphic} | {f"\\{name}" for name in greek} | set(latin)


def labelled(stem):
    return [found["formula"] for found in EQUATION.finditer(prose(stem))]


def rows(table):
    """(letters of the symbol, last cell) of each row but the head."""
    for row in re.split(r"^\* - ", table, flags=re.M)[2:]:
        first, *_, last = re.split(r"\n  -", row.strip())
        yield letters(" ".join(re.findall(r"\$([^$]+)\$", first))), last


EVERYWHERE, SINGLE = re.findall(r"^```\{list-table\}\n(.+?)^```", PAGE, flags=re.M | re.S)
ALWAYS = set().union(*(found for found, _ in rows(EVERYWHERE))) | {"d"}  # dW, dt


def listed(stem):
    return set().union(*(found for found, where in rows(SINGLE) if f"]({stem}.ipynb)" in where))


def test_letters_are_told_from_words():
    assert letters(r"\mathbb E\,\hat y_{\text{in}} = \operatorname{Var}(\alpha_k)") == {
        r"\mathbbE",
        "y",
        r"\alpha",
        "k",
    }


@chapter
def test_letters_of_labelled_equations_are_on_the_page(stem):
    used = set().union(*map(letters, labelled(stem)))
    assert used - ALWAYS - listed(stem) == set()


@chapter
def test_a_letter_is_listed_where_it_is_used(stem):
    formulas = [inline or display for inline, display in re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", prose(stem), re.S)]
    assert listed(stem) - set().union(*map(letters, formulas)) == set()


def test_rows_lead_to_chapters():
    for found, where in rows(SINGLE):
        assert found and re.fullmatch(r" (?:\[[\d.]+\]\(\w+\.ipynb\)(?:, |$))+", where), (found, where)
        for number, stem in re.findall(r"\[([\d.]+)\]\((\w+)\.ipynb\)", where):
            assert stem in STEMS and stem.startswith(number.replace(".", "_") + "_")


@chapter
def test_one_sign_for_one_thing(stem):
    assert not re.search(r"\\epsilon|\\mathrm ?\{?E\}?(?![A-Za-z])", prose(stem)), (
        "ε is \\varepsilon, a mean \\mathbb E"
    )


def test_every_cell_of_the_chapters_was_read():
    assert all(cells(stem) for stem in STEMS) and sum(len(labelled(stem)) for stem in STEMS) > 150
