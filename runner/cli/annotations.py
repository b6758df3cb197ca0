"""Errors, of ours and of commands, as annotations of GitHub Actions (workflow commands of its documentation)."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from runner.errors import ProjectError, ProjError
from runner.text.terminal import printable
from runner.tracking.output import last_lines

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["annotate", "failed"]

FRAME = re.compile(r'\s*File "([^"]+)", line (\d+)')  # of a Python traceback


def annotate(error: ProjError) -> None:
    """Writes `::error file=...,line=...,col=...::message` to stderr, for each fault of a project its own."""
    if isinstance(error, ProjectError):
        for fault in error.faults:
            line = f",line={fault.line},col={fault.column}" if fault.line else ""
            place = f" file={_escape(fault.file, True)}{line}" if line else ""
            sys.stderr.write(f"::{fault.severity}{place}::{_escape(fault.message)}\n")
        return
    sys.stderr.write(f"::error::{_escape(error.message)}\n")


def _escape(text: str, attribute: bool = False) -> str:
    text = printable(text, lines=True).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if attribute else text


def failed(run: Run, directory: str) -> None:
    """Where the command of a failed run says that it went wrong: the last line of a traceback in the project's files.

    `directory`: of the record.
    """
    place, message = _traceback(run, directory)
    text = message or f"run {run.name} failed: exit code {run.end.get('exit_code')}"
    sys.stderr.write(f"::error{place}::{_escape(text)}\n")


def _traceback(run: Run, directory: str) -> tuple[str, str]:
    lines = last_lines(directory)
    folder = str(run.sections.get("command", {}).get("directory", ""))
    found, after = "", 0
    for number, line in enumerate(lines):
        match = FRAME.match(line)
        path = os.path.normpath(os.path.join(folder, match[1])) if match and folder else ""
        if match and path.startswith(f"{folder}/") and "/site-packages/" not in path:
            shown = os.path.relpath(path, os.environ.get("GITHUB_WORKSPACE") or os.getcwd())
            found, after = f" file={_escape(shown, True)},line={match[2]}", number
    if not found:
        return "", ""
    rest = (line for line in lines[after + 1 :] if line and not line[0].isspace() and ":" in line)
    return found, next(rest, "")
