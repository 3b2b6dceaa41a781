"""The shape of a chapter: its parts, its cells, its checks, its figures, its exercises."""

import ast
import re
import statistics
from collections import Counter

import nbformat
import pytest
from name_repository import TAG, alone
from notebooks import CHAPTERS, ROOT, STEMS, cells, code_cells, exercises, labels_of_equations, printed, prose, tags
from run_notebooks import local_paths, normal

from mlmath.verify import parse

LAST_PARTS = ["What goes wrong", "In the MNIST model", "Exercises", "Summary", "Sources"]
KINDS = ("By hand:", "In code:", "To think about:")
FILLER = r"\b(it can be shown|simply|obviously|trivially|clearly,|of course|it is easy to see|needless to say)\b"
FREE = "nbval-ignore-output"
TAGS = {FREE, "exercise", "check", "solution", "hide-input", "hide-output", "hide-cell", "raises-exception", TAG}

FOREIGN = {"lr", "eta", "y_pred", "Y_pred", "y_true", "dLdW", "dL_dW", "grad_W", "num_epochs", "n_epochs"}
NO_SEED = r"default_rng\(\s*\)|np\.random\.(?!default_rng|Generator|SeedSequence)\w+"

chapter = pytest.mark.parametrize("stem", STEMS)


def test_there_are_chapters():
    assert len(STEMS) >= 2


@chapter
def test_the_title_bears_the_number_of_the_file(stem):
    number = re.match(r"\d+(_\d+)?", stem)[0].replace("_", ".")
    first = cells(stem)[0].source.splitlines()[0]
    assert re.fullmatch(rf"# {re.escape(number)} [A-Z].+", first), first


@chapter
def test_the_parts_are_there_in_order(stem):
    headings = re.findall(r"^## (.+)$", prose(stem), flags=re.M)
    assert headings[-len(LAST_PARTS) :] == LAST_PARTS
    assert ":class: prelude" in cells(stem)[0].source + cells(stem)[1].source, "time to read and what to know before"
    assert re.search(r"^###? Predict, then move", prose(stem), flags=re.M)


@chapter
def test_it_begins_with_the_cell_that_installs_what_a_notebook_alone_lacks(stem):
    first = next(cell for cell in cells(stem) if cell.cell_type == "code")
    assert first.source == alone(), "make repository writes it"
    assert [cell for cell in cells(stem) if TAG in tags(cell)] == [first]
    assert first.outputs == []


@chapter
def test_imports_stand_in_the_first_code_cell_alone(stem):
    for number, cell in enumerate(code_cells(stem)):
        imports = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert bool(imports) == (number == 0), cell.source


@chapter
def test_random_numbers_come_from_a_seed(stem):
    code = "\n".join(cell.source for cell in code_cells(stem))
    assert re.findall(NO_SEED, code) == []
    assert not re.search(r"\bmodel\.fit\(", code) or "set_random_seed" in code


@chapter
def test_names_and_symbols_are_those_of_the_notation_page(stem):
    trees = [ast.parse(cell.source) for cell in code_cells(stem)]
    names = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for tree in trees for node in ast.walk(tree) if isinstance(node, ast.arg | ast.keyword)}
    assert names & FOREIGN == set()
    assert re.findall(r"\\(?:mathbf|boldsymbol|vec)\b(?! ?\{?1)", prose(stem)) == []


@chapter
def test_cells_are_short(stem):
    lengths = [len(cell.source.splitlines()) for cell in code_cells(stem)]
    assert statistics.median(lengths) <= 6, sorted(lengths)
    assert max(lengths) <= 20
    assert all(len(line) <= 100 for cell in code_cells(stem) for line in cell.source.splitlines())


