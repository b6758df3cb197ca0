"""The options and subcommands of a script that uses click (or rich_click)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from runner.scaffold.scripts.option import (
    LEFT,
    Command,
    Option,
    Part,
    described,
    is_secret,
    list_text,
    sound,
    without_default,
    without_gaps,
)
from runner.scaffold.scripts.syntax import UNKNOWN, Function, Module, keywords

__all__ = ["Click", "ranged"]

LIBRARIES = ("click", "rich_click", "asyncclick")
SUFFIXES = ("_command", "_cmd", "_group", "_grp")  # that newer versions of click take off
TYPES = {"INT": "int", "FLOAT": "float", "STRING": "string", "BOOL": "bool"}


class Node:
    """A command or a group of them."""

    def __init__(self, name: str, group: bool, function: Function | None, alone: bool = False) -> None:
        self.name = name  # "": not known
        self.group = group
        self.function = function
        self.alone = alone  # a group that does something without a subcommand
        self.children: dict[str, Node] = {}
        self.inner = False


class Click:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.notes: list[str] = []
        self.nodes: dict[str, Node] = {}  # by the name of the function or variable
        for name, function in module.functions.items():
            self._declared(name, function)
        for node in ast.walk(module.tree):
            self._added(node)

    def root(self, start: str = "") -> Node | None:
        """What the module calls, or its `start`."""
        if start:
            return self.nodes.get(start)
        called = []
        for node in ast.walk(self.module.tree):
            if isinstance(node, ast.Call):
                function = node.func
                if isinstance(function, ast.Attribute) and function.attr == "main":
                    function = function.value
                if isinstance(function, ast.Name) and function.id in self.nodes:
                    called.append(function.id)
        found = {name: self.nodes[name] for name in called if not self.nodes[name].inner}
        return next(iter(found.values())) if len(found) == 1 else None

    def commands(self, root: Node) -> tuple[Command, ...]:
        return tuple(self._commands(root, "", ()))

    def _commands(self, node: Node, word: str, before: tuple[Part, ...]) -> Iterator[Command]:
        function = node.function
        options = tuple(self._options(function)) if function else ()
        if node.group:
            options = tuple(each for each in options if each.flag)
        path = (*before, Part(word, options))
        text = (ast.get_docstring(function) or "") if function else ""
        if not node.group or node.alone:
            yield Command(path, described(text.strip().partition("\n\n")[0]))
        for name, child in node.children.items():
            if name:
                yield from self._commands(child, name, path)
            else:
                self.notes.append(f"the subcommand {child.function.name if child.function else ''} {LEFT}")

    def _declared(self, name: str, function: Function) -> None:
        for decorator in function.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            dotted = self.module.dotted(call.func if call else decorator)
            owner, _, verb = dotted.rpartition(".")
            if verb not in ("command", "group") or not (owner in LIBRARIES or owner in self.nodes):
                continue
            given = keywords(call) if call else {}
            stated = given.get("name", call.args[0] if call and call.args else None)
            text = self.module.value(stated) if stated is not None else _named(name)
            alone = self.module.value(given.get("invoke_without_command")) is True
            node = Node(text if isinstance(text, str) else "", verb == "group", function, alone)
            self.nodes[name] = node
            if owner in self.nodes:
                node.inner = True
                self.nodes[owner].children[node.name] = node

    def _added(self, node: ast.AST) -> None:
        """`cli.add_command(train, "name")`, `cli = click.Group()`"""
        if isinstance(node, ast.Assign) and self.module.called(node.value).rpartition(".")[2] == "Group":
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.nodes[target.id] = Node("", True, None)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return
        owner = self.nodes.get(self.module.dotted(node.func.value))
        if node.func.attr != "add_command" or owner is None or not node.args:
            return
        child = self.nodes.get(self.module.dotted(node.args[0]))
        if child is None:
            self.notes.append(f"a subcommand from elsewhere {LEFT}")
            return
        child.inner = True
        stated = keywords(node).get("name", node.args[1] if len(node.args) > 1 else None)
        text = self.module.value(stated) if stated is not None else child.name
        owner.children[text if isinstance(text, str) else ""] = child

    def _options(self, function: Function) -> Iterator[Option]:
        return without_gaps(self._named(function), self.notes)

    def _named(self, function: Function) -> Iterator[Option]:
        names: set[str] = set()
        for call in self._calls(function):
            option = self._option(call)
            if option is None:
                continue
            if option.name in names and option.flag:
                option = option._replace(name=option.flag.lstrip("-").replace("-", "_"))
            names.add(option.name)
            yield option

    def _calls(self, function: Function, deep: bool = True) -> Iterator[ast.Call]:
        """The calls of click.option and click.argument that decorate it, also by decorators of the module."""
        for decorator in function.decorator_list:
            name = self.module.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
            owner, _, verb = name.rpartition(".")
            if isinstance(decorator, ast.Call) and owner in LIBRARIES:
                if verb.endswith(("option", "argument")):
                    yield decorator
            elif deep and name in self.module.functions:
                for dotted, call in self.module.calls(self.module.functions[name]):
                    if dotted.rpartition(".")[0] in LIBRARIES:
                        yield call
            elif verb not in ("command", "group") and (there := self.module.elsewhere(name)):
                self.notes.append(
                    f"options that the decorator {there[1]} adds are left out: pass them after --"
                )

    def _option(self, call: ast.Call) -> Option | None:
        verb = self.module.called(call).rpartition(".")[2]
        if verb in ("version_option", "help_option") or verb not in (
            "option", "argument", "password_option", "confirmation_option",
        ):  # fmt: skip
            return None
        given = keywords(call)
        words = [self.module.value(each) for each in call.args]
        if verb == "password_option":
            words, given = words or ["--password"], {**given, "hide_input": ast.Constant(True)}
        if verb == "confirmation_option":
            words, given = words or ["--yes"], {**given, "is_flag": ast.Constant(True)}
        if (
            not words
            or not all(isinstance(each, str) for each in words)
            or None in {w.arg for w in call.keywords}
        ):
            self.notes.append(f"an option whose name or settings are computed {LEFT}")
            return None
        if verb == "argument":
            return self._finished(Option(words[0].lower().replace("-", "_")), given)
        flags = [each for each in words if each.startswith(("-", "/"))]
        flag = next((each for each in flags if each.startswith("--")), flags[0] if flags else "")
        name = next((each for each in words if not each.startswith(("-", "/"))), "")
        flag, _, off = flag.partition("/")
        flag, off = flag.strip(), off.strip()
        name = name or (flag or off).lstrip("-").replace("-", "_").lower()
        option = Option(name, flag, off=off, joint="=" if flag.startswith("--") else " ")
        if not flag or "cls" in given:
            self.notes.append(f"{flag or off or name} {LEFT}")
            return None
        return self._finished(option, given)

    def _finished(self, option: Option, given: dict[str, ast.expr]) -> Option | None:
        value = {name: self.module.value(node) for name, node in given.items()}
        text = value.get("help")
        default = value.get("default")
        option = option._replace(help=described(text if isinstance(text, str) else ""))
        if option.off or value.get("is_flag") is True or "flag_value" in value or (
            option.flag and isinstance(default, bool) and "type" not in given and value.get("is_flag") is not False
        ):  # fmt: skip
            return self._switch(option, value)
        if value.get("count"):
            self.notes.append(f"{option.flag} {LEFT}")
            return None
        option = _typed(self.module, option, given.get("type"), default)
        kept = "default" in value and default is not UNKNOWN and default is not None
        positional = not option.flag
        required = value.get("required") is True or (
            positional and value.get("required") is not False and not kept
        )
        nargs = value.get("nargs", 1)
        several = nargs != 1 or value.get("multiple") is True
        if positional and nargs == -1:
            required = value.get("required") is True
        if value.get("prompt"):
            required = not kept
        if value.get("envvar"):
            required = False
        secret = (value.get("hide_input") is True or is_secret(option.name)) and option.type == "string"
        option = option._replace(required=required, secret=secret)
        if "default" in given and not kept and default is not None:  # one that is computed
            option = without_default(option)
            kept = False
        if value.get("envvar") and kept:  # a default that is passed on would hide the variable
            kept = False
        if several or _is_tuple(self.module, given.get("type")):
            style = "repeat" if value.get("multiple") else "list"
            if style == "repeat" and nargs != 1:
                self.notes.append(f"{option.flag} {LEFT}")
                return None
            listed = list_text(default) if kept and isinstance(default, list) and default else None
            return sound(option._replace(style=style, default=listed, has_default=listed is not None))
        return sound(option._replace(default=default if kept else None, has_default=kept))

    def _switch(self, option: Option, value: dict[str, Any]) -> Option | None:
        default = value.get("default", False)
        if "flag_value" in value or not (default is None or isinstance(default, bool)):
            option = option._replace(name=option.flag.lstrip("-").replace("-", "_"), off="")
            default = False
        if (default is None and option.off) or value.get("envvar"):
            option, default = option._replace(off=""), False
        if value.get("required") is True and option.off:
            self.notes.append(f"{option.flag}{option.off and '/' + option.off} {LEFT}")
            return None
        if not option.off:
            default = False  # without an option that says no, nothing to say is the default
        return sound(option._replace(style="switch", default=bool(default), required=False))


def _named(function: str) -> str:
    """The name of a command by its function; "" where versions of click differ."""
    return "" if function.endswith(SUFFIXES) else function.lower().replace("_", "-")


def _is_tuple(module: Module, node: ast.expr | None) -> bool:
    return isinstance(node, ast.Tuple) or module.called(node or ast.Constant(0)) == "click.Tuple"


def _typed(module: Module, option: Option, node: ast.expr | None, default: object) -> Option:
    if node is None:
        guessed = {bool: "bool", int: "int", float: "float"}.get(type(default), "string")
        return option._replace(type=guessed)
    name = module.dotted(node.func if isinstance(node, ast.Call) else node).rpartition(".")[2]
    if isinstance(node, ast.Call):
        given = keywords(node)
        positional = [module.value(each) for each in node.args]
        if name == "Choice":
            values = positional[0] if positional else module.value(given.get("choices"))
            plain = isinstance(values, list) and all(isinstance(each, (str, int)) for each in values)
            return option._replace(choices=tuple(str(each) for each in values) if plain else ())
        if name in ("IntRange", "FloatRange"):
            bounds = [module.value(given.get(key)) for key in ("min", "max")]
            for place, bound in enumerate(positional[:2]):
                bounds[place] = bound
            opened = [module.value(given.get(key)) is True for key in ("min_open", "max_open")]
            clamped = module.value(given.get("clamp")) is True or (
                len(positional) > 4 and positional[4] is True
            )
            kind = "int" if name == "IntRange" else "float"
            return option._replace(type=kind) if clamped else ranged(option, kind, bounds, opened)
        if name == "Path":
            return option._replace(type="path" if module.value(given.get("exists")) is True else "string")
    kinds = {"int": "int", "float": "float", "str": "string", "bool": "bool", **TYPES}
    return option._replace(type=kinds.get(name, "string"))


def ranged(option: Option, kind: str, bounds: list[Any], opened: list[bool]) -> Option:
    """With the limits that can be stated: `min` and `max` themselves are allowed."""
    numbers: list[float | None] = []
    for bound, is_open, step in zip(bounds, opened, (1, -1)):  # noqa: B905
        number = bound if isinstance(bound, (int, float)) and not isinstance(bound, bool) else None
        if number is not None and is_open:
            number = number + step if kind == "int" else None
        numbers.append(number)
    return option._replace(type=kind, min=numbers[0], max=numbers[1])
