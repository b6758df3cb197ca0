"""A work tree -> a git tree in the vault, uncommitted and untracked files too; the repository is only read.

What the command might change is in the vault when this returns. Objects of commits, which nobody changes, are
copied from the user's repository later (`copied_from`), while the command is already running.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence

from runner import paths
from runner.errors import StoreError
from runner.host.files import now, remove_tree
from runner.snapshots import hollow, leftout, status
from runner.snapshots import index as indexes
from runner.snapshots.index import Index
from runner.snapshots.kept import Kept, State, key_of, link, safe
from runner.snapshots.leftout import Limits
from runner.snapshots.status import Change, Status
from runner.snapshots.vault import EMPTY, Vault
from runner.snapshots.view import View, is_odd
from runner.sources.git import repository
from runner.sources.git.repository import Repository
from runner.text.credentials import without
from runner.typed import NamedTuple
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
    folders: tuple[str, ...] = ()  # empty in the tree
    dirty: bool = False  # a nested repository differs from its commit


def of_repository(
    vault: Vault, found: Repository, view: View | None, state: Status | None, project: str, limits: Limits
) -> Part:
    """The whole work tree of a repository. `project` is the folder in it (with "/") that is run, or ""."""
    if state is None or is_odd(found, state.commit):
        return of_folder(vault, found.root, project, limits, found)
    known = vault.ref(f"commits/{state.commit}") if state.commit else EMPTY
    ignoring = leftout.ignore_files(found.root, project)
    own = Part(known, left_out=leftout.closed(state.unreadable), folders=state.hollow)
    if known and not state.dirty and not ignoring:
        return own
    if not known:
        tree, links = _committed(found, state.commit)
        commits = () if links else ((state.commit, tree),)
        own = own._replace(tree=tree, copied_from=(os.path.join(found.common, "objects"),), commits=commits)
    else:
        links = {}
    if not (state.dirty or ignoring or links):
        return own
    if view is None:
        return of_folder(vault, found.root, project, limits, found)
    memory = os.path.join(vault.folder, "hashed", f"{key_of(found.root)}.json")
    index = Index(vault, found.root, view.kept.index, memory)
    nested = {**{change.path: "" for change in state.changes if change.nested}, **links}
    left = own.left_out + indexes.update(index, state.changes, nested, ignoring, limits)
    return _written(index, nested, own._replace(left_out=left), limits)


def of_folder(
    vault: Vault, directory: str, project: str, limits: Limits, listed_by: Repository | None = None
) -> Part:
    """All files of a folder but those that .gitignore, or the vault's own list, excludes.

    For folders without git, and for repositories that git alone can read (`listed_by` says what they
    have). An index of ours is kept in the cache, so that only files with a new stamp are read again.
    """
    kept = Kept(directory, for_good=not directory.startswith(paths.scratch("checkouts")))
    place = vault.folder, vault.generation()
    try:
        known = kept.open() and (kept.state.vault, kept.state.generation) == place
        if not known:
            kept.discard()
        try:
            return _of_folder(vault, kept, place, project, limits, listed_by)
        except StoreError:
            if not known:
                raise
            kept.discard()  # the vault does not have what it had: all is read again
            return _of_folder(vault, kept, place, project, limits, listed_by)
    finally:
        kept.discard()


def _of_folder(
    vault: Vault,
    kept: Kept,
    place: tuple[str, str],
    project: str,
    limits: Limits,
    listed_by: Repository | None,
) -> Part:
    began = now()
    index = Index(vault, kept.root, kept.index)
    same = hollow.known(kept.root, kept.state.folders, began)
    asked = None if same else index.start(*hollow.LIST)
    (changes, closed) = (_listed(index, listed_by) if listed_by else None) or _differing(index)
    listed = asked.finish().out if asked else ""
    nested = {change.path: "" for change in changes if change.nested}
    ignoring = leftout.ignore_files(kept.root, project)
    left = leftout.closed(closed) + indexes.update(index, changes, nested, ignoring, limits)
    tree = index.git("write-tree").strip()  # complains when the vault does not have all of it
    own = status.own_folders(kept.root, vault.folder)
    others = same[0] if same else hollow.others(kept.root, listed, own, index.start)
    gone = {each.path for each in changes if each.absent or not os.path.lexists(f"{kept.root}/{each.path}")}
    folders = hollow.hollow(others, (each.path for each in changes if each.path not in gone))
    emptied = hollow.without_files(kept.root, gone)
    state = State(vault=place[0], generation=place[1], folders=same[1] if same else {})
    _keep(kept, index, changes, state, began, (*others, *emptied))
    part = Part(tree, left_out=left, folders=folders + emptied)
    return _written(index, nested, part, limits) if nested else part


def _keep(
    kept: Kept,
    index: Index,
    changes: Sequence[Change],
    state: State,
    began: int,
    others: tuple[str, ...],
) -> None:
    """For the next snapshot, without the files that were too young when they were read.

    `others`: folders that had no file of the index.
    """
    present = [each.path for each in changes if not each.absent]
    young = [path for path in present if not safe(os.path.join(kept.root, path), began)]
    shorter = index._replace(file=f"{kept.index}.kept")
    if not os.path.exists(kept.index):
        return
    try:
        link(kept.index, shorter.file)
        indexes.change_paths(shorter, young)
        if state.folders:
            folders = hollow.followed(state.folders, set(present).difference(young), others)
        else:
            folders = hollow.memory(kept.root, indexes.names(shorter), others, began)
        state = state._replace(folders=folders)
        kept.save(shorter.file, state)
    finally:
        remove_tree(shorter.file)


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
        own.folders + tuple(folder for part in parts for folder in part.folders),
        any(part.dirty for part in parts),
    )


def _nested(index: Index, path: str, commit: str, limits: Limits) -> Part:
    """A repository inside this one goes in as its files: the snapshot is whole, without the network."""
    place = os.path.join(index.root, path)
    found = repository.find(place) if _is_folder(place) else None
    if found is None or found.root != place:  # a submodule that is not there
        return Part("", submodules=({"path": path, "commit": commit, "missing": True},) if commit else ())
    view = View(found, repository.head(found), for_good=not place.startswith(paths.scratch("checkouts")))
    try:
        answer = view.finish()
        state = None if isinstance(answer, str) else answer
        part = of_repository(index.vault, found, view, state, "", limits)
        view.remember(index.vault)
    finally:
        view.discard()
    if part.tree != EMPTY:
        index.git("read-tree", f"--prefix={path}/", part.tree, objects=part.copied_from)
    own: Mapping[str, Json] = {
        "path": path,
        "commit": view.head.commit,
        "repository": without(repository.origin(found)),
        "dirty": state.dirty if state else None,
    }
    return part._replace(
        left_out=tuple({**entry, "path": f"{path}/{entry['path']}"} for entry in part.left_out),
        folders=tuple(f"{path}/{folder}" for folder in part.folders),
        dirty=part.dirty or bool(state and state.dirty),
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


def _differing(index: Index) -> tuple[list[Change], tuple[str, ...]]:
    """How a folder differs from the index that was kept of it, and the folders in it that may not be read."""
    own = [f"--exclude=/{folder}" for folder in status.own_folders(index.root, index.vault.folder)]
    done = index.start("ls-files", "-z", "-m", "-d", "-o", "--exclude-standard", *own).finish()
    listed = index.vault.checked(done)
    found = {name.rstrip("/"): Change(name.rstrip("/"), nested=name.endswith("/")) for name in _split(listed)}
    if any(os.path.basename(name) == ".gitignore" for name in found):
        excluded = index.git("ls-files", "-z", "-c", "-i", "--exclude-standard", *own)
        found.update((name, Change(name, absent=True)) for name in _split(excluded))
    return list(found.values()), status.unreadable(done.err)


def _listed(index: Index, by: Repository) -> tuple[list[Change], tuple[str, ...]] | None:
    """The files that a repository says it has, and what our index has no more; None when it cannot say."""
    done = repository.start(by, "ls-files", "-z", "-c", "-o", "--exclude-standard").finish()
    if done.code:
        return None
    own = status.own_folders(by.root, index.vault.folder)
    listed = {name.rstrip("/"): name for name in _split(done.out) if not name.startswith(own)}
    changes = [
        *(
            Change(path, nested=name.endswith("/") or _is_folder(os.path.join(by.root, path)))
            for path, name in listed.items()
        ),
        *(Change(name, absent=True) for name in indexes.names(index) if name not in listed),
    ]
    return changes, status.unreadable(done.err)


def _split(text: str) -> list[str]:
    return [name for name in dict.fromkeys(text.split("\0")) if name]


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
