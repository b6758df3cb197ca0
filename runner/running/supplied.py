"""Inputs put into a work folder: cloned where the file system can, small ones copied, large ones as a name of a copy
in the cache that has the name of its content and that nobody may write. Never as another name of a user's file: a link
changes its ctime, and through it a command could change the user's data.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from runner import paths
from runner.data.inputs import digest_of
from runner.errors import InputError
from runner.host import files, hashing
from runner.typed import NamedTuple

__all__ = ["Supplier", "Supply"]

FICLONE = 0x40049409  # of linux/fs.h
COPIED = 1_000_000  # bytes; a larger file is not copied for each run
COPIED_IN_ALL = 256_000_000  # bytes a run


class Supply(NamedTuple):
    """An input: a file or a folder."""

    name: str  # as the record has it
    source: str  # absolute
    target: str  # absolute, in the work folder
    digest: str  # as recorded


class Supplier:
    """Puts the inputs of one run into its work folder."""

    def __init__(self) -> None:
        self._left = COPIED_IN_ALL
        self._clones = True  # as far as is known
        self._linked: list[tuple[str, str, str, int]] = []  # name, copy in the cache, target, inode
        self._brought: dict[str, tuple[str, tuple[int, ...] | None]] = {}  # target -> source, state then

    def bring(self, supply: Supply) -> None:
        """InputError when it is another one than was recorded; OSError when it cannot be written."""
        if os.path.isdir(supply.source):
            for place, target in _below(supply.source, supply.target, (os.path.realpath(supply.source),)):
                self._file(supply.name, place, target)
        else:
            os.makedirs(os.path.dirname(supply.target), exist_ok=True)
            self._file(supply.name, supply.source, supply.target)
        if digest_of(supply.source)[0] != supply.digest:  # it was hashed before: what changed since shows now
            raise InputError(f"the input {supply.name} was changed while it was put into the work folder")

    def take_back(self) -> list[str]:
        """Removes what the command left as it was from the work folder. The sources of it, and of what is not there."""
        found = []
        for target, (source, state) in self._brought.items():
            now = _state(target)
            if now is None or now == state:
                found.append(source)
                if now is not None:
                    os.unlink(target)
        return found

    def refuse_changed(self) -> None:
        """InputError when somebody wrote to a file that other runs have, too: root may, and its owner can.

        Whichever run did it, what this one read is not what is recorded.
        """
        for name, kept, target, inode in self._linked:
            there = [found for found in (_status(target), _status(kept)) if found is not None]
            ours = next((found for found in there if found.st_ino == inode), None)
            if (not _is_untouched(ours)) if ours is not None else _status(kept) is not None:
                raise InputError(
                    f"the input {name} was written to while the command ran, by it or by another run that reads it",
                    "a command that changes its input does so in a copy of it",
                )

    def _file(self, name: str, source: str, target: str) -> None:
        self._bring(name, source, target)
        self._brought.setdefault(target, (source, _state(target)))

    def _bring(self, name: str, source: str, target: str) -> None:
        if os.path.islink(source) and not os.path.exists(source):
            os.symlink(os.readlink(source), target)
            return
        if os.path.lexists(target):  # two inputs, of which one lies in the other
            return
        found = os.stat(source)
        if self._clones and _cloned(source, target):
            return
        self._clones = False
        if found.st_size <= COPIED and found.st_size <= self._left:
            self._left -= found.st_size
            shutil.copyfile(source, target)
        else:
            kept = _kept(source)
            os.link(kept, target)
            self._linked.append((name, kept, target, os.stat(target).st_ino))
        if found.st_mode & 0o100 and os.stat(target).st_nlink == 1:
            os.chmod(target, found.st_mode | stat.S_IWUSR)


def _below(source: str, target: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The files of a folder, each with its place; folders are made. Links are followed, as by the folder's digest."""
    os.makedirs(target, exist_ok=True)
    for each in os.scandir(source):
        place = os.path.join(target, each.name)
        if each.is_dir():
            real = os.path.realpath(each.path)
            if real not in above:
                yield from _below(each.path, place, (*above, real))
        elif each.is_file() or each.is_symlink():
            yield each.path, place


def _cloned(source: str, target: str) -> bool:
    """As ioctl_ficlone(2): the blocks are shared until one of the two is written."""
    import fcntl

    try:
        with open(source, "rb") as one, open(target, "xb") as other:
            fcntl.ioctl(other.fileno(), FICLONE, one.fileno())
        return True
    except OSError:
        if os.path.exists(target):
            os.unlink(target)
        return False


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _state(path: str) -> tuple[int, ...] | None:
    """What changes with a file, but not with another name of it."""
    found = _status(path)
    if found is None:
        return None
    own = found.st_ctime_ns if found.st_nlink == 1 else 0
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode, own


def _is_untouched(found: os.stat_result) -> bool:
    """Whether a copy in the cache still has the time that it was given."""
    return found.st_mtime_ns == 0


def _kept(source: str) -> str:
    """The copy of a file in the cache. Its time is 1970's: a copy with another one was written to, and is replaced."""
    digest = hashing.digest(source)
    kept = paths.scratch("work", "data", digest.hex)
    try:
        found = os.lstat(kept)
        if _is_untouched(found) and found.st_size == digest.size:
            return kept
    except FileNotFoundError:
        pass
    with files.Draft(kept) as draft:
        with files.open_file(source) as file, open(draft, "xb") as copy:
            read = files.transfer(file, copy.write)
        if read != digest:
            raise InputError(f"{source} is being written to while it is an input")
        os.chmod(draft, 0o444)
        os.utime(draft, ns=(0, 0))
    return kept
