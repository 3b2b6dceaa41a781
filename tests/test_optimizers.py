"""Five steps of each optimiser to 80 digits, planted bugs that this check must see, and what is promised besides."""

import inspect

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlmath.optimizers import SGD, Adam, Optimizer, RMSProp

EPS = np.finfo(np.float64).eps


# The formulas in mpmath, one number at a time: each gives θ after every step.


def exact_sgd(theta, gradients, learning_rate=0.01, momentum=0.0, nesterov=False):
    v = mpmath.mpf(0)
    for g in gradients:
        v = momentum * v - learning_rate * g
        theta = theta + (momentum * v - learning_rate * g if nesterov else v)
        yield theta


def exact_rmsprop(theta, gradients, learning_rate=0.001, rho=0.9, epsilon=1e-7):
    v = mpmath.mpf(0)
    for g in gradients:
        v = rho * v + (1 - rho) * g**2
        theta = theta - learning_rate * g / mpmath.sqrt(v + epsilon)
        yield theta


def exact_adam(theta, gradients, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-7, weight_decay=0.0):
    m = v = mpmath.mpf(0)
    for t, g in enumerate(gradients, 1):
        theta = theta - learning_rate * weight_decay * theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        alpha_t = learning_rate * mpmath.sqrt(1 - beta2**t) / (1 - beta1**t)
        theta = theta - alpha_t * m / (mpmath.sqrt(v) + epsilon)
        yield theta


EXACT = {SGD: exact_sgd, RMSProp: exact_rmsprop, Adam: exact_adam}


def check_steps(optimizer, kind, settings):
    """Raises unless five steps in float64 from `optimizer` are the 80-digit formula's to 8 eps of max(1, |θ|)."""
    rng = np.random.default_rng(0)
    parameters = [rng.normal(scale=3, size=(3, 2)), rng.normal(size=4)]
    gradients = [[rng.normal(size=p.shape) * 10.0 ** rng.integers(-6, 3, p.shape) for p in parameters] for _ in "12345"]
    start = [p.copy() for p in parameters]
    trace = []
    for step in gradients:
        optimizer.step(parameters, step)
        trace.append([p.copy() for p in parameters])
    with mpmath.workdps(80):
        defaults = {
            k: p.default for k, p in inspect.signature(EXACT[kind]).parameters.items() if p.default is not p.empty
        }
        constants = {k: mpmath.mpf(v) if isinstance(v, float) else v for k, v in (defaults | settings).items()}
        for k, theta in enumerate(start):
            for i in np.ndindex(theta.shape):
                path = EXACT[kind](mpmath.mpf(theta[i]), [mpmath.mpf(step[k][i]) for step in gradients], **constants)
                for t, exact in enumerate(path):
                    error = abs(trace[t][k][i] - exact) / max(1, abs(exact))
                    assert error <= 8 * EPS, f"step {t + 1} is off by {float(error):.1e}"


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (SGD, {}),
        (SGD, {"learning_rate": 0.3}),
        (SGD, {"momentum": 0.9}),
        (SGD, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
        (SGD, {"nesterov": True}),
        (RMSProp, {}),
        (RMSProp, {"learning_rate": 0.5, "rho": 0.7, "epsilon": 1e-3}),
        (Adam, {}),
        (Adam, {"learning_rate": 1.0}),
        (Adam, {"learning_rate": 0.1, "beta1": 0.5, "beta2": 0.99, "epsilon": 1e-3}),
        (Adam, {"beta1": 0.0, "beta2": 0.0}),
        (Adam, {"learning_rate": 0.1, "weight_decay": 0.1}),
    ],
)
def test_five_steps_to_80_digits(kind, settings):
    check_steps(kind(**settings), kind, settings)


# --- planted bugs --------------------------------------------------------------------------------------------------


class NoBiasCorrection(Adam):
    def _seen(self, beta, dtype):
        return 1.0


class StepCountedPerParameter(Adam):
    def _update(self, *args):
        super()._update(*args)
        self.steps += 1


class FirstStepZero(Adam):
    def _seen(self, beta, dtype):
        return 1 - beta ** max(self.steps - 1, 0.5)


