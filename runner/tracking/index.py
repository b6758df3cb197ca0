"""The index: a projection of the logs in SQLite, for searching. It can be deleted; the logs are the truth."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from threading import RLock
from typing import TypeVar

from runner.errors import StoreError
from runner.tracking import catchup, migrations, place, query, rows
from runner.tracking.fold import Run
from runner.values import Report

__all__ = ["Index"]

T = TypeVar("T")
CHECK = "proj doctor  checks the store"
PATIENCE = 5.0  # s; then what is there is used as it is
BUILDING = 120.0  # s; while another process makes the index for the first time


class Index:
    """One connection to the index of a store, made where that is possible. Safe to use from threads."""

    def __init__(self, root: str, report: Report | None = None) -> None:
        self.root = root
        self.path = ""
        self._report = report
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._borrowed = False

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection, self._borrowed = None, False

    def refresh(self, everything: bool = False) -> None:
        """Brings it up to the logs; with `everything`, each log is looked at."""
        with self._lock:
            self._current(everything)

    def page(
        self, wanted: query.Query, limit: int, start: tuple[int, int] = (0, 0), refresh: bool = True
    ) -> tuple[tuple[Run, ...], tuple[int, int] | None]:
        """At most `limit` runs from `start` on (phase, offset), and where the next page starts."""

        def ask(connection: sqlite3.Connection) -> tuple[tuple[Run, ...], tuple[int, int] | None]:
            numbers, after = query.page(connection, wanted, limit, start)
            return rows.load_many(connection, numbers), after

        return self._ask(ask, refresh)

    def supervised(self, host: str) -> tuple[Run, ...]:
        """Those that are RUNNING or SCHEDULED, and supervised on that host."""
        where = "status IN ('RUNNING', 'SCHEDULED') AND host = ?"
        return self._ask(lambda connection: _runs(connection, where, host))

    def find(self, ref: str) -> tuple[Run, ...]:
        """Runs that are called so, or else whose id starts with `ref`; newest first, 20 at most."""

        def ask(connection: sqlite3.Connection) -> tuple[Run, ...]:
            newest = " ORDER BY start_time DESC, run_id LIMIT 20"
            found = _runs(connection, "name = ?" + newest, ref)
            if not found and len(ref) >= 4 and not ref.strip("0123456789abcdef"):
                found = _runs(connection, "run_id >= ? AND run_id < ?" + newest, ref, ref + "g")
            return found

        return self._ask(ask)

    def problems(self) -> list[tuple[str, int, str]]:
        """Run id, byte and message of what was skipped in the logs."""
        sql = "SELECT run_id, position, message FROM problems ORDER BY run_id, position"
        return self._ask(lambda connection: list(connection.execute(sql)))

    def count(self) -> int:
        return self._ask(
            lambda connection: int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
        )

    # ---- the connection ----------------------------------------------------------------------------------

    def _ask(self, question: Callable[[sqlite3.Connection], T], refresh: bool = True) -> T:
        with self._lock:
            try:
                current = (
                    self._connection if self._connection is not None and not refresh else self._current()
                )
                return question(current)
            except sqlite3.DatabaseError as error:
                path = self.path
                self.close()
                if path != ":memory:" and not isinstance(error, sqlite3.OperationalError):
                    _remove(path)
                try:
                    return question(self._current())
                except sqlite3.Error as again:
                    raise StoreError(f"the index {self.path} cannot be read: {again}", CHECK) from again

    def _current(self, everything: bool = False) -> sqlite3.Connection:
        """A connection to an index that is as new as can be."""
        if self._borrowed:  # what its owner writes later is not seen through it
            self.close()
        if self._connection is not None:
            try:
                return self._catch_up(self._connection, everything)
            except sqlite3.Error:
                self.close()  # looked for again, perhaps elsewhere
        if not everything and (borrowed := self._borrow()) is not None:
            return borrowed
        trouble: Exception | None = None
        for path in place.candidates(self.root):
            for _ in range(2):  # once more, after a bad file was removed
                try:
                    self._connection, self.path = _open(path), path
                    return self._catch_up(self._connection, everything)
                except (
                    sqlite3.OperationalError
                ) as error:  # locked, read-only, full, no locks here: the next one
                    trouble = error
                    self.close()
                    break
                except sqlite3.DatabaseError as error:  # not a database, malformed: made again
                    trouble = error
                    self.close()
                    _remove(path)
        raise StoreError(f"no index can be made for {self.root}: {trouble}", CHECK)

    def _borrow(self) -> sqlite3.Connection | None:
        """The index of somebody else's store, which we may only read, if it is current."""
        path = os.path.join(self.root, "index.sqlite")
        if os.access(self.root, os.W_OK) or not os.path.isfile(path) or _size(path + "-wal"):
            return None
        from urllib.parse import quote

        try:
            connection = _connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error:
            return None
        try:
            if migrations.is_current(connection):
                work = catchup.look(connection, self.root)
                if work is None or not (work.runs or work.experiments):
                    self._connection, self.path, self._borrowed = connection, path, True
                    return connection
        except sqlite3.Error:
            pass
        connection.close()
        return None

    def _catch_up(self, connection: sqlite3.Connection, everything: bool) -> sqlite3.Connection:
        work = catchup.look(connection, self.root, everything)
        if work is None:
            return connection
        row = connection.execute("SELECT value FROM meta WHERE key = 'complete'").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {int((PATIENCE if row else BUILDING) * 1000)}")
        try:
            catchup.catch_up(
                connection, self.root, work, self._report if len(work.runs) > catchup.BATCH else None
            )
        except sqlite3.OperationalError as error:
            if row is None or "locked" not in str(error):
                raise
        return connection


def _runs(connection: sqlite3.Connection, where: str, *bound: str) -> tuple[Run, ...]:
    found = connection.execute(f"SELECT run FROM runs WHERE {where}", bound)  # noqa: S608
    return rows.load_many(connection, [number for (number,) in found])


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _connect(name: str, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, timeout=PATIENCE, isolation_level=None, check_same_thread=False, uri=uri
    )
    connection.execute("PRAGMA case_sensitive_like = ON")
    return connection


def _open(path: str) -> sqlite3.Connection:
    """A connection to a writable index with today's tables. sqlite3.Error, or StoreError if it is newer."""
    memory = path == ":memory:"
    if not memory:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
    connection = _connect(path)
    try:
        if not memory:
            local = not place.network(os.path.dirname(path))
            connection.execute(f"PRAGMA journal_mode = {'WAL' if local else 'DELETE'}")
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -32000")  # KiB
        migrations.migrate(connection, path)
        if not memory:
            _identify(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _identify(connection: sqlite3.Connection, path: str) -> None:
    """One that was copied with its store (or merged into another) may not describe these logs."""
    inode = str(os.stat(path).st_ino)
    find = "SELECT value FROM meta WHERE key = 'inode'"
    found = connection.execute(find).fetchone()
    if found is None:
        connection.execute("INSERT INTO meta VALUES ('inode', ?) ON CONFLICT (key) DO NOTHING", (inode,))
        found = connection.execute(find).fetchone()
    if found[0] != inode:
        raise sqlite3.DatabaseError("this index was copied from elsewhere")


def _remove(path: str) -> None:
    for name in (path, path + "-wal", path + "-shm", path + "-journal"):
        try:
            os.unlink(name)
        except OSError:
            pass
