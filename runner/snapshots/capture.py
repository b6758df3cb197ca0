"""A work tree -> a git tree in the vault, uncommitted and untracked files too; the repository is only read.

What the command might change is in the vault when this returns. Objects of commits, which nobody changes, are
copied from the user's repository later (`copied_from`), while the command is already running.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

from runner import paths
from runner.errors import StoreError
from runner.snapshots import index as indexes
from runner.snapshots import leftout
from runner.snapshots.index import Index
from runner.snapshots.leftout import Limits
from runner.snapshots.vault import EMPTY, Vault
from runner.sources.git import repository, status
from runner.sources.git.repository import Repository
from runner.sources.git.status import Change, Status
from runner.text.credentials import without
from runner.values import Json

__all__ = ["Part", "of_folder", "of_repository"]


class Part(NamedTuple):
    """What a work tree came to; nested repositories are parts that are put into it."""

    tree: str
    copied_from: tuple[
        str, ...
    ] = ()  # object folders that the tree still needs; () when the vault has it all
    commits: tuple[tuple[str, str], ...] = ()  # (commit, tree) that the vault has once they are copied
    left_out: tuple[Mapping[str, Json], ...] = ()
    submodules: tuple[Mapping[str, Json], ...] = ()


def of_repository(
    vault: Vault, found: Repository, state: Status | None, project: str, limits: Limits
) -> Part:
    """The whole work tree of a repository. `project` is the folder in it (with "/") that is run, or ""."""
    if state is None or len(state.commit) == 64 or _is_odd(found):
        return of_folder(vault, found.root, project, limits, found)
    known = vault.ref(f"commits/{state.commit}") if state.commit else EMPTY
    ignoring = leftout.ignore_files(found.root, project)
    if known and not state.changes and not ignoring:
        return Part(known)
    objects = () if known else (os.path.join(found.common, "objects"),)
    tree, links = (known, {}) if known else _committed(found, state.commit)
    commits = () if known or links else ((state.commit, tree),)
    if not state.changes and not ignoring and not links:
        return Part(tree, objects, commits)
    index = indexes.copy_of(vault, found.root, os.path.join(found.folder, "index"))
    index = index._replace(memory=os.path.join(vault.folder, "hashed", f"{_key(found.root)}.json"))
    try:
        nested = {**{change.path: "" for change in state.changes if change.nested}, **links}
        left = indexes.update(index, state.changes, nested, ignoring, limits)
        return _written(index, nested, Part("", objects, commits, left), limits)
    finally:
        indexes.discard(index)


def of_folder(
    vault: Vault, directory: str, project: str, limits: Limits, listed_by: Repository | None = None
) -> Part:
    """All files of a folder but those that .gitignore, or the vault's own list, excludes.

    For folders without git, and for repositories that git alone can read (`listed_by` says what they
    have). An index of ours is kept in the cache, so that only files with a new size or time are read again.
    """
    kept = _kept_index(directory)
    index = indexes.copy_of(vault, directory, kept)
    try:
        changes = (_listed(index, listed_by) if listed_by else None) or _differing(index)
        nested = {change.path: "" for change in changes if change.nested}
        ignoring = leftout.ignore_files(directory, project)
        left = indexes.update(index, changes, nested, ignoring, limits)
        if not directory.startswith(paths.cache("checkouts")):
            indexes.replace(index, kept)
        return _written(index, nested, Part("", left_out=left), limits)
    finally:
        indexes.discard(index)


def _written(index: Index, nested: Mapping[str, str], own: Part, limits: Limits) -> Part:
    """Puts the nested repositories into the index and writes it; what is copied later is not written."""
    parts = [_nested(index, path, commit, limits) for path, commit in nested.items()]
    objects = dict.fromkeys([*own.copied_from, *(folder for part in parts for folder in part.copied_from)])
    return Part(
        index.git("write-tree", "--missing-ok", objects=tuple(objects)).strip(),
        tuple(objects),
        own.commits + tuple(pair for part in parts for pair in part.commits),
        own.left_out + tuple(entry for part in parts for entry in part.left_out),
        own.submodules + tuple(entry for part in parts for entry in part.submodules),
    )


def _nested(index: Index, path: str, commit: str, limits: Limits) -> Part:
    """A repository inside this one goes in as its files: the snapshot is whole, without the network."""
    place = os.path.join(index.root, path)
    found = repository.find(place) if _is_folder(place) else None
    if found is None or found.root != place:  # a submodule that is not there
        return Part("", submodules=({"path": path, "commit": commit, "missing": True},) if commit else ())
    answer = status.ask(found).finish()
    state = None if isinstance(answer, str) else answer
    part = of_repository(index.vault, found, state, "", limits)
    if part.tree != EMPTY:
        index.git("read-tree", f"--prefix={path}/", part.tree, objects=part.copied_from)
    own: Mapping[str, Json] = {
        "path": path,
        "commit": state.commit if state else repository.head(found).commit,
        "repository": without(repository.origin(found)),
        "dirty": bool(state.changes) if state else None,
    }
    return part._replace(
        left_out=tuple({**entry, "path": f"{path}/{entry['path']}"} for entry in part.left_out),
        submodules=(own, *({**entry, "path": f"{path}/{entry['path']}"} for entry in part.submodules)),
    )


def _committed(found: Repository, commit: str) -> tuple[str, dict[str, str]]:
    """The commit's tree, and the submodules in it: path -> commit."""
    asked = repository.start(found, "rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}")
    listed = repository.start(found, "ls-tree", "-r", "-z", "--full-tree", commit).finish().out
    done = asked.finish()
    if done.code:
        raise StoreError(f"{found.root}: git cannot read its own commit {commit[:10]}", "git fsck  says more")
    links = {}
    if "160000 commit " in listed:
        for line in listed.split("\0"):
            facts, _, path = line.partition("\t")
            if facts.startswith("160000 "):
                links[path] = facts.split(" ")[2]
    return done.out.strip(), links


