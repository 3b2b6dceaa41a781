"""The same functions in TensorFlow and Keras, float64 on |z| ≤ 30, and the places where TensorFlow is wrong.

The exact oracle is in `test_activations` and `test_losses`; here the question is whether ours are Keras' functions.
"""

import exact
import mpmath as mp
import numpy as np
import pytest

import mlmath.activations as ours
from mlmath.losses import (
    binary_cross_entropy,
    binary_cross_entropy_from_logits,
    cross_entropy,
    d_binary_cross_entropy,
    d_binary_cross_entropy_from_logits,
    d_cross_entropy,
    d_mse,
    mse,
)

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed: no comparison with it")
keras = pytest.importorskip("keras", reason="Keras is not installed: no comparison with it")

Z = np.concatenate([np.linspace(-30, 30, 601), np.geomspace(1e-12, 1, 40), -np.geomspace(1e-12, 1, 40)])
THEIRS = {
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "relu": tf.nn.relu,
    "leaky_relu": keras.layers.LeakyReLU(dtype="float64"),  # whose slope is 0.3, where tf.nn.leaky_relu has 0.2
    "softplus": tf.math.softplus,
    "gelu": keras.activations.gelu,
    "silu": tf.nn.silu,
}
TOLERANCE = {"gelu": 1e-7, "leaky_relu": 1e-7}  # theirs hold 1/√2 and 0.3 in float32 even for float64 input


def value_and_gradient(f, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    return y.numpy(), tape.gradient(y, x).numpy()


@pytest.mark.parametrize("name", THEIRS)
def test_activations_and_their_derivatives_are_those_of_tensorflow(name):
    f, d_f = ours.ACTIVATIONS[name]
    value, slope = value_and_gradient(THEIRS[name], Z)
    tolerance = TOLERANCE.get(name, 4e-15)
    assert np.allclose(f(Z), value, rtol=tolerance, atol=tolerance)
    assert np.allclose(d_f(Z), slope, rtol=tolerance, atol=tolerance)


def test_softmax_and_its_jacobian_are_those_of_tensorflow():
    rows = tf.constant(np.random.default_rng(0).normal(size=(4, 5)) * 5)
    for f, d_f, theirs in [
        (ours.softmax, ours.d_softmax, tf.nn.softmax),
        (ours.log_softmax, ours.d_log_softmax, tf.nn.log_softmax),
    ]:
        with tf.GradientTape() as tape:
            tape.watch(rows)
            y = theirs(rows)
        assert np.allclose(f(rows.numpy()), y.numpy(), rtol=4e-15, atol=4e-15)
        assert np.allclose(d_f(rows.numpy()), tape.batch_jacobian(y, rows).numpy(), rtol=4e-15, atol=4e-15)


def losses():
    """Loss, gradient, first argument, labels, Keras' loss of an example, its options."""
    rng = np.random.default_rng(1)
    logits, labels, shares = rng.uniform(-30, 30, (16, 10)), rng.integers(0, 10, 16), rng.dirichlet(np.ones(10), 16)
    P, Y = rng.uniform(0.01, 0.99, (16, 10)), rng.uniform(size=(16, 10))
    bce, from_logits = keras.losses.binary_crossentropy, {"from_logits": True}
    yield mse, d_mse, P, Y, keras.losses.mean_squared_error, {}
    yield binary_cross_entropy, d_binary_cross_entropy, P, Y, bce, {}
    yield binary_cross_entropy_from_logits, d_binary_cross_entropy_from_logits, logits, Y, bce, from_logits
    yield cross_entropy, d_cross_entropy, logits, labels, keras.losses.sparse_categorical_crossentropy, from_logits
    yield cross_entropy, d_cross_entropy, logits, shares, keras.losses.categorical_crossentropy, from_logits


def test_losses_and_their_gradients_are_those_of_keras():
    for loss, d_loss, A, Y, theirs, options in losses():
        value, gradient = value_and_gradient(lambda A: tf.reduce_mean(theirs(Y, A, **options)), A)  # noqa: B023
        assert np.isclose(loss(A, Y), value, rtol=1e-14), loss.__name__
        assert np.abs(d_loss(A, Y) - gradient).max() <= 1e-14 * np.abs(gradient).max(), loss.__name__


def test_where_they_differ_tensorflow_is_the_one_that_is_wrong():
    # float32 slopes: TensorFlow computes s(1 − s) and 1 − tanh² from the rounded activation
    z = np.array([20], np.float32)
    assert value_and_gradient(tf.sigmoid, z)[1] == 0 < ours.d_sigmoid(z)
    assert value_and_gradient(tf.tanh, z / 2)[1] == 0 < ours.d_tanh(z / 2)
    # a sure answer: the shift by the maximum alone swallows e⁻⁵⁰
    sure = np.array([[50.0, 0.0]])
    assert value_and_gradient(lambda A: tf.nn.log_softmax(A)[:, 0], sure)[0] == 0 > ours.log_softmax(sure)[0, 0]
    # subnormal results are flushed to 0
    assert tf.sigmoid(tf.constant(-89, tf.float32)).numpy() == 0 < ours.sigmoid(np.float32(-89))
    # float64 GELU, by the 100-digit value
    exact_gelu = [exact.FUNCTIONS["gelu"][0](x) for x in exact.row(Z)]
    their_error, our_error = (
        max(float(mp.fabs(float(g) - e)) for g, e in zip(values, exact_gelu, strict=True))
        for values in (keras.activations.gelu(tf.constant(Z)).numpy(), ours.gelu(Z))
    )
    assert their_error > 1e-10 and our_error < 1e-14
