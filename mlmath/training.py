"""The training loop: minibatches, steps, and a history of what happened."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlmath._check import as_array, floats, integer, require
from mlmath.losses import cross_entropy, cross_entropy_and_gradient, d_cross_entropy
from mlmath.network import Network
from mlmath.optimizers import Optimizer

Loss = tuple[Callable[[np.ndarray, np.ndarray], Any], Callable[[np.ndarray, np.ndarray], np.ndarray]]
SOFTMAX_CROSS_ENTROPY: Loss = (cross_entropy, d_cross_entropy)


@dataclass
class History:
    """What `fit` saw. One entry a step in `step_losses`, one an epoch that was completed in all others.

    The loss of a step is that of its batch before the step. `losses` and `accuracies` are their means over the
    examples of an epoch, during which the weights moved: the numbers Keras prints. What a network gives on the
    training set *after* the epoch is better; `evaluate` computes it. The lists of accuracies stay empty where
    the labels name no classes, the ones of validation where there is none.
    """

    step_losses: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    validation_accuracies: list[float] = field(default_factory=list)
    interrupted: bool = False


def minibatches(m: int, batch_size: int, rng: np.random.Generator | int | None = None) -> Iterator[np.ndarray]:
    """The numbers 0 … m−1 in one random order, cut into ⌈m/B⌉ pieces of B; the last may be shorter.

    Raises:
        ValueError: m or batch_size below 1.

    Source: chapter 3_6_optimizers, eq-minibatch-noise; 4_mnist_model, eq-steps.

    >>> [len(batch) for batch in minibatches(10, 4, rng=0)]
    [4, 4, 2]
    >>> sorted(i.item() for batch in minibatches(5, 2, rng=0) for i in batch)
    [0, 1, 2, 3, 4]
    """
    m, batch_size = integer("m", m, 1), integer("batch_size", batch_size, 1)
    order = np.random.default_rng(rng).permutation(m)
    return (order[start : start + batch_size] for start in range(0, m, batch_size))


def fit(
    network: Network,
    X: np.ndarray,
    labels: np.ndarray,
    optimizer: Optimizer,
    epochs: int = 5,
    batch_size: int = 128,
    rng: np.random.Generator | int | None = None,
    *,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    loss: Loss = SOFTMAX_CROSS_ENTROPY,
    callback: Callable[[History], bool | None] | None = None,
    progress: bool = True,
) -> History:
    """Trains the network in place: for each batch forward, loss, backward, step.

    Args:
        network: its parameters' dtype is that of the computation; X is brought to it once.
        X: examples (m, n_in).
        labels: classes (m,), or what else `loss` compares the outputs with, one row an example.
        optimizer: takes the steps.
        epochs: how often to go through all examples, each time in a new order.
        batch_size: the examples of a step; the last batch of an epoch may be short.
        rng: a generator (or a seed) for the orders.
        validation: (X, labels) to be evaluated after each epoch.
        loss: a pair (f, d_f) of functions of (outputs, labels): the mean over the batch, its gradient in the outputs.
        callback: called with the history after every step (the last of an epoch: after its means and the validation
            have been added). Training stops where it returns True. Here a schedule sets `optimizer.learning_rate`.
        progress: a bar on stderr, if that is a terminal or a notebook; none where MLMATH_STATIC=1.

    An interrupt (Ctrl-C, the kernel's stop button) lets the step under way finish: network, optimiser and history
    agree, the history of the steps taken so far is returned, and says `interrupted`. A second one stops at once.

    Raises:
        ValueError: X or labels that do not fit the network or each other, or contain NaN; a learning rate so large
            that the outputs overflow; epochs or batch_size below 1.

    Source: chapter 2_core_concepts; 4_mnist_model, eq-epoch-loss.

    >>> from mlmath.network import Dense
    >>> from mlmath.optimizers import SGD
    >>> X, labels = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> network = Network([Dense(2, 2, rng=0)])
    >>> history = fit(network, X, labels, SGD(1.0), epochs=100, batch_size=2, rng=0)
    >>> len(history.step_losses), history.losses[-1] < 0.05, history.accuracies[-1]
    (100, True, 1.0)
    """
    X, labels = _examples("X", "labels", network, X, labels, loss)
    if validation is not None:
        validation = _examples("validation[0]", "validation[1]", network, *validation, loss)
    m, epochs, batch_size = len(X), integer("epochs", epochs, 1), integer("batch_size", batch_size, 1)
    rng, history, classes = np.random.default_rng(rng), History(), _classes(labels)
    steps, loss_and_gradient = -(-m // batch_size), _loss_and_gradient(loss)

    quiet = np.errstate(over="ignore", invalid="ignore")  # what overflows is reported below, as an error
    with _bar(epochs * steps, progress) as bar, _stop_between_steps(history), quiet:
        for _ in range(epochs):
            total = right = 0.0
            for step, batch in enumerate(minibatches(m, batch_size, rng), 1):
                Y_hat = _outputs(network, X[batch], optimizer, history)
                batch_loss, dY_hat = loss_and_gradient(Y_hat, labels[batch])
                network.backward(dY_hat)
                optimizer.step(network.parameters, network.gradients)

                history.step_losses.append(float(batch_loss))
                total += len(batch) * history.step_losses[-1]
                if classes is not None:
                    right += int(np.count_nonzero(Y_hat.argmax(axis=1) == classes[batch]))
                if step == steps:
                    _end_of_epoch(history, total / m, right / m, network, classes, validation, loss)
                bar(batch_loss)
                if (callback is not None and callback(history)) or history.interrupted:
                    return history
    return history


def evaluate(
    network: Network, X: np.ndarray, labels: np.ndarray, *, loss: Loss = SOFTMAX_CROSS_ENTROPY
) -> tuple[float, float | None]:
    """The loss, and the accuracy (None where the labels name no classes), of the network as it is on (X, labels).

    Raises:
        ValueError: X or labels that do not fit the network or each other.

    >>> from mlmath.network import Dense
    >>> network = Network([Dense(1, 2, rng=0)])
    >>> network.parameters[0][...] = 0  # knows nothing: ln 2
    >>> loss, accuracy = evaluate(network, [[1.0], [2.0]], [0, 1])
    >>> round(loss, 4), accuracy
    (0.6931, 0.5)
    """
    return _evaluate(network, *_examples("X", "labels", network, X, labels, loss), loss)


def _evaluate(network: Network, X: np.ndarray, labels: np.ndarray, loss: Loss) -> tuple[float, float | None]:
    Y_hat, classes = network._forward(X, training=False), _classes(labels)
    accuracy = None if classes is None else float(np.mean(Y_hat.argmax(axis=1) == classes))
    return float(loss[0](Y_hat, labels)), accuracy


def _end_of_epoch(history, mean_loss, accuracy, network, classes, validation, loss) -> None:
    history.losses.append(mean_loss)
    if classes is not None:
        history.accuracies.append(accuracy)
    if validation is not None:
        validation_loss, validation_accuracy = _evaluate(network, *validation, loss)
        history.validation_losses.append(validation_loss)
        if validation_accuracy is not None:
            history.validation_accuracies.append(validation_accuracy)


def _examples(X_name, labels_name, network: Network, X, labels, loss: Loss) -> tuple[np.ndarray, np.ndarray]:
    """X in the network's dtype and labels as an array, looked at once for all the steps to come."""
    X = floats(X_name, X, (None, network.n_in)).astype(network.parameters[0].dtype, copy=False)
    labels = as_array(labels_name, labels)
    rows = f"one for each row of {X_name}, which has {len(X)}"
    require(labels.ndim > 0 and len(labels) == len(X) > 0, labels_name, f"of shape {labels.shape}", rows)
    if labels.dtype.kind == "f":
        labels = floats(labels_name, labels).astype(X.dtype, copy=False)
    elif loss is SOFTMAX_CROSS_ENTROPY and labels.ndim == 1:
        low, high = labels.min(), labels.max()
        require(0 <= low and high < network.n_out, labels_name, f"from {low} to {high}", f"in 0 … {network.n_out - 1}")
    return X, labels


def _classes(labels: np.ndarray) -> np.ndarray | None:
    """The classes that labels (m,) of whole numbers, or rows of probabilities (m, K > 1), name; else None."""
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        return labels
    if labels.ndim == 2 and labels.shape[1] > 1 and (labels >= 0).all() and np.allclose(labels.sum(axis=1), 1):
        return labels.argmax(axis=1)
    return None


def _loss_and_gradient(loss: Loss) -> Callable[[np.ndarray, np.ndarray], tuple[Any, np.ndarray]]:
    if loss is SOFTMAX_CROSS_ENTROPY:  # the two have most of their work in common
        return cross_entropy_and_gradient
    return lambda Y_hat, Y: (loss[0](Y_hat, Y), loss[1](Y_hat, Y))


def _outputs(network: Network, X: np.ndarray, optimizer: Optimizer, history: History) -> np.ndarray:
    """`forward` in training, which says so where the weights have grown beyond all floats."""
    was = f"{optimizer.learning_rate}, and after {len(history.step_losses)} steps the outputs are no longer finite"
    try:
        Y_hat = network._forward(X, training=True)
    except ValueError as error:  # an activation met NaN; X was looked at, so it comes from the weights
        raise ValueError(f"learning_rate was {was}; it should be smaller") from error
    require(bool(np.isfinite(Y_hat).all()), "learning_rate", was, "smaller")
    return Y_hat


@contextmanager
def _stop_between_steps(history: History) -> Iterator[None]:
    """Turns the first interrupt into `history.interrupted`, and leaves a second one to whoever handled it before.

    Only a program's main thread can do this; in another thread interrupts do not arrive anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(*_: Any) -> None:
        history.interrupted = True
        signal.signal(signal.SIGINT, before)

    before = signal.getsignal(signal.SIGINT) or signal.SIG_DFL
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(steps: int, progress: bool) -> Iterator[Callable[[float], None]]:
    """A function to call after each step: moves a tqdm bar, or does nothing where there is none."""
    seen = sys.stderr is not None and (sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel"))
    if not progress or not seen or os.environ.get("MLMATH_STATIC") == "1":
        yield lambda loss: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda loss: None
        return
    with tqdm(total=steps, unit="step", leave=False, file=sys.stderr) as bar:

        def moved(loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            bar.update()

        yield moved
