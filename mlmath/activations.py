"""Activation functions, each f with its derivative d_f, which takes the pre-activation z and never a = f(z).

Every function takes float32 or float64, gives the same type, a scalar for a scalar, and leaves its input alone.
The forms are those that stay exact to a few roundings on the whole range, the limits at ±∞ included.
A result too small for its type becomes subnormal or 0 silently, whatever `np.errstate` says: it is the nearest float.
"""

import math
from collections.abc import Callable
from functools import wraps

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlmath._check import floats, number, require

Function = Callable[..., NDArray]


def _elementwise(f: Function) -> Function:
    """`f` of a checked array of floats, quiet about underflow, a scalar for a scalar."""

    @wraps(f)
    def checked(z: ArrayLike, *args, **kwargs):
        with np.errstate(under="ignore"):
            return f(floats("z", z), *args, **kwargs)[()]

    return checked


def _by_rows(f: Function) -> Function:
    """`f` of a checked array of floats with at least one entry along the last axis, quiet about underflow.

    Quiet about overflow too: where z − max z is beyond the largest float, −∞ serves as well, since e^z is 0 either way.
    """

    @wraps(f)
    def checked(Z: ArrayLike):
        Z = floats("Z", Z)
        require(Z.ndim > 0 and Z.shape[-1] > 0, "Z", f"of shape {Z.shape}", "at least one number along its last axis")
        with np.errstate(under="ignore", over="ignore"):
            return f(Z)

    return checked


@_elementwise
def sigmoid(z: ArrayLike) -> NDArray:
    """σ(z) = 1 / (1 + e^−z) = e^min(z, 0) / (1 + e^−|z|), which cannot overflow.

    Raises: ValueError for NaN, TypeError for what is not real (so do all functions here).
    Source: 3_2_activation_functions, eq-sigmoid.

    >>> print(sigmoid([-np.inf, 0, np.log(3)]))
    [0.   0.5  0.75]
    """
    return np.exp(np.minimum(z, 0)) / (1 + np.exp(-abs(z)))  # a second exp is faster than np.where


@_elementwise
def d_sigmoid(z: ArrayLike) -> NDArray:
    """σ′(z) = σ(z)(1 − σ(z)) = e^−|z| / (1 + e^−|z|)²; 1 − σ would cancel where σ is near 1.

    Source: 3_2_activation_functions, eq-d-sigmoid.

    >>> print(d_sigmoid([0, np.log(3)]))
    [0.25   0.1875]
    """
    decay = np.exp(-abs(z))
    return decay / (1 + decay) ** 2


@_elementwise
def tanh(z: ArrayLike) -> NDArray:
    """tanh z = (e^z − e^−z) / (e^z + e^−z) = 2σ(2z) − 1.

    Source: 3_2_activation_functions, eq-tanh-sigmoid.

    >>> print(tanh(0.0), round(tanh(np.log(2)), 12))
    0.0 0.6
    """
    return np.tanh(z)


@_elementwise
def d_tanh(z: ArrayLike) -> NDArray:
    """tanh′(z) = 1 − tanh²z = 4e^−2|z| / (1 + e^−2|z|)²; 1 − tanh² would cancel where tanh is near ±1.

    Source: 3_2_activation_functions, eq-d-tanh.

    >>> print(d_tanh(0.0), round(d_tanh(np.log(2)), 12))
    1.0 0.64
    """
    decay = np.exp(-2 * np.minimum(abs(z), 1e3))  # e^−2000 is 0, and 2|z| cannot overflow
    return 4 * decay / (1 + decay) ** 2


@_elementwise
def relu(z: ArrayLike) -> NDArray:
    """ReLU(z) = max(z, 0).

    Source: 3_2_activation_functions, eq-relu; Nair and Hinton 2010.

    >>> print(relu([-2, 0, 3]))
    [0. 0. 3.]
    """
    return np.maximum(z, 0)


@_elementwise
def d_relu(z: ArrayLike) -> NDArray:
    """ReLU′(z) = 1 for z > 0, else 0. At 0 there is no derivative; 0 is the convention, as in Keras.

    Source: 3_2_activation_functions, eq-relu.

    >>> print(d_relu([-2, 0, 3]))
    [0. 0. 1.]
    """
    return np.asarray(z > 0).astype(z.dtype)


@_elementwise
def leaky_relu(z: ArrayLike, slope: float = 0.3) -> NDArray:
    """z for z > 0, else slope · z, which for a slope from 0 to 1 is max(z, slope · z).

    Raises: ValueError for a slope outside [0, 1].
    Source: 3_2_activation_functions, eq-leaky; Maas, Hannun and Ng 2013.

    >>> print(leaky_relu([-2, 0, 3], slope=0.5))
    [-1.  0.  3.]
    """
    slope = number("slope", slope, 0, 1)
    return np.maximum(z, slope * z if slope else 0)  # 0 · ∞ is not a number


