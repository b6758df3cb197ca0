"""All that proj keeps on this disk: what it is for, how much it takes, and what of it may go."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from runner import paths
from runner.environments import maintenance
from runner.environments.python import uv
from runner.host import files
from runner.sources import folders
from runner.sources.git import mirror

__all__ = ["NAMES", "Pruned", "Usage", "places", "prune"]

# Of what can be had or found out again: single files, and folders that go as a whole.
FILES = {
    "archives": "archives that were downloaded",
    "downloads": "files that parameters named by a URI",
    "memo": "what a warm run need not find out again",
    "curves": "points of metrics, as they are drawn",
    "logs": "messages of builds that failed",
    "work": "code and inputs, for the folders of runs (--workdir=fresh)",
}
FOLDERS = {
    "conda": "conda packages",
    "snapshots": "what is known of work trees",
    "templates": "templates of new projects",
}
OTHERS = {
    "environments": "environments of projects",
    "git": "mirrors of git repositories",
    "packages": "Python packages, for new environments",
    "checkouts": "code of runs from repositories, and folders of runs, while they are on",
    "spares": "checkouts for the next run",
}
KEPT = {"locks": "resolved packages: without them, a project would be resolved anew"}
NAMES = tuple({**OTHERS, **FILES, **FOLDERS})


class Usage(NamedTuple):
    name: str
    what: str
    folder: str
    size: int  # bytes on disk
    pruned_by: str  # the command line


class Pruned(NamedTuple):
    name: str
    path: str
    size: int  # bytes that this sets free, as far as nothing else shares them


def places(store: str) -> list[Usage]:
    """Those that take something, the greatest first. A file with several names counts where it is seen first."""
    seen: set[tuple[int, int]] = set()
    found = []
    for name, what in {**OTHERS, **FILES, **FOLDERS, **KEPT}.items():
        command = "" if name in KEPT else f"proj cache prune {name}"
        found.append((name, what, paths.cache(name), command))
    found.append(("runs", "records of runs, with their artifacts", os.path.join(store, "runs"), "proj gc"))
    found.append(("code", "the code of runs", os.path.join(store, "snapshots.git"), "proj gc"))
    sized = [
        Usage(name, what, folder, size_of(folder, seen), command) for name, what, folder, command in found
    ]
    return sorted((place for place in sized if place.size), key=lambda place: -place.size)


def size_of(path: str, seen: set[tuple[int, int]] | None = None) -> int:
    """Bytes on the disk, each inode once; `seen`: inodes (device, number) that were counted before."""
    total, known = 0, set[tuple[int, int]]() if seen is None else seen
    for each in _walk(path):
        try:
            status = os.lstat(each)
        except OSError:
            continue
        identity = (status.st_dev, status.st_ino)
        if identity not in known:
            known.add(identity)
            total += status.st_blocks * 512
    return total


def _walk(path: str) -> Iterator[str]:
    yield path
    for folder, inner, names in os.walk(path):
        for name in (*inner, *names):
            yield os.path.join(folder, name)


def prune(names: tuple[str, ...], older_than: float, dry_run: bool) -> list[Pruned]:
    """Removes what was not used for `older_than` seconds from the places of these names; nothing that is in use.

    Returns what was removed, or with `dry_run` would be.
    """
    limit = time.time() - older_than
    found: list[Pruned] = []
    for name in names:
        if name == "environments":
            found += _environments(older_than, dry_run)
        elif name == "git":
            found += _mirrors(limit, dry_run)
        elif name == "packages":
            found += _packages(dry_run)
        elif name in FILES or name in FOLDERS:
            found += _old(name, limit, dry_run)
        elif not dry_run:  # checkouts, spares: whatever nobody has any more
            folders.sweep()
    return found


def _environments(older_than: float, dry_run: bool) -> list[Pruned]:
    sizes = {row.key: row.size or 0 for row in maintenance.listing(sizes=True)}
    removed = maintenance.collect(older_than=older_than, dry_run=dry_run)
    return [Pruned("environments", key, sizes.get(key, 0)) for key in removed]


def _mirrors(limit: float, dry_run: bool) -> Iterator[Pruned]:
    parent = paths.cache("git")
    for name in sorted(files.names(parent)):
        folder = os.path.join(parent, name)
        if name.endswith(".git") and mirror.last_use(folder) <= limit:
            size = size_of(folder)
            if mirror.is_free(folder) if dry_run else mirror.remove(folder):
                yield Pruned("git", folder, size)


def _packages(dry_run: bool) -> list[Pruned]:
    """uv knows which of its packages no environment can want any more. Its cache is ours only on another disk."""
    folder = paths.cache("packages")
    if dry_run or not os.path.isdir(folder):
        return []
    before = size_of(folder)
    uv.attempt(["cache", "prune"], cwd=paths.temporary(), extra={"UV_CACHE_DIR": folder})
    freed = before - size_of(folder)
    return [Pruned("packages", folder, freed)] if freed > 0 else []


def _old(name: str, limit: float, dry_run: bool) -> Iterator[Pruned]:
    top = paths.cache(name)
    remove: Callable[[str], None] = os.unlink if name in FILES else files.remove_tree
    if name in FILES:
        candidates = [os.path.join(folder, each) for folder, _, names in os.walk(top) for each in names]
    else:
        candidates = [os.path.join(top, each) for each in files.names(top)]
    for path in sorted(candidates):
        try:
            status = os.lstat(path)
            used = status.st_atime if name in FILES else 0
            if not status.st_mtime_ns:  # the copy of an input (supplied.py): another name of it shows here
                used = status.st_ctime
            if max(status.st_mtime, used) > limit:
                continue
            size = size_of(path)
            if not dry_run:
                remove(path)
        except OSError:
            continue  # somebody else was quicker, or may do what we may not
        yield Pruned(name, path, size)
