"""A way to call a program -> the lines of an entry point, whose command the program's own parser accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from runner.parameters import shell
from runner.scaffold.scripts.option import Command, Option
from runner.values import Json

__all__ = ["entry", "scalar"]

WIDEST = 100  # characters of a command's line
TRUE = "^([TtYy1]|[Oo][Nn])"  # every text that a bool may be for true


def entry(label: str, program: str, command: Command, description: str = "") -> list[str]:
    """`program`: what starts it, as `python train.py`."""
    pieces, parameters, before = [_literal(program)], list[Option](), list[str]()
    taken: set[str] = set()
    for part in command.parts:
        if part.word:
            pieces.append(_literal(shell.quote(part.word)))
        for option in _ordered(part.options):
            option = _apart(option, part.word, taken)
            parameters.append(option)
            if option.style in ("list", "repeat"):
                before.append(f"IFS=, read -ra {_array(option)} <<< {{{option.name}}};")
            pieces.append(_piece(option))
    lines = [f"  {scalar(label)}:"]
    if text := command.description or description:
        lines.append(f"    description: {scalar(text)}")
    if parameters:
        lines.append("    parameters:")
        lines += [f"      {scalar(each.name)}: {{{', '.join(_facts(each))}}}" for each in parameters]
    return [*lines, *_command([*before, *pieces]), ""]


def _ordered(options: Sequence[Option]) -> list[Option]:
    """Arguments first, then what takes several values: neither can swallow the other so."""

    def place(option: Option) -> int:
        return 0 if not option.flag else 1 if option.style == "list" else 2

    return sorted(options, key=place)


def _apart(option: Option, word: str, taken: set[str]) -> Option:
    """With a name that no other option of the command has."""
    base = f"{word}_{option.name}".replace("-", "_") if word else option.name
    choices = [option.name, base, *(f"{base}_{number}" for number in range(2, len(taken) + 3))]
    name = next(each for each in choices if each not in taken)
    taken.add(name)
    return option._replace(name=name)


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _array(option: Option) -> str:
    return f"{option.name.lower()}_list"


def _piece(option: Option) -> str:
    flag, name = _literal(" ".join(map(shell.quote, option.flag.split()))), option.name
    if option.style == "switch":
        off = f" || echo {_literal(option.off)}" if option.off else ""
        return f"$([[ {{{name}}} =~ {TRUE} ]] && echo {flag}{off})"
    if option.style == "repeat":
        joint = "=" if option.flag.startswith("--") else ""
        return f'"${{{{{_array(option)}[@]/#/{flag}{joint}}}}}"'
    if option.style == "list":
        every = f'"${{{{{_array(option)}[@]}}}}"'
        # without a value, not even the flag
        return f"${{{{{_array(option)}[@]:+{flag} {every}}}}}" if option.flag else every
    if option.quotes:
        return f'"{flag}{option.joint}{option.quotes}{{{name}}}{option.quotes}"'
    return f"{flag}{option.joint}{{{name}}}" if option.flag else f"{{{name}}}"


def _command(pieces: Sequence[str]) -> Iterator[str]:
    whole = " ".join(pieces)
    if len(whole) <= WIDEST and ": " not in whole and " #" not in whole and whole[0].isalnum():
        yield f"    command: {whole}"
        return
    yield "    command: >-"
    line = ""
    for piece in pieces:
        if line and len(line) + len(piece) >= WIDEST:
            yield f"      {line}"
            line = ""
        line += f" {piece}" if line else piece
        if piece.endswith(";"):
            yield f"      {line}"
            line = ""
    if line:
        yield f"      {line}"


def _facts(option: Option) -> Iterator[str]:
    listed = option.style in ("list", "repeat")
    if not option.choices or option.type != "string":
        yield f"type: {option.type}"
    if option.choices:
        yield f"choices: [{', '.join(scalar(each) for each in option.choices)}]"
    for name, bound in (("min", option.min), ("max", option.max)):
        if bound is not None:
            yield f"{name}: {scalar(int(bound) if option.type == 'int' else bound)}"
    if option.has_default:
        yield f"default: {scalar(option.default)}"
    elif listed and not option.required:
        yield 'default: ""'
    elif not option.required:
        yield "required: false"
    if option.secret:
        yield "secret: true"
    help_text = option.help + (" (commas between the values)" if listed else "")
    if help_text.strip():
        yield f"description: {scalar(help_text.strip())}"


def scalar(value: Json) -> str:
    """A YAML scalar on one line: plain where that is safe, otherwise in JSON's quotes, which YAML reads too."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        value = str(value)
    if isinstance(value, float) and "e" in repr(value) and "." not in repr(value):
        return repr(value).replace("e", ".0e")  # 1e-05 is a text for YAML 1.1
    if isinstance(value, str) and value.replace("-", "").replace("_", "").replace(".", "").isalnum():
        import yaml

        if value.isascii() and yaml.safe_load(value) == value:
            return value
    return json.dumps(value, ensure_ascii=not str(value).isprintable())
