"""The loop does what it says step by step, its history is exact, and it stops only between steps."""

import io
import signal
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmath.losses import cross_entropy, d_cross_entropy, d_mse, mse
from mlmath.metrics import accuracy
from mlmath.network import Dense, Dropout, Network
from mlmath.optimizers import SGD, Adam, RMSProp
from mlmath.training import History, evaluate, fit, minibatches


@pytest.fixture(autouse=True)
def not_static(monkeypatch):
    monkeypatch.delenv("MLMATH_STATIC", raising=False)


def data(m=70, n_in=6, K=3, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    labels = rng.integers(K, size=m)
    return (rng.normal(size=(m, n_in)) + 2 * np.eye(K, n_in)[labels]).astype(dtype), labels


def network(seed=0, dtype=np.float32, dropout=None):
    rng = np.random.default_rng(seed)
    layers = [Dense(6, 8, "relu", rng=rng, dtype=dtype), Dense(8, 3, rng=rng, dtype=dtype)]
    return Network(layers if dropout is None else [layers[0], Dropout(dropout, seed), layers[1]])


@settings(deadline=None)
@given(m=st.integers(1, 300), batch_size=st.integers(1, 350), seed=st.integers(0, 9))
def test_minibatches_hold_each_example_once(m, batch_size, seed):
    batches = list(minibatches(m, batch_size, seed))
    assert len(batches) == -(-m // batch_size)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert sorted(np.concatenate(batches)) == list(range(m))


def test_minibatches_come_in_a_new_order_each_epoch():
    rng = np.random.default_rng(0)
    first, second = (np.concatenate(list(minibatches(100, 30, rng))) for _ in range(2))
    assert (first == np.random.default_rng(0).permutation(100)).all()
    assert (first != second).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_is_the_loop_written_out(dtype):
    X, labels = data(dtype=dtype)
    ours, theirs = network(dtype=dtype), network(dtype=dtype)
    history = fit(ours, X, labels, Adam(0.01), epochs=2, batch_size=32, rng=1)

    optimizer, rng, losses, means, shares = Adam(0.01), np.random.default_rng(1), [], [], []
    for _ in range(2):
        order, loss_sum, right = rng.permutation(70), 0.0, 0
        for start in (0, 32, 64):
            batch = order[start : start + 32]
            Z = theirs.forward(X[batch], training=True)
            losses.append(float(cross_entropy(Z, labels[batch])))
            loss_sum, right = loss_sum + len(batch) * losses[-1], right + (Z.argmax(axis=1) == labels[batch]).sum()
            theirs.backward(d_cross_entropy(Z, labels[batch]))
            optimizer.step(theirs.parameters, theirs.gradients)
        means.append(loss_sum / 70)
        shares.append(right / 70)

    assert (history.step_losses, history.losses, history.accuracies) == (losses, means, shares)
    assert not history.interrupted and history.validation_losses == history.validation_accuracies == []
    assert all((a == b).all() for a, b in zip(ours.parameters, theirs.parameters, strict=True))
    assert {p.dtype for p in (*ours.parameters, *ours.gradients)} == {np.dtype(dtype)}


def test_the_epochs_loss_weighs_the_short_batch_by_its_size():
    X, labels = data(m=5)
    history = fit(network(), X, labels, SGD(0.5), epochs=1, batch_size=4, rng=0)
    a, b = history.step_losses
    assert history.losses == [(4 * a + b) / 5] and history.losses[0] != (a + b) / 2


def test_the_step_is_taken_with_the_weights_of_the_forward_pass():
    """The bug no gradient check at fixed weights sees: W₂ changed before dA₁ is formed."""
    X, labels = data(m=20, dtype=np.float64)
    trained, before = network(dtype=np.float64), network(dtype=np.float64)
    fit(trained, X, labels, SGD(0.5), epochs=1, batch_size=20, rng=0)
    before.backward(d_cross_entropy(before.forward(X), labels))
    for new, old, gradient in zip(trained.parameters, before.parameters, before.gradients, strict=True):
        assert new == pytest.approx(old - 0.5 * gradient, rel=1e-12, abs=1e-15)


def test_it_learns_and_says_so():
    X, labels = data(m=600)
    model = network()
    history = fit(model, X, labels, RMSProp(0.01), epochs=10, batch_size=50, rng=0, validation=data(m=200, seed=1))
    assert history.losses[-1] < 0.5 * history.losses[0]
    assert history.validation_accuracies[-1] > 0.7
    assert len(history.validation_losses) == len(history.losses) == 10
    loss, share = evaluate(model, *data(m=200, seed=1))
    assert (loss, share) == (history.validation_losses[-1], history.validation_accuracies[-1])
    assert share == accuracy(model.forward(data(m=200, seed=1)[0]), data(m=200, seed=1)[1])


def test_a_seed_fixes_everything_and_another_seed_does_not():
    X, labels = data()
    runs = [fit(network(dropout=0.3), X, labels, Adam(), epochs=2, batch_size=16, rng=s).step_losses for s in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]


def test_dropout_is_on_in_training_and_off_in_validation():
    X, labels = data()
    model, seen = network(dropout=0.5), []
    true = model.layers[1].forward
    model.layers[1].forward = lambda A, training: seen.append(training) or true(A, training)
    fit(model, X, labels, SGD(), epochs=1, batch_size=70, rng=0, validation=(X, labels))
    assert seen == [True, False]


def test_probabilities_as_labels_give_the_same_training():
    X, labels = data()
    integer, one_hot = network(), network()
    a = fit(integer, X, labels, SGD(0.1), epochs=2, rng=0)
    b = fit(one_hot, X, np.eye(3)[labels], SGD(0.1), epochs=2, rng=0)
    assert a.step_losses == pytest.approx(b.step_losses, rel=1e-6) and a.accuracies == b.accuracies
    assert {g.dtype for g in one_hot.gradients} == {np.dtype(np.float32)}


def test_another_loss_and_no_classes():
    X, _ = data()
    Y = X @ np.ones((6, 3), np.float32)
    history = fit(network(), X, Y, SGD(0.01), epochs=30, batch_size=10, rng=0, loss=(mse, d_mse), validation=(X, Y))
    assert history.losses[-1] < 0.1 * history.losses[0]
    assert history.accuracies == history.validation_accuracies == []


FIRST_OUTPUT = (lambda Z, y: mse(Z[:, 0], y), lambda Z, y: d_mse(Z[:, 0], y)[:, None] * np.float32([1, 0, 0]))


@pytest.mark.parametrize(
    ("labels", "loss", "classes"),
    [
        (np.arange(70) % 3, None, True),
        ((np.arange(70) % 3).astype(np.uint8), None, True),
        (np.eye(3)[np.arange(70) % 3], None, True),
        (np.eye(3, dtype=int)[np.arange(70) % 3], None, True),
        (np.full((70, 3), [1.5, -0.5, 0]), (mse, d_mse), False),  # sums to 1, and is no distribution
        (np.full((70, 3), [9, 0, 0]), (mse, d_mse), False),
        (np.linspace(0, 9, 70), FIRST_OUTPUT, False),
    ],
)
def test_labels_that_name_classes_have_an_accuracy(labels, loss, classes):
    history = fit(network(), data()[0], labels, SGD(), epochs=1, rng=0, **({"loss": loss} if loss else {}))
    assert len(history.losses) == 1 and len(history.accuracies) == classes


def test_rows_of_one_number_name_no_classes_and_rows_of_two_do():
    X = data()[0]
    one, two = Network([Dense(6, 1, rng=0)]), Network([Dense(6, 2, rng=0)])
    assert fit(one, X, np.ones((70, 1)), SGD(), epochs=1, loss=(mse, d_mse)).accuracies == []
    assert len(fit(two, X, np.full((70, 2), [0, 1]), SGD(), epochs=1).accuracies) == 1


def test_another_loss_decides_itself_what_whole_numbers_it_takes():
    history = fit(network(), data()[0], np.arange(70), SGD(), epochs=1, rng=0, loss=FIRST_OUTPUT)
    assert len(history.losses) == 1


def test_one_example_and_batches_of_one():
    X, labels = data()
    history = fit(network(), X[:1], np.eye(3)[labels[:1]], SGD(), epochs=2, batch_size=1, rng=0)
    assert len(history.step_losses) == len(history.accuracies) == 2


def test_by_default_there_are_5_epochs_of_batches_of_128():
    X, labels = data(m=129)
    assert len(fit(network(), X[:128], labels[:128], SGD(), rng=0).step_losses) == 5
    assert len(fit(network(), X, labels, SGD(), rng=0).step_losses) == 10


def test_data_is_brought_to_the_type_of_the_first_layer():
    model = Network([Dense(6, 8, dtype=np.float64), Dense(8, 3, dtype=np.float32)])
    fit(model, *data(), SGD(), epochs=1, rng=0)
    assert model.layers[0].X.dtype == np.float64


def test_data_is_left_alone_and_float64_data_is_brought_to_the_networks_float32():
    X, labels = data(dtype=np.float64)
    kept = X.copy()
    model = network()
    fit(model, X, labels, Adam(), epochs=1, rng=0)
    assert (X == kept).all() and X.dtype == np.float64
    assert {p.dtype for p in (*model.parameters, *model.gradients)} == {np.dtype(np.float32)}


# --- stopping ------------------------------------------------------------------------------------------------------


def test_the_callback_sees_every_step_and_may_stop():
    X, labels = data()
    seen = []

    def callback(history):
        seen.append((len(history.step_losses), len(history.losses), len(history.validation_losses)))
        return len(seen) == 4

    optimizer = SGD()
    history = fit(network(), X, labels, optimizer, batch_size=32, rng=0, validation=(X, labels), callback=callback)
    assert seen == [(1, 0, 0), (2, 0, 0), (3, 1, 1), (4, 1, 1)]
    assert optimizer.steps == len(history.step_losses) == 4 and not history.interrupted


def test_a_callback_can_change_the_learning_rate():
    X, labels = data()
    model, optimizer = network(), SGD(0.1)
    after = []

    def callback(history):
        optimizer.learning_rate = 1e-30
        after.append([p.copy() for p in model.parameters])

    fit(model, X, labels, optimizer, epochs=1, batch_size=32, rng=0, callback=callback)
    assert all((a == b).all() for a, b in zip(after[0], after[-1], strict=True))


class InterruptedInTheMiddle(SGD):
    """Ctrl-C arrives between the first and the second parameter of the third step."""

    times = 1

    def _update(self, *args):
        super()._update(*args)
        if self.steps == 3 and args[0].ndim == 2 and self.times:
            times, self.times = self.times, 0
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)


def test_an_interrupt_lets_the_step_finish_and_the_history_agree():
    X, labels = data()
    stopped, straight = network(), network()
    optimizer = InterruptedInTheMiddle(0.1)
    history = fit(stopped, X, labels, optimizer, batch_size=10, rng=0)
    assert history.interrupted and optimizer.steps == len(history.step_losses) == 3 and history.losses == []
    same = fit(
        straight, X, labels, SGD(0.1), batch_size=10, rng=0, callback=lambda history: len(history.step_losses) == 3
    )
    assert same.step_losses == history.step_losses and not same.interrupted
    assert all((a == b).all() for a, b in zip(stopped.parameters, straight.parameters, strict=True))


@pytest.fixture
def interruptible():
    """Python's own handler, also where the tests were started in the background, which ignores interrupts."""
    found = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, found)


