"""The exact code of a run: what git says about it, and all of it as a tree in the store's snapshots.git."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from zlib import crc32

from runner.errors import ProjError
from runner.host import git, process
from runner.snapshots import leftout, status
from runner.snapshots.vault import Vault, open_vault
from runner.snapshots.view import View, differs, is_odd
from runner.sources.git import repository
from runner.typed import TYPE_CHECKING
from runner.values import Checkout, CodeState

if TYPE_CHECKING:
    from typing import Any

    from runner.snapshots.capture import Part
    from runner.snapshots.restore import File
    from runner.text.secrets import Secrets

__all__ = ["Capture", "Pending", "begin", "capture", "diff", "files", "restore", "take"]


class Pending:
    """The state of the code, being asked for."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.found: repository.Repository | None = None  # that the project really belongs to
        self.view: View | None = None  # of its work tree
        self.status: status.Status | None = None  # known after finish()
        self.problem = ""  # git's own words, when it could not answer
        self._asked: process.Pending | None = None
        self._tracked: process.Pending | None = None
        if not checkout.root or checkout.kind == "archive":
            return
        if not git.program():
            self.problem = "git is not on PATH"
            return
        self.found = repository.find(checkout.root)
        if self.found is None:
            return
        head = repository.head(self.found)
        if checkout.temporary:
            if differs(self.found, checkout.commit):
                self.view = View(self.found, head, for_good=False)
            return
        if checkout.subdirectory and checkout.commit:
            path = f"{checkout.commit}:{checkout.subdirectory}"
            self._tracked = repository.start(self.found, "cat-file", "-e", path)
            home = os.path.realpath(os.path.expanduser("~"))
            if checkout.root == home and not self._belongs(
                ()
            ):  # dotfiles under version control: do not search it
                self.found = None
                return
        try:
            self.view = None if is_odd(self.found, head.commit) else View(self.found, head)
        except (ProjError, OSError):
            pass  # a cache that cannot be written: git's own answer is better than none
        if self.view is None:
            self._asked = repository.start(self.found, *status.ARGUMENTS)

    def finish(self) -> CodeState:
        """Commit, branch, remote, and whether anything differs from the commit now. Never fails."""
        checkout = self.checkout
        if self.view is not None:
            answer = self.view.finish()
            if isinstance(answer, str):
                self.problem = answer
            else:
                self.status = answer
        elif self._asked is not None and self.found is not None:
            done = self._asked.finish()
            if done.code:
                self.problem = done.err.strip().rpartition("\n")[2] or f"git status ended with {done.code}"
            else:
                changes = status.parse(done.out, self.found.root)
                unreadable = status.unreadable(done.err)
                self.status = status.Status(
                    *(checkout.commit, checkout.branch, changes, bool(changes), unreadable),
                    ignored=status.ignored(done.out),
                )
        elif checkout.temporary and self.found:  # fresh from a mirror: just as committed
            self.status = status.Status(checkout.commit, checkout.branch, (), dirty=False)
        if self.status is not None and not self._belongs(self.status.changes):
            self.found = None
        if self.problem:  # what the repository's files say is known without git
            return CodeState(checkout.commit, checkout.branch, checkout.repository)
        if self.found is None or self.status is None:
            return CodeState()
        commit, branch = self.status[:2]
        if checkout.temporary:
            branch = checkout.branch
        return CodeState(commit, branch, checkout.repository, dirty=self.status.dirty)

    def _belongs(self, changes: tuple[status.Change, ...]) -> bool:
        """A project in a folder that the repository ignores is not of it."""
        if self._tracked is None:
            return True
        tracked, self._tracked = self._tracked.finish().code == 0, None
        prefix = self.checkout.subdirectory + "/"
        return tracked or any(f"{change.path}/".startswith(prefix) for change in changes)


