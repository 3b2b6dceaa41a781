"""Every check in the book, shown able to fail: errors are planted, and the check must catch each of them.

    .venv/bin/python scripts/plant_errors.py [book/3_3_loss_functions.ipynb …]

The notebooks are executed as they stand. Each check is then repeated with errors of two sorts:

- in the result: one side with a wrong sign, a wrong factor, and a wrong index (two symbols exchanged, the entries of an
  array one place off);
- in the formula: the cell is executed again with one place changed, in it or in the functions and formulas of earlier
  cells that it uses: + for −, a number doubled, a factor or divisor forgotten, [1] for [0], W2 for W1, A for Aᵀ, BA for
  AB. A cell that takes longer than 0.3 s, or does not give the same numbers again, is left out of this.

A change is an error in the equation if it changes one of the two sides. What changes neither (the sign of 0, a formula
that is symmetric in two symbols, a bound), both (the example, not the equation) or the shape, and what does not run, is
left out; so is a change of which SymPy has proved that it changes nothing. It ends with 1 if an error was not caught,
or if none could be planted in an equation that is checked. Nothing is stored.
"""

import ast
import atexit
import contextlib
import io
import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import numpy as np
from nbclient import NotebookClient
from run_notebooks import ENVIRONMENT, ROOT

from mlmath import verify

IN_RESULT = "in the result"
SLOW = 0.3  # seconds of the processor: a cell that takes longer is not executed again
ROUNDING = 1e-9  # of the largest entry, in float32 more: what changes less has not changed


class Planted(NamedTuple):
    """One planted error: in which equation, in which check of it, what was changed, and whether it was caught."""

    label: str
    check: str
    kind: str
    change: str
    caught: bool


class Made(NamedTuple):
    """A check that a cell made: its sides, as arrays or as SymPy's matrices, and whether they were found unequal."""

    label: str
    check: str
    sides: tuple | None
    failed: bool


# In the notebook's kernel


def wrong_value(side: np.ndarray) -> dict[str, np.ndarray]:
    return {"sign": -side, "factor": 2 * side, "index": np.roll(side, 1)}


def wrong_expression(side: Any) -> dict[str, Any]:
    symbols = sorted(side.free_symbols, key=str)[:2]
    exchanged = side.xreplace(dict(zip(symbols, reversed(symbols), strict=True)))
    return {"sign": -side, "factor": 2 * side, "index": exchanged}


def index_number(index: ast.expr) -> int | None:
    """The number of an index such as [0] or [-1]."""
    match index:
        case ast.Constant(int(k)):
            return k
        case ast.UnaryOp(ast.USub(), ast.Constant(int(k))):
            return -k
    return None


def wrong_node(node: Any, names: set[str]) -> Iterator[tuple[str, ast.AST]]:
    """What a slip of the pen makes of one node of a formula."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield "sign", ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left, ast.Sub(), right):
            yield "sign", ast.BinOp(left, ast.Add(), right)
        case ast.UnaryOp(ast.USub(), operand):
            yield "sign", operand
        case ast.AugAssign(target, ast.Add(), value):
            yield "sign", ast.AugAssign(target, ast.Sub(), value)
        case ast.AugAssign(target, ast.Sub(), value):
            yield "sign", ast.AugAssign(target, ast.Add(), value)
        case ast.AugAssign(_, ast.Mult() | ast.Div(), _):
            yield "factor", ast.Pass()
        case ast.BinOp(left, ast.Mult() | ast.Div(), _):
            yield "factor", left
        case ast.Constant(int() | float() as value) if value and not isinstance(value, bool):
            yield "factor", ast.Constant(2 * value)
        case ast.BinOp(left, ast.MatMult(), right):
            yield "index", ast.BinOp(right, ast.MatMult(), left)
        case ast.Attribute(value, "T"):
            yield "index", value
        case ast.Subscript(value, index, context) if (k := index_number(index)) is not None:
            yield "index", ast.Subscript(value, ast.Constant(k + 1 if k >= 0 else k - 1), context)
        case ast.Name(name, ast.Load()) if numbered := re.fullmatch(r"(\D*)([12])(\D*)", name):
            before, number, after = numbered.groups()
            if (other := f"{before}{3 - int(number)}{after}") in names:
                yield "index", ast.Name(other, ast.Load())


def wrong_formulas(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(kind, change) of each wrong version of the tree, which is wrong while the generator waits."""
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    checks = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("verify.")]
    bounds = [option for check in checks for option in check.keywords]
    indices = [node.slice for node in nodes if isinstance(node, ast.Subscript) and index_number(node.slice) is not None]
    for parent in nodes:
        for field, value in ast.iter_fields(parent):
            row, keys = (value, range(len(value))) if isinstance(value, list) else (vars(parent), [field])
            for key in keys:
                node = row[key]
                if parent in bounds + indices or node in indices:
                    continue
                for kind, wrong in wrong_node(node, names):
                    row[key] = wrong
                    yield kind, f"{ast.unparse(wrong)} for {ast.unparse(node)}"
                    row[key] = node


