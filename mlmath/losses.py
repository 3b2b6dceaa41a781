"""Losses: each gives one number, the mean over the batch, and has a gradient d_… in its first argument.

A loss and its gradient have the type of the first argument, float32 or float64, and the gradient has its shape.
An infinite loss (probability 0 for what happened) is returned as such; a term of weight 0 is left out, so that 0 · ∞
does not arise. Nothing is clipped. What is too small for its type becomes subnormal or 0, what is too large ∞.
"""

from collections.abc import Callable
from functools import wraps

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlmath._check import as_array, floats, require
from mlmath.activations import shifted, sum_of_others


def _quiet(f: Callable) -> Callable:
    """`f` without warnings where the nearest float, 0 or ±∞, is the answer."""

    @wraps(f)
    def quiet(*args, **kwargs):
        with np.errstate(under="ignore", over="ignore", divide="ignore"):
            return f(*args, **kwargs)

    return quiet


@_quiet
def mse(Y_hat: ArrayLike, Y: ArrayLike) -> np.floating:
    """L = (1/n) Σ (ŷ_i − y_i)², n the number of entries; both arguments have the same shape.

    Raises: ValueError for shapes that differ, no entries, NaN, or an infinite Y (so do all losses here).
    Source: 3_3_loss_functions, eq-mse.

    >>> print(mse([1, 2], [1, 4]))
    2.0
    """
    Y_hat, Y = _pair("Y_hat", Y_hat, Y)
    return _mean((Y_hat - Y) ** 2)


@_quiet
def d_mse(Y_hat: ArrayLike, Y: ArrayLike) -> NDArray:
    """∂L/∂ŷ_i = (2/n)(ŷ_i − y_i).

    Source: 3_3_loss_functions, eq-mse.

    >>> print(d_mse([1, 2], [1, 4]))
    [ 0. -2.]
    """
    Y_hat, Y = _pair("Y_hat", Y_hat, Y)
    return (Y_hat - Y) / (Y.size / 2)


@_quiet
def binary_cross_entropy(P: ArrayLike, Y: ArrayLike) -> np.floating:
    """L = −(1/n) Σ [y_i log p_i + (1 − y_i) log(1 − p_i)], n the number of entries; both of the same shape.

    Raises: ValueError for shapes that differ, no entries, NaN, or a number outside [0, 1] in P or Y.
    Source: 3_3_loss_functions, eq-bce; Good 1952.

    >>> print(binary_cross_entropy([0, 1], [0, 1]), binary_cross_entropy([0.5, 0], [1, 1]))
    0.0 inf
    """
    P, Y = _probabilities(P, Y)
    if_one = np.log(P, where=Y > 0, out=np.zeros_like(P))
    if_zero = np.log1p(-P, where=Y < 1, out=np.zeros_like(P))
    return _mean(-(Y * if_one + (1 - Y) * if_zero))


@_quiet
def d_binary_cross_entropy(P: ArrayLike, Y: ArrayLike) -> NDArray:
    """∂L/∂p_i = (1/n) [(1 − y_i)/(1 − p_i) − y_i/p_i].

    Source: 3_3_loss_functions, eq-bce.

    >>> print(d_binary_cross_entropy([0, 0.5, 1, 0], [0, 1, 1, 1]))
    [ 0.25 -0.5  -0.25  -inf]
    """
    P, Y = _probabilities(P, Y)
    if_one = np.divide(Y, P, where=Y > 0, out=np.zeros_like(P))
    if_zero = np.divide(1 - Y, 1 - P, where=Y < 1, out=np.zeros_like(P))
    return (if_zero - if_one) / P.size


