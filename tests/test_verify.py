"""Each check passes what is right, in one line that can be read back, and catches a planted error, saying where."""

import subprocess
import sys

import numpy as np
import pytest
import sympy as sp

from mlmath import verify
from mlmath.verify import VerificationError, agrees, definition, gradient, identity, parse

Z = np.linspace(-6, 6, 121)
x, y, t = sp.symbols("x y t", real=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def d_sigmoid(z):
    return np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2


def loss(W):
    return np.sum(np.tanh(W) ** 2) / 3


def d_loss(W):
    return 2 * np.tanh(W) / np.cosh(W) ** 2 / 3


def softmax(z):
    return np.exp(z) / np.exp(z).sum()


def jacobian(z):
    s = softmax(z)
    return np.diag(s) - np.outer(s, s)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setattr(verify, "registry", {})


# --- one line, read back, registered -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (lambda: identity("eq-a", x + x, 2 * x), "✓ eq-a: identity, proved by SymPy"),
        (
            lambda: gradient("eq-b", sigmoid, d_sigmoid, at=Z),
            "✓ eq-b: derivative = complex step at 121 points, within 1e-12 of the largest",
        ),
        (
            lambda: gradient("eq-c", loss, d_loss, at=np.ones((2, 3)), method="central differences", tolerance=1e-7),
            "✓ eq-c: derivative = central differences at 6 coordinates, within 1e-07 of the largest",
        ),
        (lambda: agrees("eq-d", Z, Z + 0, ulps=0), "✓ eq-d: agrees with TensorFlow at 121 points, exactly"),
        (lambda: agrees("eq-d", Z, Z + 0, ulps=1), "✓ eq-d: agrees with TensorFlow at 121 points, within 1 ulp"),
        (
            lambda: agrees("eq-e", Z[:1], Z[:1] + 0, eps=8, against="Keras"),
            "✓ eq-e: agrees with Keras at 1 point, within 8 eps of the largest",
        ),
        (lambda: definition("eq-f", "a mean of squares"), "✓ eq-f: definition: a mean of squares"),
    ],
)
def test_a_check_prints_one_line_that_parses_to_what_is_registered(check, line, capsys):
    assert check() is None
    assert capsys.readouterr().out == line + "\n"
    read_back = parse(line)
    assert verify.registry == {read_back.label: [read_back]}
    assert line == f"✓ {read_back.label}: {read_back.detail}"
    assert read_back.detail.startswith(read_back.kind)


def test_a_cell_run_twice_registers_once_and_several_checks_keep_their_order():
    for _ in range(2):
        identity("eq-a", x + x, 2 * x)
        gradient("eq-a", sigmoid, d_sigmoid, at=Z)
    assert [check.kind for check in verify.registry["eq-a"]] == ["identity", "derivative"]


@pytest.mark.parametrize(
    "line", ["", "accuracy 0.97", "✓ d-sigmoid: identity, x", "✗ eq-a: identity", "✓ eq-a: all well"]
)
def test_other_lines_are_not_checks(line):
    assert parse(line) is None


@pytest.mark.parametrize("label", ["d-sigmoid", "eq-", "eq-D", "eq-a_b", "eq-a b", "eq--a", "eq-a-", "eq-a\n", None, 3])
@pytest.mark.parametrize(
    "check",
    [
        lambda label: identity(label, x, x),
        lambda label: gradient(label, np.exp, np.exp, at=Z),
        lambda label: agrees(label, Z, Z + 0, ulps=0),
        lambda label: definition(label, "why"),
    ],
)
def test_a_malformed_label_is_refused(check, label):
    with pytest.raises(ValueError, match="label was"):
        check(label)


def test_a_failed_check_prints_and_registers_nothing(capsys):
    for check in (
        lambda: identity("eq-a", x, -x),
        lambda: gradient("eq-a", np.exp, np.sin, at=Z),
        lambda: agrees("eq-a", Z, -Z, ulps=2),
    ):
        with pytest.raises(VerificationError):
            check()
    assert capsys.readouterr().out == "" and verify.registry == {}