def same(a: Any, b: Any) -> bool:
    """Whether two sides of one shape are the same, for arrays but for rounding."""
    if not isinstance(a, np.ndarray):
        return a == b
    rounding = max(ROUNDING, 4 * np.finfo(b.dtype).eps)
    allowed = rounding * np.max(np.abs(b), where=np.isfinite(b), initial=0)
    return np.allclose(a, b, rtol=0, atol=allowed, equal_nan=True)


def one_side_changed(before: tuple, now: tuple) -> bool:
    """Another shape is left out: it is an example of another size, or an error that no number is needed to see."""
    pairs = list(zip(now, before, strict=True))
    return all(a.shape == b.shape for a, b in pairs) and sum(not same(a, b) for a, b in pairs) == 1


def same_checks(first: list[Made], again: list[Made]) -> bool:
    """Whether a cell, executed again, made the same checks of the same numbers."""
    if [made[:2] for made in first] != [made[:2] for made in again]:
        return False
    return all(
        not one.failed and all(map(same, one.sides, other.sides)) for one, other in zip(again, first, strict=True)
    )


def is_talk(node: ast.stmt) -> bool:
    """Whether a statement only prints or asserts."""
    prints = isinstance(node, ast.Expr) and ast.unparse(node).startswith("print(")
    return prints or isinstance(node, ast.Assert)


def is_formula(statement: ast.stmt) -> bool:
    arithmetic = ast.BinOp | ast.UnaryOp
    return isinstance(statement, ast.Assign) and any(isinstance(node, arithmetic) for node in ast.walk(statement.value))


class TooSlow(BaseException):
    """No Exception, so that no library swallows it."""


