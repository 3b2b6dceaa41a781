"""The pad in Chromium: what it computes against mlmath, and what a reader can do with it, with and without scripts."""

import base64
import os
import pathlib

import numpy as np
import pytest
from browser import CHROMIUM, browser, new_page, site  # noqa: F401  (fixtures)

from mlmath.activations import softmax
from mlmath.data import as_rows, load_mnist
from mlmath.figures.pad import as_mnist_sees, pad
from mlmath.network import Dense, Dropout, Network
from mlmath.optimizers import Adam
from mlmath.training import fit

REAL = os.environ.get("MLMATH_MNIST", "")
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Pad</title><link rel="icon" href="data:,"><body>{}</body></html>"""
BYTES = (
    "const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0)), { pad } = document.querySelector('.pad');"
)
SEE = f"""pictures => {{ {BYTES} return pictures.map(([text, width, height, centre]) =>
    btoa(String.fromCharCode(...pad.see({{ pixels: bytes(text), width, height }}, centre).placed.pixels))) }}"""
CLASSIFY = f"rows => {{ {BYTES} return rows.map(text => pad.classify(bytes(text)).probabilities) }}"
ALPHA = """canvas => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    return Array.from(copy.getImageData(0, 0, canvas.width, canvas.height).data).filter((_, i) => i % 4 === 3);
}"""
FOCUSED = "document.activeElement.ariaLabel ?? document.activeElement.closest('label, button').innerText"
THREE = [(80, 60), (150, 45), (195, 80), (160, 125), (120, 135), (190, 160), (200, 210), (150, 240), (75, 225)]


@pytest.fixture(scope="session", autouse=True)
def required():
    """With MLMATH_BROWSER_REQUIRED a missing browser is a failure, not a skip."""
    if os.environ.get("MLMATH_BROWSER_REQUIRED"):
        import playwright.sync_api  # noqa: F401

        assert pathlib.Path(CHROMIUM).exists(), f"there is no {CHROMIUM}"


@pytest.fixture(scope="session")
def digits():
    return load_mnist(REAL or "stand-in")


@pytest.fixture(scope="session")
def trained(digits):
    """The article's network after one epoch, and ten digits of the test set, one of each."""
    (x_train, y_train), (x_test, y_test) = digits
    rng = np.random.default_rng(0)
    network = Network([Dense(784, 128, "relu", rng=rng), Dense(128, 10, rng=rng)])
    fit(network, as_rows(x_train), y_train, Adam(), epochs=1, rng=rng, progress=False)
    first = [np.flatnonzero(y_test == k)[0] for k in range(10)]
    return network, x_test[first], y_test[first]


@pytest.fixture
def opened(new_page, site, tmp_path):  # noqa: F811
    """`opened(pad, **options)`: the pad in a page of its own, served with the book's policy, or from a file."""

    def opened(*pads, address=site, **options):
        (tmp_path / "pad.html").write_text(PAGE.format("".join(p._repr_html_() for p in pads)), encoding="utf-8")
        page = new_page(**options)
        page.goto(f"{address or tmp_path.as_uri()}/pad.html")
        return page

    return opened


@pytest.fixture
def page(opened, trained):
    return opened(pad(*trained))


def text(pixels):
    return base64.b64encode(pixels.astype(np.uint8).tobytes()).decode()


def seen(page):
    return np.array(page.eval_on_selector(".seen canvas", ALPHA), np.uint8).reshape(28, 28)


def said(page):
    return page.locator(".pad output").inner_text().replace("\xa0", " ")


def shown(page):
    """The ten numbers beside the bars, and the bars' lengths, in per cent."""
    numbers = [float(text.split()[0]) for text in page.locator(".pad li > :last-child").all_inner_texts()]
    widths = page.eval_on_selector_all(".pad li i", "bars => bars.map(bar => parseFloat(bar.style.width))")
    return np.array(numbers), np.array(widths)


