"""The index of a store in a SQLite file: beside the logs, in the cache, or in memory; made again when it is damaged."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from runner.errors import StoreError
from runner.host import files
from runner.tracking.index import catchup, location, schema, soundness
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
        state = self.state()
        if self.answered is None or self.answered[0] != state:
            self.answered = (state, question())
        answer: T = self.answered[1]
        return answer

    def state(self) -> tuple[int, int]:
        """Another one after a change: of what others wrote, and of what we did."""
        return self.execute("PRAGMA data_version").fetchone()[0], self.total_changes

    def together(self) -> nullcontext[None]:
        return nullcontext()

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """InputError when what is asked inside takes longer (sqlite3_progress_handler); 0 is no limit."""
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
        self._may_borrow = True
        self._stamp: files.Stamp | None = None  # of the file that is open, when `_state` was asked
        self._state: tuple[int, int] | None = (
            None  # what others wrote, and what we did; None: not known to be sound
        )

    def close(self) -> None:
        """What was sound until now is noted to be, unless somebody else changed the file meanwhile."""
        if self.connection is None:
            return
        sound = not self._borrowed and self.path != ":memory:" and self._is_ours(self.connection)
        self._forget()
        if sound:
            soundness.note_left(self.path)

    def _forget(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection, self._borrowed, self._state = None, False, None

    def ask(self, question: Callable[[Database], T], refresh: bool = True) -> T:
        """Rebuilds a broken index once. StoreError when it is broken still."""
        for last in (False, True):
            try:
                current = self.connection if self.connection is not None and not refresh else self.current()
                return question(current)
            except soundness.FAULTS as error:
                if not last:
                    self._give_up(error)
                    continue
                self._forget()
                if isinstance(error, sqlite3.Error):
                    raise StoreError(f"the index {self.path} cannot be read: {error}", CHECK) from error
                raise
        raise AssertionError("unreachable")

    def current(self, everything: bool = False) -> Link:
        """A connection to an index that is as new as can be."""
        if self._borrowed:  # what its owner writes later is not seen through it
            self.close()
        if self.connection is not None:
            try:
                if self._is_ours(self.connection):
                    return self._refreshed(self.connection, everything)
                self._forget()
            except (*soundness.FAULTS, Busy) as error:
                self._give_up(error)  # looked for again, perhaps elsewhere
        if not everything and self._may_borrow and (borrowed := self._borrow()) is not None:
            return borrowed
        trouble: Exception | None = None
        for path in location.candidates(self.root):
            for _ in range(2):  # once more, after a bad file was removed
                try:
                    return self._opened(path, everything)
                except schema.Foreign as error:  # not ours, or of another version: made again
                    trouble = error
                    self._forget()
                    _remove(path)
                except (*soundness.FAULTS, Busy) as error:
                    trouble = error
                    self._give_up(error)
                    if not soundness.is_damage(error):
                        break  # locked, read-only, full, no locks here: the next one
        if trouble is not None and not isinstance(trouble, (sqlite3.Error, Busy, schema.Foreign)):
            raise trouble  # not of the file: it comes again with a new one
        raise StoreError(f"no index can be made for {self.root}: {trouble}", CHECK) from trouble

    def damage(self) -> str:
        """What is wrong in the index, of which all is looked at; "" when nothing is. Then it is made again."""
        connection = self.current(everything=True)
        found = soundness.damage(connection, self.root)
        if found:
            self._give_up(sqlite3.DatabaseError(found))
        return found

    def _opened(self, path: str, everything: bool) -> Link:
        self.path, self._stamp = path, None
        known = path == ":memory:" or _size(path) == 0 or soundness.is_as_left(path)
        self.connection = _open(path)
        self._stamp = files.stamp(path)
        if not known:
            if found := soundness.damage(self.connection, self.root):
                raise sqlite3.DatabaseError(found)
            everything = True  # what is not in it
        return self._refreshed(self.connection, everything)

    def _give_up(self, error: Exception) -> None:
        """Closes the index; if it is damaged, it is removed, to be made again."""
        borrowed, known = self._borrowed, self._stamp
        self._forget()
        if not soundness.is_damage(error) or self.path in ("", ":memory:"):
            return
        if borrowed:
            self._may_borrow = False  # it is its owner's to mend
            return
        found = files.stamp(self.path)
        if found is None or (known is not None and found.inode != known.inode):
            return  # another process was quicker
        _remove(self.path)
        if self._report is not None:
            said = " ".join(str(error).split())
            self._report.warn(f"the index {self.path} was damaged ({said}): it is made again from the logs")

    def _is_ours(self, connection: Link) -> bool:
        """Whether the file of an open index is as we, and others who write into it as we do, have made it."""
        if self.path == ":memory:" or self._state is None:
            return self._state is not None
        return files.stamp(self.path) == self._stamp or connection.state() != self._state

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
            if schema.is_current(connection) and (
                soundness.is_as_left(path, owner=False) or not soundness.damage(connection, self.root)
            ):
                work = catchup.look(connection, self.root)
                if work is None or not (work.runs or work.experiments):
                    self.connection, self.path, self._borrowed = connection, path, True
                    return connection
        except soundness.FAULTS:
            pass
        connection.close()
        return None

    def _refreshed(self, connection: Link, everything: bool) -> Link:
        catchup.refresh(connection, self.root, self._report, everything)
        self._stamp, self._state = files.stamp(self.path), connection.state()
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
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _open(path: str) -> Link:
    """A connection to a writable index with today's tables. sqlite3.Error, Busy or Foreign."""
    memory = path == ":memory:"
    if not memory:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
        _make(path)
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


def _make(path: str) -> None:
    """The file, with the mode that the umask leaves it: SQLite would not let a group write to it."""
    if os.path.islink(path):  # in a store that was sent to us it may lead to any program's database
        raise schema.Foreign("the index is a link")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666))
    except OSError as error:
        raise sqlite3.OperationalError(f"unable to open {path}: {error.strerror}") from error


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
    for name in (path, *(path + suffix for suffix in ("-wal", "-shm", "-journal", soundness.LEFT))):
        try:
            os.unlink(name)
        except OSError:
            pass
