"""The options and subcommands of a script that uses typer: they are the parameters of its functions."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from runner.scaffold.scripts.click_options import ranged
from runner.scaffold.scripts.option import (
    LEFT,
    Command,
    Option,
    Part,
    described,
    is_secret,
    list_text,
    sound,
    without_gaps,
)
from runner.scaffold.scripts.syntax import UNKNOWN, Function, Module, keywords

__all__ = ["App", "Typer", "parameters"]

TYPES = {"int": "int", "float": "float", "str": "string", "bool": "bool"}
LISTS = ("list", "List", "typing.List", "Sequence", "typing.Sequence", "set", "Set")
TUPLES = ("tuple", "Tuple", "typing.Tuple")


class App:
    def __init__(self) -> None:
        self.commands: dict[str, Function] = {}
        self.callback: Function | None = None
        self.alone = False  # it does something without a subcommand
        self.groups: dict[str, App] = {}
        self.inner = False


class Typer:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.notes: list[str] = []
        self.apps: dict[str, App] = {}
        for node in module.tree.body:
            if isinstance(node, ast.Assign) and module.called(node.value) == "typer.Typer":
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.apps[target.id] = App()
        for function in module.functions.values():
            self._declared(function)
        for _, call in module.calls():
            self._added(call)

    def root(self, start: str = "") -> App | None:
        if start:
            return self.apps.get(start)
        found = {}
        for name, node in self.module.calls():
            if name in self.apps and not self.apps[name].inner:
                found[name] = self.apps[name]
            elif name == "typer.run" and node.args:
                function = self.module.functions.get(self.module.dotted(node.args[0]))
                if function is not None:
                    app = found.setdefault(function.name, App())
                    app.commands[""] = function
        return next(iter(found.values())) if len(found) == 1 else None

    def commands(self, root: App) -> tuple[Command, ...]:
        return tuple(self._commands(root, "", ()))

    def _commands(self, app: App, word: str, before: tuple[Part, ...]) -> Iterator[Command]:
        single = len(app.commands) == 1 and not app.groups and app.callback is None
        if single and not app.inner:  # typer makes no subcommand of it
            for function in app.commands.values():
                yield self._command((*before,), word, function)
            return
        options = tuple(parameters(self.module, app.callback, self.notes)) if app.callback else ()
        path = (*before, Part(word, tuple(each for each in options if each.flag)))
        if app.alone:
            yield Command(path)
        for name, function in app.commands.items():
            yield self._command(path, name, function)
        for name, group in app.groups.items():
            yield from self._commands(group, name, path)

    def _command(self, before: tuple[Part, ...], word: str, function: Function) -> Command:
        text = (ast.get_docstring(function) or "").strip().partition("\n\n")[0]
        part = Part(word, tuple(parameters(self.module, function, self.notes)))
        return Command((*before, part), described(text))

    def _declared(self, function: Function) -> None:
        for decorator in function.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            owner, _, verb = self.module.dotted(call.func if call else decorator).rpartition(".")
            app = self.apps.get(owner)
            if app is None:
                continue
            given = keywords(call) if call else {}
            if verb == "callback":
                app.callback = function
                app.alone = self.module.value(given.get("invoke_without_command")) is True
            elif verb == "command":
                stated = given.get("name", call.args[0] if call and call.args else None)
                name = self.module.value(stated) if stated is not None else None
                app.commands[name if isinstance(name, str) else function.name.lower().replace("_", "-")] = (
                    function
                )

    def _added(self, node: ast.Call) -> None:
        """`app.add_typer(other, name="x")`"""
        if not (isinstance(node.func, ast.Attribute) and node.args):
            return
        app, other = (self.apps.get(self.module.dotted(each)) for each in (node.func.value, node.args[0]))
        if app is None or node.func.attr != "add_typer":
            return
        name = self.module.value(keywords(node).get("name"))
        if other is None or not isinstance(name, str):
            self.notes.append(f"a group of subcommands {LEFT}")
            return
        other.inner = True
        app.groups[name] = other


def parameters(module: Module, function: Function, notes: list[str]) -> Iterator[Option]:
    """The options and arguments that typer makes of a function's parameters."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(function.args.defaults))
    pairs = [*zip(arguments, (*defaults, *function.args.defaults))]  # noqa: B905
    pairs += zip(function.args.kwonlyargs, function.args.kw_defaults)  # noqa: B905
    yield from without_gaps(_stated(module, pairs, notes), notes)


def _stated(
    module: Module, pairs: Iterable[tuple[ast.arg, ast.expr | None]], notes: list[str]
) -> Iterator[Option]:
    for argument, default in pairs:
        found = _Declared(module, argument, default)
        if found.kind.rpartition(".")[2] in ("Context", "CallbackParam"):
            continue
        option = found.option()
        if option is None:
            notes.append(f"{argument.arg} {LEFT}")
            continue
        yield option


