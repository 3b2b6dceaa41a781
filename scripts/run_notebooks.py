"""Execute notebooks in place and store them in one normal form, so that two runs give the same bytes.

    .venv/bin/python scripts/run_notebooks.py book/3_2_activation_functions.ipynb …

A notebook that fails, or that somebody saved meanwhile, is left as it is.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.reader import NotJSONError

ROOT = Path(__file__).resolve().parents[1]

# What a kernel must find in its environment for its outputs to be the committed ones. Set before NumPy is imported.
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "MLMATH_STATIC": "1",  # experiments run once, at their defaults; progress bars stay silent
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


def normal(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Without what differs from run to run or from machine to machine: timings, widget state, empty outputs."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in ("tags",) if cell.metadata.get(key)})
        if cell.cell_type == "code":
            cell.outputs = [output for output in merged(cell.outputs) if output.get("text") != ""]
            for output in cell.outputs:
                if "metadata" in output:
                    output.metadata = {}
    return notebook


def merged(outputs: list) -> list:
    """Streams in one piece: how a kernel cuts them up is a matter of timing."""
    result = []
    for output in outputs:
        if result and output.output_type == "stream" and result[-1].get("name") == output.name:
            result[-1].text += output.text
        else:
            result.append(output)
    return result


def local_paths(notebook: nbformat.NotebookNode) -> list[str]:
    """The outputs that name a folder of this machine."""
    folders = {str(ROOT), str(Path.home()), sys.prefix}
    texts = [(cell.id, str(output)) for cell in notebook.cells for output in cell.get("outputs", [])]
    return [f"cell {name} prints a path of this machine" for name, text in texts if any(f in text for f in folders)]


def execute(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        # TensorFlow greets on the process's own stderr, with the time of day, whatever its log level
        extra_arguments=["--log-level=ERROR", "--IPKernelApp.capture_fd_output=False"],
        resources={"metadata": {"path": path.parent}},
    ).execute()
    return normal(notebook)


def run(path: Path) -> str | None:
    """Execute and store one notebook; what went wrong, if anything did."""
    before = path.read_bytes()
    try:
        notebook = execute(path)
    except CellExecutionError as error:
        return str(error)
    except (NotJSONError, nbformat.ValidationError):
        return "it is not a notebook, and was left as it is"
    except DeadKernelError:
        return "its kernel died; nothing was stored"
    if trouble := local_paths(notebook):
        return "\n".join(trouble)
    if path.read_bytes() != before:
        return "it was changed while it ran; nothing was stored"
    draft = path.with_suffix(".ipynb.part")
    nbformat.write(notebook, draft)
    os.replace(draft, path)
    return None


def main(paths: list[Path]) -> None:
    if missing := [str(path) for path in paths if not path.is_file()]:
        sys.exit(f"There is no {', no '.join(missing)}; nothing was run. A notebook is named by its path from here.")
    os.environ.update(ENVIRONMENT)
    failures = 0
    for k, path in enumerate(paths, 1):
        print(f"[{k}/{len(paths)}] {path.name} …", end=" ", flush=True)
        start = time.monotonic()
        trouble = run(path)
        print(trouble or f"{time.monotonic() - start:.0f} s")
        failures += trouble is not None
    sys.exit(f"{failures} of {len(paths)} notebooks were not stored" if failures else 0)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
