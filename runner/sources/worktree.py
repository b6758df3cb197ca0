"""The files of a commit in a folder of the run's own: a detached work tree of its mirror, with submodules."""

from __future__ import annotations

import os

from runner import process
from runner.errors import SourceError
from runner.sources import folders, mirror, repository
from runner.sources.location import resolve_relative
from runner.sources.mirror import Mirror
from runner.values import Report

__all__ = ["check_out"]


def check_out(source: Mirror, commit: str, folder: str, path: str, report: Report) -> tuple[str, ...]:
    """Writes `commit` to `path`, which lies in the run's `folder`. Returns notes for the user."""
    _add(source, commit, folder, path)
    if os.path.exists(os.path.join(path, ".gitmodules")):
        _submodules(source, folder, path, report)
    return _missing_lfs(path)


def _add(source: Mirror, commit: str, folder: str, path: str) -> None:
    done = process.start(
        [
            *(
                "git",
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "advice.detachedHead=false",
                f"--git-dir={source.folder}",
            ),
            *("worktree", "add", "--detach", "--quiet", path, commit),
        ],
        source.variables,
    ).finish()
    if done.code:
        raise SourceError(
            f"commit {commit[:10]} of {source.url} cannot be written to {path}: "
            f"{mirror.last_line(done.err, source.credentials)}",
            "proj cache clean  removes damaged mirrors; is the disk full?",
        )
    found = repository.find(path)
    if found is not None:
        folders.note_worktree(folder, found.folder)


def _submodules(source: Mirror, folder: str, path: str, report: Report) -> None:
    """Submodules come from mirrors of their own, so that a second run clones nothing of them either."""
    urls = _declared(path)
    listed = process.start(["git", "-C", path, "ls-files", "--stage", "-z", "--", *urls]).finish().out
    for line in listed.split("\0"):
        facts, _, name = line.partition("\t")
        if not facts.startswith("160000 ") or name not in urls:
            continue
        commit = facts.split(" ")[1]
        inner = _mirror_of(urls[name], source)
        if not mirror.has(inner, commit):
            mirror.update(inner, report, wanted=commit)
        if not mirror.has(inner, commit):  # on no branch: asked for by its id
            mirror.update(inner, report, [f"{commit}:refs/kept/{commit}"], wanted=commit)
        check_out(inner, commit, folder, os.path.join(path, name), report)


def _declared(path: str) -> dict[str, str]:
    """Path -> URL of the submodules, as .gitmodules has them."""
    text = process.start(
        [
            "git",
            "config",
            "-f",
            os.path.join(path, ".gitmodules"),
            "-z",
            "--get-regexp",
            r"^submodule\..*\.(path|url)$",
        ]
    ).finish()
    paths: dict[str, str] = {}
    urls: dict[str, str] = {}
    for entry in text.out.split("\0"):
        key, _, value = entry.partition("\n")
        name, _, what = key.rpartition(".")
        (paths if what == "path" else urls)[name] = value
    return {place: urls[name] for name, place in paths.items() if name in urls}


def _mirror_of(url: str, parent: Mirror) -> Mirror:
    from runner.sources.credentials import split

    resolved, credentials = split(resolve_relative(url, parent.url))
    far = "://" in parent.url and not parent.url.startswith("file://")
    if far and (os.path.isabs(resolved) or resolved.startswith("file://")):
        raise SourceError(f"{parent.url} has a submodule that is a folder of this machine: {resolved}")
    if not credentials.user and _host(resolved) == _host(parent.url):
        credentials = parent.credentials
    return mirror.of(resolved, credentials)


def _host(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _missing_lfs(path: str) -> tuple[str, ...]:
    """Files that are only pointers, because git-lfs is missing or not set up."""
    try:
        with open(os.path.join(path, ".gitattributes"), "rb") as file:
            if b"filter=lfs" not in file.read():
                return ()
    except FileNotFoundError:
        return ()
    names = process.start(["git", "-C", path, "ls-files", "-z", "--", ":(attr:filter=lfs)"]).finish().out
    pointers = [name for name in names.split("\0") if name and _is_pointer(os.path.join(path, name))]
    if not pointers:
        return ()
    shown = ", ".join(pointers[:3]) + (", ..." if len(pointers) > 3 else "")
    remedy = "run `git lfs install` once" if process.find("git-lfs") else "install git-lfs"
    return (f"{len(pointers)} files are Git LFS pointers without their content ({shown}): {remedy}",)


def _is_pointer(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(42).startswith(b"version https://git-lfs.github.com/spec/")
    except OSError:
        return False
