"""Experiments: widgets in a kernel, with a stop button that is heard; a true result where outputs are committed."""

import re
import time

import pytest

from mlmath.figures import experiment
from mlmath.figures.experiment import Stopped, _control


def square(n, unit="m"):
    """Something quick."""
    return f"{n * n} {unit}²"


def test_it_runs_once_at_its_beginnings_and_says_what_a_kernel_could_change(monkeypatch):
    monkeypatch.setenv("MLMATH_STATIC", "1")
    calls = []
    shown = experiment(lambda n, unit: calls.append(n) or square(n, unit), n=(1, 3, 9), unit=["m", "<km>"])
    bundle = shown._repr_mimebundle_()
    assert calls == [3]
    assert set(bundle) == {"text/plain", "text/html"}
    assert "9 m²" in bundle["text/html"]
    assert "At n 3, unit m. Run this notebook to change: n, unit." in bundle["text/html"]
    assert bundle == shown._repr_mimebundle_()


def test_a_figure_is_shown_with_words(monkeypatch):
    import matplotlib.pyplot as plt

    def draw(slope):
        fig, ax = plt.subplots()
        ax.plot([0, 1], [0, slope])
        return fig

    bundle = experiment(draw, slope=2.5)._repr_mimebundle_()
    assert 'alt="draw: slope 2.5"' in bundle["text/html"]
    assert "Run this notebook to change: slope" in bundle["text/html"]
    assert "image/png" in bundle


CONTROLS = {
    "FloatText": 0.1,
    "IntText": 64,
    "FloatLogSlider": (1e-4, 1e-2, 1.0),
    "FloatSlider": (0.0, 0.5, 1.0),
    "IntSlider": (1, 8, 64),
    "Dropdown": ["relu", "tanh"],
    "Checkbox": True,
}


@pytest.mark.parametrize("kind", CONTROLS)
def test_each_kind_of_value_has_its_control_that_begins_there(kind):
    value = CONTROLS[kind]
    control = _control("learning_rate", value)
    start = {tuple: lambda: value[1], list: lambda: value[0]}.get(type(value), lambda: value)()
    assert type(control).__name__ == kind
    assert control.value == pytest.approx(start) if isinstance(start, float) else control.value == start
    assert control.description == "learning rate"


def test_bad_controls_are_named():
    with pytest.raises(ValueError, match="controls was none"):
        experiment(square)
    with pytest.raises(ValueError, match=r"n was \(9, 3, 1\); it should be \(low, start, high\)"):
        experiment(square, n=(9, 3, 1))
    with pytest.raises(ValueError, match="n was an empty list"):
        experiment(square, n=[])
    with pytest.raises(ValueError, match="n was 'x'"):
        experiment(square, n="x")
    with pytest.raises(TypeError, match="square takes n, unit: .*m"):
        experiment(square, m=1)


def test_no_except_clause_of_the_function_swallows_the_stop():
    assert not issubclass(Stopped, Exception)


SLOW = """
import time
from mlmath.figures import experiment
log = []
def slow(steps, name, progress):
    log.append(f"start {name}")
    for i in range(steps):
        s = sum(k * k for k in range(20000))   # holds the interpreter, as training does
        progress(i / steps, f"step {i}")
    log.append(f"end {name}")
    return f"result {name} {steps}"
e = experiment(slow, steps=100000, name=["a", "b"])
"""


@pytest.fixture(scope="module")
def kernel():
    """A kernel, and `run(code)` that gives what it printed and showed."""
    jupyter = pytest.importorskip("jupyter_client", reason="SKIPPED: no kernel, no stop button was pressed")
    manager, client = jupyter.manager.start_new_kernel(kernel_name="python3")

    def run(code: str) -> str:
        seen = []

        def hook(message):
            content = message["content"] if not message["msg_type"].startswith("comm") else {}
            seen.append(
                content.get("text", "") or str(content.get("data", "")) or "\n".join(content.get("traceback", []))
            )

        client.execute_interactive(code, output_hook=hook, timeout=60)
        return "".join(seen)

    run("import os; os.environ['MLMATH_STATIC'] = '0'")
    run.client = client
    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def until(kernel, expression: str, value: str) -> None:
    """Wait for it: the computation runs beside the cells."""
    for _ in range(200):
        if (was := kernel(f"print({expression})").strip()) == value:
            return
        time.sleep(0.1)
    raise AssertionError(f"{expression} stayed {was!r}")


def press(kernel, model_id: str, **content) -> None:
    """What the page sends when a widget is touched."""
    data = content or {"method": "custom", "content": {"event": "click"}}
    message = kernel.client.session.msg("comm_msg", {"comm_id": model_id, "data": data})
    kernel.client.shell_channel.send(message)


def test_a_stop_button_is_heard_in_the_middle_and_a_change_computes_anew(kernel):
    shown = kernel(SLOW + "e")
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert "result" not in shown
    stop = kernel("print(e.panel.button.model_id)").strip()
    until(kernel, "e.panel.bar.value > 0", "True")
    assert kernel("print(e.panel.running, e.panel.button.description)").strip() == "True Stop"
    press(kernel, stop)
    until(kernel, "e.panel.running", "False")
    assert (
        kernel("print(log, e.panel.words.value, e.panel.button.description)").strip() == "['start a'] stopped Run again"
    )

    name = kernel("print(e.panel.inputs['name'].model_id)").strip()
    press(kernel, name, method="update", state={"index": 1}, buffer_paths=[])
    until(kernel, "log", "['start a', 'start b']")
    steps = kernel("print(e.panel.inputs['steps'].model_id)").strip()
    press(kernel, steps, method="update", state={"value": 3}, buffer_paths=[])  # stops that one, and begins again
    until(kernel, "log[-1]", "end b")
    until(kernel, "e.panel.words.value", "done")
    outputs = kernel("print(len(e.panel.output.outputs), e.panel.output.outputs[0]['data']['text/plain'])").strip()
    assert outputs == "1 'result b 3'"


def test_an_error_in_the_function_is_shown_in_words(kernel):
    kernel("from mlmath.figures import experiment\nf = experiment(lambda x: 1 / x, x=0)\nf")
    until(kernel, "f.panel.words.value", "ZeroDivisionError: division by zero")


def test_a_kernel_that_makes_committed_outputs_runs_it_once(kernel):
    kernel("os.environ['MLMATH_STATIC'] = '1'\nfrom mlmath.figures import experiment")
    shown = kernel("experiment(lambda x: 2 * x, x=21)")
    kernel("os.environ['MLMATH_STATIC'] = '0'")
    assert re.search(r"<pre>42</pre>", shown) and "widget" not in shown
