"""Which files of a work tree are in the vault already, by size, times and inode: for much uncommitted data.

Git's own index knows this of committed files only. Without it, a folder of untracked data would be read at each run.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping

from runner.host import files
from runner.host.files import Stamp
from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["MANY_BYTES", "MANY_FILES", "Entry", "load", "save", "stamp_of"]

MANY_FILES = 100
MANY_BYTES = 10_000_000

Entry: TypeAlias = "tuple[Stamp, str, str]"  # stamp, mode, blob


def stamp_of(path: str) -> Stamp | None:
    """None for what is no plain file."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return Stamp.of(found) if stat.S_ISREG(found.st_mode) else None


def load(memory: str) -> dict[str, Entry]:
    """What is remembered of files, by their path; nothing where that cannot be read."""
    try:
        with open(memory, encoding="utf-8") as file:
            return {
                path: (Stamp(*stamp), mode, blob) for path, (stamp, mode, blob) in json.load(file).items()
            }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save(memory: str, stamps: Mapping[str, Stamp], staged: Iterable[str], began: int) -> None:
    """`staged` are lines of `git ls-files --stage`. Only what is in `stamps` and was settled then is remembered."""
    entries: dict[str, Entry] = {}
    for line in staged:
        facts, _, path = line.partition("\t")
        stamp = stamps.get(path)
        if stamp and files.settled(stamp, began):
            mode, blob, _ = facts.split(" ")
            entries[path] = (stamp, mode, blob)
    try:
        files.write(memory, json.dumps(entries))
    except OSError:
        pass  # all is read again next time
