"""What is in the vault, read again: a snapshot as a folder, as a list of files, as a patch."""

from __future__ import annotations

import os
from collections.abc import Iterable

from runner import paths
from runner.errors import InputError, StoreError
from runner.host import git
from runner.host.files import BLOCK, Hash
from runner.host.process import Completed
from runner.snapshots.vault import EMPTY, Vault
from runner.typed import NamedTuple

__all__ = ["File", "changed", "committed", "content", "diff", "files", "patch", "restore"]

FOLDER = b"40000"  # a mode, as a tree has it


LARGE = 1 << 20  # bytes; git holds no larger file in memory here
STOPPED = -9


class File(NamedTuple):
    path: str
    blob: str  # id of its content
    mode: str  # 100644, 100755 (executable), 120000 (symbolic link)
    size: int  # bytes


def restore(store: str, tree: str, target: str, subdirectory: str = "", folders: Iterable[str] = ()) -> str:
    """Writes a snapshot to `target`, which must be absent or empty, and returns the project's folder in it.

    `folders` (CodeState.folders) are made too, as no tree has them. What was written is read again and compared:
    StoreError when it is not the same, or the snapshot is damaged.
    """
    vault = _vault_with(store, tree)
    if os.path.lexists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise InputError(f"{target} exists and is not empty", "choose a new folder")
    target = os.path.abspath(target)
    os.makedirs(target, exist_ok=True)
    index = os.path.join(paths.temporary(), f"restore-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        _read(vault, tree, "read-tree", "-m", "-u", tree, folder=target, index=index)
        if _tree_of(target) != tree:
            raise _damaged(vault, tree, "what was written is not what was stored")
    finally:
        if os.path.exists(index):
            os.unlink(index)
    for name in folders:
        parts = name.split("/")
        if not name.startswith("/") and ".." not in parts:
            os.makedirs(os.path.join(target, *parts), exist_ok=True)
    place = os.path.join(target, *subdirectory.split("/")) if subdirectory else target
    if not os.path.isdir(place):
        raise StoreError(f"the snapshot {tree[:10]} has no folder {subdirectory}")
    return place


def files(store: str, tree: str) -> list[File]:
    """All files of a tree in the store: path, blob, mode and size in bytes. ProjError when the store has it no more."""
    vault = _vault_with(store, tree)
    listed = _read(vault, tree, "ls-tree", "-r", "-l", "-z", "--full-tree", tree)
    found = []
    for line in listed.split("\0"):
        if line:
            facts, _, path = line.partition("\t")
            mode, _, blob, size = facts.split()
            found.append(File(path, blob, mode, int(size) if size.isdigit() else 0))
    return found


def diff(store: str, tree_a: str, tree_b: str) -> str:
    """A unified patch from one snapshot to the other; binary files are only named."""
    vault = _vault_with(store, tree_a)
    _vault_with(store, tree_b)
    options = ("--no-color", "--find-renames", "--src-prefix=a/", "--dst-prefix=b/")
    return _read(vault, tree_a, "diff-tree", "-r", "-p", *options, tree_a, tree_b)


def patch(store: str, tree_a: str, tree_b: str, most: int, seconds: float) -> tuple[str, bool]:
    """A unified patch from one snapshot to the other, and whether it ends early, at a line, after `most` bytes or
    `seconds`. Of binary files, and of those larger than LARGE, it has the names."""
    vault = _vault_with(store, tree_a)
    _vault_with(store, tree_b)
    options = ("--no-color", "--find-renames=100%", "--src-prefix=a/", "--dst-prefix=b/")
    done = _some(vault, tree_a, most, seconds, "diff-tree", "-r", "-p", *options, tree_a, tree_b)
    return (done.out[: done.out.rfind("\n") + 1], True) if done.code else (done.out, False)


def committed(store: str, commit: str) -> str:
    """The tree of a user's commit; "" where the store does not have all of it, as of one with submodules."""
    if len(commit) != 40 or commit.strip("0123456789abcdef"):
        return ""
    return Vault(os.path.join(store, "snapshots.git")).ref(f"commits/{commit}")


def changed(store: str, tree_a: str, tree_b: str) -> list[tuple[str, str]]:
    """(how, path) of the files that differ: A added, D deleted, M modified, T of another type."""
    vault = _vault_with(store, tree_a)
    _vault_with(store, tree_b)
    options = ("-r", "-z", "--no-renames", "--name-status")
    found = _read(vault, tree_a, "diff-tree", *options, tree_a, tree_b).split("\0")
    return list(zip(found[::2], found[1::2], strict=False))


def content(store: str, blob: str, most: int, seconds: float) -> bytes:
    """The beginning of a file of a snapshot, by the id that `files` gives: more than `most` bytes if it has more."""
    vault = Vault(os.path.join(store, "snapshots.git"))
    done = _some(vault, blob, most, seconds, "cat-file", "blob", blob)
    return done.out.encode("utf-8", "surrogateescape")


def _vault_with(store: str, tree: str) -> Vault:
    vault = Vault(os.path.join(store, "snapshots.git"))
    if len(tree) != 40 or tree.strip("0123456789abcdef"):
        raise InputError(f"{tree!r} is not the id of a snapshot")
    if not os.path.isdir(vault.folder):
        raise StoreError(f"the store {store} has no snapshots")
    if not vault.has(tree):
        raise StoreError(
            f"the snapshot {tree[:10]} is not in {vault.folder}",
            "was it recorded in another store, or did the run end before all was copied?",
        )
    return vault


def _read(vault: Vault, tree: str, *arguments: str, folder: str = "", index: str = "") -> str:
    try:
        return vault.git(*arguments, folder=folder, index=index)
    except StoreError as error:
        raise _damaged(vault, tree, error.message.partition(": ")[2]) from None


def _some(vault: Vault, tree: str, most: int, seconds: float, *arguments: str) -> Completed:
    """What git says until it is stopped (code -9)."""
    settings = (*git.EXACT, f"core.bigFileThreshold={LARGE}")
    done = git.start(*arguments, settings=settings, variables={"GIT_DIR": vault.folder}).finish(seconds, most)
    if done.code not in (0, STOPPED):
        raise _damaged(vault, tree, done.err.strip())
    return done


def _damaged(vault: Vault, tree: str, reason: str) -> StoreError:
    return StoreError(
        f"the snapshot {tree[:10]} in {vault.folder} is damaged: {reason}",
        f"git --git-dir={vault.folder} fsck  names what is missing; a bundle of the run has the code too",
    )


def _tree_of(folder: str) -> str:
    """The tree that a folder's files are, all of them read: as git would name it, without starting git three times."""
    return _tree(os.fsencode(folder)) or EMPTY


def _tree(folder: bytes) -> str:
    """ "" for one without files, which no tree of git has."""
    entries = []
    with os.scandir(folder) as found:
        for each in found:
            mode, value = _entry(each)
            if value:
                order = each.name + b"/" if mode == FOLDER else each.name
                entries.append((order, b"%s %s\0%s" % (mode, each.name, bytes.fromhex(value))))
    return _object("tree", b"".join(entry for _, entry in sorted(entries))) if entries else ""


def _entry(each: os.DirEntry[bytes]) -> tuple[bytes, str]:
    """Mode and id, as a tree has them."""
    if each.is_symlink():
        return b"120000", _object("blob", os.readlink(each.path))
    if each.is_dir(follow_symlinks=False):
        return FOLDER, _tree(each.path)
    with open(each.path, "rb") as file:
        status = os.fstat(file.fileno())
        total = Hash("sha1")
        total.update(b"blob %d\0" % status.st_size)
        while block := file.read(BLOCK):
            total.update(block)
    return b"100755" if status.st_mode & 0o100 else b"100644", total.result().hex


def _object(kind: str, content: bytes) -> str:
    total = Hash("sha1")
    total.update(f"{kind} {len(content)}\0".encode() + content)
    return total.result().hex
