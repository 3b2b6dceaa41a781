"""How good is a classifier? Accuracy and how sure of it one can be, who is taken for whom, and calibration.

As in the losses, what the network says comes first and the truth second. What it says may be
scores (m, K), logits or probabilities alike, of which the largest counts, or the labels (m,) chosen.
"""

import math
from typing import NamedTuple

import numpy as np

from mlmath._check import as_array, floats, integer, number, require


def accuracy(Y_hat: np.ndarray, labels: np.ndarray) -> float:
    """The share of right answers, (1/m) #{i : argmax ŷᵢ = yᵢ}.

    Args:
        Y_hat: scores (m, K) or chosen labels (m,).
        labels: the true labels (m,).

    Raises:
        ValueError: labels that are not whole, negative, not as many as Y_hat, or none.

    Source: chapter 4_mnist_model.

    >>> accuracy([[0.1, 0.9], [0.8, 0.2], [0.6, 0.4]], [1, 0, 1])
    0.6666666666666666
    """
    said, labels = _said(Y_hat), _labels("labels", labels)
    wanted = f"{max(len(said), 1)}, one for each row of Y_hat"
    require(len(said) == len(labels) > 0, "labels", f"{len(labels)} of them", wanted)
    return float(np.mean(said == labels))


def wilson_interval(correct: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval for a probability of which `correct` successes in n trials were seen; 95 % at z = 1.96.

    (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n), with p = correct/n: all the p₀ for which |p − p₀| is at
    most z of p₀'s own standard deviations. Unlike p ± z √(p(1−p)/n) it never leaves [0, 1], nor shrinks to a
    point at p = 0 or 1.

    Raises:
        ValueError: n < 1, `correct` not from 0 to n, z not above 0.

    Source: chapters 4_mnist_model, eq-binomial-error, and 5_3_generalization, eq-wilson; Wilson, JASA 1927.

    >>> low, high = wilson_interval(9734, 10_000)
    >>> round(low, 4), round(high, 4)
    (0.9701, 0.9764)
    """
    n, correct, z = integer("n", n, 1), integer("correct", correct), number("z", z, 0, above=True)
    require(correct <= n, "correct", correct, f"at most n = {n}")
    p, q, s = correct / n, (n - correct) / n, z * z / n
    half = math.sqrt(s * p * q + s * s / 4)
    return max(0.0, (p + s / 2 - half) / (1 + s)), min(1.0, (p + s / 2 + half) / (1 + s))


def confusion_matrix(Y_hat: np.ndarray, labels: np.ndarray, n_classes: int | None = None) -> np.ndarray:
    """C (K, K) of counts: C[t, s] examples are truly t and were said to be s. Rows are the truth.

    Args:
        Y_hat: scores (m, K) or chosen labels (m,).
        labels: the true labels (m,).
        n_classes: K; by default as many as Y_hat has columns, or as the labels show.

    Raises:
        ValueError: labels that are not whole, negative, K or more, or not as many as Y_hat.

    Source: chapter 4_mnist_model.

    >>> confusion_matrix([0, 1, 1, 1], [0, 1, 0, 1])
    array([[1, 1],
           [0, 2]])
    """
    said, labels = _said(Y_hat), _labels("labels", labels)
    require(len(said) == len(labels), "labels", f"{len(labels)} of them", f"{len(said)}, one for each row of Y_hat")
    columns = np.shape(Y_hat)[1] if np.ndim(Y_hat) == 2 else 0
    largest = max(said.max(), labels.max()) if len(said) else -1
    K = integer("n_classes", max(columns, largest + 1) if n_classes is None else n_classes, 1)
    require(largest < K, "labels", f"up to {largest}", f"below n_classes = {K}")
    return np.bincount(labels * K + said, minlength=K * K).reshape(K, K)


class Calibration(NamedTuple):
    """What `calibration` finds: per bin how many (`counts`), how sure (`confidence`), how often right (`accuracy`).

    Empty bins have confidence and accuracy NaN. `error` is the expected calibration error.
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float


def calibration(P: np.ndarray, labels: np.ndarray, bins: int = 15) -> Calibration:
    """Is a network that says 80 % right in 80 % of the cases? Answers sorted by their sureness into equal bins.

    The sureness of an answer is its largest probability; bin b holds those in ((b−1)/B, b/B]. The expected
    calibration error is Σ_b (n_b/n) |accuracy_b − confidence_b|.

    Args:
        P: probabilities (m, K).
        labels: the true labels (m,).
        bins: how many, B.

    Raises:
        ValueError: P outside [0, 1] or rows that do not sum to 1, no example, labels that do not fit.

    Source: chapter 4_mnist_model, eq-ece; Guo et al., ICML 2017; Naeini, Cooper and Hauskrecht, AAAI 2015.

    >>> found = calibration([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]], [0, 1, 1], bins=2)
    >>> found.counts, round(found.error, 6)  # one bin: |2/3 − 0.8|
    (array([0, 3]), 0.133333)
    """
    P, labels, bins = floats("P", P, (None, None)), _labels("labels", labels), integer("bins", bins, 1)
    require(len(P) == len(labels) > 0, "labels", f"{len(labels)} of them", f"{max(len(P), 1)}, one for each row of P")
    require(bool((P >= 0).all() and (P <= 1).all()), "P", f"from {P.min()} to {P.max()}", "probabilities in [0, 1]")
    off = abs(P.sum(axis=1, dtype=np.float64) - 1).max()
    require(off <= 1e-3, "P", f"with a row whose sum is {off:.3g} off 1", "rows that sum to 1")

    sureness, right = P.max(axis=1).astype(np.float64), P.argmax(axis=1) == labels
    bin_of = np.digitize(sureness, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    counts, sure, hits = (np.bincount(bin_of, weights, bins) for weights in (None, sureness, right))
    n = np.where(counts > 0, counts, np.nan)
    return Calibration(counts, sure / n, hits / n, float(abs(hits - sure).sum() / len(P)))


def _said(Y_hat: np.ndarray) -> np.ndarray:
    """The labels chosen: the place of the largest score in each row, or Y_hat itself if it is labels already."""
    Y_hat = as_array("Y_hat", Y_hat)
    if Y_hat.ndim != 2:
        return _labels("Y_hat", Y_hat)
    Y_hat = floats("Y_hat", Y_hat)
    require(Y_hat.shape[1] > 0, "Y_hat", f"of shape {Y_hat.shape}", "of shape (m, K) with K of at least 1")
    return Y_hat.argmax(axis=1)


def _labels(name: str, value: np.ndarray) -> np.ndarray:
    labels = as_array(name, value)
    whole = labels.ndim == 1 and labels.dtype.kind in "iu"
    require(whole, name, f"of shape {labels.shape} and type {labels.dtype}", "whole numbers of shape (m,)")
    require(not (labels < 0).any(), name, "with a negative number in it", "classes, counted from 0")
    return labels.astype(np.intp, copy=False)
