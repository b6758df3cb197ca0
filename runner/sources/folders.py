"""Folders made for one run: locked by the process that uses them, so that what a killed one left is removed.

<cache>/checkouts/<id>/lock       held (flock) while the run, or a command that outlived it, needs the folder
                       worktrees  git's own folders about the work trees in here, one a line: removed too
                       <name>/    the code
"""

from __future__ import annotations

import os
import stat
import time

from runner import paths

try:
    import fcntl
except ImportError:  # Windows: left-overs are not removed
    fcntl = None  # type: ignore[assignment]

__all__ = ["RESERVED", "make", "note_worktree", "remove", "sweep"]

RESERVED = ("lock", "worktrees")

_held: dict[str, int] = {}  # folder -> its open lock


def make() -> str:
    """A new folder, locked by this process and by the children that it starts from now on."""
    sweep()
    parent = paths.cache("checkouts")
    while True:
        folder = os.path.join(parent, os.urandom(6).hex())
        os.makedirs(folder)
        handle = _lock(folder)
        if handle is not None:
            _held[folder] = handle
            return folder


def note_worktree(folder: str, administration: str) -> None:
    with open(os.path.join(folder, "worktrees"), "a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(administration + "\n")


def remove(folder: str) -> None:
    """Removes a folder of ours with all that belongs to it."""
    handle = _held.pop(folder, None)
    _remove(folder)
    if handle is not None:
        os.close(handle)


def sweep() -> None:
    """Removes the folders whose processes are gone."""
    if fcntl is None:
        return
    parent = paths.cache("checkouts")
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


def _is_being_made(folder: str) -> bool:
    try:
        return (
            not os.path.exists(os.path.join(folder, "lock")) and time.time() - os.stat(folder).st_mtime < 60
        )
    except OSError:
        return True


def _lock(folder: str) -> int | None:
    """The open lock, or None when somebody else has it, or removed the folder meanwhile."""
    try:
        handle = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    if fcntl is None:
        return handle
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    if not os.fstat(handle).st_nlink:
        os.close(handle)
        return None
    os.set_inheritable(handle, True)
    return handle


def _remove(folder: str) -> None:
    try:
        with open(os.path.join(folder, "worktrees"), encoding="utf-8", errors="surrogateescape") as file:
            noted = file.read().splitlines()
    except FileNotFoundError:
        noted = []
    for administration in noted:
        if os.path.basename(os.path.dirname(administration)) == "worktrees":
            remove_tree(administration)
    for name in _names(folder):
        if name not in RESERVED:
            remove_tree(os.path.join(folder, name))
    remove_tree(folder)


def remove_tree(path: str) -> None:
    """Removes what can be removed; links are not followed, read-only folders are opened."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return
    except OSError:
        return
    for name in _names(path):
        remove_tree(os.path.join(path, name))
    try:
        os.rmdir(path)
    except OSError:
        pass


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except PermissionError:
        os.chmod(folder, 0o700)
        return os.listdir(folder)
    except OSError:
        return []
