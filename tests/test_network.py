"""The network's gradients: by hand on the paper example, to 80 digits, by complex step; and that bugs are seen."""

from fractions import Fraction
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from scipy.special import erf

from mlmath.activations import ACTIVATIONS, relu, softmax
from mlmath.losses import cross_entropy, d_cross_entropy
from mlmath.network import Dense, Dropout, Network, copy_from_keras, copy_to_keras, glorot_uniform, he_normal

EPS = np.finfo(np.float64).eps

# The reference: activations and loss without abs, max or real-only branches, so that they hold for complex numbers.
COMPLEX_ACTIVATIONS = {
    None: lambda z: z,
    "relu": lambda z: np.where(z.real > 0, z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "gelu": lambda z: z * (1 + erf(z / 2**0.5)) / 2,
}


def reference_loss(parameters, X, labels, activations):
    A = X
    for W, b, activation in zip(parameters[::2], parameters[1::2], activations, strict=True):
        A = COMPLEX_ACTIVATIONS[activation](A @ W.T + b)
    shift = A.real.max(axis=1, keepdims=True)
    log_sum = shift[:, 0] + np.log(np.exp(A - shift).sum(axis=1))
    return (log_sum - A[np.arange(len(A)), labels]).sum() / len(A)


def complex_step(f, arrays, h=1e-100):
    """The gradient of f(arrays) in every entry of every array: Im f(x + ih)/h."""
    gradients = []
    for k, array in enumerate(arrays):
        gradient = np.empty(array.shape)
        for i in np.ndindex(array.shape):
            moved = [a.astype(complex) for a in arrays]
            moved[k][i] += 1j * h
            gradient[i] = f(moved).imag / h
        gradients.append(gradient)
    return gradients


def relative_error(ours, exact):
    ours, exact = (np.concatenate([np.ravel(g) for g in arrays]) for arrays in (ours, exact))
    return np.linalg.norm(ours - exact) / np.linalg.norm(exact)


def build(sizes, activations, seed=0, layer=Dense, dtype=np.float64):
    rng = np.random.default_rng(seed)
    layers = [
        layer(n_in, n_out, activation, rng=rng, dtype=dtype)
        for n_in, n_out, activation in zip(sizes, sizes[1:], activations, strict=False)
    ]
    for one in layers:
        one.b[...] = rng.normal(scale=0.3, size=one.b.shape)
    return Network(layers)


def check_gradient(network, activations, d_loss=d_cross_entropy, m=7, seed=1):
    """Raises unless the whole gradient, dX included, is the complex step's to 1e-12, at two places in turn."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(network.n_out, size=m)
    for _ in range(2):
        X = rng.normal(size=(m, network.n_in))
        dX = network.backward(d_loss(network.forward(X), labels), want_dX=True)
        exact = complex_step(lambda p: reference_loss(p[:-1], p[-1], labels, activations), [*network.parameters, X])
        error = relative_error([*network.gradients, dX], exact)
        assert error <= 1e-12, f"the gradient is off by {error:.1e} of its length"
        for parameter in network.parameters:
            parameter += rng.normal(scale=0.1, size=parameter.shape)


SHAPES = {"wide": (3, 8, 5, 2), "square": (4, 4, 4, 4)}


@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("activation", [a for a in COMPLEX_ACTIVATIONS if a])
def test_backward_is_the_complex_step(activation, sizes):
    activations = [activation, activation, None]
    check_gradient(build(sizes, activations), activations)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_backward_through_an_activation_in_the_last_layer(activation):
    activations = ["tanh", activation]
    check_gradient(build((3, 5, 4), activations), activations)


def test_backward_through_a_pair_of_functions():
    sine = (np.sin, np.cos)
    network = build((3, 5, 4), [sine, None])
    COMPLEX = COMPLEX_ACTIVATIONS | {"sine": np.sin}
    X, labels = np.random.default_rng(2).normal(size=(6, 3)), np.array([0, 1, 2, 3, 0, 1])
    network.backward(d_cross_entropy(network.forward(X), labels))

    def loss(parameters):
        W1, b1, *rest = parameters
        return reference_loss(rest, COMPLEX["sine"](X @ W1.T + b1), labels, [None])

    assert relative_error(network.gradients, complex_step(loss, network.parameters)) <= 1e-12


def test_backward_goes_through_the_mask_of_forward():
    network = Network([Dense(3, 20, "tanh", rng=0, dtype=np.float64), Dropout(0.4, rng=1), Dense(20, 4, rng=2)])
    X, labels = np.random.default_rng(2).normal(size=(6, 3)), np.array([0, 1, 2, 3, 0, 1])
    dX = network.backward(d_cross_entropy(network.forward(X, training=True), labels), want_dX=True)
    mask = network.layers[1].mask
    assert 0 < (mask == 0).mean() < 1

    def loss(p):
        return reference_loss(p[2:4], np.tanh(p[4] @ p[0].T + p[1]) * mask, labels, [None])

    assert relative_error([*network.gradients, dX], complex_step(loss, [*network.parameters, X])) <= 1e-12


# --- by hand, and to 80 digits -------------------------------------------------------------------------------------


def fractions(rows):
    return np.vectorize(lambda entry: float(Fraction(entry)))(np.array(rows, dtype=object))


def test_the_paper_example():
    """2-3-2, two rows, labels 0 and 1: all gradients are fractions (chapter 3_5_backpropagation)."""
    hidden, output = Dense(2, 3, "relu", dtype=np.float64), Dense(3, 2, dtype=np.float64)
    hidden.W[...], output.W[...] = [[-1, 1], [1, 0], [1, -1]], [[1, 0, 2], [0, 1, 0]]
    output.b[...] = 0, np.log(3)
    network, labels = Network([hidden, output]), np.array([0, 1])
    Z = network.forward(np.array([[1.0, 2], [2, 1]]))
    assert cross_entropy(Z, labels) == pytest.approx(2 * np.log(2) - np.log(3) / 2, rel=1e-15)
    dX = network.backward(d_cross_entropy(Z, labels), want_dX=True)
    by_hand = [
        [["-3/8", "-3/4"], ["1/8", "5/8"], ["1/2", "1/4"]],
        ["-3/8", "1/4", "1/4"],
        [["-3/8", "-1/8", "1/8"], ["3/8", "1/8", "-1/8"]],
        ["-1/4", "1/4"],
    ]
    for ours, exact in zip(network.gradients, by_hand, strict=True):
        assert abs(ours - fractions(exact)).max() <= 2 * EPS
    assert abs(dX - fractions([["3/4", "-3/8"], ["1/8", "-1/4"]])).max() <= 2 * EPS


MP_ACTIVATIONS = {
    "relu": lambda z: z if mpmath.re(z) > 0 else z * 0,
    "tanh": mpmath.tanh,
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
    "silu": lambda z: z / (1 + mpmath.exp(-z)),
    "gelu": lambda z: z * (1 + mpmath.erf(z / mpmath.sqrt(2))) / 2,
}


def mp_loss(parameters, X, labels, activation):
    W1, b1, W2, b2 = parameters
    total = 0
    for x, label in zip(X, labels, strict=True):
        a = [MP_ACTIVATIONS[activation](mpmath.fdot(w, x) + b) for w, b in zip(W1, b1, strict=True)]
        z = [mpmath.fdot(w, a) + b for w, b in zip(W2, b2, strict=True)]
        total += mpmath.log(sum(map(mpmath.exp, z))) - z[label]
    return total / len(X)


@pytest.mark.parametrize("activation", MP_ACTIVATIONS)
def test_gradients_to_80_digits(activation):
    network = build((3, 5, 4), [activation, None], seed=3)
    X, labels = np.random.default_rng(4).normal(scale=2, size=(6, 3)), np.array([0, 1, 2, 3, 0, 0])
    network.backward(d_cross_entropy(network.forward(X), labels))
    with mpmath.workdps(170):
        h, rows = mpmath.mpf(10) ** -82, [[mpmath.mpf(v) for v in x] for x in X.tolist()]
        exact = [np.vectorize(mpmath.mpf, otypes=[object])(p) for p in network.parameters]
        for k, ours in enumerate(network.gradients):
            for i in np.ndindex(ours.shape):
                moved = [p.copy() for p in exact]
                moved[k][i] += 1j * h
                derivative = mpmath.im(mp_loss(moved, rows, labels, activation)) / h
                assert abs(ours[i] - derivative) <= 8 * EPS * max(1, abs(derivative))


# --- planted bugs --------------------------------------------------------------------------------------------------


def mutant(change):
    """A Dense whose backward is followed by `change(layer, dA, dX)`, which returns dX as the bug has it."""

    class Mutant(Dense):
        def backward(self, dA, want_dX=False):
            return change(self, dA, super().backward(dA, want_dX))

    return Mutant


class StaleWeights(Dense):
    """Remembers W at its first backward and goes back through that for ever."""

    def backward(self, dA, want_dX=False):
        self.old = getattr(self, "old", self.W.copy())
        super().backward(dA)
        return (dA * (1 if self.d_f is None else self.d_f(self.Z))) @ self.old


class DerivativeAtA(Dense):
    def backward(self, dA, want_dX=False):
        if self.d_f is None:
            return super().backward(dA, want_dX)
        Z, self.Z = self.Z, self.f(self.Z)
        dX = super().backward(dA, want_dX)
        self.Z = Z
        return dX


class BiasOff(Dense):
    def forward(self, X, training=False):
        self.b[0] += 1e-4
        A = super().forward(X, training)
        self.b[0] -= 1e-4
        return A


def transposed(layer, dA, dX):
    dZ = dA if layer.d_f is None else dA * layer.d_f(layer.Z)
    return dZ @ layer.W.T


def lost_minus(layer, dA, dX):
    layer.dW = -layer.dW
    return dX


def one_gradient_off(layer, dA, dX):
    layer.db[-1] += 1e-4
    return dX


def bias_overwritten(layer, dA, dX):
    layer.db = (dA if layer.d_f is None else dA * layer.d_f(layer.Z))[-1]
    return dX


relu_from_A = (relu, lambda Z: (relu(Z) >= 0).astype(Z.dtype))

MUTANTS = {
    "missing 1/m": dict(d_loss=lambda Z, labels: d_cross_entropy(Z, labels) * len(Z)),
    "Y added to Y_hat": dict(d_loss=lambda Z, labels: (softmax(Z) + np.eye(Z.shape[1])[labels]) / len(Z)),
    "a transpose": dict(layer=mutant(transposed)),
    "stale weights": dict(layer=StaleWeights),
    "one bias off by 1e-4": dict(layer=BiasOff),
    "one entry of db off by 1e-4": dict(layer=mutant(one_gradient_off)),
    "db of the last example only": dict(layer=mutant(bias_overwritten)),
    "a lost minus sign": dict(layer=mutant(lost_minus)),
    "d_f of A": dict(layer=DerivativeAtA),
    "A >= 0 for Z > 0": dict(built_with=[relu_from_A, relu_from_A, None], activations=["relu", "relu", None]),
}


@pytest.mark.parametrize("bug", MUTANTS.values(), ids=MUTANTS)
def test_the_gradient_check_catches(bug):
    activations = bug.get("activations", ["tanh", "tanh", None])
    check_gradient(build(SHAPES["square"], activations), activations)  # the same without the bug
    network = build(SHAPES["square"], bug.get("built_with", activations), layer=bug.get("layer", Dense))
    with pytest.raises(AssertionError, match="the gradient is off"):
        check_gradient(network, activations, bug.get("d_loss", d_cross_entropy))


# --- what is promised besides ----------------------------------------------------------------------------------------


def test_the_first_layers_dX_is_neither_computed_nor_returned_unless_asked(monkeypatch):
    network, wanted = build((3, 5, 4), ["tanh", None]), []
    for layer in network.layers:
        true = layer.backward
        monkeypatch.setattr(layer, "backward", lambda dA, want, true=true: wanted.append(want) or true(dA, want))
    Z = network.forward(np.ones((2, 3)))
    assert network.backward(Z) is None
    assert wanted == [True, False]
    assert network.backward(Z, want_dX=True).shape == (2, 3)


def test_a_layer_gives_dX_only_if_asked():
    for layer in (Dense(3, 3), Dropout(0.5)):
        layer.forward(np.ones((2, 3)))
        assert layer.backward(np.ones((2, 3))) is None
        assert layer.backward(np.ones((2, 3)), want_dX=True).shape == (2, 3)


def test_dropout_in_front_of_the_first_layer(monkeypatch):
    network, wanted = Network([Dropout(0.5, rng=0), Dense(3, 2, rng=0)]), []
    true = network.layers[1].backward
    monkeypatch.setattr(network.layers[1], "backward", lambda dA, want: wanted.append(want) or true(dA, want))
    dZ = np.ones_like(network.forward(np.ones((4, 3), np.float32), training=True))
    assert network.backward(dZ) is None
    assert wanted == [False]
    dX = network.backward(dZ, want_dX=True)
    assert ((dX == 0) == (network.layers[0].mask == 0)).all()


def test_dropout_keeps_the_mean_and_is_nothing_in_prediction():
    layer, X = Dropout(0.3, rng=0), np.ones((400, 500), np.float32)
    A = layer.forward(X, training=True)
    assert A.dtype == np.float32
    assert set(np.unique(A)) == {0, np.float32(1 / 0.7)}
    assert A.mean() == pytest.approx(1, abs=5 * (0.3 / 0.7 / X.size) ** 0.5)
    assert layer.forward(X) is X
    assert (layer.backward(X, want_dX=True) == X).all()
    fresh = layer.forward(X, training=True)
    assert (fresh != A).any()


def test_dropout_keeps_what_is_drawn_at_its_rate_or_above():
    layer = Dropout(0.5)
    layer.rng = SimpleNamespace(random=lambda shape: np.array([[0, 0.25, 0.5, 0.75]]))  # half of [0, 1), drawn evenly
    assert layer.forward(np.ones((1, 4)), training=True).tolist() == [[0, 0, 2, 2]]


def test_a_network_predicts_without_dropout_unless_told_to_train():
    network, X = Network([Dropout(0.5, rng=0), Dense(30, 2, rng=0)]), np.ones((4, 30))
    assert (network.forward(X) == network.layers[1].forward(X)).all()
    assert (network.forward(X, training=True) != network.layers[1].forward(X)).any()


@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_dtype_throughout(activation, dtype):
    if activation in ("softmax", "log_softmax"):
        pytest.skip("not of one entry at a time")
    network = Network(
        [Dense(3, 5, activation, rng=0, init="he", dtype=dtype), Dropout(0.2, 0), Dense(5, 4, dtype=dtype)]
    )
    X = np.random.default_rng(0).normal(size=(6, 3)).astype(dtype)
    Z = network.forward(X, training=True)
    dX = network.backward(d_cross_entropy(Z, np.zeros(6, int)), want_dX=True)
    assert {a.dtype for a in (Z, dX, *network.parameters, *network.gradients)} == {np.dtype(dtype)}


def test_float64_data_is_not_rounded_to_the_weights_float32():
    network, X = Network([Dense(3, 2, rng=0)]), np.full((1, 3), 1 / 3)
    assert network.forward(X).dtype == np.float64
    assert network.forward(X) == pytest.approx(X @ network.parameters[0].T.astype(np.float64), rel=1e-15)


def test_inputs_are_left_alone():
    network, X, dZ = build((3, 5, 4), ["relu", None]), np.full((2, 3), 0.5), np.full((2, 4), 0.25)
    network.forward(X)
    network.backward(dZ)
    assert (X == 0.5).all() and (dZ == 0.25).all()


def test_gradients_once_given_are_not_overwritten_by_the_next_backward():
    network = build((3, 5, 4), ["tanh", None])
    Z = network.forward(np.ones((2, 3)))
    network.backward(Z)
    first = network.gradients
    kept = [g.copy() for g in first]
    network.backward(2 * Z)
    assert all((a == b).all() for a, b in zip(first, kept, strict=True))


def test_parameters_and_gradients_stand_in_the_same_order():
    network = build((3, 5, 4), ["tanh", None])
    network.backward(network.forward(np.ones((2, 3))))
    hidden, output = network.layers
    assert all(a is b for a, b in zip(network.parameters, [hidden.W, hidden.b, output.W, output.b], strict=True))
    assert all(a is b for a, b in zip(network.gradients, [hidden.dW, hidden.db, output.dW, output.db], strict=True))


def test_probabilities_and_predictions():
    network, X = build((3, 5, 4), ["tanh", None]), np.random.default_rng(0).normal(size=(9, 3))
    P = network.probabilities(X)
    assert P.sum(axis=1) == pytest.approx(1, abs=8 * EPS)
    assert (network.predict(X) == P.argmax(axis=1)).all()


def test_initialisation():
    W, H = glorot_uniform(400, 300, rng=0, dtype=np.float64), he_normal(400, 300, rng=0, dtype=np.float64)
    assert W.shape == H.shape == (300, 400)
    limit = (6 / 700) ** 0.5
    assert 0.999 * limit < abs(W).max() <= limit
    assert W.var() == pytest.approx(2 / 700, rel=0.02)
    assert H.var() == pytest.approx(2 / 400, rel=0.02)
    assert (glorot_uniform(400, 300, rng=0) == W.astype(np.float32)).all()
    assert not Dense(3, 4, rng=0).b.any()
    assert Dense(1, 1).W.shape == (1, 1)
    assert (Dense(400, 300, rng=0, init="he").W == H.astype(np.float32)).all()


def keras_like(*shapes):
    """What the copies need of a Keras model: get_weights and set_weights, which refuses other shapes."""
    model = SimpleNamespace(weights=[np.random.default_rng(len(s)).normal(size=s) for s in shapes])
    model.get_weights = lambda: [w.copy() for w in model.weights]

    def set_weights(weights):
        assert [w.shape for w in weights] == list(shapes)
        model.weights = [np.array(w) for w in weights]

    model.set_weights = set_weights
    return model


def test_copies_to_and_from_keras_transpose_square_layers_too():
    network, model = build((4, 4, 2), ["tanh", None]), keras_like((4, 4), (4,), (4, 2), (2,))
    before, arrays = model.get_weights(), network.parameters
    copy_from_keras(model, network)
    assert all(a is b for a, b in zip(network.parameters, arrays, strict=True))
    assert (network.layers[0].W == before[0].T).all() and (network.layers[0].b == before[1]).all()
    model.set_weights([0 * w for w in before])
    copy_to_keras(network, model)
    assert all((a == b).all() for a, b in zip(model.weights, before, strict=True))


def test_copies_refuse_a_model_of_other_shapes():
    network = build((4, 3), [None])
    for copy in (lambda m: copy_to_keras(network, m), lambda m: copy_from_keras(m, network)):
        with pytest.raises(ValueError, match=r"model was one with weights of shapes .* it should be one with"):
            copy(keras_like((3, 4), (3,)))


def forward_then(dZ):
    network = build((3, 2), [None])
    network.forward(np.ones((4, 3)))
    network.backward(dZ)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Dense(0, 2), "n_in was 0"),
        (lambda: Dense(2, -1), "n_out was -1"),
        (lambda: Dense(2, 0), "n_out was 0"),
        (lambda: Dense(2, 2, "softmax"), "activation was 'softmax'; it should be one of"),
        (lambda: Dense(2, 2, np.tanh), "activation was"),
        (lambda: Dense(2, 2, (np.tanh, None)), "activation was"),
        (lambda: Dense(2, 2, init="zeros"), "init was 'zeros'"),
        (lambda: Dense(2, 2, dtype=np.int32), "dtype was int32"),
        (lambda: Dropout(1), "rate was 1"),
        (lambda: Dropout(-0.1), "rate was -0.1"),
        (lambda: Dropout(1.5), "rate was 1.5; it should be at least 0 and at most 1"),
        (lambda: Network([]), "layers was"),
        (lambda: Network([Dense(2, 3), Dropout(0.5), Dense(2, 3)]), r"n_in of layers\[2\] was 2; it should be 3"),
        (lambda: build((3, 2), [None]).forward(np.ones(3)), r"X was of shape \(3,\); it should be of shape \(any, 3\)"),
        (lambda: build((3, 2), [None]).forward(np.ones((4, 2))), r"X was of shape \(4, 2\)"),
        (lambda: build((3, 2), [None]).forward([[1, 2, np.nan]]), "X was an array with NaN"),
        (lambda: build((3, 2), [None]).backward(np.ones((4, 2))), "backward was called before forward"),
        (lambda: build((3, 2), [None]).backward(np.ones((4, 5))), "backward was called before forward"),
        (lambda: Dense(3, 2).backward(np.ones((4, 2))), "backward was called before forward"),
        (lambda: Dropout(0.5).backward(np.ones((4, 2))), "backward was called before forward"),
        (lambda: build((3, 2), [None]).gradients, "gradients was asked for before backward"),
        (lambda: forward_then(np.ones((3, 2))), r"dZ was of shape \(3, 2\); it should be of shape \(4, 2\)"),
        (lambda: forward_then(np.full((4, 2), np.nan)), "dZ was an array with NaN"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("layers", [Dense(2, 2), "ab", [1], [Dense(2, 2), np.tanh]])
def test_what_is_no_list_of_layers_is_named(layers):
    with pytest.raises(TypeError, match="layers was .*; it should be a list of layers"):
        Network(layers)
