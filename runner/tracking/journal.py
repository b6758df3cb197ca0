"""The store's journal: which runs and experiments changed, so that an index need not look at every log.

A file of names, one a line (a run's id, or `e:` and an experiment's), to which every writer appends. Only a hint: it
may be deleted, and then every log is looked at.
"""

from __future__ import annotations

import os
from binascii import crc32
from typing import NamedTuple

__all__ = ["Journal", "hint", "is_name", "read", "tail"]

TAIL = 512  # bytes before the position whose checksum tells that a file is still the same


def hint(root: str, name: str) -> None:
    """Tells the index that `name` (run id, or `e:` + experiment id) changed. Only a hint: it never fails."""
    try:
        file = os.open(
            os.path.join(root, "journal"), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
        )
    except OSError:
        return
    try:
        os.write(file, name.encode() + b"\n")
    except OSError:
        pass
    finally:
        os.close(file)


class Journal(NamedTuple):
    inode: int = 0
    position: int = 0
    tail: str = ""


def read(root: str, old: Journal) -> tuple[Journal | None, list[str]]:
    """The journal's state and what it names since `old`; None when it is not the one that `old` describes."""
    try:
        file = os.open(os.path.join(root, "journal"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return (Journal() if old.inode == 0 else None), []
    except OSError:
        return None, []
    try:
        status = os.fstat(file)
        if old.inode not in (0, status.st_ino) or status.st_size < old.position:
            return None, []
        if old.position and tail(file, old.position) != old.tail:
            return None, []
        data, position = b"", old.position
        while piece := os.pread(file, 1 << 20, position + len(data)):
            data += piece
        data = data[: data.rfind(b"\n") + 1]
        position += len(data)
        names = [name for name in data.decode("ascii", "replace").split("\n") if is_name(name)]
        return Journal(status.st_ino, position, tail(file, position)), names
    finally:
        os.close(file)


def is_name(text: str) -> bool:
    if text.startswith("e:"):
        return text[2:].isdigit()
    return len(text) == 32 and not text.strip("0123456789abcdef")


def tail(file: int, position: int) -> str:
    first = max(0, position - TAIL)
    return f"{crc32(os.pread(file, position - first, first)):08x}"
