"""How results reach the terminal: tables, JSON, plain text when piped. rich is imported when it draws."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["colours", "emit_json", "emit_lines", "is_terminal", "table"]


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

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(
            column, justify="right" if column in right else "left", overflow="ellipsis", no_wrap=True
        )
    for row in rows:
        drawn.add_row(*(Text(_cell(value)) for value in row))
    Console(no_color=not colours(), highlight=False).print(drawn)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
