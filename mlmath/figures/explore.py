"""explore(fig, update, alt="…", learning_rate=[…]): a matplotlib figure that answers its controls without a kernel.

matplotlib's own SVG renderer (`drawing.py`) draws the figure once per setting. The drawings are trees; `weave.py` lays
them over one another into one. An attribute that is not the same in all of them is a *slot*: its versions are kept once
each, and a row of numbers says which version each setting shows. The page (`explore.js`) sets the slots that changed.
So whatever matplotlib draws can move, artists that come and go included, and no line here knows lines from bars.
"""

import base64
import html
import inspect
import itertools
import json
import math
import os
import pathlib
import re
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from numbers import Real
from typing import Any
from urllib.parse import quote

import numpy as np

from mlmath._check import require
from mlmath.figures.drawing import Canvas, settle
from mlmath.figures.weave import Woven, pack

HERE = pathlib.Path(__file__).parent
STILL = 60  # kB of SVG up to which a still figure follows the page's colours; beyond it may be a PNG
BUDGET = 200  # kB a figure may take in a notebook: every committed version stays in the history for good


class Control:
    """A slider over numbers, or a choice over words: its values, and how each is said."""

    def __init__(self, name: str, values: Iterable, say: str | Callable | None, title: str | None, play: bool) -> None:
        self.name, self.title, self.play = name, title or name.replace("_", " "), play
        self.values = [v.item() if isinstance(v, np.generic) else v for v in values]
        self.slider = all(isinstance(v, Real) and not isinstance(v, bool) for v in self.values)
        require(bool(self.values), name, "an empty grid", "the values that the control takes")
        finite = not self.slider or all(map(math.isfinite, self.values))
        require(
            finite and len(set(self.values)) == len(self.values), name, self.values, "values that are all different"
        )
        require(not play or self.slider, "play", repr(name), "the name of a slider")
        say = say or (lambda v: f"{v:.3g}" if isinstance(v, float) else str(v))
        labels = (say.format(v) if isinstance(say, str) else str(say(v)) for v in self.values)
        self.labels = [re.sub(r"(?<!\w)-(?=[\d.])", "\N{MINUS SIGN}", label) for label in labels]  # as on axes

    def index(self, value: Any) -> int:
        """Where `value` is on the grid, a rounding error forgiven."""
        near = [v == value or (self.slider and isinstance(value, Real) and math.isclose(v, value)) for v in self.values]
        require(any(near), self.name, repr(value), f"one of {', '.join(map(repr, self.values))}")
        return near.index(True)

    def spec(self) -> dict:
        """What the page has to know."""
        return {"title": self.title, "labels": self.labels, "slider": self.slider, "play": self.play}


