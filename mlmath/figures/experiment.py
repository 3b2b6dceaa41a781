"""experiment(function, learning_rate=0.1, activation=["relu", "tanh"]): a computation that runs anew for any value.

The computation runs in a thread of its own, so that the kernel hears the stop button while it computes.
"""

import html
import inspect
import threading
import time
from collections.abc import Callable
from math import log10
from typing import Any

from mlmath._check import require
from mlmath.figures.explore import static, still

# JupyterLab takes the arrow keys from whatever is not marked so, and ipywidgets marks none of its choices and sliders.
KEYS = """<script>document.addEventListener("focusin", ({ target }) => {
  if (target.closest(".experiment")) target.dataset.lmSuppressShortcuts = "true";
})</script>"""


class Stopped(BaseException):
    """Raised by `progress` in a computation that was stopped. No Exception: no `except Exception` may swallow it."""


class Experiment:
    """A function and the values its controls begin with; shows itself as widgets, or as the result at those values."""

    def __init__(self, function: Callable, controls: dict[str, Any]) -> None:
        self.function, self.controls = function, controls
        self.defaults = {name: _default(name, value) for name, value in controls.items()}
        takes = inspect.signature(function).parameters
        self.reports = "progress" in takes
        try:
            inspect.signature(function).bind(**self.defaults, **({"progress": None} if self.reports else {}))
        except TypeError as error:
            raise TypeError(f"{function.__name__} takes {', '.join(takes)}: {error}") from None

    def run(self, progress: Callable = lambda *_: None, **setting: Any) -> dict[str, Any]:
        """The result at a setting (what is left out is at its default), as what a notebook shows of it, by type."""
        setting = self.defaults | setting
        result = self.function(**setting, **({"progress": progress} if self.reports else {}))
        return _shown(result, f"{self.function.__name__}: {_said(setting)}")

    def _repr_mimebundle_(self, **_) -> dict[str, Any]:
        if not static() and _kernel():
            self.panel = Panel(self)  # kept: a widget nobody holds no longer hears its buttons
            return _view(self.panel.box)
        bundle = self.run()
        inside = bundle.get("text/html") or f"<pre>{html.escape(bundle['text/plain'])}</pre>"
        names = ", ".join(name.replace("_", " ") for name in self.controls)
        note = (
            f'<p class="experiment">At {html.escape(_said(self.defaults))}. Run this notebook to change: {names}.</p>'
        )
        return bundle | {"text/html": f"<div>{inside}{note}</div>"}


class Panel:
    """The widgets of an experiment. What runs is one thread; a change of a control stops it and starts the next."""

    def __init__(self, experiment: Experiment) -> None:
        import ipywidgets as widgets

        self.experiment, self.stop, self.thread, self.quiet_until = experiment, threading.Event(), None, 0.0
        self.inputs = {name: _control(name, value) for name, value in experiment.controls.items()}
        self.bar = widgets.FloatProgress(max=1.0, description="progress", style={"description_width": "initial"})
        self.button = widgets.Button(description="Stop", icon="stop")
        self.words, self.output = widgets.Label(), widgets.Output()
        row = widgets.HBox([self.button, self.bar, self.words], layout={"flex_flow": "row wrap"})
        keys = widgets.Output(outputs=_display({"text/html": KEYS, "text/plain": ""}))
        self.box = widgets.VBox([*self.inputs.values(), row, self.output, keys])
        self.box.add_class("experiment")
        for control in self.inputs.values():
            control.observe(lambda _: self.start(), "value")
        self.button.on_click(lambda _: self.stop.set() if self.running else self.start())
        self.start()

    @property
    def running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def start(self) -> None:
        """Stop what runs, and compute anew."""
        self.stop.set()
        self.stop, before = threading.Event(), self.thread
        setting = {name: control.value for name, control in self.inputs.items()}
        self.thread = threading.Thread(target=self._compute, args=(self.stop, before, setting), daemon=True)
        self.thread.start()

    def _compute(self, stop: threading.Event, before: threading.Thread | None, setting: dict) -> None:
        if before:
            before.join()
        self.button.description, self.button.icon, self.bar.bar_style = "Stop", "stop", ""
        self.button.disabled = not self.experiment.reports  # it would be promised, and not kept
        try:
            self.bar.value, self.words.value = 0.0, "computing"
            self._show(self.experiment.run(lambda *report: self._progress(stop, *report), **setting))
            end = 1.0, "done", "success"
        except Stopped:
            end = self.bar.value, "stopped", "warning"
        except Exception as error:
            end = self.bar.value, f"{type(error).__name__}: {error}", "danger"
        if self.stop is stop:  # else the next one has begun
            self.bar.value, self.words.value, self.bar.bar_style = end
            self.button.description, self.button.icon, self.button.disabled = "Run again", "refresh", False

    def _progress(self, stop: threading.Event, done: float, said: Any = "") -> None:
        """What the function calls as `progress(done, said)`: the part done, from 0 to 1; words, or a figure to show."""
        if stop.is_set():
            raise Stopped
        if time.monotonic() < self.quiet_until:  # messages of every step would keep the page busy, not the reader
            return
        self.quiet_until, self.bar.value = time.monotonic() + 0.1, float(done)
        if isinstance(said, str):
            self.words.value = said or f"{done:.0%}"
        else:
            self._show(_shown(said, "on the way"))

    def _show(self, bundle: dict) -> None:
        # set, not captured: what a thread prints would go to whichever cell runs at the time
        self.output.outputs = _display(bundle)