def test_failures_are_assertion_errors():
    assert issubclass(VerificationError, AssertionError)


@pytest.mark.parametrize("why", ["", "  ", "two\nlines", None])
def test_a_definition_needs_a_reason_in_one_line(why):
    with pytest.raises(ValueError, match="why was"):
        definition("eq-a", why)


def test_importing_verify_imports_no_sympy():
    code = "import sys, mlmath.verify; assert not {'sympy', 'tensorflow', 'matplotlib.pyplot'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- identity ------------------------------------------------------------------------------------------------------

s_x = 1 / (1 + sp.exp(-x))
n, beta = sp.Symbol("n", integer=True, positive=True), sp.Symbol("beta", positive=True)
k = sp.Symbol("k", integer=True)
logits = sp.symbols("z_1:4", real=True)
probabilities = sp.Matrix([sp.exp(z) / sum(sp.exp(v) for v in logits) for z in logits])
softmax_jacobian = sp.diag(*probabilities) - probabilities * probabilities.T


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (sp.diff(s_x, x), s_x * (1 - s_x)),
        (sp.diff(sp.tanh(x), x), 1 - sp.tanh(x) ** 2),
        (sp.tanh(x), 2 / (1 + sp.exp(-2 * x)) - 1),
        (sp.log(1 + sp.exp(x)) - x, sp.log(1 + sp.exp(-x))),
        (sp.Sum((1 - beta) * beta ** (n - k), (k, 1, n)), 1 - beta**n),
        (probabilities.jacobian(logits), softmax_jacobian),
        (sp.diff(x * sp.erfc(-x / sp.sqrt(2)) / 2, x).subs(x, 0), sp.Rational(1, 2)),
        (sp.harmonic(n + 1) - sp.harmonic(n), 1 / (n + 1)),
        (2, 2),
    ],
)
def test_true_identities_are_proved(left, right):
    identity("eq-a", left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (sp.diff(s_x, x), -s_x * (1 - s_x)),
        (sp.diff(s_x, x), 2 * s_x * (1 - s_x)),
        (sp.diff(sp.tanh(x), x), 1 - sp.tanh(x)),
        (sp.log(1 + sp.exp(x)) - x, sp.log(1 + sp.exp(x))),
        (sp.Sum((1 - beta) * beta ** (n - k), (k, 1, n)), 1 - beta ** (n + 1)),
        (sp.sqrt(x**2), x),
        (
            probabilities.jacobian(logits),
            softmax_jacobian + sp.Matrix(3, 3, [0, 0, 0, 0, 0, 0, 0, probabilities[0], 0]),
        ),
        (sp.pi, sp.Rational(355, 113)),
        (sp.sin(sp.pi * x), 0),  # at whole numbers it would hold
        (x, x + 1),  # as wrong at every point
        (2, 3),
    ],
)
def test_false_identities_are_refuted_with_both_values(left, right):
    with pytest.raises(VerificationError, match=r"✗ eq-a: .*left = .*, right = .*, difference [\d.e+-]+$"):
        identity("eq-a", left, right)


def test_a_refutation_names_the_point_and_the_entry():
    with pytest.raises(VerificationError, match=r"worst at x = \S+, y = \S+ \(entry \(0, 1\)\): left"):
        identity("eq-a", sp.Matrix([[x, x * y]]), sp.Matrix([[x, x + y]]))


@pytest.mark.parametrize(("left", "right"), [(x**2, 0), (0, -(x**2))])
def test_the_worst_point_of_a_refutation_is_the_furthest(left, right):
    with pytest.raises(VerificationError) as failure:
        identity("eq-a", left, right)
    message = str(failure.value)
    point = sp.Rational(message.split("x = ")[1].split(":")[0])
    assert float(message.split("difference ")[1]) == pytest.approx(float(point**2), rel=1e-2)
    assert abs(point) > 2


