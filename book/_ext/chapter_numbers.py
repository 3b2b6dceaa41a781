"""Number equations, exercises, theorems and figures by chapter: 3.2.7 is the seventh of "3.2 Activation functions".

Sphinx takes chapter numbers from the order in the table of contents. Ours stand in the titles, where the notebooks
show them too. So Sphinx counts through the whole book, and we count anew in every chapter and put its number first.
"""

import re

KEPT = (
    "counted_through_the_book"  # Sphinx compares its numbers with its own of the last build, and rewrites what differs
)


def prefix(title: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*(?=\s)", title)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def by_chapter(counted: dict, titles: dict) -> dict:
    """{document: {kind: {id: number}}}, numbers counting through the book, to numbers counting in each chapter."""
    return {
        document: {
            kind: {name: (*prefix(titles[document].astext()), k) for k, name in enumerate(sorted(ids, key=ids.get), 1)}
            for kind, ids in kinds.items()
        }
        for document, kinds in counted.items()
    }


def give_back(app, env):
    env.by_chapter, env.toc_fignumbers = env.toc_fignumbers, getattr(env, KEPT, {})
    return []


def renumber(app, env):
    setattr(env, KEPT, env.toc_fignumbers)
    env.toc_fignumbers = by_chapter(env.toc_fignumbers, env.titles)
    return [name for name, numbers in env.toc_fignumbers.items() if numbers != env.by_chapter.get(name)]


def setup(app):
    # Sphinx numbers at priority 500
    app.connect("env-get-updated", give_back, priority=400)
    app.connect("env-get-updated", renumber, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
