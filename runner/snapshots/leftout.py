"""Files that a snapshot does not keep but names with size and hash: large ones, and those of .projignore."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence

from runner.typed import TYPE_CHECKING, NamedTuple
from runner.values import Json

if TYPE_CHECKING:
    from typing import Any

    from runner.text.secrets import Secrets

__all__ = [
    "IGNORE_FILE",
    "SECRET",
    "Left",
    "Limits",
    "closed",
    "describe",
    "holding",
    "ignore_files",
    "sizes_of",
    "too_large",
    "unreadable",
]

IGNORE_FILE = ".projignore"
UNREADABLE = "cannot be read"
SECRET = "holds the value of"  # noqa: S105


class Limits(NamedTuple):
    """In bytes, for files that git does not have yet: what is committed is kept, whatever its size and content."""

    file: int = 50_000_000
    total: int = 2_000_000_000  # of all new files together; the largest are left out first
    secrets: Secrets | None = None  # a file that holds the value of one is left out

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Limits:
        """From the options of a project; what is no number counts as not given."""
        given: Any = {key: value for key in ("file", "total") if isinstance(value := options.get(key), int)}
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


def unreadable(root: str, names: Iterable[str]) -> list[Left]:
    """Files that are there and may not be read, also because their folder may not be entered."""
    found = []
    for name in names:
        path = os.path.join(root, name)
        try:
            state = os.lstat(path)
            if not stat.S_ISLNK(state.st_mode) and not os.access(path, os.R_OK):
                found.append(Left(name, state.st_size, UNREADABLE))
        except PermissionError:
            found.append(Left(name, 0, UNREADABLE))
        except OSError:
            continue
    return found


def holding(root: str, sizes: Mapping[str, int], secrets: Secrets) -> list[Left]:
    """Those of these plain files in which the value of a secret is."""
    from runner.host.search import held

    found = []
    for name, size in sizes.items():
        try:
            whose = held(secrets, os.path.join(root, name), follow=False)
        except OSError:
            continue  # it vanished, or cannot be read
        if whose:
            found.append(Left(name, size, f"{SECRET} {whose}"))
    return found


def closed(folders: Iterable[str]) -> tuple[Mapping[str, Json], ...]:
    """Entries for the record of folders that may not be read: what is in them is not known."""
    return tuple({"path": path, "size": 0, "digest": "", "reason": UNREADABLE} for path in folders)


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
        from runner.host import hashing

        return hashing.digest(path).digest
    except OSError:
        return ""  # it vanished, or cannot be read
