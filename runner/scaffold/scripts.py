"""The options of a Python script, read from its text: argparse, click and typer. Nothing of it is run."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

__all__ = ["Option", "Script", "read"]

TYPES = {"int": "int", "float": "float", "str": "string", "Path": "path", "bool": "bool"}


class Option(NamedTuple):
    name: str  # of the parameter
    flag: str  # as it is written on the command line; "" for a positional argument
    type: str = ""
    default: object = None
    has_default: bool = False
    help: str = ""
    choices: tuple[Any, ...] = ()


class Script(NamedTuple):
    """What was found. `runnable`: it has a main guard or reads its command line."""

    options: tuple[Option, ...]
    runnable: bool
    description: str
    switches: tuple[str, ...] = ()  # options without a value, which an MLproject command cannot leave out


def read(text: str) -> Script:
    """SyntaxError when it is not Python 3."""
    tree = ast.parse(text)
    options: dict[str, Option] = {}
    switches: list[str] = []
    reads = False
    for node in ast.walk(tree):
        found: Option | str | None = None
        if isinstance(node, ast.Call) and _called(node) == "add_argument":
            found = _argparse(node)
        elif isinstance(node, ast.Call) and _owner(node) == "click":
            found = _click(node) if _called(node) in ("option", "argument") else None
        elif isinstance(node, ast.FunctionDef) and _is_typer(node, tree):
            reads = True
            for each in _typer(node):
                options.setdefault(each.name, each)
        if isinstance(found, str):
            switches.append(found)
        elif found is not None:
            options.setdefault(found.name, found)
        reads = reads or found is not None
    guarded = any(isinstance(node, ast.If) and "__main__" in ast.dump(node.test) for node in tree.body)
    description = (ast.get_docstring(tree) or "").strip().partition("\n")[0]
    return Script(tuple(options.values()), reads or guarded, description, tuple(switches))


def _argparse(node: ast.Call) -> Option | str | None:
    flags, given = _flags(node), _keywords(node)
    if not flags:
        return None
    flag = next((each for each in flags if each.startswith("--")), flags[0])
    if _literal(given.get("action"), "store") not in ("store", None):
        return flag
    if not flag.startswith("-"):
        return _option(flag, "", given, given.get("type"))
    name = _literal(given.get("dest"), None) or flag.lstrip("-").replace("-", "_")
    return _option(str(name), flag, given, given.get("type"))


def _click(node: ast.Call) -> Option | str | None:
    flags, given = _flags(node), _keywords(node)
    if not flags:
        return None
    if _called(node) == "argument":
        return _option(flags[0], "", given, given.get("type"))
    flag = next((each for each in flags if each.startswith("--")), flags[0])
    if "/" in flag or _literal(given.get("is_flag"), False):
        return flag.partition("/")[0]
    kind = given.get("type")
    if isinstance(kind, ast.Call) and _called(kind) == "Choice" and kind.args:
        given["choices"], kind = kind.args[0], None
    name = next((each for each in flags if not each.startswith("-")), flag.lstrip("-").replace("-", "_"))
    return _option(name, flag, given, kind)


def _flags(node: ast.Call) -> list[str]:
    return [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]


def _keywords(node: ast.Call) -> dict[str, ast.expr]:
    return {word.arg: word.value for word in node.keywords if word.arg}


def _option(name: str, flag: str, given: dict[str, ast.expr], kind: ast.expr | None) -> Option:
    nothing = object()
    default = _literal(given.get("default"), nothing)
    has_default = default is not nothing and default is not None
    choices = _literal(given.get("choices"), ())
    text = _literal(given.get("help"), "")
    return Option(
        name,
        flag,
        _type(kind) or (_type_of(default) if has_default else ""),
        default if has_default else None,
        has_default,
        text if isinstance(text, str) else "",
        tuple(choices) if isinstance(choices, (list, tuple)) else (),
    )


def _typer(function: ast.FunctionDef) -> list[Option]:
    """Of a command function, in the forms `lr: float = 0.1`, `lr: float = typer.Option(0.1)`, `lr: Annotated[...]`."""
    arguments = function.args.args
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(function.args.defaults))
    defaults += function.args.defaults
    found = []
    for argument, default in zip(arguments, defaults, strict=True):
        kind, call = argument.annotation, None
        if (
            isinstance(kind, ast.Subscript)
            and _word(kind.value) == "Annotated"
            and isinstance(kind.slice, ast.Tuple)
        ):
            call = next((each for each in kind.slice.elts if isinstance(each, ast.Call)), None)
            kind = kind.slice.elts[0]
        if isinstance(default, ast.Call) and _called(default) in ("Option", "Argument"):
            call, default = default, default.args[0] if default.args else None
        if _word(kind) in ("bool", "Context"):
            continue
        given = _keywords(call) if call else {}
        required = isinstance(default, ast.Constant) and default.value is ...
        if default is not None and not required:
            given["default"] = default
        positional = (call is not None and _called(call) == "Argument") or (call is None and default is None)
        flag = "" if positional else "--" + argument.arg.replace("_", "-")
        found.append(_option(argument.arg, flag, given, kind))
    return found


def _is_typer(function: ast.FunctionDef, tree: ast.Module) -> bool:
    for decorator in function.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(call, ast.Attribute) and call.attr == "command" and _imports(tree, "typer"):
            return True
    return any(
        isinstance(node, ast.Call)
        and _called(node) == "run"
        and _owner(node) == "typer"
        and node.args
        and _word(node.args[0]) == function.name
        for node in ast.walk(tree)
    )


def _imports(tree: ast.Module, name: str) -> bool:
    return any(
        (isinstance(node, ast.Import) and any(alias.name == name for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == name)
        for node in ast.walk(tree)
    )


def _called(node: ast.Call) -> str:
    return _word(node.func)


def _owner(node: ast.Call) -> str:
    return _word(node.func.value) if isinstance(node.func, ast.Attribute) else ""


def _word(node: ast.AST | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _type(node: ast.expr | None) -> str:
    return TYPES.get(_word(node), {"INT": "int", "FLOAT": "float", "STRING": "string"}.get(_word(node), ""))


def _type_of(value: object) -> str:
    return {bool: "bool", int: "int", float: "float", str: "string"}.get(type(value), "")


def _literal(node: ast.expr | None, otherwise: object) -> Any:
    if node is None:
        return otherwise
    try:
        return ast.literal_eval(node)
    except ValueError:
        return otherwise
