"""Facts worth remembering between commands: a value that holds as long as some files stay as they were.

Used for what a warm `proj run` would compute again each time: the parsed project, the environment that a
specification leads to. Recalling costs one read and a stat for each file. Losing the folder costs time only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from zlib import crc32

from runner import __version__, paths, values
from runner.host import files
from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

__all__ = ["keep", "recall", "subjects"]

FORMAT = 3
# The fields of what is remembered: a version of proj from between two releases has others.
FIELDS = crc32(repr([getattr(each, "_fields", "") for each in vars(values).values()]).encode())


def recall(kind: str, subject: str) -> Any:
    """What `keep` was given for this subject, or None when a file changed since (or nothing was kept)."""
    try:
        with open(_path(kind, subject), encoding="utf-8") as file:
            kept = json.load(file)
        if kept["is"] != [FORMAT, FIELDS, __version__, subject]:
            return None
        if any(_stamp(path) != known for path, known in kept["files"]):
            return None
        text = kept["value"]
        return json.loads(text) if crc32(text.encode()) == kept["checksum"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def keep(kind: str, subject: str, watched: Iterable[str], value: object, began: int) -> None:
    """Remembers a JSON-able value that was found from the files `watched`, read after the time `began` (files.now()).

    A file that does not exist is remembered as absent. Nothing is remembered if a file may have changed since.
    """
    stamps = [(path, _stamp(path)) for path in watched]
    if not all(found is None or files.settled(files.Stamp(*found), began) for _, found in stamps):
        return
    text = json.dumps(value)
    kept = {
        "is": [FORMAT, FIELDS, __version__, subject],
        "files": stamps,
        "value": text,
        "checksum": crc32(text.encode()),
    }
    try:
        files.write(_path(kind, subject), json.dumps(kept))
    except OSError:
        pass  # a read-only or full cache: nothing is remembered


def subjects(kind: str) -> Iterator[tuple[str, Any]]:
    """All that is remembered of this kind, with its value, whatever became of the files since."""
    for name in files.names(paths.cache("memo")):
        if name.startswith(f"{kind}-"):
            try:
                with open(paths.cache("memo", name), encoding="utf-8") as file:
                    kept = json.load(file)
                yield str(kept["is"][-1]), json.loads(kept["value"])
            except (OSError, ValueError, KeyError, TypeError, IndexError):
                continue


def _path(kind: str, subject: str) -> str:
    # two subjects with one checksum take turns: the subject is compared when it is read
    return paths.cache("memo", f"{kind}-{crc32(subject.encode('utf-8', 'surrogateescape')):08x}.json")


def _stamp(path: str) -> list[int] | None:
    found = files.stamp(path)
    return None if found is None else list(found)