def _display(bundle: dict) -> tuple[dict]:
    return ({"output_type": "display_data", "data": bundle, "metadata": {}},)


def _view(widget: Any) -> dict[str, Any]:
    """What shows a widget in a notebook, as ipywidgets 8 gives it; 7, which Colab has, gives it to nobody."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"application/vnd.jupyter.widget-view+json": view, "text/plain": type(widget).__name__}


def experiment(function: Callable, **controls: Any) -> Experiment:
    """The result of `function(**setting)`, computed anew whenever a control is moved; each keyword is one control.

    0.1 or 64              a field for any number, or any whole number, beginning there
    (0.001, 0.1, 10.0)     a slider from the first to the last, beginning in the middle; logarithmic over two decades
    ["relu", "tanh"]       a choice, beginning with the first
    True                   a box to tick

    A function with a parameter `progress` is given a callable: `progress(0.3, "epoch 3")` moves the bar, and a stopped
    computation ends there; `progress(0.3, figure)` shows a figure on the way. A figure as result is best given as
    `still(figure, alt="…")`. With MLMATH_STATIC=1, or without a kernel, the function runs once, where the controls
    begin, and the result is shown.

    Raises:
        ValueError: controls that are none of these, and ones that `function` does not take (TypeError).

    >>> experiment(lambda n: n * n, n=12).run(n=5)["text/plain"]
    '25'
    """
    require(bool(controls), "controls", "none", "at least one")
    return Experiment(function, controls)


def _default(name: str, value: Any) -> Any:
    if isinstance(value, tuple):
        ordered = len(value) == 3 and not any(isinstance(v, str) for v in value) and value[0] <= value[1] <= value[2]
        require(ordered, name, value, "(low, start, high), in this order")
        return value[1]
    if isinstance(value, list):
        require(bool(value), name, "an empty list", "the words to choose from")
        return value[0]
    require(isinstance(value, bool | int | float), name, repr(value), "a number, (low, start, high), a list, or a bool")
    return value


def _control(name: str, value: Any):
    import ipywidgets as widgets

    look = {"description": name.replace("_", " "), "style": {"description_width": "initial"}}
    if isinstance(value, list):
        return widgets.Dropdown(options=value, **look)
    if isinstance(value, bool):
        return widgets.Checkbox(value=value, indent=False, **look)
    if not isinstance(value, tuple):  # any number
        return (widgets.IntText if isinstance(value, int) else widgets.FloatText)(value=value, **look)
    low, start, high = value
    look |= {"value": start, "continuous_update": False}
    if all(isinstance(v, int) for v in value):
        return widgets.IntSlider(min=low, max=high, **look)
    if low > 0 and high / low >= 100:
        return widgets.FloatLogSlider(min=log10(low), max=log10(high), step=0.05, readout_format=".3g", **look)
    return widgets.FloatSlider(min=low, max=high, step=(high - low) / 100, readout_format=".3g", **look)


def _shown(result: Any, alt: str) -> dict[str, Any]:
    """What a notebook shows of a result, by type."""
    from IPython.core.formatters import DisplayFormatter
    from matplotlib.figure import Figure

    result = still(result, alt=alt) if isinstance(result, Figure) else result
    bundle, _ = DisplayFormatter().format(result)
    return bundle or result._repr_mimebundle_()


def _said(setting: dict) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in setting.items())


def _kernel() -> bool:
    """Whether somebody can move a widget: a Jupyter kernel runs this."""
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None
