"""The metrics by hand, against scikit-learn and the definitions, and with their errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmath.metrics import accuracy, calibration, confusion_matrix, wilson_interval

SCORES = np.array([[3, 1, 0], [0, 2, 1], [0, 2, 1], [1, 0, 9], [5, 4, 3]])  # says 0 1 1 2 0
LABELS = np.array([0, 1, 2, 2, 1])
NOTHING = np.array([], int)


def test_accuracy_of_scores_and_of_labels():
    assert accuracy(SCORES, LABELS) == accuracy([0, 1, 1, 2, 0], LABELS) == 3 / 5
    assert accuracy(np.ones((2, 3)), np.array([0, 1], np.uint8)) == 0.5  # of equals the first is taken


def test_one_answer_has_an_accuracy_and_none_has_not():
    assert accuracy([[0.2, 0.8]], [1]) == 1
    with pytest.raises(ValueError, match=r"labels was 0 of them; it should be 1"):
        accuracy(np.zeros((0, 3)), np.array([], int))


def test_confusion_matrix_has_the_truth_in_rows():
    expected = [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert confusion_matrix(SCORES, LABELS).tolist() == expected
    assert confusion_matrix(SCORES.argmax(axis=1), LABELS).tolist() == expected
    wide = confusion_matrix(SCORES, LABELS, n_classes=4)
    assert wide.shape == (4, 4) and wide.sum() == 5 and not wide[3].any() and not wide[:, 3].any()


def test_confusion_matrix_has_every_class_that_was_said_is_true_or_has_a_column():
    assert confusion_matrix([2, 0], [0, 1]).tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0]]
    assert confusion_matrix([0, 1], [2, 0]).tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert confusion_matrix([[9, 0, 0]], [0]).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert confusion_matrix([[9]], [0]).tolist() == confusion_matrix([0], [0], n_classes=1).tolist() == [[1]]
    assert confusion_matrix(np.ones((0, 3)), NOTHING).tolist() == np.zeros((3, 3)).tolist()


def test_confusion_matrix_sums():
    rng = np.random.default_rng(0)
    said, labels = rng.integers(10, size=1000), rng.integers(10, size=1000)
    C = confusion_matrix(said, labels)
    assert (C.sum(axis=1) == np.bincount(labels)).all() and (C.sum(axis=0) == np.bincount(said)).all()
    assert C.trace() / 1000 == accuracy(said, labels)


@settings(deadline=None)
@given(n=st.integers(1, 10**6), share=st.floats(0, 1), z=st.floats(0.1, 5))
def test_wilson_interval_is_where_the_score_test_says_yes(n, share, z):
    correct = round(share * n)
    p = correct / n
    low, high = wilson_interval(correct, n, z)
    assert 0 <= low <= p + 1e-12 and p - 1e-12 <= high <= 1 and low < high
    for edge in (low, high):
        assert (p - edge) ** 2 == pytest.approx(z * z * edge * (1 - edge) / n, rel=1e-6, abs=1e-12)


def test_wilson_interval_by_hand():
    assert wilson_interval(0, 4, z=2) == (0, 0.5)  # s = 1: (0 + 1/2 ± 1/2)/2
    assert wilson_interval(4, 4, z=2) == (0.5, 1)
    assert wilson_interval(1, 2, z=1e100) == (0, 1)  # z⁴ is beyond all floats
    low, high = wilson_interval(9734, 10_000)
    assert (low + high) / 2 == pytest.approx(0.97322, abs=1e-5)
    assert (high - low) / 2 == pytest.approx(0.0032, abs=1e-4)


def test_calibration_by_hand():
    P = np.array([[0.95, 0.05], [0.85, 0.15], [0.45, 0.55], [0.5, 0.5]])
    found = calibration(P, [0, 1, 1, 0], bins=10)
    assert found.counts.tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 1, 1]  # 0.5 belongs to the bin that ends there
    assert found.confidence[[4, 5, 8, 9]] == pytest.approx([0.5, 0.55, 0.85, 0.95])
    assert found.accuracy[[4, 5, 8, 9]].tolist() == [1, 1, 0, 1]
    assert np.isnan(found.confidence[0]) and np.isnan(found.accuracy[0])
    assert found.error == pytest.approx((0.5 + 0.45 + 0.85 + 0.05) / 4)
    assert calibration(P, [0, 1, 1, 0], bins=1).error == pytest.approx(abs(3 - 2.85) / 4)


def test_calibration_error_is_its_definition():
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(4), size=500).astype(np.float32)
    labels = rng.integers(4, size=500)
    found, top, right = calibration(P, labels), P.max(axis=1), P.argmax(axis=1) == labels
    error = 0.0
    for b in range(15):
        inside = (top > b / 15) & (top <= (b + 1) / 15)
        assert found.counts[b] == inside.sum()
        if inside.any():
            assert found.confidence[b] == pytest.approx(top[inside].mean(dtype=np.float64), rel=1e-6)
            assert found.accuracy[b] == right[inside].mean()
            error += inside.mean() * abs(right[inside].mean() - top[inside].mean(dtype=np.float64))
    assert found.error == pytest.approx(error, rel=1e-6)


def test_a_calibrated_guesser_has_almost_no_calibration_error_and_a_boaster_has_much():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.5, 1, size=50_000)
    P, labels = np.stack([p, 1 - p], axis=1), (rng.random(p.size) > p).astype(int)
    assert calibration(P, labels).error < 0.01
    assert calibration(np.eye(2)[P.argmax(axis=1)], labels).error == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: accuracy(SCORES, LABELS[:3]), "labels was 3 of them; it should be 5"),
        (lambda: accuracy(SCORES, LABELS[:, None]), r"labels was of shape \(5, 1\)"),
        (lambda: accuracy(SCORES, LABELS + 0.5), "labels was of shape .* float64; it should be whole numbers"),
        (lambda: accuracy(SCORES, -LABELS), "labels was with a negative number"),
        (lambda: accuracy([1, 0], [-1, 0]), "labels was with a negative number"),
        (lambda: accuracy(np.ones((2, 0)), [0, 0]), r"Y_hat was of shape \(2, 0\); it should be of shape \(m, K\)"),
        (lambda: accuracy(SCORES * np.nan, LABELS), "Y_hat was an array with NaN"),
        (lambda: accuracy([0.5, 0.2], [0, 1]), "Y_hat was of shape"),
        (lambda: confusion_matrix(SCORES, LABELS, n_classes=2), "labels was up to 2; it should be below"),
        (lambda: confusion_matrix(SCORES, LABELS[:3]), "labels was 3 of them"),
        (lambda: confusion_matrix(NOTHING, NOTHING), "n_classes was 0"),
        (lambda: wilson_interval(5, 4), "correct was 5; it should be at most n = 4"),
        (lambda: wilson_interval(-1, 4), "correct was -1; it should be a whole number of at least 0"),
        (lambda: wilson_interval(0, 0), "n was 0"),
        (lambda: wilson_interval(1, 2, z=0), "z was 0"),
        (lambda: calibration(SCORES, LABELS), "P was from 0.0 to 9.0"),
        (lambda: calibration([[0.5, 0.4]], [0]), "P was with a row whose sum is 0.1 off 1"),
        (lambda: calibration([[0.5, 0.5], [0.5, 0.4]], [0, 0]), "P was with a row whose sum is 0.1 off 1"),
        (lambda: calibration([[0.6, 0.6, -0.2]], [0]), "P was from -0.2 to 0.6; it should be probabilities"),
        (lambda: calibration([[1.0005, 0]], [0]), "P was from 0.0 to 1.0005; it should be probabilities"),
        (lambda: calibration([[0.5, 0.5]], [0, 1]), "labels was 2 of them; it should be 1"),
        (lambda: calibration([[0.5, 0.5]], [0], bins=0), "bins was 0"),
        (lambda: calibration(np.ones((0, 2)), NOTHING), "labels was 0 of them; it should be 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
