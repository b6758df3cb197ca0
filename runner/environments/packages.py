"""The packages that a lock names, whatever kind of environment it is of, and how two locks differ."""

from __future__ import annotations

from runner.environments import kinds
from runner.typed import NamedTuple

__all__ = ["Change", "changes", "difference", "packages"]


class Change(NamedTuple):
    name: str
    old: str  # "" when it was added
    new: str  # "" when it was removed


def packages(lock: str) -> dict[str, str]:
    """Name -> version (or URL, or path). What no other kind knows as its own is for the first one."""
    for name in reversed(kinds.NAMES):
        found = kinds.maker(name).packages(lock)
        if found is not None:
            return found
    return {}


def changes(old: str, new: str) -> list[Change]:
    """Between two locks, by name: what was added, removed (an empty version) or has another version."""
    before, after = packages(old), packages(new)
    names = sorted(before.keys() | after.keys())
    pairs = [Change(name, before.get(name, ""), after.get(name, "")) for name in names]
    return [pair for pair in pairs if pair.old != pair.new]


def difference(old: str, new: str) -> list[str]:
    """As lines for people: `+ six 1.17.0`, `- six 1.16.0`, `~ six 1.16.0 -> 1.17.0`."""
    lines = []
    for name, before, after in changes(old, new):
        if before and after:
            lines.append(f"~ {name} {before} -> {after}")
        else:
            lines.append(f"+ {name} {after}" if after else f"- {name} {before}")
    return lines
