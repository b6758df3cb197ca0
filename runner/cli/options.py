"""Options declared once as a table, read by two parsers: a quick one for the usual line, Typer for everything else.

Importing Typer costs 50 ms, more than the whole of a warm `proj run`. So a command on the warm path declares its
options here-style; `quick` reads a line that holds nothing but known options, and gives up (None) on anything
else: help, a mistake, an abbreviation. Then Typer, fed from the same table, reads it or explains it. A test runs
both over a corpus of lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = ["Found", "Option", "find", "quick", "typer_command"]

HELP = ("-h", "--help")


class Option(NamedTuple):
    """An option or, when its only name has no dash, a positional argument."""

    field: str
    names: tuple[str, ...]
    help: str
    kind: str = "text"  # text, flag, many (may be given again), int, float
    default: Any = ""
    metavar: str = ""
    panel: str = ""
    complete: str = ""  # "module:function" for shell completion

    @property
    def positional(self) -> bool:
        return not self.names[0].startswith("-")


class Found(NamedTuple):
    """The command that a line names, and what follows its name."""

    options: Sequence[Option]
    function: Callable[[dict[str, Any]], int]
    words: Sequence[str]


def find(module: Any, words: Sequence[str]) -> Found | None:
    """In a module with OPTIONS and `command`, or with GROUP: name -> (options, function). None: left to Typer.

    DEFAULT of a group is what its name alone means.
    """
    if hasattr(module, "OPTIONS"):
        return Found(module.OPTIONS, module.command, words)
    group = getattr(module, "GROUP", {})
    if hasattr(module, "DEFAULT") and (not words or (words[0].startswith("-") and words[0] not in HELP)):
        words = [module.DEFAULT, *words]
    if words and words[0] in group:
        options, function = group[words[0]]
        return Found(options, function, words[1:])
    return None


def quick(table: Sequence[Option], argv: Sequence[str]) -> dict[str, Any] | None:
    """Values by field, `extra` for what follows `--`; None when the line is not plain."""
    options = {name: option for option in table for name in option.names if not option.positional}
    positionals = [option for option in table if option.positional]
    values: dict[str, Any] = {
        option.field: [] if option.kind == "many" else option.default for option in table
    }
    words = list(argv)
    extra: list[str] = []
    if "--" in words:
        at = words.index("--")
        words, extra = words[:at], words[at + 1 :]
    index, taken = 0, 0
    while index < len(words):
        word = words[index]
        index += 1
        if not word.startswith("-") or word == "-":
            if taken >= len(positionals):
                if not positionals or positionals[-1].kind != "many":
                    return None
                values[positionals[-1].field].append(word)
                continue
            option = positionals[taken]
            if option.kind == "many":
                values[option.field].append(word)
            else:
                values[option.field] = word
                taken += 1
            continue
        name, has_value, value = _split(word, options)
        found = options.get(name)
        if found is None:
            return None
        if found.kind == "flag":
            if has_value:
                return None
            values[found.field] = True
            continue
        if not has_value:
            if index >= len(words) or words[index].startswith("-"):
                return None
            value = words[index]
            index += 1
        if not _put(values, found, value):
            return None
    values["extra"] = extra
    for option in positionals:
        if option.default is None and values[option.field] is None:
            return None
    return values


def _split(word: str, options: dict[str, Option]) -> tuple[str, bool, str]:
    if word.startswith("--"):
        name, has_value, value = word.partition("=")
        return name, bool(has_value), value
    if word in options:
        return word, False, ""
    return word[:2], True, word[2:]


def _put(values: dict[str, Any], option: Option, text: str) -> bool:
    if option.kind == "many":
        values[option.field].append(text)
        return True
    try:
        values[option.field] = {"int": int, "float": float}.get(option.kind, str)(text)
    except ValueError:
        return False
    return True


def typer_command(table: Sequence[Option], function: Callable[[dict[str, Any]], int]) -> Callable[..., None]:
    """A function with the signature that Typer needs, which hands the values to `function`.

    What follows `--` on the line was taken off before Typer saw it and waits in the context's `obj`.
    """
    import inspect

    import typer

    def command(**values: Any) -> None:
        context = values.pop("context")
        given = {key: list(value or ()) if key in many else value for key, value in values.items()}
        extra = list(context.obj.get("extra", ())) if isinstance(context.obj, dict) else []
        raise typer.Exit(function({**given, "extra": extra}))

    many = {option.field for option in table if option.kind == "many"}
    kinds: dict[str, Any] = {"text": str, "flag": bool, "many": list[str], "int": int, "float": float}
    parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for option in table:
        settings: dict[str, Any] = {"help": option.help, "metavar": option.metavar or None}
        if option.complete:
            settings["autocompletion"] = _completer(option.complete)
        if option.positional:
            declared = typer.Argument(None if option.kind == "many" else option.default, **settings)
        else:
            default = None if option.kind == "many" else (False if option.kind == "flag" else option.default)
            settings["show_default"] = bool(option.default)
            if option.panel:
                settings["rich_help_panel"] = option.panel
            declared = typer.Option(default, *option.names, **settings)
        if option.positional and option.default is None:
            declared = typer.Argument(..., **settings)
        parameters.append(
            inspect.Parameter(
                option.field, inspect.Parameter.KEYWORD_ONLY, default=declared, annotation=kinds[option.kind]
            )
        )
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = function.__doc__
    return command


def _completer(name: str) -> Callable[..., Any]:
    """Imports the completing function only when the shell asks."""

    def complete(ctx: Any, incomplete: str) -> Any:
        module, _, attribute = name.partition(":")
        import importlib

        return getattr(importlib.import_module(module), attribute)(ctx, incomplete)

    import typer

    complete.__annotations__ = {"ctx": typer.Context, "incomplete": str}
    return complete
