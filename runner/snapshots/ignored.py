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
    """The question, on its way, or what is known already: names that begin with `inside`."""

    def __init__(self, asked: process.Pending | Iterable[str], inside: str = "") -> None:
        self._asked = asked
        self._inside = inside

    def finish(self) -> list[str]:
        """Paths in the project's folder, folders of which all is ignored with a final "/"; [] when git cannot tell."""
        names = _names(self._asked) if isinstance(self._asked, process.Pending) else self._asked
        inside = self._inside
        return [name.removeprefix(inside) for name in names if name.startswith(inside) and name != inside]


def _names(asked: process.Pending) -> list[str]:
    done = asked.finish()
    return [] if done.code else done.out.split("\0")[:-1]


def among(found: Repository, places: Iterable[str]) -> list[str]:
    """What git ignores of absolute paths in a repository: absolute; folders that are ignored whole end in "/"."""
    inside = [os.path.relpath(each, found.root) for each in places]
    if not inside:
        return []
    return [os.path.join(found.root, name) for name in _names(repository.start(found, *WORDS, *inside))]


def ask(found: Repository | None, directory: str, store: str, known: tuple[str, ...] | None = None) -> Asked:
    """Of the project in `directory`; a folder that is of no repository is seen by the rules of snapshots.

    `known`: what `git status` has said of the whole repository.
    """
    if found is not None:
        inside = os.path.relpath(os.path.realpath(directory), os.path.realpath(found.root))
        top = "" if inside == "." else f"{inside}/"
        return Asked(repository.start(found, *WORDS, inside) if known is None else known, top)
    vault = open_vault(store)
    index = os.path.join(vault.folder, "none")  # nothing is tracked
    variables = {"GIT_DIR": vault.folder, "GIT_WORK_TREE": directory, "GIT_INDEX_FILE": index}
    return Asked(git.start(*WORDS, ".", folder=directory, variables=variables))
