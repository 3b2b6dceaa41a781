"""Planting errors: what is caught passes; what is not is named, and so is a check in which none could be planted."""

import ast

import nbformat
import numpy as np
import pytest
import sympy as sp
from plant_errors import main, one_side_changed, wrong_expression, wrong_formulas, wrong_value

SOUND = """
def square(x):
    return x**2 + 0 * x

verify.gradient("eq-slope", square, lambda x: 2 * x, at=np.array([1.0, -3.0]))
verify.agrees("eq-square", square, np.square, np.array([1.0, -3.0]), ulps=0, against="NumPy")
verify.identity("eq-product", (a + b) * (a - b), a**2 - b**2)
"""
TOO_WIDE = 'verify.agrees("eq-sum", np.array([1.0, 2.0]) + 1, np.array([2.0, 3.0]), eps=1e17, against="a count")'
BLIND_INSIDE = 'verify.agrees("eq-tail", 1e6 + np.array([1e-4]), np.array([1e6]), eps=1e6, against="nothing")'
OF_NOTHING = 'verify.agrees("eq-zero", np.zeros(3), np.abs(np.zeros(3)), ulps=0, against="nothing")'


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    def run(*cells):
        """The exit status and the lines that were printed for a notebook of these cells."""
        first = "import numpy as np\nimport sympy as sp\nfrom mlmath import verify\na, b = sp.symbols('a b')"
        cells = [nbformat.v4.new_code_cell(cell) for cell in (first, *cells)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "tiny.ipynb")
        status = main([tmp_path / "tiny.ipynb"])
        return status, capsys.readouterr().out.splitlines()

    return run


def test_sound_checks_catch_all(run):
    status, (chapter, total) = run(SOUND)
    assert status == 0
    assert chapter.startswith("tiny: 3 equations")
    planted, caught = [int(word) for word in total.split() if word.isdigit()]
    assert planted == caught > 15


def test_what_is_not_caught_or_could_not_be_planted_is_named(run):
    status, (_, _, *faults) = run(SOUND, TOO_WIDE, BLIND_INSIDE, OF_NOTHING)
    assert status == 1
    assert "not caught: tiny, eq-sum, agrees, sign, in the result" in faults
    assert "not caught: tiny, eq-sum, agrees, factor, 2 for 1" in faults
    assert "no error could be planted: tiny, eq-zero" in faults
    assert not [fault for fault in faults if "eq-square" in fault or "eq-product" in fault or "eq-slope" in fault]


@pytest.mark.parametrize(
    ("formula", "changes"),
    [
        ("a + b", ["sign: a - b"]),
        ("-a", ["sign: a"]),
        ("a * b", ["factor: a"]),
        ("a / 2", ["factor: a", "factor: a / 4"]),
        ("A @ x", ["index: x @ A"]),
        ("A.T", ["index: A"]),
        ("x[0] - x[-1]", ["sign: x[0] + x[-1]", "index: x[1] - x[-1]", "index: x[0] - x[-2]"]),
        ("W1 + b1 + W2", ["sign: W1 + b1 - W2", "sign: W1 - b1 + W2", "index: W1 + b1 + W1", "index: W2 + b1 + W2"]),
        ("verify.agrees('eq-x', a, b, ulps=4)", []),
        ("x[0]", ["index: x[1]"]),
        ("True", []),
        ("p -= y", ["sign: p += y"]),
        ("p /= 4", ["factor: pass", "factor: p /= 8"]),
    ],
)
def test_slips_of_the_pen(formula, changes):
    tree = ast.parse(formula)
    assert [f"{kind}: {ast.unparse(tree)}" for kind, _ in wrong_formulas(tree)] == changes
    assert ast.unparse(tree) == formula


def test_wrong_results():
    x, y = sp.symbols("x y")
    assert wrong_expression(x - 2 * y) == {"sign": 2 * y - x, "factor": 2 * x - 4 * y, "index": y - 2 * x}
    assert wrong_expression(sp.Integer(3))["index"] == 3
    assert {kind: list(wrong) for kind, wrong in wrong_value(np.array([1, 2])).items()} == {
        "sign": [-1, -2],
        "factor": [2, 4],
        "index": [2, 1],
    }


def test_an_error_is_on_one_side():
    a, b = np.array([1.0, 2.0]), np.array([1.0, 3.0])
    assert one_side_changed((a, a), (a, b))
    assert not one_side_changed((a, a), (a, a[:1]))
    assert not one_side_changed((a, a), (b, b))
    assert not one_side_changed((a, a), (a, a + 1e-12))
    assert one_side_changed((a, a), (a, a + 1e-7))
    single = np.float32(a)
    assert not one_side_changed((single, single), (single, np.nextafter(single, np.float32(9))))


def test_errors_are_planted_in_what_earlier_cells_wrote(run):
    """The wrong sign of `shift` is seen, and `wide` hides that of `other`; `noise` is drawn anew, and is no formula."""
    earlier = "noise = np.random.default_rng(1).normal(size=3)\nshift = 3 + noise\nwide = 7 - noise"
    checks = [
        'verify.agrees("eq-shift", shift, noise + 3, ulps=1, against="itself")',
        'verify.agrees("eq-wide", wide, 7 - noise, eps=1e17, against="itself")',
    ]
    _, (_, _, *faults) = run(earlier, *checks)
    assert "not caught: tiny, eq-wide, agrees, sign, 7 + noise for 7 - noise" in faults
    assert not [fault for fault in faults if "eq-shift" in fault]
