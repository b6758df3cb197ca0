"""The house, held by reading the imports: rooms stand on each other in one order, and no files form a circle.

Every import counts: late ones, in a function, and those for types only.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from functools import cache

import runner

PACKAGE = os.path.dirname(os.path.abspath(runner.__file__))
# A room may import from the rows above its own, and from its own; files at the root are rooms of their own.
ROOMS = (
    ("typed",),
    ("errors", "values"),
    ("text", "paths"),
    ("host",),
    ("parameters", "sources", "containers"),
    ("environments", "snapshots"),
    (
        "project",
        "backends",
        "tracking",
    ),  # the keys by which a project states an environment are the kinds' own
    ("data",),
    ("protocol", "tables"),
    ("running",),
    ("steps",),
    ("reproduction", "scaffold"),
    ("models",),
    ("promotion",),
    ("web",),
    ("server",),
    ("cli",),
    ("__main__",),
)
# Inner rooms of a room, in their order; its own files stand between those that are named before and after "".
INNER = {
    "sources": (("base", "credentials", "folders"), ("git",), ("",)),
    "environments": (("base", "cache", "building", "keys"), ("python",), ("conda", "docker"), ("",)),
    "tracking": (
        (
            "events",
            "log",
            "journal",
            "segments",
            "entity",
            "shapes",
            "fold",
            "reading",
            "writer",
            "experiments",
        ),
        ("index",),
        ("",),
        ("mlflow",),
    ),
    "reproduction": (("verdict",), ("bundle",), ("",)),
}


def modules() -> dict[str, str]:
    """Name below `runner` -> path, of every module; "" is the package itself."""
    found = {}
    for folder, folders, names in os.walk(PACKAGE):
        folders[:] = [name for name in folders if name not in ("__pycache__", "shipped")]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                relative = os.path.relpath(path, PACKAGE).removesuffix(".py")
                found[relative.replace(os.sep, ".").removesuffix("__init__").rstrip(".")] = path
    return found


@cache
def tree(path: str) -> ast.Module:
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read())


def imports(path: str, known: dict[str, str]) -> Iterator[str]:
    """Modules of runner that a file imports."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "runner":
            inside = node.module.removeprefix("runner").lstrip(".")
            for alias in node.names:
                name = f"{inside}.{alias.name}".lstrip(".")
                yield name if name in known else inside
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "runner":
                    yield alias.name.removeprefix("runner").lstrip(".")


@cache
def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: {each for each in imports(path, known) if each != name} for name, path in known.items()}


def floor(rows: tuple[tuple[str, ...], ...], room: str, where: str) -> int:
    for number, row in enumerate(rows):
        if room in row:
            return number
    raise AssertionError(f"runner/{where} is in no room: give it a place in ROOMS")


def test_rooms_stand_on_each_other() -> None:
    wrong = []
    for name, targets in graph().items():
        for target in targets:
            here, there = name.split(".")[0], target.split(".")[0]
            if here == there or not there:
                continue
            if floor(ROOMS, there, target) >= floor(ROOMS, here, name):
                wrong.append(f"{name} imports {target}")
    assert wrong == []


def test_inner_rooms_stand_on_each_other() -> None:
    """The kinds of one room do not know each other, and what they share lies below them."""
    known, wrong = modules(), []
    for name, targets in graph().items():
        room = name.split(".")[0]
        if room not in INNER:
            continue
        for target in targets:
            if target.split(".")[0] != room or target == room:
                continue
            here, there = (inner(room, each, known) for each in (name, target))
            if here != there and there >= here:
                wrong.append(f"{name} imports {target}")
            elif here == there and apart(name, target, known):
                wrong.append(f"{name} imports {target}, of another kind")
    assert wrong == []


def inner(room: str, name: str, known: dict[str, str]) -> int:
    part = name.split(".")[1] if "." in name else ""
    rows = INNER[room]
    named = {each for row in rows for each in row}
    return floor(rows, part if part in named else "", name)


def apart(name: str, target: str, known: dict[str, str]) -> bool:
    """Whether two modules lie in two inner rooms."""
    one, two = (each.rpartition(".")[0] for each in (name, target))
    return one != two and one.count(".") == two.count(".") == 1 and {one, two} <= known.keys()


def test_no_circles() -> None:
    """Of any size: strongly connected files (Tarjan)."""
    arrows, order, low, stack, circles = graph(), {}, {}, [], []  # type: ignore[var-annotated]

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in sorted(arrows[name]):
            if target not in order:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], order[target])
        if low[name] == order[name]:
            at = stack.index(name)
            circles.append(stack[at:])
            del stack[at:]

    for name in sorted(arrows):
        if name not in order:
            visit(name)
    assert [circle for circle in circles if len(circle) > 1] == []


def test_only_cli_prints() -> None:
    wrong = []
    for name, path in modules().items():
        if name.split(".")[0] in ("cli", "__main__"):
            continue
        for node in ast.walk(tree(path)):
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
    for path in modules().values():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        name = os.path.relpath(path, PACKAGE)
        lines = text.count("\n")
        if lines > 400:
            wrong.append(f"{name} has {lines} lines")
        for node in ast.walk(tree(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno
                if length > 60:
                    wrong.append(f"{name}:{node.lineno} {node.name} has {length} lines")
    assert wrong == []
