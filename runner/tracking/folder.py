"""Artifacts in a folder of this machine: cloned where the file system can, else copied, always whole or not there.

A clone (reflink) shares the bytes until one side is written to. A hard link would let a later edit of the file
change the record as well, so it is made only of what the caller calls immutable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from runner.errors import StoreError
from runner.host.hashing import Digest
from runner.text.encoding import restored

__all__ = ["Folder", "found", "transfer"]

BLOCK = 1 << 20
FICLONE = 0x40049409  # ioctl of Linux: share the data of another file
DRAFT = ".proj-draft-"
Progress = Callable[[int], None]  # bytes done since the last call


class Folder:
    def __init__(self, root: str) -> None:
        self.root = root

    def size(self, path: str) -> int | None:
        """None when there is no such file."""
        try:
            return os.stat(self._inside(path)).st_size
        except OSError:
            return None

    def put(self, source: str, path: str, progress: Progress, immutable: bool = False) -> Digest:
        target = self._inside(path)
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if os.path.exists(target) and os.path.samefile(source, target):
                return _hash(source, progress)
            draft = os.path.join(os.path.dirname(target), f"{DRAFT}{os.getpid()}-{os.urandom(4).hex()}")
            try:
                digest = _fill(source, draft, progress, immutable)
                os.replace(draft, target)
            except BaseException:
                if os.path.lexists(draft):
                    os.unlink(draft)
                raise
        except OSError as error:
            raise StoreError(f"{source} cannot be kept as {path}: {error.strerror or error}") from error
        return digest

    def get(self, path: str, target: str, progress: Progress) -> Digest:
        return _fill(self._inside(path), target, progress, immutable=False)

    def delete(self, path: str) -> None:
        os.unlink(self._inside(path))
        folder = os.path.dirname(self._inside(path))
        while folder != self.root:
            try:
                os.rmdir(folder)  # empty ones only
            except OSError:
                break
            folder = os.path.dirname(folder)

    def files(self, path: str) -> Iterator[tuple[str, int]]:
        """All files below a folder, or the file itself: (path from the root, size)."""
        top = self._inside(path)
        if os.path.isfile(top):
            yield os.path.relpath(top, self.root), os.stat(top).st_size
            return
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                if not name.startswith(DRAFT):
                    file = os.path.join(folder, name)
                    try:
                        yield os.path.relpath(file, self.root), os.stat(file).st_size
                    except OSError:
                        continue  # a link that leads nowhere

    def _inside(self, path: str) -> str:
        """StoreError when a link leads out."""
        target = found(self.root, path)
        root = os.path.realpath(self.root)
        real = os.path.realpath(target)
        if real != root and not real.startswith(root + os.sep):
            raise StoreError(f"the artifact {path!r} leads out of the run's folder")
        return target


def found(root: str, path: str) -> str:
    """The file that `path` means: one whose name is not UTF-8 may be called by its visible name."""
    target = os.path.join(root, path)
    exact = os.path.join(root, restored(path))
    return target if exact == target or os.path.lexists(target) or not os.path.lexists(exact) else exact


def _fill(source: str, target: str, progress: Progress, immutable: bool) -> Digest:
    if immutable:
        try:
            os.link(os.path.realpath(source), target)
            return _hash(target, progress)
        except OSError:
            pass  # another file system, or one without links
    with open(source, "rb") as reading, open(target, "wb") as writing:
        if _clone(reading.fileno(), writing.fileno()):
            return _hash(target, progress)
        digest = transfer(reading, progress, writing.write)
    os.chmod(target, os.stat(source).st_mode & 0o777 | 0o200)
    return digest


def _clone(source: int, target: int) -> bool:
    try:
        import fcntl

        fcntl.ioctl(target, FICLONE, source)
    except (ImportError, OSError):
        return False
    return True


def _hash(path: str, progress: Progress) -> Digest:
    with open(path, "rb") as file:
        return transfer(file, progress, len)


def transfer(file: Any, progress: Progress, write: Callable[[bytes], object]) -> Digest:
    """Reads a file to its end, each block to `write`: the digest is that of the bytes that were written."""
    import hashlib

    value, size = hashlib.sha256(), 0
    while block := file.read(BLOCK):
        value.update(block)
        write(block)
        size += len(block)
        progress(len(block))
    return Digest(f"sha256:{value.hexdigest()}", size)
