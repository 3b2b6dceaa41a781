"""The tape against hand-written gradients, the complex step, TensorFlow, and planted errors."""

import numpy as np
import pytest

from mlmath import Dense, Network, cross_entropy, d_cross_entropy, tape
from mlmath.tape import Tape

rng = np.random.default_rng(0)
A, B, C = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(4,))

# each: an expression of three variables, and the same in NumPy, fit for complex numbers
EXPRESSIONS = {
    "sum": (lambda a, b, c: a.sum(), lambda a, b, c: a.sum()),
    "broadcast row": (lambda a, b, c: (a + c).sum() * c.sum(), lambda a, b, c: (a + c).sum() * c.sum()),
    "product": (lambda a, b, c: (a * c * a).sum(), lambda a, b, c: (a * c * a).sum()),
    "quotient": (lambda a, b, c: (a / (c * c + 1)).sum(), lambda a, b, c: (a / (c * c + 1)).sum()),
    "matmul": (lambda a, b, c: (a @ b).sum(), lambda a, b, c: (a @ b).sum()),
    "chain": (lambda a, b, c: (tape.tanh(a + c) @ b).mean(), lambda a, b, c: (np.tanh(a + c) @ b).mean()),
    "power": (lambda a, b, c: ((a * a + 1) ** 0.5).sum(), lambda a, b, c: ((a * a + 1) ** 0.5).sum()),
    "transpose": (lambda a, b, c: (b.T @ a.T).sum(), lambda a, b, c: (b.T @ a.T).sum()),
    "difference": (lambda a, b, c: ((a - c) * (c - 1)).sum(), lambda a, b, c: ((a - c) * (c - 1)).sum()),
    "axis": (lambda a, b, c: (a.sum(axis=0) * c).sum(), lambda a, b, c: (a.sum(axis=0) * c).sum()),
    "rows": (lambda a, b, c: (a.sum(axis=1) ** 2).sum(), lambda a, b, c: (a.sum(axis=1) ** 2).sum()),
    "last axis": (
        lambda a, b, c: (a / tape.exp(a).sum(axis=1, keepdims=True)).sum(),
        lambda a, b, c: (a / np.exp(a).sum(axis=1, keepdims=True)).sum(),
    ),
    "the same entry twice": (lambda a, b, c: a[[0, 0, 2]].sum() ** 2, lambda a, b, c: a[[0, 0, 2]].sum() ** 2),
    "pairs": (lambda a, b, c: a[[0, 1], [2, 3]].sum() ** 3, lambda a, b, c: a[[0, 1], [2, 3]].sum() ** 3),
    "constants on the left": (lambda a, b, c: (1 - 2 / (a * a + 1)).sum(), lambda a, b, c: (1 - 2 / (a * a + 1)).sum()),
    "array @ variable": (lambda a, b, c: (A @ b).sum() + (A + c).sum(), lambda a, b, c: (A @ b).sum() + (A + c).sum()),
    "log": (lambda a, b, c: tape.log(a * a + 1).sum(), lambda a, b, c: np.log(a * a + 1).sum()),
    "sigmoid": (lambda a, b, c: tape.sigmoid(a).sum(), lambda a, b, c: (1 / (1 + np.exp(-a))).sum()),
    "log_softmax": (
        lambda a, b, c: (tape.log_softmax(a) * c).sum(),
        lambda a, b, c: ((a - np.log(np.exp(a).sum(axis=1, keepdims=True))) * c).sum(),
    ),
    "log_softmax of one row": (
        lambda a, b, c: (tape.log_softmax(c) * c).sum(),
        lambda a, b, c: ((c - np.log(np.exp(c).sum())) * c).sum(),
    ),
}


def complex_step(f, arrays):
    """Im f(x + ih)/h, one entry after the other."""
    gradients = [np.zeros_like(x) for x in arrays]
    for i, x in enumerate(arrays):
        for k in np.ndindex(x.shape):
            moved = [y.astype(complex) for y in arrays]
            moved[i][k] += 1e-30j
            gradients[i][k] = f(*moved).imag / 1e-30
    return gradients


def by_tape(f, arrays):
    t = Tape()
    variables = [t.variable(x) for x in arrays]
    return t.gradient(f(*variables), variables)


def worst(ours, theirs):
    largest = max(np.abs(t).max() for t in theirs)
    return max(np.abs(o - t).max() for o, t in zip(ours, theirs, strict=True)) / largest


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_have_the_gradient_of_the_complex_step(name):
    on_tape, plain = EXPRESSIONS[name]
    assert worst(by_tape(on_tape, [A, B, C]), complex_step(plain, [A, B, C])) < 1e-14


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_have_their_value(name):
    on_tape, plain = EXPRESSIONS[name]
    t = Tape()
    value = on_tape(*(t.variable(x) for x in (A, B, C))).value
    assert value.shape == () and value == pytest.approx(plain(A, B, C), rel=1e-13)


