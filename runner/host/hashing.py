"""SHA-256 of files and folders; what is slow to read is remembered by the stamps of files."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from runner import paths
from runner.host import files
from runner.host.files import Digest, Hash, Stamp
from runner.typed import NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

__all__ = ["digest"]

SMALL = 1 << 18  # bytes; a file up to this size is read again sooner than its hash is looked up
ROWS = 200_000  # remembered at most


class Entry(NamedTuple):
    name: str  # in the folder, with "/"
    path: str
    found: os.stat_result | None  # None: a link that leads nowhere


def digest(path: str, progress: Callable[[int], object] | None = None) -> Digest:
    """Of a file or a folder. OSError when it cannot be read. `progress` is told of bytes as they are read.

    A folder's digest is that of the lines `<digest> <name>\\0` of its files, sorted by name. Links are
    followed; one that leads nowhere counts with its target, empty folders, special files and what is just being
    written (files.Draft) do not count.
    """
    path = os.path.abspath(path)
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        return _of_folder(path, progress)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(22, "is neither a file nor a folder", path)
    return _of_file(path, found, progress)


def _of_file(path: str, found: os.stat_result, progress: Callable[[int], object] | None = None) -> Digest:
    if found.st_size <= SMALL:
        return files.digest(path, progress)
    began, stamp = files.now(), Stamp.of(found)
    if known := _recall(path, _text(stamp)):
        return Digest(known, found.st_size)
    value = files.digest(path, progress)
    if files.settled(stamp, began) and files.stamp(path) == stamp:
        _keep(path, _text(stamp), value.digest)
    return value


def _of_folder(path: str, progress: Callable[[int], object] | None = None) -> Digest:
    began = files.now()
    entries = sorted(_walk(path, "", (os.path.realpath(path),)))
    size = sum(entry.found.st_size for entry in entries if entry.found)
    stamps = Hash()
    for entry in entries:
        mark = _text(Stamp.of(entry.found)) if entry.found else os.readlink(entry.path)
        stamps.update(f"{mark} {entry.name}\0".encode("utf-8", "surrogateescape"))
    stamp = stamps.result().hex
    if known := _recall(path, stamp):
        return Digest(known, size)
    total = Hash()
    for entry in entries:
        file = entry.found
        value = _of_file(entry.path, file, progress).digest if file else f"link:{os.readlink(entry.path)}"
        total.update(f"{value} {entry.name}\0".encode("utf-8", "surrogateescape"))
    value = f"tree-{total.result().digest}"
    if all(entry.found is None or files.settled(Stamp.of(entry.found), began) for entry in entries):
        _keep(path, stamp, value)
    return Digest(value, size)


def _walk(folder: str, prefix: str, parents: tuple[str, ...]) -> list[Entry]:
    found = []
    for each in os.scandir(folder):
        if files.is_draft(each.name):
            continue
        name = f"{prefix}{each.name}"
        try:
            status = each.stat()
        except OSError:  # it leads nowhere, or to itself
            if each.is_symlink():
                found.append(Entry(name, each.path, None))
            continue
        if stat.S_ISDIR(status.st_mode):
            real = os.path.realpath(each.path) if each.is_symlink() else os.path.join(parents[-1], each.name)
            if real not in parents:  # a link to a folder that it lies in would never end
                found += _walk(each.path, f"{name}/", (*parents, real))
        elif stat.S_ISREG(status.st_mode):
            found.append(Entry(name, each.path, status))
    return found


def _text(stamp: Stamp) -> str:
    return ":".join(map(str, stamp))


# ---- what is remembered: losing it costs time only ---------------------------------------------------------

_open: dict[str, sqlite3.Connection] = {}


def _connection() -> sqlite3.Connection:
    import sqlite3

    file = paths.cache("hashes.sqlite")
    found = _open.get(file)
    if found is None or not os.path.exists(file):
        os.makedirs(os.path.dirname(file), exist_ok=True)
        found = sqlite3.connect(file, timeout=1, isolation_level=None, check_same_thread=False)
        found.execute("PRAGMA synchronous = OFF")
        found.execute("CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, stamp TEXT, digest TEXT)")
        if previous := _open.get(file):
            previous.close()
        _open[file] = found
    return found


def _recall(path: str, stamp: str) -> str:
    import sqlite3

    try:
        row = (
            _connection()
            .execute("SELECT digest FROM hashes WHERE path = ? AND stamp = ?", (_key(path), stamp))
            .fetchone()
        )
    except (sqlite3.Error, OSError):
        return ""
    return str(row[0]) if row else ""


def _keep(path: str, stamp: str, value: str) -> None:
    import sqlite3

    try:
        connection = _connection()
        connection.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", (_key(path), stamp, value))
        connection.execute("DELETE FROM hashes WHERE rowid <= (SELECT max(rowid) FROM hashes) - ?", (ROWS,))
    except (sqlite3.Error, OSError):
        pass


def _key(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
