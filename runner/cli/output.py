"""How results reach the terminal: tables, JSON, plain text when piped. rich is imported when it draws."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["colours", "emit_json", "emit_lines", "is_terminal", "table"]

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
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    return value._asdict() if hasattr(value, "_asdict") else str(value)


def emit_lines(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table that fits the terminal's width; tab-separated with a header line when piped.

    `right` names the columns that are aligned to the right (numbers).
    """
    if not is_terminal():
        emit_lines(["\t".join(columns)])
        emit_lines(
            "\t".join(_cell(value).replace("\t", " ").replace("\n", " ") for value in row) for row in rows
        )
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
            column,
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
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
