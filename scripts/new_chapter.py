"""Begin a chapter: a notebook with all the parts that a chapter has, to be filled, which passes the structure tests.

    .venv/bin/python scripts/new_chapter.py 3_8_batch_normalization

It is written, executed, and entered into the table of contents; a chapter that exists is left alone.
"""

import os
import re
import sys
from pathlib import Path

import nbformat
from name_repository import TAG, alone
from run_notebooks import ENVIRONMENT, run

ROOT = Path(__file__).resolve().parents[1]
NAME = re.compile(r"(?P<number>\d+(?:_\d+)?)_(?P<words>[a-z][a-z0-9]*(?:_[a-z0-9]+)*)")

CELLS = """
md|
# {number} {title}

After this chapter you can …

:::{{admonition}} Before you start
:class: prelude
About 30 minutes. You need …
:::

The article states:

> …

code {tag}|
{alone}

code|
import matplotlib.pyplot as plt
import numpy as np
import sympy as sp

from mlmath import verify
from mlmath.exercises import check_answer
from mlmath.figures import explore

rng = np.random.default_rng(0)

md|
## A question

An intuition, then the formula, each step with its reason.

$$
(a + b)^2 = a^2 + 2ab + b^2
$$ ({label}-square)

code|
def square_of_sum(a, b):
    return a**2 + 2 * a * b + b**2


square_of_sum(2, 3)

code|
a, b = sp.symbols("a b", real=True)
verify.identity("{label}-square", (a + b) ** 2, square_of_sum(a, b))

md|
### Predict, then move

A question to answer before the slider is touched.

code|
fig, ax = plt.subplots(figsize=(5, 3))
x = np.linspace(-2, 2, 100)
(line,) = ax.plot(x, square_of_sum(x, 0))
ax.set_ylim(0, 9)


def update(shift):
    line.set_ydata(square_of_sum(x, shift))


alt = "A parabola, which moves to the left as the shift grows."
explore(fig, update, alt=alt, shift=np.linspace(-1, 1, 21))

md|
**Figure.** What one sees, and what it means.

## What goes wrong

A plausible mistake, and the check that catches it.

code|
try:
    verify.identity("{label}-square", (a + b) ** 2, a**2 + b**2)
except verify.VerificationError as error:
    print(str(error)[:60], "…")

md|
## In the MNIST model

## Exercises

::::{{exercise}} By hand: a square
:label: {exercise}-hand
What is $(2 + 3)^2$ by the formula?

:::{{dropdown}} Hint
…
:::
::::

:::{{solution}} {exercise}-hand
:class: dropdown
$4 + 12 + 9 = 25$.
:::

:::{{exercise-start}} In code: a difference
:label: {exercise}-code
:::
Write `my_square(a, b)`, which is $(a - b)^2$.

:::{{dropdown}} Hint
…
:::

code exercise|
def my_square(a, b): ...

code check|
check_answer("{exercise}-code", my_square, lambda a, b: (a - b) ** 2, (5.0, 2.0))

md|
:::{{exercise-end}}
:::

:::{{solution-start}} {exercise}-code
:class: dropdown
:::
The formula with $-b$ in place of $b$.

code solution|
def my_square(a, b):
    return square_of_sum(a, -b)


check_answer("{exercise}-code", my_square, lambda a, b: (a - b) ** 2, (5.0, 2.0))

md|
:::{{solution-end}}
:::

{more}
## Summary

| formula | code | where |
|---|---|---|
| $(a + b)^2$ | `square_of_sum` | {{eq}}`{label}-square` |

## Sources

Who did what first.
"""

MORE = """::::{{exercise}} To think about: number {k}
:label: {exercise}-think-{k}
…

:::{{dropdown}} Hint
…
:::
::::

:::{{solution}} {exercise}-think-{k}
:class: dropdown
…
:::
"""

WRONG = '''[{exercise}-code]
code = """
def my_square(a, b):
    return a**2 - b**2
"""
'''


def notebook(name: str) -> nbformat.NotebookNode:
    found = NAME.fullmatch(name)
    exercise = f"ex-{found['number'].replace('_', '-')}"
    words = {
        "number": found["number"].replace("_", "."),
        "title": found["words"].replace("_", " ").capitalize(),
        "label": f"eq-{found['words'].replace('_', '-')}",
        "exercise": exercise,
        "tag": TAG,
        "alone": alone(),
        "more": "\n".join(MORE.format(k=k, exercise=exercise) for k in range(1, 5)),
    }
    book, cells = nbformat.v4, []
    for part in re.split(r"^(?=(?:md|code)[ a-z-]*\|$)", CELLS.format(**words).strip(), flags=re.M)[1:]:
        (kind, *tags), source = part.split("|", 1)[0].split(), part.split("|", 1)[1].strip()
        made = book.new_markdown_cell(source) if kind == "md" else book.new_code_cell(source)
        if tags:
            made.metadata.tags = tags
        cells.append(made)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return book.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def enter(contents: str, name: str) -> str:
    """The table of contents with the chapter before the first one of a higher number, or after the last."""
    listed = re.findall(r"^ *- file: book/\d\S*\n", contents, flags=re.M)
    order = [re.search(r"book/(\S+)", line)[1] for line in listed]
    later = [line for line, other in zip(listed, order, strict=True) if other > name]
    line = f"      - file: book/{name}\n"
    return contents.replace(later[0], line + later[0]) if later else contents.replace(listed[-1], listed[-1] + line)


def main() -> None:
    name = " ".join(sys.argv[1:])
    if not (found := NAME.fullmatch(name)):
        sys.exit(f"NAME was {name!r}; it should be a number and words, such as 3_8_batch_normalization")
    path, answers = ROOT / "book" / f"{name}.ipynb", ROOT / "tests" / "wrong_answers" / f"{name}.toml"
    same_number = path.parent.glob(f"{found['number']}_[a-z]*.ipynb")
    for taken in [path, answers, *same_number]:
        if taken.exists():
            sys.exit(f"{taken.relative_to(ROOT)} exists; it was left as it is, and no chapter was begun")
    nbformat.write(notebook(name), path)
    answers.write_text(WRONG.format(exercise=f"ex-{found['number'].replace('_', '-')}"))
    contents = ROOT / "_toc.yml"
    contents.write_text(enter(contents.read_text(), name))
    os.environ.update(ENVIRONMENT)
    if trouble := run(path):
        sys.exit(trouble)
    print(f"Fill book/{name}.ipynb, then `make run NB=book/{name}.ipynb formulas claims` and `make test`.")


if __name__ == "__main__":
    main()
