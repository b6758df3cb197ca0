"""Facts worth remembering between commands: a value that holds as long as some files stay as they were.

Used for what a warm `proj run` would compute again each time: the parsed project, the environment that a
specification leads to. Recalling costs one read and a stat for each file. Losing the folder costs time only.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from typing import Any
from zlib import crc32

from runner import __version__, paths

__all__ = ["keep", "recall"]

FORMAT = 1
# A file changed twice within one tick of the file system's clock looks unchanged: do not remember facts about
# files this young.
YOUNG = 50_000_000  # ns


def recall(kind: str, subject: str) -> Any:
    """What `keep` was given for this subject, or None when a file changed since (or nothing was kept)."""
    try:
        with open(_path(kind, subject), encoding="utf-8") as file:
            kept = json.load(file)
        if kept["is"] != [FORMAT, __version__, subject]:
            return None
        if any(_stamp(path) != stamp for path, stamp in kept["files"]):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kept["value"]


def keep(kind: str, subject: str, files: Iterable[str], value: Any) -> None:
    """Remembers a JSON-able value. A file that does not exist is remembered as absent."""
    stamps = [(path, _stamp(path)) for path in files]
    youngest = max((stamp[0] for _, stamp in stamps if stamp), default=0)
    if time.time_ns() - youngest < YOUNG:
        return
    path = _path(kind, subject)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        draft = f"{path}.{os.getpid()}"
        with open(draft, "w", encoding="utf-8") as file:
            json.dump({"is": [FORMAT, __version__, subject], "files": stamps, "value": value}, file)
        os.replace(draft, path)
    except OSError:
        pass  # a read-only or full cache: nothing is remembered


def _path(kind: str, subject: str) -> str:
    # two subjects with one checksum take turns: the subject is compared when it is read
    return paths.cache("memo", f"{kind}-{crc32(subject.encode('utf-8', 'surrogateescape')):08x}.json")


def _stamp(path: str) -> list[int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size, found.st_ino]
