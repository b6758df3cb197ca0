"""Brings the index up to the logs, without looking at every log of a large store.

What may have changed: runs and experiments that the journal names, folders that are new, supervised runs that
were RUNNING, and logs written to in the last minutes (a writer repeats its hint in the journal only every ten
minutes). When the journal is not the one that was read before (a store was copied or merged), every log is
looked at.
"""

from __future__ import annotations

import json
import os
import time
from binascii import crc32
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from runner.errors import StoreError
from runner.host import files
from runner.tracking import experiments, journal
from runner.tracking.fold import fold
from runner.tracking.index import rows
from runner.tracking.index.dialect import Database
from runner.tracking.index.migrations import BY_VALUE
from runner.tracking.log import read_all
from runner.values import Report, Silent

__all__ = ["Work", "catch_up", "look"]

WATCH = 1200.0  # s after the last write to a log; twice writer.HINT_EVERY
BATCH = 2000  # runs in one transaction
BULK = 5000


class Work(NamedTuple):
    runs: list[str]
    experiments: list[str]
    meta: Mapping[str, str]  # what to remember once all that is done


def look(connection: Database, root: str, everything: bool = False) -> Work | None:
    """What there is to do; None when the index is current. Reads only."""
    known = dict(connection.execute("SELECT key, value FROM meta"))
    remembered = journal.Journal(*json.loads(known.get("journal", '[0, 0, ""]')))
    current, names = journal.read(root, remembered)
    full = everything or current is None
    if current is None:
        current = journal.read(root, journal.Journal())[0] or journal.Journal()
    runs = [name for name in names if not name.startswith("e:")]
    groups = [name[2:] for name in names if name.startswith("e:")]
    meta = {"journal": json.dumps(current)}

    meta["runs"] = stamp = _stamp(os.path.join(root, "runs"))
    if full or not stamp or stamp != known.get("runs"):
        listed = _listing(os.path.join(root, "runs"))
        meta["listing"] = same = (
            f"{len(listed)}:{crc32(''.join(listed).encode('utf-8', 'surrogateescape')):08x}"
        )
        changed = set()
        if full or same != known.get("listing"):
            there = set(filter(journal.is_name, listed))
            here = {run_id for (run_id,) in connection.execute("SELECT run_id FROM runs")}
            changed = there | here if full else there ^ here
        if not changed and stamp and known.get("runs"):  # touched, as rsync does at its end
            full, changed = True, set(filter(journal.is_name, listed))
        runs.extend(sorted(changed))
    if not full:
        runs.extend(_written(connection, root))
    meta["experiments"] = stamp = _stamp(os.path.join(root, "experiments"))
    if full or not stamp or stamp != known.get("experiments"):
        there = set(experiments.ids(root))
        here = {
            experiment_id for (experiment_id,) in connection.execute("SELECT experiment_id FROM experiments")
        }
        groups.extend(sorted(there | here if full else there ^ here))
    runs, groups = list(dict.fromkeys(runs)), list(dict.fromkeys(groups))
    if not runs and not groups and meta.items() <= known.items():
        return None
    return Work(runs, groups, meta)


def _stamp(folder: str) -> str:
    """Equal as long as nothing was added or removed; "" when that cannot be told."""
    try:
        found = files.Stamp.of(os.stat(folder))
    except FileNotFoundError:
        return "none"
    except OSError:
        return ""
    return ":".join(map(str, found)) if files.settled(found, files.now()) else ""


def _listing(folder: str) -> list[str]:
    """In the file system's order, which is the same as long as the folder is."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _written(connection: Database, root: str) -> Iterator[str]:
    """Of the runs that a supervisor keeps or that are watched: those whose log is not as it was.

    Of runs that only clients write to many may say RUNNING for ever: the journal names those that are written to.
    """
    query = (
        "SELECT run_id, inode, position, 9e9 FROM runs WHERE status IN ('RUNNING', 'SCHEDULED') AND host > '' "
        "UNION ALL SELECT w.run_id, r.inode, r.position, w.until FROM watched w "
        "LEFT JOIN runs r ON r.run_id = w.run_id"
    )
    moment = time.time()
    for run_id, inode, position, until in connection.recall(lambda: connection.execute(query).fetchall()):
        if until <= moment:
            continue
        try:
            status = os.stat(_path(root, run_id))
        except OSError:
            if inode is not None:
                yield run_id
            continue
        if (status.st_ino, status.st_size) != (inode, position) and (inode is not None or status.st_size):
            yield run_id


def _path(root: str, run_id: str) -> str:
    return f"{root}/runs/{run_id}/events.jsonl"


def catch_up(connection: Database, root: str, work: Work, report: Report | None = None) -> None:
    """Does `work`. Several processes may do the same at once: each run is read under the database's lock."""
    with (report or Silent()).step("reading the logs") as step:
        for first in range(0, max(1, len(work.runs)), BATCH):
            connection.execute(connection.dialect.begin)
            try:
                with connection.together():
                    _batch(connection, root, work, first)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            step.update("runs", min(first + BATCH, len(work.runs)), len(work.runs))


