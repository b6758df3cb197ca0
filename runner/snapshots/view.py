"""A repository's work tree as it lies on disk, whatever its settings call unchanged.

To git a file is clean when it would come out the same from a checkout: with other line ends, through a filter,
with a flag in the index that says not to look, by times of whole seconds. So `git status` is asked with a git folder of
our own, where nothing is converted or ignored but what .gitignore says, and an index of ours (kept.py), which
has the paths of the user's index and the ids of the bytes. The repository itself is only read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from runner.host import files, git, memo
from runner.host.git import portions
from runner.host.process import Pending
from runner.snapshots import hollow, kept, status
from runner.snapshots.kept import Kept
from runner.snapshots.status import Status
from runner.snapshots.vault import ATTRIBUTES, Vault, object_folders
from runner.sources.git import repository
from runner.sources.git.repository import Head, Repository
from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

__all__ = ["View", "differs", "is_odd"]


class View:
    """Asked at once; `finish()` waits for the answer. `for_good`: the folder will be seen again."""

    def __init__(self, found: Repository, head: Head, *, for_good: bool = True) -> None:
        self.found = found
        self.head = head
        self.kept = Kept(found.root, for_good=for_good)
        self._began = files.now()
        self._status: Status | None = None
        self._same: tuple[tuple[str, ...], dict[str, Any]] | None = None
        self._memory: dict[str, Any] = {}  # of hollow.py, as it is now
        self._new = False  # whether our index got other paths
        self._open = self.kept.open()
        _make(self.kept.folder, found, head.commit)
        self._users = tuple(files.stamp(os.path.join(found.folder, "index")) or ())
        self._asked: Pending | None = None
        self._hollow: tuple[Pending, Pending] | None = None
        self._listed: tuple[Pending, Pending] | None = None
        if self._open and self.kept.state.users == self._users:
            self._ask()
        else:
            self._listed = repository.start(found, "ls-files", "-s", "-z"), self._git("ls-files", "-z")

    def _ask(self) -> Pending:
        self._asked = self._git(*status.ARGUMENTS)
        if not self._new:  # else other folders may be without tracked files
            self._same = hollow.known(self.found.root, self.kept.state.folders, self._began)
        if self._same is None:
            self._hollow = self._git(*hollow.LIST), self._git("ls-files", "-z")
        return self._asked

    def finish(self) -> Status | str:
        """What differs, or git's own words for why it cannot be told."""
        if self._listed is not None:
            users, ours = (each.finish() for each in self._listed)
            if users.code:
                return _last(users.err) or f"git ls-files ended with {users.code}"
            self._follow(users.out, ours.out)
        done = (self._asked or self._ask()).finish()
        folders = self._folders()
        if done.code:
            return _last(done.err) or f"git status ended with {done.code}"
        changes = status.parse(done.out, self.found.root)
        dirty = status.is_dirty(self.found.root, changes, self._git)
        empty = hollow.hollow(folders, (each.path for each in changes if not each.tracked))
        empty += hollow.without_files(self.found.root, (each.path for each in changes if each.absent))
        unreadable = status.unreadable(done.err)
        ignored = status.ignored(done.out)
        self._status = Status(self.head.commit, self.head.branch, changes, dirty, unreadable, empty, ignored)
        return self._status

    def _folders(self) -> tuple[str, ...]:
        """Those without tracked files."""
        if self._same is not None:
            others, self._memory = self._same
        elif self._hollow is not None:
            root = self.found.root
            listed, names = (each.finish().out for each in self._hollow)
            others = hollow.others(root, listed, status.own_folders(root), self._git)
            self._memory = hollow.memory(root, names.split("\0"), others, self._began)
        return others

    def _follow(self, users: str, ours: str) -> None:
        """Gives our index the paths of the user's."""
        wanted: dict[str, str] = {}
        for line in users.split("\0"):
            facts, _, path = line.partition("\t")
            if path:
                wanted.setdefault(path, facts.rpartition(" ")[0])  # of a conflict: one of its sides
        there = set(ours.split("\0")) - {""} if self._open else set()
        new = [path for path in wanted if path not in there]
        gone = [path for path in there if path not in wanted]
        waiting = set(self.kept.state.waiting).difference(gone)
        if new or gone:
            lines = [f"0 {'0' * 40}\t{path}" for path in gone]
            self._enter([*lines, *(f"{wanted[path]}\t{path}" for path in new)])
            if not self._open:
                new = self._read(wanted)
            waiting.update(new)
            self._new = True
        users_stamp = files.Stamp(*self._users) if self._users else None
        known = self._users if users_stamp and files.settled(users_stamp, self._began) else ()
        state = self.kept.state._replace(users=known, waiting=tuple(waiting))
        if os.path.exists(self.kept.index):
            self.kept.save(self.kept.index, state)

    def _read(self, wanted: Mapping[str, str]) -> list[str]:
        """Reads all files of an index without stamps. Returns those that are too young to get theirs."""
        self._git("update-index", "-q", "--refresh").finish()
        root = self.found.root
        young = [path for path in wanted if not kept.safe(os.path.join(root, path), self._began)]
        if young:
            self._enter([f"{wanted[path]}\t{path}" for path in young])
        return young

    def _enter(self, lines: Sequence[str]) -> None:
        """Puts paths into our index without a stamp: git reads the files to tell whether they are the same."""
        variables = self._variables(self.kept.index)
        text = "".join(f"{line}\0" for line in lines)
        git.run(
            *("update-index", "--replace", "-z", "--index-info"),
            folder=self.found.root, settings=git.EXACT, variables=variables, input=text,
        )  # fmt: skip

    def remember(self, vault: Vault) -> None:
        """What was read for this snapshot is not read for the next one, if it is old enough now."""
        if self._status is None:
            return
        began = files.now()
        fresh = [
            each.path for each in self._status.changes if each.tracked and each.fresh and not each.absent
        ]
        asked = dict.fromkeys([*self.kept.state.waiting, *fresh])
        paths = {path for path in asked if kept.safe(os.path.join(self.found.root, path), began)}
        again = Kept(self.found.root)
        changed = bool(paths) or self._new
        if not (changed or self._memory != self.kept.state.folders) or not again.open():
            return
        try:
            for some in portions(paths):
                done = self._git("update-index", "--info-only", "--", *some, index=again.index).finish()
                if done.code:
                    return  # one has gone meanwhile
            if not all(kept.safe(os.path.join(self.found.root, path), began) for path in paths):
                return  # the command has changed one
            if changed:  # so that its trees are in the index, and git need not look for differences in them
                vault.start("write-tree", "--missing-ok", folder=self.found.root, index=again.index).finish()
            waiting = tuple(path for path in again.state.waiting if path not in paths)
            again.save(again.index, again.state._replace(waiting=waiting, folders=self._memory))
        finally:
            again.discard()

    def discard(self) -> None:
        self.kept.discard()

    def _git(self, *arguments: str, index: str = "") -> Pending:
        variables = self._variables(index or self.kept.index)
        return git.start(*arguments, folder=self.found.root, settings=git.EXACT, variables=variables)

    def _variables(self, index: str) -> dict[str, str | None]:
        return {
            "GIT_DIR": self.kept.folder,
            "GIT_WORK_TREE": self.found.root,
            "GIT_INDEX_FILE": index,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": object_folders([os.path.join(self.found.common, "objects")]),
        }


