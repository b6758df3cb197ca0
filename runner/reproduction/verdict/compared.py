"""One thing of two runs, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.reproduction.verdict import closeness
from runner.reproduction.verdict.leaves import ABSENT
from runner.reproduction.verdict.wording import NOWHERE
from runner.typed import NamedTuple

__all__ = ["DIFFERENT", "OUTSIDE", "Compared", "absence"]

DIFFERENT = ("different", "missing", "added")
# reasons of an end that came from outside: how far the command got is chance
OUTSIDE = ("interrupted", "cancelled", "timeout", "lost", "rebooted", "memory")


class Compared(NamedTuple):
    kind: str  # end, metric, param, output, artifact, run, log
    name: str
    result: str  # identical, within-tolerance, different, missing, added; log: identical or differs
    detail: str = ""
    old: object = None
    new: object = None
    absolute: float = 0.0  # greatest difference
    relative: float = 0.0
    tolerance: str = ""  # that was applied: as given, or "spread of 5 runs"
    cause: str = ""  # kind of the likeliest cause, of what differs

    @property
    def counts(self) -> bool:
        return self.kind != "log"


def absence(kind: str, name: str, nodes: Sequence[Any], chance: bool, verb: str) -> Compared:
    """Of what is not in all runs. `chance`: that may vary, as everything else."""
    if chance and closeness.compare(nodes, [NOWHERE] * len(nodes), closeness.SPREAD).same:
        return Compared(kind, name, "within-tolerance")
    if nodes[0] is ABSENT:
        return Compared(kind, name, "added", f"it was not {verb} then")
    return Compared(kind, name, "missing", f"it {'was' if verb != 'logged' else 'is'} not {verb} now")
