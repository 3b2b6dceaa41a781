"""Activations: exact to a few ulps on the whole range, right at ±∞, and well-behaved about types, shapes and errors."""

import exact
import mpmath as mp
import numpy as np
import pytest

import mlmath.activations
from mlmath.activations import (
    ACTIVATIONS,
    d_leaky_relu,
    d_log_softmax,
    d_relu,
    d_softmax,
    leaky_relu,
    log_softmax,
    relu,
    softmax,
    sum_of_others,
)

ELEMENTWISE = [f for pair in ACTIVATIONS.values() for f in pair]
BY_ROWS = [softmax, d_softmax, log_softmax, d_log_softmax]
TYPES = [np.float32, np.float64]
inf = np.inf


def named(f):
    return f.__name__


def grid(dtype):
    """Numbers of every size down to subnormal ones, beyond both thresholds of exp, and dense near the extremes."""
    rng = np.random.default_rng(0)
    tiny, far = (1e-310, 800) if dtype == np.float64 else (1e-42, 120)
    sizes = np.geomspace(tiny, 1, 60)
    places = [0, 2**0.5, -(2**0.5), -0.751792, -1.278465, 2.399357, -2.399357, -37.6, -38.2]
    parts = [np.linspace(-far, far, 161), np.linspace(-40, 40, 161), rng.normal(size=80), sizes, -sizes, places]
    return np.concatenate(parts).astype(dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_oracle_knows_the_derivatives_of_its_functions(name):
    f, d_f, dd_f = exact.FUNCTIONS[name]
    for z in [mp.mpf(x) / 7 for x in (-100, -9, -3, 2, 10, 55)]:
        assert mp.almosteq(mp.diff(f, z), d_f(z), 1e-30, 1e-30)
        assert mp.almosteq(mp.diff(d_f, z), dd_f(z), 1e-30, 1e-30)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", [0, 1], ids=["f", "d_f"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_functions_and_derivatives_are_exact_to_8_ulps_per_condition(name, order, dtype):
    z = grid(dtype)
    f, slope = exact.FUNCTIONS[name][order : order + 2]
    with np.errstate(all="raise"):
        got = ACTIVATIONS[name][order](z)
    values = [f(x) for x in exact.row(z)]
    conditions = [exact.condition(x, slope(x), v) for x, v in zip(exact.row(z), values, strict=True)]
    if name == "leaky_relu" and dtype == np.float32:
        conditions = [c + 1 for c in conditions]  # the slope 0.3 is rounded to float32
    assert exact.worst(got, values, conditions) <= 8


def rows(dtype):
    rng = np.random.default_rng(1)
    for K in (1, 2, 3, 10):
        for scale in (1e-300, 1e-3, 1, 20, 700):
            yield (rng.normal(size=K) * scale).astype(dtype)
    yield np.array([20, 0], dtype)
    yield np.array([0, 700, 0], dtype)
    yield np.array([5, 5, 5, -5], dtype)
    yield np.array([1e6, 1e6 - 1, 1e6 + 0.5], dtype)


@pytest.mark.parametrize("dtype", TYPES)
def test_softmax_and_its_logarithm_are_exact_to_8_ulps_per_condition(dtype):
    for z in rows(dtype):
        x, (p, q) = exact.row(z), exact.softmax(exact.row(z))
        one = range(len(z))
        logs = [exact.log(p[j], q[j]) for j in one]
        slopes = [[q[j] if j == k else -p[k] for k in one] for j in one]  # of log p_j
        scaled = [mp.fsum(abs(x[k] * slopes[j][k]) for k in one) for j in one]
        with np.errstate(all="raise"):
            assert exact.worst(softmax(z), p, scaled) <= 8
            conditions = [s / abs(v) if v else 0 for s, v in zip(scaled, logs, strict=True)]
            assert exact.worst(log_softmax(z), logs, conditions) <= 8


@pytest.mark.parametrize("dtype", TYPES)
def test_jacobians_of_softmax_and_log_softmax_are_exact_to_8_ulps_per_condition(dtype):
    for z in rows(dtype):
        x, (p, q) = exact.row(z), exact.softmax(exact.row(z))
        one = range(len(z))
        for j in one:
            for k in one:
                log_p = [(i == j) * q[j] - (i != j) * p[i] for i in one]  # slopes of log p_j
                log_q = [-p[j] if i == j else p[j] * p[i] / q[j] for i in one] if q[j] else [0] * len(z)
                log_pk = [(i == k) * q[k] - (i != k) * p[i] for i in one]
                value, slopes = (q[j], log_q) if j == k else (-p[k], log_pk)
                condition = mp.fsum(abs(a * s) for a, s in zip(x, slopes, strict=True))
                with np.errstate(all="raise"):
                    d_log_p, d_p = d_log_softmax(z), d_softmax(z)
                assert exact.error(d_log_p[j, k], value, condition) <= 8
                condition = mp.fsum(abs(a * (s + t)) for a, s, t in zip(x, slopes, log_p, strict=True))
                assert exact.error(d_p[j, k], p[j] * value, condition) <= 8


LIMITS = {  # at −∞ and at ∞: f, then d_f
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "relu": (0, inf, 0, 1),
    "leaky_relu": (-inf, inf, 0.3, 1),
    "softplus": (0, inf, 0, 1),
    "gelu": (0, inf, 0, 1),
    "silu": (0, inf, 0, 1),
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_limits_at_infinity_are_right_and_reached_by_the_largest_numbers(name, dtype):
    limits = np.array(LIMITS[name], dtype)
    most = np.finfo(dtype).max
    f, d_f = ACTIVATIONS[name]
    with np.errstate(all="raise"):
        assert (f(np.array([-inf, inf], dtype)) == limits[:2]).all()
        for far in (inf, most):
            assert (d_f(np.array([-far, far], dtype)) == limits[2:]).all()
        assert np.isfinite(f(np.array([-most, most], dtype))).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("z", "p"),
    [
        ([inf, 0], [1, 0]),
        ([inf, inf], [0.5, 0.5]),
        ([-inf, -inf], [0.5, 0.5]),
        ([-inf, 3], [0, 1]),
        ([inf, -inf], [1, 0]),
    ],
)
def test_softmax_shares_equal_infinities(z, p, dtype):
    z, p = np.array(z, dtype), np.array(p, dtype)
    with np.errstate(all="raise"):
        assert (softmax(z) == p).all()
        assert (np.exp(log_softmax(z)).round(6) == p).all()
        assert (d_softmax(z) == np.diag(p) - np.outer(p, p)).all()
        assert (d_log_softmax(z) == np.eye(2) - p).all()
        both = softmax(np.array([z, [1, 1]], dtype))  # an infinite row leaves the others alone
    assert (both == [p, [0.5, 0.5]]).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_softmax_of_the_largest_gap_a_type_has(dtype):
    most = np.finfo(dtype).max
    with np.errstate(all="raise"):
        assert (softmax(np.array([most, -most], dtype)) == [1, 0]).all()
        assert (log_softmax(np.array([most, -most], dtype)) == [0, -inf]).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_a_sure_answer_keeps_its_small_loss_and_its_small_derivative(dtype):
    assert np.isclose(log_softmax(np.array([20, 0], dtype))[0], -2.0611536e-9, rtol=1e-6)
    assert np.isclose(d_softmax(np.array([20, 0], dtype))[0, 0], 2.0611536e-9, rtol=1e-6)
    assert np.isclose(log_softmax([700, 0])[0], -9.85967654e-305, rtol=1e-8)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("f", ELEMENTWISE, ids=named)
def test_type_and_shape_stay_and_the_input_is_left_alone(f, dtype):
    z = np.random.default_rng(2).normal(size=(3, 4)).astype(dtype)
    before = z.copy()
    for part in (z, z[:, ::2], z.T, z[:0], z[0]):
        assert f(part).dtype == dtype
        assert f(part).shape == part.shape
    assert (z == before).all()
    assert not np.shares_memory(f(z), z)
    assert (f(z.T) == f(z).T).all()


@pytest.mark.parametrize("f", ELEMENTWISE, ids=named)
def test_a_scalar_gives_a_scalar(f):
    for z, dtype in [
        (1, np.float64),
        (0.5, np.float64),
        (np.float32(0.5), np.float32),
        (np.array(0.5, "f4"), np.float32),
    ]:
        assert type(f(z)) is dtype
    assert f([0, 1]).dtype == np.float64
    assert f(np.array([True, False])).dtype == np.float64


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("f", BY_ROWS, ids=named)
def test_rows_lie_along_the_last_axis_at_any_depth(f, dtype):
    Z = np.random.default_rng(3).normal(size=(2, 3, 4)).astype(dtype)
    before = Z.copy()
    assert f(Z).dtype == dtype
    assert f(Z).shape == Z.shape + f(Z[0, 0]).shape[1:]
    for i, j in np.ndindex(2, 3):
        assert np.allclose(f(Z)[i, j], f(Z[i, j]), rtol=4 * np.finfo(dtype).eps)
    assert f(Z[:0]).shape == (0, *f(Z).shape[1:])
    assert np.allclose(f(Z.transpose(1, 0, 2)), f(Z).swapaxes(0, 1), rtol=4 * np.finfo(dtype).eps)
    assert (Z == before).all()


def test_the_jacobian_of_softmax_agrees_with_the_complex_step():
    z = np.array([0.3, -1.2, 2.0, 0.0])
    for k in range(4):
        step = np.exp(z + 1e-200j * np.eye(4)[k])
        p = step / step.sum()
        assert np.allclose(d_softmax(z)[:, k], p.imag / 1e-200, rtol=1e-14)
        assert np.allclose(d_log_softmax(z)[:, k], np.log(p).imag / 1e-200, rtol=1e-14)


def test_the_slope_of_relu_at_zero_is_zero_by_convention():
    assert (d_relu([0.0, -0.0, 5e-324, -5e-324]) == [0, 0, 1, 0]).all()
    assert (d_leaky_relu([0.0, -0.0], slope=0.1) == 0.1).all()


def test_the_slope_of_leaky_relu_runs_from_relu_to_the_identity():
    z = np.array([-inf, -2, 0, 3, inf])
    with np.errstate(all="raise"):
        assert (leaky_relu(z, slope=0) == relu(z)).all()
        assert (d_leaky_relu(z, slope=0) == d_relu(z)).all()
        assert (leaky_relu(z, slope=1) == z).all()
        assert (leaky_relu(z, 0.5) == [-inf, -1, 0, 3, inf]).all()


@pytest.mark.parametrize("f", [leaky_relu, d_leaky_relu], ids=named)
def test_a_slope_outside_0_and_1_is_refused(f):
    with pytest.raises(ValueError, match="slope was -0.1; it should be at least 0 and at most 1"):
        f(1.0, slope=-0.1)
    with pytest.raises(TypeError, match="slope was 'a'"):
        f(1.0, slope="a")


@pytest.mark.parametrize("f", ELEMENTWISE, ids=named)
def test_bad_numbers_are_refused(f):
    with pytest.raises(ValueError, match="z was an array with NaN in it"):
        f([1, np.nan])
    with pytest.raises(TypeError, match="z was complex; it should be real numbers"):
        f([1j])


@pytest.mark.parametrize("f", BY_ROWS, ids=named)
def test_bad_rows_are_refused(f):
    with pytest.raises(ValueError, match="Z was an array with NaN in it"):
        f([1, np.nan])
    with pytest.raises(ValueError, match=r"Z was \[\[1, 2\], \[3\]\]; it should be an array, its rows of one length"):
        f([[1, 2], [3]])
    for empty in (3.0, np.zeros((3, 0))):
        with pytest.raises(ValueError, match=r"Z was of shape \(.*\); it should be at least one number along its last"):
            f(empty)


def test_the_sum_of_others_does_not_cancel():
    assert (sum_of_others(np.array([[1, 1e-20, 1e-30], [0, 0, 5]])) == [[1e-20 + 1e-30, 1, 1], [5, 5, 0]]).all()
    P = np.random.default_rng(4).dirichlet(np.ones(50) * 0.1, size=20)
    assert np.allclose(sum_of_others(P), [[np.delete(p, j).sum() for j in range(50)] for p in P], rtol=1e-14)


def test_the_table_names_every_elementwise_function_with_its_derivative():
    for name, (f, d_f) in ACTIVATIONS.items():
        assert f is getattr(mlmath.activations, name)
        assert d_f is getattr(mlmath.activations, "d_" + name)
        assert (f.__name__, d_f.__name__) == (name, "d_" + name)
    assert [f.__name__ for f in BY_ROWS] == ["softmax", "d_softmax", "log_softmax", "d_log_softmax"]
