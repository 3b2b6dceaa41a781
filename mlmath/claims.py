"""What the book says of something that could have come out otherwise, with what was measured, over how many seeds."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mlmath._check import floats, require

LINES = re.compile(
    r"^(?P<shows>✓ shows|✗ does not show): (?P<text>.+)\.\n"
    r"  (?P<of>.+): (?P<span>\S+(?: to \S+)?) over (?P<runs>\d+) runs? \((?P<ran>.+)\)\. Said by: (?P<said_by>.+)\.$",
    flags=re.M,
)


class Claim(NamedTuple):
    """A claim as it was printed."""

    text: str
    shows: bool
    of: str
    span: str
    runs: int
    ran: str
    said_by: str


def claim(
    text: str,
    values: Sequence[float],
    between: tuple[float, float],
    *,
    of: str,
    ran: str,
    said_by: str,
    shows: bool = True,
) -> None:
    """Asserts that every measured value lies where the claim needs it, and prints the claim with its evidence.

    Args:
        text: the claim, one sentence that can be understood alone.
        values: what was measured, one number a seed (or a run).
        between: the bounds, both included, within which each value must lie.
        of: what the values are, with their unit.
        ran: what was run.
        said_by: who says so, first if that is known.
        shows: False for a claim that is often made and that `values` refute.

    Source: the page claims.md, which is collected from the lines that it prints.

    Raises:
        AssertionError: a value outside the bounds; it names the worst.
        ValueError: no values, values that are not finite, bounds in the wrong order.

    >>> claim("A fair die shows six in one throw of six", [0.166, 0.168], (0.16, 0.173),
    ...       of="share of sixes", ran="10,000 throws", said_by="Cardano")
    ✓ shows: A fair die shows six in one throw of six.
      share of sixes: 0.166 to 0.168 over 2 runs (10,000 throws). Said by: Cardano.
    """
    values = floats("values", values, (None,))
    low, high = between
    require(values.size > 0 and bool(np.isfinite(values).all()), "values", f"{values.tolist()}", "finite, at least one")
    require(low <= high, "between", f"({low}, {high})", "in rising order")
    outside = np.maximum(low - values, values - high)
    worst = values[outside.argmax()]
    assert outside.max() <= 0, f"claim {text!r}: {of} was {worst:.6g}, it should lie between {low:.6g} and {high:.6g}"

    ends = dict.fromkeys(f"{end:.3g}" for end in (values.min(), values.max()))  # one number where both are the same
    span, runs = " to ".join(ends), f"{values.size} run{'s' * (values.size > 1)}"
    print(f"{'✓ shows' if shows else '✗ does not show'}: {text.rstrip('.')}.")
    print(f"  {of}: {span} over {runs} ({ran}). Said by: {said_by.rstrip('.')}.")


def parse(printed: str) -> Iterator[Claim]:
    """The claims among what a program printed, in their order.

    >>> next(parse("✗ does not show: It helps.\\n  gain: -0.1 to 0.1 over 3 runs (MNIST). Said by: many.")).span
    '-0.1 to 0.1'
    """
    for found in LINES.finditer(printed):
        parts = found.groupdict()
        yield Claim(**parts | {"shows": parts["shows"].startswith("✓"), "runs": int(parts["runs"])})