@_quiet
def binary_cross_entropy_from_logits(Z: ArrayLike, Y: ArrayLike) -> np.floating:
    """`binary_cross_entropy(sigmoid(Z), Y)` without the rounding of the sigmoid in between.

    A term is log(1 + e^z) − yz = |z| w + log(1 + e^−|z|), where w is 1 − y for z > 0 and y otherwise: no difference.
    Raises: ValueError for shapes that differ, no entries, NaN, or a number outside [0, 1] in Y.
    Source: 3_3_loss_functions, eq-bce-logits.

    >>> print(binary_cross_entropy_from_logits([1000, np.inf], [1, 1]), binary_cross_entropy_from_logits(-1000, 1))
    0.0 1000.0
    """
    Z, Y = _logits(Z, Y)
    size = abs(Z)
    weight = np.where(Z > 0, 1 - Y, Y)
    wrong = np.multiply(size, weight, where=weight > 0, out=np.zeros_like(Z))
    return _mean(wrong + np.log1p(np.exp(-size)))


@_quiet
def d_binary_cross_entropy_from_logits(Z: ArrayLike, Y: ArrayLike) -> NDArray:
    """∂L/∂z_i = (1/n)(σ(z_i) − y_i), in two forms, because each cancels where the other does not.

    With q = e^−|z|: [(1 − y) − yq] / (1 + q) or [(1 − y)q − y] / (1 + q) by the sign of z; near 0, where these are
    differences of almost equal numbers for y ≈ ½, σ(z) − y = ½ tanh(z/2) + (½ − y).
    Source: 3_3_loss_functions, eq-bce-logits.

    >>> print(d_binary_cross_entropy_from_logits([0, 0, -np.inf, 50], [0, 1, 0, 1]))
    [ 1.25000000e-01 -1.25000000e-01  0.00000000e+00 -4.82187462e-23]
    """
    Z, Y = _logits(Z, Y)
    decay = np.exp(-abs(Z))
    far = np.where(Z >= 0, (1 - Y) - Y * decay, (1 - Y) * decay - Y) / (1 + decay)
    near = np.tanh(Z / 2) / 2 + (0.5 - Y)
    return np.where(abs(Z) < 1, near, far) / Z.size


@_quiet
def cross_entropy(Z: ArrayLike, labels: ArrayLike) -> np.floating:
    """L = −(1/m) Σ_i log softmax(z_i)_{y_i} for integer labels (m,), −(1/m) Σ_i Σ_k y_ik log softmax(z_i)_k for (m, K).

    Z of shape (m, K) holds logits, not probabilities. A sure answer keeps its small loss, as in `log_softmax`.
    Raises: ValueError for shapes that do not fit, an empty batch, NaN, labels outside 0 … K − 1, or rows that are no
    probabilities; TypeError for labels (m,) that are no integers.
    Source: 3_3_loss_functions, eq-cce-likelihood.

    >>> print(cross_entropy([[0, 0]], [1]), cross_entropy([[50, 0]], [0]), cross_entropy([[0, 50]], [[0.5, 0.5]]))
    0.6931471805599453 1.9287498479639178e-22 25.0
    """
    Z, labels = _batch(Z, labels)
    return _cross_entropy(labels, *shifted(Z))


@_quiet
def d_cross_entropy(Z: ArrayLike, labels: ArrayLike) -> NDArray:
    """∂L/∂z_ij = (1/m)(p_ij − y_ij), p = softmax(z).

    p − 1 at an integer label is minus the sum of the other probabilities: a sure answer keeps its small gradient, and
    each row sums to 0. For probabilities, p_j − y_j = p_j Σ_{k≠j} y_k − y_j Σ_{k≠j} p_k (using Σ y = 1): one
    difference, exact to a few roundings of its two terms, which is all that rounded labels allow when p ≈ y.
    Source: 3_3_loss_functions, eq-softmax-ce-gradient.

    >>> print(d_cross_entropy([[0, 0], [0, 50]], [0, 1]))
    [[-2.50000000e-01  2.50000000e-01]
     [ 9.64374924e-23 -9.64374924e-23]]
    """
    Z, labels = _batch(Z, labels)
    return _d_cross_entropy(labels, *shifted(Z))