@chapter
def test_every_cell_has_run_in_order_without_error_or_warning(stem):
    counts = [cell.execution_count for cell in cells(stem) if cell.cell_type == "code" and cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(stem):
        assert {output.get("execution_count") for output in cell.outputs} <= {None, cell.execution_count}, cell.source
        kinds = {output.output_type for output in cell.outputs}
        assert "error" not in kinds or "raises-exception" in tags(cell), cell.source
        assert not [output.text for output in cell.outputs if output.get("name") == "stderr"], cell.source


@pytest.mark.parametrize("path", CHAPTERS, ids=STEMS)
def test_notebooks_are_stored_in_the_normal_form(path):
    text = path.read_text()
    notebook = nbformat.reads(text, as_version=4)
    assert local_paths(notebook) == []
    assert nbformat.writes(normal(notebook)).strip() == text.strip(), "make run stores it in that form"
    assert path.stat().st_size < 1.2e6


def asserts(node: ast.AST) -> bool:
    """An assertion, or a claim, which asserts its bounds."""
    claim = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "claim"
    return claim or isinstance(node, ast.Assert)


@chapter
def test_outputs_are_left_uncompared_only_where_an_assertion_guards_them(stem):
    code = code_cells(stem)
    assert {tag for cell in cells(stem) for tag in tags(cell)} <= TAGS
    for cell, following in zip(code, [*code[1:], None], strict=True):
        if FREE in tags(cell):
            nearby = "\n".join([cell.source, following.source if following else ""])
            assert any(map(asserts, ast.walk(ast.parse(nearby)))), cell.source
    free = sum(FREE in tags(cell) for cell in code)
    print(f"{stem}: {free} of {len(code)} cells have free outputs")
    assert free < len(code)


@chapter
def test_every_labelled_equation_is_checked_and_says_so(stem):
    labels = labels_of_equations(stem)
    checks = [check for line in printed(stem) if (check := parse(line))]
    assert set(labels) == {check.label for check in checks}, "each label is checked, and nothing else"
    assert len(labels) == len(re.findall(r"^\$\$ \(", prose(stem), flags=re.M)), "a label begins with eq-"


def test_labels_are_the_only_ones_of_their_name():
    counts = Counter(label for stem in STEMS for label in labels_of_equations(stem))
    counts += Counter(label for stem in STEMS for _, label in exercises(stem))
    assert [label for label, n in counts.items() if n > 1] == []


@chapter
def test_figures_have_alternative_text_and_a_caption(stem):
    all_cells = [cell for cell in cells(stem) if cell.source.strip()]
    for cell, following in zip(all_cells, [*all_cells[1:], None], strict=True):
        html = "".join("".join(o.get("data", {}).get("text/html", "")) for o in cell.get("outputs", []))
        pictures = [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        assert not pictures or "<img" in html, f"a picture without alternative text: {cell.source}"
        for image in re.findall(r"<img[^>]*>", html):
            assert re.search(r'alt="[^"]{20,}"', image), cell.source
        if "<img" in html:
            caption = following is not None and following.source.startswith("**Figure.**")
            assert caption, f"no caption after: {cell.source}"


@chapter
def test_pictures_are_light(stem):
    for cell in code_cells(stem):
        for output in cell.outputs:
            html = "".join(output.get("data", {}).get("text/html", ""))
            still = len("".join(output.get("data", {}).get("image/png", ""))) * 3 / 4
            assert len(html.encode()) < 400e3 if "pad" in html[:200] else len(html.encode()) < 205e3, cell.source
            assert still < 60e3, cell.source


@chapter
def test_exercises_come_in_three_kinds_with_hints_and_solutions(stem):
    found, text = exercises(stem), prose(stem)
    assert len(found) >= 6
    assert {kind for kind in KINDS for title, _ in found if title.startswith(kind)} == set(KINDS)
    assert all(title.startswith(KINDS) for title, _ in found)
    assert text.count("{dropdown} Hint") >= len(found)
    solutions = re.findall(r"^:::+\{solution(?:-start)?\} (\S+)\n:class: dropdown", text, flags=re.M)
    assert sorted(solutions) == sorted(label for _, label in found)
    assert all(label.startswith("ex-" + re.match(r"\d+(_\d+)?", stem)[0].replace("_", "-")) for _, label in found)


@chapter
def test_markup_reads_in_the_lab_as_well(stem):
    assert re.findall(r"^`{3,}\{", prose(stem), flags=re.M) == [], "colon fences: a backtick fence hides its formulas"


@chapter
def test_nothing_is_waved_through(stem):
    assert re.findall(FILLER, prose(stem), flags=re.I) == []


def test_every_chapter_is_in_the_table_of_contents():
    listed = re.findall(r"file: book/(\d\S+)", (ROOT / "_toc.yml").read_text())
    assert sorted(listed) == STEMS
