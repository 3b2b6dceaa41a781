"""The pad's preprocessing against its definition and MNIST itself, and what Python puts into the page."""

import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from mlmath.figures.pad import as_mnist_sees, pad
from mlmath.network import Dense, Dropout, Network

REAL = os.environ.get("MLMATH_MNIST", "")
SHAPES = [(20, 20), (20, 7), (3, 20), (40, 31), (57, 100), (280, 280), (5, 4), (1, 1), (1, 90), (19, 21)]


def blot(shape, seed=0):
    """Ink of all strengths in every pixel, so that no row of it fades to 0."""
    return np.random.default_rng(seed).integers(60, 256, shape, dtype=np.uint8)


def box_of(seen):
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def network(*layers):
    rng = np.random.default_rng(0)
    return Network([Dense(*layer, rng=rng) if isinstance(layer, tuple) else layer for layer in layers])


SMALL = network((784, 6, "relu"), (6, 10))
SAMPLES = np.stack([as_mnist_sees(blot((20, 9 + k), k)) for k in range(3)])


def spec_of(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1])


@pytest.mark.skipif(not os.path.isfile(REAL), reason="SKIPPED: MLMATH_MNIST names no file, MNIST itself was not tried")
def test_gives_the_first_2000_digits_of_mnist_back_bit_for_bit():
    with np.load(REAL) as file:
        for digit in file["x_test"][:2000]:
            assert np.array_equal(as_mnist_sees(digit), digit)
            assert np.array_equal(as_mnist_sees(np.kron(digit, np.ones((10, 10), np.uint8))), digit)


@pytest.mark.parametrize("shape", SHAPES)
def test_shrinks_by_averages_over_areas(shape):
    ink, (h, w) = blot(shape), (max(1, int(20 * n / max(shape) + 0.5)) for n in shape)
    fine = np.kron(ink, np.ones((h, w)))  # pixels cut so small that each pixel of the result is a whole number of them
    means = fine.reshape(h, shape[0], w, shape[1]).mean(axis=(1, 3))
    box = box_of(as_mnist_sees(ink)).astype(float)
    assert box.shape == (h, w)
    assert max(box.shape) == 20
    assert abs(box - means).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("shape", SHAPES)
def test_puts_the_centre_of_mass_on_index_14(shape):
    seen = as_mnist_sees(blot(shape)).astype(float)
    for mass in (seen.sum(axis=0), seen.sum(axis=1)):
        assert 13.5 <= mass @ np.arange(28) / mass.sum() < 14.5


@pytest.mark.parametrize("k", range(1, 21))
def test_knows_its_own_pictures_wherever_and_however_large_they_are(k):
    seen = as_mnist_sees(blot((20, k)))
    assert np.array_equal(as_mnist_sees(seen), seen)
    assert np.array_equal(as_mnist_sees(np.pad(box_of(seen), ((30, 2), (0, 55)))), seen)
    assert np.array_equal(as_mnist_sees(np.kron(seen, np.ones((7, 7), np.uint8))), seen)
    assert np.array_equal(as_mnist_sees(seen.T), seen.T)


def test_a_half_goes_where_mnist_puts_it():
    picture = np.zeros((28, 28), np.uint8)
    picture[4:24, 4:24] = 255  # mass at 13.5 exactly, which is as far from 13 as from 14
    assert np.array_equal(as_mnist_sees(picture), picture)


def test_a_lopsided_picture_stays_whole():
    picture = np.zeros((20, 20), np.uint8)
    picture[:, 0], picture[0, 19] = 255, 1  # all mass at the left: column 0 would go to 14, and the last to 33
    assert as_mnist_sees(picture)[:, 8:].sum() == picture.sum()


def test_centre_by_box():
    wedge = np.tril(np.full((20, 10), 255, np.uint8))  # heavier at the bottom and at the left
    seen = as_mnist_sees(wedge, "box")
    assert np.array_equal(seen[4:24, 9:19], wedge)
    assert not np.array_equal(as_mnist_sees(wedge), seen)


