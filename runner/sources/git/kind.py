"""Git repositories: a cached mirror of each, and a work tree for each run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from runner.errors import InputError, SourceError
from runner.sources import folders
from runner.sources.base import ONCE
from runner.sources.git import location, mirror, repository, spare
from runner.sources.git.location import Location
from runner.sources.git.mirror import Mirror, Refs, UnreachableError
from runner.sources.git.repository import Repository
from runner.sources.git.worktree import Target, check_out
from runner.text.credentials import without
from runner.values import Checkout, Report

__all__ = ["detect", "fetch", "fetch_local", "release"]


def detect(uri: str) -> bool:
    return location.is_git(uri)


class Resolved(NamedTuple):
    """What a location means: a commit that is in the mirror, and a folder in it."""

    commit: str
    version: str = ""  # as asked for
    branch: str = ""
    inside: str = ""
    notes: tuple[str, ...] = ()


def fetch(uri: str, version: str, report: Report, offline: bool = False) -> Checkout:
    """The commit that the version names now; from the cache alone when the remote cannot be reached."""
    wanted = location.parse(uri, version)
    try:
        return _fetch(wanted, report, offline)
    except mirror.DamagedError as error:
        mirror.condemn(error.mirror)
        return _fetch(wanted, report, offline)


def _fetch(wanted: Location, report: Report, offline: bool) -> Checkout:
    source = mirror.of(wanted.url, wanted.credentials, offline)
    resolved = _resolve(wanted, source, report)
    folder, path = _place(source, source.url)
    try:
        return _made(source, Target(folder, path, source.url), resolved, report)
    except BaseException:
        folders.remove(folder)
        raise


def fetch_local(
    found: Repository, directory: str, version: str, report: Report, offline: bool = False
) -> Checkout:
    """A version of a repository on this machine; the user's work tree and repository are only read.

    `offline`: its submodules are not asked for.
    """
    try:
        return _fetch_local(found, directory, version, report, offline)
    except mirror.DamagedError as error:
        mirror.condemn(error.mirror)
        return _fetch_local(found, directory, version, report, offline)


def _fetch_local(found: Repository, directory: str, version: str, report: Report, offline: bool) -> Checkout:
    commit = _local_commit(found, version)
    top = found.common.removesuffix(f"{os.sep}.git")
    source = mirror.of(top, offline=offline)
    if not mirror.has(source, commit):
        mirror.update(source, report, [f"{commit}:refs/kept/{commit}"], wanted=commit)
    branch = version if repository.ref(found, f"refs/heads/{version}") else ""
    real = os.path.realpath(directory)
    inside = "" if real == found.root else os.path.relpath(real, found.root).replace(os.sep, "/")
    origin = without(repository.origin(found))
    folder, path = _place(source, found.root)
    try:
        place = Target(folder, path, origin or top, os.path.join(found.common, "modules"))
        checkout = _made(source, place, Resolved(commit, version, branch, inside), report)
    except BaseException:
        folders.remove(folder)
        raise
    return checkout._replace(uri=directory, repository=origin)


def _local_commit(found: Repository, version: str) -> str:
    """Whatever git understands in the user's repository: HEAD~1, stash, origin/main, ..."""
    name = location.parse(found.common, version).version
    asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    commit = repository.start(found, *asked).finish().out.strip()
    if not commit:
        listed = repository.start(found, "for-each-ref", "--format=%(refname:short)").finish()
        raise _unknown(found.root, version, listed.out.split())
    return commit


def release(checkout: Checkout) -> None:
    if not spare.keep(checkout.root):
        folders.remove(os.path.dirname(checkout.root))


def _made(source: Mirror, place: Target, resolved: Resolved, report: Report) -> Checkout:
    commit, version, branch, inside, notes = resolved
    notes += check_out(source, commit, place, report)
    directory = os.path.join(place.path, *inside.split("/")) if inside else place.path
    if not os.path.isdir(directory):
        folder, _, ref = inside.rpartition("@")
        hint = f"the version comes before the folder: {source.url}@{ref}#{folder}" if folder and ref else ""
        raise InputError(f"{source.url} has no folder {inside} at {version or branch or commit[:10]}", hint)
    if not (os.path.realpath(directory) + os.sep).startswith(os.path.realpath(place.path) + os.sep):
        raise InputError(f"{inside} leads out of {source.url}")
    return Checkout(
        directory,
        source.url + (f"#{inside}" if inside else ""),
        kind="git",
        root=place.path,
        subdirectory=inside,
        repository=source.url,
        version=version,
        commit=commit,
        branch=branch,
        temporary=True,
        notes=notes,
    )


def _place(source: Mirror, url: str) -> tuple[str, str]:
    """A folder for the run, and the work tree's place in it: a spare one, or one that is yet to be made."""
    folders.sweep()
    folder, path = spare.take(source)
    if not folder:
        folder = folders.make()
        path = os.path.join(folder, _name(url))
    return folder, path


def _name(url: str) -> str:
    """Of the work tree's folder: the repository's, as after a `git clone`."""
    name = url.rstrip("/").removesuffix("/.git").rpartition("/")[2].rpartition(":")[2].removesuffix(".git")
    return name if name and name not in folders.RESERVED else f"{name}-repository"


