"""What a run's code had that its commit has not: told from the snapshot, where the store has the commit too."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.errors import ProjError
from runner.snapshots import restore
from runner.tracking.fold import Run

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["Change", "changes", "patch"]

WORDS = {"A": ("+", "new", "good"), "D": ("−", "deleted", "bad"), "M": ("Δ", "changed", "live")}
LINES = 5000  # of a patch


class Change(NamedTuple):
    path: str
    mark: tuple[str, str, str]  # shape, word, kind
    is_there: bool  # in the snapshot


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


def patch(store: Store, run: Run) -> list[str]:
    """Its lines, LINES of them at most."""
    base, tree = _trees(store, run)
    try:
        return restore.diff(store.root, base, tree).splitlines()[:LINES] if tree else []
    except ProjError:
        return []
