"""Layers and a network of them: forward, backward, the weights at the start, and copies to and from Keras."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlmath._check import floats, integer, number, require
from mlmath.activations import ACTIVATIONS, softmax

Activation = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]
Random = np.random.Generator | int | None


def glorot_uniform(n_in: int, n_out: int, rng: Random = None, dtype: Any = np.float32) -> np.ndarray:
    """W (n_out, n_in), uniform on [−r, r] with r = √(6/(n_in + n_out)): Keras' default start of a Dense layer.

    The variance 2/(n_in + n_out) is a compromise: 1/n_in would keep the size of what goes forward,
    1/n_out the size of the gradients that go back.

    Source: chapter 3_1_neural_networks, eq-glorot; Glorot and Bengio, AISTATS 2010.

    >>> W = glorot_uniform(4, 2, rng=0)
    >>> W.shape, W.dtype.name, bool(abs(W).max() <= 1)  # r = √(6/6) = 1
    ((2, 4), 'float32', True)
    """
    limit = math.sqrt(6 / (n_in + n_out))
    return np.random.default_rng(rng).uniform(-limit, limit, (n_out, n_in)).astype(dtype)


def he_normal(n_in: int, n_out: int, rng: Random = None, dtype: Any = np.float32) -> np.ndarray:
    """W (n_out, n_in), normal with mean 0 and variance 2/n_in, which keeps E a² from layer to layer under ReLU.

    ReLU drops half of the mean square, hence the 2. (Keras cuts the normal distribution off at two
    standard deviations and widens it to the same variance; here it is whole.)

    Source: chapter 3_1_neural_networks, eq-he; He et al., ICCV 2015.

    >>> he_normal(50, 2, rng=0).shape
    (2, 50)
    """
    return (math.sqrt(2 / n_in) * np.random.default_rng(rng).standard_normal((n_out, n_in))).astype(dtype)


INITIALISERS = {"glorot": glorot_uniform, "he": he_normal}


class Dense:
    """A layer A = f(Z), Z = X Wᵀ + b, with W (n_out, n_in) and b (n_out,); A = Z if there is no activation.

    Args:
        n_in: the number of inputs.
        n_out: the number of units.
        activation: a name from `mlmath.activations.ACTIVATIONS`, a pair (f, d_f), or None.
        rng: a generator (or a seed) for W; b starts at 0.
        init: "glorot" or "he".
        dtype: of W and b. Data of the same dtype keeps it all the way.

    Raises:
        ValueError: a size below 1, an unknown activation or initialisation.

    Source: chapter 3_1_neural_networks (forward), 3_5_backpropagation (backward).

    >>> layer = Dense(2, 2, "relu")
    >>> layer.W[...], layer.b[...] = [[1, 2], [3, -4]], [0, 1]
    >>> layer.forward(np.float32([[1, 1]]))  # z = (1 + 2 + 0, 3 − 4 + 1) = (3, 0)
    array([[3., 0.]], dtype=float32)
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: str | Activation | None = None,
        *,
        rng: Random = None,
        init: str = "glorot",
        dtype: Any = np.float32,
    ):
        self.n_in, self.n_out = integer("n_in", n_in, 1), integer("n_out", n_out, 1)
        self.f, self.d_f = _activation(activation)
        require(init in INITIALISERS, "init", repr(init), f"one of {sorted(INITIALISERS)}")
        require(np.dtype(dtype) in (np.float32, np.float64), "dtype", np.dtype(dtype), "float32 or float64")
        self.W = INITIALISERS[init](n_in, n_out, rng, dtype)
        self.b = np.zeros(n_out, dtype)
        self.X = self.Z = self.dW = self.db = None

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        """A (m, n_out) of X (m, n_in); keeps X and Z for `backward`."""
        self.X, self.Z = X, X @ self.W.T
        self.Z += self.b
        return self.Z if self.f is None else self.f(self.Z)

    def backward(self, dA: np.ndarray, want_dX: bool = False) -> np.ndarray | None:
        """From dA = ∂L/∂A (m, n_out): dZ = dA ∘ f′(Z), dW = dZᵀ X, db = Σᵢ dZᵢ, and dX = dZ W if it is wanted."""
        require(self.Z is not None, "backward", "called before forward", "called after it")
        dZ = dA if self.d_f is None else dA * self.d_f(self.Z)
        self.dW = dZ.T @ self.X
        self.db = dZ.sum(axis=0)
        return dZ @ self.W if want_dX else None

    @property
    def parameters(self) -> list[np.ndarray]:
        return [self.W, self.b]

    @property
    def gradients(self) -> list[np.ndarray]:
        require(self.dW is not None, "gradients", "asked for before backward", "asked for after it")
        return [self.dW, self.db]


class Dropout:
    """In training, each entry is set to 0 with probability `rate` and divided by 1 − rate otherwise; else nothing.

    So E A = X, and prediction needs no correction. The mask is kept: backward goes through the same one.

    Source: chapter 3_7_regularization; Srivastava et al., JMLR 2014.

    >>> layer = Dropout(0.5, rng=0)
    >>> layer.forward(np.ones((1, 4)), training=True)
    array([[2., 0., 0., 0.]])
    >>> layer.forward(np.ones((1, 4)))
    array([[1., 1., 1., 1.]])
    """

    parameters: list[np.ndarray] = []
    gradients: list[np.ndarray] = []

    def __init__(self, rate: float, rng: Random = None):
        self.rate = number("rate", rate, 0, 1)
        require(rate < 1, "rate", rate, "below 1")
        self.rng = np.random.default_rng(rng)
        self.mask = None

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        """X ∘ mask in training, with a fresh mask of 0 and 1/(1 − rate); X otherwise."""
        if not training:
            self.mask = np.ones((), X.dtype)
            return X
        self.mask = (self.rng.random(X.shape) >= self.rate).astype(X.dtype) / (1 - self.rate)
        return X * self.mask

    def backward(self, dA: np.ndarray, want_dX: bool = False) -> np.ndarray | None:
        """dX = dA ∘ mask, if it is wanted."""
        require(self.mask is not None, "backward", "called before forward", "called after it")
        return dA * self.mask if want_dX else None


