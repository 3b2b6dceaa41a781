"""Live figures, the Python side: errors at once, the same bytes each time, and nothing larger than it must be."""

import json
import os
import re
import subprocess
import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from live_figures import FIGURES

from mlmath.figures import decision_regions, digits, explore, loss_curves, still
from mlmath.figures.drawing import Node
from mlmath.figures.weave import Woven, align


@pytest.fixture
def line():
    """A figure, and an update of two controls."""
    fig, ax = plt.subplots()
    (line,) = ax.plot([0, 1], [0, 0])

    def update(rate, kind="a"):
        line.set_ydata([0, rate])
        ax.set_title(kind)

    yield fig, update
    plt.close(fig)


ERRORS = {
    "controls was 0": {},
    "controls was 4": {"a": [1], "b": [1], "c": [1], "d": [1]},
    "rate was an empty grid": {"rate": []},
    "rate was .* all different": {"rate": [1, 2, 1]},
    "rate was .*nan.* all different": {"rate": [1, np.nan]},
    "start was a setting of kind": {"rate": [1, 2], "start": {"kind": "a"}},
    "rate was 3; it should be one of 1, 2": {"rate": [1, 2], "start": {"rate": 3}},
    "play was step": {"rate": [1, 2], "play": "step"},
    "play was 'kind'; .* a slider": {"rate": [1, 2], "kind": ["a"], "play": "kind"},
    "formats was rat;": {"rate": [1, 2], "formats": {"rat": "{}"}},
    "alt was ''; it should be words": {"rate": [1, 2], "alt": ""},
}


@pytest.mark.parametrize("message", ERRORS)
def test_bad_input_is_named(line, message):
    with pytest.raises(ValueError, match=message):
        explore(*line, **{"alt": "a line"} | ERRORS[message])


def test_alt_text_may_not_be_left_out(line):
    with pytest.raises(TypeError, match="alt"):
        explore(*line, rate=[1, 2])
    with pytest.raises(TypeError, match="alt"):
        still(line[0])


def test_settings_that_update_does_not_take_are_named(line):
    with pytest.raises(TypeError, match=r"update takes \(rate, kind='a'\); the controls are ratio"):
        explore(*line, alt="a line", ratio=[1, 2])


def test_an_update_that_raises_says_at_which_setting(line):
    fig, update = line

    def bad(rate, kind):
        update(1 / (rate - 2))

    with pytest.raises(ValueError, match="update raised ZeroDivisionError at rate=2, kind='b'"):
        explore(fig, bad, alt="a line", rate=[1, 2], kind=["b"])


def test_what_cannot_be_moved_is_named(line):
    fig, update = line
    with pytest.raises(ValueError, match="fig was int"):
        explore(1, update, alt="a", rate=[1, 2])
    with pytest.raises(ValueError, match="the figure's size"):
        explore(fig, lambda rate: fig.set_size_inches(rate, 2), alt="a", rate=[4, 5])
    with pytest.raises(ValueError, match="the same picture at every setting"):
        explore(fig, lambda rate: None, alt="a", rate=[1, 2])
    fig.axes[0].plot([0, 1], animated=True)
    with pytest.raises(ValueError, match=r"cannot move Line2D.*animated=True"):
        explore(fig, update, alt="a", rate=[1, 2])


def test_an_update_that_depends_on_more_than_its_setting_is_refused(line):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="another picture when a setting came again"):
        explore(line[0], lambda rate: line[1](rng.random()), alt="a", rate=[1, 2])


def test_a_heavy_figure_is_told_by_its_heaviest_part():
    fig, ax = plt.subplots(layout="none")
    ax.plot([0, 1], [0, 1])
    image = ax.imshow(np.zeros((60, 60)), vmin=0, vmax=1)

    def update(seed):
        image.set_data(np.random.default_rng(seed).random((60, 60)))

    with pytest.warns(UserWarning, match=r"takes \d{3} kB, more than 200. Its heaviest part is figure axes \(100%"):
        explore(fig, update, alt="noise", seed=range(60))


def test_240_settings_of_two_lines_stay_within_the_budget():
    fig, ax = plt.subplots()
    x = np.linspace(0, 10, 300)
    one, two = ax.plot(x, np.c_[x, x])
    ax.set_ylim(-3, 3)

    def update(learning_rate, momentum):
        one.set_ydata(2 * np.sin(x * (1 + 10 * learning_rate)) * np.exp(-momentum * x))
        two.set_ydata(np.cos(x * (1 + 5 * momentum)) * learning_rate * 5)
        ax.set_title(f"α = {learning_rate:.3g}")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = explore(fig, update, alt="2", learning_rate=np.geomspace(1e-3, 0.3, 60), momentum=[0, 0.5, 0.8, 0.95])
    assert len(json.dumps(figure._repr_html_())) < 120_000


def test_the_output_is_html_and_png_and_says_where_it_stands(line):
    figure = explore(
        *line, alt="a <line>", rate=np.geomspace(0.1, 10, 3), kind=["a", "b"], formats={"rate": "α = {:.2f}"}
    )
    bundle = figure._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["text/plain"] == "explore(rate=1.0, kind='a')"
    assert 'alt="a &lt;line&gt;"' in bundle["text/html"]
    assert figure.spec["controls"][0]["labels"] == ["α = 0.10", "α = 1.00", "α = 10.00"]
    assert not re.search(r"(?:src|href)=.?https?:", bundle["text/html"])


