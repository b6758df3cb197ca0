"""Brings the index up to the logs, without looking at every log of a large store.

What may have changed: runs and experiments that the journals name, folders that are new, supervised runs that were
RUNNING, and runs written to in the last minutes (a writer repeats its hint in the journal only every ten minutes).
When a journal is gone, or the folder of runs was touched by something else, every run is looked at. Segments that came
to a single run without the journal that tells of them are found in time.
"""

from __future__ import annotations

import json
import os
import time
from binascii import crc32
from collections.abc import Iterator, Mapping

from runner.errors import StoreError
from runner.host import files
from runner.tracking import experiments, journal, segments
from runner.tracking.index import rows
from runner.tracking.index.dialect import Busy, Database, transaction
from runner.tracking.index.schema import BY_VALUE
from runner.tracking.reading import is_current, read_on
from runner.tracking.segments import NewerFormatError
from runner.tracking.writer import LAST
from runner.typed import NamedTuple
from runner.values import Report, Silent

__all__ = ["NEWER", "PATIENCE", "Work", "look", "refresh"]

WATCH = 1200.0  # s after the last write to a log; twice writer.HINT_EVERY
PATIENCE = 5.0  # s that other processes are waited for; then what is there is used as it is
BUILDING = 120.0  # s; while another process makes the index for the first time
SWEEP = 250  # runs that are looked at one by one
SWEEP_EVERY = 10.0  # s; by one connection
SWEEP_TIME = 0.001  # s; on a slow file system fewer are
NEWER = -1  # as the byte of a problem: what a newer version of proj wrote is not shown
BATCH = 2000  # runs in one transaction
BULK = 5000


class Work(NamedTuple):
    runs: list[str]
    experiments: list[str]
    meta: Mapping[str, str]  # what to remember once all that is done


def look(connection: Database, root: str, everything: bool = False) -> Work | None:
    """What there is to do; None when the index is current. Reads only."""
    known = dict(connection.execute("SELECT key, value FROM meta"))
    remembered = json.loads(known.get("journals", "{}"))
    news = journal.read(root, {name: journal.Journal(*read) for name, read in remembered.items()})
    full = everything or news.lost
    runs = [name for name in news.names if not name.startswith("e:")]
    groups = [name[2:] for name in news.names if name.startswith("e:")]
    meta = {"journals": json.dumps(news.journals)}

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
        swept = list(_swept(connection, root))
        runs.extend(name for name in swept if not name.startswith("e:"))
        groups.extend(name[2:] for name in swept if name.startswith("e:"))
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
        "SELECT run_id, inode, position, segments, 9e9 FROM runs "
        "WHERE status IN ('RUNNING', 'SCHEDULED') AND host > '' "
        "UNION ALL SELECT w.run_id, r.inode, r.position, r.segments, w.until FROM watched w "
        "LEFT JOIN runs r ON r.run_id = w.run_id"
    )
    moment = time.time()
    for run_id, inode, position, kept, until in connection.recall(
        lambda: connection.execute(query).fetchall()
    ):
        if until <= moment:
            continue
        directory = _directory(root, run_id)
        try:
            status = os.stat(f"{directory}/events.jsonl")
        except OSError:
            if inode is not None:
                yield run_id
            continue
        grown = (status.st_ino, status.st_size) != (inode, position) and (inode is not None or status.st_size)
        if grown or (kept and segments.changed(directory, rows.read_segments(kept)[1])):
            yield run_id


def _swept(connection: Database, root: str) -> Iterator[str]:
    """Runs, and experiments as in the journal, with segments that nobody told of, as rsync of a single run brings them.

    They are looked for among some of all, others each time, so that no listing is slow, and each is found in the end.
    """
    moment = time.monotonic()
    if moment - connection.swept < SWEEP_EVERY:
        return
    connection.swept = moment
    (last,) = connection.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()
    chance = int.from_bytes(os.urandom(8), "big")
    for table, name, order, first in (
        ("runs", "run_id", "run", chance % (last + 1)),
        ("experiments", "experiment_id", "experiment_id", str(chance)),
    ):
        query = f"SELECT {name}, segments FROM {table} WHERE {order} {{}} ? ORDER BY {order} LIMIT ?"  # noqa: S608
        found = connection.execute(query.format(">="), (first, SWEEP)).fetchall()
        found += connection.execute(query.format("<"), (first, SWEEP - len(found))).fetchall()
        for key, kept in found:
            if segments.changed(f"{root}/{table}/{key}", rows.read_segments(kept)[1]):
                yield key if table == "runs" else f"e:{key}"
            if time.monotonic() - moment > SWEEP_TIME:
                return


def _directory(root: str, run_id: str) -> str:
    return f"{root}/runs/{run_id}"


