"""Files of a project that its snapshot does not have because git ignores them: their names."""

from __future__ import annotations

import os
from collections.abc import Iterable

from runner.host import git, process
from runner.snapshots.vault import open_vault
from runner.sources.git import repository
from runner.sources.git.repository import Repository

__all__ = ["Asked", "among", "ask"]

WORDS = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z", "--")


class Asked:
    """The question, on its way."""

    def __init__(self, pending: process.Pending, inside: str = "") -> None:
        self._pending = pending
        self._inside = inside  # what the names begin with

    def finish(self) -> list[str]:
        """Paths in the project's folder, folders of which all is ignored with a final "/"; [] when git cannot tell."""
        done = self._pending.finish()
        names = [] if done.code else done.out.split("\0")
        return [name.removeprefix(self._inside) for name in names if name not in ("", self._inside)]


def among(found: Repository, places: Iterable[str]) -> list[str]:
    """What git ignores of absolute paths in a repository: absolute; folders that are ignored whole end in "/"."""
    inside = [os.path.relpath(each, found.root) for each in places]
    if not inside:
        return []
    done = repository.start(found, *WORDS, *inside).finish()
    return [os.path.join(found.root, name) for name in ([] if done.code else done.out.split("\0")) if name]


def ask(found: Repository | None, directory: str, store: str) -> Asked:
    """Of the project in `directory`; a folder that is of no repository is seen by the rules of snapshots."""
    if found is not None:
        inside = os.path.relpath(os.path.realpath(directory), os.path.realpath(found.root))
        return Asked(repository.start(found, *WORDS, inside), "" if inside == "." else f"{inside}/")
    vault = open_vault(store)
    index = os.path.join(vault.folder, "none")  # nothing is tracked
    variables = {"GIT_DIR": vault.folder, "GIT_WORK_TREE": directory, "GIT_INDEX_FILE": index}
    return Asked(git.start(*WORDS, ".", folder=directory, variables=variables))