def is_odd(found: Repository, commit: str) -> bool:
    """With ids of another kind than ours, or an index that is not for all files: git must say what it has."""
    return len(commit) == 64 or os.path.exists(os.path.join(found.folder, "info", "sparse-checkout"))


def differs(found: Repository, commit: str) -> bool:
    """Whether a checkout that we made may be other than the commit: through attributes, and with its submodules."""
    if os.path.exists(os.path.join(found.root, ".gitmodules")):
        return True
    known = memo.recall("attributes", commit)
    if known is None:
        done = repository.start(found, "ls-files", "-z", "--", ":(glob)**/.gitattributes").finish()
        known = bool(done.out or done.code)
        memo.keep("attributes", commit, [], known, files.now())
    return bool(known)


def _make(folder: str, found: Repository, commit: str) -> None:
    """A git folder at the user's commit, with the user's settings and excludes and without his attributes."""
    place = (
        os.path.join(found.common, "config").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    )
    contents = {
        "HEAD": f"{commit}\n" if commit else "ref: refs/heads/none\n",
        "config": f'[include]\n\tpath = "{place}"\n[core]\n\trepositoryformatversion = 0\n\tbare = false\n',
        "info/attributes": ATTRIBUTES,
    }
    for name, text in contents.items():
        path = os.path.join(folder, name)
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                if file.read() == text:
                    continue
        except OSError:
            for each in ("objects", "refs", "info"):
                os.makedirs(os.path.join(folder, each), exist_ok=True)
        files.write(path, text)
    exclude, users = os.path.join(folder, "info", "exclude"), os.path.join(found.common, "info", "exclude")
    if not os.path.islink(exclude) or os.readlink(exclude) != users:
        with files.Draft(exclude) as draft:
            os.symlink(users, draft)


def _last(text: str) -> str:
    return text.strip().rpartition("\n")[2]