class Planter:
    """Repeats the checks of a notebook's cells with planted errors."""

    def __init__(self, shell: Any) -> None:
        self.names = shell.user_ns
        self.planted: list[Planted] = []
        self.written: dict[str, ast.stmt] = {}
        self.made: list[Made] = []  # by the cell at hand
        self.as_made: list[Made] | None = None  # without an error, while the cell is repeated
        self.sides: tuple | None = None
        self.broken = ""
        self.original = {name: getattr(verify, name) for name in ("identity", "agrees", "gradient")}
        for name in self.original:
            setattr(verify, name, getattr(self, name))
        self.compare, verify._compare = verify._compare, self.compared
        self.is_zero, verify._is_zero = verify._is_zero, self.proved_zero
        shell.events.register("pre_run_cell", self.before)
        shell.events.register("post_run_cell", self.after)

    def compared(self, label: str, ours: tuple, reference: tuple, *bound: Any) -> None:
        self.sides = np.array(ours[1]), np.array(reference[1])
        self.compare(label, ours, reference, *bound)

    def proved_zero(self, difference: Any) -> bool:
        """What is not 0 at a point need not be simplified, which is slow, to see that it is not 0."""
        rng = np.random.default_rng(1)
        point = {symbol: verify._value(symbol, rng) for symbol in sorted(difference.free_symbols, key=str)}
        with contextlib.suppress(RecursionError):  # SymPy's, from a number put into f′ of an unknown f
            value = difference.subs(point).doit().evalf(20)
            if value.is_number and value.is_finite and abs(value) > 1e-6:
                return False
        return self.is_zero(difference)

    def fails(self, check: str, *arguments: Any, **options: Any) -> bool:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self.original[check](*arguments, **options)
        except (verify.VerificationError, RecursionError):  # the latter as above: the check stops all the same
            return True
        return False

    def make(self, check: str, label: str, *arguments: Any, **options: Any) -> bool:
        """Make a check that the notebook asks for; whether errors are to be planted in its result."""
        symbolic = check == "identity"
        self.sides = tuple(map(verify._matrix, arguments)) if symbolic else None
        if self.as_made is None:
            self.original[check](label, *arguments, **options)
            self.made.append(Made(label, check, self.sides, False))
            return True
        earlier = self.as_made[len(self.made)] if len(self.made) < len(self.as_made) else None
        if symbolic and not (earlier and one_side_changed(earlier.sides, self.sides)):
            failed = False  # no error, so that there is nothing to prove
        else:
            failed = self.fails(check, label, *arguments, **options)
        self.made.append(Made(label, check, self.sides, failed))
        return False

    def plant(self, kind: str, check: str, label: str, *arguments: Any, **options: Any) -> None:
        self.planted.append(Planted(label, check, kind, IN_RESULT, self.fails(check, label, *arguments, **options)))

    def identity(self, label: str, left: Any, right: Any) -> None:
        if self.make("identity", label, left, right):
            left, right = self.sides
            for kind, wrong in wrong_expression(right).items():
                if wrong != right and self.fails("identity", label, right, wrong):
                    self.plant(kind, "identity", label, left, wrong)

    def agrees(self, label: str, ours: Any, reference: Any, *inputs: Any, **options: Any) -> None:
        if self.make("agrees", label, ours, reference, *inputs, **options):
            a, b = self.sides
            for kind, wrong in wrong_value(a).items():
                if not np.array_equal(wrong, a, equal_nan=True):
                    self.plant(kind, "agrees", label, wrong.astype(a.dtype), b, **options)

    def gradient(self, label: str, f: Any, d_f: Any, **options: Any) -> None:
        if self.make("gradient", label, f, d_f, **options):
            slope, _ = self.sides
            for kind, wrong in wrong_value(slope).items():
                if not np.array_equal(wrong, slope):
                    self.plant(kind, "gradient", label, f, lambda x, wrong=wrong: wrong, **options)

    def before(self, info: Any) -> None:
        self.made, self.state = [], self.now()

    def after(self, result: Any) -> None:
        with contextlib.suppress(SyntaxError):  # of a cell with a magic
            tree = ast.parse(result.info.raw_cell or "")
            if self.made and result.success:
                try:
                    self.plant_in_formulas(tree)
                except Exception:
                    self.broken += traceback.format_exc()
            for statement in tree.body:
                self.write(statement)

    def now(self) -> tuple[dict, list]:
        """All names, and where the random generators stand."""
        generators = [value for value in self.names.values() if isinstance(value, np.random.Generator)]
        return dict(self.names), [(rng, rng.bit_generator.state) for rng in generators]

    def restore(self, state: tuple[dict, list]) -> None:
        self.names.clear()
        self.names.update(state[0])
        for rng, where in state[1]:
            rng.bit_generator.state = where

    def write(self, statement: ast.stmt) -> None:
        """Remember what a statement writes, if it is a function or a formula; what it writes otherwise, forget."""
        function = isinstance(statement, ast.FunctionDef)
        stored = (
            node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        )
        for name in [statement.name] if function else {node.id for node in stored}:
            self.written.pop(name, None)
            if function or is_formula(statement):
                self.written[name] = statement

    def behind(self, tree: ast.AST, kinds: Any) -> list[ast.stmt]:
        """What earlier cells wrote that the cell uses, directly or not, in the order in which they did."""
        found: set[str] = set()
        trees: list[ast.AST] = [tree]
        while trees:
            names = {node.id for node in ast.walk(trees.pop()) if isinstance(node, ast.Name)} - found
            new = {name for name in names if isinstance(self.written.get(name), kinds)}
            found |= new
            trees += [self.written[name] for name in new]
        return list(dict.fromkeys(statement for name, statement in self.written.items() if name in found))

    def repeat(self, tree: ast.Module, as_made: list[Made], seconds: float) -> list[Made]:
        """The checks that the tree makes where the cell was; if it does not run to the end, those before."""
        self.restore(self.state)
        self.made, self.as_made = [], as_made
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                exec(compile(ast.fix_missing_locations(tree), "planted", "exec"), self.names)
        except (Exception, TooSlow):  # what does not run is no formula
            pass
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self.as_made = None
        return self.made

    def plant_in_formulas(self, tree: ast.Module) -> None:
        first, end = self.made, self.now()
        tree.body = [node for node in tree.body if not is_talk(node)]
        for kinds in ((ast.FunctionDef, ast.Assign), ast.FunctionDef):
            whole = ast.Module([*self.behind(tree, kinds), *tree.body], [])
            start = time.process_time()
            again = self.repeat(whole, first, 10 * SLOW)
            seconds = time.process_time() - start
            if seconds < SLOW and same_checks(first, again):
                self.plant_in(whole, first, seconds)
                break
        self.restore(end)

    def plant_in(self, whole: ast.Module, first: list[Made], seconds: float) -> None:
        for kind, change in wrong_formulas(whole):
            for before, now in zip(first, self.repeat(whole, first, 1 + 5 * seconds), strict=False):
                error = before[:2] == now[:2] and now.sides and one_side_changed(before.sides, now.sides)
                if error and (now.failed or now.check != "identity"):
                    self.planted.append(Planted(now.label, now.check, kind, change, now.failed))
        self.repeat(whole, first, 10 * SLOW)  # so that what it wrote into objects is right again

    def report(self) -> None:
        checked = [label for label, checks in verify.registry.items() if any(c.kind != "definition" for c in checks)]
        report = {"planted": self.planted, "checked": checked, "broken": self.broken}
        Path(os.environ["MLMATH_PLANTED"]).write_text(json.dumps(report))