def test_what_symbols_may_be_is_part_of_the_claim():
    positive = sp.Symbol("p", positive=True)
    identity("eq-a", sp.sqrt(positive**2), positive)
    with pytest.raises(VerificationError, match="x = -"):
        identity("eq-a", sp.sqrt(x**2), x)


@pytest.mark.parametrize(
    ("symbol", "values"),
    [
        (sp.Symbol("n", integer=True, positive=True), {*range(1, 6)}),
        (sp.Symbol("n", integer=True), {*range(-5, 0), *range(1, 6)}),
        (sp.Symbol("p", positive=True), {sp.Rational(k, 16) for k in range(1, 49)}),
        (sp.Symbol("p", negative=True), {sp.Rational(-k, 16) for k in range(1, 49)}),
        (x, {sp.Rational(sign * k, 16) for k in range(1, 49) for sign in (1, -1)}),
    ],
)
def test_the_numbers_put_for_a_symbol_are_all_small_ones_that_it_may_be(symbol, values):
    rng = np.random.default_rng(0)
    assert {verify._value(symbol, rng) for _ in range(40 * len(values))} == values


def test_what_is_neither_proved_nor_refuted_says_so():
    f = sp.Function("f")
    slope, never_finite = f(x).diff(x), 1 / sp.sin(16 * sp.pi * x)  # at the numbers that are put for x
    for left, right in (
        (never_finite, x),
        (f(x), f(y)),
        (f(x), x),
        (x, f(x)),
        (slope, 2 * slope),
        (slope, x),
        (x, slope),
    ):
        with pytest.raises(VerificationError, match="neither proved nor refuted"):
            identity("eq-a", left, right)


p = sp.Symbol("p", positive=True)
angle = sp.atan(p) + sp.atan(1 / p)


@pytest.mark.parametrize(("left", "right"), [(angle, sp.pi / 2), (-angle, -sp.pi / 2), (angle - sp.pi / 2, 0)])
def test_equality_at_points_is_not_taken_for_a_proof(left, right):
    with pytest.raises(VerificationError, match="neither proved nor refuted"):  # true, and beyond what SymPy reduces
        identity("eq-a", left, right)


def test_matrices_of_other_shapes_and_nothing_at_all_are_refused():
    with pytest.raises(VerificationError, match="shape"):
        identity("eq-a", sp.Matrix([x, y]), sp.Matrix([[x, y]]))
    with pytest.raises(ValueError, match="number of entries was 0"):
        identity("eq-a", sp.zeros(0, 0), sp.zeros(0, 0))


def test_matrix_symbols_are_compared_entry_by_entry():
    A, B = sp.MatrixSymbol("A", 2, 2), sp.MatrixSymbol("B", 2, 2)
    identity("eq-a", (A * B).T, B.T * A.T)
    with pytest.raises(VerificationError):
        identity("eq-a", A * B, B * A)


def test_nan_is_not_equal_to_nan():
    with pytest.raises(VerificationError):
        identity("eq-a", sp.nan, sp.nan)


# --- gradient ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["complex step", "central differences"])
def test_right_derivatives_pass_for_each_of_the_three_shapes(method):
    gradient("eq-a", np.tanh, lambda z: 1 - np.tanh(z) ** 2, at=Z, method=method)
    gradient("eq-a", loss, d_loss, at=np.array([[0.3, -2.0], [1.0, 0.0]]), method=method)
    gradient("eq-a", softmax, jacobian, at=[0.1, -1.0, 2.0], method=method)
    gradient("eq-a", np.exp, np.exp, at=1, method=method)