def test_nothing_drawn_and_next_to_nothing():
    assert not as_mnist_sees(np.zeros((280, 280), np.uint8)).any()
    assert not as_mnist_sees(np.eye(280, dtype=np.uint8)).any()  # so faint that every average rounds to 0


@pytest.mark.parametrize(
    ("picture", "centre", "error", "words"),
    [
        (np.zeros((9, 9)), "mass", TypeError, "picture was of type float64"),
        (np.zeros((2, 9, 9), np.uint8), "mass", ValueError, r"picture was of shape \(2, 9, 9\)"),
        (np.zeros((9, 9), np.uint8), "middle", ValueError, "centre was 'middle'; it should be 'mass' or 'box'"),
    ],
)
def test_what_is_no_picture(picture, centre, error, words):
    with pytest.raises(error, match=words):
        as_mnist_sees(picture, centre)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([(28, 10)], "network.n_in was 28; it should be 784"),
        ([(784, 6, "gelu"), (6, 10)], r"activation of layers\[0\] was gelu; it should be relu, tanh, sigmoid or None"),
        ([Dropout(0.5), (784, 6, "silu"), (6, 10)], r"activation of layers\[1\] was silu"),
        ([(784, 10, "sigmoid")], "ends in logits"),
    ],
)
def test_a_network_that_the_page_cannot_compute(layers, words):
    with pytest.raises(ValueError, match=words):
        pad(network(*layers), SAMPLES)


@pytest.mark.parametrize("value", [1e5, np.nan, -np.inf])
@pytest.mark.parametrize("parameter", range(4))
def test_a_weight_that_float16_cannot_hold(parameter, value):
    net = network((784, 6, "relu"), (6, 10))
    net.parameters[parameter].flat[-1] = value
    with pytest.raises(ValueError, match=rf"weights of layers\[{parameter // 2}\]"):
        pad(net, SAMPLES)


@pytest.mark.parametrize(
    ("samples", "labels", "words"),
    [
        (SAMPLES[0], None, "samples was of shape"),
        (SAMPLES[:0], None, "k at least 1"),
        (SAMPLES.astype(float), None, "samples was from 0 to 255; it should be bytes, or from 0 to 1"),
        (SAMPLES, [1, 2], "one for each of the 3 samples"),
    ],
)
def test_samples_that_do_not_fit(samples, labels, words):
    with pytest.raises(ValueError, match=words):
        pad(SMALL, samples, labels)


def test_bytes_and_rows_from_0_to_1_are_the_same_samples():
    rows = SAMPLES.reshape(-1, 784) / np.float32(255)
    assert pad(SMALL, rows)._repr_html_() == pad(SMALL, SAMPLES)._repr_html_()


def test_a_name_cannot_break_out_of_the_page():
    html = pad(SMALL, SAMPLES, name='</script><b title="x">')._repr_html_()
    assert spec_of(html)["name"] == '</script><b title="x">'
    assert "</script><b" not in html
    assert html.count("</script>") == 2


def test_the_page_needs_nothing_from_elsewhere():
    html = pad(SMALL, SAMPLES)._repr_html_()
    addresses = re.findall(r"https?://[^\"'\s<]+|(?:src|href)=\"(?!data:)[^\"]*|url\([^)]*|@import", html)
    assert addresses == []


def test_the_size_is_that_of_the_weights_and_little_more():
    article = network((784, 128, "relu"), (128, 10))
    size = len(pad(article, SAMPLES[[0] * 10], range(10))._repr_html_().encode())
    assert 4 / 3 * 2 * 101_770 < size < 320_000


def test_two_processes_give_the_same_bytes():
    code = (
        "import hashlib, test_pad as t;"
        "print(hashlib.sha256(t.pad(t.SMALL, t.SAMPLES, [1, 2, 3])._repr_html_().encode()).hexdigest())"
    )
    path = os.pathsep.join([os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__))])
    other = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "7"}
    there = subprocess.run([sys.executable, "-c", code], env=other, capture_output=True, text=True, check=True).stdout
    here = hashlib.sha256(pad(SMALL, SAMPLES, [1, 2, 3])._repr_html_().encode()).hexdigest()
    assert there.strip() == here
