"""A script that is run as far as its argparse parser, for what its text does not tell. Only on request."""

from __future__ import annotations

import os

from runner.errors import InputError, ProjError
from runner.host import process
from runner.scaffold.scripts.syntax import Module

__all__ = ["imported"]

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "imported_program.py")
LONGEST = 120.0  # s


def imported(path: str) -> Module:
    """Its parser, written as a script of its own. InputError with why it has none, or fails before."""
    python = process.find("python") or process.find("python3")
    if not python:
        raise InputError("there is no Python on PATH to import it with")
    path = os.path.abspath(path)
    reader, writer = os.pipe()
    try:
        done = process.run(
            [python, PROGRAM, path, str(writer)],
            cwd=os.path.dirname(path),
            timeout=LONGEST,
            pass_fds=[writer],
        )
    except ProjError as error:
        os.close(reader)
        raise InputError(error.message) from None
    finally:
        os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if text:
        return Module(text)
    said = done.err.strip().splitlines() or [f"it ended with {done.code} before it read its options"]
    raise InputError(said[-1])
