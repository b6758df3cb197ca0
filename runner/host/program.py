"""Our own program on the PATH of a run, also when the user called it by its full path.

A command may call `proj run` for its steps and `proj log` for its metrics; it must reach this very installation.
The folder that is put on the PATH holds nothing else, so nothing of our environment shadows the command's.
"""

from __future__ import annotations

import os
import sys
from zlib import crc32

from runner import paths
from runner.host.files import Draft

__all__ = ["folder"]


def folder() -> str:
    """A folder with one program, `proj`; "" when it cannot be made."""
    script = os.path.join(os.path.dirname(sys.executable), "proj")
    place = paths.cache("bin", f"{crc32(os.fsencode(script)):08x}")
    link = os.path.join(place, "proj")
    try:
        if os.readlink(link) == script:
            return place
    except OSError:
        pass
    try:
        if not os.access(script, os.X_OK) and os.path.exists(link):
            return place
        with Draft(link) as draft:
            if os.access(script, os.X_OK):
                os.symlink(script, draft)
            else:
                _write(draft)
    except OSError:
        return ""
    return place


def _write(path: str) -> None:
    """For `python -m runner` where no console script was installed."""
    from shlex import quote

    package = os.path.dirname(os.path.dirname(os.path.abspath(paths.__file__)))
    code = f"import sys; sys.path.insert(0, {package!r}); from runner.cli.main import entry; entry()"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {quote(sys.executable)} -c {quote(code)} "$@"\n')
    os.chmod(path, 0o700)