class Explore:
    """A figure drawn at every setting of its controls. Made by `explore`, and by `still` with no controls at all."""

    def __init__(
        self, fig, update: Callable, alt: str, describe: Callable | None, start: Mapping, controls: list[Control]
    ):
        require(isinstance(alt, str) and bool(alt.strip()), "alt", repr(alt), "words that say what the figure shows")
        self.alt, self.controls = alt, controls
        unknown = [name for name in start if name not in {c.name for c in controls}]
        require(not unknown, "start", f"a setting of {', '.join(unknown)}", "a setting of the controls")
        self.start = [c.index(start.get(c.name, c.values[len(c.values) // 2 if c.slider else 0])) for c in controls]
        grid = itertools.product(*(c.values for c in controls))
        self.settings = [dict(zip((c.name for c in controls), values, strict=True)) for values in grid]
        self.sentences = [describe(**s) for s in self.settings] if describe else []
        self._draw(fig, update, self.position(self.start))
        self._weigh()

    def _draw(self, fig, update: Callable, first: int) -> None:
        show = _checked(update, self.settings[first])
        name = f"e{zlib.crc32(repr((self.alt, [c.spec() for c in self.controls])).encode()):x}-"
        with Canvas(fig, name) as canvas:
            settle(fig, show, self.settings[:: max(1, len(self.settings) // 8)] + self.settings[-1:])
            drawings = []
            for setting in self.settings:
                show(**setting)
                drawings.append(canvas.draw())
            show(**self.settings[first])
            again = canvas.draw() == drawings[first]
            require(
                again, "update", "another picture when a setting came again", "one that depends on the setting alone"
            )
            self.png = canvas.png()
        self.woven = Woven(drawings, first)
        moves = len(self.settings) == 1 or self.woven.slots
        require(moves, "update", "the same picture at every setting", "a change of what is in fig")
        self.svg, self.data = canvas.svg(self.woven.markup), pack(self.woven, canvas.images, self.sentences)
        if pyplot := sys.modules.get("matplotlib.pyplot"):
            pyplot.close(fig)  # else the notebook shows it a second time, still

    def position(self, index: Iterable[int]) -> int:
        """The place in `settings` of the setting with these places on the controls' grids."""
        return int(np.ravel_multi_index(tuple(index), [len(c.values) for c in self.controls])) if self.controls else 0

    def _weigh(self) -> None:
        size = (len(json.dumps(self._repr_html_())) + len(base64.b64encode(self.png))) / 1000
        if size > BUDGET:
            heavy, share = self.woven.heaviest()
            warnings.warn(
                f"this figure takes {size:.0f} kB, more than {BUDGET}. "
                f"Its heaviest part is {heavy} ({share:.0%} of what moves). "
                "Fewer settings, fewer points, or imshow in place of pcolormesh make it lighter.",
                stacklevel=4,
            )

    @property
    def spec(self) -> dict:
        """What the page needs to move the picture."""
        controls = [c.spec() for c in self.controls]
        return {"index": self.start, "controls": controls, "data": self.data}

    @cached_property
    def picture(self) -> str:
        """The still picture, and its sentence: all there is where scripts do not run."""
        source = "data:image/svg+xml," + quote(self.svg, safe=" !$'()*+,-./:;<=>?@[]^_`{|}~")
        if not self.controls and len(source) > 1000 * STILL:
            source = min(source, "data:image/png;base64," + base64.b64encode(self.png).decode(), key=len)
        says = (
            f'<p role="status">{html.escape(self.sentences[self.position(self.start)])}</p>' if self.sentences else ""
        )
        return f'<img alt="{html.escape(self.alt)}" src="{source}">{says}'

    def _repr_html_(self) -> str:
        inside = f'<div class="explore"><style>{part("explore.css")}</style>{self.picture}</div>'
        if "image/svg" not in self.picture:
            return inside
        spec = json.dumps(self.spec, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
        return (
            f'{inside}<script type="application/json">{spec}</script><script>(() => {{\n{part("explore.js")}'
            "const json = document.currentScript.previousElementSibling;\n"
            "live(json.previousElementSibling, JSON.parse(json.textContent));\n})()</script>"
        )

    def _repr_mimebundle_(self, **_) -> dict[str, str]:
        return {
            "text/html": self._repr_html_(),
            "image/png": base64.b64encode(self.png).decode(),
            "text/plain": repr(self),
        }

    def __repr__(self) -> str:
        at = (f"{c.name}={c.values[i]!r}" for c, i in zip(self.controls, self.start, strict=True))
        return f"explore({', '.join(at)})" if self.controls else f"still({self.alt!r})"

    def widget(self):
        """The same figure as an ipywidget, for use with a kernel: Python reads, sets and observes its `settings`."""
        from mlmath.figures.widget import ExploreWidget

        return ExploreWidget(self)


def explore(
    fig,
    update: Callable,
    *,
    alt: str,
    start: Mapping[str, Any] | None = None,
    play: str | None = None,
    formats: Mapping[str, str | Callable] | None = None,
    names: Mapping[str, str] | None = None,
    describe: Callable[..., str] | None = None,
    **controls: Iterable,
) -> Explore:
    """The figure with a control for each keyword; `update(**setting)` makes it show a setting, in plain matplotlib.

    A grid of numbers becomes a slider, any other a choice. All settings are drawn now, so keep their number near 200,
    make the artists once and let `update` change them: `line.set_data(…)` rather than `ax.clear()`.

    alt       what the figure shows, for those who cannot see it
    start     where the controls begin; by default in the middle of a slider, at the first of a choice
    play      the slider that means time and gets a play button
    formats   how a value is said, a format or a function: `{"learning_rate": "α = {:.3g}"}`
    names     what a control is called, where its keyword will not do
    describe  a function of the setting that gives a sentence: shown below, and read out when it changes

    Raises ValueError for what cannot be moved, saying at which setting; warns when the figure weighs more than 200 kB.

    >>> import matplotlib.pyplot as plt
    >>> fig, ax = plt.subplots()
    >>> (line,) = ax.plot([0, 1], [0, 0])
    >>> explore(fig, lambda slope: line.set_ydata([0, slope]), alt="A line through the origin", slope=[1, 2, 3])
    explore(slope=2)
    """
    require(1 <= len(controls) <= 3, "controls", f"{len(controls)} ({', '.join(controls)})", "one to three")
    formats, names = formats or {}, names or {}
    for option, given in {"play": [play] if play else [], "formats": formats, "names": names}.items():
        require(set(given) <= set(controls), option, ", ".join(given), f"given for {', '.join(controls)}")
    made = [Control(n, v, formats.get(n), names.get(n), n == play) for n, v in controls.items()]
    return Explore(fig, update, alt, describe, start or {}, made)


def still(fig, *, alt: str) -> Explore:
    """The figure as it is now, in the page's ink on the page's paper, with `alt` text that says what it shows."""
    return Explore(fig, lambda: None, alt, None, {}, [])


def static() -> bool:
    """Whether outputs are made to be committed (`make run` sets MLMATH_STATIC=1): then widgets show still results."""
    return os.environ.get("MLMATH_STATIC", "0") not in ("", "0")


def part(name: str) -> str:
    """A file of the front end."""
    return (HERE / name).read_text(encoding="utf-8")


def _checked(update: Callable, setting: dict) -> Callable:
    """`update`, with errors that name the setting."""
    try:
        inspect.signature(update).bind(**setting)
    except TypeError as error:
        raise TypeError(
            f"update takes {inspect.signature(update)}; the controls are {', '.join(setting)}: {error}"
        ) from None

    def show(**setting: Any) -> None:
        try:
            update(**setting)
        except Exception as error:
            at = ", ".join(f"{name}={value!r}" for name, value in setting.items())
            raise ValueError(f"update raised {type(error).__name__} at {at}: {error}") from error

    return show
