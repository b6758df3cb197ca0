"""`proj check`: validates and lints a project."""

from __future__ import annotations

import os
import sys

from runner import sources
from runner.cli import output
from runner.cli.options import Command
from runner.cli.reference import JSON, PROJECT, VERSION
from runner.cli.terminal import Terminal
from runner.errors import ProjectError

__all__ = ["COMMAND"]


def command(uri: str, version: str, as_json: bool) -> int:
    """Validate and lint a project: all faults at once, with line and column. Exits with 2 on an error."""
    from runner.running.check import check

    checkout = sources.fetch(uri, version, Terminal())
    try:
        faults = check(checkout.directory)
    finally:
        sources.release(checkout)
    if os.path.isdir(uri):  # as seen from here, so that a terminal or an editor can open it
        faults = [fault._replace(file=os.path.normpath(os.path.join(uri, fault.file))) for fault in faults]
    errors = sum(fault.severity == "error" for fault in faults)
    lines = []
    for fault in faults:
        severity = output.paint(
            f"{fault.severity}:", "31" if fault.severity == "error" else "33", output.colours()
        )
        lines += [
            f"{fault.place}: {severity} {fault.message}",
            *(f"    {line}" for line in fault.hint.splitlines()),
        ]
    count = f"{_count(errors, 'error')}, {_count(len(faults) - errors, 'warning')}"
    lines.append(count if faults else "nothing to complain about")
    output.result(as_json, {"ok": not errors, "faults": [fault._asdict() for fault in faults]}, lines)
    if os.environ.get("GITHUB_ACTIONS") == "true" and faults:
        from runner.cli.annotations import annotate

        sys.stdout.flush()
        annotate(ProjectError(faults))
    return 2 if errors else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


COMMAND = Command(command, (PROJECT, VERSION, JSON))
