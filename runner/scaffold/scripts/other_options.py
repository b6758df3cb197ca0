"""Scripts that read their command line with fire or hydra, or as `sys.argv` itself."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from typing import Any

from runner.scaffold.scripts.option import (
    LEFT,
    Command,
    Option,
    Part,
    described,
    is_secret,
    sound,
)
from runner.scaffold.scripts.syntax import UNKNOWN, Function, Module, keywords

__all__ = ["arguments", "fire", "hydra"]

EXPONENT = re.compile(r"[-+]?\d[\d_]*(\.[\d_]*)?[eE][-+]?\d+$")
WORD = re.compile(r"[A-Za-z_./][\w./]*")  # what fire and hydra take for the same text


def fire(module: Module, notes: list[str]) -> tuple[Command, ...] | None:
    """None when there is no `fire.Fire(...)`."""
    calls = [call for name, call in module.calls() if name == "fire.Fire"]
    if not calls:
        return None
    call = calls[0]
    target = call.args[0] if call.args else keywords(call).get("component")
    if target is None:
        functions = {name: node for name, node in module.functions.items() if not name.startswith("_")}
        return tuple(_fired((Part("", ()),), name, node, notes) for name, node in functions.items())
    if isinstance(target, ast.Dict):
        made = []
        for key, value in zip(target.keys, target.values):  # noqa: B905
            word, function = module.value(key), module.functions.get(module.dotted(value))
            if isinstance(word, str) and function is not None:
                made.append(_fired((Part("", ()),), word, function, notes))
            else:
                notes.append(f"a command of fire.Fire {LEFT}")
        return tuple(made)
    name = module.dotted(target)
    if name in module.functions:
        return (_fired((), "", module.functions[name], notes),)
    if name in module.classes:
        return tuple(_of_class(module.classes[name], notes))
    notes.append("what fire.Fire gets is not known: pass its options after --")
    return (Command((Part("", ()),)),)


def _of_class(node: ast.ClassDef, notes: list[str]) -> Iterator[Command]:
    methods = [each for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))]
    first = next((each for each in methods if each.name == "__init__"), None)
    before = Part("", tuple(_parameters(first, notes, method=True)) if first else ())
    for method in methods:
        if not method.name.startswith("_"):
            yield _fired((before,), method.name, method, notes, method=True)


def _fired(
    before: tuple[Part, ...], word: str, function: Function, notes: list[str], method: bool = False
) -> Command:
    text = (ast.get_docstring(function) or "").strip().partition("\n")[0]
    return Command((*before, Part(word, tuple(_parameters(function, notes, method)))), described(text))


def _parameters(function: Function, notes: list[str], method: bool = False) -> Iterator[Option]:
    """fire takes each as `--name=value`, and reads the value as Python would, where it can."""
    given = [*function.args.posonlyargs, *function.args.args]
    defaults: list[ast.expr | None] = [None] * (len(given) - len(function.args.defaults))
    pairs = [*zip(given, (*defaults, *function.args.defaults))][1 if method else 0 :]  # noqa: B905
    pairs += zip(function.args.kwonlyargs, function.args.kw_defaults)  # noqa: B905
    if function.args.vararg or function.args.kwarg:
        notes.append(f"what {function.name} takes besides {LEFT}")
    for argument, default in pairs:
        kind = argument.annotation.id if isinstance(argument.annotation, ast.Name) else ""
        value = Module("").value(default)
        plain = _plain(value)
        if isinstance(value, bool):
            option = Option(argument.arg, choices=("True", "False"), default=str(value), has_default=True)
        else:
            kinds = {int: "int", float: "float"}
            guessed = (
                kinds.get(type(value), "string") if plain else kind if kind in ("int", "float") else "string"
            )
            # a text for a number is a mistake, but 1e-3 is a float for fire too
            option = Option(argument.arg, type=guessed, default=value if plain else None, has_default=plain)
        secret = option.type == "string" and not option.choices and is_secret(option.name)
        option = option._replace(secret=secret, required=default is None)
        yield sound(option._replace(flag=f"--{argument.arg}"))


def _plain(value: object) -> bool:
    """Whether the library makes the same value of its text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return True
    return isinstance(value, str) and bool(WORD.fullmatch(value)) and value not in ("None", "True", "False")


def hydra(module: Module, notes: list[str]) -> tuple[Command, ...] | None:
    """None when there is no `@hydra.main`. Its parameters are the plain values of the configuration."""
    for function in module.functions.values():
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and module.called(decorator) == "hydra.main":
                options = tuple(_of_configuration(module, keywords(decorator), notes))
                return (Command((Part("", options),), described(ast.get_docstring(function) or "")),)
    return None


