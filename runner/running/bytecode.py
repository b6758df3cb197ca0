"""Compiled modules of Python that stand for code which is not there any more.

Python takes a compiled module for its source when size and time of that are the same, the time in whole seconds. What
is edited twice within a second, or has its old time back (`cp -p`, `tar`), is then run as it was before, while the
snapshot has it as it is. A compiled module older than what its source is now is removed: Python compiles it again.
One that is part of the code, as it was committed, is not ours to remove.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice

from runner.host import files

__all__ = ["drop_stale"]

MOST = 5000  # compiled modules that are looked at
CHECKED = 0b11  # flags of PEP 552: its source is compared by content


def drop_stale(names: Iterable[str]) -> list[str]:
    """Of files in a `__pycache__`, and of such folders (which end in "/"), that are no part of the code.

    Returns the sources of those that could not be removed.
    """
    left = []
    for path in islice(_compiled(names), MOST):
        folder, name = os.path.split(path)
        source = os.path.join(os.path.dirname(folder), f"{name.partition('.')[0]}.py")
        if not _is_stale(path, source):
            continue
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError:
            left.append(source)
    return left


def _compiled(names: Iterable[str]) -> Iterator[str]:
    for each in names:
        if not each.endswith("/"):
            inside = [each]
        else:
            try:
                inside = [os.path.join(each, name) for name in os.listdir(each)]
            except OSError:
                continue
        yield from (path for path in inside if path.endswith(".pyc"))


def _is_stale(path: str, source: str) -> bool:
    """Whether Python would take it, and its source has changed, in whatever way, since it was made."""
    try:
        now = os.stat(source)
        if now.st_ctime_ns < os.stat(path).st_ctime_ns:
            return False
        head = files.read(path, 16)
        flags, written, size = (int.from_bytes(head[at : at + 4], "little") for at in (4, 8, 12))
        if flags == CHECKED:
            return False
        if flags:  # with the hash of its source, which Python does not look at
            from importlib.util import source_hash

            return head[8:] != source_hash(files.read(source))
    except OSError:
        return False
    return (written, size) == (now.st_mtime_ns // 1_000_000_000 & 0xFFFFFFFF, now.st_size & 0xFFFFFFFF)