class Capture:
    """A snapshot: what the command may change is safe, the rest is copied by `finish()`, beside the command.

    Only after finish() is the snapshot marked as complete: until then it needs the user's repository.
    """

    def __init__(
        self, vault: Vault, state: CodeState, part: Part | None, key: str, view: View | None
    ) -> None:
        self.state = state
        self._vault = vault
        self._part = part  # None: the vault has all of it
        self._key = key  # of the folder: what its last snapshot had is not copied again
        self._view = view

    def finish(self) -> CodeState:
        """Copies the objects of commits and marks the snapshot as complete. StoreError when that fails."""
        part, self._part = self._part, None
        view, self._view = self._view, None
        try:
            if part is not None:
                self._complete(part)
            if view is not None:
                view.remember(self._vault)
        finally:
            if view is not None:
                view.discard()
        return self.state

    def _complete(self, part: Part) -> None:
        if part.copied_from:
            trees = dict.fromkeys([part.tree, *(tree for _, tree in part.commits)])
            self._vault.copy(list(trees), [self._vault.ref(f"last/{self._key}")], part.copied_from)
        self._vault.keep(f"trees/{part.tree}", part.tree)
        for commit, tree in part.commits:
            self._vault.keep(f"trees/{tree}", tree)
            self._vault.keep(f"commits/{commit}", tree)
        self._vault.keep(f"last/{self._key}", part.tree)
        from runner.snapshots.upkeep import tidy

        tidy(self._vault)


def begin(checkout: Checkout) -> Pending:
    """Starts to ask git; do something else, and call finish() just before the command starts."""
    return Pending(checkout)


def take(
    pending: Pending,
    state: CodeState,
    store: str,
    options: Mapping[str, Any] | None = None,
    secrets: Secrets | None = None,
) -> Capture:
    """Captures the code as it is now; `state` is what `pending.finish()` returned. StoreError when it cannot.

    Options: `file` and `total`, limits in bytes for files that git does not have (leftout.Limits). Those of them that
    hold one of the `secrets` are left out.
    """
    checkout, found, view = pending.checkout, pending.found, pending.view
    vault = open_vault(store)
    key = f"{crc32(os.fsencode(found.common if found else checkout.directory)):08x}"
    said = pending.status if found else None
    if (
        found
        and said
        and not said.dirty
        and not said.unreadable
        and not leftout.ignore_files(found.root, checkout.subdirectory)
    ):
        tree = vault.ref(f"commits/{state.commit}")
        if tree:
            return Capture(vault, state._replace(tree=tree, folders=said.hollow), None, key, view)
    from runner.snapshots import capture

    limits = leftout.Limits.of(options or {})._replace(secrets=secrets)
    if found:
        part = capture.of_repository(vault, found, view, said, checkout.subdirectory, limits)
    else:
        top, inside = checkout.directory, ""
        if checkout.kind == "archive":
            top, inside = checkout.root, checkout.subdirectory
        part = capture.of_folder(vault, os.path.realpath(top), inside, limits)
    captured = state._replace(
        tree=part.tree,
        left_out=part.left_out,
        submodules=part.submodules,
        folders=part.folders,
        dirty=state.dirty or part.dirty if found else None,
    )
    return Capture(vault, captured, part, key, view)


def capture(
    checkout: Checkout, state: CodeState, store: str, options: Mapping[str, Any] | None = None
) -> CodeState:
    """All in one go: for callers that have no command to start meanwhile."""
    pending = begin(checkout)
    pending.finish()
    return take(pending, state, store, options).finish()


def restore(store: str, tree: str, target: str, subdirectory: str = "", folders: Iterable[str] = ()) -> str:
    """Writes a snapshot to a new or empty folder; returns the project's folder in it. See restore.py."""
    from runner.snapshots import restore as reading

    return reading.restore(store, tree, target, subdirectory, folders)


def files(store: str, tree: str) -> list[File]:
    """All files of a snapshot with mode, size and blob id."""
    from runner.snapshots import restore as reading

    return reading.files(store, tree)


def diff(store: str, tree_a: str, tree_b: str) -> str:
    """A unified patch from one snapshot to the other; binary files are only named."""
    from runner.snapshots import restore as reading

    return reading.diff(store, tree_a, tree_b)