def refresh(connection: Database, root: str, report: Report | None, everything: bool = False) -> None:
    """Brings the index up to the logs. Busy when that is left to other processes, and there is nothing yet to use."""
    work = look(connection, root, everything)
    if work is None:
        return
    complete = connection.execute("SELECT 1 FROM meta WHERE key = 'complete'").fetchone()
    connection.execute(connection.dialect.patience.format(int((PATIENCE if complete else BUILDING) * 1000)))
    try:
        catch_up(connection, root, work, report if len(work.runs) > BATCH else None)
    except Busy:
        if not complete:
            raise


def catch_up(connection: Database, root: str, work: Work, report: Report | None = None) -> None:
    """Does `work`. Several processes may do the same at once: each run is read under the database's lock."""
    with (report or Silent()).step("reading the logs") as step:
        for first in range(0, max(1, len(work.runs)), BATCH):
            with transaction(connection), connection.together():
                _batch(connection, root, work, first)
            step.update(f"{min(first + BATCH, len(work.runs))} of {len(work.runs)} runs")


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
    number, old = rows.find(connection, run_id)
    directory = _directory(root, run_id)
    skipped: list[tuple[int, str]] = []
    try:
        if number is not None and is_current(directory, old):
            return
        old = old if number is None else rows.load(connection, number, old)
        new = read_on(directory, old, lambda *found: skipped.append(found))
    except (FileNotFoundError, NotADirectoryError):
        _forget(connection, run_id, number)
        if os.path.isdir(directory):  # its log is still to come
            _watch(connection, run_id, time.time())
        return
    except NewerFormatError as error:
        _forget(connection, run_id, number)
        _problem(connection, run_id, NEWER, error.message)
        return
    except (OSError, StoreError) as error:
        reason = (
            error.message if isinstance(error, StoreError) else f"its log cannot be read: {error.strerror}"
        )
        _problem(connection, run_id, 0, reason)
        return
    if new.start == 0:
        connection.execute("DELETE FROM problems WHERE run_id = ?", (run_id,))
    for place, reason in skipped:
        _problem(connection, run_id, place, reason)
    since = max(new.modified, _time_of(new.last))
    if time.time() - since < WATCH and (new.offsets or not _is_closed(f"{directory}/events.jsonl")):
        _watch(connection, run_id, since)
    rows.save(connection, number, old, new.called(run_id))


def _is_closed(path: str) -> bool:
    """Whether a log is not written to any more. What comes later begins a segment, which the journal tells of."""
    try:
        with open(path, "rb") as file:
            file.seek(-len(LAST), os.SEEK_END)
            return file.read() == LAST
    except OSError:
        return False


def _time_of(operation: str) -> float:
    """s since the epoch."""
    return int(operation[:12], 16) / 1000 if operation else 0.0


def _watch(connection: Database, run_id: str, since: float) -> None:
    connection.execute(
        "INSERT INTO watched VALUES (?, ?) ON CONFLICT (run_id) DO UPDATE SET until = excluded.until",
        (run_id, since + WATCH),
    )


def _forget(connection: Database, run_id: str, number: int | None) -> None:
    if number is not None:
        rows.delete(connection, number)
    connection.execute("DELETE FROM problems WHERE run_id = ?", (run_id,))
    connection.execute("DELETE FROM watched WHERE run_id = ?", (run_id,))


def _problem(connection: Database, run_id: str, position: int, message: str) -> None:
    values = (run_id, position, rows.storable(message))
    connection.execute("DELETE FROM problems WHERE run_id = ? AND position = ? AND message = ?", values)
    connection.execute("INSERT INTO problems VALUES (?, ?, ?)", values)


def _update_experiment(connection: Database, root: str, experiment_id: str) -> None:
    connection.execute("DELETE FROM problems WHERE run_id = ?", (f"e:{experiment_id}",))
    read = segments.sizes(f"{root}/experiments/{experiment_id}")
    try:
        found = experiments.find(root, experiment_id)
    except NewerFormatError as error:  # perhaps it is deleted: its runs are not shown
        found = experiments.Experiment(experiment_id, "", lifecycle="unknown")
        _problem(connection, f"e:{experiment_id}", NEWER, error.message)
    if found is None:
        connection.execute("DELETE FROM experiments WHERE experiment_id = ?", (experiment_id,))
        return
    connection.execute(
        "INSERT INTO experiments VALUES (?, ?, ?, ?) ON CONFLICT (experiment_id) "
        "DO UPDATE SET name = excluded.name, lifecycle = excluded.lifecycle, segments = excluded.segments",
        (experiment_id, rows.storable(found.name), found.lifecycle, json.dumps(["", read])),
    )