class Network:
    """Layers in a row. A classifier ends in a Dense without activation: its outputs are logits, softmax is in the loss.

    Raises:
        ValueError: no Dense layer, or one whose n_in is not the n_out before it.

    Source: chapters 3_1_neural_networks and 3_5_backpropagation.

    >>> network = Network([Dense(784, 128, "relu", rng=0), Dense(128, 10, rng=1)])
    >>> sum(parameter.size for parameter in network.parameters)  # 785·128 + 129·10
    101770
    """

    def __init__(self, layers: Sequence[Dense | Dropout]):
        if not isinstance(layers, list | tuple) or not all(hasattr(layer, "backward") for layer in layers):
            raise TypeError(f"layers was {layers!r:.60}; it should be a list of layers")
        self.layers = list(layers)
        dense = [(i, layer) for i, layer in enumerate(self.layers) if hasattr(layer, "n_in")]
        require(bool(dense), "layers", "without a Dense layer", "a list with at least one")
        for (_, before), (i, layer) in zip(dense, dense[1:], strict=False):
            name = f"n_in of layers[{i}]"
            require(layer.n_in == before.n_out, name, layer.n_in, f"{before.n_out}, the n_out before it")
        self._first = dense[0][0]
        self.n_in, self.n_out = dense[0][1].n_in, dense[-1][1].n_out
        self._m = None

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        """The output (m, n_out) for X (m, n_in). `training` switches dropout on.

        Raises:
            ValueError: X of another shape, or with NaN in it.
        """
        return self._forward(floats("X", X, (None, self.n_in)), training)

    def _forward(self, A: np.ndarray, training: bool) -> np.ndarray:
        """`forward` for who has looked at the data already: `fit` does so once, not at every step."""
        self._m = len(A)
        for layer in self.layers:
            A = layer.forward(A, training)
        return A

    def backward(self, dZ: np.ndarray, want_dX: bool = False) -> np.ndarray | None:
        """Sets every layer's gradients from dZ (m, n_out), the gradient of the loss in what `forward` returned.

        That is the gradient in the logits where the last layer has no activation, and in its A where it has one.
        dX (m, n_in) costs as much as dW of the first layer, and training does not need it: it is computed and
        returned only if `want_dX`.

        Raises:
            ValueError: called before `forward`, dZ of another shape than its result, or with NaN in it.
        """
        require(self._m is not None, "backward", "called before forward", "called after it")
        dA = floats("dZ", dZ, (self._m, self.n_out))
        stop = 0 if want_dX else self._first
        for i in range(len(self.layers) - 1, stop - 1, -1):
            dA = self.layers[i].backward(dA, want_dX or i > stop)
        return dA

    @property
    def parameters(self) -> list[np.ndarray]:
        """W and b of each layer in turn, the arrays themselves, so that an optimiser can change them in place."""
        return [parameter for layer in self.layers for parameter in layer.parameters]

    @property
    def gradients(self) -> list[np.ndarray]:
        """∂L/∂ of each of `parameters`, in the same order, as the last `backward` left them."""
        return [gradient for layer in self.layers for gradient in layer.gradients]

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """softmax(Z) (m, n_out), for a network that ends in logits."""
        return softmax(self.forward(X))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The label (m,) with the largest output."""
        return self.forward(X).argmax(axis=1)


def copy_to_keras(network: Network, model: Any) -> None:
    """Gives a Keras model of the same layers the network's weights. Keras keeps the kernel as Wᵀ (n_in, n_out).

    Raises:
        ValueError: the model's weights are not of the network's shapes.
    """
    _weights_that_fit(network, model)
    model.set_weights([parameter.T for parameter in network.parameters])


def copy_from_keras(model: Any, network: Network) -> None:
    """Gives the network the weights of a Keras model of the same layers, in place.

    Raises:
        ValueError: the model's weights are not of the network's shapes.
    """
    for parameter, weight in zip(network.parameters, _weights_that_fit(network, model), strict=True):
        parameter[...] = weight.T


def _weights_that_fit(network: Network, model: Any) -> list[np.ndarray]:
    weights = model.get_weights()
    shapes, needed = [w.shape for w in weights], [p.T.shape for p in network.parameters]
    require(shapes == needed, "model", f"one with weights of shapes {shapes}", f"one with {needed}")
    return weights


def _activation(activation: str | Activation | None) -> tuple[Callable | None, Callable | None]:
    if activation is None:
        return None, None
    if isinstance(activation, str):
        known = f"one of {sorted(ACTIVATIONS)}, a pair (f, d_f), or None (softmax belongs to the loss)"
        require(activation in ACTIVATIONS, "activation", repr(activation), known)
        activation = ACTIVATIONS[activation]
    pair = isinstance(activation, tuple | list) and len(activation) == 2 and all(map(callable, activation))
    require(pair, "activation", repr(activation), "a name, a pair of functions (f, d_f), or None")
    return tuple(activation)
