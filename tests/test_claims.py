"""A claim prints its evidence, and falls where one value lies outside its bounds."""

import numpy as np
import pytest

from mlmath.claims import Claim, claim, parse

WORDS = dict(of="gain in accuracy", ran="3 seeds", said_by="this book")


def test_the_line_has_sentence_spread_and_source(capsys):
    claim("It helps", np.array([0.02, 0.01, 0.03]), (0, 1), **WORDS)
    assert capsys.readouterr().out.splitlines() == [
        "✓ shows: It helps.",
        "  gain in accuracy: 0.01 to 0.03 over 3 runs (3 seeds). Said by: this book.",
    ]


def test_runs_that_agree_are_one_number(capsys):
    claim("It helps", [1, 1.0001, 1], (0, 2), **WORDS)
    assert ": 1 over 3 runs (" in capsys.readouterr().out


def test_the_bounds_belong_to_the_range(capsys):
    claim("It is nothing", [0, 0], (0, 0), **WORDS)
    assert ": 0 over 2 runs (" in capsys.readouterr().out


def test_what_does_not_show_says_so(capsys):
    claim("It helps.", [-0.001], (-0.01, 0.001), **WORDS, shows=False)
    assert capsys.readouterr().out.startswith("✗ does not show: It helps.\n  gain in accuracy: -0.001 over 1 run (")


@pytest.mark.parametrize("values", [[0.5, 1.2, 1.1], [0.5, -0.3]])
def test_one_value_outside_is_enough_to_fail(values):
    worst = max(values, key=lambda value: abs(value - 0.5))
    with pytest.raises(AssertionError, match=f"'It helps'.*was {worst}.* between 0 and 1"):
        claim("It helps", values, (0, 1), **WORDS)


@pytest.mark.parametrize(
    ("values", "between", "named"),
    [([], (0, 1), "values"), ([0.5, np.inf], (0, 1), "values"), ([0.5], (1, 0), "between")],
)
def test_bad_input_is_named(values, between, named):
    with pytest.raises(ValueError, match=named):
        claim("It helps", values, between, **WORDS)


def test_what_is_printed_can_be_read_back(capsys):
    claim(
        "It (often) helps: always", [0.02, 0.01], (0, 1), of="gain, in points: test", ran="2 seeds (0, 1)", said_by="X."
    )
    claim("It harms.", [5], (0, 10), of="loss", ran="once", said_by="folklore", shows=False)
    assert list(parse("before\n" + capsys.readouterr().out + "after\n")) == [
        Claim("It (often) helps: always", True, "gain, in points: test", "0.01 to 0.02", 2, "2 seeds (0, 1)", "X"),
        Claim("It harms", False, "loss", "5", 1, "once", "folklore"),
    ]


def test_a_claim_within_other_words_is_none():
    lines = "✓ shows: It helps.\n  gain: 1 over 1 run (once). Said by: X."
    assert len(list(parse(lines))) == 1
    assert list(parse(f"so {lines}")) == list(parse(f"{lines} So")) == []
