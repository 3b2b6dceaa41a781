"""The drawing pad: a trained network that travels inside the page and reads what is drawn there, with no kernel.

`as_mnist_sees` is the preprocessing, for tests and for the chapter; `pad.js` does the same, step by step, in the page.
"""

import base64
import html
import json
import pathlib

import numpy as np

from mlmath._check import floats, require
from mlmath.activations import ACTIVATIONS
from mlmath.network import Dense, Dropout, Network

HERE = pathlib.Path(__file__).parent


def as_mnist_sees(picture: np.ndarray, centre: str = "mass") -> np.ndarray:
    """A drawing (h, w) of bytes, ink bright on 0, as MNIST would have it: (28, 28) of bytes.

    Crop to the ink; shrink or enlarge it, by averages over areas, until its longest side is 20 pixels; put it where
    its centre of mass c = Σ i Iᵢ / Σ Iᵢ, in pixel indices from 0, rounds to 14, in rows and in columns. (The middle of
    28 pixels is the index 13.5: half a pixel that costs two points of accuracy.) All of it must stay in the picture.
    With `centre="box"` the box around the ink is centred instead.

    Raises: TypeError, ValueError for what is no such picture, or another `centre`.
    Source: 4_mnist_model, eq-centre-of-mass; LeCun et al., Proc. IEEE 1998.

    >>> seen = as_mnist_sees(np.full((5, 10), 255, np.uint8))  # 10 high and 20 wide, around (14, 14)
    >>> [(int(lit.min()), int(lit.max())) for lit in np.nonzero(seen)]
    [(9, 18), (4, 23)]
    """
    picture = np.asarray(picture)
    if picture.dtype != np.uint8:
        raise TypeError(f"picture was of type {picture.dtype}; it should be uint8, from 0 (paper) to 255 (ink)")
    require(picture.ndim == 2, "picture", f"of shape {picture.shape}", "of shape (rows, columns)")
    require(centre in ("mass", "box"), "centre", repr(centre), "'mass' or 'box'")
    return _placed(_in_20_box(_cropped(picture)), centre) if picture.any() else np.zeros((28, 28), np.uint8)


