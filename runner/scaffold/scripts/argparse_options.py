"""The options of a script that uses argparse."""

from __future__ import annotations

import ast
from collections.abc import Sequence
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
from runner.scaffold.scripts.syntax import UNKNOWN, Module, keywords
from runner.scaffold.scripts.walk import Argument, Parser, Walk

__all__ = ["commands", "parser_of"]

SEVERAL = ("*", "+")


def parser_of(module: Module, start: str = "", acts: bool = True) -> tuple[Parser | None, list[str]]:
    """The one that reads the command line, from the module's first line or its function `start`; and notes.

    `acts`: the module does something when it is run, so a parser that nothing seems to reach may be its own.
    """
    walk = Walk(module)
    if start:
        walk.function(module.functions[start], module)
    else:
        walk.top()
    found = [parser for parser in walk.parsers if not parser.inner]
    found = [parser for parser in found if parser.used] or found
    if not found and acts and not start:
        found = _not_reached(module)
    if len(found) > 1:
        return None, [
            "it has several argparse parsers, and which one is used is not clear: pass its options after --"
        ]
    return (found[0] if found else None), []


def _not_reached(module: Module) -> list[Parser]:
    """Of methods, or functions that something unknown calls: only where there is no choice."""
    made = [node for node in ast.walk(module.tree) if module.called(node) == "argparse.ArgumentParser"]
    walk = Walk(module)
    for node in ast.walk(module.tree) if len(made) == 1 else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and made[0] in ast.walk(node):
            walk.function(node, module)
    return walk.parsers[:1]


def commands(parser: Parser, notes: list[str]) -> tuple[Command, ...]:
    return tuple(_commands(parser, "", (), notes))


def _commands(parser: Parser, word: str, before: tuple[Part, ...], notes: list[str]) -> list[Command]:
    notes += parser.notes
    options = _options(parser, notes)
    below = parser.subparsers
    if below is None:
        return [Command((*before, Part(word, tuple(options))), described(parser.description))]
    kept = [option for option in options if option.style != "list"]
    for option in options:
        if option not in kept:
            notes.append(f"{option.flag or option.name}, before a subcommand, {LEFT}")
    path = (*before, Part(word, tuple(kept)))
    if below.unknown:
        notes.append("subcommands whose names are computed are left out: pass them after --")
    made = [] if below.parsers else [Command(path, described(parser.description))]
    seen: set[int] = set()
    for name, inner in below.parsers.items():
        if id(inner) not in seen:
            seen.add(id(inner))
            made += _commands(inner, name, path, notes)
    return made


def _options(parser: Parser, notes: list[str]) -> list[Option]:
    read = (_option(argument, parser, notes) for argument in parser.arguments)
    found = list(without_gaps((option for option in read if option is not None), notes))
    for group in {id(each.group): each.group for each in parser.arguments if each.group}.values():
        if group.required:
            names = ", ".join(
                _flags(each)[0] for each in parser.arguments if each.group is group and _flags(each)
            )
            notes.append(f"one of {names} has to be given")
    return found


def _flags(argument: Argument) -> list[str]:
    values = [argument.module.value(arg) for arg in argument.call.args]
    return [value for value in values if isinstance(value, str)]


def _option(argument: Argument, parser: Parser, notes: list[str]) -> Option | None:
    module, given, flags = argument.module, keywords(argument.call), _flags(argument)
    clear = len(flags) == len(argument.call.args) and len(given) == len(argument.call.keywords)
    if not flags or not clear:
        notes.append(f"an option whose name or settings are computed {LEFT}")
        return None
    flag = next((each for each in flags if each.startswith("--")), flags[0])
    action = module.value(given.get("action", ast.Constant("store")))
    if module.dotted(given.get("action")) == "argparse.BooleanOptionalAction":
        action = "switch"
    if action in ("help", "version"):
        return None
    if not argument.sure:
        notes.append(f"{flag} is there under a condition only, and {LEFT}")
        return None
    dest = module.value(given.get("dest"))
    name = dest if isinstance(dest, str) else flag.lstrip("-").replace("-", "_")
    text = module.value(given.get("help"))
    option = Option(name, flag if flag.startswith("-") else "", help=text if isinstance(text, str) else "")
    if action in ("store_true", "store_false", "switch"):
        return sound(_switch(option, action, module.value(given.get("default"))))
    if action not in ("store", None, "append", "extend") or module.value(given.get("nargs")) in (
        "...",
        "A...",
    ):
        notes.append(f"{flag} {LEFT}")
        return None
    made = _with_value(option, action, argument)
    if argument.group is not None or name in parser.overridden:
        made = made and without_default(made)
    if made is None:
        notes.append(f"{flag} {LEFT}")
    return made


def _switch(option: Option, action: str, default: object) -> Option:
    name = option.flag.lstrip("-").replace("-", "_")
    option = option._replace(name=name, style="switch", default=False, help=described(option.help))
    if action == "switch" and isinstance(default, bool):
        return option._replace(default=default, off="--no-" + option.flag[2:])
    return option


def _with_value(option: Option, action: str | None, argument: Argument) -> Option | None:
    module, given = argument.module, keywords(argument.call)
    kind, choices = _type(module, given.get("type")), _choices(module.value(given.get("choices")))
    nargs, default = module.value(given.get("nargs")), module.value(given.get("default"))
    if choices and not _fits(kind, choices):
        if kind in ("string", "int", "float"):
            return None  # no text that is given can be one of them
        choices = []
    positional = not option.flag
    required = module.value(given.get("required")) is True
    if positional:
        required = nargs not in ("?", *SEVERAL) or (nargs == "+")
    shown = None if default is UNKNOWN else default
    kept = default is not UNKNOWN and default is not None and default != "==SUPPRESS=="
    option = option._replace(
        type=kind if kind in ("int", "float") else "string",
        required=required,
        choices=tuple(choices),
        help=described(option.help, shown),
        secret=kind in ("string", "custom") and is_secret(option.name),
    )
    several = nargs in SEVERAL or isinstance(nargs, int)
    if action == "append" or several:
        if action == "append" and several:
            return None
        option = option._replace(style="repeat" if action == "append" else "list")
        text = _list(kind, default) if kept and action is not None and action == "store" else None
        return sound(option._replace(default=text, has_default=text is not None))
    if action == "extend":
        option = option._replace(style="repeat")
        return sound(option)
    keeps = (
        kept
        and not (positional and nargs is UNKNOWN)
        and (isinstance(default, str) or _fits(kind, [default]))
    )
    return sound(option._replace(default=default if keeps else None, has_default=keeps))


def _type(module: Module, node: ast.expr | None) -> str:
    """int, float, string; "custom" for what else makes a value of the text, as a FileType (which may be -)."""
    if node is None:
        return "string"
    name = module.dotted(node)
    if name in ("int", "float"):
        return name
    if name == "str":
        return "string"
    return "custom"


def _fits(kind: str, values: Sequence[Any]) -> bool:
    """Whether the parser makes of their texts the same values again."""
    kinds: dict[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (int, float),
        "string": (str,),
    }
    allowed = kinds.get(kind, ())
    return all(isinstance(each, allowed) and not isinstance(each, bool) for each in values)


def _choices(value: object) -> list[Any]:
    found = [*value] if isinstance(value, (list, tuple, set, dict)) else []
    return found if all(isinstance(each, (str, int, float)) for each in found) and len(found) <= 50 else []


def _list(kind: str, default: object) -> str | None:
    if not isinstance(default, (list, tuple)) or not default or not _fits(kind, default):
        return None
    return list_text(default)
