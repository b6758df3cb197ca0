"""A copy of a git index, brought to what is on disk; the user's own index is only read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from runner import paths
from runner.host.files import Draft, now
from runner.snapshots import hashed, leftout
from runner.snapshots.leftout import IGNORE_FILE, Left, Limits
from runner.snapshots.vault import Vault
from runner.sources.git.status import Change
from runner.values import Json

__all__ = ["Index", "copy_of", "discard", "names", "replace", "update"]

ARGUMENTS = 500_000  # bytes of paths that one git is started with


class Index(NamedTuple):
    vault: Vault
    root: str  # top of the work tree
    file: str
    memory: str = ""  # where to remember what uncommitted files are in the vault (hashed.py)

    def git(self, *arguments: str, objects: Sequence[str] = ()) -> str:
        return self.vault.git(*arguments, folder=self.root, index=self.file, objects=objects)


def copy_of(vault: Vault, root: str, original: str) -> Index:
    """A copy to work on; an empty index when there is no original."""
    _sweep(paths.temporary())
    index = Index(vault, root, os.path.join(paths.temporary(), f"index-{os.getpid()}-{os.urandom(4).hex()}"))
    try:
        with open(original, "rb") as source, open(index.file, "wb") as target:
            target.write(source.read())
            age = os.fstat(source.fileno())
        _keep_age(index.file, age)
    except FileNotFoundError:
        discard(index)
    return index


def _keep_age(copy: str, original: os.stat_result) -> None:
    """Git reads again what is as young as its index: under a younger one it would miss an edit of the same second."""
    os.utime(copy, ns=(original.st_atime_ns, original.st_mtime_ns))


def _sweep(folder: str) -> None:
    """Removes the copies of processes that were killed."""
    for name in os.listdir(folder):
        if name.startswith("index-"):
            try:
                os.kill(int(name.split("-")[1]), 0)
            except (ProcessLookupError, ValueError):
                _unlink(os.path.join(folder, name))
            except OSError:
                pass  # somebody else's


def replace(index: Index, target: str) -> None:
    """Keeps the index as it is now for the next time; the last of several wins."""
    try:
        with open(index.file, "rb") as source:
            age = os.fstat(source.fileno())
            with Draft(target) as draft:
                with open(draft, "wb") as copy:
                    copy.write(source.read())
                _keep_age(draft, age)
    except OSError:
        pass  # all files are read again next time


def discard(index: Index) -> None:
    _unlink(index.file)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def names(index: Index) -> list[str]:
    return [name for name in index.git("ls-files", "-z").split("\0") if name]


def update(
    index: Index, changes: Iterable[Change], nested: Iterable[str], ignoring: Sequence[str], limits: Limits
) -> tuple[Mapping[str, Json], ...]:
    """Brings the index to what is on disk, but for `nested` repositories. Returns what was left out."""
    nested = list(nested)
    files = {change.path: change for change in changes if change.path not in nested}
    ignored = _ignored(index, ignoring, files)
    sizes = leftout.sizes_of(index.root, (name for name in files if name not in ignored))
    already = _bytes_besides(index, files) if sum(sizes.values()) > limits.total else 0
    left = leftout.too_large(sizes, limits, already) + leftout.unreadable(index.root, sizes)
    left += [Left(name, size, IGNORE_FILE) for name, size in leftout.sizes_of(index.root, ignored).items()]
    out = ignored.union(entry.path for entry in left)
    # Paths with staged changes too: git does not read a file again whose time the index knows.
    dropped = [name for name, change in files.items() if change.staged or change.deleted or name in out]
    _run(index, ["--force-remove"], [*dropped, *(ignored - files.keys()), *nested])
    added = [name for name, change in files.items() if name not in out and not change.deleted]
    if index.memory and (len(added) > hashed.MANY_FILES or sum(sizes.values()) > hashed.MANY_BYTES):
        _add_with_memory(index, added)
    else:
        _run(index, ["--add", "--remove", "--replace"], added)
    return leftout.describe(index.root, left)


def _add_with_memory(index: Index, added: Sequence[str]) -> None:
    """Reads only the files that are not in the vault already."""
    known = hashed.load(index.memory)
    began = now()
    stamps = {name: stamp for name in added if (stamp := hashed.stamp_of(os.path.join(index.root, name)))}
    same = {name for name, stamp in stamps.items() if name in known and known[name][0] == stamp}
    for some in _portions([f"{known[name][1]},{known[name][2]},{name}" for name in added if name in same]):
        arguments = [word for entry in some for word in ("--cacheinfo", entry)]
        index.git("update-index", "--add", "--replace", *arguments)
    _run(index, ["--add", "--remove", "--replace"], [name for name in added if name not in same])
    if len(same) < len(stamps) or len(known) != len(stamps):
        hashed.save(index.memory, stamps, index.git("ls-files", "--stage", "-z").split("\0"), began)


def _run(index: Index, options: Sequence[str], chosen: Sequence[str]) -> None:
    for some in _portions(chosen):
        index.git("update-index", *options, "--", *some)


def _portions(chosen: Sequence[str]) -> Iterator[list[str]]:
    some: list[str] = []
    size = 0
    for name in chosen:
        size += len(name) + 24
        if size > ARGUMENTS:
            yield some
            some, size = [], len(name)
        some.append(name)
    if some:
        yield some


def _ignored(index: Index, ignoring: Sequence[str], changed: Iterable[str]) -> set[str]:
    """Files of the index, and changed ones, that a .projignore leaves out."""
    if not ignoring:
        return set()
    found: set[str] = set()
    for folder in ignoring:
        top = os.path.join(index.root, folder) if folder else index.root
        prefix = f"{folder}/" if folder else ""
        empty = index._replace(
            root=top, file=index.file + ".none"
        )  # to an empty index, every file is unknown
        patterns = os.path.join(top, IGNORE_FILE)
        listed = empty.git("ls-files", "-z", "--others", "--ignored", f"--exclude-from={patterns}")
        found.update(prefix + name for name in listed.split("\0") if name)
    return found.intersection([*names(index), *changed])


def _bytes_besides(index: Index, changed: Mapping[str, Change]) -> int:
    return sum(leftout.sizes_of(index.root, (name for name in names(index) if name not in changed)).values())
