"""`proj update`: a newer version of its template into a project."""

from __future__ import annotations

import sys

from runner.cli import output
from runner.cli.options import Command, Option, pairs
from runner.cli.terminal import Terminal
from runner.scaffold import new
from runner.text.units import counted

__all__ = ["COMMAND"]


def command(
    directory: str, answers: tuple[str, ...], version: str, ask: bool, trust: bool, as_json: bool
) -> int:
    """Bring the newest version of its template into a project that `proj new` made.

    The changes are merged with yours; where both changed the same lines, the conflict is marked as git does.
    """
    ask, report = ask and sys.stdin.isatty(), Terminal(quiet=as_json)
    made = new.update(directory, dict(pairs(answers)), ask=ask, trust=trust, version=version, report=report)
    lines = [f"{made.template} {made.version}: {counted(len(made.files), 'file')} changed"]
    lines += [f"  {name}" for name in made.files]
    lines += [f"conflict in {name}: look for <<<<<<<" for name in made.conflicts]
    output.result(as_json, made, lines)
    return 1 if made.conflicts else 0


COMMAND = Command(command, (
    Option("directory", (), "The project.", default=".", metavar="[DIR]"),
    Option("answers", ("-d", "--data"), "A new answer.", "many", metavar="KEY=VALUE"),
    Option("version", ("-v", "--version"), "Version of the template; the newest by default.", metavar="VERSION"),
    Option("ask", ("--ask",), "Ask the template's questions again.", "flag"),
    Option("trust", ("--trust",), "Allow the template to run code of its own.", "flag"),
    Option("as_json", ("--json",), "Print what changed as JSON.", "flag"),
))  # fmt: skip
