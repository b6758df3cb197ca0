"""`proj update`: a newer version of its template into a project."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from runner.cli.new import answers_of
from runner.cli.output import emit_json, emit_lines
from runner.cli.terminal import Terminal

app = typer.Typer(rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def update(
    directory: Annotated[str, typer.Argument(metavar="[DIR]", help="The project.")] = ".",
    answers: Annotated[
        list[str] | None, typer.Option("-d", "--data", metavar="KEY=VALUE", help="A new answer.")
    ] = None,
    version: Annotated[
        str, typer.Option("-v", "--version", help="Version of the template; the newest by default.")
    ] = "",
    ask: Annotated[bool, typer.Option("--ask", help="Ask the template's questions again.")] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Allow the template to run code of its own.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what changed as JSON.")] = False,
) -> None:
    """Bring the newest version of its template into a project that `proj new` made.

    The changes are merged with yours; where both changed the same lines, the conflict is marked as git does.
    """
    from runner.scaffold import new

    made = new.update(
        directory,
        answers_of(answers),
        ask=ask and sys.stdin.isatty(),
        trust=trust,
        version=version,
        report=Terminal(quiet=as_json),
    )
    if as_json:
        emit_json(made._asdict())
    else:
        emit_lines(
            [
                f"{made.template} {made.version}: {len(made.files)} files changed",
                *(f"  {name}" for name in made.files),
            ]
        )
        emit_lines(f"conflict in {name}: look for <<<<<<<" for name in made.conflicts)
    if made.conflicts:
        raise typer.Exit(1)
