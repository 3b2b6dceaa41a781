"""Figures with everything that matplotlib draws and a chapter may want to move. Each gives fig, update, and grids."""

import numpy as np

GRID = np.linspace(0.2, 3, 8)


def axes(*shape, **options):
    import matplotlib.pyplot as plt

    return plt.subplots(*shape, figsize=(5, 3), layout="none", **options)


def lines():
    fig, ax = axes()
    x = np.linspace(0, 10, 400)
    (plain,) = ax.plot(x, x, label="plain")
    (dashed,) = ax.plot(x, x, "--", lw=3, alpha=0.5, label="dashed")
    (marked,) = ax.plot([], [], "o-", mec="black", ms=5, label="marked")
    (points,) = ax.plot([], [], "s", alpha=0.5, label="points")
    ax.set_ylim(-3, 3)
    ax.legend(loc="upper right")

    def update(a, kind):
        plain.set_data(x, np.sin(a * x))
        dashed.set(ydata=a * np.cos(x), color="red" if kind == "loud" else "black")
        marked.set_data(x[:: int(20 * a)], np.cos(a * x[:: int(20 * a)]))
        points.set_data(x[::50], 2 * np.sin(a + x[::50]))
        marked.set_markersize(5 + a)
        ax.set_title(f"a = {a:.3f} <{kind} & 'so'>")

    return fig, update, {"a": GRID, "kind": ["calm", "loud"]}


def scatter():
    fig, ax = axes()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    cloud = ax.scatter(*X.T, c=X[:, 0], s=20, edgecolors="white")
    few = ax.scatter(*X[:5].T, marker="^", s=60, color="black")

    def update(a, n):
        cloud.set_offsets(X[:n] * a)
        cloud.set_array(X[:n, 0] * a)
        few.set_sizes([20 * a])
        ax.set_xlim(-3 * a, 3 * a)

    return fig, update, {"a": GRID, "n": [10, 37, 60]}


def bars():
    fig, ax = axes()
    heights = np.arange(1, 7)
    boxes = ax.bar(range(6), heights, hatch=["", "//", "", "", "x", ""], edgecolor="black")
    words = [ax.text(k, 0, "", ha="center", va="bottom", rotation=30 * (k == 5)) for k in range(6)]
    ax.set_ylim(0, 1.2)

    def update(a, best):
        p = heights**a / (heights**a).sum()
        for k, (box, word) in enumerate(zip(boxes, words, strict=True)):
            box.set(height=p[k], facecolor="green" if k == best else "0.7")
            word.set(y=p[k], text=f"{p[k]:.0%}", weight="bold" if k == best else "normal")
        ax.set_title(rf"$\sum_k p_k^2 = {(p**2).sum():.3f},\ \hat y = {best}$")

    return fig, update, {"a": GRID, "best": [0, 5]}


def areas():
    fig, ax = axes()
    x = np.linspace(-3, 3, 300)
    state = []
    ax.set_xlim(-3, 3)
    ax.set_ylim(-1.5, 1.5)

    def update(a, shade):
        for artist in state:
            artist.remove()
        state[:] = [ax.fill_between(x, 0, np.sin(a * x), alpha=0.5, color="C0")]
        state.extend(ax.fill([0, a, a / 2], [0, 0, 1], "orange"))
        if shade == "yes":  # comes and goes
            state.append(ax.axvspan(-a, a / 3, color="0.8", zorder=0))
            state.append(ax.axhline(1 / a, ls=":", color="black"))

    return fig, update, {"a": GRID, "shade": ["yes", "no"]}


def images():
    fig, (left, right) = axes(1, 2)
    i, j = np.indices((28, 28)) / 28
    gray = left.imshow(i, cmap="gray", vmin=0, vmax=1)
    pixels = np.zeros((12, 12, 4))
    colour = right.imshow(pixels, extent=(0, 1, 0, 2), aspect="auto", alpha=0.8)

    def update(a, b):
        gray.set_data((np.sin(9 * a * i) * np.cos(b * j) + 1) / 2)
        pixels[..., :3] = np.random.default_rng(int(100 * a + b)).random((12, 12, 3))
        pixels[..., 3] = np.linspace(0.2, 1, 12)
        colour.set_data(pixels)

    return fig, update, {"a": GRID, "b": [1, 4]}


