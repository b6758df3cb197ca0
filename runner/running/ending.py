"""How a run ended that was left by an error, or by a signal while it had no command."""

from __future__ import annotations

import os

from runner.backends.outcome import CANCEL
from runner.errors import ProjError
from runner.values import Ended

__all__ = ["by_error"]


def by_error(error: BaseException, directory: str) -> Ended:
    """`directory`: the record, in which `proj cancel` leaves who asked for it."""
    if isinstance(error, ProjError):
        return Ended("FAILED", error.exit_code, "error", "", error.message)
    if isinstance(error, KeyboardInterrupt):
        return _by_signal(error, directory)
    return Ended("FAILED", 125, "error", "", f"{type(error).__name__}: {error}")


def _by_signal(interrupt: KeyboardInterrupt, directory: str) -> Ended:
    number = int(getattr(interrupt, "number", 2))
    name = {1: "SIGHUP", 2: "SIGINT", 15: "SIGTERM"}[number]
    try:
        with open(os.path.join(directory, CANCEL), encoding="utf-8") as file:
            return Ended("KILLED", 128 + number, "cancelled", name, f"by {file.read().strip()}")
    except OSError:
        return Ended("KILLED", 128 + number, "interrupted", name)