def _batch(connection: Database, root: str, work: Work, first: int) -> None:
    if first == 0 and len(work.runs) > BULK:
        _begin_bulk(connection, len(work.runs))
    for run_id in work.runs[first : first + BATCH]:
        _update(connection, root, run_id)
    if first + BATCH >= len(work.runs):
        for experiment_id in work.experiments:
            _update_experiment(connection, root, experiment_id)
        connection.execute("DELETE FROM watched WHERE until <= ?", (time.time(),))
        _end_bulk(connection)
        _remember(connection, {**work.meta, "complete": "1"})


def _begin_bulk(connection: Database, count: int) -> None:
    """When most of the runs will be new."""
    (there,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    if there * 4 < count:
        _remember(connection, {"bulk": "1"})
        for name in BY_VALUE:
            connection.execute(f"DROP INDEX IF EXISTS {name}")


def _end_bulk(connection: Database) -> None:
    """Also after a process that began and was killed."""
    if connection.execute("SELECT 1 FROM meta WHERE key = 'bulk'").fetchone():
        for statement in BY_VALUE.values():
            connection.execute(statement)
        connection.execute("DELETE FROM meta WHERE key = 'bulk'")
        if connection.dialect.loaded:
            connection.execute(connection.dialect.loaded)


def _remember(connection: Database, meta: Mapping[str, str]) -> None:
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        list(meta.items()),
    )


def _update(connection: Database, root: str, run_id: str) -> None:
    row = connection.execute(
        "SELECT run, inode, position, tail FROM runs WHERE run_id = ?", (run_id,)
    ).fetchone()
    try:
        file = os.open(_path(root, run_id), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        _forget(connection, run_id, row)
        if os.path.isdir(f"{root}/runs/{run_id}"):  # its log is still to come
            _watch(connection, run_id, time.time())
        return
    except OSError as error:
        _problem(connection, run_id, 0, f"its log cannot be read: {error.strerror}")
        return
    try:
        _read(connection, run_id, row, file)
    finally:
        os.close(file)


def _watch(connection: Database, run_id: str, since: float) -> None:
    connection.execute(
        "INSERT INTO watched VALUES (?, ?) ON CONFLICT (run_id) DO UPDATE SET until = excluded.until",
        (run_id, since + WATCH),
    )


def _forget(connection: Database, run_id: str, row: Any) -> None:
    if row is not None:
        rows.delete(connection, row[0])
        connection.execute("DELETE FROM problems WHERE run_id = ?", (run_id,))
    connection.execute("DELETE FROM watched WHERE run_id = ?", (run_id,))


def _read(connection: Database, run_id: str, row: Any, file: int) -> None:
    status = os.fstat(file)
    number, old, start = None, None, 0
    if row is not None:
        number, inode, position, tail = row
        if (inode, position) == (status.st_ino, status.st_size):
            return
        old = rows.load(connection, number)
        if status.st_size >= position and journal.tail(file, position) == tail:
            start = position
    if start == 0:
        connection.execute("DELETE FROM problems WHERE run_id = ?", (run_id,))
    position = start

    def lists() -> Iterator[list[dict[str, Any]]]:
        nonlocal position
        for events, position in read_all(file, start, corrupt):  # noqa: B007
            yield events

    def corrupt(place: int, line: bytes) -> None:
        _problem(
            connection, run_id, place, f"a line that is not an event: {line[:80].decode(errors='replace')}"
        )

    def odd(event: Mapping[str, Any]) -> None:
        _problem(connection, run_id, position, f"an event that lacks what it needs: {str(event)[:200]}")

    new = fold(chain.from_iterable(lists()), old if start else None, odd)
    if time.time() - status.st_mtime < WATCH:
        _watch(connection, run_id, status.st_mtime)
    if new is None:  # nothing yet, or not a log
        if row is not None:
            rows.delete(connection, row[0])
        return
    new = new._replace(run_id=run_id)  # a copied folder is a run of its own
    rows.save(connection, number, old, new, (status.st_ino, position, journal.tail(file, position)))


def _problem(connection: Database, run_id: str, position: int, message: str) -> None:
    values = (run_id, position, rows.storable(message))
    connection.execute("DELETE FROM problems WHERE run_id = ? AND position = ? AND message = ?", values)
    connection.execute("INSERT INTO problems VALUES (?, ?, ?)", values)


def _update_experiment(connection: Database, root: str, experiment_id: str) -> None:
    try:
        found = experiments.get(root, experiment_id)
    except StoreError:
        connection.execute("DELETE FROM experiments WHERE experiment_id = ?", (experiment_id,))
        return
    connection.execute(
        "INSERT INTO experiments VALUES (?, ?, ?) ON CONFLICT (experiment_id) "
        "DO UPDATE SET name = excluded.name, lifecycle = excluded.lifecycle",
        (experiment_id, rows.storable(found.name), found.lifecycle),
    )
