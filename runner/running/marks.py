"""What a file, a folder or a link has to equal to be as it was: a digest (`blake2b:...`, `sha256:...`) or a stamp."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from runner.host import files
from runner.host.files import Stamp

__all__ = ["BESIDE", "LEFT", "LINKED", "PARTLY", "STAMP", "mark", "one", "short_digest", "walk"]

SMALL = 1 << 18  # bytes; read each time: to remember the digest would take longer
BESIDE = 1 << 18  # bytes; a larger file outside of the project, such as a program, is known by its stamp
STAMP = -1  # bytes: of no file the content
LINKED = 2_000  # entries of a folder that are looked at
PARTLY = "partly:"  # begins the mark of a folder with more than LINKED entries
# neither data nor code: what tools leave behind and make again, and environments
LEFT = frozenset(
    "__pycache__ .venv venv node_modules .ipynb_checkpoints .mypy_cache .pytest_cache .ruff_cache .tox .nox .DS_Store "
    ".git mlruns .eggs".split()
)


def short_digest(data: bytes, key: bytes = b"") -> str:
    """BLAKE2b of 16 bytes: `blake2b:...`."""
    from _blake2 import blake2b  # importing hashlib takes as long as all of this

    return f"blake2b:{blake2b(data, key=key, digest_size=16).hexdigest()}"


def mark(path: str, largest: int) -> str:
    """Of a file by its content, up to `largest` bytes; of a folder by the stamps of what is in it."""
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            return _folder(path)
        if stat.S_ISREG(found.st_mode) and found.st_size <= min(largest, SMALL):
            return short_digest(files.read(path))
        if stat.S_ISREG(found.st_mode) and found.st_size <= largest:
            from runner.host import hashing

            return hashing.digest(path).digest  # remembered
        return "stamp:" + ":".join(map(str, Stamp.of(found)[:4]))
    except OSError:
        return "unreadable"


def _folder(path: str) -> str:
    lines: list[str] = []
    for each, found in walk(path):
        if len(lines) == LINKED:
            return PARTLY + _of(lines)
        lines.append(f"{each}\0{Stamp.of(found)[:4]}")
    return _of(lines)


def _of(lines: list[str]) -> str:
    return short_digest("\n".join(sorted(lines)).encode("utf-8", "surrogateescape"))


def walk(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """Files below a folder, and links to folders, which are not followed."""
    folders = [top]
    while folders:
        folder = folders.pop()
        if os.path.basename(folder) in LEFT:
            continue
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                yield from one(entry.path)


def one(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """The path with its stat, if it is a file or a folder; nothing for what proj or Python itself leaves there."""
    if os.path.basename(path) in LEFT:
        return
    try:
        found = os.stat(path)
    except OSError:
        return
    if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
        yield path, found