@pytest.mark.parametrize("method", ["complex step", "central differences"])
@pytest.mark.parametrize(
    "wrong",
    [
        lambda d: 2 * d,
        lambda d: -d,
        lambda d: d * (1 + 1e-6),
        lambda d: np.concatenate([d.ravel()[1:], d.ravel()[:1]]).reshape(d.shape),
        lambda d: np.where(np.arange(d.size).reshape(d.shape) == d.size - 1, d + 1e-6, d),
        np.zeros_like,
    ],
    ids=["factor 2", "sign", "off by 1e-6", "index", "one entry", "zero"],
)
@pytest.mark.parametrize(
    ("f", "d_f", "at"),
    [(np.tanh, lambda z: 1 - np.tanh(z) ** 2, Z + 0.03), (loss, d_loss, Z[60:70]), (softmax, jacobian, Z[::40])],
)
def test_planted_errors_are_caught(f, d_f, at, wrong, method):
    with pytest.raises(VerificationError, match=rf"✗ eq-a: worst at x = .*d_f = .*{method} = .*difference"):
        gradient("eq-a", f, lambda z: wrong(d_f(z)), at=at, method=method)


def test_the_complex_step_sees_an_error_of_1e_11():
    with pytest.raises(VerificationError):
        gradient("eq-a", np.sin, lambda z: np.cos(z) + 1e-11, at=Z)


def test_the_bound_shrinks_with_the_derivative():
    gradient("eq-a", lambda z: 1e-6 * np.sin(z), lambda z: 1e-6 * np.cos(z), at=Z)
    with pytest.raises(VerificationError):
        gradient("eq-a", lambda z: 1e-6 * np.sin(z), lambda z: 1e-6 * np.cos(z) + 1e-17, at=Z)


def test_central_differences_take_a_step_that_grows_with_x():
    seen = []
    gradient("eq-a", lambda z: (seen.append(float(z)), z)[1], np.ones_like, at=0.0, method="central differences")
    assert seen == [0, 6e-6, -6e-6]
    gradient("eq-a", np.square, lambda z: 2 * z, at=[1e6, -1e6], method="central differences")


def test_a_derivative_of_an_elementwise_function_that_mixes_its_entries_is_caught():
    with pytest.raises(VerificationError):
        gradient("eq-a", softmax, lambda z: softmax(z) * (1 - softmax(z)), at=Z[:3])


def test_a_transposed_jacobian_is_caught():
    A = np.array([[1.0, 2.0], [3.0, 4.0]])
    gradient("eq-a", lambda v: A @ v, lambda v: A, at=[1, 1])
    with pytest.raises(VerificationError):
        gradient("eq-a", lambda v: A @ v, lambda v: A.T, at=[1, 1])


