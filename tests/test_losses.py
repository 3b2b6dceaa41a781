"""Losses: exact to a few ulps, gradients that are derivatives, small losses of sure answers kept, bad input refused."""

import exact
import mpmath as mp
import numpy as np
import pytest

from mlmath.losses import (
    binary_cross_entropy,
    binary_cross_entropy_from_logits,
    cross_entropy,
    cross_entropy_and_gradient,
    d_binary_cross_entropy,
    d_binary_cross_entropy_from_logits,
    d_cross_entropy,
    d_mse,
    mse,
)

TYPES = [np.float32, np.float64]
ENTRYWISE = {
    mse: d_mse,
    binary_cross_entropy: d_binary_cross_entropy,
    binary_cross_entropy_from_logits: d_binary_cross_entropy_from_logits,
}
inf = np.inf


def named(f):
    return f.__name__


def quietly(f, *arguments):
    with np.errstate(all="raise"):
        return f(*arguments)


@pytest.mark.parametrize("dtype", TYPES)
def test_mse_is_exact_to_8_ulps_per_condition(dtype):
    rng = np.random.default_rng(0)
    for scale in (1e-12 if dtype == np.float32 else 1e-150, 1e-3, 1, 1e10):
        Y = rng.normal(size=(6, 3)).astype(dtype)
        Y_hat = (Y + scale * rng.normal(size=(6, 3))).astype(dtype)
        d = [a - b for a, b in zip(exact.row(Y_hat), exact.row(Y), strict=True)]
        slopes = [2 * x / 18 for x in d]
        value = mp.fsum(x * x for x in d) / 18
        assert exact.error(quietly(mse, Y_hat, Y), value, exact.row_condition(exact.row(Y_hat), slopes, value)) <= 8
        assert exact.worst(quietly(d_mse, Y_hat, Y), slopes, [0] * 18) <= 8


def binary_cases(dtype):
    rng = np.random.default_rng(1)
    for y in (0, 1, 0.5, 0.3, 1e-6, rng.uniform(), rng.uniform()):
        for z in (0, 1e-30, -1e-30, 0.7, -0.9, 1.1, 3, 17, -17, 40, -80, 700, *rng.normal(size=8)):
            yield dtype(z), dtype(y)
    yield dtype(20), dtype(1 - 1e-6)


@pytest.mark.parametrize("dtype", TYPES)
def test_binary_cross_entropy_from_logits_is_exact_to_8_ulps_per_condition(dtype):
    for z, y in binary_cases(dtype):
        x, t = mp.mpf(float(z)), mp.mpf(float(y))
        p, q = exact.sigmoid(x), exact.sigmoid(-x)
        value, slope = -t * exact.log(p, q) - (1 - t) * exact.log(q, p), p * (1 - t) - q * t
        assert (
            exact.error(quietly(binary_cross_entropy_from_logits, z, y), value, exact.condition(x, slope, value)) <= 8
        )
        got = quietly(d_binary_cross_entropy_from_logits, z, y)
        assert exact.error(got, slope, exact.condition(x, p * q, slope) if slope else 0) <= 8


@pytest.mark.parametrize("dtype", TYPES)
def test_binary_cross_entropy_from_probabilities_is_exact_to_8_ulps_per_condition(dtype):
    rng = np.random.default_rng(2)
    small = np.finfo(dtype).tiny
    for y in (0, 1, 0.5, 0.3, rng.uniform()):
        for p in (small, 1e-20, 1e-3, 0.3, 0.5, 0.999, 1 - np.finfo(dtype).epsneg, *rng.uniform(size=10)):
            p, y = dtype(p), dtype(y)
            x, t = mp.mpf(float(p)), mp.mpf(float(y))
            value = -t * mp.log(x) - (1 - t) * mp.log1p(-x)
            slope, second = (x - t) / (x * (1 - x)), t / x**2 + (1 - t) / (1 - x) ** 2
            assert exact.error(quietly(binary_cross_entropy, p, y), value, exact.condition(x, slope, value)) <= 8
            condition = exact.condition(x, second, slope) if slope else 0
            assert exact.error(quietly(d_binary_cross_entropy, p, y), slope, condition) <= 8


