"""A notebook as an entry point: the assignments of its cell with the tag `parameters` are its parameters.

As papermill has it: https://papermill.readthedocs.io/en/latest/usage-parameterize.html
"""

from __future__ import annotations

import ast
import json
from typing import Any

from runner.errors import InputError
from runner.host.files import open_text
from runner.parameters import shell
from runner.values import EntryPoint, Json, Parameter

__all__ = ["entry_point", "language", "parameters", "read", "source"]


def entry_point(path: str, name: str) -> EntryPoint:
    """`name`: the path within the project. InputError for what is no notebook, or one in another language."""
    notebook = read(path)
    if notebook is None:
        raise InputError(f"{name} cannot be read as a notebook")
    if (spoken := language(notebook)) != "python":
        raise InputError(f"{name} is a notebook in {spoken}: only those in Python are run")
    declared = parameters(notebook)
    words = ["proj notebook", shell.quote(name).replace("{", "{{").replace("}", "}}")]
    words += [f"{each.name}={{{each.name}}}" for each in declared]
    # what is not declared follows as --name value
    return EntryPoint(name, " ".join([*words, "--"]), declared)


def read(path: str) -> dict[str, Any] | None:
    """None for what is no notebook."""
    try:
        with open_text(path) as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("cells"), list) else None


def language(notebook: dict[str, Any]) -> str:
    """python, R, julia; without a word, python."""
    found = _table(_table(notebook.get("metadata")).get("kernelspec")).get("language")
    return found.lower() if isinstance(found, str) else "python"


def parameters(notebook: dict[str, Any]) -> tuple[Parameter, ...]:
    """Names with a value that can be read, typed by it. One without (None) is text, or left to the notebook."""
    found: dict[str, Parameter] = {}
    for cell in _code(notebook):
        tags = _table(cell.get("metadata")).get("tags")
        if isinstance(tags, list) and "parameters" in tags:
            found.update((each.name, each) for each in _assigned(_text(cell)))
    return tuple(found.values())


def source(notebook: dict[str, Any]) -> str:
    """The Python of all its cells, without lines for IPython."""
    lines = [line for cell in _code(notebook) for line in _text(cell).splitlines()]
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def _assigned(text: str) -> list[Parameter]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        try:
            value: Json = ast.literal_eval(getattr(node, "value", None) or ast.Constant(...))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if not isinstance(target, ast.Name):
            continue
        kind = {bool: "bool", int: "int", float: "float", str: "string"}.get(type(value), "")
        if kind and "\0" not in str(value):
            found.append(Parameter(target.id, kind, value, True))
        elif value is None:
            found.append(Parameter(target.id, required=False))
    return found


def _code(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    cells = notebook.get("cells", [])
    return [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(cell: dict[str, Any]) -> str:
    text = cell.get("source", "")
    return "".join(str(line) for line in text) if isinstance(text, list) else str(text)