def stop(*_: Any) -> None:
    raise TooSlow


def plant() -> None:
    """What the kernel does before the notebook's first cell."""
    from IPython import get_ipython

    signal.signal(signal.SIGPROF, stop)
    atexit.register(Planter(get_ipython()).report)


# Outside the kernel


def planted(path: Path) -> dict[str, list]:
    """What was planted while the notebook ran, and the labels that it checked."""
    notebook = nbformat.read(path, as_version=4)
    first = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import plant_errors; plant_errors.plant()"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLMATH_PLANTED"] = str(Path(folder, "planted.json"))
        options = ["--log-level=ERROR", "--IPKernelApp.capture_fd_output=False"]
        place = {"metadata": {"path": path.parent}}
        client = NotebookClient(notebook, timeout=None, kernel_name="python3", extra_arguments=options, resources=place)
        client.execute()
        report = json.loads(Path(os.environ["MLMATH_PLANTED"]).read_text())
    if report["broken"]:
        raise RuntimeError(report["broken"])
    return report | {"planted": [Planted(*entry) for entry in report["planted"]]}


def main(paths: list[Path]) -> int:
    os.environ.update(ENVIRONMENT)
    faults, errors = [], []
    for path in paths:
        report = planted(path)
        found = report["planted"]
        anywhere, inside = ({e.label for e in found if e.change != kind} for kind in (None, IN_RESULT))
        faults += [f"not caught: {path.stem}, {', '.join(error[:4])}" for error in found if not error.caught]
        faults += [f"no error could be planted: {path.stem}, {x}" for x in report["checked"] if x not in anywhere]
        in_result = sum(error.change == IN_RESULT for error in found)
        counts = f"{in_result} errors in results, {len(found) - in_result} in formulas"
        none = f", none in that of {', '.join(sorted(anywhere - inside))}" if anywhere - inside else ""
        print(f"{path.stem}: {len(anywhere)} equations, {counts}{none}", flush=True)
        errors += found
    caught = sum(error.caught for error in errors)
    print(f"{len(errors)} errors planted, {caught} caught", *faults, sep="\n")
    return len(faults) > 0


if __name__ == "__main__":
    chapters = sorted((ROOT / "book").glob("[0-9]*.ipynb"))
    sys.exit(main([Path(name) for name in sys.argv[1:]] or chapters))