def logit_rows(dtype):
    rng = np.random.default_rng(3)
    for K in (1, 2, 3, 10):
        for scale in (1e-300, 1e-3, 1, 20, 700):
            yield (rng.normal(size=K) * scale).astype(dtype)
    yield np.array([0, 0, 700], dtype)


@pytest.mark.parametrize("dtype", TYPES)
def test_cross_entropy_of_labels_is_exact_to_8_ulps_per_condition(dtype):
    for z in logit_rows(dtype):
        x, (p, q) = exact.row(z), exact.softmax(exact.row(z))
        one = range(len(z))
        for y in one:
            value = -exact.log(p[y], q[y])
            slopes = [-q[j] if j == y else p[j] for j in one]
            got = quietly(cross_entropy, z[None], [y])
            assert exact.error(got, value, exact.row_condition(x, slopes, value) if value else 0) <= 8
            conditions = [  # of p_j, and of 1 − p_y
                mp.fsum(abs(x[k]) * (q[j] if k == j else p[k]) for k in one)
                if j != y
                else mp.fsum(abs(x[k]) * (p[y] if k == y else p[y] * p[k] / q[y]) for k in one if q[y])
                for j in one
            ]
            assert exact.worst(quietly(d_cross_entropy, z[None], [y]), slopes, conditions) <= 8


@pytest.mark.parametrize("dtype", TYPES)
def test_cross_entropy_of_probabilities_is_exact_to_8_ulps_per_condition(dtype):
    """The gradient's condition counts the labels too: where p ≈ y, their last digit decides what is left."""
    rng = np.random.default_rng(4)
    for z in logit_rows(dtype):
        for spread in (0.05, 1, 100):
            y = rng.dirichlet(np.full(len(z), spread)).astype(dtype)
            x, t, (p, q) = exact.row(z), exact.row(y), exact.softmax(exact.row(z))
            one = range(len(z))
            rest = [mp.fsum(t[:j] + t[j + 1 :]) for j in one]
            value = -mp.fsum(t[k] * exact.log(p[k], q[k]) for k in one)
            slopes = [p[j] * rest[j] - t[j] * q[j] for j in one]
            got = quietly(cross_entropy, z[None], y[None])
            assert exact.error(got, value, exact.row_condition(x, slopes, value) if value else 0) <= 8
            moves = [mp.fsum(abs(x[k]) * p[j] * (q[j] if k == j else p[k]) for k in one) for j in one]
            moves = [m + p[j] * rest[j] + q[j] * t[j] for j, m in enumerate(moves)]
            conditions = [m / abs(s) if s else 0 for m, s in zip(moves, slopes, strict=True)]
            assert exact.worst(quietly(d_cross_entropy, z[None], y[None]), slopes, conditions) <= 8


def complex_losses():
    """The losses without branches, for the complex step: of z (and p in (0, 1)) of moderate size."""
    log_softmax = lambda Z: Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))  # noqa: E731
    return {
        mse: lambda A, Y: ((A - Y) ** 2).mean(),
        binary_cross_entropy: lambda P, Y: -(Y * np.log(P) + (1 - Y) * np.log(1 - P)).mean(),
        binary_cross_entropy_from_logits: lambda Z, Y: (np.log(1 + np.exp(Z)) - Y * Z).mean(),
        cross_entropy: lambda Z, Y: -(Y * log_softmax(Z)).sum(axis=1).mean(),
    }