def draw(page, points):
    box = page.locator(".sheet canvas").bounding_box()
    (x, y), *rest = [(box["x"] + x, box["y"] + y) for x, y in points]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in rest:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def agrees_with(network, page):
    """What the page shows is what mlmath makes of the 28×28 pixels that it shows."""
    numbers, widths = shown(page)
    P = 100 * network.probabilities(as_rows(seen(page)[None]))[0]
    return abs(widths - P).max() < 0.1 and abs(numbers - P).max() < 0.16


def test_1000_test_digits_get_the_same_class_and_probabilities_as_in_mlmath(page, trained, digits):
    X = as_rows(digits[1][0][:1000])
    P = np.array(page.evaluate(CLASSIFY, [text(row) for row in (255 * X).round()]))
    assert abs(P - trained[0].probabilities(X)).max() < 1e-3
    assert np.array_equal(P.argmax(axis=1), trained[0].predict(X))


def test_the_weights_in_the_page_are_those_of_the_network_in_float16(page, trained):
    network, X = trained[0], as_rows(trained[1])
    halves = Network([Dense(784, 128, "relu", dtype=np.float64), Dense(128, 10, dtype=np.float64)])
    for half, parameter in zip(halves.parameters, network.parameters, strict=True):
        half[...] = parameter.astype(np.float16)
    P = np.array(page.evaluate(CLASSIFY, [text(row) for row in (255 * X).round()]))
    assert abs(P - halves.probabilities((255 * X).round().astype(np.float64) / 255)).max() < 1e-12