def _differing(index: Index) -> list[Change]:
    """How a folder differs from the index that was kept of it."""
    own = [f"--exclude=/{folder}" for folder in status.own_folders(index.root, index.vault.folder)]
    listed = index.git("ls-files", "-z", "-m", "-d", "-o", "--exclude-standard", *own)
    return [Change(name.rstrip("/"), nested=name.endswith("/")) for name in _split(listed)]


def _listed(index: Index, by: Repository) -> list[Change] | None:
    """The files that a repository says it has, and what our index has no more; None when it cannot say."""
    done = repository.start(by, "ls-files", "-z", "-c", "-o", "--exclude-standard").finish()
    if done.code:
        return None
    own = status.own_folders(by.root, index.vault.folder)
    listed = {name.rstrip("/"): name for name in _split(done.out) if not name.startswith(own)}
    return [
        *(
            Change(path, nested=name.endswith("/") or _is_folder(os.path.join(by.root, path)))
            for path, name in listed.items()
        ),
        *(Change(name, deleted=True) for name in indexes.names(index) if name not in listed),
    ]


def _is_odd(found: Repository) -> bool:
    """An index that is not all in one file, or not for all files: git must say what is in it."""
    if any(name.startswith("sharedindex.") for name in os.listdir(found.folder)):
        return True
    return os.path.exists(os.path.join(found.folder, "info", "sparse-checkout"))


def _split(text: str) -> list[str]:
    return [name for name in dict.fromkeys(text.split("\0")) if name]


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _kept_index(directory: str) -> str:
    return paths.cache("snapshots", f"{_key(directory)}.index")


def _key(directory: str) -> str:
    """A name for what is remembered of a folder; what is remembered is told by times and inodes, too."""
    name = os.fsencode(directory)
    return f"{crc32(name):08x}{crc32(name[::-1]):08x}"