class EpsilonInsideTheRoot(Adam):
    def _update(self, theta, g, scratch, m, v):
        epsilon, self.epsilon = self.epsilon, 0.0
        v += epsilon
        super()._update(theta, g, scratch, m, v)
        self.epsilon = epsilon


class L2InsteadOfDecoupled(Adam):
    def _update(self, theta, g, scratch, m, v):
        decay, self.weight_decay = self.weight_decay, 0.0
        super()._update(theta, g + decay * theta, scratch, m, v)
        self.weight_decay = decay


class SharedState(Adam):
    def _check(self, parameters, gradients):
        super()._check(parameters, gradients)
        shared = self._states[0]
        self._states = [[s.reshape(-1)[: p.size].reshape(p.shape) for s in shared] for p in parameters]


class MomentumWithoutOneMinusBeta(Adam):
    def _update(self, theta, g, scratch, m, v):
        m += self.beta1 * g / (1 - self.beta1)
        super()._update(theta, g, scratch, m, v)


class Rebinding(Adam):
    def _update(self, theta, g, scratch, m, v):
        super()._update(theta.copy(), g, scratch, m, v)


class RMSPropEpsilonOutside(RMSProp):
    def _update(self, theta, g, scratch, v):
        v *= self.rho
        v += (1 - self.rho) * g**2
        theta -= self.learning_rate * g / (np.sqrt(v) + self.epsilon)


class NesterovWithTheOldVelocity(SGD):
    def _update(self, theta, g, scratch, v):
        old = v.copy()
        v *= self.momentum
        v -= self.learning_rate * g
        theta += self.momentum * old - self.learning_rate * g


NESTEROV = {"momentum": 0.9, "nesterov": True}
MUTANTS = {
    "β₁ and β₂ exchanged": (lambda: Adam(beta1=0.999, beta2=0.9), Adam, {}),
    "no bias correction": (NoBiasCorrection, Adam, {}),
    "t counted per parameter": (StepCountedPerParameter, Adam, {}),
    "t from 0": (FirstStepZero, Adam, {}),
    "Adam's ε inside the root": (EpsilonInsideTheRoot, Adam, {}),
    "L2 called AdamW": (lambda: L2InsteadOfDecoupled(weight_decay=0.1), Adam, {"weight_decay": 0.1}),
    "state shared": (SharedState, Adam, {}),
    "m without 1−β₁": (MomentumWithoutOneMinusBeta, Adam, {}),
    "not in place": (Rebinding, Adam, {}),
    "β₂ of Keras": (lambda: Adam(keras_constants=True), Adam, {}),
    "RMSProp's ε outside the root": (RMSPropEpsilonOutside, RMSProp, {}),
    "Nesterov without looking ahead": (lambda: NesterovWithTheOldVelocity(**NESTEROV), SGD, NESTEROV),
    "heavy ball for Nesterov": (lambda: SGD(momentum=0.9), SGD, NESTEROV),
}


@pytest.mark.parametrize(("bug", "kind", "settings"), MUTANTS.values(), ids=MUTANTS)
def test_the_80_digits_catch(bug, kind, settings):
    check_steps(kind(**settings), kind, settings)  # the same without the bug
    with pytest.raises(AssertionError, match="is off by"):
        check_steps(bug(), kind, settings)


# --- properties ----------------------------------------------------------------------------------------------------

numbers = arrays(np.float64, 5, elements=st.floats(-1e6, 1e6))


@given(theta=numbers, g=numbers, learning_rate=st.floats(1e-6, 10), nesterov=st.booleans())
@settings(deadline=None)
def test_momentum_0_is_gradient_descent(theta, g, learning_rate, nesterov):
    expected = theta - learning_rate * g
    SGD(learning_rate, momentum=0, nesterov=nesterov).step([theta], [g])
    assert (theta == expected).all()


@given(g=arrays(np.float64, 5, elements=st.floats(1e-3, 1e6) | st.floats(-1e6, -1e-3)))
@settings(deadline=None)
def test_adams_first_step_is_the_learning_rate_against_the_sign(g):
    theta = np.zeros(5)
    Adam(0.01).step([theta], [g])
    epsilon_of_the_paper = 1e-7 / 0.001**0.5
    assert np.allclose(theta, -0.01 * g / (abs(g) + epsilon_of_the_paper), rtol=1e-13, atol=0)


