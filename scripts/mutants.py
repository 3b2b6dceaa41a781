"""Mutation testing of the mathematics: one small error at a time is put into a module, and its tests must fail.

    .venv/bin/python scripts/mutants.py [losses tape …]

A mutant that the tests pass has survived. It is either equivalent, that is, no test could tell it from the original,
and listed with the reason in tests/equivalent_mutants.toml; or a test is missing. Ends with 1 if fewer than 95 % of
all are killed, a survivor is not listed, or one that is listed was killed or is no mutant.

Why not mutmut: it leaves out every function that has a decorator, which all activations and losses have, and whatever
stands outside of functions. Cosmic-ray mutates both, but changes the working tree and starts Python anew, which takes
longer than the tests. Here a process imports all but mlmath once, and forks for each mutant; the fork runs those tests
that call the mutated function, the fastest first, until one fails. A fork without an error must pass all of them.
TensorFlow is left out: it takes seconds to import.

The results of a module are kept in _build/mutants until it, its tests, or this file changes.
"""

import ast
import gc
import hashlib
import importlib
import json
import os
import re
import resource
import signal
import sys
import threading
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from types import CodeType
from typing import NamedTuple

import pytest
from run_notebooks import ENVIRONMENT, ROOT

KEPT = ROOT / "_build" / "mutants"
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.toml"
ENOUGH = 0.95
JOBS = int(os.environ.get("JOBS", os.cpu_count() or 1))
TESTS = {  # of each module, besides its own doctests; without the one of TensorFlow, browser and notebooks
    "_check": ("activations", "losses", "metrics", "network", "optimizers", "training"),
    "activations": ("activations", "properties"),
    "losses": ("losses", "properties"),
    "metrics": ("metrics",),
    "network": ("network",),
    "optimizers": ("optimizers",),
    "tape": ("tape",),
    "training": ("training",),
    "verify": ("verify",),
    "claims": ("claims",),
}

# --- the mutants -------------------------------------------------------------------------------------------------

OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Div,
    ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or,
    ast.Or: ast.And, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
NAMES = {"log1p": "log", "expm1": "exp", "mean": "sum"}
for a, b in (("min", "max"), ("argmin", "argmax"), ("minimum", "maximum"), ("any", "all"), ("zeros", "ones")):
    NAMES |= {a: b, b: a, a + "_like": b + "_like", b + "_like": a + "_like"}
DROPPED = {"abs", "sqrt", "square", "exp", "log", "isfinite"}  # f(x) → x


def mutations(holder: ast.AST, field: str, node: ast.AST) -> Iterator[ast.AST | None]:
    """What may stand in the place of a node; None for nothing at all."""
    match node:
        case ast.BinOp(a, op, b) if type(op) in OPERATORS:
            yield ast.BinOp(a, OPERATORS[type(op)](), b)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(OPERATORS[type(op)](), values)
        case ast.Compare(left, ops, others):
            for k, op in enumerate(ops):
                yield ast.Compare(left, [*ops[:k], OPERATORS[type(op)](), *ops[k + 1 :]], others)
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(str() as value):
            yield from map(ast.Constant, dict.fromkeys((value[1:], value[:-1])) if value else "X")
        case ast.Call(ast.Attribute(_, name) | ast.Name(name), [x], []) if name in DROPPED:
            yield x
        case ast.Call(ast.Attribute(_, "where") as f, [condition, a, b], []):
            yield ast.Call(f, [condition, b, a], [])
        case ast.Attribute(value, "T"):
            yield value
        case ast.Attribute(value, name) if name in NAMES:
            yield ast.Attribute(value, NAMES[name], ast.Load())
        case ast.Name(name, ast.Load()) if name in NAMES:
            yield ast.Name(NAMES[name], ast.Load())
        case ast.AugAssign(target, op, value):
            yield from (ast.AugAssign(target, OPERATORS[type(op)](), value), ast.Pass())
        case ast.Expr(ast.Call()) | ast.Assert() | ast.Raise() | ast.Assign([ast.Attribute() | ast.Subscript(), *_]):
            yield ast.Pass()
        case ast.Assign() if isinstance(holder, ast.ClassDef):
            yield ast.Pass()
    if (isinstance(holder, ast.If | ast.IfExp) and field == "test") or field == "ifs":
        yield from (ast.Constant(True), ast.Constant(False))
    if field in ("keywords", "decorator_list"):
        yield None


def wording(tree: ast.Module) -> Iterator[ast.AST | None]:
    """What is no mathematics, and left as it is: documentation, types, and the wording of what is printed or raised.

    (Not what decides whether an error is raised: neither the condition of `require`, nor the `if` around a `raise`.)
    """
    for node in ast.walk(tree):
        match node:
            case ast.Expr(ast.Constant(str())) | ast.JoinedStr():
                yield node
            case ast.FunctionDef():
                yield node.returns
            case ast.arg() | ast.AnnAssign():
                yield node.annotation
            case ast.Assign(value=ast.Subscript() | ast.BinOp(op=ast.BitOr()) as value) if node in tree.body:
                yield value  # the name of a type
            case ast.Raise():
                yield from (node.exc, node.cause)
            case ast.Assert():
                yield node.msg
            case ast.Call(ast.Name("require"), [_, *texts]):
                yield from texts
            case ast.Call(ast.Name(name), arguments) if name.startswith("_") or name in CHECKS:
                for argument in arguments:  # the names that a message is to mention
                    yield from (text for text in ast.walk(argument) if is_text(text))
            case ast.IfExp(_, a, b) if is_text(a) and is_text(b):
                yield node


