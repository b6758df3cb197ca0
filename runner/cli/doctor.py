"""`proj doctor`: checks what runs need on this machine, and the store."""

from __future__ import annotations

import sys
import textwrap

from runner.cli import health, output, reference
from runner.cli.options import Command, Option

__all__ = ["COMMAND"]

LEFT = 19  # columns before the text
MARKS = {"ok": ("✓", "32"), "note": ("·", "2"), "warning": ("!", "33"), "broken": ("✗", "31")}


def command(verbose: bool, location: str, as_json: bool) -> int:
    """Check programs, Pythons, disk, store, clock and tracking server, and say what to do. Exits with 1 if broken."""
    found = []
    with reference.open_store(location, quiet=True) as store:
        for each in health.examine(store):
            found.append(each)
            if as_json:
                continue
            mark = output.paint(*MARKS[each.state], output.colours())
            output.emit_lines(_folded(f"{mark} {each.name:<16} ", each.text))
            if each.hint and (each.state != "note" or verbose):
                output.emit_lines(_folded(" " * LEFT, each.hint))
            sys.stdout.flush()
    if as_json:
        output.emit_json(found)
    return 1 if any(each.state == "broken" for each in found) else 0


def _folded(head: str, text: str) -> list[str]:
    """In the column on the right, on a terminal; as it is when piped."""
    if not output.is_terminal():
        return [head + text]
    room = max(30, output.width() - LEFT)
    folded = (
        textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )
    parts = [part for parts in folded for part in parts] or [""]
    return [head + parts[0], *(" " * LEFT + part for part in parts[1:])]


COMMAND = Command(command, (
    Option("verbose", ("--verbose",), "Also hints on what only some projects need.", "flag"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