@_elementwise
def d_leaky_relu(z: ArrayLike, slope: float = 0.3) -> NDArray:
    """1 for z > 0, else the slope (at 0 too, where there is no derivative).

    Raises: ValueError for a slope outside [0, 1].
    Source: 3_2_activation_functions, eq-leaky.

    >>> print(d_leaky_relu([-2, 0, 3], slope=0.5))
    [0.5 0.5 1. ]
    """
    return np.maximum(z > 0, number("slope", slope, 0, 1), dtype=z.dtype)


@_elementwise
def softplus(z: ArrayLike) -> NDArray:
    """log(1 + e^z) = max(z, 0) + log(1 + e^−|z|), which cannot overflow.

    Source: 3_2_activation_functions, eq-softplus; Dugas and others 2000.

    >>> print(softplus([-np.inf, 1000]), round(softplus(np.log(3)) - np.log(4), 12))
    [   0. 1000.] 0.0
    """
    return np.maximum(z, 0) + np.log1p(np.exp(-abs(z)))


@_elementwise
def d_softplus(z: ArrayLike) -> NDArray:
    """softplus′(z) = σ(z).

    Source: 3_2_activation_functions, eq-softplus.

    >>> print(d_softplus([0, np.log(3)]))
    [0.5  0.75]
    """
    return sigmoid(z)


@_elementwise
def gelu(z: ArrayLike) -> NDArray:
    """zΦ(z), Φ the distribution function of the normal distribution.

    Source: 3_2_activation_functions, eq-gelu; Hendrycks and Gimpel 2016.

    >>> print(gelu([-np.inf, 0]), round(gelu(1.0), 4))
    [-0.  0.] 0.8413
    """
    return np.maximum(z, -40) * _normal(z)[0]  # Φ is 0 from −40 down, but 0 · ∞ is not a number


@_elementwise
def d_gelu(z: ArrayLike) -> NDArray:
    """GELU′(z) = Φ(z) + zφ(z), φ the density of the normal distribution.

    Source: 3_2_activation_functions, eq-gelu.

    >>> print(d_gelu([-np.inf, 0, np.inf]), round(d_gelu(1.0), 4))
    [0.  0.5 1. ] 1.0833
    """
    cumulative, density = _normal(z)
    return cumulative + np.clip(z, -40, 40) * density  # φ is 0 beyond ±40


@_elementwise
def silu(z: ArrayLike) -> NDArray:
    """zσ(z), also called swish.

    Source: 3_2_activation_functions, eq-silu; Elfwing, Uchibe and Doya 2018.

    >>> print(silu([-np.inf, 0]), round(silu(np.log(3)) / np.log(3), 12))
    [-0.  0.] 0.75
    """
    return np.maximum(z, -1e3) * sigmoid(z)  # σ is 0 from −1000 down, but 0 · ∞ is not a number


@_elementwise
def d_silu(z: ArrayLike) -> NDArray:
    """SiLU′(z) = σ(z) + zσ′(z) = q(1 + q − |z|) / (1 + q)² with q = e^−|z| for z < 0, and 1 − SiLU′(−z) for z ≥ 0.

    Source: 3_2_activation_functions, eq-silu.

    >>> print(d_silu([-np.inf, 0, np.inf]), round(d_silu(1.0), 4))
    [-0.   0.5  1. ] 0.9277
    """
    size = np.minimum(abs(z), 1e3)  # e^−1000 is 0
    decay = np.exp(-size)
    left = decay * (1 + decay - size) / (1 + decay) ** 2
    return np.where(z < 0, left, 1 - left)


def _normal(z: NDArray) -> tuple[NDArray, NDArray]:
    """Φ(z) and φ(z) of the normal distribution, Φ from its tail Φ(−|z|): 1 + erf would cancel for negative z.

    The tail is ½ erfc(x) with x = |z|/√2. Farther out erfc loses digits, and SciPy's is 0 where it should be below
    1e-310; there ½ e^−x² erfcx(x) has neither fault (but is less exact near 0).
    """
    from scipy.special import erfc, erfcx  # here, because importing it takes longer than importing NumPy

    size = np.minimum(abs(z), 40)  # φ(40) is 0 in either type, and the square cannot overflow
    x = size * 0.5**0.5
    tail = np.piecewise(x, [x < 1], [erfc, lambda x: np.exp(-(x**2)) * erfcx(x)]) / 2
    return np.where(z < 0, tail, 1 - tail), np.exp(-(size**2) / 2) / math.sqrt(2 * math.pi)