@pytest.mark.parametrize("f", [*ENTRYWISE, cross_entropy], ids=named)
def test_gradients_agree_with_the_complex_step(f):
    rng = np.random.default_rng(5)
    A, Y = rng.uniform(0.1, 0.9, (5, 4)), rng.dirichlet(np.ones(4), size=5)
    assert np.isclose(f(A, Y), complex_losses()[f](A, Y), rtol=1e-14)
    gradient = {**ENTRYWISE, cross_entropy: d_cross_entropy}[f](A, Y)
    by_step = np.zeros_like(A)
    for i in np.ndindex(A.shape):
        moved = A.astype(complex)
        moved[i] += 1e-200j
        by_step[i] = complex_losses()[f](moved, Y).imag / 1e-200
    assert np.linalg.norm(gradient - by_step) <= 1e-14 * np.linalg.norm(by_step)


def test_the_means_run_over_entries_and_for_cross_entropy_over_examples():
    rng = np.random.default_rng(6)
    A, Y = rng.uniform(0.1, 0.9, (5, 4)), rng.uniform(size=(5, 4))
    for f, d_f in ENTRYWISE.items():
        assert np.isclose(f(A, Y), np.mean([f(a, y) for a, y in zip(A.flat, Y.flat, strict=True)]), rtol=1e-14)
        assert np.allclose(
            d_f(A, Y) * 20, [[d_f(a, y) for a, y in zip(*r, strict=True)] for r in zip(A, Y, strict=True)]
        )
    labels = np.array([3, 0, 1, 1, 2])
    assert np.isclose(cross_entropy(A, labels), np.mean([cross_entropy(A[[i]], labels[[i]]) for i in range(5)]))
    assert np.allclose(d_cross_entropy(A, labels)[[2]] * 5, d_cross_entropy(A[[2]], labels[[2]]))
    assert np.isclose(cross_entropy(np.zeros((7, 10)), np.arange(7)), np.log(10))  # knowing nothing costs ln K


@pytest.mark.parametrize("dtype", TYPES)
def test_integer_labels_and_their_one_hot_rows_give_the_same(dtype):
    Z = (np.random.default_rng(7).normal(size=(6, 10)) * 10).astype(dtype)
    labels = np.array([9, 0, 3, 3, 1, 5], np.uint8)
    for Y in (np.eye(10)[labels], np.eye(10, dtype=int)[labels], np.eye(10, dtype=np.float32)[labels]):
        assert np.isclose(cross_entropy(Z, Y), cross_entropy(Z, labels), rtol=2 * np.finfo(dtype).eps)
        assert np.allclose(d_cross_entropy(Z, Y), d_cross_entropy(Z, labels), rtol=8 * np.finfo(dtype).eps, atol=0)
    assert cross_entropy(Z, list(map(int, labels))) == cross_entropy(Z, labels)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_sure_answer_keeps_its_small_loss_and_gradient(dtype):
    Z = np.array([[20, 0]], dtype)
    small = 2.061153620314381e-9  # log(1 + e⁻²⁰)
    slope = 2.061153618190204e-9  # σ(−20)
    for labels in ([0], [[1, 0]]):
        assert np.isclose(cross_entropy(Z, labels), small, rtol=1e-6)
        assert np.allclose(d_cross_entropy(Z, labels), [[-slope, slope]], rtol=1e-6, atol=0)
    assert np.isclose(cross_entropy(np.array([[17, 0, 0]], dtype), [0]), 8.2798754e-8, rtol=1e-6)
    assert np.isclose(binary_cross_entropy_from_logits(dtype(20), 1), small, rtol=1e-6)
    assert np.isclose(d_binary_cross_entropy_from_logits(dtype(20), 1), -slope, rtol=1e-6)


