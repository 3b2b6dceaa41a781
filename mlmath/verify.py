"""The checks behind "verified": each vouches for one labelled equation, prints one line, and raises if it fails.

The line says which bound held, never what was measured, so it is the same on every machine. `parse` reads it back.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from mlmath._check import number, require

LABEL = r"eq-[a-z0-9]+(?:-[a-z0-9]+)*"
LINE = re.compile(rf"✓ (?P<label>{LABEL}): (?P<detail>(?P<kind>identity|derivative|agrees|definition)\b.+)")


class VerificationError(AssertionError):
    """An equation did not hold; the message has the worst input, both values and their difference."""


class Check(NamedTuple):
    """One check of one equation; `kind` is the first word of `detail`."""

    label: str
    kind: str
    detail: str


registry: dict[str, list[Check]] = {}


def parse(line: str) -> Check | None:
    """The check that printed `line`, or None if no check did.

    >>> parse("✓ eq-relu: agrees with TensorFlow at 5 points, exactly").kind
    'agrees'
    """
    match = LINE.fullmatch(line.strip())
    return match and Check(match["label"], match["kind"], match["detail"])


def definition(label: str, why: str) -> None:
    """State that the equation needs no check because it is a definition, and `why` it is one.

    >>> definition("eq-mse", "the mean of the squared errors is what MSE means")
    ✓ eq-mse: definition: the mean of the squared errors is what MSE means
    """
    _label(label)
    one_line = isinstance(why, str) and bool(why.strip()) and "\n" not in why
    require(one_line, "why", repr(why), "a reason in one line of words")
    _passed(label, f"definition: {why.strip()}")


def identity(label: str, left: Any, right: Any) -> None:
    """Have SymPy prove `left` = `right`, two expressions or matrices of one shape, for all values of the symbols.

    What the symbols may be (`real=True`, `positive=True`, `integer=True`) is part of the claim.
    Raises VerificationError, with a counterexample if one is found, and saying that there is none if not.

    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> identity("eq-square", (x + 1) ** 2, x**2 + 2 * x + 1)
    ✓ eq-square: identity, proved by SymPy
    """
    _label(label)
    left, right = _matrix(left), _matrix(right)
    _same_shape(label, ("left side", left.shape), ("right side", right.shape))
    require(len(left) > 0, "the number of entries", 0, "at least 1, because a check of nothing cannot fail")
    unproved = [k for k in range(len(left)) if not _is_zero(left[k] - right[k])]
    for k in unproved:
        entry = f" (entry {divmod(k, left.cols)})" if len(left) > 1 else ""
        _refute(label, left[k], right[k], entry)
    if unproved:
        raise VerificationError(
            f"✗ {label}: neither proved nor refuted: SymPy does not reduce {left[unproved[0]]} − ({right[unproved[0]]})"
            " to 0, and no counterexample was found. Simplify one side, or say what the symbols are (real=True, …)"
        )
    _passed(label, "identity, proved by SymPy")


def gradient(
    label: str, f: Callable, d_f: Callable, *, at: Any, method: str = "complex step", tolerance: float | None = None
) -> None:
    """Compare `d_f` with an independent derivative of `f` at the array x = `at`, in float64.

    The shapes say which derivative is meant:
    f elementwise, d_f(x) of x's shape: f′ at every point; f(x) a scalar, d_f(x) of x's shape: the gradient of a loss;
    otherwise d_f(x) has the shape of f(x) followed by that of x: the Jacobian ∂f_i/∂x_j.

    "complex step" is Im f(x + ih)/h with h = 10⁻³⁰: no difference is taken, so nothing cancels. It needs f as a NumPy
    formula that takes complex numbers (no abs; mlmath's own functions refuse them). "central differences" are
    (f(x + h) − f(x − h))/2h with h = 6·10⁻⁶ max(1, |x|): for any f, to fewer digits.
    `tolerance` (1e-12, for differences 1e-8) is multiplied by the largest entry of the derivative.

    >>> gradient("eq-d-exp", np.exp, np.exp, at=[-1, 0, 1])
    ✓ eq-d-exp: derivative = complex step at 3 points, within 1e-12 of the largest
    """
    _label(label)
    require(method in _METHODS, "method", repr(method), " or ".join(map(repr, _METHODS)))
    tolerance = _METHODS[method][1] if tolerance is None else number("tolerance", tolerance, 0)
    x = _numbers("at", at).astype(np.float64)
    require(x.size > 0, "at", "empty", "at least one point, because a check of nothing cannot fail")
    value, ours = _numbers("f(at)", f(x)), _numbers("d_f(at)", d_f(x))
    if value.shape == x.shape == ours.shape:
        reference, where = _METHODS[method][0](f, x, np.ones_like(x)), _count(x.size, "point")
    else:
        columns = [_METHODS[method][0](f, x, unit) for unit in _units(x)]
        reference = np.stack(columns, axis=-1).reshape(value.shape + x.shape)
        where = _count(x.size, "coordinate")
    bound = f"within {tolerance:g} of the largest"
    _compare(label, ("d_f", ours), (method, reference), tolerance * _largest(reference), bound, [("x", x)])
    _passed(label, f"derivative = {method} at {where}, {bound}")


def agrees(
    label: str,
    ours: Any,
    reference: Any,
    *inputs: Any,
    ulps: float | None = None,
    eps: float | None = None,
    against: str = "TensorFlow",
) -> None:
    """Compare two arrays, or two functions on the same `inputs`: same shape, same type, and every entry within `ulps`
    units in the last place of the reference (0: exactly), or within `eps` machine epsilons of its largest entry.

    >>> agrees("eq-square", np.array([4.0, 9.0]), np.square, np.array([2.0, 3.0]), ulps=0, against="NumPy")
    ✓ eq-square: agrees with NumPy at 2 points, exactly
    """
    _label(label)
    require((ulps is None) != (eps is None), "the bound", f"ulps={ulps}, eps={eps}", "one of the two")
    require(ours is not reference, "reference", "ours itself", "something independent, or the check cannot fail")
    a = _numbers("ours", ours(*inputs) if callable(ours) else ours)
    b = _numbers("reference", reference(*inputs) if callable(reference) else reference)
    if a.dtype != b.dtype:
        raise VerificationError(f"✗ {label}: ours is {a.dtype}, {against} is {b.dtype}")
    if ulps is not None:
        allowed = number("ulps", ulps, 0) * np.spacing(np.abs(b))
        bound = f"within {ulps:g} ulp{'s' * (ulps != 1)}" if ulps else "exactly"
    else:
        allowed = number("eps", eps, 0) * np.finfo(b.dtype).eps * _largest(b)
        bound = f"within {eps:g} eps of the largest"
    named = [(f"input {i}", np.asarray(x)) for i, x in enumerate(inputs, 1)]
    _compare(label, ("ours", a), (against, b), allowed, bound, named)
    _passed(label, f"agrees with {against} at {_count(b.size, 'point')}, {bound}")


def _passed(label: str, detail: str) -> None:
    check = parse(f"✓ {label}: {detail}")
    require(check is not None, "the line", repr(detail), "one that parse() can read back")
    if check not in registry.setdefault(label, []):
        registry[label].append(check)
    print(f"✓ {label}: {detail}")


def _compare(label: str, ours: tuple, reference: tuple, allowed: Any, bound: str, inputs: list) -> None:
    """Raise at the entry furthest outside what is `allowed`; a NaN is outside whatever the other side says."""
    (our_name, a), (its_name, b) = ours, reference
    _same_shape(label, (our_name, a.shape), (its_name, b.shape))
    require(b.size > 0, "the number of points", 0, "at least 1, because a check of nothing cannot fail")
    with np.errstate(all="ignore"):
        difference = np.abs(a - b)
        excess = np.where((a == b) | (difference <= allowed), -1, np.nan_to_num(difference - allowed, nan=np.inf))
    k = np.unravel_index(np.argmax(excess), b.shape)
    if excess[k] >= 0:
        index = tuple(map(int, k))
        found = "".join(f"{name} = {x[where]}, " for name, x in inputs if (where := _source(x, b, k)) is not None)
        raise VerificationError(
            f"✗ {label}: worst at {found}entry {index}: {our_name} = {a[k]!s}, {its_name} = {b[k]!s}, "
            f"difference {difference[k]:.3g}; it should be {bound}"
        )


def _source(x: np.ndarray, result: np.ndarray, k: tuple) -> tuple | None:
    """Where in the input entry k of the result comes from: one entry, a row if rows were reduced, or unknown."""
    if x.ndim <= result.ndim and x.shape == result.shape[result.ndim - x.ndim :]:
        return k[result.ndim - x.ndim :]
    return k if 0 < result.ndim < x.ndim and x.shape[: result.ndim] == result.shape else None


def _complex_step(f: Callable, x: np.ndarray, direction: np.ndarray) -> np.ndarray:
    moved = np.asarray(f(x + 1e-30j * direction))
    if moved.dtype.kind != "c":
        raise TypeError("f was real for complex input; it should keep the imaginary part (no abs), or use differences")
    return moved.imag / 1e-30


def _central_differences(f: Callable, x: np.ndarray, direction: np.ndarray) -> np.ndarray:
    h = 6e-6 * np.maximum(1, np.abs(x))
    above, below = x + h * direction, x - h * direction
    moved_by = above - below  # not 2h: what the machine made of it
    width = moved_by if direction.all() else moved_by.sum()
    return (np.asarray(f(above)) - np.asarray(f(below))) / width


_METHODS = {"complex step": (_complex_step, 1e-12), "central differences": (_central_differences, 1e-8)}


def _units(x: np.ndarray) -> Iterator[np.ndarray]:
    for k in np.ndindex(x.shape):
        unit = np.zeros_like(x)
        unit[k] = 1
        yield unit


def _is_zero(difference: Any) -> bool:
    """Whether one of SymPy's equivalences takes the difference to exactly 0."""
    import sympy as sp

    ways = (
        lambda d: d,
        sp.expand,
        sp.simplify,
        lambda d: sp.simplify(d.rewrite(sp.exp)),
        lambda d: sp.simplify(sp.expand_log(sp.expand(d))),
        lambda d: sp.simplify(sp.piecewise_fold(d)),
        lambda d: sp.simplify(sp.expand(d.rewrite(sp.exp), func=True)),
    )
    return any(way(difference) == 0 for way in ways)


def _refute(label: str, left: Any, right: Any, entry: str) -> None:
    """Raise with the point, of forty that fit the symbols' assumptions, where the sides differ most."""
    import sympy as sp
    from sympy.core.function import AppliedUndef

    if left.has(AppliedUndef) or right.has(AppliedUndef):
        return  # a function of which only the name is known has no values
    rng = np.random.default_rng(0)
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    found = []
    for _ in range(40):
        point = {s: _value(s, rng) for s in symbols}
        values = [sp.N(side.subs(point).doit(), 30) for side in (left, right)]
        if all(v.is_number and v.is_finite for v in values):
            difference = abs(sp.N(values[0] - values[1], 30))
            if difference > 1e-15 * (1 + abs(values[1])):
                found.append((float(difference), point, *values))
    if found:
        difference, point, a, b = max(found, key=lambda row: row[0])
        at = "worst at " + ", ".join(f"{s} = {v}" for s, v in point.items()) if point else "the sides differ"
        raise VerificationError(
            f"✗ {label}: {at}{entry}: left = {sp.N(a, 10)}, right = {sp.N(b, 10)}, difference {difference:.3g}"
        )


def _value(symbol: Any, rng: np.random.Generator) -> Any:
    """A number that the symbol may stand for."""
    import sympy as sp

    size = int(rng.integers(1, 6)) if symbol.is_integer else sp.Rational(int(rng.integers(1, 49)), 16)
    return size if symbol.is_nonnegative or (not symbol.is_nonpositive and rng.random() < 0.5) else -size


def _matrix(side: Any) -> Any:
    import sympy as sp
    from sympy.matrices.expressions.matexpr import MatrixElement

    side = sp.sympify(side)
    if isinstance(side, sp.MatrixExpr):  # entries A[0, 0], … become symbols, so that numbers can be put for them
        side = side.as_explicit()
        side = side.xreplace({e: sp.Symbol(str(e)) for e in side.atoms(MatrixElement)})
    return sp.Matrix(side if hasattr(side, "shape") else [[side]]).doit()


def _numbers(name: str, value: Any) -> np.ndarray:
    """`value` as an array of floats, NaN allowed in: `_compare` must see it to refuse it."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} was of type {array.dtype}; it should be real numbers")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _largest(array: np.ndarray) -> float:
    return float(np.max(np.abs(array), where=np.isfinite(array), initial=0))


def _label(label: str) -> None:
    well_formed = isinstance(label, str) and re.fullmatch(LABEL, label) is not None
    require(well_formed, "label", repr(label), 'an equation\'s label, such as "eq-d-sigmoid"')


def _same_shape(label: str, ours: tuple, reference: tuple) -> None:
    if ours[1] != reference[1]:
        raise VerificationError(f"✗ {label}: {ours[0]} has shape {ours[1]}, {reference[0]} has shape {reference[1]}")


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
