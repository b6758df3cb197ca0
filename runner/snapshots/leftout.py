"""Files that a snapshot does not keep but names with size and hash: large ones, and those of .projignore."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from runner.host import hashing
from runner.values import Json

__all__ = ["IGNORE_FILE", "Left", "Limits", "describe", "ignore_files", "sizes_of", "too_large", "unreadable"]

IGNORE_FILE = ".projignore"


class Limits(NamedTuple):
    """In bytes, for files that git does not have yet: what is committed is kept, whatever its size."""

    file: int = 50_000_000
    total: int = 2_000_000_000  # of all new files together; the largest are left out first

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Limits:
        given = {key: value for key in cls._fields if isinstance(value := options.get(key), int)}
        return cls(**given)


class Left(NamedTuple):
    path: str  # relative to the work tree's top
    size: int
    reason: str


def ignore_files(root: str, project: str) -> list[str]:
    """Folders (relative, "" for the top) with a .projignore: the work tree's top, and the project's in it."""
    return [
        folder
        for folder in dict.fromkeys(("", project))
        if os.path.exists(os.path.join(root, *folder.split("/"), IGNORE_FILE))
    ]


def too_large(sizes: Mapping[str, int], limits: Limits, already: int) -> list[Left]:
    """Which of the new files are left out. `already`: bytes that were taken before, part of the total."""
    left = [
        Left(path, size, f"larger than {readable(limits.file)}")
        for path, size in sizes.items()
        if size > limits.file
    ]
    total = already + sum(size for size in sizes.values() if size <= limits.file)
    by_size = sorted((size, path) for path, size in sizes.items() if size <= limits.file)
    while total > limits.total and by_size:
        size, path = by_size.pop()
        total -= size
        left.append(Left(path, size, f"more than {readable(limits.total)} in all"))
    return left


def describe(root: str, left: Sequence[Left]) -> tuple[Mapping[str, Json], ...]:
    """Entries for the record: {path, size, digest, reason}."""
    return tuple(
        {"path": path, "size": size, "digest": _digest(os.path.join(root, path)), "reason": reason}
        for path, size, reason in sorted(left)
    )


def readable(count: int) -> str:
    from runner.text.units import size

    return size(count)


def unreadable(root: str, sizes: Mapping[str, int]) -> list[Left]:
    return [
        Left(path, size, "cannot be read")
        for path, size in sizes.items()
        if not os.access(os.path.join(root, path), os.R_OK)
    ]


def sizes_of(root: str, names: Iterable[str]) -> dict[str, int]:
    """Size of each that is a plain file now."""
    sizes = {}
    for name in names:
        try:
            found = os.lstat(os.path.join(root, name))
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            sizes[name] = found.st_size
    return sizes


def _digest(path: str) -> str:
    try:
        return hashing.digest(path).digest
    except OSError:
        return ""  # it vanished, or cannot be read