def _resolve(wanted: Location, source: Mirror, report: Report) -> Resolved:
    """What the version means now, with the commit brought to the mirror."""
    version = wanted.version
    if _is_full(version) and not wanted.page and mirror.has(source, version):
        return Resolved(version, version, "", wanted.subdirectory)
    notes: tuple[str, ...] = ()
    try:
        refs = mirror.ask(source, _patterns(wanted)).finish()
    except UnreachableError as error:
        if not source.exists:
            raise
        refs = mirror.known(source)
        notes = (f"{source.url} cannot be reached ({error.reason}): the copy of the last fetch is used",)
        if source.is_out_of_reach:
            notes = (f"--offline: {source.url} is taken as it was at the last fetch",)
    version, inside = _split_page(wanted, refs)
    ref = _find(refs, version)
    commit = refs.ids[ref] if ref else ""
    try:
        commit = _bring(source, commit, ref, version, refs.default, report)
    except UnreachableError as error:
        if source.is_out_of_reach:
            raise _lacking(source, version) from None
        if notes:
            raise SourceError(f"{version}: not in the cached copy, and {error.message}", error.hint) from None
        raise
    if not commit and source.is_out_of_reach:
        raise _lacking(source, version)
    if not commit:
        every = refs if notes else mirror.ask(source, ()).finish()
        raise _unknown(source.url, version, every.names)
    branch = ref[11:] if ref.startswith("refs/heads/") else "" if version else refs.default[11:]
    return Resolved(commit, version, branch, inside, notes)


def _bring(source: Mirror, commit: str, ref: str, version: str, default: str, report: Report) -> str:
    """The commit's full id once it is in the mirror; "" when there is no such commit."""
    if commit:
        if not mirror.has(source, commit):
            mirror.update(source, report, wanted=commit, default=default)
        if not mirror.has(source, commit):  # a ref outside branches and tags
            mirror.update(source, report, [f"+{ref}:refs/kept/{commit}"], wanted=commit)
        return commit
    if not _is_hex(version) or len(version) < 4:
        return ""
    found = mirror.has(source, version)
    if not found:
        mirror.update(source, report, wanted=version, default=default)
        found = mirror.has(source, version)
    if not found and _is_full(version):
        try:
            mirror.update(source, report, [f"{version}:refs/kept/{version}"], wanted=version)
        except UnreachableError:
            return ""  # the remote does not have it, or does not give it away
        found = mirror.has(source, version)
    return found


def _patterns(wanted: Location) -> list[str]:
    """Full names of the refs that may be meant: the remote sends no others."""
    names = [wanted.version] if wanted.version else []
    if wanted.page:
        parts = wanted.page.split("/")
        names += ["/".join(parts[:count]) for count in range(1, min(len(parts), 8) + 1)]
    if not names:
        return ["HEAD"]
    forms = ("refs/heads/{}", "refs/tags/{}", "refs/tags/{}^{{}}", "refs/{}", "refs/{}^{{}}", "{}", "{}^{{}}")
    return ["HEAD", *(form.format(name) for name in names for form in forms)]


def _find(refs: Refs, version: str) -> str:
    """Full name of the ref that a version means: HEAD, a branch, a tag, or a ref written in full; or ""."""
    if not version:
        return "HEAD" if "HEAD" in refs.ids else ""
    candidates = (f"refs/heads/{version}", f"refs/tags/{version}", f"refs/{version}", version)
    return next((name for name in candidates if name in refs.ids), "")


def _split_page(wanted: Location, refs: Refs) -> tuple[str, str]:
    """Version and folder. Of REF/PATH in a web address, REF is the longest that the remote has."""
    if not wanted.page:
        return wanted.version, wanted.subdirectory
    parts = wanted.page.split("/")
    for count in range(len(parts), 0, -1):
        name = "/".join(parts[:count])
        if _find(refs, name):
            break
    version = wanted.version or "/".join(parts[:count])
    return version, wanted.subdirectory or "/".join(parts[count:])


def _lacking(source: Mirror, version: str) -> SourceError:
    what = version or "a default branch"
    return SourceError(
        f"the cached copy of {source.url} does not have {what}, and --offline asks no server", ONCE
    )


def _unknown(url: str, version: str, names: Sequence[str]) -> InputError:
    names = list(dict.fromkeys(names))
    if not version and names:
        return InputError(
            f"{url} has no default branch", f"choose one with --version: {', '.join(names[:6])}"
        )
    if not version:
        return InputError(f"{url} is empty: there is no commit in it", "git push  sends one to it")
    from difflib import get_close_matches

    close = get_close_matches(version, names, 4, 0.5) or names[:6]
    listed = ", ".join(close)
    return InputError(
        f"{url} has no branch, tag or commit {version}",
        f"it has {'nothing' if not names else listed + (', ...' if len(names) > len(close) else '')}",
    )


def _is_hex(text: str) -> bool:
    return bool(text) and not text.strip("0123456789abcdef")


def _is_full(text: str) -> bool:
    """A full id: 40 digits, or 64 in repositories that use SHA-256."""
    return _is_hex(text) and len(text) in (40, 64)