def test_the_message_has_the_worst_input_both_values_and_the_difference():
    with pytest.raises(VerificationError) as failure:
        gradient("eq-d-square", lambda z: z**2, lambda z: np.where(z == 3, 7.0, 2 * z), at=[1, 3, 4])
    assert str(failure.value) == (
        "✗ eq-d-square: worst at x = 3.0, entry (1,): d_f = 7.0, complex step = 6.0, difference 1; "
        "it should be within 1e-12 of the largest"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_inf_in_a_derivative_fail(bad):
    with pytest.raises(VerificationError, match=f"d_f = {bad}"):
        gradient("eq-a", np.exp, lambda z: np.where(z > 5.95, bad, np.exp(z)), at=Z)


def test_nan_on_both_sides_fails():
    with pytest.raises(VerificationError, match="nan"):
        gradient("eq-a", lambda z: z * np.nan, lambda z: z * np.nan, at=Z)


def test_a_gradient_of_the_wrong_shape_fails():
    with pytest.raises(VerificationError, match=r"d_f has shape \(3, 2\), complex step has shape \(2, 3\)"):
        gradient("eq-a", loss, lambda W: d_loss(W).T, at=np.ones((2, 3)))


def test_no_points_an_unknown_method_and_what_loses_the_imaginary_part_are_refused():
    with pytest.raises(ValueError, match="at was empty"):
        gradient("eq-a", np.exp, np.exp, at=[])
    with pytest.raises(ValueError, match="method was 'guess'"):
        gradient("eq-a", np.exp, np.exp, at=Z, method="guess")
    with pytest.raises(TypeError, match="real for complex input"):
        gradient("eq-a", np.abs, np.sign, at=Z)
    with pytest.raises(TypeError, match="at was"):
        gradient("eq-a", np.exp, np.exp, at=["a"])
    for tolerance in (-1, np.nan, np.inf, "small"):
        with pytest.raises((ValueError, TypeError), match="tolerance was"):
            gradient("eq-a", np.exp, np.exp, at=Z, tolerance=tolerance)


def test_the_points_are_not_changed():
    at = np.array([1.0, 2.0])
    gradient("eq-a", np.exp, np.exp, at=at, method="central differences")
    assert at.tolist() == [1, 2]


# --- agrees --------------------------------------------------------------------------------------------------------


def move(array, ulps):
    """The last entry, moved away from zero by so many ulps."""
    moved = array.copy()
    for _ in range(ulps):
        moved[-1] = np.nextafter(moved[-1], np.asarray(np.inf, array.dtype))
    return moved


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ulps", [0, 1, 4])
def test_arrays_agree_within_k_ulps_and_not_within_one_more(dtype, ulps):
    reference = np.array([0.1, -3.3, 1.7], dtype)
    agrees("eq-a", move(reference, ulps), reference, ulps=ulps)
    agrees("eq-a", -move(reference, ulps), -reference, ulps=ulps)
    with pytest.raises(VerificationError, match=r"entry \(2,\): ours = 1.7.*TensorFlow = 1.7.*difference"):
        agrees("eq-a", move(reference, ulps + 1), reference, ulps=ulps)
    with pytest.raises(VerificationError, match=r"entry \(2,\): ours = -1.7.*TensorFlow = -1.7.*difference"):
        agrees("eq-a", -move(reference, ulps + 1), -reference, ulps=ulps)


def test_the_worst_entry_is_the_one_furthest_outside_of_its_own_bound():
    ulp = np.spacing(2.0**20)
    with pytest.raises(VerificationError, match=r"entry \(1,\)"):  # out by 1.5 ulp of 2²⁰, the other by 1
        agrees("eq-a", np.array([2.0**20 + 2 * ulp, 1 + 1.5 * ulp]), np.array([2.0**20, 1.0]), ulps=1)
    with pytest.raises(VerificationError, match=r"entry \(0,\)"):
        agrees("eq-a", np.array([np.nan, 5.0]), np.array([1.0, 1.0]), ulps=1)


def test_eps_is_scaled_by_the_largest_entry():
    reference = np.array([1e-10, -4.0])
    agrees("eq-a", reference + [8e-16, 0], reference, eps=1)
    agrees("eq-a", reference + [4e-16, 0], reference, eps=0.5)
    with pytest.raises(VerificationError, match="within 1 eps of the largest"):
        agrees("eq-a", reference + [1e-15, 0], reference, eps=1)


def test_functions_are_compared_on_the_inputs_and_the_worst_input_is_named():
    agrees("eq-a", lambda a, b: a * b, np.multiply, Z, Z[::-1], ulps=0, against="NumPy")
    with pytest.raises(
        VerificationError, match=r"worst at input 1 = 6.0, entry \(120,\): ours = 18.0, NumPy = 36.0, diff"
    ):
        agrees("eq-a", lambda a: a**2 * np.where(a > 5.95, 0.5, 1), np.square, Z, ulps=0, against="NumPy")


def test_all_inputs_are_named():
    with pytest.raises(VerificationError, match=r"worst at input 1 = 2.0, input 2 = 3.0, entry \(1,\): ours = 6.0, "):
        agrees("eq-a", lambda a, b: a * b, lambda a, b: a * b - [0, 1], np.array([1.0, 2]), np.array([4.0, 3]), ulps=0)


@pytest.mark.parametrize(
    ("x", "result", "k", "source"),
    [
        ((3,), (2, 3), (1, 2), (2,)),  # an input for every row
        ((2, 3), (2, 3), (1, 2), (1, 2)),
        ((2, 3), (2,), (1,), (1,)),  # rows that were reduced
        ((2, 3), (), (), None),
        ((5,), (3,), (1,), None),
        ((4, 3), (2,), (1,), None),
        ((2, 2), (2, 3), (1, 1), None),
    ],
)
def test_the_source_of_an_entry_by_shapes(x, result, k, source):
    assert verify._source(np.zeros(x), np.zeros(result), k) == source


def test_where_rows_are_reduced_the_row_is_named():
    X = np.array([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(VerificationError, match=r"input 1 = \[3\. 4\.\], entry \(1,\)"):
        agrees("eq-a", lambda X: X.sum(axis=1) + [0, 1], lambda X: X.sum(axis=1), X, ulps=0)


def test_a_reference_from_tensorflow_needs_no_conversion():
    tf = pytest.importorskip("tensorflow")
    agrees("eq-a", np.square, tf.square, Z.astype(np.float32), ulps=1)


@pytest.mark.parametrize("bound", [{"ulps": 1e300}, {"eps": 1e300}])
@pytest.mark.parametrize(
    ("ours", "theirs"), [(np.nan, 1), (1, np.nan), (np.nan, np.nan), (np.inf, 1), (1, -np.inf), (np.inf, -np.inf)]
)
def test_nan_and_a_wrong_infinity_fail_whatever_the_bound(ours, theirs, bound):
    with pytest.raises(VerificationError):
        agrees("eq-a", np.array([1.0, ours]), np.array([1.0, theirs]), **bound)


@pytest.mark.parametrize("bound", [{"ulps": 0}, {"eps": 1}])
def test_equal_infinities_agree_without_widening_the_bound(bound):
    agrees("eq-a", np.array([np.inf, 1.0]), np.array([np.inf, 1.0]), **bound)
    with pytest.raises(VerificationError, match=r"entry \(1,\)"):
        agrees("eq-a", np.array([np.inf, 1.0]), np.array([np.inf, 1.1]), **bound)


def test_another_shape_or_type_does_not_agree():
    with pytest.raises(VerificationError, match=r"ours has shape \(121, 1\), TensorFlow has shape \(121,\)"):
        agrees("eq-a", Z[:, None], Z, ulps=0)
    with pytest.raises(VerificationError, match="ours is float64, TensorFlow is float32"):
        agrees("eq-a", Z, Z.astype(np.float32), ulps=1e12)


def test_checks_that_cannot_fail_are_refused():
    with pytest.raises(ValueError, match="number of points was 0"):
        agrees("eq-a", np.array([]), np.array([1.0])[:0], ulps=0)
    with pytest.raises(ValueError, match="ours itself"):
        agrees("eq-a", np.exp, np.exp, Z, ulps=0)
    for bounds in ({}, {"ulps": 1, "eps": 1}):
        with pytest.raises(ValueError, match="the bound was"):
            agrees("eq-a", Z, Z + 0, **bounds)
    for bound in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="ulps was"):
            agrees("eq-a", Z, Z + 0, ulps=bound)
        with pytest.raises(ValueError, match="eps was"):
            agrees("eq-a", Z, Z + 0, eps=bound)
    with pytest.raises(ValueError, match="the line was"):
        agrees("eq-a", Z, Z + 0, ulps=0, against="two\nlines")


def test_truth_values_are_numbers():
    agrees("eq-a", np.array([True, False]), np.array([1.0, 0.0]), ulps=0)


def test_integers_agree_only_exactly():
    agrees("eq-a", np.array([1, 2]), np.array([1, 2], np.int32), ulps=0)
    with pytest.raises(VerificationError):
        agrees("eq-a", np.array([1, 2]), np.array([1, 3]), ulps=0)
