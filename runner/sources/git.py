"""Git repositories: a cached mirror of each, and a work tree for each run."""

from __future__ import annotations

import os

from runner.errors import InputError, SourceError
from runner.sources import folders, location, mirror, repository
from runner.sources.credentials import without
from runner.sources.location import Location
from runner.sources.mirror import Mirror, Refs, UnreachableError
from runner.sources.repository import Repository
from runner.sources.worktree import check_out
from runner.values import Checkout, Report

__all__ = ["detect", "fetch", "fetch_local", "release"]


def detect(uri: str) -> bool:
    return location.is_git(uri)


def fetch(uri: str, version: str, report: Report) -> Checkout:
    """The commit that the version names now; from the cache alone when the remote cannot be reached."""
    wanted = location.parse(uri, version)
    source = mirror.of(wanted.url, wanted.credentials)
    commit, branch, inside, notes = _resolve(wanted, source, report)
    return _make(
        source, wanted._replace(version=version or wanted.version), commit, branch, inside, notes, report
    )


def fetch_local(found: Repository, directory: str, version: str, report: Report) -> Checkout:
    """A version of a repository on this machine; the user's work tree and repository are only read."""
    from runner import process

    name = location.parse(found.common, version).version
    done = process.start(
        [
            *repository.git_in(found),
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            f"{name}^{{commit}}",
        ]
    ).finish()
    commit = done.out.strip()
    if not commit:
        raise _unknown(found.root, version, mirror.known(Mirror(found.root, found.common)))
    source = mirror.of(found.common)
    if not mirror.has(source, commit):
        mirror.update(source, report, [f"{commit}:refs/kept/{commit}"], wanted=commit)
    branch = version if os.path.exists(os.path.join(found.common, "refs", "heads", version)) else ""
    real = os.path.realpath(directory)
    inside = "" if real == found.root else os.path.relpath(real, found.root).replace(os.sep, "/")
    checkout = _make(source, Location(directory, version), commit, branch, inside, (), report)
    return checkout._replace(uri=directory, repository=without(repository.origin(found)))


def release(checkout: Checkout) -> None:
    folders.remove(os.path.dirname(checkout.root))


def _make(
    source: Mirror,
    wanted: Location,
    commit: str,
    branch: str,
    inside: str,
    notes: tuple[str, ...],
    report: Report,
) -> Checkout:
    folder = folders.make()
    try:
        name = (
            source.url.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git") or "repository"
        )
        root = os.path.join(folder, name if name not in ("lock", "worktrees") else f"{name}_")
        notes += check_out(source, commit, folder, root, report)
        directory = os.path.join(root, *inside.split("/")) if inside else root
        if not os.path.isdir(directory):
            raise InputError(
                f"{source.url} has no folder {inside} at {wanted.version or branch or commit[:10]}"
            )
        if not (os.path.realpath(directory) + os.sep).startswith(os.path.realpath(root) + os.sep):
            raise InputError(f"{inside} leads out of {source.url}")
    except BaseException:
        folders.remove(folder)
        raise
    return Checkout(
        directory,
        source.url + (f"#{inside}" if inside else ""),
        kind="git",
        root=root,
        subdirectory=inside,
        repository=source.url,
        version=wanted.version,
        commit=commit,
        branch=branch,
        temporary=True,
        notes=notes,
    )


def _name(url: str) -> str:
    """Of the work tree's folder: the repository's, as after a `git clone`."""
    name = url.rstrip("/").removesuffix("/.git").rpartition("/")[2].rpartition(":")[2].removesuffix(".git")
    return name if name and name not in ("lock", "worktrees") else f"{name}-repository"


def _resolve(wanted: Location, source: Mirror, report: Report) -> tuple[str, str, str, tuple[str, ...]]:
    """(commit, branch, folder, notes): what the version means, with the commit in the mirror."""
    version = wanted.version
    if _is_hex(version) and len(version) == 40 and not wanted.page and mirror.has(source, version):
        return version, "", wanted.subdirectory, ()
    notes: tuple[str, ...] = ()
    try:
        refs = mirror.ask(source, _patterns(wanted)).finish()
    except UnreachableError as error:
        if not source.exists:
            raise
        refs = mirror.known(source)
        notes = (f"{source.url} cannot be reached ({error.reason}): the copy of the last fetch is used",)
    version, inside = _split_page(wanted, refs)
    ref = _find(refs, version)
    commit = refs.ids[ref] if ref else ""
    try:
        commit = _bring(source, commit, ref, version, refs.default, report)
    except UnreachableError as error:
        if notes:
            raise SourceError(f"{version}: not in the cached copy, and {error.message}", error.hint) from None
        raise
    if not commit:
        every = refs if notes else mirror.ask(source, ()).finish()
        raise _unknown(source.url, version, every)
    branch = ref[11:] if ref.startswith("refs/heads/") else ""
    return commit, branch or (refs.default[11:] if not version else ""), inside, notes


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
    if not found and len(version) == 40:
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
    forms = ("refs/heads/{}", "refs/tags/{}", "refs/tags/{}^{{}}", "refs/{}", "{}")
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


def _unknown(url: str, version: str, refs: Refs) -> InputError:
    if not version:
        return InputError(f"{url} has no default branch (is it empty?)", "choose one with --version")
    from difflib import get_close_matches

    names = list(dict.fromkeys(refs.names))
    close = get_close_matches(version, names, 4, 0.5) or names[:6]
    listed = ", ".join(close)
    return InputError(
        f"{url} has no branch, tag or commit {version}",
        f"it has {'nothing' if not names else listed + (', ...' if len(names) > len(close) else '')}",
    )


def _is_hex(text: str) -> bool:
    return bool(text) and not text.strip("0123456789abcdef")
