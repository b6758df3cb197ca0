"""The files of a commit in a folder of the run's own: a detached work tree of its mirror, with submodules."""

from __future__ import annotations

import os
from typing import NamedTuple

from runner.errors import SourceError
from runner.host import files, git, process
from runner.sources import folders
from runner.sources.git import mirror, repository, spare
from runner.sources.git.location import resolve_relative
from runner.sources.git.messages import is_damage, last_line
from runner.sources.git.mirror import Mirror
from runner.text.credentials import split
from runner.values import Report

__all__ = ["Target", "check_out"]


RESET = ("reset", "--hard", "--quiet", "--no-recurse-submodules")


class Target(NamedTuple):
    """Where a commit goes, and where what belongs to it is to be found."""

    folder: str  # of the run (folders.make)
    path: str  # of the work tree, in the folder
    base: str  # URL that relative URLs of submodules start from
    modules: str = ""  # of a repository on this machine: the repositories of its submodules


def check_out(source: Mirror, commit: str, place: Target, report: Report) -> tuple[str, ...]:
    """Writes `commit` to `place.path`. Returns notes for the user."""
    mirror.restore_config(source)
    done = _reuse(source, commit, place) if os.path.lexists(place.path) else None
    if done is None or done.code:
        _link(source, commit, place)
        done = _git(source, place, *RESET)
    if done.code and is_damage(done.err):
        raise mirror.DamagedError(source, last_line(done.err, source.credentials))
    if done.code:
        raise SourceError(
            f"commit {commit[:10]} of {source.url} cannot be written to {place.path}: "
            f"{last_line(done.err, source.credentials)}",
            "is the disk full?",
        )
    if found := repository.find(place.path):
        spare.remember_index(place.folder, found.folder)
    if os.path.exists(os.path.join(place.path, ".gitmodules")):
        _submodules(source, place, report)
    return _missing_lfs(place.path)


def _reuse(source: Mirror, commit: str, place: Target) -> process.Completed | None:
    """Turns a spare work tree into `commit`. When that fails, the place is empty again."""
    if not spare.relink(place.folder, place.path, commit):
        done = None
    else:
        done = _git(source, place, *RESET)
        if not done.code:
            done = _git(source, place, "clean", "-ffdxq")
    if done is None or done.code:
        files.remove_tree(place.path)
    return done


def _git(source: Mirror, place: Target, *arguments: str) -> process.Completed:
    settings = (*git.EXACT, "checkout.workers=0")
    variables = {**source.variables, "GIT_ATTR_NOSYSTEM": "1"}
    return git.start(*arguments, folder=place.path, settings=settings, variables=variables).finish()


def _link(source: Mirror, commit: str, place: Target) -> None:
    """What `git worktree add` writes (gitrepository-layout), under a name that is noted before it exists.

    So nothing is left behind by a process that is killed, and one git is started and not three.
    """
    name = os.urandom(6).hex()
    administration = os.path.join(source.folder, "worktrees", name)
    folders.note_worktree(place.folder, administration)
    os.makedirs(place.path, exist_ok=True)  # of a submodule: git has made it
    _write(os.path.join(place.path, ".git"), f"gitdir: {administration}\n")
    draft = os.path.join(place.folder, f"{name}.worktree")
    os.makedirs(draft)
    _write(os.path.join(draft, "gitdir"), os.path.join(place.path, ".git") + "\n")
    _write(os.path.join(draft, "commondir"), "../..\n")
    _write(os.path.join(draft, "HEAD"), f"{commit}\n")
    os.makedirs(os.path.dirname(administration), exist_ok=True)
    os.rename(draft, administration)


def _submodules(source: Mirror, place: Target, report: Report) -> None:
    """Submodules come from mirrors of their own, so that a second run clones nothing of them either."""
    declared = _declared(place.path)
    listed = git.start("ls-files", "--stage", "-z", "--", *declared, folder=place.path).finish().out
    for line in listed.split("\0"):
        facts, _, path = line.partition("\t")
        if not facts.startswith("160000 ") or path not in declared:
            continue
        commit = facts.split(" ")[1]
        name, url = declared[path]
        inner, modules = _mirror_of(name, url, source, place)
        if not mirror.has(inner, commit):
            mirror.update(inner, report, wanted=commit)
        if not mirror.has(inner, commit):  # on no branch: asked for by its id
            mirror.update(inner, report, [f"{commit}:refs/kept/{commit}"], wanted=commit)
        check_out(
            inner, commit, Target(place.folder, os.path.join(place.path, path), inner.url, modules), report
        )


def _declared(path: str) -> dict[str, tuple[str, str]]:
    """Path -> (name, URL) of the submodules, as .gitmodules has them."""
    file = os.path.join(path, ".gitmodules")
    text = git.start("config", "-f", file, "-z", "--get-regexp", r"^submodule\..*\.(path|url)$").finish()
    paths: dict[str, str] = {}
    urls: dict[str, str] = {}
    for entry in text.out.split("\0"):
        key, _, value = entry.partition("\n")
        name, _, what = key.rpartition(".")
        (paths if what == "path" else urls)[name] = value
    return {place: (name, urls[name]) for name, place in paths.items() if name in urls}


def _mirror_of(name: str, url: str, parent: Mirror, place: Target) -> tuple[Mirror, str]:
    """The mirror of a submodule, and where the repositories of its own submodules may be."""
    here = os.path.join(place.modules, name) if place.modules and ".." not in name else ""
    if here and repository.at_bare(here):  # the user has it already: what was never pushed, too
        return mirror.of(here, offline=parent.offline), os.path.join(here, "modules")
    resolved, credentials = split(resolve_relative(url, place.base))
    far = "://" in place.base and not place.base.startswith("file://")
    if far and (os.path.isabs(resolved) or resolved.startswith("file://")):
        raise SourceError(f"{parent.url} has a submodule that is a folder of this machine: {resolved}")
    if not credentials.user and _host(resolved) == _host(parent.url):
        credentials = parent.credentials
    return mirror.of(resolved, credentials, parent.offline), ""


def _host(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _missing_lfs(path: str) -> tuple[str, ...]:
    """Files that are only pointers, because git-lfs is missing or not set up."""
    try:
        if b"filter=lfs" not in files.read(os.path.join(path, ".gitattributes")):
            return ()
    except OSError:
        return ()
    names = git.start("ls-files", "-z", "--", ":(attr:filter=lfs)", folder=path).finish().out
    pointers = [name for name in names.split("\0") if name and _is_pointer(os.path.join(path, name))]
    if not pointers:
        return ()
    shown = ", ".join(pointers[:3]) + (", ..." if len(pointers) > 3 else "")
    remedy = "run `git lfs install` once" if process.find("git-lfs") else "install git-lfs"
    return (f"of {len(pointers)} Git LFS files only the pointers are there ({shown}): {remedy}",)


def _is_pointer(path: str) -> bool:
    try:
        return files.read(path, 42).startswith(b"version https://git-lfs.github.com/spec/")
    except OSError:
        return False


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
