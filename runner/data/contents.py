"""What a declared output consists of: files, links between them, and what is neither and cannot be kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from runner.typed import NamedTuple

__all__ = ["Contents", "look"]

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Contents(NamedTuple):
    """Names are paths from the project, with "/"."""

    files: dict[str, str]  # name -> where it is
    links: dict[str, str]  # name -> where it leads, seen from its own folder
    problems: list[str]  # what cannot be kept, with the reason
    executable: list[str]  # of the files
    folders: list[str]  # that are empty


def look(path: str, name: str, kept: Sequence[str]) -> Contents:
    """Of one output. `kept`: the real paths of all: a link into one of them is a link, another is what it leads to."""
    found = Contents({}, {}, [], [], [])
    _look(path, name, kept, (), found)
    return found


def _look(path: str, name: str, kept: Sequence[str], above: tuple[str, ...], found: Contents) -> None:
    """`above`: the real folders that we are in, so that a link to one of them does not lead on for ever."""
    if os.path.islink(path):
        real = os.path.realpath(path)
        if any(real == each or real.startswith(each + os.sep) for each in kept):
            found.links[name] = os.path.relpath(real, os.path.realpath(os.path.dirname(path)))
            return
    try:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            found.files[name] = path
            if status.st_mode & stat.S_IXUSR:
                found.executable.append(name)
        elif stat.S_ISDIR(status.st_mode):
            real = os.path.realpath(path)
            inside = sorted(os.listdir(path)) if real not in above else []
            if not inside:
                found.folders.append(name)
            for each in inside:
                _look(os.path.join(path, each), f"{name}/{each}", kept, (*above, real), found)
        else:
            found.problems.append(f"{name} ({KINDS.get(stat.S_IFMT(status.st_mode), 'no file')})")
    except OSError as error:
        link = f"a link to {os.readlink(path)}: " if os.path.islink(path) else ""
        found.problems.append(f"{name} ({link}{error.strerror or error})")
