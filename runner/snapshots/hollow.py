"""Folders in which nothing is kept, as `results/` with its ignored files.

Git's trees have no such folders, and a program may need them. To find them git would go through all folders once
more. So the stamps of all folders are remembered, and which folders are in each: nothing is new as long as these
are the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from runner.host import files
from runner.host.files import Stamp
from runner.host.process import Pending
from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

__all__ = ["LIST", "followed", "hollow", "known", "memory", "others", "without_files"]

# Topmost folders that have no file of the index and are not ignored, and files besides.
LIST = ("ls-files", "-z", "-o", "--directory", "--exclude-standard")
MOST = 2000  # folders without tracked files that are looked into
MANY = 5000  # folders: to compare so many takes longer than to ask git


def hollow(others: Iterable[str], kept: Iterable[str]) -> tuple[str, ...]:
    """Those of the folders `others` that have none of the files `kept`, and no such folder in them."""
    full = {parent for name in kept for parent in _parents(name)}
    empty = {name for name in others if name not in full}
    return tuple(sorted(empty.difference(parent for name in empty for parent in _parents(name))))


def others(root: str, listed: str, own: tuple[str, ...], start: Callable[..., Pending]) -> tuple[str, ...]:
    """Folders without tracked files that are not ignored.

    `listed`: what git says to LIST; `own`: folders of ours; `start` starts the git that was asked.
    """
    tops = [
        name[:-1] for name in listed.split("\0") if name.endswith("/") and not name.startswith(own or "\0")
    ]
    inner = list(islice((each for top in tops for each in _below(root, top, own)), MOST))
    hidden = set(start("check-ignore", "--no-index", *inner).finish().out.splitlines()) if inner else set()
    return tuple(
        name
        for name in (*tops, *inner)
        if "__pycache__" not in name.split("/")
        and not any(each.startswith(f"{name}/") for each in own)  # there for the sake of ours
        and not _is_nested(root, name)
        and not _is_in(name, hidden)
    )


def known(root: str, memory: Mapping[str, Any], at: int) -> tuple[tuple[str, ...], dict[str, Any]] | None:
    """The `others` of before and a newer memory; None when a folder was added or removed, or an ignore file changed."""
    if not memory or any(_stamp(root, path) != stamp for path, stamp in memory["ignoring"].items()):
        return None
    folders = {}
    for path, (stamp, inner) in memory["folders"].items():
        now = _stamp(root, path)
        if not now or (now != stamp and _folders_in(root, path) != inner):
            return None
        folders[path] = [now if files.settled(Stamp(*now), at) else [], inner]
    return tuple(memory["others"]), {**memory, "folders": folders}


def memory(root: str, names: Sequence[str], others: Iterable[str], at: int) -> dict[str, Any]:
    """What `known` needs next time. `names`: all that is in the index; {} when there are too many folders."""
    full = {parent for name in names for parent in _parents(name)}
    others = [name for name in others if name not in full]
    places = {"", *others, *full, *(parent for name in others for parent in _parents(name))}
    if len(places) > MANY:
        return {}
    folders, ignoring = {}, {}
    for path in places:
        now = _stamp(root, path)  # before the look
        folders[path] = [now if now and files.settled(Stamp(*now), at) else [], _folders_in(root, path)]
        name = os.path.join(path, ".gitignore")
        ignoring[name] = _stamp(root, name)
    if any(stamp and not files.settled(Stamp(*stamp), at) for stamp in ignoring.values()):
        return {}
    return {"folders": folders, "ignoring": ignoring, "others": others}


def followed(memory: dict[str, Any], entered: Iterable[str], others: Iterable[str]) -> dict[str, Any]:
    """A memory from `known`, after the files `entered` came into the index, and `others` had none of it before."""
    full = {parent for name in entered for parent in _parents(name)}
    return {**memory, "others": sorted(set(others).difference(full))}


def without_files(root: str, gone: Iterable[str]) -> tuple[str, ...]:
    """Folders that have nothing any more, now that these files are gone."""
    found = set()
    for name in gone:
        for parent in _parents(name):
            try:
                if not os.listdir(os.path.join(root, parent)):
                    found.add(parent)
                break
            except OSError:
                continue  # it has gone too
    return tuple(sorted(found))


def _stamp(root: str, path: str) -> list[int]:
    return list(files.stamp(os.path.join(root, path), follow=False) or ())


def _folders_in(root: str, path: str) -> list[str]:
    try:
        with os.scandir(os.path.join(root, path)) as entries:
            return sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _below(root: str, top: str, own: tuple[str, ...]) -> Iterator[str]:
    for name in _folders_in(root, top):
        if name != ".git" and not f"{top}/{name}/".startswith(own or "\0"):
            yield f"{top}/{name}"
            yield from _below(root, f"{top}/{name}", own)


def _is_nested(root: str, name: str) -> bool:
    return any(os.path.lexists(os.path.join(root, each, ".git")) for each in (name, *_parents(name)))


def _is_in(name: str, folders: set[str]) -> bool:
    return bool(folders) and any(each in folders for each in (name, *_parents(name)))


def _parents(name: str) -> Iterator[str]:
    while name := os.path.dirname(name):
        yield name