def test_rmsprops_first_step_is_the_learning_rate_over_the_root_of_one_minus_rho():
    theta = np.zeros(1)
    RMSProp(0.01).step([theta], [np.array([1e5])])
    assert theta[0] == pytest.approx(-0.01 / 0.1**0.5, rel=1e-12)


def test_decoupled_decay_by_hand():
    theta = np.array([2.0])
    Adam(0.1, weight_decay=0.01).step([theta], [np.zeros(1)])
    assert theta[0] == pytest.approx(1.998, rel=1e-15)


def test_a_gradient_that_is_always_0_moves_nothing():
    theta = np.array([0.5], np.float32)
    optimizer = Adam()
    for _ in range(50):
        optimizer.step([theta], [np.zeros(1, np.float32)])
    assert theta[0] == np.float32(0.5)


@pytest.mark.parametrize("make", [lambda: SGD(momentum=0.9), lambda: RMSProp(rho=0.5), Adam])
def test_moments_do_not_linger_among_the_subnormals(make):
    theta, g = np.ones(3, np.float32), np.array([1e-3, 0, -1e-3], np.float32)
    optimizer, lowest = make(), np.finfo(np.float32).smallest_normal
    optimizer.step([theta], [g])
    for _ in range(1343):
        optimizer.step([theta], [0 * g])
    first_moment = optimizer._states[0][1]
    assert optimizer.steps % 64 == 0 and not ((first_moment != 0) & (abs(first_moment) < lowest)).any()
    assert (first_moment == 0).all()


def test_subnormal_moments_become_0_at_every_64th_step():
    theta, g, optimizer = np.ones(1, np.float32), np.full(1, 1e-39, np.float32), SGD(1.0, momentum=0.5)
    for _ in range(63):
        optimizer.step([theta], [g])
    assert optimizer._states[0][1] != 0
    optimizer.step([theta], [g])
    assert optimizer._states[0][1] == 0


def test_normal_moments_stay():
    optimizer, lowest = SGD(momentum=0.5), np.finfo(np.float64).smallest_normal
    optimizer.step([np.ones(6)], [np.ones(6)])
    optimizer._states[0][1][...] = 1, -1, lowest, -lowest, lowest / 2, -lowest / 2
    optimizer._flush()
    assert optimizer._states[0][1].tolist() == [1, -1, lowest, -lowest, 0, 0]


@pytest.mark.parametrize(
    ("make", "moments"),
    [(SGD, 0), (lambda: SGD(momentum=0.1), 1), (lambda: SGD(nesterov=True), 0), (RMSProp, 1), (Adam, 2)],
)
def test_no_more_state_is_kept_than_the_formula_needs(make, moments):
    optimizer = make()
    optimizer.step([np.ones(3)], [np.ones(3)])
    assert len(optimizer._states[0]) == 1 + moments  # one for intermediate results


def test_an_optimizer_without_a_formula_does_nothing():
    optimizer, theta = Optimizer(0.1, False), np.ones(3)
    with pytest.raises(NotImplementedError):
        optimizer.step([theta], [theta])
    assert len(optimizer._states[0]) == 1


ALL = [SGD, lambda: SGD(momentum=0.9), lambda: SGD(**NESTEROV), RMSProp, Adam, lambda: Adam(weight_decay=0.1)]


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("keras_constants", [False, True])
def test_float32_stays_float32_in_place_and_gradients_are_left_alone(make, keras_constants):
    theta, g = np.ones((2, 3), np.float32), np.full((2, 3), 0.25)
    optimizer = make()
    optimizer.keras_constants = keras_constants
    for gradient in (g, g.astype(np.float32)):
        before = theta.copy()
        optimizer.step([theta], [gradient])
        assert theta.dtype == np.float32 and (theta < before).all()
        assert (gradient == 0.25).all()
    assert {s.dtype for s in optimizer._states[0]} == {np.dtype(np.float32)}


