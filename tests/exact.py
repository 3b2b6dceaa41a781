"""The oracle of the numerical tests: the formulas to 100 digits with mpmath, and the measure of error in ulps.

Only for finite inputs. Nothing here shares a form with `mlmath`: each formula is as the book states it, or, where that
cancels so badly that 100 digits do not suffice (1 − tanh² at 300), its product form.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 100


def sigmoid(z):
    return 1 / (1 + mp.exp(-z))


def d_sigmoid(z):
    return sigmoid(z) * sigmoid(-z)


def dd_sigmoid(z):
    return d_sigmoid(z) * (sigmoid(-z) - sigmoid(z))


def normal(z):
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def cumulative(z):
    return mp.erfc(-z / mp.sqrt(2)) / 2


# name: (f, f′, f″), the last for the condition of f′
FUNCTIONS = {
    "sigmoid": (sigmoid, d_sigmoid, dd_sigmoid),
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2, lambda z: -2 * mp.sech(z) ** 2 * mp.tanh(z)),
    "relu": (lambda z: max(z, mp.mpf(0)), lambda z: mp.mpf(z > 0), lambda z: mp.mpf(0)),
    "leaky_relu": (
        lambda z: z if z > 0 else mp.mpf(0.3) * z,  # the float 0.3
        lambda z: mp.mpf(1) if z > 0 else mp.mpf(0.3),
        lambda z: mp.mpf(0),
    ),
    "softplus": (lambda z: mp.log1p(mp.exp(z)), sigmoid, d_sigmoid),
    "gelu": (
        lambda z: z * cumulative(z),
        lambda z: cumulative(z) + z * normal(z),
        lambda z: (2 - z * z) * normal(z),
    ),
    "silu": (
        lambda z: z * sigmoid(z),
        lambda z: sigmoid(z) + z * d_sigmoid(z),
        lambda z: 2 * d_sigmoid(z) + z * dd_sigmoid(z),
    ),
}


def row(z):
    """The entries of `z` as mpmath numbers."""
    return [mp.mpf(float(x)) for x in np.ravel(z)]


def softmax(z):
    """p and 1 − p, the latter as a sum of the other probabilities."""
    powers = [mp.exp(x) for x in z]
    total = mp.fsum(powers)
    return [p / total for p in powers], [mp.fsum(powers[:j] + powers[j + 1 :]) / total for j in range(len(z))]


def log(p, q):
    """log p, given also q = 1 − p."""
    return mp.log1p(-q) if q < 0.5 else mp.log(p)


def ulp(exact, dtype) -> mp.mpf:
    """The distance of neighbouring floats at `exact`; below the smallest normal number, the smallest subnormal."""
    info = np.finfo(dtype)
    exponent = mp.frexp(exact)[1] - 1 if exact else info.minexp
    return mp.ldexp(1, max(exponent, info.minexp) - info.nmant)


def error(got, exact, condition=0) -> float:
    """|got − exact| in ulps of the type of `got`, per (1 + condition): what the numerical requirement limits to 8."""
    if not np.isfinite(got):
        return 0.0 if mp.fabs(exact) >= mp.mpf(float(np.finfo(got.dtype).max)) and got * mp.sign(exact) > 0 else mp.inf
    return float(mp.fabs(mp.mpf(float(got)) - exact) / ulp(exact, got.dtype) / (1 + condition))


def worst(got, exact, conditions) -> float:
    """The largest `error` over arrays of results, exact values and condition numbers."""
    return max(error(g, e, c) for g, e, c in zip(np.ravel(got), exact, conditions, strict=True))


def condition(x, slope, value):
    """|x f′(x) / f(x)|: by how much a relative error of x grows. Infinite at a zero of f other than x = 0."""
    if not value:
        return mp.inf if x else mp.mpf(0)
    return mp.fabs(x * slope / value)


def row_condition(z, slopes, value):
    """Σ_k |z_k ∂f/∂z_k / f|: the same for a function of several numbers."""
    return mp.fsum(condition(x, s, value) for x, s in zip(z, slopes, strict=True))
