"""What git says about a work tree: `git status`, started early, waited for late, and parsed."""

from __future__ import annotations

import os
from typing import NamedTuple

from runner import paths
from runner.host import process
from runner.sources.git.repository import Repository, start

__all__ = ["Change", "Pending", "Status", "ask", "own_folders"]


class Change(NamedTuple):
    """A path that differs from the last commit, relative to the top of the work tree."""

    path: str
    staged: bool = False  # the index differs from the commit too
    deleted: bool = False
    nested: bool = False  # a submodule, or a repository inside this one


class Status(NamedTuple):
    commit: str
    branch: str
    changes: tuple[Change, ...]


def ask(found: Repository) -> Pending:
    """Starts `git status`. It writes nothing: no index refresh, no file system monitor, no hook."""
    return Pending(
        start(
            found,
            *("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all"),
            *("--ignore-submodules=none", "--no-renames"),
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
        own = own_folders(self._repository.root)
        found = _parse(done.out)
        if not own:
            return found
        return found._replace(
            changes=tuple(change for change in found.changes if not f"{change.path}/".startswith(own))
        )


def own_folders(root: str, *others: str) -> tuple[str, ...]:
    """What `proj` itself keeps inside of a work tree, if it was told to: relative, with a "/" at the end."""
    top = root.rstrip(os.sep) + os.sep
    chosen = {os.path.realpath(folder) for folder in (paths.home(), paths.store(), paths.cache(), *others)}
    inside = (folder for folder in chosen if folder.startswith(top))
    return tuple(folder[len(top) :].replace(os.sep, "/") + "/" for folder in inside)


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
            nested = submodule[0] == "S" or mode == "160000"
            changes.append(Change(path, states[0] != ".", "D" in states, nested))
        elif kind == "u":
            changes.append(Change(line.split(" ", 10)[10], staged=True))
    return Status(commit, branch, tuple(change for change in changes if not _is_rubbish(change.path)))


def _is_rubbish(path: str) -> bool:
    """What Python leaves behind in a folder without a .gitignore says nothing about the code."""
    return path.endswith(".pyc") and "__pycache__/" in path
