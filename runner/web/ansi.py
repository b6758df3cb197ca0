"""What a terminal would show of a line: its colours as classes, nothing of what moves the cursor.

Escape sequences are those of ECMA-48; of the 256 and the 16.7 million colours the nearest of the 16 is taken.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Span", "spans"]

ESCAPE = re.compile(
    r"\x1b(?:\[([0-9;:]*)([ -/]*[@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
STYLES = {1: "bold", 2: "dim", 3: "italic", 4: "underlined", 7: "inverse", 9: "struck"}
OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underlined",), 27: ("inverse",), 29: ("struck",)}
LEVELS = (0, 95, 135, 175, 215, 255)
BASE = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255),
    (255, 255, 255),
)  # fmt: skip


class Span(NamedTuple):
    classes: str  # of run.css, with spaces between
    text: str


def spans(line: str) -> list[Span]:
    """Each line begins without colour: what an earlier one left on is not known where a window begins."""
    if "\x1b" not in line:
        return [Span("", line)] if line else []
    found: list[Span] = []
    styles: set[str] = set()
    colours = {"fg": "", "bg": ""}
    end = 0
    for match in ESCAPE.finditer(line):
        _add(found, styles, colours, line[end : match.start()])
        end = match.end()
        if match[2] == "m":
            _set(styles, colours, match[1] or "")
    _add(found, styles, colours, line[end:].replace("\x1b", ""))
    return found


def _add(found: list[Span], styles: set[str], colours: dict[str, str], text: str) -> None:
    if text:
        found.append(Span(" ".join((*sorted(styles), *filter(None, colours.values()))), text))


def _set(styles: set[str], colours: dict[str, str], parameters: str) -> None:
    codes = [int(part) if part.isdigit() and len(part) < 4 else 0 for part in re.split("[;:]", parameters)]
    while codes:
        code = codes.pop(0)
        kind = "fg" if 30 <= code < 40 or 90 <= code < 98 else "bg"
        if code == 0:
            styles.clear()
            colours.update(fg="", bg="")
        elif code in STYLES:
            styles.add(STYLES[code])
        elif code in OFF:
            styles.difference_update(OFF[code])
        elif code in (38, 48):
            number = _wide(codes)
            colours[kind] = "" if number is None else f"{kind}{number}"
        elif code in (39, 49):
            colours[kind] = ""
        elif 30 <= code < 38 or 40 <= code < 48:
            colours[kind] = f"{kind}{code % 10}"
        elif 90 <= code < 98 or 100 <= code < 108:
            colours[kind] = f"{kind}{code % 10 + 8}"


def _wide(codes: list[int]) -> int | None:
    """Takes the rest of 38;5;N or 38;2;R;G;B; which of the 16 is nearest."""
    kind = codes.pop(0) if codes else 0
    if kind == 5 and codes:
        number = codes.pop(0)
        if number < 16:
            return number
        if number < 232:
            rest = number - 16
            return _nearest(LEVELS[min(rest // 36, 5)], LEVELS[rest // 6 % 6], LEVELS[rest % 6])
        return _nearest(*[8 + 10 * (min(number, 255) - 232)] * 3)
    if kind == 2 and len(codes) >= 3:
        red, green, blue = codes[:3]
        del codes[:3]
        return _nearest(red, green, blue)
    return None


def _nearest(red: int, green: int, blue: int) -> int:
    def distance(number: int) -> int:
        base = BASE[number]
        return (base[0] - red) ** 2 + (base[1] - green) ** 2 + (base[2] - blue) ** 2

    return min(range(16), key=distance)
