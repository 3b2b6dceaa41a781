"""What to do with a gradient: SGD with momentum, RMSProp, Adam. Keras' formulas, in place, a few arrays each."""

import math
from collections.abc import Sequence

import numpy as np

from mlmath._check import number, require


class Optimizer:
    """What the three have in common: one state per parameter, and a count of the steps taken.

    `learning_rate` is an ordinary attribute: a schedule sets it between the steps.

    `keras_constants`: Keras keeps its constants in float32 even when a model computes in float64. With
    `keras_constants=True` the learning rate, the momentum, the weight decay, and the bases β₁, β₂ of Adam's
    powers are rounded as there (1 − β in the averages is not, there or here), and the powers are taken in the
    parameters' dtype. It serves to train in lockstep with Keras, nothing else; the default is the formula as
    it stands.
    """

    moments = 0  # arrays of state per parameter, besides one for intermediate results

    def __init__(self, learning_rate: float, keras_constants: bool):
        self.learning_rate = number("learning_rate", learning_rate, 0, above=True)
        self.keras_constants = keras_constants
        self.steps = 0
        self._parameters: list[np.ndarray] | None = None

    def step(self, parameters: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> None:
        """Changes each parameter in place, given the gradient of the same place in the list.

        Raises:
            ValueError: other parameters than at the first step, or a gradient of another shape than its parameter.
        """
        self._check(parameters, gradients)
        self.steps += 1
        for parameter, gradient, state in zip(parameters, gradients, self._states, strict=True):
            self._update(parameter, gradient.astype(parameter.dtype, copy=False), *state)
        if self.steps % 64 == 0:
            self._flush()

    def _flush(self) -> None:
        """Sets subnormal moments to 0. A weight without gradient lets its moments shrink until they are subnormal and
        stay so, and a processor takes many times longer over those (here, 15 % of an epoch on MNIST)."""
        for _, *moments in self._states:
            for moment in moments:
                moment[abs(moment) < np.finfo(moment.dtype).smallest_normal] = 0

    def _check(self, parameters: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> None:
        for name, value in (("parameters", parameters), ("gradients", gradients)):
            if not isinstance(value, list | tuple):
                raise TypeError(f"{name} was {value!r:.60}; it should be a list of arrays")
        if self._parameters is None:
            for i, parameter in enumerate(parameters):
                right = isinstance(parameter, np.ndarray) and parameter.dtype.kind == "f"
                require(right, f"parameters[{i}]", repr(parameter), "an array of floats, to be changed in place")
            self._parameters = list(parameters)
            self._states = [[np.zeros_like(p) for _ in range(1 + self.moments)] for p in parameters]  # scratch first
        same = len(parameters) == len(self._parameters) and all(map(_is, parameters, self._parameters))
        require(same, "parameters", "another list", "the arrays of the first step: an optimiser keeps state for each")
        shapes, needed = [getattr(g, "shape", None) for g in gradients], [p.shape for p in parameters]
        require(shapes == needed, "gradients", f"of shapes {shapes}", f"of shapes {needed}")

    def _update(self, theta: np.ndarray, g: np.ndarray, scratch: np.ndarray, *moments: np.ndarray) -> None:
        raise NotImplementedError

    def _constant(self, value: float) -> float:
        return float(np.float32(value)) if self.keras_constants else value


class SGD(Optimizer):
    """Gradient descent, with momentum: v ← βv − αg, θ ← θ + v; Nesterov's: θ ← θ + βv − αg with the new v.

    Args:
        learning_rate: α, above 0.
        momentum: β, in [0, 1].
        nesterov: look ahead (Keras' form: the stored θ is the point looked ahead to).
        keras_constants: see `Optimizer`.

    Source: chapter 3_6_optimizers, eq-momentum and eq-nesterov; Polyak 1964, Sutskever et al. 2013.

    >>> theta = np.array([1.0])
    >>> optimizer = SGD(learning_rate=0.25, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.step([theta], [2 * theta])  # L = θ²
    >>> theta  # v = −0.5, θ = 0.5; then v = −0.25 − 0.25, θ = 0
    array([0.])
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        keras_constants: bool = False,
    ):
        super().__init__(learning_rate, keras_constants)
        self.momentum = number("momentum", momentum, 0, 1)
        self.nesterov = nesterov
        self.moments = 1 if momentum > 0 else 0

    def _update(self, theta, g, scratch, v=None):
        minus_alpha_g = np.multiply(g, -self._constant(self.learning_rate), out=scratch)
        if v is not None:
            beta = self._constant(self.momentum)
            v *= beta
            v += minus_alpha_g
        if v is None or self.nesterov:
            theta += minus_alpha_g
        if v is not None:
            theta += beta * v if self.nesterov else v


class RMSProp(Optimizer):
    """Each coordinate's own rate: v ← ρv + (1−ρ)g², θ ← θ − αg/√(v + ε). ε is inside the root, as in Keras.

    Args:
        learning_rate: α, above 0.
        rho: ρ, in [0, 1).
        epsilon: ε, above 0.
        keras_constants: see `Optimizer`.

    Source: chapter 3_6_optimizers, eq-rmsprop; Tieleman and Hinton, Coursera 2012, lecture 6.5.

    >>> theta = np.array([1.0])
    >>> RMSProp(learning_rate=0.5, rho=0.75).step([theta], [np.array([8.0])])
    >>> theta.round(6)  # v = 0.25·64 = 16, θ = 1 − 0.5·8/4
    array([0.])
    """

    moments = 1

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        epsilon: float = 1e-7,
        *,
        keras_constants: bool = False,
    ):
        super().__init__(learning_rate, keras_constants)
        self.rho = _decay("rho", rho)
        self.epsilon = number("epsilon", epsilon, 0, above=True)

    def _update(self, theta, g, scratch, v):
        v *= self.rho
        np.square(g, out=scratch)
        scratch *= 1 - self.rho
        v += scratch

        root = np.sqrt(np.add(v, self.epsilon, out=scratch), out=scratch)
        change = np.divide(g, root, out=scratch)
        change *= self._constant(self.learning_rate)
        theta -= change


class Adam(Optimizer):
    """Momentum and a rate per coordinate, both corrected for their start at 0, as Keras writes it:

    m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², α_t = α √(1−β₂ᵗ)/(1−β₁ᵗ), θ ← θ − α_t m/(√v + ε).

    Keras adds (1−β₁)(g − m) to m: the same, but a small g is lost in the difference. Kingma and Ba's own ε acts
    on the corrected v; the two agree if theirs is ε/√(1−β₂ᵗ).
    With `weight_decay` λ > 0 it is AdamW: first θ ← θ − αλθ, for every parameter, then the step.

    Args:
        learning_rate: α, above 0.
        beta1, beta2: in [0, 1).
        epsilon: ε, above 0.
        weight_decay: λ, at least 0.
        keras_constants: see `Optimizer`.

    Source: chapter 3_6_optimizers, eq-adam, eq-epsilon-hat, eq-adamw; Kingma and Ba, ICLR 2015;
    Loshchilov and Hutter, ICLR 2019.

    >>> theta = np.array([1.0, 1.0])
    >>> Adam(learning_rate=0.1).step([theta], [np.array([5.0, -0.5])])
    >>> theta.round(4)  # the first step is α against the sign of g, whatever its size
    array([0.9, 1.1])
    """

    moments = 2

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float = 0.0,
        *,
        keras_constants: bool = False,
    ):
        super().__init__(learning_rate, keras_constants)
        self.beta1, self.beta2 = _decay("beta1", beta1), _decay("beta2", beta2)
        self.epsilon = number("epsilon", epsilon, 0, above=True)
        self.weight_decay = number("weight_decay", weight_decay, 0)

    def _update(self, theta, g, scratch, m, v):
        alpha = self._constant(self.learning_rate)
        if self.weight_decay > 0:
            theta -= alpha * self._constant(self.weight_decay) * theta

        m *= self.beta1
        m += np.multiply(g, 1 - self.beta1, out=scratch)

        v *= self.beta2
        np.square(g, out=scratch)
        scratch *= 1 - self.beta2
        v += scratch

        alpha_t = alpha * math.sqrt(self._seen(self.beta2, theta.dtype)) / self._seen(self.beta1, theta.dtype)
        root = np.sqrt(v, out=scratch)
        root += self.epsilon
        change = np.divide(m, root, out=scratch)
        change *= alpha_t
        theta -= change

    def _seen(self, beta: float, dtype: np.dtype) -> float:
        """1 − βᵗ, the weight that t gradients have in an average that started at 0, without cancellation."""
        if self.keras_constants:
            return float(1 - dtype.type(np.float32(beta)) ** dtype.type(self.steps))
        return -math.expm1(self.steps * math.log(beta)) if beta > 0 else 1.0


def _decay(name: str, value: float) -> float:
    require(number(name, value, 0, 1) < 1, name, value, "below 1")
    return float(value)


def _is(a: object, b: object) -> bool:
    return a is b
