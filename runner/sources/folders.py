"""Folders made for one run: locked by the process that uses them, so that what a killed one left is removed.

    <cache>/checkouts/<id>/proj.lock       held (flock) while the run, or a command that outlived it, needs the folder
                           proj.worktrees  git's own folders about the work trees in here: removed too
                           <name>/         the code
    <cache>/spares/<name>                  the same, in nobody's use

Whoever renames a spare has it.
"""

from __future__ import annotations

import os
import time

from runner import paths
from runner.host import files

__all__ = [
    "RESERVED",
    "contents",
    "is_shared",
    "make",
    "note_worktree",
    "remove",
    "set_aside",
    "sweep",
    "take_back",
]

RESERVED = ("proj.lock", "proj.worktrees", "proj.index")  # names that no project has
OLD = 7 * 86_400  # s, after which what was set aside is removed

_held: dict[str, int] = {}  # folder -> its open lock


def make() -> str:
    """A new folder, locked by this process and by the children that it starts from now on."""
    sweep()
    parent = paths.scratch("checkouts")
    while True:
        folder = os.path.join(parent, os.urandom(6).hex())
        os.makedirs(folder)
        handle = _lock(folder)
        if handle is not None:
            _held[folder] = handle
            return folder


def set_aside(folder: str, name: str) -> bool:
    """Gives a folder of ours up for later use by whoever asks for `name`. False when there is one already."""
    target = paths.scratch("spares", name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.exists(target):
        return False
    try:
        os.unlink(os.path.join(folder, "proj.lock"))
        os.rename(folder, target)
    except OSError:
        return False
    os.close(_held.pop(folder))
    return True


def take_back(name: str) -> str:
    """Makes a folder that was set aside ours again; "" when there is none."""
    target = paths.scratch("spares", name)
    folder = paths.scratch("checkouts", os.urandom(6).hex())
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        os.utime(target)  # young, and without a lock: nobody sweeps it
        os.rename(target, folder)
    except OSError:
        return ""
    handle = _lock(folder)
    if handle is None:
        return ""
    _held[folder] = handle
    return folder


def is_shared(folder: str) -> bool:
    """Whether a process that the run started still has the folder's lock open."""
    ours = _held.pop(folder)
    os.close(ours)
    handle = _lock(folder)
    if handle is None:
        return True
    _held[folder] = handle
    return False


def contents(folder: str) -> list[str]:
    """The names in it that are not ours."""
    return [name for name in files.names(folder) if name not in RESERVED]


def note_worktree(folder: str, administration: str) -> None:
    """That git knows of a worktree in this folder, for clean-up; a line for each."""
    with open(
        os.path.join(folder, "proj.worktrees"), "a", encoding="utf-8", errors="surrogateescape"
    ) as file:
        file.write(administration + "\n")


def remove(folder: str) -> None:
    """Removes a folder of ours with all that belongs to it."""
    handle = _held.pop(folder, None)
    _remove(folder)
    if handle is not None:
        os.close(handle)


def sweep() -> None:
    """Removes the folders whose processes are gone."""
    parent = paths.scratch("checkouts")
    try:
        names = os.listdir(parent)
    except FileNotFoundError:
        return
    for name in names:
        folder = os.path.join(parent, name)
        if folder in _held or _is_being_made(folder):
            continue
        handle = _lock(folder)
        if handle is not None:
            _remove(folder)
            os.close(handle)
    _sweep_spares()


def _sweep_spares() -> None:
    for name in files.names(paths.scratch("spares")):
        try:
            age = time.time() - os.stat(paths.scratch("spares", name)).st_mtime
        except OSError:
            continue
        if age > OLD and (folder := take_back(name)):
            remove(folder)


def _is_being_made(folder: str) -> bool:
    try:
        return (
            not os.path.exists(os.path.join(folder, "proj.lock"))
            and time.time() - os.stat(folder).st_mtime < 60
        )
    except OSError:
        return True


def _lock(folder: str) -> int | None:
    """The open lock, or None when somebody else has it, or removed the folder meanwhile."""
    try:
        return files.try_lock(os.path.join(folder, "proj.lock"), inheritable=True)
    except OSError:
        return None


def _remove(folder: str) -> None:
    try:
        with open(os.path.join(folder, "proj.worktrees"), encoding="utf-8", errors="surrogateescape") as file:
            noted = file.read().splitlines()
    except FileNotFoundError:
        noted = []
    for administration in noted:
        if os.path.basename(os.path.dirname(administration)) == "worktrees":
            files.remove_tree(administration)
    for name in contents(folder):
        files.remove_tree(os.path.join(folder, name))
    files.remove_tree(folder)
