"""`proj init`: an MLproject file for an existing folder; the difference is shown before anything is written."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from runner.cli.output import emit_json, emit_lines
from runner.cli.terminal import Terminal

app = typer.Typer(rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def init(
    directory: Annotated[str, typer.Argument(metavar="[DIR]", help="The folder.")] = ".",
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Write without asking.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the text as JSON and write nothing.")
    ] = False,
) -> None:
    """Write an MLproject file from what is in a folder.

    Scripts with argparse, click or typer options become entry points with typed parameters, their defaults and help.
    """
    import difflib

    from runner.scaffold.init import draft

    made = draft(directory)
    if as_json:
        emit_json(made._asdict())
        return
    terminal = Terminal()
    for note in made.notes:
        terminal.warn(note)
    if made.before == made.text:
        emit_lines([f"{made.path} says this already"])
        return
    lines = difflib.unified_diff(
        made.before.splitlines(),
        made.text.splitlines(),
        made.path if made.before else "/dev/null",
        made.path,
        lineterm="",
    )
    emit_lines(lines)
    sys.stdout.flush()
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"write {made.path}?", err=True)):
        terminal.note("nothing was written" + ("" if sys.stdin.isatty() else "; --yes writes it"))
        return
    with open(made.path, "w", encoding="utf-8") as file:
        file.write(made.text)
    terminal.note(f"{made.path} is written; proj info {directory}")
