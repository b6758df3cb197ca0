"""Errors as annotations of GitHub Actions (workflow commands of its documentation)."""

from __future__ import annotations

import sys

from runner.errors import ProjectError, ProjError
from runner.text.terminal import printable

__all__ = ["annotate"]


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
