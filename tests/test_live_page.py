"""The page shows what matplotlib draws: live figures in Chromium, against matplotlib's stock SVG and PNG."""

import io
import random
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from browser import browser, new_page, site  # noqa: F401
from live_figures import FIGURES
from page import POLICY
from PIL import Image

from mlmath.figures import explore, still
from mlmath.figures.drawing import RC

WIDE = {"viewport": {"width": 800, "height": 600}}
ROUND = 0.051  # a tenth of a point, kept to the nearest
VISIBLE = """() => [...document.querySelectorAll('.explore > svg :is(path, use, text)')]
  .filter(e => !e.closest('defs, [display=none]'))
  .map(e => [e.tagName, e.getAttribute('d') || '', e.getAttribute('x') || '', e.getAttribute('y') || '',
             e.getAttribute('transform') || '', e.tagName === 'text' ? e.textContent : ''])"""


@pytest.fixture(autouse=True)
def plain_style():
    with mpl.rc_context({**mpl.rcParamsDefault, "backend": "agg"}):
        yield


def document(*figures) -> str:
    head = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>t</title>'
    head += '<meta name="viewport" content="width=device-width"><style>:root { color-scheme: light dark }</style>'
    outputs = "".join(f'<div class="text_html">{figure._repr_html_()}</div>' for figure in figures)
    return f'<!doctype html><html lang="en"><meta charset="utf-8">{head}<body style="margin:0">{outputs}'


def shown(page, folder, *figures, address: str | None = None):
    """The page with these figures, alive."""
    (folder / "page.html").write_text(document(*figures), encoding="utf-8")
    page.goto(address or f"file://{folder}/page.html")
    page.locator(".explore > svg").nth(len(figures) - 1).wait_for()
    return page


def choose(page, figure, setting: dict) -> None:
    """Move the controls as an input device would, one after the other."""
    inputs = page.locator(".explore :is(input, select)")
    for k, control in enumerate(figure.controls):
        i = str(control.index(setting[control.name]))
        inputs.nth(k).evaluate("(e, i) => { e.value = i; e.dispatchEvent(new Event('input')) }", i)


def stock(svg: bytes) -> list[list[str]]:
    """The same list as VISIBLE of an SVG that matplotlib wrote."""
    strip = lambda tag: tag.split("}")[1]  # noqa: E731
    found = []

    def walk(e: ET.Element) -> None:
        if strip(e.tag) in ("path", "use", "text") and "tspan" not in {strip(c.tag) for c in e}:
            get = lambda name: e.get(name, "")  # noqa: E731
            found.append([strip(e.tag), get("d"), get("x"), get("y"), get("transform"), e.text or ""])
        for child in e:
            if strip(child.tag) != "defs":
                walk(child)

    walk(ET.fromstring(svg))
    return [[tag, *rest[:-1], rest[-1] if tag == "text" else ""] for tag, *rest in found]


def numbers(text: str) -> np.ndarray:
    return np.array(re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text), dtype=float)


def far(points: np.ndarray, line: np.ndarray) -> float:
    """The largest distance from one of the points to a line through others."""
    a, b = line[:-1], line[1:]
    along = b - a
    t = np.einsum("psd,sd->ps", points[:, None] - a, along) / np.maximum(np.sum(along**2, axis=1), 1e-12)
    return np.linalg.norm(points[:, None] - (a + np.clip(t, 0, 1)[..., None] * along), axis=2).min(axis=1).max()


def assert_same_path(ours: str, theirs: str) -> None:
    a, b = numbers(ours).reshape(-1, 2), numbers(theirs).reshape(-1, 2)
    if len(a) == len(b):
        assert np.abs(a - b).max(initial=0) <= ROUND
    else:  # the outline of an area, which matplotlib's simplifier, told 0.2 points, moves by up to 0.35 at a corner
        assert max(far(a, b), far(b, a)) <= 0.4


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=float) / 255


def picture(page) -> np.ndarray:
    page.wait_for_timeout(80)  # an image in the picture is decoded a frame later
    return pixels(page.locator(".explore > svg").screenshot())


