"""A snapshot as one file in the cache, from which it is written to many folders quickly: three system calls a file.

<cache>/work/trees/<tree>.tar   all contents, as `git archive` gives them
                   <tree>.json  [path, mode, offset, size, where a link leads, git's id] of each; written last

Contents are checked against their ids when they are written: in a cache anybody may have changed something.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Sequence

from runner import paths
from runner.errors import StoreError
from runner.host import files
from runner.snapshots.vault import EMPTY, Vault
from runner.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tarfile import TarInfo
    from typing import BinaryIO

__all__ = ["LINK", "Member", "members", "unpack"]

LINK = 0o120000


class Member(NamedTuple):
    path: str  # from the top of the snapshot, with "/"
    mode: int  # 0o644, 0o755, LINK
    offset: int  # bytes, of its content in the .tar
    size: int  # bytes
    leads: str  # of a link
    blob: str  # as git names the content


def members(store: str, tree: str) -> list[Member]:
    """What is in a snapshot, which is packed if it is not yet. StoreError when the store has none of it."""
    if tree == EMPTY:
        return []
    place = _place(tree)
    try:
        with open(f"{place}.json", encoding="utf-8", errors="surrogateescape") as file:
            found = [Member(*each) for each in json.load(file)]
        os.utime(f"{place}.json")  # the time of its last use, for `proj cache prune`
        if os.path.exists(f"{place}.tar"):
            return found
    except (OSError, ValueError, TypeError):
        pass
    return _pack(store, tree, place)


def unpack(tree: str, chosen: Sequence[Member], target: str) -> None:
    """Writes members of a snapshot below the folder `target`. OSError when it cannot; StoreError: it was changed."""
    for folder in sorted({os.path.dirname(each.path) for each in chosen}):
        os.makedirs(os.path.join(target, folder), exist_ok=True)
    if not chosen:
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with (
        open(f"{_place(tree)}.tar", "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as view,
    ):
        for path, mode, offset, size, leads, blob in chosen:
            place = f"{target}/{path}"
            with view[offset : offset + size] as whole:
                if _blob(leads.encode("utf-8", "surrogateescape") if mode == LINK else whole) != blob:
                    _refuse(tree, path)
            if mode == LINK:
                os.symlink(leads, place)
                continue
            handle = os.open(place, flags, 0o777 if mode & 0o100 else 0o666)
            try:
                at, end = offset, offset + size
                while at < end:
                    with view[at:end] as rest:
                        at += os.write(handle, rest)
            finally:
                os.close(handle)


def _blob(content: bytes | memoryview) -> str:
    """As `git hash-object` gives it."""
    found = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    found.update(content)
    return found.hexdigest()


def _refuse(tree: str, path: str) -> None:
    os.unlink(f"{_place(tree)}.json")  # it is packed again
    raise StoreError(
        f"{path} is not as the snapshot {tree[:10]} has it: its copy in the cache was changed", "run it again"
    )


def _place(tree: str) -> str:
    return paths.scratch("work", "trees", tree)


def _pack(store: str, tree: str, place: str) -> list[Member]:
    import tarfile

    vault = Vault(os.path.join(store, "snapshots.git"))
    if not vault.has(tree):
        raise StoreError(f"the snapshot {tree[:10]} is not in {vault.folder}")
    try:
        with files.Draft(f"{place}.tar") as draft:
            vault.git("archive", "--format=tar", f"--output={draft}", tree)
            with (
                open(draft, "rb") as content,
                tarfile.open(draft, "r:", encoding="utf-8", errors="surrogateescape") as archive,
            ):
                found = [
                    Member(each.name, LINK if each.issym() else each.mode, *_where(each, content))
                    for each in archive
                    if each.isfile() or each.issym()
                ]
        files.write(f"{place}.json", json.dumps(found, ensure_ascii=False))
    except (OSError, tarfile.TarError) as error:
        raise StoreError(f"the snapshot {tree[:10]} cannot be unpacked: {error}") from error
    return found


def _where(each: TarInfo, content: BinaryIO) -> tuple[int, int, str, str]:
    if each.issym():
        return each.offset_data, 0, each.linkname, _blob(each.linkname.encode("utf-8", "surrogateescape"))
    content.seek(each.offset_data)
    return each.offset_data, each.size, "", _blob(content.read(each.size))
