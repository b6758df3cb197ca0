"""Executes a notebook: run by the Python of an environment that has papermill, so it imports nothing of proj."""

from __future__ import annotations

import json
import sys
from typing import Any


def main(asked: dict[str, Any]) -> int:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    code = 0
    try:
        papermill.execute_notebook(
            asked["input"],
            asked["output"],
            parameters=asked["parameters"],
            kernel_name="project",
            language="python",
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
        )
    except PapermillExecutionError as error:
        sys.stderr.write(f"{error}\n")
        code = 1
    _write_page(asked["output"], asked["page"])
    return code


def _write_page(path: str, page: str) -> None:
    """Also of a notebook with a failed cell. The cell that papermill adds gets an id that does not change."""
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells):
        if "injected-parameters" in cell.metadata.get("tags", ()) or "papermill-error" in str(cell.metadata):
            cell["id"] = f"papermill-{number}"
    nbformat.write(notebook, path)
    text, _ = HTMLExporter().from_notebook_node(notebook)
    with open(page, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
