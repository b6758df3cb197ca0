"""`proj init`: an MLproject file for an existing folder; it is shown before anything is written."""

from __future__ import annotations

import os
import sys

from runner.cli import output
from runner.cli.options import Command, Option
from runner.cli.terminal import Terminal, agreed
from runner.errors import InputError
from runner.parameters.shell import quote
from runner.scaffold.init import draft

__all__ = ["COMMAND"]


def command(directory: str, yes: bool, by_import: bool, as_json: bool) -> int:
    """Write an MLproject file from what is in a folder.

    Scripts become entry points with typed parameters, their defaults and help: argparse, click, typer, fire, hydra,
    sys.argv, [project.scripts], notebooks. Their text is read, nothing of it is run. A file that is there is left alone.
    """
    made = draft(directory, by_import)
    if as_json:
        output.emit_json(made)
        return 0
    terminal = Terminal()
    if made.there:
        raise InputError(
            f"{os.path.join(directory, made.there)} is there already: proj init does not change it",
            f"proj init {directory} --json  prints what it would draft; proj check {directory}  reads the one that is there",
        )
    for note in made.notes:
        terminal.warn(note)
    output.emit_lines(made.text.splitlines())
    sys.stdout.flush()
    if not yes and not (sys.stdin.isatty() and agreed(f"write {made.path}?")):
        terminal.note("nothing was written" + ("" if sys.stdin.isatty() else "; --yes writes it"))
        return 0
    try:
        with open(made.path, "x", encoding="utf-8") as file:
            file.write(made.text)
    except OSError as error:
        raise InputError(f"{made.path} cannot be written: {error.strerror}") from None
    terminal.note(f"{made.path} is written; proj info {quote(directory)}")
    return 0


COMMAND = Command(command, (
    Option("directory", (), "The folder.", default=".", metavar="[DIR]"),
    Option("yes", ("-y", "--yes"), "Write without asking.", "flag"),
    Option("by_import", ("--import",), "Run scripts as far as their argparse parser, for options that their text does not tell.", "flag"),
    Option("as_json", ("--json",), "Print the text as JSON and write nothing.", "flag"),
))  # fmt: skip
