"""Files that a snapshot does not keep but names with size and hash: large ones, and those of .projignore."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from runner import paths
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
    """Entries for the record: {path, size, digest, reason}. Hashes are remembered by size, time and inode."""
    if not left:
        return ()
    memory = _memory(root)
    old = _load(memory)
    new: dict[str, list[Json]] = {}
    entries: list[Mapping[str, Json]] = []
    for path, size, reason in sorted(left):
        full = os.path.join(root, path)
        stamp = _stamp(full)
        known = old.get(path)
        digest = known[1] if known and known[0] == stamp else _digest(full)
        new[path] = [stamp, digest]
        entries.append({"path": path, "size": size, "digest": digest, "reason": reason})
    if new != old:
        _save(memory, new)
    return tuple(entries)


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
    from hashlib import sha256

    found = sha256()
    try:
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                found.update(piece)
    except OSError:
        return ""  # it vanished, or cannot be read
    return f"sha256:{found.hexdigest()}"


def _stamp(path: str) -> list[Json]:
    try:
        found = os.stat(path)
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _memory(root: str) -> str:
    from hashlib import sha256

    name = sha256(os.fsencode(root)).hexdigest()[:24]
    return paths.cache("snapshots", f"{name}.digests.json")


def _load(path: str) -> dict[str, list[Json]]:
    try:
        with open(path, encoding="ascii") as file:
            loaded = json.load(file)
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _save(path: str, values: Mapping[str, list[Json]]) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        draft = f"{path}.{os.getpid()}"
        with open(draft, "w", encoding="ascii") as file:
            json.dump(values, file)
        os.replace(draft, path)
    except OSError:
        pass  # read again next time
