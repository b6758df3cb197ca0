"""The command of an entry point as a template: which braces are parameters, and the text for some values."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from runner.parameters import shell
from runner.parameters.shell import MARK, Layers
from runner.typed import NamedTuple

__all__ = ["Template", "open_end", "parse", "placeholders", "render"]

# A line that ends in one of these is complete or expects another command: no option list goes on after it.
ENDS = (";", "&", "|", "(", "{", "then", "do", "else")
LONGEST_NAME = 500  # characters; a longer one is no parameter


class Template(NamedTuple):
    text: str  # with MARK in place of each parameter
    names: tuple[str, ...]  # of the parameters, in the order of their marks
    layers: tuple[Layers, ...]  # of each character: see shell.contexts
    joined: tuple[int, ...]  # lines (from 0) that were joined with the one before


def parse(command: str, names: Container[str]) -> Template:
    """Braces with one of these names become marks, all others are left alone.

    A command that `str.format` would take is read as it would: `{{` is a brace. In any other command `{{` is
    one when a `}}` follows it, so that the end of `{"a": {"b": 1}}` stays whole.
    """
    pieces, found = _split(command, names)
    text, joined = _join("".join(pieces))
    return Template(text, tuple(found), tuple(shell.contexts(text)), tuple(joined))


def _split(command: str, names: Container[str]) -> tuple[list[str], list[str]]:
    strict = _is_format(command, names)
    pieces, found = [], []
    open_pairs = 0
    last_pair = command.rfind("}}")
    at = 0
    while at < len(command):
        character = command[at]
        pair = command[at : at + 2]
        width = 1
        if pair == "{{" and (strict or last_pair >= at + 2):
            open_pairs += 1
            width = 2
        elif pair == "}}" and (strict or open_pairs):
            open_pairs -= 1
            width = 2
        elif character == "{" and (name := _name_at(command, at)) in names:
            found.append(name)
            character = MARK
            width = len(name) + 2
        pieces.append(character)
        at += width
    return pieces, found


def _name_at(command: str, at: int) -> str:
    end = command.find("}", at, at + 2 + LONGEST_NAME)
    return command[at + 1 : end] if end > at else ""


def _is_format(command: str, names: Container[str]) -> bool:
    at = 0
    while at < len(command):
        pair = command[at : at + 2]
        if pair in ("{{", "}}"):
            at += 2
        elif command[at] == "}":
            return False
        elif command[at] == "{":
            name = _name_at(command, at)
            if not name or name not in names:
                return False
            at += len(name) + 2
        else:
            at += 1
    return True


def placeholders(command: str) -> list[str]:
    """Every `{word}` of a command, declared or not, that is no part of `${word}` or `{{word}}`."""
    found = []
    at = command.find("{")
    while at >= 0:
        name = _name_at(command, at)
        if command[at : at + 2] == "{{":
            at += 1
        elif name and name.replace("-", "_").replace(".", "_").isidentifier() and command[at - 1 : at] != "$":
            found.append(name)
        at = command.find("{", at + 1)
    return found


# ---- lines that go on ------------------------------------------------------------------------------------


def _join(text: str) -> tuple[str, list[int]]:
    """Joins a line that begins with an option to the one before it, as its author meant.

    YAML keeps the line ends of a folded block (`>`) where a line is indented; bash would take `--lr 1` for a
    command and fail with "command not found", after it ran the program without its options.
    """
    if "\n" not in text.strip():
        return text, []
    layers = shell.contexts(text)
    lines = text.split("\n")
    whole = _is_one_command(lines)
    characters, joined = list(text), []
    at = end = 0  # of this line; after the last one that is not blank
    before = ""
    for number, line in enumerate(lines):
        word = line.lstrip()
        outside = at == 0 or layers[at - 1] == shell.PLAIN  # not in quotes, a comment, or after a backslash
        if before and outside and not before.endswith(ENDS) and ((whole and word) or _is_option(word)):
            joined.append(number)
            characters[end:at] = " " * (at - end)
        at += len(line) + 1
        if word:
            # what is joined to a comment would be lost
            before = "" if layers[at - 2] == shell.COMMENT else line.rstrip()
            end = at - 1
    return "".join(characters), joined


def _is_option(word: str) -> bool:
    name = word.lstrip("-")
    return (
        word.startswith("-") and (name[:1].isalpha() or name.startswith(MARK)) and len(word) - len(name) <= 2
    )


def _is_one_command(lines: Sequence[str]) -> bool:
    """A first line, and indented ones of which some are options: all of it is one command."""
    rest = [line for line in lines[1:] if line.strip()]
    return (
        not lines[0].rstrip().endswith((*ENDS, "\\"))
        and all(line.startswith((" ", "\t")) and not line.rstrip().endswith("\\") for line in rest)
        and any(_is_option(line.lstrip()) for line in rest)
    )


# ---- the command for some values -------------------------------------------------------------------------


def render(template: Template, written: Callable[[str, Layers], str | None]) -> str:
    """`written(name, layers)` gives the text for each parameter; None drops it, with its `--option`."""
    text = template.text
    edits: list[tuple[int, int, str]] = []
    at = text.find(MARK)
    for name in template.names:
        value = written(name, template.layers[at])
        edits.append((at, at + 1, value) if value is not None else (*_group(template, at), ""))
        at = text.find(MARK, at + 1)
    pieces, end = [], 0
    for start, stop, value in sorted(edits):
        if start >= end:
            pieces += [text[end:start], value]
        end = max(end, stop)
    return "".join(pieces) + text[end:]


def open_end(template: Template, command: str) -> str:
    """A rendered command that more arguments can follow: without the line end that YAML's blocks (> and |) leave."""
    text = template.text.rstrip()
    in_document = text and template.layers[len(text) - 1] == shell.FIXED and not text.endswith("\\")
    if in_document or "\n" not in template.text[len(text) :]:
        return command
    goes_on = text.endswith("\\") and template.layers[len(text)] == shell.FIXED
    command = command.rstrip()
    return command[:-1].rstrip() if goes_on else command


def _group(template: Template, at: int) -> tuple[int, int]:
    """What goes with an optional parameter: `{p}` and the option before it, `--opt={p}`, or its braces."""
    text = template.text
    start, stop = _word(template, at)
    word = text[start:stop]
    inside = word.replace('"', "").replace("'", "")
    if inside == MARK:
        before = start
        while (
            before
            and text[before - 1] in " \t\n\\"
            and (text[before - 1] in " \t" or text[before - 2 : before] == "\\\n")
        ):
            before -= 1 if text[before - 1] in " \t" else 2
        option, end = _word(template, before - 1) if before < start and before else (start, start)
        if text[option : option + 1] == "-" and MARK not in text[option:end] and "=" not in text[option:end]:
            start = option
    elif not (inside.count(MARK) == 1 and inside.endswith("=" + MARK)):
        return at, at + 1
    while start and text[start - 1] in " \t" and text[stop : stop + 1] in ("", " ", "\n"):
        start -= 1
    return start, stop


def _word(template: Template, at: int) -> tuple[int, int]:
    start = stop = at
    while start and not _separates(template, start - 1):
        start -= 1
    while stop < len(template.text) and not _separates(template, stop):
        stop += 1
    return start, stop


def _separates(template: Template, at: int) -> bool:
    return template.text[at] in shell.SEPARATORS and template.layers[at][0] == "plain"
