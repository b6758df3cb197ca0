"""What is remembered of a folder between its snapshots: an index of ours, and what we know besides.

    <cache>/snapshots/<key>/index        a git index: paths, ids of the bytes on disk, and their stamps
                            state.json   State

Git compares stamps by whole seconds. So only what has not changed since the second before it was read is kept
with its stamp: then no later change can go unseen, whatever it does to the file's times. Losing all of it costs
time only.
"""

from __future__ import annotations

import json
import os
import stat
from zlib import crc32

from runner import paths
from runner.host import files
from runner.host.files import Draft, Stamp
from runner.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Kept", "State", "key_of", "link", "safe"]

SECOND = 1_000_000_000


class State(NamedTuple):
    """In `state.json`; what belongs to another folder, or to another index, is as good as nothing."""

    root: str = ""
    ours: tuple[int, ...] = ()  # size, mtime_ns and inode of our index
    users: tuple[int, ...] = ()  # stamp of the user's own index, whose paths ours has
    waiting: tuple[str, ...] = ()  # paths that ours has without a stamp, as they were too young
    vault: str = ""  # of a folder without git: where the bytes are
    generation: str = ""  # of that vault: it has forgotten none of them since
    folders: dict[str, Any] = {}  # noqa: RUF012 (see hollow.py)


class Kept:
    def __init__(self, root: str, *, for_good: bool = True) -> None:
        self.root = root
        name = f"index-{os.getpid()}-{os.urandom(4).hex()}"
        self.index = os.path.join(paths.temporary(), name)  # ours alone
        self.folder = paths.scratch("snapshots", key_of(root)) if for_good else f"{self.index}.view"
        self.state = State()
        self._for_good = for_good

    def open(self) -> bool:
        """Puts what is kept to `index`, and to `state`. False: nothing is."""
        _sweep()
        if not self._for_good:
            return False
        try:
            state = _load(os.path.join(self.folder, "state.json"))
            same = link(os.path.join(self.folder, "index"), self.index) == state.ours
        except (OSError, ValueError, TypeError, KeyError):
            return False
        if state.root != self.root or not same:
            self.discard()
            return False
        self.state = state
        return True

    def save(self, index: str, state: State) -> None:
        """Keeps `index` (linked, not moved) with what is known of it; the last of several wins."""
        if not self._for_good:
            return
        try:
            with Draft(os.path.join(self.folder, "index")) as draft:
                link(index, draft)
                state = state._replace(root=self.root, ours=_identity(draft))
            files.write(os.path.join(self.folder, "state.json"), json.dumps(state._asdict()))
        except OSError:
            return  # all is read again next time
        self.state = state

    def discard(self) -> None:
        files.remove_tree(self.index)
        if not self._for_good:
            files.remove_tree(self.folder)


def safe(path: str, at: int) -> bool:
    """Whether git sees every change of a file or link from the time `at` on by its stamp."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        return False
    stamp = Stamp.of(found)
    return files.settled(stamp, at) and at // SECOND > max(stamp.mtime_ns, stamp.ctime_ns) // SECOND


def key_of(root: str) -> str:
    """A name for what is remembered of a folder; two folders with one name take turns."""
    name = os.fsencode(root)
    return f"{crc32(name):08x}{crc32(name[::-1]):08x}"


def _sweep() -> None:
    """Removes what processes that were killed had in hand."""
    folder = paths.temporary()
    for name in os.listdir(folder):
        if name.startswith("index-"):
            try:
                os.kill(int(name.split("-")[1]), 0)
            except (ProcessLookupError, ValueError):
                files.remove_tree(os.path.join(folder, name))
            except OSError:
                pass  # somebody else's


def link(source: str, target: str) -> tuple[int, ...]:
    """Gives an index a second name, and says which index it is. OSError when there is none.

    It stays what it is when the source is replaced, and keeps its time, by which git tells what is too young.
    """
    try:
        os.link(source, target)
        return _identity(target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        found = os.stat(source)
        files.write(target, files.read(source))
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
        return _identity(source)


def _identity(index: str) -> tuple[int, ...]:
    """Without the time of change, which a new link to the file changes."""
    found = os.stat(index)
    return found.st_size, found.st_mtime_ns, found.st_ino


def _load(path: str) -> State:
    with open(path, encoding="utf-8") as file:
        given = json.load(file)
    lists = {name: tuple(given[name]) for name in ("ours", "users", "waiting")}
    return State(**{**given, **lists})
