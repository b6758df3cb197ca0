"""`proj check`: validates and lints a project."""

from __future__ import annotations

import os
import sys

import typer

from runner import sources
from runner.cli.output import colours, emit_json, emit_lines
from runner.cli.terminal import Terminal

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command()
def check(
    uri: str = typer.Argument(".", help="Folder, git URL or archive with the project.", metavar="[URI]"),
    version: str = typer.Option("", "-v", "--version", help="Branch, tag or commit.", metavar="VERSION"),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Validate and lint a project: all faults at once, with line and column. Exits with 2 on an error."""
    from runner.running.check import check as find_faults

    checkout = sources.fetch(uri, version, Terminal())
    try:
        faults = find_faults(checkout.directory)
    finally:
        sources.release(checkout)
    if os.path.isdir(uri):  # as seen from here, so that a terminal or an editor can open it
        faults = [fault._replace(file=os.path.normpath(os.path.join(uri, fault.file))) for fault in faults]
    errors = sum(fault.severity == "error" for fault in faults)
    if as_json:
        emit_json({"ok": not errors, "faults": [fault._asdict() for fault in faults]})
    else:
        red, yellow, off = ("\033[31m", "\033[33m", "\033[0m") if colours() else ("", "", "")
        for fault in faults:
            colour = red if fault.severity == "error" else yellow
            emit_lines([f"{fault.place}: {colour}{fault.severity}:{off} {fault.message}"])
            emit_lines(f"    {line}" for line in fault.hint.splitlines())
        many = len(faults) - errors
        emit_lines(
            [
                f"{_count(errors, 'error')}, {_count(many, 'warning')}"
                if faults
                else "nothing to complain about"
            ]
        )
    if os.environ.get("GITHUB_ACTIONS") == "true" and faults:
        from runner.cli.ci import annotate
        from runner.errors import ProjectError

        sys.stdout.flush()
        annotate(ProjectError(faults))
    if errors:
        raise typer.Exit(2)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
