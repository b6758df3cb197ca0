"""What a run's code had that its commit has not: told from the snapshot, where the store has the commit too."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.errors import ProjError
from runner.protocol.bounds import BUDGET
from runner.snapshots import restore
from runner.tracking.fold import Run

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["Change", "Patch", "changes", "patch"]

WORDS = {"A": ("+", "new", "good"), "D": ("−", "deleted", "bad"), "M": ("Δ", "changed", "live")}
LINES = 5000  # of a patch
MOST = 1 << 20  # bytes of it


class Change(NamedTuple):
    path: str
    mark: tuple[str, str, str]  # shape, word, kind
    is_there: bool  # in the snapshot


class Patch(NamedTuple):
    lines: list[str]
    cut: bool  # there are more


def _trees(store: Store, run: Run) -> tuple[str, str]:
    """Of the commit and of the snapshot; two empty ones where nothing is to be told."""
    facts = run.sections.get("code", {})
    tree, commit = str(facts.get("tree") or ""), str(facts.get("commit") or "")
    base = restore.committed(store.root, commit) if facts.get("dirty") and tree else ""
    return (base, tree) if base else ("", "")


def changes(store: Store, run: Run) -> list[Change]:
    """Files, by path."""
    base, tree = _trees(store, run)
    try:
        found = restore.changed(store.root, base, tree) if tree else []
    except ProjError:  # a vault that was damaged, or copied in part
        found = []
    return [Change(path, WORDS.get(how, WORDS["M"]), how != "D") for how, path in found]


def patch(store: Store, run: Run) -> Patch:
    base, tree = _trees(store, run)
    try:
        text, cut = restore.patch(store.root, base, tree, MOST, BUDGET.seconds) if tree else ("", False)
    except ProjError:
        return Patch([], False)
    lines = text.split("\n", LINES)
    return Patch(lines[:LINES], cut or bool("".join(lines[LINES:])))