def test_a_negative_value_is_said_with_a_minus_sign_and_a_hyphen_stays_one(line):
    figure = explore(*line, alt="2", kind=["two-layer", "U-2"], rate=[-6.0, -0.5, 1e-5])
    assert figure.spec["controls"][0]["labels"] == ["two-layer", "U-2"]
    assert figure.spec["controls"][1]["labels"] == ["−6", "−0.5", "1e-05"]


def test_explore_leaves_no_figure_that_the_notebook_would_show_again(line):
    explore(*line, alt="a", rate=[1, 2])
    assert not plt.fignum_exists(line[0].number)


def test_numpy_values_and_rounding_errors_are_no_obstacle(line):
    figure = explore(*line, alt="a", rate=np.linspace(0, 1, 11), start={"rate": np.float32(0.3)})
    assert figure.settings[figure.position(figure.start)] == {"rate": np.linspace(0, 1, 11)[3].item()}


DETERMINISM = """
import hashlib, sys, warnings
sys.path.insert(0, {tests!r})
from live_figures import FIGURES
from mlmath.figures import explore, still
for make in FIGURES:
    fig, update, grids = make()
    bundle = explore(fig, update, alt=make.__name__, **grids)._repr_mimebundle_()
    print(make.__name__, hashlib.sha256(repr(bundle).encode()).hexdigest())
"""


def test_two_processes_write_the_same_bytes():
    script = DETERMINISM.format(tests=os.path.dirname(__file__))

    def run(seed):
        env = os.environ | {"PYTHONHASHSEED": seed, "MPLBACKEND": "agg"}
        return subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
        ).stdout

    first = run("1")
    assert len(first.splitlines()) == len(FIGURES)
    assert first == run("2")


def node(tag, *children, **attributes):
    return Node(tag, "", attributes, "", children)


def test_columns_hold_like_elements_in_the_order_of_every_drawing():
    rng = np.random.default_rng(0)
    for _ in range(200):
        drawings = [[node("abc"[k]) for k in rng.integers(3, size=rng.integers(6))] for _ in range(4)]
        columns = list(align(drawings))
        for column in columns:
            assert len({n.tag for n in column if n}) == 1
        for drawing, back in zip(drawings, zip(*columns, strict=True) if columns else [()] * 4, strict=True):
            assert [n for n in back if n] == drawing


def test_what_does_not_move_is_no_slot_and_what_is_absent_is_hidden():
    still_part = node("g", node("path", d="M 0 0"))
    drawings = [
        node("svg", still_part, node("use", x="1")),
        node("svg", still_part),
        node("svg", still_part, node("use", x="3")),
    ]
    woven = Woven(drawings, 0)
    assert woven.markup == "<g><path d='M 0 0'/></g><use x='1'/>"
    assert [slot[1:] for slot in woven.slots] == [(2, "display", ["", "none", ""]), (2, "x", ["1", "1", "3"])]


def test_a_widget_holds_settings_that_are_on_the_grid(line):
    widget = explore(*line, alt="a", rate=[0.1, 0.2, 0.4], kind=["a", "b"]).widget()
    seen = []
    widget.observe(lambda change: seen.append(change.new), "settings")
    assert widget.settings == {"rate": 0.2, "kind": "a"}
    widget.settings = {"rate": 0.4}  # what is not named stays
    assert widget.index == [2, 0]
    widget.index = [0, 1]  # what the page does
    assert seen == [{"rate": 0.4, "kind": "a"}, {"rate": 0.1, "kind": "b"}]
    with pytest.raises(ValueError, match="rate was 0.3; it should be one of 0.1, 0.2, 0.4"):
        widget.settings = {"rate": 0.3}
    with pytest.raises(ValueError, match="settings was for ratio; it should be for rate, kind"):
        widget.settings = {"ratio": 0.3}
    assert widget.settings == {"rate": 0.1, "kind": "b"}


def test_a_widget_is_the_live_figure_where_outputs_are_committed(line, monkeypatch):
    widget = explore(*line, alt="a", rate=[0.1, 0.2]).widget()
    monkeypatch.setenv("MLMATH_STATIC", "1")
    assert set(widget._repr_mimebundle_()) == {"text/html", "image/png", "text/plain"}
    monkeypatch.setenv("MLMATH_STATIC", "0")
    assert "application/vnd.jupyter.widget-view+json" in widget._repr_mimebundle_()[0]


def test_a_large_still_figure_is_a_png_and_a_small_one_follows_the_page(line):
    assert 'src="data:image/svg+xml,' in still(line[0], alt="a line")._repr_html_()
    fig, ax = plt.subplots()
    ax.scatter(*np.random.default_rng(0).random((2, 3000)))
    large = still(fig, alt="a cloud")._repr_html_()
    assert 'src="data:image/png;base64,' in large and "<script" not in large


def test_helpers_draw_what_they_say():
    fig, ax = plt.subplots()
    loss_curves(ax, {"SGD": [1, 0.5], "Adam": [1, 0.1, 0.01]})
    assert [line.get_label() for line in ax.lines] == ["SGD", "Adam"]
    assert ax.get_yscale() == "log" and list(ax.lines[1].get_xdata()) == [1, 2, 3]
    _, ax = plt.subplots()
    X, labels = np.array([[-1.0, 0], [1, 1]]), np.array([0, 1])
    behind = decision_regions(ax, lambda P: (P[:, 0] > 0).astype(float), X, labels)
    assert behind
    with pytest.raises(ValueError, match="captions was 1; it should be 2"):
        digits(np.zeros((2, 784)), ["7"])
    with pytest.raises(ValueError, match="images was not square"):
        digits(np.zeros((2, 783)))
    plt.close("all")
