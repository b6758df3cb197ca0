"""A git index on its way to a tree: brought to what is on disk, with the vault as its place for content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from runner.host.files import now
from runner.host.git import portions
from runner.host.process import Pending
from runner.snapshots import hashed, leftout
from runner.snapshots.leftout import IGNORE_FILE, Left, Limits
from runner.snapshots.status import Change
from runner.snapshots.vault import Vault
from runner.typed import NamedTuple
from runner.values import Json

__all__ = ["Index", "change_paths", "names", "update"]


class Index(NamedTuple):
    vault: Vault
    root: str  # top of the work tree
    file: str
    memory: str = ""  # where to remember what uncommitted files are in the vault (hashed.py)

    def start(self, *arguments: str) -> Pending:
        return self.vault.start(*arguments, folder=self.root, index=self.file)

    def git(self, *arguments: str, objects: Sequence[str] = ()) -> str:
        """The output of a git command with this index. ProjError when it fails."""
        return self.vault.git(*arguments, folder=self.root, index=self.file, objects=objects)


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
    left = leftout.too_large(sizes, limits, already) + leftout.unreadable(index.root, files)
    left += [Left(name, size, IGNORE_FILE) for name, size in leftout.sizes_of(index.root, ignored).items()]
    if limits.secrets:
        out = {entry.path for entry in left}
        looked = {name: size for name, size in sizes.items() if name not in out}
        left += leftout.holding(index.root, looked, limits.secrets)
    out = ignored.union(entry.path for entry in left)
    # also what the index has already: git would not read it again, and this vault may not have it
    dropped = [name for name, change in files.items() if not change.fresh or change.absent or name in out]
    dropped += [*(ignored - files.keys()), *nested]
    added = [name for name, change in files.items() if name not in out and not change.absent]
    if index.memory and (len(added) > hashed.MANY_FILES or sum(sizes.values()) > hashed.MANY_BYTES):
        change_paths(index, dropped)
        _add_with_memory(index, added)
    else:
        change_paths(index, dropped, added)
    return leftout.describe(index.root, left)


def change_paths(index: Index, dropped: Sequence[str], added: Sequence[str] = ()) -> None:
    """Removes paths from the index, then reads others (perhaps the same) into it."""
    remove, add = ("--force-remove",), ("--no-force-remove", "--add", "--remove", "--replace")
    removed, read = list(portions(map(_plain, dropped))), list(portions(map(_plain, added)))
    if len(removed) == len(read) == 1:
        index.git("update-index", *remove, *removed[0], *add, *read[0])
        return
    for some in removed:
        index.git("update-index", *remove, *some)
    for some in read:
        index.git("update-index", *add, *some)


def _plain(name: str) -> str:
    """So that it is not taken for an option."""
    return f"./{name}" if name.startswith("-") else name


def _add_with_memory(index: Index, added: Sequence[str]) -> None:
    """Reads only the files that are not in the vault already."""
    known = hashed.load(index.memory)
    began = now()
    stamps = {name: stamp for name in added if (stamp := hashed.stamp_of(os.path.join(index.root, name)))}
    same = {name for name, stamp in stamps.items() if name in known and known[name][0] == stamp}
    for some in portions([f"{known[name][1]},{known[name][2]},{name}" for name in added if name in same]):
        arguments = [word for entry in some for word in ("--cacheinfo", entry)]
        index.git("update-index", "--add", "--replace", *arguments)
    change_paths(index, (), [name for name in added if name not in same])
    if len(same) < len(stamps) or len(known) != len(stamps):
        hashed.save(index.memory, stamps, index.git("ls-files", "--stage", "-z").split("\0"), began)


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