def _cropped(picture: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero(picture.any(axis=axis)) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _in_20_box(ink: np.ndarray) -> np.ndarray:
    """Averages over areas, in whole numbers up to the last division: the page, too, rounds the very same quotient."""
    longest = max(ink.shape)
    h, w = (max(1, (40 * n + longest) // (2 * longest)) for n in ink.shape)  # 20 n / longest, rounded
    total = _overlaps(ink.shape[0], h) @ ink @ _overlaps(ink.shape[1], w).T
    return (total / ink.size + 0.5).astype(np.uint8)


def _overlaps(n: int, m: int) -> np.ndarray:
    """(m, n): how far pixel i of m and pixel j of n overlap, on a line of length n m that both divide evenly."""
    i, j = np.arange(m)[:, None], np.arange(n)
    return np.maximum(0, np.minimum((i + 1) * n, (j + 1) * m) - np.maximum(i * n, j * m))


def _placed(box: np.ndarray, centre: str) -> np.ndarray:
    seen = np.zeros((28, 28), np.uint8)
    top, left = (_start(box.sum(axis=axis), centre) for axis in (1, 0))
    seen[top : top + box.shape[0], left : left + box.shape[1]] = box
    return seen


def _start(mass: np.ndarray, centre: str) -> int:
    """Where the first of these rows goes. 14 − c is rounded to the nearest, a half down, as in MNIST itself."""
    n = len(mass)
    if centre == "box" or not mass.any():
        return (28 - n) // 2
    return int(np.clip(np.ceil(13.5 - mass @ np.arange(n) / mass.sum()), 0, 28 - n))


class Pad:
    """A network, samples to try, and a page to draw on. Made by `pad`."""

    def __init__(self, network: Network, samples: np.ndarray, labels: np.ndarray | None, name: str) -> None:
        layers = {f"layers[{i}]": layer for i, layer in enumerate(network.layers) if not isinstance(layer, Dropout)}
        self.layers = [_layer(name, layer) for name, layer in layers.items()]
        require(network.n_in == 784, "network.n_in", network.n_in, "784, the pixels of a picture of 28×28")
        require(self.layers[-1]["f"] == "none", "network", "with an activation at its end", "one that ends in logits")
        self.sizes = "–".join(map(str, [784, *(layer["n_out"] for layer in self.layers)]))
        self.samples, self.name = _pictures(samples), str(name)
        self.labels = None if labels is None else [int(label) for label in labels]
        fits = labels is None or len(self.labels) == len(self.samples)
        require(fits, "labels", labels, f"one for each of the {len(self.samples)} samples, or None")
        seen = as_mnist_sees(self.samples[0])
        self.svg = _still(seen, network.probabilities(seen.reshape(1, 784) / np.float32(255))[0])

    def _repr_html_(self) -> str:
        spec = {key: getattr(self, key) for key in ("name", "sizes", "layers", "labels")}
        spec = json.dumps({**spec, "samples": _base64(self.samples)}, separators=(",", ":")).replace("</", "<\\/")
        css, reader, script = ((HERE / name).read_text(encoding="utf-8") for name in ("pad.css", "reader.js", "pad.js"))
        alt = f"A digit as the network sees it, and how probable it finds each class ({self.name})."
        return f"""<div class="pad"><style>{css}</style>
<img alt="{html.escape(alt)}" src="data:image/svg+xml;base64,{_base64(self.svg.encode())}">
<p>Where scripts run (in JupyterLab: in a trusted notebook) this is a pad to draw on, and a network reads it.</p>
</div><script type="application/json">{spec}</script><script>(() => {{
{reader}{script}const json = document.currentScript.previousElementSibling;
pad(json.previousElementSibling, JSON.parse(json.textContent));
}})()</script>"""

    def __repr__(self) -> str:
        return f"pad({self.sizes}, {len(self.samples)} samples, {self.name})"


def pad(network: Network, samples: np.ndarray, labels: np.ndarray | None = None, name: str = "MNIST") -> Pad:
    """A pad to draw on, in any page: `network` reads the drawing, and shows what it sees and which units fire.

    network   784 inputs; Dense layers with relu, tanh, sigmoid or no activation, the last without: it gives logits
    samples   pictures to try, (k, 28, 28) of bytes or rows (k, 784) from 0 to 1; the first is there at the start
    labels    what the samples are, for those who cannot see them
    name      the digits that the network learnt from; the page says so

    The weights travel in float16, two bytes each: 272 kB of text for 101,770.
    Raises ValueError for a network that the page cannot compute. Source: 4_mnist_model.
    """
    return Pad(network, samples, labels, name)


def _layer(name: str, layer: Dense) -> dict:
    require(isinstance(layer, Dense), name, type(layer).__name__, "Dense or Dropout")
    known = {None: "none", **{ACTIVATIONS[f][0]: f for f in ("relu", "tanh", "sigmoid")}}
    activation = getattr(layer.f, "__name__", layer.f)
    require(layer.f in known, f"activation of {name}", activation, "relu, tanh, sigmoid or None")
    weights = np.concatenate([layer.W.ravel(), layer.b])
    largest = abs(weights).max()
    require(largest <= 65504, f"weights of {name}", f"up to {largest:g}", "at most 65504, to be kept in float16")
    return {"n_in": layer.n_in, "n_out": layer.n_out, "f": known[layer.f], "halves": _base64(weights.astype("<f2"))}


def _pictures(samples: np.ndarray) -> np.ndarray:
    samples = np.asarray(samples)
    fits = samples.shape[1:] in ((28, 28), (784,)) and len(samples) > 0
    require(fits, "samples", f"of shape {samples.shape}", "of shape (k, 28, 28) or (k, 784), k at least 1")
    if samples.dtype != np.uint8:
        samples = floats("samples", samples)
        low, high = samples.min(), samples.max()
        require(0 <= low and high <= 1, "samples", f"from {low:g} to {high:g}", "bytes, or from 0 to 1")
        samples = np.rint(255 * samples).astype(np.uint8)
    return samples.reshape(-1, 28, 28)


def _still(seen: np.ndarray, probabilities: np.ndarray) -> str:
    """The picture and its bars as SVG. Its ink follows the page's light or dark mode; the picture is white on black."""
    dots = [f'<path d="M{x} {y}h1v1h-1z" opacity="{seen[y, x] / 255:.2g}"/>' for y, x in np.argwhere(seen)]
    step, bars = 28 / len(probabilities), []
    for k, p in enumerate(probabilities):
        y = step * (k + 0.75)
        bars.append(f'<text x="30" y="{y:.2f}">{k}</text><text x="64" y="{y:.2f}">{100 * p:.1f} %</text>')
        bars.append(f'<path d="M32.5 {y:.2f}h{30 * p:.2f}v{-step / 2:.2f}h{-30 * p:.2f}z"/>')
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 74 28" width="444" height="168">
<style>text{{font:2px sans-serif}}.ink{{fill:#222}}@media(prefers-color-scheme:dark){{.ink{{fill:#ddd}}}}</style>
<path d="M0 0h28v28H0z"/><g fill="#fff" shape-rendering="crispEdges">{"".join(dots)}</g>
<g class="ink">{"".join(bars)}</g></svg>"""


def _base64(data: bytes | np.ndarray) -> str:
    return base64.b64encode(bytes(data)).decode()
