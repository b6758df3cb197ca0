"""What `git status` says of a work tree, parsed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence

from runner import paths
from runner.host.files import Hash
from runner.host.git import portions
from runner.host.process import Pending
from runner.typed import NamedTuple

__all__ = ["ARGUMENTS", "Change", "Status", "ignored", "is_dirty", "own_folders", "parse", "unreadable"]

# It writes nothing: no refresh of the index, no file system monitor, no hook.
ARGUMENTS = (
    "status",
    "--porcelain=v2",
    "-z",
    "--untracked-files=all",
    "--ignored=matching",  # a folder that is ignored whole is not searched
    "--ignore-submodules=none",
    "--no-renames",
)
NOTHING = ("000000", "0" * 40)
LINK = "120000"
BYTECODE = "__pycache__/"
UNREADABLE = "warning: could not open directory '"


class Change(NamedTuple):
    """A path (from the top of the work tree) that differs from the commit, or from the index that git was given."""

    path: str
    tracked: bool = False  # the index has it
    absent: bool = False  # it is not on disk, or not as a file that is tracked
    nested: bool = False  # a submodule, or a repository inside this one
    fresh: bool = True  # the index does not have the bytes on disk
    committed: tuple[str, str] | None = None  # mode and id, where the disk may have again what the commit has


class Status(NamedTuple):
    commit: str
    branch: str
    changes: tuple[Change, ...]
    dirty: bool  # something differs from the commit
    unreadable: tuple[str, ...] = ()  # folders, with a "/" at the end
    hollow: tuple[str, ...] = ()  # folders in which nothing is kept
    ignored: tuple[str, ...] | None = (
        None  # folders that are ignored whole end in "/"; None: git was not asked
    )


def own_folders(root: str, *others: str) -> tuple[str, ...]:
    """What `proj` itself keeps inside of a work tree, if it was told to: relative, with a "/" at the end."""
    top = root.rstrip(os.sep) + os.sep
    chosen = {os.path.realpath(folder) for folder in (paths.home(), paths.store(), paths.cache(), *others)}
    inside = (folder for folder in chosen if folder.startswith(top))
    return tuple(folder[len(top) :].replace(os.sep, "/") + "/" for folder in inside)


def parse(text: str, root: str) -> tuple[Change, ...]:
    """Of git-status(1), porcelain format 2."""
    own = own_folders(root)
    found: dict[str, Change] = {}
    for line in text.split("\0"):
        change = _change(line)
        if change is None or _is_rubbish(change.path) or (own and f"{change.path}/".startswith(own)):
            continue
        if change.path in found:  # the index has it no more, the disk still has it
            change = change._replace(committed=found[change.path].committed)
        found[change.path] = change
    return tuple(found.values())


def ignored(text: str) -> tuple[str, ...]:
    """What git ignores, of the same text, and what it should: paths from the top of the work tree."""
    lines = text.split("\0")
    return tuple(
        line[2:] for line in lines if line.startswith("! ") or (line.startswith("? ") and _is_rubbish(line))
    )


def is_dirty(root: str, changes: Sequence[Change], start: Callable[..., Pending]) -> bool:
    """Whether the disk differs from the commit, and not from our index only. `start` starts git in our view."""
    maybe = [change for change in changes if change.committed is not None]
    if len(maybe) < len(changes):
        return True
    if any(change.committed != NOTHING for change in maybe if change.absent):
        return True
    files = {change.path: change.committed or NOTHING for change in maybe if not change.absent}
    links = {path: blob for path, (mode, blob) in files.items() if mode == LINK}
    if any(_mode(os.path.join(root, path)) != mode for path, (mode, _) in files.items()):
        return True
    if any(_id_of_link(os.path.join(root, path)) != blob for path, blob in links.items()):
        return True
    for some in portions(files.keys() - links.keys()):
        done = start("hash-object", "--no-filters", "--", *some).finish()
        if done.out.split() != [files[path][1] for path in some]:
            return True
    return False


def _mode(path: str) -> str:
    """As git has it in its trees; "" of what it does not have."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return ""
    if stat.S_ISLNK(mode):
        return LINK
    return ("100755" if mode & 0o100 else "100644") if stat.S_ISREG(mode) else ""


def _id_of_link(path: str) -> str:
    text = os.fsencode(os.readlink(path))
    total = Hash("sha1")
    total.update(b"blob %d\0" % len(text) + text)
    return total.result().hex


def unreadable(messages: str) -> tuple[str, ...]:
    """Folders whose content git could not list, from its warnings (in the C locale)."""
    lines = (line for line in messages.splitlines() if line.startswith(UNREADABLE))
    return tuple(line[len(UNREADABLE) :].rpartition("': ")[0] for line in lines)


def _change(line: str) -> Change | None:
    kind = line[:1]
    if kind == "?":
        return Change(line[2:].rstrip("/"), nested=line.endswith("/"))
    if kind == "1":
        _, states, submodule, mode, here, on_disk, blob, _, path = line.split(" ", 8)
        nested = submodule[0] == "S" or "160000" in (here, on_disk)
        absent = on_disk == "000000" or here == "000000"
        # neither our index nor the disk has what the commit has: the disk may differ from it or not
        open_ = not nested and (states in ("AD", "D.") or "." not in states)
        committed = (mode, blob) if open_ else None
        return Change(path, here != "000000", absent, nested, states[1] != ".", committed)
    if kind == "u":
        return Change(line.split(" ", 10)[10], True)
    return None


def _is_rubbish(path: str) -> bool:
    """What Python leaves behind in a folder without a .gitignore says nothing about the code."""
    return path.endswith(".pyc") and BYTECODE in path
