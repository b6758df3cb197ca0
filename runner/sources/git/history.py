"""The first commit of a repository: the same in each clone of it, wherever that lies and whatever its remotes are."""

from __future__ import annotations

import os

from runner.host import memo
from runner.host.files import now
from runner.sources.git import repository
from runner.sources.git.repository import Repository

__all__ = ["first_commit", "remembered"]


def remembered(found: Repository) -> str | None:
    """Its id without asking git; "" where it cannot be known (a shallow clone), None where git was not asked yet."""
    if os.path.exists(os.path.join(found.common, "shallow")):
        return ""
    kept = memo.recall("first-commit", found.common)
    return kept if isinstance(kept, str) else None


def first_commit(found: Repository, timeout: float | None = None) -> str:
    """Its id; "" before there is one, in a shallow clone, and when git took longer than `timeout` seconds.

    Git goes through the whole history for it, hence once for each repository. Of several, the oldest: a history that
    was merged in later does not count.
    """
    known = remembered(found)
    if known is not None:
        return known
    began = now()
    asked = repository.start(found, "rev-list", "--max-parents=0", "HEAD").finish(timeout)
    lines = asked.out.split()
    if asked.code or not lines:
        return ""
    # Written when a repository is made, and not again: commits, branches and remotes leave them as they are.
    watched = [os.path.join(found.common, name) for name in ("description", "shallow")]
    memo.keep("first-commit", found.common, watched, lines[-1], began)
    return lines[-1]
