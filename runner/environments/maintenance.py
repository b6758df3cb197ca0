"""What `proj env` does with the cache: list, size up, remove, and make room."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from runner.environments import building, cache, kinds
from runner.errors import InputError
from runner.host import files, memo
from runner.values import Json

__all__ = ["Row", "collect", "disk_use", "forget", "listing", "pick", "remove"]


class Row(NamedTuple):
    key: str
    kind: str
    python: str
    file: str  # the specification it was built from first
    packages: int
    created: int  # ms
    used: int  # ms, the last time
    in_use: bool
    problem: str
    projects: tuple[str, ...] = ()  # folders, or repositories as URL@COMMIT#FOLDER, that are known to use it
    size: int | None = None  # bytes on disk that it shares with no package cache and no other environment


def listing(*, sizes: bool = False) -> list[Row]:
    """All environments, the last used first."""
    users = _users()
    rows = [
        _row(found, sizes)._replace(projects=tuple(sorted(users.get(key, ()))))
        for key in cache.ready()
        if (found := cache.read(key))
    ]
    return sorted(rows, key=lambda row: row.used, reverse=True)


def _count(details: Mapping[str, Json]) -> int:
    """Of the packages, as far as they are known; the pip that everybody gets is none of the project's."""
    found = details.get("packages")
    return found - bool(details.get("seeded")) if isinstance(found, int) else 0


def _row(found: cache.Found, sizes: bool) -> Row:
    return Row(
        found.key,
        found.kind,
        str(found.facts.get("python") or found.details.get("python") or ""),
        str(found.details.get("file") or found.details.get("image") or ""),
        _count(found.details),
        found.created,
        int(_last_use(found.key) * 1000),
        building.in_use(found.key),
        kinds.load(found.kind).problem(found.prefix, found.facts),
        size=_size(found.prefix) if sizes else None,
    )


def _users() -> dict[str, set[str]]:
    """Whose each environment is, by what `prepare` remembers: [specification, code, ...] -> (key, ...)."""
    found: dict[str, set[str]] = {}
    for subject, value in memo.subjects("prepared"):
        try:
            found.setdefault(str(value[0]), set()).add(str(json.loads(subject)[1]))
        except (ValueError, LookupError, TypeError):
            continue
    return found


def _last_use(key: str) -> float:
    try:
        return os.stat(cache.folder(f"{key}.in-use")).st_mtime
    except OSError:
        return 0.0


def pick(words: Iterable[str]) -> list[str]:
    """Full keys for keys that may be shortened."""
    known, chosen = cache.ready(), []
    for word in words:
        fitting = [key for key in known if key.startswith(word)]
        if len(fitting) != 1:
            reason = "there is no such environment" if not fitting else "several begin so"
            raise InputError(f"{word}: {reason}", "proj env ls")
        chosen += fitting
    return chosen


def remove(keys: Iterable[str]) -> tuple[list[str], list[str]]:
    """The keys that were removed, and those that are in use and were not."""
    removed: list[str] = []
    kept: list[str] = []
    for key in keys:
        found = cache.read(key)
        maker = kinds.maker(found.kind) if found else None
        (removed if building.remove(key, maker) else kept).append(key)
    return removed, kept


def forget(folder: str) -> None:
    """Removes the environments with a package that follows a folder in `folder`, which is going to be removed."""
    for key in cache.ready():
        found = cache.read(key)
        local = found.details.get("local") if found else None
        for each in local if isinstance(local, list) else ():
            if isinstance(each, dict) and f"{each.get('follows')}/".startswith(f"{folder}/"):
                remove([key])


def collect(
    *, older_than: float | None = None, max_size: int | None = None, dry_run: bool = False
) -> list[str]:
    """Removes what was unused for `older_than` seconds, then the longest unused until all fit in `max_size`.

    What killed builds left is removed too; what is in use never. Returns the keys; with `dry_run`, of those that would
    be removed.
    """
    if not dry_run:
        _sweep()

    def gone(keys: Iterable[str]) -> list[str]:
        return [key for key in keys if not building.in_use(key)] if dry_run else remove(keys)[0]

    removed: list[str] = []
    by_age = sorted(cache.ready(), key=_last_use)
    if older_than is not None:
        limit = time.time() - older_than
        removed += gone(key for key in by_age if _last_use(key) <= limit)
    if max_size is not None:
        left = [key for key in by_age if key not in removed]
        sizes = {key: _size(cache.folder(key)) for key in left}
        total = sum(sizes.values())
        for key in left:
            if total <= max_size:
                break
            if gone([key]):
                removed.append(key)
                total -= sizes[key]
    return removed


def _sweep() -> None:
    """Folders without a marker, unless they are being built; drafts, and what else killed builds left."""
    for name in kinds.NAMES:
        kinds.maker(name).sweep()
    try:
        names = os.listdir(cache.folder())
    except FileNotFoundError:
        return
    ready = set(cache.ready())
    for name in names:
        path = cache.folder(name)
        if os.path.isdir(path) and name not in ready:
            building.remove(name)
        elif files.is_draft(name) and os.stat(path).st_mtime < time.time() - 3600:
            os.unlink(path)


def disk_use(keys: Iterable[str]) -> int:
    """Bytes that these environments take together: a file with several names counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for key in keys:
        for found in _files(cache.folder(key)):
            identity = (found.st_dev, found.st_ino)
            if identity not in seen:
                seen.add(identity)
                total += found.st_blocks * 512
    return total


def _size(prefix: str) -> int:
    return sum(
        found.st_blocks * 512
        for found in _files(prefix)
        if found.st_nlink == 1 or stat.S_ISDIR(found.st_mode)
    )


def _files(folder: str) -> Iterator[os.stat_result]:
    pending = [folder]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                yield entry.stat(follow_symlinks=False)
            except OSError:
                continue
