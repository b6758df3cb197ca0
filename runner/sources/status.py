"""What git says about a work tree: `git status`, started early, waited for late, and parsed."""

from __future__ import annotations

import os
from typing import NamedTuple

from runner import process
from runner.sources import repository
from runner.sources.credentials import without
from runner.sources.repository import Repository

__all__ = ["Change", "Pending", "Status", "ask"]


class Change(NamedTuple):
    """A path that differs from the last commit, relative to the top of the work tree."""

    path: str
    staged: bool = False  # the index differs from the commit too
    nested: bool = False  # a submodule, or a repository inside this one


class Status(NamedTuple):
    commit: str
    branch: str
    changes: tuple[Change, ...]


def ask(found: Repository) -> Pending:
    """Starts `git status`. It writes nothing: no index refresh, no file system monitor, no hook."""
    settings = ["-c", "core.fsmonitor=false"]
    if _same_owner(found):
        settings += ["-c", f"safe.directory={found.root}"]
    return Pending(
        process.start(
            [
                *("git", "--no-optional-locks", *settings, "-C", found.root),
                *("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all"),
                *("--ignore-submodules=none", "--no-renames"),
            ]
        ),
        found,
    )


class Pending:
    """A `git status` that is under way."""

    def __init__(self, helper: process.Pending, found: Repository) -> None:
        self._helper = helper
        self._repository = found

    def finish(self) -> Status | str:
        """What it said, or git's own words for why it could not."""
        done = self._helper.finish()
        if done.code:
            return (
                done.err.strip().splitlines()[-1]
                if done.err.strip()
                else f"git status ended with {done.code}"
            )
        return _parse(done.out)


def remote(found: Repository) -> str:
    return without(repository.origin(found))


def _same_owner(found: Repository) -> bool:
    """Git distrusts folders of another user, as in containers. Here their code is about to be run anyway."""
    try:
        return os.stat(found.root).st_uid == os.stat(found.folder).st_uid
    except OSError:
        return False


def _parse(text: str) -> Status:
    commit = branch = ""
    changes = []
    for line in text.split("\0"):
        kind = line[:1]
        if kind == "#":
            if line.startswith("# branch.oid ") and line[13:] != "(initial)":
                commit = line[13:]
            elif line.startswith("# branch.head ") and line[14:] != "(detached)":
                branch = line[14:]
        elif kind == "?":
            changes.append(Change(line[2:].rstrip("/"), nested=line.endswith("/")))
        elif kind == "1":
            _, states, submodule, _, _, mode, _, _, path = line.split(" ", 8)
            changes.append(Change(path, states[0] != ".", submodule[0] == "S" or mode == "160000"))
        elif kind == "u":
            changes.append(Change(line.split(" ", 10)[10], staged=True))
    return Status(commit, branch, tuple(change for change in changes if not _is_rubbish(change.path)))


def _is_rubbish(path: str) -> bool:
    """What Python leaves behind in a folder without a .gitignore says nothing about the code."""
    return path.endswith(".pyc") and "__pycache__/" in path
