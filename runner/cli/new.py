"""`proj new`: a project from a template. Parses, calls scaffold.new, says what to type next."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from runner.cli.output import emit_json, emit_lines, table
from runner.cli.terminal import Terminal
from runner.errors import InputError

__all__ = ["answers_of", "app"]

app = typer.Typer(rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def new(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEMPLATE] DIR",
            help="Built-in template, folder, archive, git URL or gh:OWNER/REPO; basic when left out.",
        ),
    ] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option("-d", "--data", metavar="KEY=VALUE", help="Answer to a question of the template."),
    ] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Ask nothing, take the defaults.")] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Allow the template to run code of its own.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="Show the built-in templates.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing.")] = False,
) -> None:
    """Make a new project from a template."""
    from runner.scaffold import new as scaffold

    if show:
        found = scaffold.templates()
        if as_json:
            emit_json([each._asdict() for each in found])
        else:
            table(["template", "description"], found)
        return
    if not 1 <= len(words or ()) <= 2:
        raise InputError("proj new takes a folder, or a template and a folder", "proj new sklearn my-project")
    given = words or []
    template, directory = given if len(given) == 2 else ("basic", given[0])
    ask = not defaults and sys.stdin.isatty() and not as_json
    made = scaffold.new(
        template,
        directory,
        answers_of(answers),
        ask=ask,
        trust=trust,
        report=Terminal(quiet=quiet or as_json),
    )
    if as_json:
        emit_json(made._asdict())
    elif not quiet:
        shown = os.path.relpath(made.directory)
        emit_lines([f"made {shown} from {template}: {len(made.files)} files", f"  cd {shown} && proj run ."])


def answers_of(given: list[str] | None) -> dict[str, Any]:
    """`-d key=value`; the template's question says what type the value is."""
    answers: dict[str, Any] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InputError(f"-d {text!r} is not KEY=VALUE")
        answers[key] = value
    return answers
