"""`proj init`: an MLproject file for an existing folder; the difference is shown before anything is written."""

from __future__ import annotations

import difflib
import sys

from runner.cli import output
from runner.cli.options import Command, Option
from runner.cli.terminal import Terminal, agreed
from runner.parameters.shell import quote
from runner.scaffold.init import draft

__all__ = ["COMMAND"]


def command(directory: str, yes: bool, as_json: bool) -> int:
    """Write an MLproject file from what is in a folder.

    Scripts with argparse, click or typer options become entry points with typed parameters, their defaults and help.
    """
    made = draft(directory)
    if as_json:
        output.emit_json(made)
        return 0
    terminal = Terminal()
    for note in made.notes:
        terminal.warn(note)
    if made.before == made.text:
        output.emit_lines([f"{made.path} says this already"])
        return 0
    before, after = made.before.splitlines(), made.text.splitlines()
    old = made.path if made.before else "/dev/null"
    output.emit_lines(difflib.unified_diff(before, after, old, made.path, lineterm=""))
    sys.stdout.flush()
    if not yes and not (sys.stdin.isatty() and agreed(f"write {made.path}?")):
        terminal.note("nothing was written" + ("" if sys.stdin.isatty() else "; --yes writes it"))
        return 0
    with open(made.path, "w", encoding="utf-8") as file:
        file.write(made.text)
    terminal.note(f"{made.path} is written; proj info {quote(directory)}")
    return 0


COMMAND = Command(command, (
    Option("directory", (), "The folder.", default=".", metavar="[DIR]"),
    Option("yes", ("-y", "--yes"), "Write without asking.", "flag"),
    Option("as_json", ("--json",), "Print the text as JSON and write nothing.", "flag"),
))  # fmt: skip