@_quiet
def cross_entropy_and_gradient(Z: ArrayLike, labels: ArrayLike) -> tuple[np.floating, NDArray]:
    """(`cross_entropy`, `d_cross_entropy`) of the same logits and labels, which `fit` needs both: one look, one e^z.

    Source: 3_3_loss_functions, eq-cce-likelihood and eq-softmax-ce-gradient.

    >>> loss, dZ = cross_entropy_and_gradient([[0, 0]], [0])
    >>> print(loss, dZ)
    0.6931471805599453 [[-0.5  0.5]]
    """
    Z, labels = _batch(Z, labels)
    parts = shifted(Z)
    return _cross_entropy(labels, *parts), _d_cross_entropy(labels, *parts)


def _cross_entropy(labels: NDArray, S: NDArray, E: NDArray, rest: NDArray) -> np.floating:
    if labels.ndim == 1:
        return _mean(np.log1p(rest[:, 0]) - S[np.arange(len(S)), labels])
    surprise = np.log1p(rest) - S
    return _mean(np.multiply(labels, surprise, where=labels > 0, out=np.zeros_like(S)).sum(axis=1))


def _d_cross_entropy(labels: NDArray, S: NDArray, E: NDArray, rest: NDArray) -> NDArray:
    P = E / (1 + rest)
    if labels.ndim == 1:
        rows = np.arange(len(P))
        P[rows, labels] = 0
        P[rows, labels] = -P.sum(axis=1)
        return P / len(P)
    return (P * sum_of_others(labels) - labels * (sum_of_others(E) / (1 + rest))) / len(P)


def _mean(terms: NDArray) -> np.floating:
    """The mean, also where the sum is too large for the type and the mean is not."""
    mean = terms.mean()
    return mean if np.isfinite(mean) else (terms / terms.size).sum()


def _pair(name: str, first: ArrayLike, Y: ArrayLike) -> tuple[NDArray, NDArray]:
    first, Y = floats(name, first), floats("Y", Y)
    require(first.size > 0, name, f"of shape {first.shape}", "at least one entry")
    require(Y.shape == first.shape, "Y", f"of shape {Y.shape}", f"of shape {first.shape}, as {name}")
    Y = Y.astype(first.dtype, copy=False)
    require(np.isfinite(Y).all(), "Y", "an array with an infinity in it", "finite")
    return first, Y


def _logits(Z: ArrayLike, Y: ArrayLike) -> tuple[NDArray, NDArray]:
    Z, Y = _pair("Z", Z, Y)
    _within_0_and_1("Y", Y)
    return Z, Y


def _probabilities(P: ArrayLike, Y: ArrayLike) -> tuple[NDArray, NDArray]:
    P, Y = _pair("P", P, Y)
    _within_0_and_1("P", P)
    _within_0_and_1("Y", Y)
    return P, Y


def _within_0_and_1(name: str, A: NDArray) -> None:
    low, high = A.min(), A.max()
    require(low >= 0 and high <= 1, name, f"between {low} and {high}", "probabilities, from 0 to 1")


def _batch(Z: ArrayLike, labels: ArrayLike) -> tuple[NDArray, NDArray]:
    """Z (m, K) and labels, either (m,) of integers from 0 to K − 1 or (m, K) of probabilities in Z's type."""
    Z, labels = floats("Z", Z, (None, None)), as_array("labels", labels)
    m, K = Z.shape
    require(m > 0 and K > 0, "Z", f"of shape {Z.shape}", "at least one example and one class")
    if labels.shape == (m, K):
        labels = floats("labels", labels).astype(Z.dtype, copy=False)
        _within_0_and_1("labels", labels)
        sums = labels.sum(axis=1)
        worst = sums[abs(sums - 1).argmax()]
        require(abs(worst - 1) < 1e-4, "labels", f"an array with a row that sums to {worst:.6g}", "rows that sum to 1")
        return Z, labels
    require(
        labels.shape == (m,), "labels", f"of shape {labels.shape}", f"of shape ({m},) or ({m}, {K}), as Z is ({m}, {K})"
    )
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"labels was of type {labels.dtype}; it should be integers, or probabilities of shape ({m}, {K})"
        )
    low, high = labels.min(), labels.max()
    require(low >= 0 and high < K, "labels", f"between {low} and {high}", f"from 0 to {K - 1}")
    return Z, labels