def _of_configuration(module: Module, given: dict[str, ast.expr], notes: list[str]) -> Iterator[Option]:
    import yaml

    class Loader(yaml.SafeLoader):
        """As hydra reads it: 1e-4 is a number."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+0123456789"))
    folder, name = module.value(given.get("config_path")), module.value(given.get("config_name"))
    file = os.path.join(module.directory, folder if isinstance(folder, str) else ".", f"{name}")
    file += "" if file.endswith((".yaml", ".yml")) else ".yaml"
    try:
        with open(file, encoding="utf-8") as opened:
            settings = yaml.load(opened, Loader)  # noqa: S506 - it is a SafeLoader
    except (OSError, ValueError, yaml.YAMLError):
        notes.append("its configuration of hydra is not there to read: pass overrides after --")
        return
    if isinstance(settings, dict) and "defaults" in settings:
        notes.append("values of hydra's other configuration files are left out: pass overrides after --")
    yield from _settings(settings, "")


def _settings(settings: object, before: str) -> Iterator[Option]:
    for key, value in settings.items() if isinstance(settings, dict) else ():
        path = f"{before}{key}"
        if path in ("defaults", "hydra") or not re.fullmatch(r"[A-Za-z_][\w.]*", path):
            continue
        if isinstance(value, dict):
            yield from _settings(value, f"{path}.")
        elif value is None or isinstance(value, (str, int, float)):
            yield sound(_setting(path, value)._replace(secret=value is None and is_secret(str(key))))


def _setting(path: str, value: str | float | None) -> Option:
    kind = {bool: "bool", int: "int", float: "float"}.get(type(value), "string")
    if not isinstance(value, str):
        plain = isinstance(value, bool) or _plain(value)
        return Option(path, path, kind, value if plain else None, plain)
    if value == "???":
        return Option(path, path, kind, required=True)
    # between quotes, for without them a,b is two jobs, 7 a number and null nothing
    plain = not re.search(r"['\\\n]|\$\{", value)
    return Option(path, path, kind, value if plain else None, plain, quotes="'")


def arguments(module: Module, notes: list[str]) -> tuple[Option, ...]:
    """`sys.argv[1]` and so on, named by the variables that they are kept in."""
    reader = _Arguments(module)
    reader.visit(module.tree)
    if reader.otherwise:
        notes.append("it reads sys.argv as a whole: pass its other arguments after --")
    options: list[Option] = []
    for number in range(1, max(reader.found, default=0) + 1):
        option = reader.found.get(number, Option(f"argument_{number}", required=True))
        if options and not options[-1].required and not options[-1].has_default:
            notes.append(f"the argument {option.name} {LEFT}: it can only follow the one before it")
            break
        if any(each.name == option.name for each in options):
            option = option._replace(name=f"{option.name}_{number}")
        options.append(sound(option))
    return tuple(options)


class _Arguments(ast.NodeVisitor):
    def __init__(self, module: Module) -> None:
        self.module = module
        self.found: dict[int, Option] = {}
        self.otherwise = False
        self.sure = True

    def visit_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = [*zip(target.elts, node.value.elts)]  # noqa: B905
        for name, value in pairs:
            self.kept(name.id if isinstance(name, ast.Name) else "", value)

    def kept(self, name: str, value: ast.expr) -> None:
        """`n = int(sys.argv[1])`, `n = sys.argv[1] if len(sys.argv) > 1 else 3`"""
        default: Any = UNKNOWN
        optional = isinstance(value, ast.IfExp)
        if isinstance(value, ast.IfExp):
            default, value = self.module.value(value.orelse), value.body
        kind = self.module.called(value)
        inner = value.args[0] if isinstance(value, ast.Call) and len(value.args) == 1 else value
        number = self.number(inner)
        if number is None:
            self.generic_visit(value)
            return
        kind = kind if kind in ("int", "float") else "string"
        kept = isinstance(default, {"int": int, "float": (int, float)}.get(kind, str))  # type: ignore[arg-type]
        option = Option(name or f"argument_{number}", type=kind, required=self.sure and not optional)
        option = option._replace(default=default if kept else None, has_default=kept)
        self.found.setdefault(number, option)

    def number(self, node: ast.AST) -> int | None:
        if isinstance(node, ast.Subscript) and self.module.dotted(node.value) == "sys.argv":
            value = self.module.value(node.slice)
            return value if isinstance(value, int) and value > 0 else None
        return None

    def visit_If(self, node: ast.If) -> None:
        """What is read under a condition on the number of arguments, may be missing."""
        counted = "sys.argv" in {self.module.dotted(each) for each in ast.walk(node.test)}
        outer = self.sure
        self.sure = outer and not counted
        for each in node.body:
            self.visit(each)
        self.sure = outer
        for other in node.orelse:
            self.visit(other)

    def visit_Try(self, node: ast.Try) -> None:
        outer = self.sure
        self.sure = False  # an IndexError is caught
        for each in node.body:
            self.visit(each)
        self.sure = outer
        for other in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(other)

    def visit_Call(self, node: ast.Call) -> None:
        if self.module.called(node) != "len":
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        number = self.number(node)
        if number is not None:
            self.found.setdefault(number, Option(f"argument_{number}", required=self.sure))
        elif self.module.dotted(node.value) == "sys.argv":
            self.otherwise = self.otherwise or self.module.value(node.slice) != 0
        else:
            self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self.module.dotted(node) == "sys.argv":
            self.otherwise = True
        self.generic_visit(node)