def test_keras_constants_change_nothing_where_float32_has_them_exactly():
    rng, exact = np.random.default_rng(0), {"learning_rate": 2**-10, "beta1": 0.875, "beta2": 1 - 2**-10}
    plain, rounded = np.ones(100), np.ones(100)
    optimizers = Adam(**exact), Adam(**exact, keras_constants=True)
    for _ in range(20):
        g = rng.normal(size=100)
        for optimizer, theta in zip(optimizers, (plain, rounded), strict=True):
            optimizer.step([theta], [g])
    assert abs(plain - rounded).max() <= 1e-15


def test_keras_constants_are_rounded_to_float32():
    theta = np.zeros(1)
    SGD(0.1, keras_constants=True).step([theta], [np.ones(1)])
    assert theta[0] == -float(np.float32(0.1)) != -0.1
    theta, optimizer = np.zeros(1), Adam(0.1, keras_constants=True)
    optimizer.step([theta], [np.ones(1)])
    optimizer.step([theta], [np.zeros(1)])
    alpha, beta1, beta2 = (float(np.float32(x)) for x in (0.1, 0.9, 0.999))
    first = -alpha * (1 - beta2) ** 0.5 / (1 - beta1) * (1 - 0.9) / ((1 - 0.999) ** 0.5 + 1e-7)
    rate = alpha * (1 - beta2**2) ** 0.5 / (1 - beta1**2)
    second = -rate * 0.9 * (1 - 0.9) / ((0.999 * (1 - 0.999)) ** 0.5 + 1e-7)
    assert theta[0] == pytest.approx(first + second, rel=1e-14)


@pytest.mark.parametrize("make", ALL)
def test_another_list_of_parameters_is_refused(make):
    optimizer, theta, g = make(), np.ones(2), np.ones(2)
    optimizer.step([theta], [g])
    optimizer.step((theta,), (g,))  # the same arrays in another list are the same parameters
    for other in ([theta.copy()], [theta, theta], []):
        with pytest.raises(ValueError, match="parameters was another list"):
            optimizer.step(other, [g] * len(other))
    assert optimizer.steps == 2


def test_one_other_array_among_the_parameters_is_refused():
    a, b, optimizer = np.ones(2), np.ones(2), SGD()
    optimizer.step([a, b], [a, b])
    with pytest.raises(ValueError, match="parameters was another list"):
        optimizer.step([a, b.copy()], [a, b])


def test_what_is_no_list_of_arrays_is_named():
    with pytest.raises(TypeError, match=r"^parameters was array\(\[1., 1.\]\); it should be a list of arrays"):
        SGD().step(np.ones(2), [np.ones(2)])
    with pytest.raises(TypeError, match=r"^gradients was array\(\[1., 1.\]\); it should be a list of arrays"):
        SGD().step([np.ones(2)], np.ones(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SGD(-0.1), "learning_rate was -0.1; it should be a finite number above 0"),
        (lambda: SGD(0), "learning_rate was 0"),
        (lambda: Adam(float("nan")), "learning_rate was nan"),
        (lambda: SGD(momentum=1.1), "momentum was 1.1"),
        (lambda: SGD(momentum=-0.1), "momentum was -0.1"),
        (lambda: RMSProp(rho=1.0), "rho was 1.0; it should be below 1"),
        (lambda: RMSProp(rho=1.5), "rho was 1.5; it should be at least 0 and at most 1"),
        (lambda: RMSProp(epsilon=-1), "epsilon was -1"),
        (lambda: RMSProp(epsilon=0), "epsilon was 0; it should be a finite number above 0"),
        (lambda: Adam(epsilon=0), "epsilon was 0; it should be a finite number above 0"),
        (lambda: Adam(beta1=1.0), "beta1 was 1.0"),
        (lambda: Adam(beta2=-0.5), "beta2 was -0.5"),
        (lambda: Adam(weight_decay=-1), "weight_decay was -1"),
        (lambda: SGD().step([np.ones(2)], [np.ones(3)]), r"gradients was of shapes \[\(3,\)\]"),
        (lambda: SGD().step([np.ones(2)], []), r"gradients was of shapes \[\]"),
        (lambda: SGD().step([[1.0, 2.0]], [np.ones(2)]), r"parameters\[0\] was \[1.0, 2.0\]"),
        (lambda: SGD().step([np.arange(2)], [np.ones(2)]), r"parameters\[0\] was"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
