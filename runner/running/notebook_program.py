"""Executes a notebook: run by the Python of an environment that has papermill, so it imports nothing of proj."""

from __future__ import annotations

import json
import sys
from typing import Any


def main(asked: dict[str, Any]) -> int:
    """In the project's Python: executes the notebook, writes it and its page; the exit code."""
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
    _write_page(asked["output"], asked["page"], _ids(asked["input"]))
    return code


def _ids(path: str) -> set[str]:
    """Of the cells as they were given: older notebooks have none, and then each reader makes up new ones."""
    with open(path, encoding="utf-8-sig") as file:
        cells = json.load(file).get("cells", [])
    return {str(cell["id"]) for cell in cells if isinstance(cell, dict) and cell.get("id")}


def _write_page(path: str, page: str, given: set[str]) -> None:
    """Also of a notebook with a failed cell. What was not given has an id that is the same each time."""
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells):
        if cell.get("id") not in given:
            cell["id"] = f"cell-{number}"
    nbformat.write(notebook, path)
    text, _ = HTMLExporter().from_notebook_node(notebook)
    with open(page, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