def test_a_second_interrupt_stops_at_once_and_the_handler_is_put_back(interruptible):
    X, labels = data()
    before = signal.getsignal(signal.SIGINT)
    optimizer = InterruptedInTheMiddle(0.1)
    optimizer.times = 2
    with pytest.raises(KeyboardInterrupt):
        fit(network(), X, labels, optimizer, batch_size=10, rng=0)
    assert signal.getsignal(signal.SIGINT) is before
    fit(network(), X, labels, SGD(0.1), epochs=1, rng=0)
    assert signal.getsignal(signal.SIGINT) is before


def test_it_trains_in_another_thread():
    X, labels = data()
    result = []
    thread = threading.Thread(target=lambda: result.append(fit(network(), X, labels, SGD(), epochs=1, rng=0)))
    thread.start()
    thread.join()
    assert len(result[0].losses) == 1


# --- the bar -------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def bar(monkeypatch, stderr, **options):
    monkeypatch.setattr(sys, "stderr", stderr)
    X, labels = data()
    fit(network(), X, labels, SGD(), epochs=1, batch_size=10, rng=0, **options)
    return stderr.getvalue()


def test_a_bar_on_a_terminal_only(monkeypatch, capsys):
    pytest.importorskip("tqdm", reason="the bar is tqdm's, which is not installed")
    assert "7/7" in bar(monkeypatch, Terminal()) or "step" in bar(monkeypatch, Terminal())
    assert bar(monkeypatch, io.StringIO()) == ""
    assert bar(monkeypatch, Terminal(), progress=False) == ""
    assert capsys.readouterr().out == ""


