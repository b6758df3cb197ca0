"""The architecture, held by reading the imports: they go down only, and kinds do not know each other."""

from __future__ import annotations

import ast
import os

import runner

PACKAGE = os.path.dirname(os.path.abspath(runner.__file__))
# lower layers first; a module may import from its own layer's row only within its own folder
LAYERS: list[set[str]] = [
    {"", "values", "errors"},
    {
        "paths",
        "process",
        "process_tree",
        "memo",
        "machine",
        "program",
        "container",
        "hashing",
        "versions",
        "gpu",
        "interrupts",
        "variables",
        "dataset",
    },
    {
        *("project", "parameters", "sources", "environments", "backends", "tracking"),
        *(
            "project_plain",
            "project_find",
            "parameter_types",
            "template",
            "shell",
            "yamltext",
            "schema",
            "check",
            "inputs",
            "outputs",
            "origin",
        ),
    },
    {"server"},  # the protocol over a store: tracking's only user among the plug-in folders
    {"facts", "recording", "run", "scaffold", "doctor", "observation", "sampling"},
    {"reproduction"},
    {"cli", "__main__"},
]
PLUGIN_FOLDERS = {"sources", "environments", "backends", "tracking", "server"}


def modules() -> dict[str, str]:
    """Top-level part of the module's name below `runner` -> for each file."""
    found = {}
    for folder, folders, names in os.walk(PACKAGE):
        folders[:] = [name for name in folders if name not in ("__pycache__", "shipped")]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                relative = (
                    os.path.relpath(path, PACKAGE).removesuffix(".py").removesuffix("__init__").rstrip("/")
                )
                found[path] = relative.split("/")[0]
    return found


def imports(path: str) -> set[str]:
    """Parts of runner that a file imports, also inside functions; imports for types only do not count."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    typed = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in typed:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "runner":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("runner.")}
    return {name for name in found if not name.startswith("__")}


def level(part: str) -> int:
    for number, names in enumerate(LAYERS):
        if part in names or any(name and part.startswith(name + "_") for name in names):
            return number
    raise AssertionError(f"runner/{part} is in no layer: add it to LAYERS")


def test_imports_go_down_only() -> None:
    wrong = []
    for path, part in modules().items():
        for target in imports(path):
            if target == part:
                continue
            here, there = level(part), level(target)
            if there > here or (there == here and {part, target} <= PLUGIN_FOLDERS):
                wrong.append(f"{os.path.relpath(path, PACKAGE)} imports runner.{target}")
    assert wrong == []


def test_only_cli_prints() -> None:
    wrong = []
    for path, part in modules().items():
        if part in ("cli", "__main__"):
            continue
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("print", "exit")
            ):
                wrong.append(f"{os.path.relpath(path, PACKAGE)}:{node.lineno}")
    assert wrong == []


def test_files_and_functions_stay_small() -> None:
    """A new thing gets a file of its own."""
    wrong = []
    for path in modules():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        name = os.path.relpath(path, PACKAGE)
        lines = text.count("\n")
        if lines > 400:
            wrong.append(f"{name} has {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno
                if length > 60:
                    wrong.append(f"{name}:{node.lineno} {node.name} has {length} lines")
    assert wrong == []