def test_a_gap_of_700_is_right_either_way():
    assert np.isclose(cross_entropy([[700, 0]], [0]), 9.85967654375977e-305, rtol=1e-12)
    assert cross_entropy([[700, 0]], [1]) == 700
    assert (d_cross_entropy([[700, 0]], [1]) == [[1, -1]]).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_infinities_give_limits_and_no_nan(dtype):
    Z = np.array([-inf, inf], dtype)
    assert quietly(binary_cross_entropy_from_logits, Z, [0, 1]) == 0
    assert quietly(binary_cross_entropy_from_logits, Z, [1, 1]) == inf
    assert (quietly(d_binary_cross_entropy_from_logits, Z, [0, 1]) == 0).all()
    assert (quietly(d_binary_cross_entropy_from_logits, Z, [1, 0]) == [-0.5, 0.5]).all()
    assert quietly(cross_entropy, Z[None], [1]) == 0
    assert quietly(cross_entropy, Z[None], [[0, 1]]) == 0
    assert quietly(cross_entropy, Z[None], [0]) == inf
    assert (quietly(d_cross_entropy, Z[None], [0]) == [[-1, 1]]).all()
    assert np.isclose(quietly(cross_entropy, np.array([[inf, inf]], dtype), [0]), np.log(2))
    assert quietly(mse, Z, [0, 0]) == inf
    assert (quietly(d_mse, Z, [0, 0]) == Z).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_probabilities_0_and_1_are_exact_or_infinite(dtype):
    P = np.array([0, 1], dtype)
    assert quietly(binary_cross_entropy, P, [0, 1]) == 0
    assert quietly(binary_cross_entropy, P, [1, 1]) == inf
    assert (quietly(d_binary_cross_entropy, P, [0, 1]) == [0.5, -0.5]).all()
    assert (quietly(d_binary_cross_entropy, P, [1, 0]) == [-inf, inf]).all()
    assert (quietly(d_binary_cross_entropy, P, [0.5, 0.5]) == [-inf, inf]).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_a_mean_is_finite_where_only_the_sum_is_not(dtype):
    big = np.finfo(dtype).max / 2
    Z = np.array([big] * 4, dtype)
    assert np.isclose(quietly(binary_cross_entropy_from_logits, Z, [0] * 4), big, rtol=1e-6)
    assert np.isclose(quietly(cross_entropy, np.stack([Z, 0 * Z], axis=1), [1] * 4), big, rtol=1e-6)


def test_what_is_too_large_or_too_small_for_its_type_becomes_infinite_or_0_silently():
    assert quietly(mse, [1e200], [0]) == inf
    assert quietly(mse, [1e-200], [0]) == 0
    assert quietly(d_mse, [1e308], [-1e308]) == inf
    loss, dZ = quietly(cross_entropy_and_gradient, [[1000, 0]], [1])
    assert loss == 1000 and (dZ == [[1, -1]]).all()


def test_the_mean_of_equal_subnormal_losses_is_each_of_them():
    assert (
        cross_entropy([[740, 0]] * 4, [0] * 4) == cross_entropy([[740, 0]], [0]) > 0
    )  # a 4th of each would be rounded


@pytest.mark.parametrize("y", [0, 0.25, 1])
def test_the_gradient_at_logits_where_its_two_forms_meet(y):
    assert np.isclose(d_binary_cross_entropy_from_logits(1.0, y), 0.7310585786300049 - y, rtol=1e-14)
    assert np.isclose(d_binary_cross_entropy_from_logits(-1.0, y), 0.2689414213699951 - y, rtol=1e-14)


def test_arguments_can_be_named():
    assert mse(Y_hat=[1, 2], Y=[1, 4]) == 2


@pytest.mark.parametrize("dtype", TYPES)
def test_type_shape_and_inputs(dtype):
    A, Y = np.full((3, 2), 0.25, dtype), np.array([[0.5, 0.5], [0, 1], [1, 0]])
    for f, d_f in {**ENTRYWISE, cross_entropy: d_cross_entropy}.items():
        before = A.copy(), Y.copy()
        assert type(f(A, Y)) is dtype
        assert d_f(A, Y).dtype == dtype
        assert d_f(A, Y).shape == A.shape
        assert (A == before[0]).all() and (Y == before[1]).all()
    assert type(cross_entropy(A, [0, 1, 1])) is dtype
    assert d_cross_entropy(A, [0, 1, 1]).dtype == dtype
    assert type(mse(1, 0.5)) is np.float64


