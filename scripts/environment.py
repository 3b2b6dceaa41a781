"""Make or renew .venv: what requirements.txt and constraints.txt pin, and this package, editable.

    python3 scripts/environment.py

Needs nothing but Python 3.11, 3.12 or 3.13 with venv. Prints one moving line; the whole log is in _build/install.log.
"""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENV = ROOT / ".venv"
LOG = ROOT / "_build" / "install.log"
PYTHON = ENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def pip(*args: str, expected: int = 0) -> None:
    """Run pip in the environment, showing how far it is; stop with the end of its log if it fails."""
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", *args]
    with (
        LOG.open("a") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as process,
    ):
        collected = 0
        for line in process.stdout:
            log.write(line)
            if found := re.match(r"Collecting ([\w.-]+)", line):
                collected += 1
                say(f"{collected} of about {expected} packages: {found[1]}")
            elif line.startswith("Installing collected packages"):
                say("unpacking them (some minutes)")
    if process.returncode:
        sys.exit(f"\npip failed. The end of {LOG.relative_to(ROOT)}:\n" + LOG.read_text()[-3000:])


def say(text: str) -> None:
    """Write over the same line in a terminal; elsewhere (a log) every twentieth line is enough."""
    say.count = getattr(say, "count", -1) + 1
    if sys.stdout.isatty():
        print(f"\r\033[K  {text}", end="", flush=True)
    elif say.count % 20 == 0 or "packages" not in text:
        print(f"  {text}", flush=True)


def main() -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.exit(
            f"This is Python {sys.version.split()[0]}; TensorFlow needs 3.11, 3.12 or 3.13. "
            "Name one of them: make PYTHON=python3.12 … (or run this file with it)."
        )
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("")
    print("Preparing .venv (about 600 MB to download the first time):", flush=True)
    try:
        venv.create(ENV, with_pip=True, clear=not PYTHON.exists())
    except subprocess.CalledProcessError:
        sys.exit("Python could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv")
    pinned = sum(1 for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pip("-r", "requirements.txt", expected=pinned)
    pip("--no-deps", "--no-build-isolation", "--editable", ".")
    (ENV / "ready").write_text("scripts/environment.py finished\n")
    say("ready\n")


if __name__ == "__main__":
    main()