def test_the_page_sees_what_python_sees_to_the_last_bit(page, digits):
    rng = np.random.default_rng(0)
    sizes = [*rng.integers(1, 60, (60, 2)), (280, 280), (1, 1), (1, 50), (50, 1), (28, 28)]
    pictures = [rng.integers(0, 256, size) * (rng.random(size) < rng.random()) for size in sizes]
    pictures += [np.zeros((9, 9), int), np.eye(280, dtype=int), np.outer(np.arange(20), 19 - np.arange(20)) // 2]
    pictures += list(digits[1][0][:100].astype(int))
    pictures += [np.kron(p, np.ones((10, 10), int)) for p in digits[1][0][:5].astype(int)]
    for centre in ("mass", "box"):
        asked = [[text(p), p.shape[1], p.shape[0], centre] for p in pictures]
        for picture, answer in zip(pictures, page.evaluate(SEE, asked), strict=True):
            expected = as_mnist_sees(picture.astype(np.uint8), centre)
            assert answer == text(expected), picture.shape


def test_any_depth_and_the_other_activations(opened):
    rng = np.random.default_rng(1)
    layers = [(784, 20, "tanh"), (20, 16, "sigmoid"), (16, 9), (9, 7, "relu"), (7, 4)]
    network = Network([Dropout(0.2), *(Dense(*layer, rng=rng) for layer in layers)])
    for parameter in network.parameters:
        parameter += rng.normal(0, 0.1, parameter.shape).astype(np.float32)
    network.parameters[-1][:2] = 2.5, -3  # float16 has another exponent from 2 up
    samples = np.stack([as_mnist_sees(rng.integers(1, 256, (20, 12), dtype=np.uint8))])
    page = opened(pad(network, samples))
    X = rng.integers(0, 256, (50, 784)) / np.float32(255)
    P = np.array(page.evaluate(CLASSIFY, [text(row) for row in (255 * X).round()]))
    assert abs(P - softmax(network.forward(X))).max() < 1e-3
    assert page.locator(".pad .units").count() == 4
    assert page.locator(".pad li").count() == 4
    captions = page.locator(".pad .units figcaption").all_inner_texts()
    assert captions[0] == "layer 1: 20 hidden units, bright where |a| is large"
    a = samples.reshape(1, 784) / np.float32(255)
    for layer in network.layers[1:5]:
        a = layer.forward(a)
    assert captions[3] == f"layer 4: {np.count_nonzero(a > 0)} of 7 hidden units fire"


@pytest.mark.parametrize("address", ["http", "file"])
def test_samples_are_seen_bit_for_bit(opened, trained, address):
    page = opened(pad(*trained), **({} if address == "http" else {"address": None}))
    network, samples, labels = trained
    right = 0
    for k, sample in enumerate(samples):
        page.get_by_role("button", name=f"Sample {k + 1}, a {labels[k]}", exact=True).click()
        assert np.array_equal(seen(page), as_mnist_sees(sample))
        assert agrees_with(network, page)
        read = int(network.predict(as_rows(seen(page)[None]))[0])
        assert said(page).startswith(f"The network reads {read}, ")
        right += read == labels[k]
    assert right >= 7


def test_the_units_that_fire_are_lit(page, trained):
    network = trained[0]
    page.get_by_role("button", name="Sample 3, a 2").click()
    a = network.layers[0].forward(as_rows(seen(page)[None]))[0]
    canvas = np.array(page.eval_on_selector(".units canvas", ALPHA)).reshape(8 * 12, 16 * 12)
    lit = canvas[5::12, 5::12].ravel()
    assert np.array_equal(lit > 50, a > 0)
    assert lit[a.argmax()] == 255
    fire = page.locator(".units figcaption").inner_text()
    assert fire == f"{np.count_nonzero(a > 0)} of 128 hidden units fire"


def test_drawing_with_the_mouse(page, trained):
    opening = seen(page)
    draw(page, THREE)
    picture = seen(page)
    assert not np.array_equal(picture, opening)
    assert picture.any() and max(np.ptp(np.argwhere(picture), axis=0)) == 19  # the longest side is 20
    drawn = np.array(page.eval_on_selector(".sheet canvas", ALPHA), np.uint8).reshape(280, 280)
    assert np.array_equal(as_mnist_sees(drawn), picture)
    assert drawn[60, 80] == 255 and drawn[5, 5] == 0
    assert agrees_with(trained[0], page)
    assert page.locator(".stages figcaption").all_inner_texts()[:3] == ["1 drawn", "2 cropped", "3 longest side 20"]


@pytest.mark.skipif(not os.path.isfile(REAL), reason="SKIPPED: MLMATH_MNIST names no file, strokes were not compared")
def test_strokes_are_as_thick_as_mnists(page, digits):
    """Ink by length: a straight stroke that fills the sheet against the ones of the test set."""
    draw(page, [(140, 40), (140, 240)])
    (_, _), (x_test, y_test) = digits
    ones = x_test[:2000][y_test[:2000] == 1] / 255
    assert (
        np.quantile(ones.sum(axis=(1, 2)), 0.05) < (seen(page) / 255).sum() < np.quantile(ones.sum(axis=(1, 2)), 0.95)
    )


def test_a_tap_is_a_dot_and_strokes_add_up(page):
    draw(page, [(100, 100)])
    dot = seen(page)
    assert dot.any()
    draw(page, [(180, 200)])
    assert not np.array_equal(seen(page), dot)
    drawn = np.array(page.eval_on_selector(".sheet canvas", ALPHA), np.uint8).reshape(280, 280)
    assert drawn[100, 100] == drawn[200, 180] == 255


def test_undo_and_clear(page):
    undo, clear = (page.get_by_role("button", name=name) for name in ("Undo", "Clear"))
    states = [seen(page)]
    for act in (lambda: draw(page, THREE), lambda: draw(page, [(40, 40), (60, 240)]), clear.click):
        act()
        states.append(seen(page))
    assert said(page) == "Nothing is drawn."
    assert not states[-1].any()
    assert page.locator(".pad li > :last-child").all_inner_texts() == ["–"] * 10
    page.get_by_role("button", name="Sample 5").click()
    for state in reversed(states):
        undo.click()
        assert np.array_equal(seen(page), state)
    undo.click()  # once more than there is to undo
    assert np.array_equal(seen(page), states[0])


def test_one_can_draw_over_a_sample(page, trained):
    page.get_by_role("button", name="Sample 2").click()
    sample = trained[1][1]
    draw(page, [(60, 260), (220, 260)])
    drawn = np.array(page.eval_on_selector(".sheet canvas", ALPHA), np.uint8).reshape(28, 10, 28, 10)[:, 5, :, 5]
    assert (drawn >= sample).all() and (drawn > sample).any()


def test_drawing_with_a_finger(opened, trained):
    page = opened(pad(*trained), has_touch=True, is_mobile=True, viewport={"width": 360, "height": 500})
    opening, box = seen(page), page.locator(".sheet canvas").bounding_box()
    touch = page.context.new_cdp_session(page)
    places = [{"x": box["x"] + x * box["width"] / 280, "y": box["y"] + y * box["height"] / 280} for x, y in THREE]
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": places[:1]})
    for place in places[1:]:
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [place]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.evaluate("scrollY") == 0  # the finger drew, and did not scroll
    assert not np.array_equal(seen(page), opening)
    assert agrees_with(trained[0], page)
    others = page.eval_on_selector_all(".pad *", "all => all.filter(e => getComputedStyle(e).touchAction === 'none')")
    assert len(others) == 1


def test_centre_by_box_or_by_mass(page, trained):
    page.get_by_role("button", name="Sample 8").click()
    assert page.get_by_label("mass, as MNIST is").is_checked()
    page.get_by_label("the box around the ink").check()
    assert np.array_equal(seen(page), as_mnist_sees(trained[1][7], "box"))
    assert agrees_with(trained[0], page)
    page.get_by_label("mass, as MNIST is").check()
    assert np.array_equal(seen(page), as_mnist_sees(trained[1][7]))


def test_everything_but_drawing_works_by_keyboard(page, trained):
    names = []
    for _ in range(13):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "document.activeElement.ariaLabel ?? document.activeElement.closest('label, button').innerText"
            )
        )
        page.keyboard.press("Enter" if len(names) % 2 else "Space")
    samples = [f"Sample {k + 1}, a {label}" for k, label in enumerate(trained[2])]
    assert names == ["Undo", "Clear", *samples, "mass, as MNIST is"]
    assert np.array_equal(seen(page), as_mnist_sees(trained[1][9]))  # the last one that was pressed
    page.keyboard.press("ArrowDown")
    assert np.array_equal(seen(page), as_mnist_sees(trained[1][9], "box"))
    unguarded = page.locator(".pad :is(button, input):not([data-lm-suppress-shortcuts=true])")
    assert unguarded.count() == 0


