"""The package as a whole: what importing it costs, and that every public function is documented alike."""

import inspect
import subprocess
import sys

import pytest

import mlmath

NEED_NO_EXAMPLE = {"History", "copy_to_keras", "copy_from_keras", "load_mnist"}  # a record, a Keras model, a file
PUBLIC = [name for name in mlmath.__all__ if name != "ACTIVATIONS"]


def test_importing_it_imports_nothing_heavy():
    heavy = {"tensorflow", "keras", "sympy", "scipy", "sklearn", "matplotlib", "ipywidgets", "anywidget", "tqdm"}
    program = f"import sys, mlmath; print(*sorted({heavy!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_what_it_is_with_an_example(name):
    doc = inspect.getdoc(getattr(mlmath, name)) or ""
    assert ">>> " in doc or name in NEED_NO_EXAMPLE, "an example to check by hand"
    assert "Source" in doc or name in NEED_NO_EXAMPLE | {"evaluate"}, "chapter and equation"


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_has_type_hints(name):
    thing = getattr(mlmath, name)
    parameters = inspect.signature(thing.__init__ if inspect.isclass(thing) else thing).parameters.values()
    bare = [p.name for p in parameters if p.annotation is p.empty and p.name not in ("self", "args", "kwargs")]
    assert bare == []


def test_derivatives_go_with_their_functions():
    missing = [f"d_{name}" for name in mlmath.ACTIVATIONS if f"d_{name}" not in mlmath.__all__]
    assert missing == []
