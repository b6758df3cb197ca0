"""Artifacts in a folder of this machine: cloned where the file system can, else copied, always whole or not there.

A clone (reflink) shares the bytes until one side is written to. A hard link would let a later edit of the file
change the record as well, so it is made only of what the caller calls immutable.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from typing import TypeAlias

from runner.errors import StoreError
from runner.host.files import Digest, Draft, digest, is_draft, open_file, transfer
from runner.tracking.artifact_paths import inside

__all__ = ["LocalRepository", "Progress"]

FICLONE = 0x40049409  # ioctl of Linux: share the data of another file
Progress: TypeAlias = "Callable[[int], None]"  # bytes done since the last call


class LocalRepository:
    def __init__(self, root: str) -> None:
        self.root = root

    def size(self, path: str) -> int | None:
        """None when there is no such file."""
        try:
            return os.stat(self._inside(path)).st_size
        except OSError:
            return None

    def put(self, source: str, path: str, progress: Progress, immutable: bool = False) -> Digest:
        """The digest of what was kept. StoreError for a full disk, a file that cannot be read, or a link that leads
        out.
        """
        target = self._inside(path)
        try:
            if os.path.exists(target) and os.path.samefile(source, target):
                return digest(source, progress)
            with Draft(target) as draft:
                return _fill(source, draft, progress, immutable)
        except OSError as error:
            raise StoreError(f"{source} cannot be kept as {path}: {error.strerror or error}") from error

    def get(self, path: str, target: str, progress: Progress) -> Digest:
        return _fill(self._inside(path), target, progress, immutable=False)

    def link(self, path: str, target: str) -> None:
        """A symbolic link; `target` is seen from its folder."""
        place = os.path.join(self._inside(os.path.dirname(path)), os.path.basename(path))
        with Draft(place) as draft:
            os.symlink(target, draft)

    def delete(self, path: str) -> None:
        """The file, and folders that are empty without it."""
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
                if not is_draft(name):
                    file = os.path.join(folder, name)
                    try:
                        yield os.path.relpath(file, self.root), os.stat(file).st_size
                    except OSError:
                        continue  # a link that leads nowhere

    def _inside(self, path: str) -> str:
        """StoreError when a link leads out."""
        return inside(self.root, path)


def _fill(source: str, target: str, progress: Progress, immutable: bool) -> Digest:
    if immutable:
        try:
            os.link(os.path.realpath(source), target)
            return digest(target, progress)
        except OSError:
            pass  # another file system, or one without links
    with open_file(source) as reading, open(target, "wb") as writing:
        if _clone(reading.fileno(), writing.fileno()):
            return digest(target, progress)
        found = transfer(reading, writing.write, progress)
    os.chmod(target, os.stat(source).st_mode & 0o777 | 0o200)
    return found


def _clone(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, FICLONE, source)
    except (ImportError, OSError):
        return False
    return True
