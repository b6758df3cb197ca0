"""What predictions are made of and where they go: forms of files, the input's files, the parts of an output."""

from __future__ import annotations

import json
import os
import re
from typing import NamedTuple

from runner.errors import InputError
from runner.host import files
from runner.values import Json

__all__ = ["FORMATS", "Parts", "Source", "check_apart", "form_of", "source_of"]

FORMATS = ("csv", "jsonl", "parquet")
ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
LOCK = "proj.lock"  # in the folder of the parts: held by the process that writes them
ASKED = "asked.json"  # in the folder of the parts: what they are of, and how far it is
PART = re.compile(r"\d{6,}(\.draft)?")  # in the folder of the parts: rows of the output


class Source(NamedTuple):
    path: str
    paths: tuple[str, ...]  # its files, in their order
    form: str
    label: str  # how it is called in the record: its path, or - for standard input


def form_of(path: str, given: str, option: str) -> str:
    """csv, jsonl or parquet, by `given` or by the name. InputError."""
    found = given or ENDINGS.get(os.path.splitext(path)[1].lower(), "")
    if found not in FORMATS:
        named = f"{option} {given} is" if given else f"{path} has no ending that is"
        raise InputError(f"{named} none of {', '.join(FORMATS)}", f"{option} csv")
    return found


def source_of(path: str, given: str) -> Source:
    """Of a file, or of a folder with files of one form. InputError when it is not there, or empty."""
    if not os.path.isdir(path):
        if not os.path.isfile(path):
            raise InputError(f"there is no file {path}")
        return Source(path, (path,), form_of(path, given, "--format"), os.path.abspath(path))
    found = []
    for place, folders, names in os.walk(path):
        folders[:] = sorted(each for each in folders if each[0] not in "._")
        found += [os.path.join(place, name) for name in sorted(names) if name[0] not in "._"]
    found = [each for each in found if given or os.path.splitext(each)[1].lower() in ENDINGS]
    forms = {form_of(each, given, "--format") for each in found}
    if len(forms) != 1:
        what = f"files of {' and '.join(sorted(forms))}" if forms else f"no file of {', '.join(FORMATS)}"
        raise InputError(f"{path} has {what} in it", "--format parquet  takes all of them for that")
    return Source(path, tuple(found), forms.pop(), os.path.abspath(path))


def check_apart(source: Source, target: str) -> None:
    """InputError when the output, or its parts, would take the place of what is read, or lie among it."""
    place = os.path.realpath(target)
    places = (place, f"{place}.parts")
    for path in source.paths:
        if os.path.realpath(path) in places or _is_same(path, target):
            raise InputError(
                f"{target} is read: the predictions would take its place", "-o  names another output"
            )
    top = os.path.realpath(source.path)
    if os.path.isdir(top) and os.path.join(place, "").startswith(os.path.join(top, "")):
        raise InputError(
            f"{target} lies in {source.path}, which is read: the next time it would be part of the input",
            "-o  names an output elsewhere",
        )


def _is_same(path: str, target: str) -> bool:
    try:
        return os.path.samefile(path, target)
    except OSError:  # the target is not there yet
        return False


class Parts:
    """The folder beside an output in which it grows: what a run leaves that was stopped is gone on with by the next."""

    def __init__(self, folder: str, key: str) -> None:
        """`key`: of all that decides on the predictions; parts of another one are removed.

        InputError when it cannot be written, or another process writes it.
        """
        self.folder = folder
        self.rows = self.count = 0
        self.names: list[str] = []
        self._key = key
        try:
            os.makedirs(folder, exist_ok=True)
            _check_ours(folder)
            self._lock = files.try_lock(os.path.join(folder, LOCK))
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None
        if self._lock is None:
            raise InputError(
                f"another process writes {folder}", "proj ps  lists what runs; -o  names another output"
            )
        try:
            kept = json.loads(files.read(os.path.join(folder, ASKED)))
            if kept["key"] == key:
                self.rows, self.count, self.names = int(kept["rows"]), int(kept["count"]), list(kept["names"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        if not self.count:
            for name in os.listdir(folder):
                if name != LOCK:
                    os.unlink(os.path.join(folder, name))

    def note(self, rows: int, count: int, names: list[str]) -> None:
        """So many rows are in so many parts."""
        self.rows, self.count, self.names = rows, count, names
        value: dict[str, Json] = {"key": self._key, "rows": rows, "count": count, "names": [*names]}
        files.write(os.path.join(self.folder, ASKED), json.dumps(value), durable=True)

    def remove(self) -> None:
        if self._lock is not None:
            files.remove_tree(self.folder)
            os.close(self._lock)
            self._lock = None

    def close(self) -> None:
        """What is there stays for the next one; a folder without a part is removed."""
        if not self.count:
            self.remove()
        elif self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _check_ours(folder: str) -> None:
    """InputError for a folder of somebody else's, which only happens to be called like that."""
    others = [name for name in os.listdir(folder) if not _is_ours(name)]
    if others:
        raise InputError(
            f"{folder} is where the parts of the output go, and has something else in it: {min(others)}",
            "-o  names another output",
        )


def _is_ours(name: str) -> bool:
    return name in (LOCK, ASKED) or files.is_draft(name) or PART.fullmatch(name) is not None
