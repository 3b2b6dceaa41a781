"""What a class asks of its server: users who log in at once, open a chapter each and run it from the top.

    MLMATH_JUPYTERHUB=/path/to/bin/python .venv/bin/python scripts/measure_class.py --users 20 --cells 15

A hub is started on loopback as `class_server.py` says. Memory is the proportional set size (PSS): what several
processes share is divided among them, so a sum counts it once. What is private to a process would go with it. Seconds
are those of this machine with all that it does besides; processor time is the kernels' own, and does not depend on
that.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from build_book import ROOT
from class_server import Hub, Kernel, Person, missing

PATIENCE = 1800  # seconds


def processes(root: int) -> dict[int, str]:
    """The process `root` and all below it, with what each of them is."""
    parents, kinds = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text()
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it ended meanwhile
            continue
        known = {"ipykernel": "kernels", "jupyterhub.singleuser": "servers"}
        kinds[int(folder.name)] = next((kind for word, kind in known.items() if word in words), "hub, proxy, culler")
    found, more = set(), {root}
    while more:
        found |= more
        more = {pid for pid, parent in parents.items() if parent in more}
    return {pid: kinds[pid] for pid in found & set(kinds)}


def megabytes(pid: int, *entries: str) -> float:
    """The sum of entries of the process's memory, 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1000 for line in lines if line.split(":")[0] in entries)


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def report(what: str, seconds: Iterable[float]) -> None:
    seconds = sorted(seconds)
    print(f"{what}: median {statistics.median(seconds):.0f} s, worst {seconds[-1]:.0f} s", flush=True)


def report_memory(hub: Hub, users: int) -> None:
    table = {}
    for pid, kind in processes(hub.process.pid).items():
        sizes = table.setdefault(kind, [0, 0, 0])
        for k, size in enumerate((1, megabytes(pid, "Pss"), megabytes(pid, "Private_Clean", "Private_Dirty"))):
            sizes[k] += size
    parts = [
        f"{number} {kind} {pss:.0f}, of them private {private:.0f}" for kind, (number, pss, private) in table.items()
    ]
    theirs = sum(pss for kind, (_, pss, _) in table.items() if kind in ("kernels", "servers"))
    print(f"  MB: {'; '.join(parts)}; a user {theirs / users:.0f}; load {os.getloadavg()[0]:.1f}", flush=True)


def at_once(people: list, what: Callable) -> tuple[list, list[float]]:
    """What each of them does at the same time gives, and how long it took."""

    def timed(person):
        start = time.monotonic()
        return what(person), time.monotonic() - start

    with ThreadPoolExecutor(len(people)) as pool:
        results, seconds = zip(*pool.map(timed, people), strict=True)
    return list(results), list(seconds)


def checked(kernel: Kernel, source: str) -> None:
    said = kernel.run(source)
    if said.endswith(("Error", "dead")):
        raise RuntimeError(f"{kernel.person.name}: {said[-300:]} in\n{source}")


def measure(hub: Hub, users: int, cells: list[str]) -> None:
    people = [Person(hub, f"user{k}") for k in range(users)]
    for person in people:
        person.sign_up()
        assert person.log_in()
    _, seconds = at_once(people, lambda person: person.start(seconds=PATIENCE, pause=2))
    report(f"{users} servers started at once", seconds)
    report_memory(hub, users)

    def imports(person: Person) -> tuple[Kernel, float]:
        start = time.monotonic()
        kernel = Kernel(person, PATIENCE)
        checked(kernel, cells[0])
        first = time.monotonic() - start
        checked(kernel, cells[1])
        return kernel, first

    results, seconds = at_once(people, imports)
    kernels = [kernel for kernel, _ in results]
    report(f"{users} kernels at once, from the request to the end of the first code cell", (s for _, s in results))
    report("  … to the end of the second, which imports", seconds)
    pids = [pid for pid, kind in processes(hub.process.pid).items() if kind == "kernels"]
    print(f"  processor time of a kernel: {statistics.median(map(processor_seconds, pids)):.1f} s")
    report_memory(hub, users)

    def run(kernel: Kernel) -> None:
        for cell in cells[2:]:
            checked(kernel, cell)

    _, seconds = at_once(kernels, run)
    report(f"the next {len(cells) - 2} code cells in all of them", seconds)
    print(f"  processor time of a kernel, from its start: {statistics.median(map(processor_seconds, pids)):.0f} s")
    print(f"  largest kernel: {max(megabytes(pid, 'Rss') for pid in pids):.0f} MB with all that it shares")
    report_memory(hub, users)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--users", type=int, default=20)
    options.add_argument("--cells", type=int, help="so many of the chapter's code cells; all if not given")
    options.add_argument("--notebook", type=Path, default=ROOT / "book" / "3_4_gradient_descent.ipynb")
    chosen = options.parse_args()
    if reason := missing():
        sys.exit(f"Nothing was measured: {reason}.")
    code = [cell for cell in json.loads(chosen.notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    cells = ["".join(cell["source"]) for cell in code][: chosen.cells]
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    print(f"{os.cpu_count()} cores, {total:.0f} GB, load {os.getloadavg()[0]:.1f} before; {chosen.notebook.name}")
    with tempfile.TemporaryDirectory() as folder:
        limit = f"--JupyterHub.active_server_limit={max(40, chosen.users)}"
        hub = Hub(Path(folder), "--NativeAuthenticator.open_signup=True", limit)
        try:
            print(f"{chosen.users} users; spawner: {hub.spawner}")
            measure(hub, chosen.users, cells)
        finally:
            hub.stop()


if __name__ == "__main__":
    main()
