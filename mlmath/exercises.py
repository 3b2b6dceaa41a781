"""Tell a reader whether an answer to a code exercise is right, and if not, where it first goes wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np


def check_answer(label: str, yours: Any, right: Any, *cases: Any, tolerance: float = 1e-9) -> None:
    """Print "✓ label: right", or in one line what is wrong with `yours`. Nothing is raised.

    `yours` and `right` are two values (numbers, arrays), or two functions that are called on each of the `cases`:
    one argument, or a tuple of arguments. Two numbers are the same if they differ by at most `tolerance` times the
    larger of 1e-3 and the right one, so that a small right answer must be met closely too.

    >>> check_answer("ex-square", lambda x: x * x, np.square, 0.0, 3.0)
    ✓ ex-square: right
    >>> check_answer("ex-square", lambda x: 2 * x, np.square, 2.0, 3.0)
    ✗ ex-square: for 3.0 yours is 6.0; it should be 9.0
    >>> check_answer("ex-pi", ..., 3.14159)
    … ex-pi: not answered yet
    """
    if callable(right):
        if not cases:
            raise ValueError("cases was empty; it should be at least one input, because a check of nothing cannot fail")
        faults = (_fault(_called(yours, case), right(*_arguments(case)), tolerance, case) for case in cases)
    else:
        faults = iter([_fault(yours, right, tolerance)])
    fault = next((fault for fault in faults if fault), None)
    print(fault.format(label=label) if fault else f"✓ {label}: right")


def _arguments(case: Any) -> tuple:
    return case if isinstance(case, tuple) else (case,)


def _called(function: Callable, case: Any) -> Any:
    """What the reader's function gives, or the exception that it raised."""
    try:
        with np.errstate(all="ignore"):
            return function(*_arguments(case))
    except Exception as error:
        return error


def _fault(yours: Any, right: Any, tolerance: float, case: Any = None) -> str | None:
    """The sentence that says what is wrong, with {label} to fill in; None if nothing is."""
    where = "" if case is None else f"for {_short(case)} "
    if yours is None or yours is ...:
        return "… {label}: not answered yet"
    if isinstance(yours, Exception):
        return _plain(f"✗ @: {where}yours stops with {type(yours).__name__}: {yours}")
    try:
        a, b = np.asarray(yours, float), np.asarray(right, float)
    except (TypeError, ValueError):
        return _plain(f"✗ @: {where}yours is {_short(yours)}; it should be numbers")
    if a.shape != b.shape:
        return _plain(f"✗ @: {where}yours has shape {a.shape}; it should be {b.shape}")
    with np.errstate(all="ignore"):
        wrong = ~((a == b) | (np.abs(a - b) <= tolerance * np.maximum(1e-3, np.abs(b))))
    if wrong.any():
        k = tuple(map(int, np.argwhere(wrong)[0]))
        entry = f"entry {k} of " if k else ""
        return _plain(f"✗ @: {where}{entry}yours is {a[k]:.6}; it should be {b[k]:.6}")
    return None


def _plain(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}").replace("@", "{label}", 1)


def _short(value: Any) -> str:
    text = np.array2string(value, threshold=6) if isinstance(value, np.ndarray) else str(value)
    return text if len(text) < 80 else text[:77] + "…"
