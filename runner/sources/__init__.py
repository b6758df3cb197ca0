"""Where the code of a project comes from: URI -> Checkout. A kind is one module and one line in KINDS."""

from __future__ import annotations

import importlib

from runner.errors import InputError
from runner.typed import TYPE_CHECKING, cast
from runner.values import Checkout, Report

if TYPE_CHECKING:  # holds the modules to the protocol
    from runner.sources import archive, local
    from runner.sources.base import Kind
    from runner.sources.git import kind as git

    _kinds: tuple[Kind, ...] = (local, archive, git)

__all__ = ["KINDS", "fetch", "release"]

# In the order in which they are asked: what exists on disk is local. Each is imported when it is asked.
KINDS = {
    "local": "runner.sources.local",
    "archive": "runner.sources.archive",
    "git": "runner.sources.git.kind",
}


def fetch(uri: str, version: str, report: Report, offline: bool = False) -> Checkout:
    """The code of `uri` on disk. `version` (branch, tag, commit) may be "". Call release() at the end.

    `offline`: what is in the cache, or a SourceError.
    """
    for name in KINDS:
        kind = _kind(name)
        if kind.detect(uri):
            return kind.fetch(uri, version, report, offline)
    raise InputError(
        f"{uri}: there is no such folder, and it is not the address of a git repository or an archive",
        "give a folder, https://HOST/OWNER/REPOSITORY, git@HOST:PATH, or a .zip or .tar.gz",
    )


def release(checkout: Checkout) -> None:
    """Removes a checkout that was made for one run; the user's own folders are left alone."""
    if checkout.temporary:
        _kind(checkout.kind).release(checkout)


def _kind(name: str) -> Kind:
    return cast("Kind", importlib.import_module(KINDS[name]))
