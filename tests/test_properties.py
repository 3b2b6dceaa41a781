"""Identities that hold for every number: exactly where the forms make them exact, else within a stated few eps."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mlmath.activations import d_sigmoid, d_tanh, gelu, log_softmax, relu, sigmoid, silu, softmax, softplus, tanh
from mlmath.losses import cross_entropy, d_cross_entropy

both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def given(**strategies):
    """Hypothesis' `given` without a deadline: on a busy machine the example that imports SciPy would miss it."""
    return lambda test: hypothesis.settings(deadline=None)(hypothesis.given(**strategies)(test))


def one(dtype):
    return st.floats(width=32 if dtype == np.float32 else 64, allow_nan=False, allow_infinity=False).map(dtype)


def logits(dtype, size=1000.0):
    """Batches of 1 to 4 rows of 1 to 12 numbers up to `size`."""
    numbers = st.floats(-size, size, width=32 if dtype == np.float32 else 64)
    return arrays(dtype, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=numbers)


def eps(dtype):
    return np.finfo(dtype).eps


@both_types
@given(data=st.data())
def test_tanh_is_odd(dtype, data):
    z = data.draw(one(dtype))
    assert tanh(-z) == -tanh(z)


@both_types
@given(data=st.data())
def test_the_slopes_of_sigmoid_and_tanh_are_even(dtype, data):
    z = data.draw(one(dtype))
    assert d_sigmoid(-z) == d_sigmoid(z)
    assert d_tanh(-z) == d_tanh(z)


@both_types
@given(data=st.data())
def test_softplus_lies_on_or_above_relu(dtype, data):
    z = data.draw(one(dtype))
    assert softplus(z) >= relu(z)


@both_types
@given(data=st.data())
def test_gelu_and_silu_lie_on_or_below_relu(dtype, data):
    z = data.draw(one(dtype))
    assert gelu(z) <= relu(z)
    assert silu(z) <= relu(z)


@both_types
@given(data=st.data())
def test_sigmoid_of_both_signs_sums_to_one_within_3_eps(dtype, data):
    z = data.draw(one(dtype))
    assert abs(sigmoid(z) + sigmoid(-z) - 1) <= 3 * eps(dtype)


@both_types
@given(data=st.data())
def test_tanh_is_a_stretched_sigmoid_within_3_eps(dtype, data):
    z = np.clip(data.draw(one(dtype)), -1e30, 1e30)  # 2z must stay a float
    assert abs(tanh(z) - (2 * sigmoid(2 * z) - 1)) <= 3 * eps(dtype)


@both_types
@given(data=st.data())
def test_log_softmax_is_never_positive(dtype, data):
    assert (log_softmax(data.draw(logits(dtype))) <= 0).all()


@both_types
@given(data=st.data())
def test_softmax_sums_to_one_within_8_eps(dtype, data):
    P = softmax(data.draw(logits(dtype)))
    assert (P >= 0).all()
    assert (abs(P.sum(axis=-1) - 1) <= 8 * eps(dtype)).all()


@both_types
@given(data=st.data())
def test_softmax_keeps_the_order_of_its_logits(dtype, data):
    Z = data.draw(logits(dtype))
    order = np.argsort(Z, axis=-1)
    assert (np.diff(np.take_along_axis(softmax(Z), order, axis=-1), axis=-1) >= 0).all()


@both_types
@given(data=st.data(), shift=st.floats(-1000, 1000, width=32))
def test_softmax_does_not_see_a_shift_within_2_eps_of_the_sizes_involved(dtype, data, shift):
    Z = data.draw(logits(dtype))
    scale = 1 + abs(shift) + abs(Z).max()
    assert (abs(softmax(Z + dtype(shift)) - softmax(Z)) <= 2 * eps(dtype) * scale).all()


@both_types
@given(data=st.data(), shift=st.floats(-1000, 1000, width=32))
def test_log_softmax_does_not_see_a_shift_within_2_eps_of_the_sizes_involved(dtype, data, shift):
    Z = data.draw(logits(dtype))
    scale = 1 + abs(shift) + abs(Z).max()
    assert (abs(log_softmax(Z + dtype(shift)) - log_softmax(Z)) <= 2 * eps(dtype) * scale).all()


@both_types
@given(data=st.data())
def test_the_gradient_of_cross_entropy_sums_to_zero_in_each_row(dtype, data):
    Z = data.draw(logits(dtype))
    m, K = Z.shape
    labels = data.draw(arrays(np.int64, m, elements=st.integers(0, K - 1)))
    for y in (labels, np.eye(K)[labels], softmax(Z[::-1])):
        assert (abs(d_cross_entropy(Z, y).sum(axis=1)) <= 8 * eps(dtype) / m).all()
        assert cross_entropy(Z, y) >= 0


@both_types
@given(data=st.data())
def test_descending_along_the_gradient_lowers_the_cross_entropy(dtype, data):
    """∂²L/∂z² ≤ ½ per example, so a step of 1 on m·L never goes up by more than rounding."""
    Z = data.draw(logits(dtype, 10.0))
    labels = data.draw(arrays(np.int64, len(Z), elements=st.integers(0, Z.shape[1] - 1)))
    stepped = Z - d_cross_entropy(Z, labels) * dtype(len(Z))
    assert cross_entropy(stepped, labels) <= cross_entropy(Z, labels) + 64 * eps(dtype)
