"""What each user's server does first, with the user's rights: limit memory, add missing notebooks, become the server.

A copy step of our own and not nbgitpuller: the notebooks are on the server already, so nothing is fetched, merged or
committed, and the whole rule is one line: a file that is there stays as it is.
"""

import os
import resource
import shutil
import sys
from pathlib import Path

import nbformat
from nbformat.sign import NotebookNotary

BOOK = Path(__file__).resolve().parents[2] / "book"


def add_missing(target: Path) -> None:
    """Copy each notebook that `target` lacks, and trust it, so that its figures move at once."""
    target.mkdir(parents=True, exist_ok=True)
    notary = NotebookNotary()
    for source in sorted(BOOK.glob("*.ipynb")):
        copy, part = target / source.name, target / f".{source.name}.part"
        if not os.path.lexists(copy):
            shutil.copyfile(source, part)
            part.rename(copy)  # whole or not at all: half a copy would be taken for the user's
            notary.sign(nbformat.read(copy, as_version=4))


def limit_memory(limit: int) -> None:
    """No process of this server, kernels included, gets more than `limit` bytes: then Python says MemoryError."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


if __name__ == "__main__":
    limit_memory(int(os.environ["MEM_LIMIT"]))
    add_missing(Path.home() / "deep-learning")
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub.singleuser", *sys.argv[1:]])
