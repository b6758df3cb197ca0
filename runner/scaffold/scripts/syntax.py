"""The syntax tree of a module: what its names mean, and what its expressions are as far as that can be read."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from typing import Any, TypeAlias

from runner.host.files import open_text

__all__ = ["FUNCTIONS", "UNKNOWN", "Function", "Module", "is_guard", "keywords", "read_module"]

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
CHANGES = {*"append extend insert update add remove pop clear setdefault sort reverse discard".split()}


class _Unknown:
    def __bool__(self) -> bool:
        return False


UNKNOWN: Any = _Unknown()


class Module:
    """`directory` is where modules beside it are looked for; "" for nowhere."""

    def __init__(self, text: str, directory: str = "") -> None:
        self.tree = ast.parse(text)
        self.directory = directory
        self.aliases = dict(_imports(self.tree))
        self.functions = {node.name: node for node in self.tree.body if isinstance(node, FUNCTIONS)}
        self.classes = {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}
        self.constants = dict(_constants(self.tree))
        self._siblings: dict[str, Module | None] = {}

    @property
    def description(self) -> str:
        return (ast.get_docstring(self.tree) or "").strip().partition("\n")[0].strip()

    @property
    def is_inner(self) -> bool:
        """Whether it imports relatively, as only a module of a package can."""
        return any(isinstance(node, ast.ImportFrom) and node.level for node in self.tree.body)

    def dotted(self, node: ast.AST | None) -> str:
        """`argparse.ArgumentParser`, by whatever name the module calls it; "" for what is no name."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base else ""
        return ""

    def called(self, node: ast.AST) -> str:
        return self.dotted(node.func) if isinstance(node, ast.Call) else ""

    def calls(self, inside: ast.AST | None = None) -> Iterator[tuple[str, ast.Call]]:
        """(dotted name, call) of every call in the module, or in a part of it."""
        for node in ast.walk(inside or self.tree):
            if isinstance(node, ast.Call):
                yield self.dotted(node.func), node

    def value(self, node: ast.AST | None) -> Any:
        """Of a literal, a constant of the module, a Path of one, a member of an Enum; UNKNOWN for others."""
        if node is None:
            return UNKNOWN
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            found = [self.value(each) for each in node.elts]
            return UNKNOWN if UNKNOWN in found else found
        if isinstance(node, ast.Name):
            return self.value(self.constants.get(node.id))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return self.members(node.value.id).get(node.attr, UNKNOWN)
        if isinstance(node, ast.Call):
            return self._of_call(node)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return UNKNOWN

    def _of_call(self, node: ast.Call) -> Any:
        name, given = self.called(node), [self.value(each) for each in node.args]
        if node.keywords or not given or UNKNOWN in given:
            return UNKNOWN
        if name in ("pathlib.Path", "Path") and all(isinstance(each, str) for each in given):
            return os.path.join(*given)
        if name in ("list", "tuple", "set", "sorted") and isinstance(given[0], (list, dict)):
            return [*given[0]]
        if name == "range" and all(isinstance(each, int) for each in given) and len(given) <= 3:
            span = range(*given) if 0 not in given[2:] else range(0)
            return [*span] if len(span) <= 1000 else UNKNOWN
        return UNKNOWN

    def members(self, name: str) -> dict[str, Any]:
        """Of an Enum: name -> value."""
        node = self.classes.get(name)
        if node is None or not any(
            self.dotted(base).rpartition(".")[2].endswith("Enum") for base in node.bases
        ):
            return {}
        found = {}
        for each in node.body:
            if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
                found[each.targets[0].id] = self.value(each.value)
        return found

    def elsewhere(self, dotted: str) -> tuple[Module, str] | None:
        """The module beside this one that has a name imported from there, and the name in it."""
        module, _, name = dotted.rpartition(".")
        found = self.sibling(module.lstrip(".")) if module else None
        return (found, name) if found else None

    def sibling(self, module: str) -> Module | None:
        if module not in self._siblings:
            path = os.path.join(self.directory, *module.split("."))
            files = (f"{path}.py", os.path.join(path, "__init__.py"))
            there = next((file for file in files if self.directory and os.path.isfile(file)), "")
            self._siblings[module] = read_module(there, self.directory) if there else None
        return self._siblings[module]


def read_module(path: str, directory: str = "") -> Module | None:
    """None for what is not Python 3."""
    try:
        with open_text(path) as file:
            return Module(file.read(), directory or os.path.dirname(path))
    except (SyntaxError, ValueError, OSError, RecursionError):
        return None


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module or ''}.{alias.name}".lstrip(".")


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names that the module binds once, and changes nowhere."""
    stores: dict[str, int] = {}
    changed = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            stores[node.id] = stores.get(node.id, 0) + 1
        elif isinstance(node, ast.Attribute) and node.attr in CHANGES and isinstance(node.value, ast.Name):
            changed.add(node.value.id)
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            changed.update(name.id for name in [node.value] if isinstance(name, ast.Name))
    for statement in tree.body:
        target: ast.expr | None = None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign):
            target = statement.target
        value = getattr(statement, "value", None)
        if (
            isinstance(target, ast.Name)
            and value is not None
            and stores.get(target.id) == 1
            and target.id not in changed
        ):
            yield target.id, value


def is_guard(node: ast.AST) -> bool:
    """`if __name__ == "__main__":`"""
    return isinstance(node, ast.If) and any(
        isinstance(each, ast.Name) and each.id == "__name__" for each in ast.walk(node.test)
    )


def keywords(node: ast.Call) -> dict[str, ast.expr]:
    return {word.arg: word.value for word in node.keywords if word.arg}