def test_speaks_once_an_act_in_one_short_sentence(page):
    page.evaluate("""() => {
        const out = document.querySelector(".pad output"), all = { childList: true, subtree: true };
        window.heard = [];
        new MutationObserver(() => heard.push(out.textContent)).observe(out, all);
    }""")
    draw(page, THREE)
    page.wait_for_timeout(100)
    heard = page.evaluate("heard")
    assert len(heard) == 1 and len(heard[0]) < 60 and heard[0].endswith(" sure.")
    assert page.get_by_role("status").count() == 1
    assert page.get_by_role("img", name="Drawing area for mouse, finger or pen").count() == 1


def test_without_scripts_there_is_a_picture_and_a_sentence(opened, trained):
    page = opened(pad(*trained), java_script_enabled=False)
    picture = page.locator(".pad img")
    assert picture.is_visible() and picture.bounding_box()["width"] > 300
    assert "how probable it finds each class" in picture.get_attribute("alt")
    assert "pad to draw on" in page.locator(".pad p").inner_text()
    assert page.locator(".pad canvas").count() == 0


def test_two_pads_on_a_page_do_not_meddle(opened, trained):
    network, samples, labels = trained
    page = opened(pad(*trained), pad(network, samples[::-1], labels[::-1]))
    first, second = page.locator(".pad").all()
    second.get_by_label("the box around the ink").check()
    assert first.get_by_label("mass, as MNIST is").is_checked()
    before = first.locator("output").inner_text()
    second.get_by_role("button", name="Clear").click()
    assert first.locator("output").inner_text() == before
    assert second.locator("output").inner_text() == "Nothing is drawn."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(opened, trained, scheme):
    page = opened(pad(*trained), viewport={"width": 360, "height": 740}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_bars_stand_still_for_those_who_asked_for_it(opened, trained):
    moving = opened(pad(*trained), reduced_motion="no-preference")
    still = opened(pad(*trained), reduced_motion="reduce")
    duration = "bar => getComputedStyle(bar).transitionDuration"
    assert moving.eval_on_selector(".pad li i", duration) != "0s"
    assert still.eval_on_selector(".pad li i", duration) == "0s"
