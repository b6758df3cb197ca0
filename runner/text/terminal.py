"""Foreign text on a terminal: names and messages of projects, programs and other people's records.

Control characters steer a terminal (ECMA-48), a line break in a name forges a line, marks of direction show a text in
another order than it is in. They are shown as escapes.
"""

from __future__ import annotations

import re

from runner.text.encoding import visible

__all__ = ["json_printable", "printable"]

COLOUR = r"(\x1b\[[0-9;]*m)"  # Select Graphic Rendition: the only sequence that may be in our own text
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
    if text.isprintable():
        return text
    table = _lines if lines else _line
    if colours and "\x1b[" in text:
        parts = re.split(COLOUR, visible(text))
        parts[::2] = [part.translate(table) for part in parts[::2]]
        return "".join(parts)
    return visible(text).translate(table)


def json_printable(text: str) -> str:
    """JSON (with letters as they are) whose strings say by escapes what is not printable: the same JSON."""
    return text if text.isprintable() else text.translate(_json)
