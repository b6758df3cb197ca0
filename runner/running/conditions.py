"""Under what conditions a command runs that belong to the process or the repository, and to no file of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

from runner.running.marks import mark, short_digest

__all__ = ["limits", "repository", "umask"]

LARGEST = 1_000_000  # bytes of the list of references


def umask() -> str:
    """From /proc (proc_pid_status(5)): umask(2) tells it only by changing it, for all threads."""
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
            return next((line.split()[1] for line in file if line.startswith("Umask:")), "")
    except (OSError, IndexError):
        return ""


def limits() -> Iterator[tuple[str, str]]:
    """From /proc (proc_pid_limits(5)): name -> the soft limit."""
    try:
        with open("/proc/self/limits", encoding="utf-8", errors="replace") as file:
            for line in file.readlines()[1:]:
                yield line[:26].strip(), line[26:47].strip()
    except OSError:
        return


def repository(directory: str) -> str:
    """What `git describe` and `git log` depend on."""
    from runner.sources.git.repository import find, head

    found = find(directory)
    if found is None:
        return ""
    now = head(found)
    tags = [mark(os.path.join(found.common, name), LARGEST) for name in ("packed-refs", "refs/tags")]
    return short_digest(repr((now.commit, now.branch, tags)).encode("utf-8", "surrogateescape"))
