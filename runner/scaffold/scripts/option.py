"""The options and subcommands of a script, whichever library reads its command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from runner.parameters.types import convert
from runner.values import Json, Parameter

__all__ = [
    "LEFT", "Command", "Option", "Part", "Script", "described", "is_secret", "list_text", "sound", "without_default",
    "without_gaps",
]  # fmt: skip


class Option(NamedTuple):
    """`style` is how its value reaches the program:

    value     --flag=VALUE, or VALUE of a positional argument
    switch    --flag for true, `off` (or nothing) for false
    list      --flag A B C, of a value A,B,C
    repeat    --flag=A --flag=B, of a value A,B
    """

    name: str  # of the parameter
    flag: str = ""  # as it is written on the command line; "" for a positional argument
    type: str = "string"
    default: Json = None
    has_default: bool = False  # the program gets the same from it as from no option at all
    required: bool = False
    help: str = ""
    choices: tuple[Json, ...] = ()
    min: float | None = None
    max: float | None = None
    secret: bool = False
    style: str = "value"
    off: str = ""
    joint: str = "="  # between the flag and its value: "=", " ", or "" for -xVALUE
    quotes: str = ""  # around a value of a library with a grammar of its own, in which a comma is no comma


class Part(NamedTuple):
    """A subcommand's word ("" for the program itself) with the options that follow it."""

    word: str
    options: tuple[Option, ...]


class Command(NamedTuple):
    """One way to call the program."""

    parts: tuple[Part, ...]
    description: str = ""

    @property
    def name(self) -> str:
        return "-".join(part.word for part in self.parts if part.word)


class Script(NamedTuple):
    commands: tuple[Command, ...]
    runnable: bool  # it does something when it is run: a main guard, a command line, calls at its top
    description: str = ""
    notes: tuple[str, ...] = ()  # what could not be read


LEFT = "is left out: pass it after --"


def without_gaps(options: Iterable[Option], notes: list[str]) -> Iterator[Option]:
    """Without the arguments that follow one which may be missing: they would take its place."""
    gaps = False
    for option in options:
        if not option.flag and option.style == "value":
            if gaps:
                notes.append(f"the argument {option.name} {LEFT}: it can only follow the one before it")
                continue
            gaps = not (option.required or option.has_default)
        yield option


SECRETS = {*"token secret password passwd pwd passphrase apikey credentials".split()}
SECRET_PAIRS = {"api key", "access key", "secret key", "private key", "auth key"}
VOCABULARY = {*"pad eos bos mask unk sep cls special stop end start image num max min per n new".split()}


def is_secret(name: str) -> bool:
    """By its name: api_token, not max_tokens or pad_token."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    pairs = {" ".join(pair) for pair in pairwise(words)}
    return bool((SECRETS & {*words} or SECRET_PAIRS & pairs) and not VOCABULARY & {*words})


def sound(option: Option) -> Option:
    """With a name that can stand in braces, and without what `proj` itself would refuse."""
    name = re.sub(r"\W", "_", option.name, flags=re.ASCII).strip("_") or "value"
    option = option._replace(name=f"p_{name}" if name[0].isdigit() else name)
    if option.style in ("list", "repeat"):
        option = option._replace(type="string", choices=(), min=None, max=None)
    if option.style == "switch":
        option = option._replace(type="bool", choices=(), has_default=True, default=bool(option.default))
        return option._replace(secret=False, required=False)
    if option.secret and option.has_default and str(option.default):
        option = option._replace(secret=False)  # what everybody can read is none
    if option.secret:
        option = option._replace(choices=(), default=None, has_default=False, type="string")
    if option.has_default and not _takes(option):
        return without_default(option)
    return option._replace(required=option.required and not option.has_default)


def without_default(option: Option) -> Option:
    """What the program takes when the option is not given, is left to the program."""
    return option._replace(has_default=False, default=None, required=False)


def _takes(option: Option) -> bool:
    value = option.default
    if value is None or isinstance(value, (list, dict)) or "\0" in str(value):
        return False
    declared = Parameter(option.name, option.type, choices=option.choices, min=option.min, max=option.max)
    try:
        convert(declared, value)
    except ValueError:
        return False
    return True


def described(text: str, default: Json = None) -> str:
    """A help text in one line, without what argparse puts into it."""
    shown = "" if default is None else str(default)
    return " ".join(text.replace("%(default)s", shown).replace("%%", "%").split())


def list_text(values: Sequence[Json]) -> str | None:
    """A,B,C; None where a value has a comma or a line end of its own."""
    texts = [str(value) for value in values]
    return None if any("," in text or "\n" in text or not text for text in texts) else ",".join(texts)
