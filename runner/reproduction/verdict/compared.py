"""One thing of two runs, side by side."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["DIFFERENT", "OUTSIDE", "Compared"]

DIFFERENT = ("different", "missing", "added")
# reasons of an end that came from outside: how far the command got is chance
OUTSIDE = ("interrupted", "cancelled", "timeout", "lost", "rebooted", "memory")


class Compared(NamedTuple):
    kind: str  # end, metric, param, output, artifact, run, log
    name: str
    result: str  # identical, within-tolerance, different, missing, added; log: identical or differs
    detail: str = ""
    old: Any = None
    new: Any = None
    absolute: float = 0.0  # greatest difference
    relative: float = 0.0
    tolerance: str = ""  # that was applied: as given, or "spread of 5 runs"

    @property
    def counts(self) -> bool:
        return self.kind != "log"
