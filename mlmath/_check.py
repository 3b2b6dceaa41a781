"""Errors that name the argument, what it was, and what it should have been."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np


def require(holds: bool, name: str, was: Any, should_be: str) -> None:
    """Raise ValueError "`name` was `was`; it should be `should_be`" unless `holds`.

    >>> require(False, "rate", -1, "a positive number")
    Traceback (most recent call last):
    ValueError: rate was -1; it should be a positive number
    """
    if not holds:
        raise ValueError(f"{name} was {was}; it should be {should_be}")


def as_array(name: str, value: Any) -> np.ndarray:
    """`value` as an array of whatever it holds."""
    try:
        return np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} was {value!r:.60}; it should be an array, its rows of one length") from error


def floats(name: str, value: Any, shape: tuple[int | None, ...] | None = None) -> np.ndarray:
    """`value` as an array of float32 or float64 without NaN; integers and booleans become float64.

    `shape`, if given, is what the array must have, with None for an axis of any length.
    """
    array = as_array(name, value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} was {_kind(array)}; it should be real numbers")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    nan = array.size > 0 and bool(np.isnan(array.min()))  # a minimum passes NaN on, and needs no array of answers
    require(not nan, name, "an array with NaN in it", "numbers only")
    if shape is not None:
        fits = array.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
        require(fits, name, f"of shape {array.shape}", f"of shape {_shape(shape)}")
    return array


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, above: bool = False) -> float:
    """`value` as a float in [low, high], or in (low, high] if `above`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} was {value!r}; it should be a number")
    inside = low < value <= high if above else low <= value <= high
    start = f"above {low:g}" if above else f"at least {low:g}"
    should_be = f"{start} and at most {high:g}" if high < math.inf else f"a finite number {start}"
    require(inside and math.isfinite(value), name, value, should_be)
    return float(value)


def integer(name: str, value: Any, low: int = 0) -> int:
    """`value` as an int of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} was {value!r}; it should be a whole number")
    require(value >= low, name, value, f"a whole number of at least {low}")
    return int(value)


def _kind(array: np.ndarray) -> str:
    return "complex" if array.dtype.kind == "c" else f"of type {array.dtype}"


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
