"""How results reach the terminal: tables, JSON, plain text when piped. rich is imported when it draws."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["Guarded", "colours", "emit_json", "emit_lines", "is_terminal", "json_text", "table"]

STATUS = {"RUNNING": "cyan", "SCHEDULED": "cyan", "FINISHED": "green", "FAILED": "red", "KILLED": "yellow"}


def is_terminal(stream: Any = None) -> bool:
    stream = sys.stdout if stream is None else stream
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def colours(stream: Any = None) -> bool:
    """https://no-color.org; FORCE_COLOR for CI logs."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


def emit_json(value: Any) -> None:
    sys.stdout.write(json_text(value, 2) + "\n")


def json_text(value: Any, indent: int | None = None) -> str:
    """Always to be encoded and printed: what is not is told by JSON's escapes, or made visible."""
    from runner.text.encoding import is_encodable, visible_values
    from runner.text.terminal import json_printable

    text = json.dumps(value, indent=indent, ensure_ascii=False, default=_plain)
    if not is_encodable(text):
        text = json.dumps(visible_values(json.loads(text)), indent=indent, ensure_ascii=False)
    return json_printable(text)


def _plain(value: Any) -> Any:
    return value._asdict() if hasattr(value, "_asdict") else str(value)


def emit_lines(lines: Iterable[str], stream: Any = None) -> None:
    """Each is one line, whatever is in it."""
    from runner.text.terminal import printable

    stream = sys.stdout if stream is None else stream
    coloured = colours(stream)
    stream.write("".join(f"{printable(line, colours=coloured)}\n" for line in lines))


class Guarded(io.TextIOWrapper):
    """A terminal that no text steers: the last guard, for what reaches it unseen (help, other libraries)."""

    def write(self, text: str) -> int:
        if text.isprintable():
            return super().write(text)
        from runner.text.terminal import printable

        own = "\r\033[K" if text.startswith("\r\033[K") else ""  # of the live line: see terminal.py
        return super().write(own + printable(text[len(own) :], lines=True, colours=True))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table that fits the terminal's width; tab-separated with a header line when piped.

    `right` names the columns that are aligned to the right (numbers).
    """
    if not is_terminal():
        emit_lines(["\t".join(map(_cell, columns))])
        emit_lines("\t".join(map(_cell, row)) for row in rows)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [
        [Text(_cell(value), _style(column, value)) for column, value in zip(columns, row, strict=True)]
        for row in rows
    ]
    console = Console(no_color=not colours(), highlight=False)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    natural = [
        max([len(name), *(row[place].cell_len for row in cells)]) for place, name in enumerate(columns)
    ]
    for column, width in zip(columns, _fitting(natural, console.width), strict=True):
        drawn.add_column(
            _cell(column),
            justify="right" if column in right else "left",
            overflow="ellipsis",
            no_wrap=True,
            width=width,
        )
    for row in cells:
        drawn.add_row(*row)
    console.print(drawn)


def _fitting(widths: Sequence[int], width: int) -> list[int]:
    """What does not fit is taken from the widest columns: names and ids stay whole."""
    fitting = list(widths)
    excess = sum(fitting) + 2 * (len(fitting) - 1) - width
    while excess > 0 and max(fitting) > 4:
        fitting[fitting.index(max(fitting))] -= 1
        excess -= 1
    return fitting


def _style(column: str, value: object) -> str:
    return STATUS.get(str(value), "") if column == "status" else ""


def _cell(value: object) -> str:
    from runner.text.terminal import printable

    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value)).replace("\t", " ")
