"""One bare mirror of each remote repository in the cache: what it knows, and what the remote has.

    <cache>/git/<sha256 of the URL without credentials>.git       the mirror: branches and tags of the remote
                <...>.git.lock   held (flock) while it is made or updated, by git's own processes too
                <...>.git.new    being made: renamed when complete

Objects are never removed from a mirror: a commit that was run stays, whatever becomes of its branch.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runner import paths
from runner.errors import SourceError
from runner.host import files, git, process
from runner.sources.base import ONCE
from runner.sources.credentials import for_git
from runner.sources.git.messages import hint, is_damage, last_line
from runner.text.credentials import Credentials
from runner.values import Report

__all__ = [
    "DamagedError",
    "Mirror",
    "OfflineError",
    "Refs",
    "UnreachableError",
    "ask",
    "condemn",
    "has",
    "known",
    "of",
    "restore_config",
    "update",
]

# As in a clone: a command may make branches of its own in its work tree.
BRANCHES = "refs/remotes/origin/"
EVERYTHING = (f"+refs/heads/*:{BRANCHES}*", "+refs/tags/*:refs/tags/*")
CONFIG = """[gc]
\tauto = 0
[remote "origin"]
\turl = {url}
\tfetch = +refs/heads/*:refs/remotes/origin/*
"""
PATIENCE = 20.0  # s, for a remote's list of refs when the mirror could answer instead


class UnreachableError(SourceError):
    """The remote did not answer, or refused. `reason` is git's own last line."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} cannot be fetched: {reason}", hint(url, reason))
        self.reason = reason


class OfflineError(UnreachableError):
    """The remote was not asked."""

    def __init__(self, url: str) -> None:
        SourceError.__init__(self, f"{url} is not in the cache, and --offline asks no server", ONCE)
        self.reason = "--offline"


class DamagedError(SourceError):
    """A mirror is broken: condemn() it and fetch again."""

    def __init__(self, mirror: Mirror, reason: str) -> None:
        from shlex import quote

        super().__init__(
            f"the cached copy {mirror.folder} of {mirror.url} is damaged: {reason}",
            f"git ls-remote {quote(mirror.url)}  must work, then it is made again",
        )
        self.mirror = mirror


class Mirror(NamedTuple):
    url: str
    folder: str
    credentials: Credentials = Credentials()
    offline: bool = False  # no server is asked

    @property
    def is_out_of_reach(self) -> bool:
        return self.offline and not os.path.isabs(self.url) and not self.url.startswith("file://")

    @property
    def exists(self) -> bool:
        def there(name: str) -> bool:
            return os.path.exists(os.path.join(self.folder, name))

        return there("HEAD") and there("config.made") and there("objects/pack") and not there("damaged")

    @property
    def variables(self) -> dict[str, str | None]:
        """For each git that may speak to the remote."""
        asking = sys.stdin is not None and sys.stdin.isatty()
        prompt = {"GIT_TERMINAL_PROMPT": None} if asking else {}
        return {**prompt, **for_git(self.url, self.credentials)}

    def git(self, *arguments: str) -> process.Completed:
        """Runs git in the mirror, without the network."""
        return git.start(*arguments, variables={"GIT_DIR": self.folder}).finish()


class Refs(NamedTuple):
    ids: Mapping[str, str]  # full name -> commit (tags peeled)
    default: str = ""  # full name of the default branch

    @property
    def names(self) -> list[str]:
        """Branches and tags, for people."""
        return [name.split("/", 2)[2] for name in self.ids if name.startswith(("refs/heads/", "refs/tags/"))]


def of(url: str, credentials: Credentials = Credentials(), offline: bool = False) -> Mirror:  # noqa: B008 (it is frozen)
    from hashlib import sha256

    name = sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:40]
    return Mirror(url, paths.scratch("git", f"{name}.git"), credentials, offline)


class Asked:
    """The remote is being asked for its refs."""

    def __init__(self, mirror: Mirror, patterns: Sequence[str]) -> None:
        self._mirror = mirror
        self._helper = git.start(
            "ls-remote", "--symref", "--", mirror.url, *patterns, variables=mirror.variables
        )

    def finish(self) -> Refs:
        """Branches and tags of the remote. UnreachableError when it does not answer, and where we have a mirror, not
        within PATIENCE s.
        """
        asking = sys.stdin is not None and sys.stdin.isatty()  # a person may be typing a password
        done = self._helper.finish(PATIENCE if self._mirror.exists and not asking else None)
        if done.code == -9:
            raise UnreachableError(self._mirror.url, f"no answer within {PATIENCE:g} s")
        if done.code:
            raise UnreachableError(self._mirror.url, last_line(done.err, self._mirror.credentials))
        return _refs(done.out)


def ask(mirror: Mirror, patterns: Sequence[str]) -> Asked:
    """Asks the remote for the refs that have these full names (all, if none is given)."""
    if mirror.is_out_of_reach:
        raise OfflineError(mirror.url)
    return Asked(mirror, patterns)


def known(mirror: Mirror) -> Refs:
    """The refs as the remote had them at the last update."""
    lines = []
    for line in mirror.git("show-ref", "--dereference").out.splitlines():
        value, _, name = line.partition(" ")
        if name.startswith(BRANCHES) and name != f"{BRANCHES}HEAD":
            lines.append(f"{value}\trefs/heads/{name[len(BRANCHES) :]}")
        elif not name.startswith("refs/heads/"):  # those are a command's own
            lines.append(f"{value}\t{name}")
    found = _refs("\n".join(lines))
    default = _default(mirror)
    return Refs({**found.ids, "HEAD": found.ids[default]} if default in found.ids else found.ids, default)


def has(mirror: Mirror, commit: str) -> str:
    """The full id of a commit (given as an id, maybe short) that is in the mirror, or ""."""
    if not mirror.exists:
        return ""
    return mirror.git(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}"
    ).out.strip()


def restore_config(mirror: Mirror) -> None:
    """The config as it was made, whatever a command did to it from its work tree."""
    path = os.path.join(mirror.folder, "config")
    with open(f"{path}.made", "rb") as made, open(path, "rb") as used:
        config = made.read()
        changed = used.read() != config
    if changed:
        files.write(path, config)


def update(
    mirror: Mirror, report: Report, refspecs: Sequence[str] = EVERYTHING, wanted: str = "", default: str = ""
) -> None:
    """Brings the mirror up to date, or makes it; `default` is the remote's default branch, if that is known.

    Does nothing if another process has just brought the commit `wanted`.
    """
    waiting = f"waiting for another process that fetches {mirror.url}"
    with files.Exclusive(mirror.folder + ".lock", report, waiting) as lock:
        if wanted and has(mirror, wanted):
            return
        if mirror.is_out_of_reach:
            raise OfflineError(mirror.url)
        fresh = not mirror.exists
        folder = mirror.folder + ".new" if fresh else mirror.folder
        if fresh:
            _create(mirror, folder, "sha256" if len(wanted) == 64 else "sha1")
        else:
            _mend(mirror)
        argv = ["fetch", "--progress", "--no-auto-gc", "--no-write-fetch-head"]
        argv += ["--no-recurse-submodules", "--no-tags"]
        if tuple(refspecs) == EVERYTHING:
            argv.append("--prune")
        if os.path.isabs(mirror.url):  # the user's own repository: commits that no branch holds, too
            argv.append("--upload-pack=git -c uploadpack.allowAnySHA1InWant=true upload-pack")
        with report.step(f"{'cloning' if fresh else 'fetching'} {mirror.url}") as step:
            from runner.sources.git.transfer import transfer

            argv += ["--", mirror.url, *refspecs]
            variables = {**mirror.variables, "GIT_DIR": folder}
            done = transfer(argv, variables, step, lock)
            if done.code and ".lock'" in done.err:
                _remove_stale_locks(folder)
                done = transfer(argv, variables, step, lock)
        if done.code and not fresh and is_damage(done.err):
            raise DamagedError(mirror, last_line(done.err, mirror.credentials))
        if done.code:
            raise UnreachableError(mirror.url, last_line(done.err, mirror.credentials))
        if default.startswith("refs/heads/"):
            os.makedirs(os.path.join(folder, BRANCHES), exist_ok=True)
            files.write(os.path.join(folder, BRANCHES, "HEAD"), f"ref: {BRANCHES}{default[11:]}\n")
        if fresh:
            _put_in_place(folder, mirror.folder)


def condemn(mirror: Mirror) -> None:
    """Has a damaged mirror made again by the next update()."""
    files.write(os.path.join(mirror.folder, "damaged"), "")


def _put_in_place(new: str, folder: str) -> None:
    """Puts a new mirror where a damaged one may be; work trees that are in use keep what git knows of them."""
    old = f"{folder}.old"
    files.remove_tree(old)
    if os.path.lexists(folder):
        if os.path.isdir(os.path.join(folder, "worktrees")):
            os.rename(os.path.join(folder, "worktrees"), os.path.join(new, "worktrees"))
        os.rename(folder, old)
    os.rename(new, folder)
    files.remove_tree(old)


def _create(mirror: Mirror, folder: str, ids: str) -> None:
    """An empty mirror. `ids` is the kind of object ids that the remote has."""
    files.remove_tree(folder)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    plain = {"GIT_DEFAULT_HASH": ids, "GIT_DEFAULT_REF_FORMAT": "files"}
    done = git.start("init", "--bare", "--quiet", "--template=", folder, variables=plain).finish()
    if done.code:
        raise SourceError(f"the cache {folder} cannot be made: {last_line(done.err)}")
    url = mirror.url.replace("\\", "\\\\").replace('"', '\\"')
    with open(os.path.join(folder, "config"), encoding="utf-8") as file:
        config = file.read() + CONFIG.format(url=f'"{url}"')
    files.write(os.path.join(folder, "config"), config)
    files.write(os.path.join(folder, "config.made"), config)


def _mend(mirror: Mirror) -> None:
    """Removes what killed processes left: lists of work trees that are gone, half-written packs."""
    restore_config(mirror)
    mirror.git("worktree", "prune", "--expire=1.hour.ago")
    packs = os.path.join(mirror.folder, "objects", "pack")
    for name in os.listdir(packs):
        path = os.path.join(packs, name)
        if name.startswith("tmp_") and time.time() - os.stat(path).st_mtime > 3600:
            _unlink(path)


def _remove_stale_locks(folder: str) -> None:
    """Of a git that was killed: one that lives holds our lock too. Those of work trees are not ours."""
    for top, inner, names in os.walk(folder):
        if top == folder:
            inner[:] = ["refs"]
        for name in names:
            if name.endswith(".lock"):
                _unlink(os.path.join(top, name))


def _refs(text: str) -> Refs:
    ids: dict[str, str] = {}
    default = ""
    for line in text.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            default = value[5:] if name == "HEAD" else default
        elif name.endswith("^{}"):
            ids[name[:-3]] = value
        else:
            ids[name] = value
    return Refs(ids, default)


def _default(mirror: Mirror) -> str:
    """Full name of the remote's default branch, as it was last seen."""
    try:
        with open(os.path.join(mirror.folder, BRANCHES, "HEAD"), encoding="utf-8") as file:
            return file.read().strip().removeprefix("ref: ").replace(BRANCHES, "refs/heads/", 1)
    except FileNotFoundError:
        return ""


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def last_use(folder: str) -> float:
    """s since the epoch: when commits came into the mirror, or it was checked out, the last time."""
    names = ("", "worktrees", "objects", "objects/pack", "packed-refs", "refs")
    found = [files.stamp(os.path.join(folder, name)) for name in names]
    return max((stamp.mtime_ns / 1e9 for stamp in found if stamp), default=0.0)


def is_free(folder: str) -> bool:
    """Whether nobody fetches into the mirror, and no checkout has its objects there."""
    if files.names(os.path.join(folder, "worktrees")):
        return False
    handle = files.try_lock(f"{folder}.lock")
    if handle is not None:
        os.close(handle)
    return handle is not None


def remove(folder: str) -> bool:
    """Removes a mirror; it is cloned again when it is wanted. False when it is in use."""
    handle = files.try_lock(f"{folder}.lock")
    if handle is None:
        return False
    try:
        if files.names(os.path.join(folder, "worktrees")):
            return False
        files.remove_tree(folder)
        return True
    finally:
        os.close(handle)
