"""Every public function, given anything: a right kind of answer, or a ValueError or TypeError that names the argument.

Never another exception, a warning (they are errors here), a silent NaN from numbers without NaN, or a changed input.
"""

import copy
import inspect
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import mlmath
from mlmath import ACTIVATIONS, SGD, Adam, Dense, Dropout, Network, RMSProp

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

SIZES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
EXTREME = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 1e-30, 1e30, 3e38, 1e308, np.inf, -np.inf, np.nan]
FLOATS = st.sampled_from(EXTREME) | st.floats(-50, 50)
ARRAYS = st.sampled_from([np.float32, np.float64]).flatmap(
    lambda dtype: hnp.arrays(dtype, SIZES, elements=FLOATS.map(lambda x: float(dtype(np.clip(x, -3e38, 3e38)))))
)
INTEGERS = hnp.arrays(np.int64, SIZES, elements=st.integers(-3, 12))
SCALARS = st.one_of(FLOATS, st.integers(-5, 10**6), st.sampled_from([10**30, -1, 0, True]))
WRONG = st.sampled_from(
    [None, "abc", b"x", 1j, object(), [], {}, [[1, 2], [3]], np.array(["a"]), np.array([1j]), np.array([None]), print]
)
ANYTHING = st.one_of(ARRAYS, INTEGERS, SCALARS, WRONG)


def tried(f, *arguments, **options):
    """The answer of `f`, or None where it refused with an error that names an argument or a type."""
    before = copy.deepcopy([a for a in arguments if isinstance(a, np.ndarray)])
    try:
        answer = f(*arguments, **options)
    except (ValueError, TypeError) as error:
        named = [*inspect.signature(f).parameters, "z", "Z", "backward"]
        assert any(re.search(rf"\b{re.escape(name)}\b", str(error)) for name in named), f"names no argument: {error}"
        answer = None
    after = [a for a in arguments if isinstance(a, np.ndarray)]
    for a, b in zip(before, after, strict=True):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes() if a.dtype != object else True, "changed its input"
    return answer


def clean(*arguments) -> bool:
    """Whether there is no NaN among the numbers that went in."""
    numbers = (np.asarray(a) for a in arguments)
    return not any(a.dtype.kind == "f" and np.isnan(a).any() for a in numbers)


def is_floats(answer) -> bool:
    return np.asarray(answer).dtype in (np.float32, np.float64) and not np.isnan(answer).any()


ONE = [f for pair in ACTIVATIONS.values() for f in pair]
ROWS = [mlmath.softmax, mlmath.log_softmax, mlmath.d_softmax, mlmath.d_log_softmax]
LOSSES = [
    mlmath.mse, mlmath.d_mse, mlmath.binary_cross_entropy, mlmath.d_binary_cross_entropy,
    mlmath.binary_cross_entropy_from_logits, mlmath.d_binary_cross_entropy_from_logits,
    mlmath.cross_entropy, mlmath.d_cross_entropy,
]  # fmt: skip


@pytest.mark.parametrize("f", [*ONE, *ROWS], ids=lambda f: f.__name__)
@given(z=ANYTHING)
@FEW
def test_activations(f, z):
    answer = tried(f, z)
    assert answer is None or (clean(z) and is_floats(answer))


@pytest.mark.parametrize("f", LOSSES, ids=lambda f: f.__name__)
@given(data=st.data())
@FEW
def test_losses(f, data):
    first = data.draw(ANYTHING)
    shape = np.shape(first) if isinstance(first, np.ndarray) else ()
    same = hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0, 0.25, -0.5, 1e300, np.inf]))
    labels = hnp.arrays(np.int64, shape[:1], elements=st.integers(-1, 4))
    second = data.draw(st.one_of(same, labels, ANYTHING))
    answer = tried(f, first, second)
    assert answer is None or (clean(first, second) and is_floats(answer))


@given(slope=ANYTHING, z=ARRAYS)
@FEW
def test_leaky_relu_with_any_slope(slope, z):
    for f in (mlmath.leaky_relu, mlmath.d_leaky_relu):
        answer = tried(f, z, slope)
        assert answer is None or is_floats(answer)


