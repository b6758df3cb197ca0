"""Which files of a work tree are in the vault already, by size, times and inode: for much uncommitted data.

Git's own index knows this of committed files only. Without it, a folder of untracked data would be read at each run.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from typing import TypeAlias

__all__ = ["MANY_BYTES", "MANY_FILES", "Entry", "load", "save", "stamp_of"]

MANY_FILES = 100
MANY_BYTES = 10_000_000
YOUNG = 1_000_000_000  # ns: a file changed twice within one tick of the clock looks unchanged

Entry: TypeAlias = "tuple[list[int], str, str]"  # stamp, mode, blob


def stamp_of(path: str) -> list[int]:
    """[] for what is no plain file."""
    try:
        found = os.lstat(path)
    except OSError:
        return []
    if not stat.S_ISREG(found.st_mode):
        return []
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_mode & 0o111]


def load(memory: str) -> dict[str, Entry]:
    try:
        with open(memory, encoding="ascii") as file:
            return {path: (stamp, mode, blob) for path, (stamp, mode, blob) in json.load(file).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save(memory: str, stamps: Mapping[str, list[int]], staged: Iterable[str]) -> None:
    """`staged` are lines of `git ls-files --stage`. Only what is in `stamps` and not young is remembered."""
    now = time.time_ns()
    entries: dict[str, Entry] = {}
    for line in staged:
        facts, _, path = line.partition("\t")
        stamp = stamps.get(path)
        if stamp and now - max(stamp[1], stamp[2]) > YOUNG:
            mode, blob, _ = facts.split(" ")
            entries[path] = (stamp, mode, blob)
    try:
        os.makedirs(os.path.dirname(memory), exist_ok=True)
        draft = f"{memory}.{os.getpid()}"
        with open(draft, "w", encoding="ascii") as file:
            json.dump(entries, file)
        os.replace(draft, memory)
    except OSError:
        pass  # all is read again next time
