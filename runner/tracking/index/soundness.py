"""Whether an index in a SQLite file says what was written into it.

A B-tree that lost some of its cells still answers, with fewer rows; a changed byte of a text is another text. So each
time the file is not as we left it (`is_as_left`), all of it is looked at (`damage`): what SQLite itself can tell, that
the tables are ours, and that the rows that are searched are those that belong to the records, which have a checksum.
What is merely missing is found by looking at each log once more.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any, TypeAlias

from runner.errors import ProjError
from runner.host import files
from runner.tracking import experiments, segments
from runner.tracking.fold import from_json, to_json
from runner.tracking.index import places, rows
from runner.tracking.index.dialect import Database
from runner.tracking.index.schema import BY_VALUE, TABLES
from runner.tracking.reading import NOTHING, read_on

__all__ = ["FAULTS", "LEFT", "content", "damage", "is_as_left", "is_damage", "note_left", "other_than_logs"]

Stored: TypeAlias = "Callable[[Sequence[Any]], Sequence[Any]]"

# What comes of a byte that is another one, wherever a row is read: a text, a number or JSON of another form
FAULTS = (
    sqlite3.Error,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
# of sqlite3.OperationalError: the machine's or another process's fault, not the file's
OTHERS = ("locked", "readonly", "is full", "unable to open", "I/O error", "interrupted", "locking", "memory")
OTHER = {  # tables, and what is in them beside the number of the run
    "metrics": "key, value",
    "params": "key, value, whole",
    "tags": "key, value, whole",
    "datasets": "name, digest, context",
    "files": "way, digest, path",
}
LEFT = "-left"  # follows the name of the file: its stamp when we last closed it


def is_damage(error: BaseException) -> bool:
    """Whether an index that makes this error is to be made again."""
    if isinstance(error, sqlite3.OperationalError):
        return not any(word in str(error) for word in OTHERS)
    return isinstance(error, FAULTS)


# ---- whether somebody else changed the file ----------------------------------------------------------------


def is_as_left(path: str, owner: bool = True) -> bool:
    """Whether the file is as it was when it was last closed. The owner may have changed its mode for others since."""
    found = files.stamp(path)
    try:
        kept = json.loads(files.read(path + LEFT, 1000))
        left = files.Stamp(*kept)
    except (OSError, ValueError, TypeError):
        return False
    if found is None or owner:
        return found == left
    return found._replace(ctime_ns=0) == left._replace(ctime_ns=0)


def note_left(path: str) -> None:
    """To be called when it is sound, and closed."""
    found = files.stamp(path)
    if found is None or is_as_left(path):
        return
    try:
        files.write(path + LEFT, json.dumps(found))
    except OSError:
        pass  # the next one looks at all of it


# ---- whether it is sound -----------------------------------------------------------------------------------


def damage(connection: Database, root: str) -> str:
    """What is wrong in it; "" when nothing is."""
    try:
        (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            return str(said).splitlines()[-1]
        return _schema(connection) or content(connection, root)
    except FAULTS as error:
        if is_damage(error):
            return f"{type(error).__name__}: {error}"
        raise


def content(connection: Database, root: str, stored: Stored = tuple) -> str:
    """What is wrong in the rows, of whatever database; `stored`: what becomes of values that it keeps."""
    return _runs(connection, stored) or _places(connection) or _experiments(connection, root, stored)


def other_than_logs(connection: Database, root: str) -> str:
    """A run that was read to its end, and is another one than its log says; "" for none."""
    found = connection.execute(
        "SELECT r.run_id, r.position, r.segments, s.record FROM runs r JOIN records s ON s.run = r.run"
    )
    for run_id, position, kept, record in found:
        folder = os.path.join(root, "runs", run_id)
        try:
            if os.stat(os.path.join(folder, "events.jsonl")).st_size != position:
                continue  # there is more, which the next one reads
            now = read_on(folder, NOTHING).called(run_id)
        except (OSError, ProjError):
            continue  # purged meanwhile, or of a newer format
        same = now.position == position and dict(now.offsets) == dict(rows.read_segments(kept)[1])
        if same and now.run is not None and _plain(to_json(now.run)) != _plain(json.loads(record)):
            return f"the run {run_id} is another one than its log says"
    return ""


def _plain(value: object) -> str:
    """By which NaN is equal to itself, and the order of keys is none."""
    return json.dumps(value, sort_keys=True)


def _schema(connection: Database) -> str:
    form = connection.dialect._asdict()
    wanted = {statement.format(**form).replace(" IF NOT EXISTS", "") for statement in TABLES}
    found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if connection.execute("SELECT 1 FROM meta WHERE key = 'bulk'").fetchone():  # see catchup.py
        left_out = {statement.replace(" IF NOT EXISTS", "") for statement in BY_VALUE.values()}
        wanted, found = wanted - left_out, found - left_out
    return "" if found == wanted else "it has other tables"


def _runs(connection: Database, stored: Stored) -> str:
    """The rows of each run are those that its record makes."""
    others = [
        _Others(name, connection.execute(f"SELECT run, {columns} FROM {name} ORDER BY run"))  # noqa: S608
        for name, columns in OTHER.items()
    ]
    runs = connection.execute(f"SELECT run, {', '.join(rows.DERIVED)} FROM runs ORDER BY run")  # noqa: S608
    records = connection.execute("SELECT run, record, log, checksum FROM records ORDER BY run")
    for row, kept in zip_longest(runs, records):
        if row is None or kept is None or row[0] != kept[0]:
            return "a run without its record, or a record without its run"
        number, record, log, checksum = kept
        if checksum != rows.checksum(record, log):
            return f"the record of the run {row[1]} is another one"
        run = from_json(json.loads(record))
        if row[1:] != tuple(stored(rows.derived(run))):
            return f"the row of the run {row[1]} is another one"
        wanted = rows.belonging(number, run)
        for other in others:
            if other.of(number) != sorted((tuple(stored(each)) for each in wanted[other.name]), key=repr):
                return f"the {other.name} of the run {row[1]} are other ones"
    return next((f"{other.name} without their run" for other in others if other.left()), "")


class _Others:
    """The rows of a table, in the order of their runs."""

    def __init__(self, name: str, found: Iterable[tuple[Any, ...]]) -> None:
        self.name = name
        self._rows = iter(found)
        self._next = next(self._rows, None)

    def of(self, number: int) -> list[tuple[Any, ...]]:
        """Up to this run, so that what is of none shows too."""
        found = []
        while self._next is not None and self._next[0] <= number:
            found.append(self._next)
            self._next = next(self._rows, None)
        return sorted(found, key=repr)

    def left(self) -> bool:
        return self._next is not None


def _places(connection: Database) -> str:
    known = rows.known_places(connection)
    if other := next((key for place, key in known.items() if places.key(place) != key), ""):
        return f"the place {other} is another one"
    wanted = {key for (key,) in connection.execute("SELECT DISTINCT place FROM runs WHERE place <> ''")}
    return "" if wanted <= set(known.values()) else "a run without its place"


def _experiments(connection: Database, root: str, stored: Stored) -> str:
    """Of those that were read to the end: they are as their segments say."""
    for key, name, lifecycle, kept in connection.execute("SELECT * FROM experiments"):
        folder = f"{root}/experiments/{key}"
        if rows.read_segments(kept)[1] != segments.sizes(folder):
            continue
        try:
            found = experiments.find(root, key)
        except ProjError:  # of a newer format, or not to be read
            continue
        if found is None or (name, lifecycle) != tuple(stored((rows.storable(found.name), found.lifecycle))):
            return f"the experiment {key} is another one"
    return ""