class Bar:
    """In tqdm's place: notes what it is told."""

    def __init__(self, **options):
        Bar.options, Bar.texts, Bar.steps = options, [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def set_postfix_str(self, text, refresh):
        assert not refresh, "the update draws it"
        self.texts.append(text)

    def update(self):
        Bar.steps += 1


def test_the_bar_moves_with_each_step_and_shows_its_loss(monkeypatch):
    pytest.importorskip("tqdm", reason="the bar is tqdm's, which is not installed")
    monkeypatch.setattr("tqdm.tqdm", Bar)
    monkeypatch.setattr(sys, "stderr", Terminal())
    history = fit(network(), *data(), SGD(), epochs=2, batch_size=10, rng=0)
    assert Bar.options == {"total": 14, "unit": "step", "leave": False, "file": sys.stderr} and Bar.steps == 14
    assert Bar.texts == [f"loss {loss:.4f}" for loss in history.step_losses]


def test_a_notebook_has_a_bar_too(monkeypatch):
    pytest.importorskip("tqdm", reason="the bar is tqdm's, which is not installed")
    notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    assert "step" in bar(monkeypatch, notebook())


def test_no_bar_under_static_execution(monkeypatch):
    monkeypatch.setenv("MLMATH_STATIC", "1")
    assert bar(monkeypatch, Terminal()) == ""


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("learning_rate", [1e4, 1e20, 1e37])
@pytest.mark.parametrize("make", [SGD, lambda rate: SGD(rate, momentum=0.9)])
def test_a_learning_rate_under_which_training_explodes_is_named_or_stays_finite(make, learning_rate):
    X, labels = data()
    try:
        history = fit(network(), 100 * X, labels, make(learning_rate), epochs=20, batch_size=10, rng=0)
    except ValueError as error:
        assert str(error).startswith(f"learning_rate was {learning_rate}, and after")
        assert str(error).endswith("it should be smaller")
    else:
        assert learning_rate == 1e4 and np.isfinite(history.step_losses).all()


def test_one_output_that_is_not_finite_is_enough():
    model = network()
    model.parameters[-1][0] = np.inf
    with pytest.raises(ValueError, match="learning_rate was 0.01, and after 0 steps the outputs are no longer finite"):
        fit(model, *data(), SGD(), rng=0)


def run(X=None, labels=None, optimizer=None, **options):
    good_X, good_labels = data()
    X, labels = good_X if X is None else X, good_labels if labels is None else labels
    return fit(network(), X, labels, optimizer or SGD(), rng=0, **options)


X, LABELS = data()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"X": X[:, :5]}, r"X was of shape \(70, 5\); it should be of shape \(any, 6\)"),
        ({"X": X * np.nan}, "X was an array with NaN"),
        ({"labels": LABELS[:-1]}, r"labels was of shape \(69,\); it should be one for each row of X, which has 70"),
        ({"labels": LABELS + 1}, "labels was from 1 to 3; it should be in 0 … 2"),
        ({"labels": LABELS - 1}, "labels was from -1 to 1"),
        ({"labels": np.full((70, 3), np.nan)}, "labels was an array with NaN"),
        ({"labels": np.full((70, 3), np.nan), "loss": (mse, d_mse)}, "labels was an array with NaN"),
        ({"labels": 3}, r"labels was of shape \(\); it should be one for each row of X, which has 70"),
        ({"labels": np.eye(4)[LABELS]}, "labels was of shape"),
        ({"X": X[:0], "labels": LABELS[:0]}, "labels was of shape"),
        ({"epochs": 0}, "epochs was 0"),
        ({"batch_size": 0}, "batch_size was 0"),
        ({"validation": (X[:, :5], LABELS)}, r"validation\[0\] was of shape"),
        ({"validation": (X, LABELS[:5])}, r"validation\[1\] was of shape \(5,\)"),
    ],
)
def test_bad_input_is_named_before_the_first_step(options, message):
    optimizer = SGD()
    with pytest.raises(ValueError, match=message):
        run(optimizer=optimizer, **options)
    assert optimizer.steps == 0


def test_bad_sizes_of_minibatches():
    for m, batch_size, name in ((0, 5, "m"), (5, 0, "batch_size")):
        with pytest.raises(ValueError, match=f"^{name} was 0"):
            minibatches(m, batch_size)
    with pytest.raises(TypeError, match="batch_size was 2.5"):
        minibatches(5, 2.5)


def test_an_empty_history():
    assert History() == History([], [], [], [], [], False)