def saved(fig, rc=(), **options) -> bytes:
    with mpl.rc_context({**RC, **dict(rc)}):
        fig.savefig(out := io.BytesIO(), facecolor="white", **options)
    return out.getvalue()


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest mean difference in a block of 8×8 pixels: nearly blind to antialiasing, not to a mark or a colour."""
    h, w = min(a.shape[0], b.shape[0]) // 8, min(a.shape[1], b.shape[1]) // 8
    a, b = (p[: 8 * h, : 8 * w].reshape(h, 8, w, 8, 3).mean(axis=(1, 3)) for p in (a, b))
    return np.abs(a - b).mean(axis=-1).max()


def ours_and_theirs(page, other, figure, fig, update, setting):
    """The elements and the picture of a setting, in our page and from matplotlib's stock SVG in another."""
    choose(page, figure, setting)
    update(**setting)
    svg = saved(fig, format="svg", metadata={"Date": None})
    outlines = saved(fig, {"svg.fonttype": "path"}, format="svg").decode().split("?>", 1)[1]
    other.set_content(f'<body style="margin:0"><div style="background:#fff">{outlines}</div>')
    theirs = pixels(other.locator("svg").screenshot())
    ours = [e for e in page.evaluate(VISIBLE) if e[0] != "use" or e[2]]  # but for the letters of mathtext
    return ours, stock(svg), picture(page), theirs


@pytest.mark.parametrize("make", FIGURES, ids=lambda f: f.__name__)
def test_random_settings_show_what_matplotlib_draws(make, new_page, tmp_path):  # noqa: F811
    fig, update, grids = make()
    figure = explore(fig, update, alt=make.__name__, **grids)
    page = shown(new_page(**WIDE), tmp_path, figure)
    other = new_page(**WIDE)
    for setting in random.Random(make.__name__).sample(figure.settings, 5):
        ours, theirs, a, b = ours_and_theirs(page, other, figure, fig, update, setting)
        assert [e[0] for e in ours] == [e[0] for e in theirs]
        for (tag, d, x, y, _, text), (_, d2, x2, y2, _, text2) in zip(ours, theirs, strict=True):
            assert text == text2
            assert np.abs(numbers(f"{x} {y}") - numbers(f"{x2} {y2}")).max(initial=0) <= ROUND
            if tag == "path":
                assert_same_path(d, d2)
        # Words differ most, hinted here and outlines there: 0.12 at most in a block. A mark of 5 points in another
        # colour makes 0.2 and more (`test_the_tolerance_sees_a_small_mark`).
        assert difference(a, b) < 0.15
        # matplotlib's Agg puts lines on whole pixels: all of it together moves the mean by 0.026 at most.
        png = pixels(saved(fig, format="png", dpi=96))
        assert np.abs(a - png[: a.shape[0], : a.shape[1]]).mean() < 0.04


def test_the_tolerance_sees_a_small_mark():
    fig, update, grids = FIGURES[0]()
    setting = {"a": grids["a"][3], "kind": "calm"}
    update(**setting)
    before = pixels(saved(fig, format="png", dpi=96))
    fig.axes[0].plot([9], [-2.5], "s", ms=6, color="tab:red")
    after = pixels(saved(fig, format="png", dpi=96))
    assert difference(before, after) > 0.15


@pytest.fixture
def small():
    """A figure with a slider that plays, a choice, and a sentence."""
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(4, 2.5))
    (line,) = ax.plot([0, 1], [0, 0], color="black")
    ax.set(ylim=(0, 1), ylabel="$y_k$")

    def update(step, kind):
        line.set_ydata([0, step / 10])
        ax.set_title(f"{kind} {step}")

    return explore(
        fig,
        update,
        alt="A line that rises",
        step=range(11),
        kind=["SGD", "Adam"],
        play="step",
        start={"step": 4},
        formats={"step": "{} steps"},
        names={"kind": "optimiser"},
        describe=lambda step, kind: f"After {step} steps {kind} is at {step / 10}.",
    )