CHECKS = {"as_array", "floats", "integer", "number"}


def is_text(node: ast.AST) -> bool:
    match node:
        case ast.Constant(str()) | ast.JoinedStr() | ast.BinOp(ast.Constant(str())):
            return True
    return False


class Mutant(NamedTuple):
    """One mutant of a module: its name, the function it is in if that is all it changes, and the module's code."""

    name: str
    scope: str
    code: CodeType


def mutants(module: str) -> Iterator[Mutant]:
    path = ROOT / "mlmath" / f"{module}.py"
    tree = ast.parse(path.read_text())
    left_alone = {id(part) for root in wording(tree) if root is not None for part in ast.walk(root)}
    seen: Counter[str] = Counter()

    def visit(node: ast.AST, line: ast.AST, scope: str) -> Iterator[Mutant]:
        for field, value in ast.iter_fields(node):
            for k, child in enumerate(value if isinstance(value, list) else [value]):
                if not isinstance(child, ast.AST) or id(child) in left_alone:
                    continue
                inside = scope
                if isinstance(child, ast.FunctionDef | ast.ClassDef) and not isinstance(node, ast.FunctionDef):
                    inside = f"{scope}.{child.name}".lstrip(".")
                shown = child if hasattr(node, "body") and not isinstance(node, ast.expr) else line
                before = "" if hasattr(child, "body") else ast.unparse(shown)
                for changed in mutations(node, field, child):
                    with replaced(node, field, value, k, changed):
                        after = ast.unparse((changed or ast.Pass()) if shown is child else shown)
                        code = compile(ast.fix_missing_locations(tree), path, "exec")
                    name = f"{module}.{inside}".rstrip(".") + f": {difference(before, after)}"
                    seen[name] += 1
                    number = f" ({seen[name]})" if seen[name] > 1 else ""
                    yield Mutant(name + number, "" if field == "decorator_list" else inside, code)
                yield from visit(child, shown, inside)

    return visit(tree, tree, "")


@contextmanager
def replaced(node: ast.AST, field: str, value, k: int, changed: ast.AST | None) -> Iterator[None]:
    new = [changed] if changed else []
    setattr(node, field, [*value[:k], *new, *value[k + 1 :]] if isinstance(value, list) else changed)
    yield
    setattr(node, field, value)


def difference(before: str, after: str, around: int = 40) -> str:
    """Both texts in one: a little of what they have in common, and {what was → what is}."""
    a, b = (re.findall(r"[\w.]+|[*/<>=!]+|\W", text) for text in (before, after))
    start = len(os.path.commonprefix([a, b]))
    end = len(os.path.commonprefix([a[: start - len(a) - 1 : -1], b[: start - len(b) - 1 : -1]]))
    was, now = ("".join(words[start : len(words) - end]) for words in (a, b))
    left, right = "".join(a[:start]), "".join(a[len(a) - end :])
    left = left if len(left) <= around else "…" + left[-around:]
    right = right if len(right) <= around else right[:around] + "…"
    return f"{left}{{{was} → {now}}}{right}"


# --- the tests ---------------------------------------------------------------------------------------------------


def run(module: str, plugin: object, code: CodeType | None = None) -> int:
    """Pytest's exit code for the tests of a module, of which `code` takes the place. For a forked process."""
    if code:
        original = SourceFileLoader.get_code
        SourceFileLoader.get_code = lambda self, name: code if name == f"mlmath.{module}" else original(self, name)
    files = [f"mlmath/{module}.py", *(f"tests/test_{name}.py" for name in TESTS[module])]
    quick = "-q -x --tb=no --no-header --assert=plain -p no:cacheprovider -p no:unraisableexception".split()
    return pytest.main([*quick, *files], plugins=[plugin])


class Recorder:
    """Notes for each test how long it takes and which functions of a module it calls."""

    def __init__(self, module: str):
        self.file, self.seconds, self.calls = str(ROOT / "mlmath" / f"{module}.py"), {}, {}

    def pytest_runtest_logreport(self, report):
        if report.passed:
            self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration

    def pytest_runtest_setup(self, item):
        self.now = self.calls.setdefault(item.nodeid, set())
        threading.settrace(self.trace)
        sys.settrace(self.trace)

    def pytest_runtest_teardown(self):
        sys.settrace(None)
        threading.settrace(None)

    def trace(self, frame, event, argument):
        if frame.f_code.co_filename == self.file:
            self.now.add(frame.f_code.co_qualname.split(".<locals>")[0])


