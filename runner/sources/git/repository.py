"""What a git repository's own files say (HEAD, refs, config), read without starting git."""

from __future__ import annotations

import os

from runner.host import files, git, process
from runner.typed import NamedTuple

__all__ = ["Head", "Repository", "at_bare", "find", "head", "origin", "ref", "start"]


class Repository(NamedTuple):
    """A work tree and its git folders; they differ in linked worktrees and submodules."""

    root: str  # top of the work tree, absolute; "" for a bare repository
    folder: str  # HEAD and index are here
    common: str  # objects, refs and config are here


class Head(NamedTuple):
    commit: str  # full id; "" before the first commit
    branch: str  # "" when HEAD is detached


def find(directory: str) -> Repository | None:
    """The repository that a folder lies in, looked for upwards, as git does."""
    here = directory
    while True:
        dot_git = os.path.join(here, ".git")
        folder = dot_git if os.path.isdir(dot_git) else _pointed_to(dot_git)
        if folder and os.path.exists(os.path.join(folder, "HEAD")):
            return Repository(here, folder, _common(folder))
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above


def at_bare(directory: str) -> Repository | None:
    """`directory` as a bare repository, if it is one."""
    if (
        os.path.isfile(os.path.join(directory, "HEAD"))
        and os.path.isdir(os.path.join(directory, "objects"))
        and os.path.isdir(os.path.join(directory, "refs"))
    ):
        return Repository("", directory, directory)
    return None


def start(found: Repository, *arguments: str) -> process.Pending:
    """Starts git in a user's repository, to read it.

    Git distrusts folders of another user, as in containers. Here their code is about to be run anyway.
    """
    place = found.root or found.folder
    trusted = [f"safe.directory={place}"] if _owner(place) == _owner(found.folder) else []
    return git.start(*arguments, folder=place, settings=trusted)


def head(repository: Repository) -> Head:
    """Commit and branch, read from .git as gitrepository-layout(5) has it; git itself is asked for a reftable."""
    text = _read(os.path.join(repository.folder, "HEAD"))
    if not text.startswith("ref: "):
        return Head(text, "") if _is_id(text) else _asked(repository)
    ref = text[5:]
    branch = ref[11:] if ref.startswith("refs/heads/") else ref
    commit = _read(os.path.join(repository.common, ref)) or _packed(repository.common, ref)
    if _is_id(commit):
        return Head(commit, branch)
    if branch == ".invalid" or commit:  # reftable, or a symbolic ref to another one
        return _asked(repository)
    return Head("", branch)


def ref(repository: Repository, name: str) -> str:
    """The id that a full ref name stands for, or "" (also when only git can tell)."""
    found = _read(os.path.join(repository.common, name)) or _packed(repository.common, name)
    return found if _is_id(found) else ""


def origin(repository: Repository) -> str:
    """URL of the remote `origin`, or of the first one, as the config has it (with credentials, if any)."""
    urls = {
        section[8:-1]: value
        for section, key, value in _config(repository.common)
        if key == "url" and section.startswith('remote "')
    }
    return urls.get("origin") or next(iter(urls.values()), "")


def _config(folder: str) -> list[tuple[str, str, str]]:
    """(section, key in lower case, value); includes and continued lines are not followed."""
    entries = []
    section = ""
    for line in _read(os.path.join(folder, "config")).splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line[1:].partition("]")[0]
        elif "=" in line and line[0] not in "#;":
            key, _, value = line.partition("=")
            entries.append((section, key.strip().lower(), value.strip().strip('"')))
    return entries


def _pointed_to(path: str) -> str:
    """`.git` as a file (linked worktree, submodule) says where the folder is."""
    text = _read(path)
    return (
        os.path.normpath(os.path.join(os.path.dirname(path), text[8:])) if text.startswith("gitdir: ") else ""
    )


def _common(folder: str) -> str:
    pointer = _read(os.path.join(folder, "commondir"))
    return os.path.normpath(os.path.join(folder, pointer)) if pointer else folder


def _packed(common: str, ref: str) -> str:
    for line in _read(os.path.join(common, "packed-refs")).splitlines():
        if line.endswith(ref) and line[40:] == " " + ref:
            return line[:40]
    return ""


def _asked(repository: Repository) -> Head:
    commit = start(repository, "rev-parse", "--verify", "--quiet", "HEAD")
    branch = start(repository, "symbolic-ref", "--short", "--quiet", "HEAD")
    return Head(commit.finish().out.strip(), branch.finish().out.strip())


def _owner(path: str) -> int:
    try:
        return os.stat(path).st_uid
    except OSError:
        return -1


def _is_id(text: str) -> bool:
    return len(text) in (40, 64) and not text.strip("0123456789abcdef")


def _read(path: str) -> str:
    try:
        return files.read(path).decode("utf-8", "surrogateescape").strip()
    except OSError:
        return ""