def title(page) -> str:
    texts = page.locator(".explore > svg text").all_text_contents()
    return next(t for t in texts if t.startswith(("SGD", "Adam")))


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_a_control_speaks_its_name_and_value_and_moves_by_keyboard(small, new_page, tmp_path, site, scheme):  # noqa: F811
    address = f"{site}/page.html" if scheme == "http" else None
    page = shown(new_page(**WIDE), tmp_path, small, address=address)
    slider, choice = page.get_by_role("slider", name="step"), page.get_by_role("combobox", name="optimiser")
    assert slider.get_attribute("aria-valuetext") == "4 steps"
    assert page.get_by_role("img", name="A line that rises").count() == 1
    page.keyboard.press("Tab")
    assert slider.evaluate("e => e === document.activeElement")
    page.keyboard.press("ArrowRight")
    assert (title(page), slider.get_attribute("aria-valuetext")) == ("SGD 5", "5 steps")
    page.keyboard.press("End")
    assert title(page) == "SGD 10"
    choice.focus()
    page.keyboard.press("ArrowDown")
    assert title(page) == "Adam 10"
    assert page.get_by_role("status").text_content() == "After 10 steps Adam is at 1.0."


def test_a_finger_moves_the_slider_on_a_phone_and_nothing_overflows(small, new_page, tmp_path):  # noqa: F811
    page = shown(new_page(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True), tmp_path, small)
    box = page.get_by_role("slider").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 9, box["y"] + box["height"] / 2)
    assert title(page) == "SGD 10"
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
    assert box["height"] >= 24


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_goes_to_the_end_and_stops_there_slowly_for_who_asks_for_little_motion(small, new_page, tmp_path, motion):  # noqa: F811
    page = new_page(reduced_motion=motion, **WIDE)
    if motion == "reduce":
        page.clock.install()
    shown(page, tmp_path, small)
    if motion == "reduce":
        page.clock.pause_at(page.evaluate("Date.now() + 1000"))  # from here on the test moves the clock
    page.get_by_role("button", name="Play step").click()
    pause = page.get_by_role("button", name="Pause step")
    assert pause.count() == 1
    if motion == "reduce":
        page.clock.run_for(900)
        assert title(page) == "SGD 4"  # a step takes a second
        page.clock.run_for(200)
        assert title(page) == "SGD 5"
        pause.click()
    else:
        page.locator(".explore > svg text", has_text="SGD 10").wait_for()
    page.get_by_role("button", name="Play step").wait_for()


def test_without_scripts_there_is_the_picture_with_its_alt_text_and_no_dead_control(small, new_page, tmp_path):  # noqa: F811
    (tmp_path / "page.html").write_text(document(small), encoding="utf-8")
    page = new_page(java_script_enabled=False, **WIDE)
    page.goto(f"file://{tmp_path}/page.html")
    img = page.get_by_role("img", name="A line that rises")
    assert img.bounding_box()["width"] > 300
    ink = pixels(img.screenshot())
    assert ink.max() == 1 and (ink.min(axis=2) < 0.3).mean() > 0.005  # it has been drawn, black on white
    assert page.locator("input, select, button").count() == 0
    assert page.get_by_role("status").text_content().startswith("After 4 steps")


def test_black_and_white_follow_the_page(small, new_page, tmp_path):  # noqa: F811
    page = shown(new_page(color_scheme="dark", **WIDE), tmp_path, small)
    picture_in_dark = picture(page)
    assert np.median(picture_in_dark) < 0.2 and picture_in_dark.max() > 0.9


def test_two_figures_on_a_page_do_not_meddle(small, new_page, tmp_path):  # noqa: F811
    page = shown(new_page(**WIDE), tmp_path, small, small)
    before = page.locator(".explore > svg").nth(1).inner_html()
    page.get_by_role("slider").nth(0).press("Home")
    assert page.locator(".explore > svg").nth(1).inner_html() == before
    assert title(page) == "SGD 0"


def test_a_still_figure_has_no_controls_and_looks_as_saved(new_page, tmp_path):  # noqa: F811
    fig, update, grids = FIGURES[2]()
    update(1.0, 5)
    page = shown(new_page(**WIDE), tmp_path, still(fig, alt="bars"))
    png = pixels(saved(fig, format="png", dpi=96))
    shot = picture(page)
    assert np.abs(shot - png[: shot.shape[0], : shot.shape[1]]).mean() < 0.04
    assert page.locator("input, select, button").count() == 0
    assert page.get_by_role("img", name="bars").count() == 1
