"""MNIST, wherever it is to be had, a stand-in where it is not, and two small sets in the plane."""

import hashlib
import io
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from mlmath._check import as_array, integer, require

# Keras' own address and checksum (keras/src/datasets/mnist.py).
ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
SECONDS_OF_SILENCE = 10  # after which a server that says nothing is given up
SECONDS_IN_ALL = 600
LARGEST = 64 * 2**20  # bytes; MNIST has 11 million

SHAPES = {"x_train": (60000, 28, 28), "y_train": (60000,), "x_test": (10000, 28, 28), "y_test": (10000,)}
SENTENCES = {
    "MNIST": "MNIST: 60,000 handwritten digits to train on, 10,000 to test on.",
    "stand-in digits": "Stand-in digits, not MNIST: scikit-learn's 1,797 handwritten digits, enlarged and varied to "
    "MNIST's shapes. Numbers found on them do not compare with MNIST's.",
}
Arrays = dict[str, np.ndarray]


class Digits(tuple):
    """`(x_train, y_train), (x_test, y_test)`, with `name` ("MNIST" or "stand-in digits") and `source` in words."""

    name: str
    source: str

    def __new__(cls, sets: tuple, name: str = "", source: str = "") -> "Digits":
        digits = super().__new__(cls, sets)
        digits.name, digits.source = name, source
        return digits

    @classmethod
    def of(cls, arrays: Arrays, name: str, source: str) -> "Digits":
        return cls(((arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])), name, source)


def load_mnist(path: str | os.PathLike | None = None) -> Digits:
    """MNIST as Keras gives it: `(x_train, y_train), (x_test, y_test)`, images (m, 28, 28) and labels (m,) of uint8.

    Taken from the first of: the file `path`, the file named by the environment variable MLMATH_MNIST (either may be
    the word "stand-in"), Keras' cache, Keras' address (kept in Keras' cache), the stand-in. Prints which set it is.

    The stand-in is made of scikit-learn's 1,797 real handwritten 8×8 digits: 1,437 of them become the 60,000 training
    images, the other 360 the 10,000 test images, each turned, scaled, moved and inked a little differently every time.
    It is easier than MNIST, numbers from one say nothing about the other, and its test set has the statistical weight
    of 360 images, not of 10,000.

    Raises ValueError if the file that was named is missing, damaged, or not MNIST. Source: 4_mnist_model.
    """
    name, path = ("path", path) if path is not None else ("MLMATH_MNIST", os.environ.get("MLMATH_MNIST") or None)
    if not isinstance(path, str | os.PathLike | None):
        raise TypeError(f'path was {path!r:.60}; it should be the path of a file, or "stand-in"')
    if path is None:
        digits = _cached() or _downloaded() or _stand_in()
    elif path == "stand-in":
        digits = _stand_in()
    else:
        digits = _named(name, path)
    print(SENTENCES[digits.name])
    return digits


def as_rows(images: np.ndarray) -> np.ndarray:
    """Images of bytes (m, 28, 28) as rows of float32 (m, 784), scaled from 0…255 to 0…1. Source: 4_mnist_model.

    >>> as_rows(np.array([[[0, 51], [102, 255]]], dtype=np.uint8))
    array([[0. , 0.2, 0.4, 1. ]], dtype=float32)
    """
    images = as_array("images", images)
    if images.dtype != np.uint8:
        raise TypeError(f"images was of type {images.dtype}; it should be uint8, the bytes as loaded, not yet scaled")
    require(images.ndim == 3, "images", f"of shape {images.shape}", "of shape (m, rows, columns)")
    m, rows, columns = images.shape
    return np.divide(images.reshape(m, rows * columns), 255, dtype=np.float32)


