"""The index of a store in a SQLite file: beside the logs, in the cache, or in memory; made again when it is bad."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from runner.errors import StoreError
from runner.tracking.index import catchup, location, schema
from runner.tracking.index.dialect import SQLITE, Busy, Database, too_slow
from runner.values import Report

__all__ = ["SQLiteHome"]

T = TypeVar("T")
STEPS = 100_000  # of SQLite's machine between looks at the clock: about a millisecond
CHECK = "proj doctor  checks the store"


class Link(sqlite3.Connection):
    dialect = SQLITE
    swept = float("-inf")
    answered: tuple[object, Any] | None = None

    def recall(self, question: Callable[[], T]) -> T:
        others = self.execute("PRAGMA data_version").fetchone()[0]  # what they wrote, and below what we wrote
        state = (others, self.total_changes)
        if self.answered is None or self.answered[0] != state:
            self.answered = (state, question())
        answer: T = self.answered[1]
        return answer

    def together(self) -> nullcontext[None]:
        return nullcontext()

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        end = time.monotonic() + (seconds or float("inf"))
        if seconds:
            self.set_progress_handler(lambda: time.monotonic() > end, STEPS)
        try:
            yield
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise too_slow(seconds) from None
            raise
        finally:
            if seconds:
                self.set_progress_handler(None, 0)


class SQLiteHome:
    """One connection to an index, made where that is possible."""

    def __init__(self, root: str, report: Report | None = None) -> None:
        self.root = root
        self.path = ""
        self.connection: Link | None = None
        self._report = report
        self._borrowed = False

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection, self._borrowed = None, False

    def ask(self, question: Callable[[Database], T], refresh: bool = True) -> T:
        try:
            current = self.connection if self.connection is not None and not refresh else self.current()
            return question(current)
        except sqlite3.DatabaseError as error:
            path = self.path
            self.close()
            if path != ":memory:" and not isinstance(error, sqlite3.OperationalError):
                _remove(path)
            try:
                return question(self.current())
            except sqlite3.Error as again:
                raise StoreError(f"the index {self.path} cannot be read: {again}", CHECK) from again

    def current(self, everything: bool = False) -> Link:
        """A connection to an index that is as new as can be."""
        if self._borrowed:  # what its owner writes later is not seen through it
            self.close()
        if self.connection is not None:
            try:
                return self._refreshed(self.connection, everything)
            except (sqlite3.Error, Busy):
                self.close()  # looked for again, perhaps elsewhere
        if not everything and (borrowed := self._borrow()) is not None:
            return borrowed
        trouble: Exception | None = None
        for path in location.candidates(self.root):
            for _ in range(2):  # once more, after a bad file was removed
                try:
                    self.connection, self.path = _open(path), path
                    return self._refreshed(self.connection, everything)
                except (sqlite3.OperationalError, Busy) as error:
                    trouble = error  # locked, read-only, full, no locks here: the next one
                    self.close()
                    break
                except (sqlite3.DatabaseError, schema.Foreign) as error:
                    trouble = error  # not ours, malformed: made again
                    self.close()
                    _remove(path)
        raise StoreError(f"no index can be made for {self.root}: {trouble}", CHECK)

    def _borrow(self) -> Link | None:
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
            if schema.is_current(connection):
                work = catchup.look(connection, self.root)
                if work is None or not (work.runs or work.experiments):
                    self.connection, self.path, self._borrowed = connection, path, True
                    return connection
        except sqlite3.Error:
            pass
        connection.close()
        return None

    def _refreshed(self, connection: Link, everything: bool) -> Link:
        catchup.refresh(connection, self.root, self._report, everything)
        return connection


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _connect(name: str, uri: bool = False) -> Link:
    connection = sqlite3.connect(
        name, timeout=catchup.PATIENCE, isolation_level=None, check_same_thread=False, uri=uri, factory=Link
    )
    connection.execute("PRAGMA case_sensitive_like = ON")
    return connection


def _open(path: str) -> Link:
    """A connection to a writable index with today's tables. sqlite3.Error, Busy or Foreign."""
    memory = path == ":memory:"
    if not memory:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
    connection = _connect(path)
    try:
        if not memory:
            local = not location.network(os.path.dirname(path))
            connection.execute(f"PRAGMA journal_mode = {'WAL' if local else 'DELETE'}")
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -32000")  # KiB
        schema.prepare(connection)
        if not memory:
            _identify(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _identify(connection: Link, path: str) -> None:
    """One that was copied with its store (or merged into another) may not describe these logs."""
    inode = str(os.stat(path).st_ino)
    find = "SELECT value FROM meta WHERE key = 'inode'"
    found = connection.execute(find).fetchone()
    if found is None:
        connection.execute("INSERT INTO meta VALUES ('inode', ?) ON CONFLICT (key) DO NOTHING", (inode,))
        found = connection.execute(find).fetchone()
    if found[0] != inode:
        raise schema.Foreign("this index was copied from elsewhere")


def _remove(path: str) -> None:
    for name in (path, path + "-wal", path + "-shm", path + "-journal"):
        try:
            os.unlink(name)
        except OSError:
            pass
