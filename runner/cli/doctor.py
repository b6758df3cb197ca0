"""`proj doctor`: checks what runs need on this machine, and the store."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import Any

from runner.cli import reference
from runner.cli.options import Option

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    Option("verbose", ("--verbose",), "Also hints on what only some projects need.", "flag", False),
    reference.STORE,
    reference.JSON,
)
LEFT = 19  # columns before the text
MARKS = {"ok": ("✓", "32"), "note": ("·", "2"), "warning": ("!", "33"), "broken": ("✗", "31")}


def command(values: dict[str, Any]) -> int:
    """Check programs, Pythons, disk, store, clock and tracking server, and say what to do. Exits with 1 if broken."""
    from runner.cli.examination import examine
    from runner.cli.output import colours, emit_json, emit_lines

    given = reference.take(values)
    found = []
    colour = colours()
    with reference.open_store(given["store"], quiet=True) as store:
        for each in examine(store):
            found.append(each)
            if given["json"]:
                continue
            mark, code = MARKS[each.state]
            mark = f"\033[{code}m{mark}\033[0m" if colour else mark
            emit_lines(_folded(f"{mark} {each.name:<16} ", each.text))
            if each.hint and (each.state != "note" or given["verbose"]):
                emit_lines(_folded(f"  {'':<16} ", each.hint))
            sys.stdout.flush()
    if given["json"]:
        emit_json([each._asdict() for each in found])
    return 1 if any(each.state == "broken" for each in found) else 0


def _folded(head: str, text: str) -> list[str]:
    """In the column on the right, on a terminal; as it is when piped."""
    from runner.cli.output import is_terminal

    if not is_terminal():
        first, *rest = text.split("\n")
        return [head + first, *rest]
    room = max(30, shutil.get_terminal_size().columns - LEFT)
    lines = [
        part
        for line in text.splitlines()
        for part in textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
    ]
    return [f"{' ' * LEFT if place else head}{line}" for place, line in enumerate(lines or [""])]