@pytest.mark.parametrize("f", [f for pair in ENTRYWISE.items() for f in pair], ids=named)
def test_bad_pairs_are_refused(f):
    first = {"m": "Y_hat", "b": "P"}.get(named(f).removeprefix("d_")[0])
    first = "Z" if "logits" in named(f) else first
    with pytest.raises(ValueError, match=rf"Y was of shape \(3, 1\); it should be of shape \(3,\), as {first}"):
        f(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(ValueError, match=rf"{first} was of shape \(0, 2\); it should be at least one entry"):
        f(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match=f"{first} was an array with NaN"):
        f([np.nan], [0])
    with pytest.raises(ValueError, match="Y was an array with NaN"):
        f([0.5], [np.nan])
    with pytest.raises(ValueError, match="Y was"):
        f([0.5, 0.5], [0, inf])
    with pytest.raises(TypeError, match=f"{first} was complex"):
        f([1j], [0])


@pytest.mark.parametrize("f", [f for pair in list(ENTRYWISE.items())[1:] for f in pair], ids=named)
def test_what_is_no_probability_is_refused(f):
    with pytest.raises(ValueError, match="Y was between 0.5 and 1.5; it should be probabilities, from 0 to 1"):
        f([0.5, 0.5], [0.5, 1.5])
    if "logits" not in named(f):
        with pytest.raises(ValueError, match=r"P was between -0.1 and 0.5; it should be probabilities, from 0 to 1"):
            f([0.5, -0.1], [0.5, 1])


@pytest.mark.parametrize("f", [cross_entropy, d_cross_entropy])
@pytest.mark.parametrize(
    ("Z", "labels", "error", "message"),
    [
        (np.zeros((2, 3)), [0, 3], ValueError, "labels was between 0 and 3; it should be from 0 to 2"),
        (np.zeros((2, 3)), [-1, 0], ValueError, "labels was between -1 and 0; it should be from 0 to 2"),
        (
            np.zeros((2, 3)),
            [0, 1, 2],
            ValueError,
            r"labels was of shape \(3,\); .* \(2,\) or \(2, 3\), as Z is \(2, 3\)",
        ),
        (np.zeros((2, 3)), [[0], [1]], ValueError, r"labels was of shape \(2, 1\)"),
        (np.zeros((2, 3)), [0.0, 1.0], TypeError, "labels was of type float64; it should be integers"),
        (
            np.zeros((1, 3)),
            [[0.5, 0.2, 0.2]],
            ValueError,
            "labels was an array with a row that sums to 0.9; it should be rows that sum to 1",
        ),
        (np.zeros((2, 2)), [[0.5, 0.4], [0.5, 0.5]], ValueError, "labels was an array with a row that sums to 0.9;"),
        (np.zeros((2, 2)), [[0.5, 0.6], [0.5, 0.5]], ValueError, "labels was an array with a row that sums to 1.1;"),
        (np.zeros((1, 2)), [[1.5, -0.5]], ValueError, "labels was between -0.5 and 1.5"),
        (np.zeros((1, 2)), [[np.nan, 1]], ValueError, "labels was an array with NaN"),
        (np.zeros(3), [0], ValueError, r"Z was of shape \(3,\); it should be of shape \(any, any\)"),
        (np.zeros((0, 3)), [], ValueError, r"Z was of shape \(0, 3\); it should be at least one example and one class"),
        (np.zeros((2, 0)), [0, 0], ValueError, r"Z was of shape \(2, 0\)"),
        ([[np.nan, 0]], [0], ValueError, "Z was an array with NaN"),
        ([[1j, 0]], [0], TypeError, "Z was complex"),
    ],
)
def test_bad_batches_are_refused(f, Z, labels, error, message):
    with pytest.raises(error, match=message):
        f(Z, labels)
