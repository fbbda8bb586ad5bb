"""Run the notebook, and write what it shows: python -m examples.package_notebook --help."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

NOTEBOOK = Path(__file__).with_name("packages.ipynb")
ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs/howto"
SECONDS_PER_CELL = 300


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.package_notebook", description=__doc__)
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="where to (default: the pages of the docs)")
    parser.add_argument("--notebook", type=Path, help="keep the notebook with its outputs in this file, too")
    options = parser.parse_args()
    notebook = executed()
    for name, svg in pictures(notebook).items():
        (options.pictures / name).write_text(svg, encoding="utf-8")
        print(f"wrote {options.pictures / name}")
    if options.notebook:
        nbformat.write(notebook, options.notebook)


def executed() -> NotebookNode:
    """Return the notebook with the outputs of a run in an empty folder.

    Raises nbclient's CellExecutionError for a cell that fails.
    """
    notebook: NotebookNode = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        # Files instead of ports: nothing else on the machine can take one in between.
        kernel = {"transport": "ipc", "connection_file": f"{folder}/kernel.json", "ip": f"{folder}/kernel"}
        client = NotebookClient(
            notebook,
            timeout=SECONDS_PER_CELL,
            startup_timeout=SECONDS_PER_CELL,
            resources={"metadata": {"path": folder}},
            config=Config({"AsyncKernelManager": kernel}),
        )
        client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})
    return notebook


def pictures(notebook: NotebookNode) -> dict[str, str]:
    """Return the SVG outputs of a notebook, by the file names in the metadata of their cells."""
    return {
        cell.metadata["picture"]: output.data["image/svg+xml"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "image/svg+xml" in output.get("data", ())
    }


if __name__ == "__main__":
    main()