def contours():
    fig, ax = axes()
    u = np.linspace(-2, 2, 40)
    x, y = np.meshgrid(u, u)
    state = []

    def update(a, levels):
        for artist in state:
            artist.remove()
        z = np.sin(a * x) + y**2 / a
        state[:] = [ax.contourf(x, y, z, levels=levels, alpha=0.6), ax.contour(x, y, z, levels=levels, colors="black")]

    return fig, update, {"a": GRID, "levels": [2, 5]}


def arrows():
    fig, ax = axes()
    u = np.linspace(-1, 1, 6)
    x, y = np.meshgrid(u, u)
    field = ax.quiver(x, y, x, y, scale=12)
    note = ax.annotate("here", (0, 0), (0.5, 0.8), arrowprops={"arrowstyle": "->"})
    path = ax.plot([], [], ".-")[0]

    def update(a, sense):
        sign = {"left": -1, "right": 1}[sense]
        field.set_UVC(-sign * y * a, sign * x)
        note.xy = (np.cos(a), np.sin(a) * sign / 2)
        path.set_data(np.cos(sign * np.arange(12) * a) / 2, np.sin(sign * np.arange(12) * a) / 2)

    return fig, update, {"a": GRID, "sense": ["left", "right"]}


def limits():
    fig, (left, right) = axes(2, 1)
    x = np.geomspace(0.01, 100, 200)
    (curve,) = left.semilogx(x, x)
    (decay,) = right.semilogy(x, x)

    def update(a, top, grid):
        curve.set_ydata(np.tanh(a * x))
        left.set(xlim=(0.01, 10**a), ylim=(0, top), xlabel=f"x to {10**a:.3g}")
        left.grid(grid == "grid")
        decay.set_ydata(np.exp(-x / a / 8))
        right.relim()
        right.autoscale_view()

    return fig, update, {"a": GRID, "top": [1, 2, 50], "grid": ["grid", "none"]}


def cleared():
    fig, ax = axes()
    twin = ax.twinx()

    def update(a, kind):
        ax.clear()
        rng = np.random.default_rng(int(10 * a))
        if kind == "hist":
            ax.hist(rng.normal(size=200) * a, bins=15, histtype="stepfilled")
        elif kind == "step":
            ax.step(range(9), rng.random(9) * a, where="mid")
            ax.errorbar(range(9), rng.random(9) * a, yerr=0.2, fmt="o", capsize=3, label="e")
            ax.legend()
        else:
            ax.pie([a, 1, 2], labels=["a", "b", "c"])
        twin.set_ylabel(f"a = {a:.2f}")

    return fig, update, {"a": GRID, "kind": ["hist", "step", "pie"]}


def constrained():
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(5, 3), layout="constrained", width_ratios=[1, 2])
    picture = left.imshow(np.eye(5))
    fig.colorbar(picture, ax=left)
    (line,) = right.plot([0, 1], [0, 1])

    def update(a, scale):
        picture.set_data(np.eye(5) * a / 3)
        line.set_ydata([0, a * scale])
        right.set_ylim(0, 3 * scale)
        right.set_ylabel(f"up to {a * scale:g}")
        fig.suptitle(f"{scale}" if scale > 1 else "")

    return fig, update, {"a": GRID, "scale": [1, 10000]}


def words_that_come_and_go():
    fig, ax = axes()
    rng = np.random.default_rng(1)
    labels = [ax.text(*rng.random(2), "", ha="center") for _ in range(8)]

    def update(a, n):
        for k, label in enumerate(labels):
            label.set_text(f"{a * k:.2f}" if k < n else "")
            label.set_x(0.1 + k / 10 + a / 30)

    return fig, update, {"a": GRID, "n": [0, 3, 8]}


FIGURES = [lines, scatter, bars, areas, images, contours, arrows, limits, cleared, constrained, words_that_come_and_go]