class _Declared:
    """`lr: float = 0.1`, `lr: float = typer.Option(0.1)`, `lr: Annotated[float, typer.Option()] = 0.1`"""

    def __init__(self, module: Module, argument: ast.arg, default: ast.expr | None) -> None:
        self.module = module
        self.name = argument.arg
        self.call: ast.Call | None = None
        self.default = default
        note = _parsed(argument.annotation)
        words: list[ast.expr] = []
        if isinstance(note, ast.Subscript) and module.dotted(note.value).rpartition(".")[2] == "Annotated":
            elements = note.slice.elts if isinstance(note.slice, ast.Tuple) else [note.slice]
            note = _parsed(elements[0])
            self.call = next((each for each in elements[1:] if isinstance(each, ast.Call)), None)
            words = [*self.call.args] if self.call else []
        if isinstance(default, ast.Call) and module.called(default) in ("typer.Option", "typer.Argument"):
            self.call, words = default, default.args[1:]
            self.default = default.args[0] if default.args else keywords(default).get("default")
        if isinstance(self.default, ast.Constant) and self.default.value is ...:
            self.default = None
        self.given = keywords(self.call) if self.call else {}
        self.words = [module.value(each) for each in words]
        self.optional, self.annotation = _optional(module, note)
        node = self.annotation
        self.inside = node.slice if isinstance(node, ast.Subscript) else None
        node = node.value if isinstance(node, ast.Subscript) else node
        self.kind = module.dotted(node) or ("str" if node is None else "")

    def option(self) -> Option | None:
        value = {name: self.module.value(node) for name, node in self.given.items()}
        default = self.module.value(self.default)
        called = self.module.called(self.call) if self.call else ""
        positional = called.endswith("Argument") or (
            not called and self.default is None and not self.optional
        )
        if not all(isinstance(each, str) for each in self.words) or value.get("count") or "parser" in value:
            return None
        text = value.get("help")
        option = Option(self.name, help=described(text if isinstance(text, str) else ""))
        if not positional:
            flags = [each for each in self.words if each.startswith("-")]
            flag = next((each for each in flags if each.startswith("--")), flags[0] if flags else "")
            flag = flag or "--" + self.name.replace("_", "-")
            joint = "=" if flag.startswith("--") else " "
            option = option._replace(flag=flag, joint=joint, off=self._off(flag, bool(flags)))
            if self.kind == "bool":
                return self._switch(option, value, default)
        stated = self.default is not None or "default_factory" in value
        kept = stated and default is not UNKNOWN and default is not None and not value.get("envvar")
        required = not stated and not self.optional and not value.get("envvar")
        option = self._typed(option, value)._replace(required=required)
        if (value.get("hide_input") or is_secret(self.name)) and option.type == "string":
            option = option._replace(secret=True)
        if self.kind in (*LISTS, *TUPLES):
            several = "list" if positional or self.kind in TUPLES else "repeat"
            listed = list_text(default) if kept and isinstance(default, list) and default else None
            return sound(option._replace(style=several, default=listed, has_default=listed is not None))
        return sound(option._replace(default=default if kept else None, has_default=kept))

    def _off(self, flag: str, stated: bool) -> str:
        if self.kind != "bool":
            return ""
        if "/" in flag:
            return flag.partition("/")[2].strip()
        return "" if stated else "--no-" + flag[2:]

    def _switch(self, option: Option, value: dict[str, Any], default: object) -> Option | None:
        option = option._replace(flag=option.flag.partition("/")[0].strip(), style="switch")
        if not option.flag or (self.default is None and not self.optional and not value.get("envvar")):
            return None  # one of two options has to be given
        if not isinstance(default, bool) or not option.off or value.get("envvar"):
            return sound(option._replace(off="", default=False))
        return sound(option._replace(default=default))

    def _typed(self, option: Option, value: dict[str, Any]) -> Option:
        name = self.kind.rpartition(".")[2]
        if name in ("int", "float"):
            if value.get("clamp"):
                return option._replace(type=name)
            return ranged(option, name, [value.get("min"), value.get("max")], [False, False])
        if name == "Path":
            exists = value.get("exists") is True
            return option._replace(type="path" if exists else "string")
        if name == "Literal" and self.inside is not None:
            values = self.module.value(self.inside)
            values = values if isinstance(values, list) else [values]
            plain = all(isinstance(each, (str, int)) for each in values)
            return option._replace(choices=tuple(str(each) for each in values) if plain else ())
        if members := [*self.module.members(self.kind).values()]:
            plain = all(isinstance(each, (str, int)) for each in members)
            return option._replace(choices=tuple(str(each) for each in members) if plain else ())
        return option._replace(type=TYPES.get(name, "string"))


def _parsed(node: ast.expr | None) -> ast.expr | None:
    """An annotation that is written as a text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return None
    return node


def _optional(module: Module, node: ast.expr | None) -> tuple[bool, ast.expr | None]:
    """`Optional[X]`, `X | None`: whether it may be None, and X."""
    if isinstance(node, ast.Subscript) and module.dotted(node.value).rpartition(".")[2] == "Optional":
        return True, node.slice
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(one, ast.Constant) and one.value is None:
                return True, other
    return False, node
