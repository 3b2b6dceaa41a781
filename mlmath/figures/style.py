"""One look for all figures, and the three drawings that many chapters need.

Ink and paper are black and white here and become the page's own, light or dark, when a figure is shown by `still` or
`explore`. The colours in between keep a contrast of at least 3 : 1 on white and on near-black, and can be told apart by
readers with any common colour blindness (in order; four or more lines should differ in more than colour).
"""

from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from mlmath._check import require

BLUE, ORANGE, GREEN, PINK, OCHRE, GREY = COLOURS = ("#1b7fcc", "#d55e00", "#00936b", "#c2559d", "#a67c00", "#808080")
DIVERGING = LinearSegmentedColormap.from_list("blue–orange", [BLUE, "#f7f7f7", ORANGE])  # for values on two sides of 0

STYLE = {
    "figure.figsize": (6.4, 3.6),  # inches: about as wide as the page
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.wspace": 0.06,  # a phone's letters are larger
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.labelspacing": 0.7,
    "axes.facecolor": "none",
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "image.cmap": "viridis",
    "image.interpolation": "none",
    "mathtext.fontset": "dejavusans",
}


def use_style() -> None:
    """Make the book's style matplotlib's. Importing `mlmath.figures` does it; this brings it back."""
    mpl.rcParams.update(STYLE)


def digits(images: Sequence, captions: Sequence[str] | None = None, columns: int = 10, cmap: str = "gray_r"):
    """A figure of pictures (28×28, or rows of 784) side by side, with a caption below each. `gray_r`: ink is dark.

    Raises:
        ValueError: pictures that are not square, or not as many captions as pictures.

    >>> figure = digits(np.zeros((3, 784)), ["7", "2", "1"])
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['7', '2', '1']
    """
    import matplotlib.pyplot as plt

    pictures = [np.asarray(image, dtype=float) for image in images]
    captions = [""] * len(pictures) if captions is None else list(captions)
    require(len(captions) == len(pictures), "captions", f"{len(captions)}", f"{len(pictures)}, one for each image")
    require(all(round(p.size**0.5) ** 2 == p.size for p in pictures), "images", "not square", "squares of pixels")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    width = min(7.0, 0.9 * columns + 0.1)
    figure, axes = plt.subplots(rows, columns, figsize=(width, rows * (width / columns + 0.25)), squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[], frame_on=False)
    for ax, picture, caption in zip(axes.flat, pictures, captions, strict=False):
        side = round(picture.size**0.5)
        ax.imshow(picture.reshape(side, side), cmap=cmap)
        ax.set_xlabel(caption, labelpad=5)  # a phone enlarges letters, which grow upwards
    return figure


def loss_curves(ax, curves: Mapping[str, Sequence[float]], *, xlabel: str = "step", log: bool = True) -> None:
    """Draw each curve of losses under its name, from step 1 on, the loss on a logarithmic axis."""
    for (name, losses), dash in zip(curves.items(), np.resize(["-", "--", "-.", ":"], len(curves)), strict=True):
        ax.plot(np.arange(1, len(losses) + 1), losses, dash, label=name)
    ax.set(xlabel=xlabel, ylabel="loss", yscale="log" if log else "linear")
    if len(curves) > 1:
        ax.legend()


def decision_regions(
    ax,
    predict: Callable[[np.ndarray], np.ndarray],
    X: np.ndarray,
    labels: np.ndarray,
    *,
    steps: int = 80,
    margin: float = 0.1,
) -> list:
    """Draw the points X (m, 2) in the colours of their labels, and behind them where `predict` gives which class.

    `predict` takes points (n, 2) and gives the probability of class 1 (n,), or classes' scores (n, K).
    Returns the artists that lie behind, so that an `update` can remove them.
    """
    X, labels = np.asarray(X, dtype=float), np.asarray(labels)
    require(X.ndim == 2 and X.shape[1] == 2, "X", f"of shape {X.shape}", "points in the plane, of shape (m, 2)")
    room = margin * np.ptp(X, axis=0)
    low, high = X.min(axis=0) - room, X.max(axis=0) + room
    u, v = (np.linspace(a, b, steps) for a, b in zip(low, high, strict=True))
    scores = np.asarray(predict(np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)))
    behind = regions(ax, u, v, scores)
    for k in np.unique(labels):
        ax.plot(
            *X[labels == k].T, "osD^v"[int(k) % 5], ms=4, color=COLOURS[int(k) % 6], mec="white", mew=0.5, label=f"{k}"
        )
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return behind


def regions(ax, u: np.ndarray, v: np.ndarray, scores: np.ndarray) -> list:
    """Areas in the colour of the class that wins on the grid u × v, and the line between them. Returns the artists."""
    if scores.ndim == 1 or scores.shape[1] == 1:  # the probability of class 1
        scores = np.stack([0.5 - scores.reshape(-1), scores.reshape(-1) - 0.5], axis=1)
    artists = []
    for k in range(scores.shape[1]):  # class k wins where its score minus the best of the others is positive
        lead = (scores[:, k] - np.delete(scores, k, axis=1).max(axis=1)).reshape(len(v), len(u))
        if (lead > 0).any():
            artists.append(ax.contourf(u, v, lead, levels=[0, np.inf], colors=[COLOURS[k % 6]], alpha=0.22))
            if k > 0 and (lead < 0).any():  # a line between two classes belongs to the later one
                artists.append(ax.contour(u, v, lead, levels=[0], colors=["black"], linewidths=1))
    return artists