@pytest.mark.parametrize("name", tape.ACTIVATIONS)
def test_activations_have_their_derivatives(name):
    f, d_f = tape.ACTIVATIONS[name]
    (g,) = by_tape(lambda a: getattr(tape, name)(a).sum(), [A])
    assert np.array_equal(g, d_f(A))


def the_network(dtype, activation="tanh"):
    network = Network([Dense(7, 5, activation, rng=1, dtype=dtype), Dense(5, 3, rng=2, dtype=dtype)])
    X = rng.normal(size=(6, 7)).astype(dtype)
    return network, X, np.array([0, 2, 1, 1, 0, 2])


def network_loss(X, labels, activation):
    def loss(W1, b1, W2, b2):
        Z = getattr(tape, activation)(X @ W1.T + b1) @ W2.T + b2
        return -tape.log_softmax(Z)[np.arange(len(labels)), labels].mean()

    return loss


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-15), (np.float32, 1e-6)])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "gelu"])
def test_the_tape_equals_backpropagation_by_hand(dtype, bound, activation):
    network, X, labels = the_network(dtype, activation)
    Z = network.forward(X)
    network.backward(d_cross_entropy(Z, labels))
    t = Tape()
    variables = [t.variable(p) for p in network.parameters]
    loss = network_loss(X, labels, activation)(*variables)
    gradients = t.gradient(loss, variables)
    assert abs(loss.value - cross_entropy(Z, labels)) < bound * 10
    assert worst(gradients, network.gradients) < bound
    assert {g.dtype for g in gradients} == {np.dtype(dtype)}, "float32 stays float32"


def test_tensorflow_has_the_same_gradients():
    tf = pytest.importorskip("tensorflow")
    network, X, labels = the_network(np.float64)
    variables = [tf.Variable(p) for p in network.parameters]
    with tf.GradientTape() as theirs:
        W1, b1, W2, b2 = variables
        Z = tf.tanh(X @ tf.transpose(W1) + b1) @ tf.transpose(W2) + b2
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, Z))
    reference = [g.numpy() for g in theirs.gradient(loss, variables)]
    assert worst(by_tape(network_loss(X, labels, "tanh"), network.parameters), reference) < 2e-15


def test_what_the_output_does_not_depend_on_has_gradient_zero():
    gradients = by_tape(lambda a, b, c: a.sum(), [A, B, C])
    assert not gradients[1].any() and gradients[1].shape == B.shape


def test_a_gradient_can_be_asked_for_twice():
    t = Tape()
    x = t.variable(A)
    y = (x * x).sum()
    assert np.array_equal(t.gradient(y, [x])[0], t.gradient(y, [x])[0])


def test_errors_say_what_was_wrong():
    t = Tape()
    x = t.variable(A)
    with pytest.raises(ValueError, match=r"output was of shape \(3, 4\); it should be one number"):
        t.gradient(x * 2, [x])
    with pytest.raises(ValueError, match="another tape"):
        x + Tape().variable(A)
    with pytest.raises(ValueError, match="two matrices"):
        x @ C
    with pytest.raises(TypeError, match="value was complex"):
        t.variable(A * 1j)


def overwriting(self, output, variables):
    """The mistake of `=` instead of `+=`: a value that is used twice keeps the last path only."""
    gradients = {id(output): np.ones_like(output.value)}
    for result, inputs in reversed(self.steps):
        if (g := gradients.get(id(result))) is not None:
            for x, pull in inputs:
                gradients[id(x)] = pull(g)
    return [gradients.get(id(v), np.zeros_like(v.value)) for v in variables]


def kept_as_it_is(v):
    """The mistake of a transpose whose pull does not transpose back."""
    return v.tape.record(v.value.T, (v, lambda g: g))


PLANTED = {
    "paths overwrite": (Tape, "gradient", overwriting, "product"),
    "broadcasting forgotten": (tape, "summed_to", lambda v: lambda g: np.resize(g, v.value.shape), "broadcast row"),
    "transpose not undone": (
        tape.Variable,
        "T",
        property(lambda v: v.tape.record(v.value.T, (v, lambda g: g))),
        "transpose",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_errors_are_seen(name, monkeypatch):
    target, attribute, wrong, expression = PLANTED[name]
    monkeypatch.setattr(target, attribute, wrong)
    on_tape, plain = EXPRESSIONS[expression]
    try:
        found = worst(by_tape(on_tape, [A, B, C]), complex_step(plain, [A, B, C]))
    except ValueError:  # shapes that do not fit are seen, too
        return
    assert found > 1e-3
