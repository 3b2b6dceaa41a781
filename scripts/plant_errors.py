"""Every check in the book, shown able to fail: each is repeated with a planted error, which it must catch.

    .venv/bin/python scripts/plant_errors.py [book/3_3_loss_functions.ipynb …]

The notebooks are executed as they stand; where a cell checks an equation, the same check is made again with one side
changed in its sign, by a factor, and in an index (two symbols exchanged, the entries of an array moved by one place).
A change that changes nothing (the sign of 0, the exchange of symbols in a symmetric formula) is no error and is left
out; a label for which nothing remained is named. It ends with 1 if an error was not caught. Nothing is stored.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from run_notebooks import ENVIRONMENT, ROOT

# Runs in the notebook's kernel, before its first cell.
PLANT = '''
import atexit as _atexit, contextlib as _contextlib, io as _io, json as _json, os as _os
import numpy as _np
from mlmath import verify as _verify

_planted = []


@_atexit.register
def _report():
    checked = [label for label, checks in _verify.registry.items() if any(c.kind != "definition" for c in checks)]
    with open(_os.environ["MLMATH_PLANTED"], "w") as file:
        _json.dump({"planted": _planted, "checked": checked}, file)


def _value(a, inputs):
    return _np.asarray(a(*inputs) if callable(a) else a)


def _changes(a):
    """An array with a wrong sign, with a wrong factor, and with its entries one place off."""
    return {"sign": -a, "factor": 2 * a, "index": _np.roll(a, 1)}


def _symbolic(side):
    import sympy as sp

    side = _verify._matrix(side)
    changes = {"sign": -side, "factor": 2 * side}
    symbols = sorted(side.free_symbols, key=str)
    if len(symbols) > 1:
        one, other = symbols[:2]
        changes["index"] = side.xreplace({one: other, other: one})
    return {kind: changed for kind, changed in changes.items() if changed != side}


def _try(check, label, kind, *arguments, **options):
    with _contextlib.redirect_stdout(_io.StringIO()):
        try:
            check(*arguments, **options)
            caught = False
        except _verify.VerificationError:
            caught = True
    _planted.append([label, check.__name__, kind, caught])


def _identity(label, left, right, *, _check=_verify.identity):
    _check(label, left, right)
    for kind, changed in _symbolic(right).items():
        _try(_check, label, kind, label, left, changed)
        if not _planted[-1][-1]:  # SymPy has proved that the change changes nothing
            _planted.pop()


def _agrees(label, ours, reference, *inputs, _check=_verify.agrees, **options):
    _check(label, ours, reference, *inputs, **options)
    a, b = _value(ours, inputs), _value(reference, inputs)
    for kind, changed in _changes(a).items():
        if not _np.array_equal(changed, a, equal_nan=True):
            _try(_check, label, kind, label, changed.astype(a.dtype), b.copy(), **options)


def _gradient(label, f, d_f, *, at, _check=_verify.gradient, **options):
    _check(label, f, d_f, at=at, **options)
    x = _np.asarray(at, dtype=float)
    slope = _np.asarray(d_f(x))
    for kind, changed in _changes(slope).items():
        if not _np.array_equal(changed, slope):
            _try(_check, label, kind, label, f, lambda x, changed=changed: changed, at=at, **options)


_verify.identity, _verify.agrees, _verify.gradient = _identity, _agrees, _gradient
'''


def planted(path: Path) -> tuple[list[tuple[str, str, str, bool]], list[str]]:
    """(label, check, change, caught) of every error planted while the notebook ran, and all labels that it checked."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(PLANT))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLMATH_PLANTED"] = str(Path(folder, "planted.json"))
        options = ["--log-level=ERROR", "--IPKernelApp.capture_fd_output=False"]
        place = {"metadata": {"path": path.parent}}
        client = NotebookClient(notebook, timeout=None, kernel_name="python3", extra_arguments=options, resources=place)
        client.execute()
        report = json.loads(Path(os.environ["MLMATH_PLANTED"]).read_text())
    return [tuple(entry) for entry in report["planted"]], report["checked"]


def main(paths: list[Path]) -> int:
    os.environ.update(ENVIRONMENT)
    faults, total = [], 0
    for path in paths:
        tried, checked = planted(path)
        total += len(tried)
        labels = {label for label, *_ in tried}
        faults += [f"not caught: {path.stem}, {label}, {check}, {kind}" for label, check, kind, ok in tried if not ok]
        faults += [f"no error could be planted: {path.stem}, {label}" for label in checked if label not in labels]
        print(f"{path.stem}: {len(tried)} errors planted in {len(labels)} equations", flush=True)
    print(f"{total} planted", *faults or ["all caught"], sep="\n")
    return len(faults) > 0


if __name__ == "__main__":
    chapters = sorted((ROOT / "book").glob("[0-9]*.ipynb"))
    sys.exit(main([Path(name) for name in sys.argv[1:]] or chapters))
