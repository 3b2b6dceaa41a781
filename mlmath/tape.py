"""Reverse-mode differentiation of array code, as tf.GradientTape does it.

Every operation on a `Variable` notes on its tape what it computed, from what, and for each input a function `pull` that
turns ∂L/∂result into ∂L/∂input. `Tape.gradient` reads the notes backwards. That is all.
Source: 3_5_backpropagation, eq-vjp; Wengert 1964, Linnainmaa 1976.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlmath._check import floats, require
from mlmath.activations import ACTIVATIONS, softmax
from mlmath.activations import log_softmax as plain_log_softmax

Pull = Callable[[np.ndarray], np.ndarray]


class Tape:
    """The list of what was computed, in order.

    >>> tape = Tape()
    >>> x = tape.variable([1.0, 2.0, 3.0])
    >>> tape.gradient((x * x).sum(), [x])  # Σ x² has the gradient 2x
    [array([2., 4., 6.])]
    """

    def __init__(self):
        self.steps: list[tuple[Variable, list[tuple[Variable, Pull]]]] = []

    def variable(self, value: Any) -> "Variable":
        """An array (float32 or float64; the array itself, not a copy) whose gradient may be asked for."""
        return Variable(floats("value", value), self)

    def record(self, value: np.ndarray, *inputs: tuple["Variable", Pull]) -> "Variable":
        """Note that `value` was computed from these inputs, each with its pull."""
        result = Variable(value, self)
        self.steps.append((result, list(inputs)))
        return result

    def gradient(self, output: "Variable", variables: Sequence["Variable"]) -> list[np.ndarray]:
        """∂output/∂v for each v of `variables`, in v's shape; zeros where the output does not depend on v.

        Raises ValueError if the output is not one number.
        """
        require(output.value.size == 1, "output", f"of shape {output.value.shape}", "one number: a loss, not an array")
        gradients = {id(output): np.ones_like(output.value)}
        for result, inputs in reversed(self.steps):
            if (g := gradients.get(id(result))) is not None:
                for x, pull in inputs:
                    gradients[id(x)] = gradients.get(id(x), 0) + pull(g)  # paths add
        return [gradients.get(id(v), np.zeros_like(v.value)) for v in variables]


class Variable:
    """An array on a tape. Arithmetic with arrays and numbers, which count as constants, gives further variables."""

    __array_ufunc__ = None  # so that NumPy leaves `array @ variable` to us

    def __init__(self, value: np.ndarray, tape: Tape):
        self.value, self.tape = value, tape

    def _with(self, other: Any) -> tuple["Variable", "Variable"]:
        """Self, and `other` as a variable; a constant takes this variable's type, or float32 would become float64."""
        if not isinstance(other, Variable):
            other = Variable(np.asarray(other, self.value.dtype), self.tape)
        require(other.tape is self.tape, "the other operand", "on another tape", "on the same tape")
        return self, other

    def __add__(self, other):
        a, b = self._with(other)
        return self.tape.record(a.value + b.value, (a, summed_to(a)), (b, summed_to(b)))

    def __mul__(self, other):
        a, b = self._with(other)
        pull_a, pull_b = summed_to(a), summed_to(b)
        return self.tape.record(
            a.value * b.value, (a, lambda g: pull_a(g * b.value)), (b, lambda g: pull_b(g * a.value))
        )

    def __matmul__(self, other):
        a, b = self._with(other)
        require(a.value.ndim == b.value.ndim == 2, "@", f"{a.value.shape} @ {b.value.shape}", "between two matrices")
        return self.tape.record(a.value @ b.value, (a, lambda g: g @ b.value.T), (b, lambda g: a.value.T @ g))

    def __pow__(self, n: float):
        return self.tape.record(self.value**n, (self, lambda g: g * (n * self.value ** (n - 1))))

    def __getitem__(self, index):
        def pull(g):
            back = np.zeros_like(self.value)
            np.add.at(back, index, g)  # an entry that was taken twice gets both gradients
            return back

        return self.tape.record(self.value[index], (self, pull))

    def sum(self, axis: int | None = None, keepdims: bool = False):
        """Σ along an axis, or over everything."""

        def pull(g):
            return np.broadcast_to(g if keepdims or axis is None else np.expand_dims(g, axis), self.value.shape)

        return self.tape.record(self.value.sum(axis=axis, keepdims=keepdims), (self, pull))

    def mean(self):
        return self.sum() / self.value.size

    @property
    def T(self):
        return self.tape.record(self.value.T, (self, lambda g: g.T))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -self._with(other)[1]

    def __truediv__(self, other):
        return self * self._with(other)[1] ** -1

    def __rsub__(self, other):
        return -self + other

    def __rtruediv__(self, other):
        return self**-1 * other

    def __rmatmul__(self, other):
        return self._with(other)[1] @ self

    __radd__, __rmul__ = __add__, __mul__


def summed_to(v: Variable) -> Pull:
    """The pull of broadcasting: where one entry was used for many, their gradients are summed."""
    shape = v.value.shape

    def pull(g):
        g = g.sum(axis=tuple(range(g.ndim - len(shape))))
        return g.sum(axis=tuple(k for k, n in enumerate(shape) if n == 1 < g.shape[k]), keepdims=True)

    return pull


def elementwise(f: Callable, d_f: Callable) -> Callable[[Variable], Variable]:
    """f on variables, from f and its derivative on arrays: ∂L/∂z = ∂L/∂a ∘ f′(z)."""
    return lambda z: z.tape.record(f(z.value), (z, lambda g: g * d_f(z.value)))


exp = elementwise(np.exp, np.exp)
log = elementwise(np.log, np.reciprocal)
sigmoid, tanh, relu, leaky_relu, softplus, gelu, silu = (
    elementwise(*ACTIVATIONS[name]) for name in ("sigmoid", "tanh", "relu", "leaky_relu", "softplus", "gelu", "silu")
)


def log_softmax(Z: Variable) -> Variable:
    """log softmax along the last axis; its Jacobian δ_jk − p_k turns g into g − p Σ g, row by row."""
    P = softmax(Z.value)
    return Z.tape.record(plain_log_softmax(Z.value), (Z, lambda g: g - P * g.sum(axis=-1, keepdims=True)))
