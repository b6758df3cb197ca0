"""Compiled modules of Python that stand for code which is not there any more.

Python takes a compiled module for its source when size and time of that are the same, the time in whole seconds. What
is edited twice within a second, or has its old time back (`cp -p`, `tar`), is then run as it was before, while the
snapshot has it as it is. A compiled module older than what its source is now is removed: Python compiles it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

__all__ = ["drop_stale"]

MOST = 5000  # compiled modules that are looked at
CHECKED = 0b11  # flags of PEP 552: its source is compared by content


def drop_stale(folders: Iterable[str]) -> list[str]:
    """Of folders named `__pycache__`. Returns the sources of those that could not be removed."""
    left = []
    for path, source in _stale(folders):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError:
            left.append(source)
    return left


def _stale(folders: Iterable[str]) -> Iterator[tuple[str, str]]:
    count = 0
    for folder in folders:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            count += 1
            if count > MOST:
                return
            source = os.path.join(os.path.dirname(folder), f"{entry.name.partition('.')[0]}.py")
            if entry.name.endswith(".pyc") and _is_stale(entry, source):
                yield entry.path, source


def _is_stale(compiled: os.DirEntry[str], source: str) -> bool:
    """Whether Python would take it, and its source has changed, in whatever way, since it was made."""
    try:
        now = os.stat(source)
        if now.st_ctime_ns < compiled.stat().st_ctime_ns:
            return False
        with open(compiled.path, "rb") as file:
            head = file.read(16)
    except OSError:
        return False
    flags, written, size = (int.from_bytes(head[at : at + 4], "little") for at in (4, 8, 12))
    if flags:
        return flags != CHECKED
    return (written, size) == (now.st_mtime_ns // 1_000_000_000 & 0xFFFFFFFF, now.st_size & 0xFFFFFFFF)
