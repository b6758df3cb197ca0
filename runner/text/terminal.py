"""Foreign text on a terminal: names and messages of projects, programs and other people's records.

Control characters steer a terminal (ECMA-48), a line break in a name forges a line, marks of direction show a text in
another order than it is in. They are shown as escapes.
"""

from __future__ import annotations

import os
import re

from runner.text.encoding import visible

__all__ = ["defused", "in_github", "json_printable", "printable"]

COLOUR = r"(\x1b\[[0-9;]*m)"  # Select Graphic Rendition: the only sequence that may be in our own text
# What GitHub Actions takes for a command: `::add-mask::x` behind nothing but spaces, `##[add-mask]x` anywhere
COMMAND = re.compile(r"((?:^|[\r\n])\s*|(?=##\[))([:#])(:|#\[)")
JOINERS = "\u200c\u200d"  # format characters that words and emojis are made with


class _Escapes(dict[int, str]):
    """For str.translate: characters by their code, as they are shown."""

    def __init__(self, kept: str, form: str) -> None:
        super().__init__((ord(character), character) for character in kept + JOINERS)
        self._form = form

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if not (character.isprintable() or _is_space(character)):
            character = _as_json(character) if self._form == "json" else repr(character)[1:-1]
        self[code] = character
        return character


def _is_space(character: str) -> bool:
    """Such as U+00A0 and U+3000."""
    from unicodedata import category

    return category(character) == "Zs"


def _as_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


_line, _lines, _json = _Escapes("\t", "text"), _Escapes("\t\n", "text"), _Escapes("\n", "json")


def printable(text: str, lines: bool = False, colours: bool = False) -> str:
    """`text` for one line of a terminal; with `lines` it may have several. `colours`: it is ours, and may have some."""
    if ("::" in text or "##[" in text) and in_github():
        text = defused(text)
    if text.isprintable():
        return text
    table = _lines if lines else _line
    if colours and "\x1b[" in text:
        parts = re.split(COLOUR, visible(text))
        parts[::2] = [part.translate(table) for part in parts[::2]]
        return "".join(parts)
    return visible(text).translate(table)


def in_github() -> bool:
    """Whether a job of GitHub Actions reads what we print: lines of some forms are commands there."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def defused(text: str, html: bool = False) -> str:
    """What is no command to GitHub Actions at the start of a line, or anywhere. `html`: by an escape of HTML."""
    return COMMAND.sub(_defused_html if html else _defused, text)


def _defused(found: re.Match[str]) -> str:
    return f"{found[1]}\\x{ord(found[2]):x}{found[3]}"


def _defused_html(found: re.Match[str]) -> str:
    return f"{found[1]}&#{ord(found[2])};{found[3]}"


def json_printable(text: str) -> str:
    """JSON (with letters as they are) whose strings say by escapes what is not printable: the same JSON."""
    if "##[" in text and in_github():
        text = text.replace("##[", "\\u0023#[")
    return text if text.isprintable() else text.translate(_json)