def disc(m: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """m points uniform on [−1, 1]² (m, 2), and labels (m,): 1 where x₁² + x₂² < 2/π, which is half of the area.

    No line gets more than 63 % of the area right. Source: 2_core_concepts.

    >>> X, labels = disc(4, np.random.default_rng(0))
    >>> (X**2).sum(axis=1).round(2), labels  # 2/π = 0.64
    (array([0.29, 1.78, 1.07, 0.26]), array([1, 0, 0, 1]))
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng was {rng!r}; it should be a generator, np.random.default_rng(seed)")
    X = rng.uniform(-1, 1, (integer("m", m, 1), 2))
    return X, ((X**2).sum(axis=1) < 2 / np.pi).astype(int)


def xor() -> tuple[np.ndarray, np.ndarray]:
    """The four corners of the unit square (4, 2) and x₁ XOR x₂ (4,). Source: 3_1_neural_networks.

    >>> xor()[1]
    array([0, 1, 1, 0])
    """
    return np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])


# --- MNIST ---------------------------------------------------------------------------------------------------------


def _named(name: str, path: str | os.PathLike) -> Digits:
    require(Path(path).is_file(), name, repr(str(path)), 'the path of an existing file, or "stand-in"')
    try:
        arrays = _parse(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{name} was {str(path)!r}; it should be MNIST as Keras keeps it: {_reason(error)}") from error
    return Digits.of(arrays, "MNIST", f"the file {Path(path).name}")


def _cached() -> Digits | None:
    path = _keras_cache()
    if not path.exists():
        return None
    try:
        return Digits.of(_parse(path.read_bytes()), "MNIST", "Keras' cache")
    except (OSError, ValueError) as error:
        print(f"{path} cannot be used: {_reason(error)}. A fresh download will replace it.")
        return None


def _downloaded() -> Digits | None:
    from http.client import HTTPException  # here, because importing it takes as long as importing NumPy

    host = urlsplit(ADDRESS).hostname
    print(f"Fetching MNIST (11 MB) from {host} …")
    try:
        data = _fetch()
        arrays = _parse(data)
    except (OSError, HTTPException, ValueError) as error:
        print(f"MNIST could not be fetched: {_reason(error)}. (With MLMATH_MNIST=stand-in it is not tried.)")
        return None
    _keep(_keras_cache(), data)
    return Digits.of(arrays, "MNIST", f"downloaded from {host}")


def _fetch() -> bytes:
    """What ADDRESS holds, if it is MNIST byte for byte; else OSError, HTTPException, or ValueError with the reason."""
    from urllib.request import urlopen

    data, give_up = bytearray(), time.monotonic() + SECONDS_IN_ALL
    with urlopen(ADDRESS, timeout=SECONDS_OF_SILENCE) as response:
        total = int(response.headers.get("Content-Length") or 0)
        while chunk := response.read1(2**18):
            data += chunk
            print(f"\r{len(data) / 1e6:.1f} MB", end="", file=sys.stderr, flush=True)
            require(len(data) <= LARGEST, "the answer", f"longer than {LARGEST} bytes", "MNIST, of 11 million")
            require(time.monotonic() < give_up, "the download", "unfinished", f"done in {SECONDS_IN_ALL} s")
    print(file=sys.stderr)
    require(len(data) >= total, "the download", f"cut off after {len(data)} bytes", f"{total} bytes long")
    if hashlib.sha256(data).hexdigest() != SHA256:
        page = data.lstrip()[:1] == b"<"
        raise ValueError(f"what came is {'a web page, perhaps a proxy’s,' if page else 'something else'} and not MNIST")
    return bytes(data)


def _parse(data: bytes) -> Arrays:
    """The four arrays in the bytes of an .npz file, or ValueError with what is wrong with them."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {key: file[key] for key in SHAPES}
    except Exception as error:  # zipfile, zlib and NumPy each have their own; all of them mean the same
        raise ValueError(f"not a whole .npz file with {', '.join(SHAPES)} ({error})") from error
    for key, shape in SHAPES.items():
        array = arrays[key]
        require(array.shape == shape, key, f"of shape {array.shape}", f"of shape {shape}")
        if key.startswith("x"):
            require(array.dtype == np.uint8, key, f"of type {array.dtype}", "uint8")
            require(array.max() > 1, key, f"at most {array.max()}", "brightness from 0 to 255")
        else:
            require(array.dtype.kind in "iu", key, f"of type {array.dtype}", "whole numbers")
            require(
                np.array_equal(np.unique(array), range(10)), key, "something else", "the digits 0 to 9, all of them"
            )
            arrays[key] = array.astype(np.uint8)
    return arrays


def _keep(path: Path, data: bytes) -> None:
    """Put the bytes at `path` all at once: another process sees the old file or the whole new one. A full disk or a
    read-only home costs a sentence, no more."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        print(f"{path} could not be written ({_reason(error)}); next time it will have to be made again.")


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME") or _home() / ".keras") / "datasets" / "mnist.npz"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container may run under a user that has none
        return Path(tempfile.gettempdir())


def _reason(error: Exception) -> str:
    """The error in its own words, without number or path."""
    cause = error.reason if isinstance(getattr(error, "reason", None), OSError) else error
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)


# --- the stand-in --------------------------------------------------------------------------------------------------


def _stand_in() -> Digits:
    path = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "mlmath" / "stand-in-1.npz"
    try:
        arrays = _parse(path.read_bytes())
    except (OSError, ValueError):  # not made yet, or spoilt: made anew
        arrays = _make_stand_in()
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        _keep(path, file.getvalue())
    return Digits.of(arrays, "stand-in digits", "scikit-learn's 1,797 digits, enlarged and varied")


def _make_stand_in() -> Arrays:
    images, labels = _originals()
    rng = np.random.default_rng(0)
    train, test = _split(labels, rng)  # before anything else: no original is on both sides
    x_train, y_train = _varied(images[train], labels[train], 60000, rng)
    x_test, y_test = _varied(images[test], labels[test], 10000, rng)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _split(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Indices of 1,437 originals to train on and 360 to test on: of each digit's, drawn at random, every fifth."""
    shuffled = rng.permutation(len(labels))
    by_digit = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return np.delete(by_digit, np.s_[::5]), by_digit[::5]


def _originals() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits: (1797, 8, 8) in 0…16, and labels (1797,)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("there is neither MNIST nor scikit-learn, whose digits would stand in for it") from error
    digits = load_digits()
    return digits.images.astype(np.float32), digits.target.astype(np.uint8)


def _varied(images: np.ndarray, labels: np.ndarray, m: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """m images (m, 28, 28) of uint8, each original equally often (±1), in random order, and their labels."""
    which = rng.permutation(np.arange(m) % len(images))
    rounds = [_drawn(images[part], rng) for part in np.array_split(which, max(1, m // 1000))]  # little memory at once
    return np.concatenate(rounds), labels[which]


def _drawn(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Images (n, 8, 8) drawn as MNIST was: 20×20, centre of mass on pixel 14 of 28; up to 10° turned, 10 % larger or
    smaller, 1.5 pixels off, and 10 % noise in the ink (the paper stays black)."""
    n = len(images)
    angle, scale = rng.uniform(-np.pi / 18, np.pi / 18, n), rng.uniform(0.9, 1.1, n)
    shift = rng.uniform(-1.5, 1.5, (2, n))
    # Where in the 8×8 original each of the 28×28 pixels comes from: (row, column), bilinear in between.
    along = np.array([np.cos(angle), np.sin(angle)]) * (8 / 20) / scale
    along, shift = along[..., None, None].astype(np.float32), shift[..., None, None].astype(np.float32)
    down, right = (
        np.arange(28, dtype=np.float32)[:, None] - 14 - shift[0],
        np.arange(28, dtype=np.float32) - 14 - shift[1],
    )
    row, column = _centre(images)
    inked = _between(images, row + along[0] * down - along[1] * right, column + along[1] * down + along[0] * right)
    inked *= 1 + 0.1 * rng.standard_normal(inked.shape, dtype=np.float32)
    return np.clip(np.rint(inked * (255 / 16)), 0, 255).astype(np.uint8)


def _centre(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (n, 1, 1) of each image's centre of mass."""
    mass, k = images.sum(axis=(1, 2), keepdims=True), np.arange(8, dtype=np.float32)
    return (images * k[:, None]).sum(axis=(1, 2), keepdims=True) / mass, (images * k).sum(
        axis=(1, 2), keepdims=True
    ) / mass


def _between(images: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Bilinear interpolation in images (n, 8, 8) at fractional rows and columns (n, 28, 28); 0 outside."""
    framed = np.pad(images, ((0, 0), (1, 2), (1, 2))).reshape(-1)
    row, column = np.clip(row + 1, 0, 9), np.clip(column + 1, 0, 9)
    i, j = row.astype(np.int32), column.astype(np.int32)
    below, beside = row - i, column - j
    at = np.arange(len(images), dtype=np.int32)[:, None, None] * 121 + 11 * i + j
    above = framed[at] * (1 - beside) + framed[at + 1] * beside
    return above * (1 - below) + (framed[at + 11] * (1 - beside) + framed[at + 12] * beside) * below