@_by_rows
def softmax(Z: ArrayLike) -> NDArray:
    """p_j = e^z_j / Σ_k e^z_k along the last axis, after subtracting the row's maximum, which changes nothing.

    Z of shape (…, K) gives (…, K). Equal infinities share: [∞, ∞, 0] gives [½, ½, 0].
    Raises: ValueError for NaN or an empty last axis.
    Source: 3_2_activation_functions, eq-softmax and eq-softmax-shift; Bridle 1990.

    >>> print(softmax(np.log([1, 2, 5])).round(12))
    [0.125 0.25  0.625]
    """
    _, E, rest = shifted(Z)
    return E / (1 + rest)


@_by_rows
def d_softmax(Z: ArrayLike) -> NDArray:
    """The Jacobian ∂p_j/∂z_k = p_j(δ_jk − p_k), or diag(p) − ppᵀ, of each row: (…, K) gives (…, K, K).

    On the diagonal 1 − p_j is the sum of the other probabilities, so that a sure answer does not round to 0.
    Source: 3_2_activation_functions, eq-softmax-jacobian.

    >>> print(d_softmax(np.log([1, 3])).round(12))
    [[ 0.1875 -0.1875]
     [-0.1875  0.1875]]
    """
    P = softmax(Z)
    return P[..., :, None] * d_log_softmax(Z)


@_by_rows
def log_softmax(Z: ArrayLike) -> NDArray:
    """log p_j = (z_j − z_M) − log(1 + Σ_{k≠M} e^(z_k − z_M)), M the first maximum of the row.

    The sum is over the others: a 1 + in it would swallow them, and a sure answer's small loss with them.
    Source: 3_2_activation_functions, eq-log-softmax.

    >>> print(log_softmax([50, 0]))
    [-1.92874985e-22 -5.00000000e+01]
    """
    S, _, rest = shifted(Z)
    return S - np.log1p(rest)


@_by_rows
def d_log_softmax(Z: ArrayLike) -> NDArray:
    """The Jacobian ∂ log p_j/∂z_k = δ_jk − p_k of each row: (…, K) gives (…, K, K).

    Source: 3_2_activation_functions, eq-log-softmax.

    >>> print(d_log_softmax(np.log([1, 3])).round(12))
    [[ 0.75 -0.75]
     [-0.25  0.25]]
    """
    _, E, rest = shifted(Z)
    J = np.repeat(-(E / (1 + rest))[..., None, :], Z.shape[-1], axis=-2)
    np.einsum("...jj->...j", J)[...] = sum_of_others(E) / (1 + rest)
    return J


def shifted(Z: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """S = Z − max Z of each row, E = e^S, and Σ E over all but the first maximum, shape (…, 1); Σ E is 1 more.

    For checked Z only: the part that `softmax`, `log_softmax` and the cross-entropy share.
    """
    M = Z.max(axis=-1, keepdims=True)
    S = Z - M if np.isfinite(M).all() else np.subtract(Z, M, where=Z != M, out=np.zeros_like(Z))  # ∞ − ∞ is to be 0
    E = np.exp(S)
    return S, E, _without(E, Z.argmax(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True)


def sum_of_others(P: NDArray) -> NDArray:
    """Σ_{k≠j} p_k for each entry of each row of P ≥ 0, without the cancellation of Σ_k p_k − p_j.

    For checked P only. Leaves out the largest first, which then outweighs what cancels among the rest.

    >>> print(sum_of_others(np.array([1, 1e-20, 2e-20])))
    [3.e-20 1.e+00 1.e+00]
    """
    first = P.argmax(axis=-1, keepdims=True)
    others = _without(P, first)
    rest = others.sum(axis=-1, keepdims=True)
    sums = np.take_along_axis(P, first, axis=-1) + (rest - others)
    np.put_along_axis(sums, first, rest, axis=-1)
    return sums


def _without(A: NDArray, first: NDArray) -> NDArray:
    """A copy of `A` with 0 at one index a row."""
    return np.where(np.arange(A.shape[-1]) == first, 0, A)


ACTIVATIONS: dict[str, tuple[Function, Function]] = {
    "sigmoid": (sigmoid, d_sigmoid),
    "tanh": (tanh, d_tanh),
    "relu": (relu, d_relu),
    "leaky_relu": (leaky_relu, d_leaky_relu),
    "softplus": (softplus, d_softplus),
    "gelu": (gelu, d_gelu),
    "silu": (silu, d_silu),
}
