"""A notebook as an entry point: the assignments of its cell with the tag `parameters`, which papermill replaces."""

from __future__ import annotations

import ast
import json
from typing import Any

from runner.host.files import open_text
from runner.scaffold.scripts.option import Option, is_secret, sound
from runner.scaffold.scripts.syntax import Module

__all__ = ["parameters", "source"]


def parameters(path: str) -> tuple[Option, ...] | None:
    """None for what is no notebook. Only names with a value that can be read."""
    notebook = _read(path)
    if notebook is None:
        return None
    options = {}
    for cell in _code(notebook):
        if "parameters" in (cell.get("metadata") or {}).get("tags", ()):
            for option in _options(_text(cell)):
                options[option.name] = option
    return tuple(options.values())


def source(path: str) -> str:
    """The Python of all its cells, without lines for IPython."""
    lines = [line for cell in _code(_read(path) or {}) for line in _text(cell).splitlines()]
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open_text(path) as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("cells"), list) else None


def _code(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    cells = notebook.get("cells", [])
    return [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]


def _text(cell: dict[str, Any]) -> str:
    text = cell.get("source", "")
    return "".join(str(line) for line in text) if isinstance(text, list) else str(text)


def _options(text: str) -> list[Option]:
    try:
        module = Module(text)
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in module.tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = module.value(getattr(node, "value", None))
        if isinstance(target, ast.Name) and isinstance(value, (str, int, float)):
            kind = {bool: "bool", int: "int", float: "float"}.get(type(value), "string")
            secret = kind == "string" and is_secret(target.id)
            found.append(
                sound(Option(target.id, f"-p {target.id}", kind, value, True, secret=secret, joint=" "))
            )
    return found
