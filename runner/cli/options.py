"""Command lines declared as tables, and the quick reader of them.

Importing Typer costs 50 ms, more than the whole of a warm `proj run`. So `quick` reads a line that holds nothing but
known options, and gives up (None) on anything else: help, a mistake, an abbreviation. Then Typer, whose commands
cli/application.py makes from the same tables, reads it or explains it. A test runs both over a corpus of lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from runner.errors import InputError
from runner.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["Command", "Group", "Option", "Value", "find", "pairs", "passed_on", "quick"]

Value: TypeAlias = "str | bool | int | float | tuple[str, ...] | None"


class Option(NamedTuple):
    """An option or, when it has no names, a positional argument."""

    field: str  # the parameter of the command's function
    names: tuple[str, ...]
    help: str = ""
    kind: str = "text"  # text, flag, many (may be given again: a tuple), int, float
    default: str | int | float | None = ""  # None: a positional argument that must be given
    metavar: str = ""
    complete: str = ""  # function of cli/complete.py

    @property
    def absent(self) -> Value:
        """The value when it is not given."""
        return False if self.kind == "flag" else () if self.kind == "many" else self.default


class Command(NamedTuple):
    """A function with one parameter for each option; it returns the exit code, and its docstring is the help."""

    function: Callable[..., int]
    options: tuple[Option, ...] = ()
    passes_on: bool = False  # what follows `--` is its parameter `extra`
    groups: Mapping[str, Sequence[str]] = {}  # heading of the help -> fields of options
    ends_early: bool = (
        False  # its first argument that is no option begins what is passed on, without a `--` too
    )

    def call(self, values: Mapping[str, Value], extra: Sequence[str]) -> int:
        """InputError when something follows `--` that is not passed on."""
        if self.passes_on:
            return self.function(**values, extra=tuple(extra))
        if extra:
            raise InputError(f"nothing can follow -- here: {' '.join(extra)}")
        return self.function(**values)


class Group(NamedTuple):
    """Commands that are named after it on the line: `proj env ls`."""

    help: str
    commands: Mapping[str, Command | Group]
    alone: Command | None = None  # what the name of the group means without that of a command


def find(entry: Command | Group, words: Sequence[str]) -> tuple[Command, Sequence[str]] | None:
    """The command that the words name and the words behind its name; None is left to Typer."""
    while isinstance(entry, Group):
        if words and words[0] in entry.commands:
            entry, words = entry.commands[words[0]], words[1:]
        elif entry.alone and not (words and not words[0].startswith("-")):
            return entry.alone, words
        else:
            return None
    return entry, words


def passed_on(options: Sequence[Option], words: Sequence[str]) -> int:
    """Where the first word stands that is neither an option nor the value of one: what begins there is passed on."""
    named = {name: option for option in options for name in option.names}
    place = 0
    while place < len(words) and words[place].startswith("-"):
        name, assigned, _ = _split(words[place], named)
        place += 1 if assigned or name not in named or named[name].kind == "flag" else 2
    return min(place, len(words))


def quick(options: Sequence[Option], words: Sequence[str]) -> dict[str, Value] | None:
    """Values by field; None when the line is not plain."""
    named = {name: option for option in options for name in option.names}
    positional = [option for option in options if not option.names]
    values = {option.field: option.absent for option in options}
    rest = iter(words)
    for word in rest:
        if word == "-" or not word.startswith("-"):
            if not positional:
                return None
            option, text = positional[0], word
            if option.kind != "many":
                del positional[0]
        else:
            name, assigned, text = _split(word, named)
            found = named.get(name)
            if found is None or (found.kind == "flag" and assigned):
                return None
            option = found
            if option.kind != "flag" and not assigned:
                text = next(rest, "-")
                if text.startswith("-"):
                    return None
        try:
            values[option.field] = _read(option.kind, text, values[option.field])
        except ValueError:
            return None
    return None if any(option.default is None for option in positional) else values


def _split(word: str, named: Mapping[str, Option]) -> tuple[str, bool, str]:
    """(name, whether a value is attached to it, value) of --name=value and -nvalue."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, bool(equals), value
    return (word, False, "") if word in named else (word[:2], True, word[2:])


def _read(kind: str, text: str, before: Value) -> Value:
    if kind == "many":
        return (*before, text) if isinstance(before, tuple) else (text,)
    return (
        True if kind == "flag" else int(text) if kind == "int" else float(text) if kind == "float" else text
    )


def pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Of NAME=VALUE; a name may not be empty, a value may contain `=`."""
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InputError(f"{text!r} is not NAME=VALUE")
        found.append((name, value))
    return found
