"""The journals of a store: which runs and experiments changed, so that an index need not look at each of them.

`<store>/journals/<host>-<inode of the store>`: names, one a line (a run's id, or `e:` and an experiment's), appended by
the writers of one host to one store. A copy of the store goes on in a file of its own, so when stores are copied into
one another, each brings the names of what was changed in it. Only hints: they may be deleted, and then every run is
looked at.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from zlib import crc32

from runner.host.files import open_handle
from runner.typed import NamedTuple

__all__ = ["Journal", "News", "hint", "is_name", "path", "read", "tail"]

TAIL = 512  # bytes before the position whose checksum tells that a file is still the same
BEFORE = "journal"  # where older versions keep one for all


def path(root: str) -> str:
    """Of the journal that this host writes. OSError."""
    return os.path.join(
        root, "journals", f"{crc32(os.uname().nodename.encode()):08x}-{os.stat(root).st_ino:x}"
    )


def hint(root: str, name: str) -> None:
    """Tells the index that `name` (run id, or `e:` + experiment id) changed. Only a hint: it never fails."""
    try:
        file = _open(path(root))
        try:
            os.write(file, name.encode() + b"\n")
        finally:
            os.close(file)
    except OSError:
        pass


def _open(name: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(name, flags, 0o666)
    except FileNotFoundError:  # the first one of the store
        os.makedirs(os.path.dirname(name), exist_ok=True)
        return os.open(name, flags, 0o666)


class Journal(NamedTuple):
    """How far one was read."""

    position: int = 0
    tail: str = ""


class News(NamedTuple):
    journals: Mapping[str, Journal]  # by file, from the store
    names: list[str]  # that they name since
    lost: bool  # one that was read before is not there, or cannot be read: there may be more than they name


def read(root: str, old: Mapping[str, Journal]) -> News:
    """What came since `old`."""
    try:
        found = [os.path.join("journals", name) for name in os.listdir(os.path.join(root, "journals"))]
    except OSError:
        found = []
    now: dict[str, Journal] = {}
    names: list[str] = []
    for name in (BEFORE, *sorted(found)):
        try:
            now[name], more = _read(os.path.join(root, name), old.get(name, Journal()))
            names += more
        except OSError:
            continue
    return News(now, names, not old.keys() <= now.keys())


def _read(name: str, old: Journal) -> tuple[Journal, list[str]]:
    file = open_handle(name)
    try:
        position = old.position
        if os.fstat(file).st_size < position or tail(file, position) != old.tail:
            position = 0  # another copy was put in its place
        data = b""
        while piece := os.pread(file, 1 << 20, position + len(data)):
            data += piece
        data = data[: data.rfind(b"\n") + 1]
        position += len(data)
        names = [line for line in data.decode("ascii", "replace").split("\n") if is_name(line)]
        return Journal(position, tail(file, position)), names
    finally:
        os.close(file)


def is_name(text: str) -> bool:
    """Of a run, or `e:ID` of an experiment."""
    if text.startswith("e:"):
        return text[2:].isdigit()
    return len(text) == 32 and not text.strip("0123456789abcdef")


def tail(file: int, position: int) -> str:
    """Checksum of the bytes before `position`; "" at the beginning."""
    if not position:
        return ""
    first = max(0, position - TAIL)
    return f"{crc32(os.pread(file, position - first, first)):08x}"