class Selection:
    """Keeps the tests that call a function, the fastest first; and those that are new, which a mutant has renamed."""

    def __init__(self, recorder: dict, scope: str):
        self.known, calls = recorder["seconds"], recorder["calls"]
        self.wanted = {test for test in self.known if scope in calls[test]} or set(self.known)

    def pytest_collection_modifyitems(self, items):
        items[:] = sorted(
            (item for item in items if item.nodeid in self.wanted or item.nodeid not in self.known),
            key=lambda item: self.known.get(item.nodeid, 0),
        )


@contextmanager
def silent() -> Iterator[None]:
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    yield
    os.dup2(kept[0], 1)
    os.dup2(kept[1], 2)


def prepare() -> None:
    """Import what the tests import, but nothing of this project."""
    os.chdir(ROOT)
    os.environ |= ENVIRONMENT | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    sys.modules["tensorflow"] = sys.modules["keras"] = None
    for name in ("numpy", "scipy.special", "sympy", "mpmath", "hypothesis.extra.numpy", "tqdm"):
        importlib.import_module(name)
    import hypothesis

    hypothesis.settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    hypothesis.settings.load_profile("mutants")
    with silent():
        pytest.main(["--version"])
    assert not any(name.startswith("mlmath") for name in sys.modules)
    gc.collect()
    gc.freeze()


def record(module: str) -> dict:
    """What a `Recorder` notes of the module's tests, which must pass."""
    read, write = os.pipe()
    if (process := os.fork()) == 0:
        recorder = Recorder(module)
        with silent():
            code = run(module, recorder)
        with os.fdopen(write, "w") as out:
            json.dump(recorder.__dict__ | {"code": code, "now": None}, out, default=list)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as found:
        notes = json.load(found)
    os.waitpid(process, 0)
    if notes["code"] != 0:
        sys.exit(f"The tests of mlmath.{module} fail without any mutant.")
    return notes


def start(module: str, mutant: Mutant, notes: dict) -> int:
    """Begin to test a mutant in a process of its own; its number."""
    selection = Selection(notes, mutant.scope)
    if process := os.fork():
        return process
    seconds = int(20 + 10 * sum(notes["seconds"][test] for test in selection.wanted))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # an endless loop is a kill
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    signal.alarm(10 * seconds)
    with silent():
        try:
            code = run(module, selection, mutant.code)
        except BaseException:
            code = 1
        os._exit(code)


def survivors(module: str) -> dict:
    """How many mutants a module has, and the names of those that its tests pass."""
    sources = [f"mlmath/{module}.py", "scripts/mutants.py", *(f"tests/test_{name}.py" for name in TESTS[module])]
    digest = hashlib.sha256(b"".join((ROOT / source).read_bytes() for source in sources)).hexdigest()
    kept = KEPT / f"{module}.json"
    if kept.exists() and (result := json.loads(kept.read_text()))["digest"] == digest:
        return result
    notes = record(module)
    unchanged = compile((ROOT / sources[0]).read_text(), ROOT / sources[0], "exec")
    if os.waitpid(start(module, Mutant("no error", "", unchanged), notes), 0)[1]:
        sys.exit(f"The tests of mlmath.{module}, the fastest first, fail without any mutant.")
    running: dict[int, str] = {}
    survived: dict[str, bool] = {}

    def one_ends() -> None:
        process, status = os.wait()
        name = running.pop(process)
        survived[name] = status == 0
        assert os.waitstatus_to_exitcode(status) != pytest.ExitCode.NO_TESTS_COLLECTED, f"no tests for {name}"

    for mutant in mutants(module):
        if len(running) == JOBS:
            one_ends()
        running[start(module, mutant, notes)] = mutant.name
        survived[mutant.name] = False
    while running:
        one_ends()
    result = {"digest": digest, "mutants": list(survived), "survived": [name for name in survived if survived[name]]}
    KEPT.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result, indent=1, ensure_ascii=False))
    return result


def counted(total: list, survived: list) -> str:
    killed = len(total) - len(survived)
    return f"{len(total):5} mutants, {killed:5} killed, {len(survived):3} survived: {killed / len(total):6.1%} killed"


def main(modules: list[str]) -> int:
    prepare()
    listed = [name for entry in tomllib.loads(EQUIVALENT.read_text())["equivalent"] for name in entry["mutants"]]
    total, survived = [], []
    for module in modules:
        result = survivors(module)
        total += result["mutants"]
        survived += result["survived"]
        print(f"{module:12} {counted(result['mutants'], result['survived'])}", flush=True)
    print(f"{'together':12} {counted(total, survived)}")
    faults = [f"survived and not listed: {name}" for name in survived if name not in listed]
    for name in listed:
        if re.match(r"\w+", name)[0] in modules and name not in survived:
            faults.append(f"listed as equivalent, but {'killed' if name in total else 'no mutant'}: {name}")
    if set(modules) == set(TESTS) and len(survived) > (1 - ENOUGH) * len(total):
        faults.append(f"fewer than {ENOUGH:.0%} killed")
    print(*faults, sep="\n", end="\n" if faults else "")
    return len(faults) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(TESTS)))
