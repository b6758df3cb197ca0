"""Runs and the runs in them: a pipeline with its steps, a search with its trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["arranged"]


def arranged(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Each run with the runs in it below it, these by their start; and the branches that are drawn before their names.

    Where no run is in another one of these the order stays, and there is nothing to be drawn.
    """
    known = {run.run_id for run in runs}
    inside: dict[str, list[Run]] = {}
    for run in runs:
        inside.setdefault(run.parent if run.parent in known and run.parent != run.run_id else "", []).append(
            run
        )
    if inside.keys() <= {""}:
        return list(runs), []
    found = [each for run in inside.get("", []) for each in _below(run, inside, "", "")]
    seen = {run.run_id for run, _ in found}
    found += [(run, "") for run in runs if run.run_id not in seen]  # parents that form a circle
    return [run for run, _ in found], [branch for _, branch in found]


def _below(run: Run, inside: dict[str, list[Run]], branch: str, before: str) -> Iterator[tuple[Run, str]]:
    yield run, branch
    children = sorted(inside.get(run.run_id, []), key=lambda each: (each.start_time, each.run_id))
    for child in children:
        is_last = child is children[-1]
        yield from _below(
            child, inside, before + ("└─ " if is_last else "├─ "), before + ("   " if is_last else "│  ")
        )
