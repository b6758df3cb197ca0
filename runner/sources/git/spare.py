"""Large work trees are not thrown away after a run but kept for the next one: writing 20,000 files takes seconds.

A spare is used by one run at a time. What the last command did to it is undone: git compares every file with the
index that was written at its checkout (size, times, inode), and everything that is not of the commit is removed.
"""

from __future__ import annotations

import os

from runner.host import files, git
from runner.sources import folders
from runner.sources.git import repository
from runner.sources.git.mirror import Mirror

__all__ = ["keep", "relink", "remember_index", "take"]

LARGE = 200_000  # bytes of the index, some 2,000 files: below, writing is as quick as comparing
SLOTS = 2  # spares of one repository


def take(source: Mirror) -> tuple[str, str]:
    """(folder of the run, its work tree), or ("", "") when there is no spare."""
    for slot in range(SLOTS):
        folder = folders.take_back(_name(source.folder, slot))
        names = folders.contents(folder) if folder else []
        if len(names) == 1:
            return folder, os.path.join(folder, names[0])
        if folder:
            folders.remove(folder)
    return "", ""


def keep(root: str) -> bool:
    """Sets a work tree aside for a later run, if that is worth while and nobody uses it any more."""
    folder = os.path.dirname(root)
    found = repository.find(root)
    if found is None or found.root != root or os.path.exists(os.path.join(root, ".gitmodules")):
        return False
    if not os.path.exists(os.path.join(folder, "proj.index")) or folders.is_shared(folder):
        return False
    if git.start("clean", "-ffdxq", folder=root).finish().code:
        return False
    return any(folders.set_aside(folder, _name(found.common, slot)) for slot in range(SLOTS))


def remember_index(folder: str, administration: str) -> None:
    """Keeps the index of a large work tree as it is after the checkout: the command may change the one in use."""
    index = os.path.join(administration, "index")
    found = os.stat(index)
    if found.st_size >= LARGE:
        _copy(index, os.path.join(folder, "proj.index"))


def relink(folder: str, path: str, commit: str) -> bool:
    """Makes git see a spare at its new place, with the index of its checkout and `commit` to be written."""
    found = repository.find(path)
    if found is None or found.root != path:
        return False
    for name in os.listdir(found.folder):
        if name not in ("gitdir", "commondir"):
            files.remove_tree(os.path.join(found.folder, name))
    _copy(os.path.join(folder, "proj.index"), os.path.join(found.folder, "index"))
    for name, text in (("gitdir", os.path.join(path, ".git")), ("HEAD", commit)):
        with open(os.path.join(found.folder, name), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text + "\n")
    return True


def _name(mirror: str, slot: int) -> str:
    return f"{os.path.basename(mirror)}-{slot}"


def _copy(source: str, target: str) -> None:
    """With its time, by which git tells what changed within one tick of the clock."""
    found = os.stat(source)
    with open(source, "rb") as old, open(target, "wb") as new:
        new.write(old.read())
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