@pytest.mark.parametrize("f", [mlmath.accuracy, mlmath.confusion_matrix, mlmath.calibration], ids=lambda f: f.__name__)
@given(Y_hat=ANYTHING, labels=ANYTHING)
@FEW
def test_metrics(f, Y_hat, labels):
    answer = tried(f, Y_hat, labels)
    if isinstance(answer, float):
        assert 0 <= answer <= 1


@given(correct=ANYTHING, n=ANYTHING, z=ANYTHING)
@FEW
def test_wilson_interval(correct, n, z):
    answer = tried(mlmath.wilson_interval, correct, n, z)
    assert answer is None or 0 <= answer[0] <= answer[1] <= 1


@given(arguments=st.tuples(ANYTHING, ANYTHING, ANYTHING))
@FEW
def test_layers_are_made_of_sizes(arguments):
    n_in, n_out, activation = arguments
    n_in, n_out = (3 if isinstance(n, int) and n > 1e3 else n for n in (n_in, n_out))  # a large layer takes memory
    answer = tried(Dense, n_in, 2)
    assert answer is None or answer.W.shape == (2, n_in)
    answer = tried(Dense, 2, n_out, activation)
    assert answer is None or answer.W.shape == (n_out, 2)


@given(X=ANYTHING, dZ=ANYTHING)
@FEW
def test_networks_forward_and_backward(X, dZ):
    network = Network([Dense(3, 4, "tanh", rng=0, dtype=np.float64), Dropout(0.5, rng=0), Dense(4, 2, rng=0)])
    answer = tried(network.forward, X)
    assert answer is None or answer.shape == (len(X), 2)
    tried(network.backward, dZ)
    tried(Dropout, X)
    tried(Network, X)


@pytest.mark.parametrize("make", [SGD, RMSProp, Adam], ids=lambda f: f.__name__)
@given(data=st.data())
@FEW
def test_optimisers(make, data):
    names = [name for name in inspect.signature(make).parameters if name not in ("nesterov", "keras_constants")]
    options = {name: data.draw(SCALARS | WRONG) for name in data.draw(st.sets(st.sampled_from(names)))}
    optimizer = tried(make, **options)
    if optimizer is None:
        return
    theta, gradient = np.ones(3), data.draw(ANYTHING)
    with np.errstate(all="ignore"):  # a rate of 1e308 is a number; what comes of it is the user's
        tried(optimizer.step, [theta], [gradient] if isinstance(gradient, np.ndarray) else gradient)


@given(data=st.data())
@FEW
def test_fit_and_evaluate(data):
    X = data.draw(
        hnp.arrays(np.float32, st.sampled_from([(0, 3), (5, 3), (5, 2)]), elements=st.floats(-2, 2, width=32))
        | ANYTHING
    )
    labels = data.draw(hnp.arrays(np.int64, 5, elements=st.integers(-1, 3)) | ANYTHING)
    options = {
        name: data.draw(SCALARS | WRONG) for name in data.draw(st.sets(st.sampled_from(["epochs", "batch_size"])))
    }
    if isinstance(options.get("epochs"), int) and options["epochs"] > 3:
        options["epochs"] = 1
    network = Network([Dense(3, 4, "relu", rng=0), Dense(4, 3, rng=0)])
    history = tried(mlmath.fit, network, X, labels, SGD(0.1), rng=0, progress=False, **options)
    assert history is None or np.isfinite(history.step_losses).all()
    answer = tried(mlmath.evaluate, network, X, labels)
    assert answer is None or np.isfinite(answer[0])


@given(m=SCALARS | WRONG, batch_size=SCALARS | WRONG)
@FEW
def test_minibatches(m, batch_size):
    if isinstance(m, int) and m > 1000:
        m = 1000
    answer = tried(mlmath.minibatches, m, batch_size, rng=0)
    assert answer is None or sorted(np.concatenate(list(answer))) == list(range(m))


@given(n=SCALARS | WRONG, pixels=ANYTHING)
@FEW
def test_data(n, pixels):
    if isinstance(n, int) and n > 1000:
        n = 1000
    answer = tried(mlmath.disc, n, np.random.default_rng(0))
    assert answer is None or len(answer[0]) == len(answer[1]) == n
    assert tried(mlmath.disc, 3, pixels) is None
    tried(mlmath.as_rows, pixels)
    if not isinstance(pixels, str | type(None)):
        assert tried(mlmath.load_mnist, pixels) is None
