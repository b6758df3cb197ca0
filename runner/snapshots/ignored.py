"""Files of a project that its snapshot does not have because git ignores them: their names."""

from __future__ import annotations

import os

from runner.host import process
from runner.snapshots.vault import open_vault
from runner.sources.git.repository import Repository, git_in

__all__ = ["Asked", "ask"]


class Asked:
    """The question, on its way."""

    def __init__(self, pending: process.Pending) -> None:
        self._pending = pending

    def finish(self) -> list[str]:
        """Paths in the project's folder, folders of which all is ignored with a final "/"; [] when git cannot tell."""
        done = self._pending.finish()
        return [] if done.code else [name for name in done.out.split("\0") if name]


def ask(found: Repository | None, directory: str, store: str) -> Asked:
    """Of the project in `directory`; a folder that is of no repository is seen by the rules of snapshots."""
    words = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z", "--", ".")
    if found is not None:
        inside = os.path.relpath(directory, found.root)
        return Asked(process.start([*git_in(found), "-C", inside, *words]))
    vault = open_vault(store)
    variables = {
        "GIT_DIR": vault.folder,
        "GIT_WORK_TREE": directory,
        "GIT_INDEX_FILE": os.path.join(vault.folder, "none"),
    }
    return Asked(process.start(["git", "-C", directory, *words], variables))
