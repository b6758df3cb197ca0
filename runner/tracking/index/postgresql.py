"""The index of a store on a PostgreSQL server: one schema for each store, shared by all that read the store."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from runner.errors import StoreError
from runner.tracking.index import catchup, location, schema, soundness
from runner.tracking.index.dialect import POSTGRESQL, Busy, Database, too_slow
from runner.tracking.index.rows import storable
from runner.values import Report

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgreSQLHome", "check"]

T = TypeVar("T")
SCHEMES = ("postgresql://", "postgres://")
HINT = "unset PROJ_INDEX  uses a SQLite file; the logs have everything, and runs need no index"
MANY = 1000  # rows in a statement
TIMEOUT = 5  # s, to connect
# The index is a projection: a commit that is lost with the server is made again from the logs. Plans are made
# for the values that are asked for: how many rows they select is very different. Every join is a look into an
# index, for one page, as in SQLite: the planner, which takes keys and values for independent, would read all runs.
SESSION = (
    "SET search_path TO {schema}; SET synchronous_commit = off; SET client_min_messages = warning; "
    "SET plan_cache_mode = force_custom_plan; SET jit = off; SET join_collapse_limit = 1; "
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET random_page_cost = 1.1; "
    "SET max_parallel_workers_per_gather = 0"
)


class Link:
    """A connection as dialect.Database describes it."""

    dialect = POSTGRESQL
    swept = float("-inf")

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, sql: str, bound: Sequence[Any] = ()) -> Any:
        return self._connection.execute(_marks(sql), _clean(bound) if bound else None)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Any:
        """Many rows in one statement: executemany of the driver waits for each."""
        head, values, tail = _values(sql)
        cleaned = list(map(_clean, rows))
        if not values:
            for row in cleaned:
                self._connection.execute(head, row)
            return
        if columns := _conflict(sql):  # a statement may write a row once; texts may have become equal
            cleaned = list({tuple(row[:columns]): row for row in cleaned}.values())
        for first in range(0, len(cleaned), MANY):
            part = cleaned[first : first + MANY]
            statement = head + b", ".join([values] * len(part)) + tail
            self._connection.execute(statement, [value for row in part for value in row])

    def together(self) -> AbstractContextManager[Any]:
        import psycopg

        return self._connection.pipeline() if psycopg.Pipeline.is_supported() else nullcontext()

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """InputError when what is asked inside takes longer (statement_timeout); 0 is no limit."""
        from psycopg import errors

        if not seconds:
            yield
            return
        self._connection.execute(f"SET statement_timeout = {int(seconds * 1000)}".encode())
        try:
            yield
        except errors.QueryCanceled:
            raise too_slow(seconds) from None
        finally:
            if not self._connection.broken:
                self._connection.execute("SET statement_timeout = 0")

    @contextmanager
    def as_it_is(self) -> Iterator[View]:
        """At one moment, however many questions are asked."""
        with self._connection.transaction(), ExitStack() as opened:
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield View(self._connection, opened)

    def recall(self, question: Callable[[], T]) -> T:
        return question()  # what other processes wrote cannot be told

    def close(self) -> None:
        self._connection.close()


class View(Link):
    """Rows come as they are wanted: there may be millions."""

    def __init__(self, connection: psycopg.Connection[Any], opened: ExitStack) -> None:
        super().__init__(connection)
        self._opened = opened

    def execute(self, sql: str, bound: Sequence[Any] = ()) -> Any:
        cursor = self._opened.enter_context(self._connection.cursor(name=f"proj_{os.urandom(6).hex()}"))
        return cursor.execute(_marks(sql), _clean(bound) if bound else None)


@functools.lru_cache(1000)
def _marks(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


@functools.lru_cache(100)
def _values(sql: str) -> tuple[bytes, bytes, bytes]:
    """What stands before, in and after VALUES (...)."""
    head, separator, rest = _marks(sql).partition(b" VALUES ")
    values, closing, tail = rest.partition(b")")
    return head + separator, values + closing, tail


@functools.lru_cache(100)
def _conflict(sql: str) -> int:
    """How many columns identify a row, the first ones; 0: rows are all different."""
    names = sql.partition(" ON CONFLICT (")[2].partition(")")[0]
    return len(names.split(", ")) if names else 0


def _clean(values: Sequence[Any]) -> list[Any]:
    """PostgreSQL has no NUL in texts. What is searched for is changed in the same way."""
    return [
        value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value
        for value in map(storable, values)
    ]


def check(url: str) -> None:
    """StoreError for an address that is none, or when the driver is not there."""
    if not url.startswith(SCHEMES):
        raise StoreError(
            f"{_public(url)} is not the address of an index", "such as postgresql://user@host/database"
        )
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise StoreError(
            f"an index on PostgreSQL needs the driver psycopg ({error})",
            'pip install "proj-runner[postgresql]"',
        ) from error


def _public(url: str) -> str:
    """Without what may be secret: the password, and all settings after `?`."""
    head, separator, rest = url.partition("://")
    if not separator:
        return head.partition("?")[0].rpartition("@")[2] if "@" in head or "?" in head else head
    place, slash, name = rest.partition("?")[0].rpartition("/")
    if not slash:
        place, name = name, ""
    login, at, host = place.rpartition("@")
    return f"{head}://{login.partition(':')[0]}{at}{host}{slash}{name}"


class PostgreSQLHome:
    """One connection to an index. Tables that are missing are made, and filled from the logs."""

    def __init__(self, root: str, url: str, report: Report | None = None) -> None:
        check(url)
        self.root = root
        self.path = _public(url)
        self.connection: Link | None = None
        self._url = url
        self._schema = ""
        self._report = report

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def ask(self, question: Callable[[Database], T], refresh: bool = True) -> T:
        return self._again(
            lambda: question(
                self.connection if self.connection is not None and not refresh else self._current(False)
            )
        )

    def current(self, everything: bool = False) -> Database:
        return self._again(lambda: self._current(everything))

    def damage(self) -> str:
        """The bytes on its disk are the server's business; the rows are compared, with each other and with the logs."""
        found = self._again(self._damage)
        if found:
            self.close()
            self._drop(whatever=True)
        return found

    def _damage(self) -> str:
        connection = self._current(everything=True)
        with connection.as_it_is() as view:
            try:
                return soundness.content(view, self.root, _clean) or soundness.other_than_logs(
                    view, self.root
                )
            except (LookupError, TypeError, ValueError, AttributeError) as error:  # a text that is no JSON
                return f"{type(error).__name__}: {error}"

    def _again(self, function: Callable[[], T]) -> T:
        """Once more after the connection was lost or the tables were removed."""
        from psycopg import Error, errors

        gone = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)
        for left in (2, 1, 0):
            was_open = self.connection is not None
            try:
                return function()
            except (Error, Busy) as error:
                self.close()
                missing = isinstance(error, gone)
                lost = was_open and isinstance(error, (errors.OperationalError, errors.InterfaceError))
                if not left or not (missing or lost):
                    raise self._error(error) from None
                if missing and left == 1:  # the version says that they are there: not all of them are
                    self._drop(whatever=True)
            except BaseException:
                self.close()  # perhaps in the middle of a transaction
                raise
        raise AssertionError("unreachable")

    def _error(self, error: Exception) -> StoreError:
        """What the server says, in a line, without the password: it is in some messages of the driver."""
        said = " ".join(str(error).split()) or type(error).__name__
        if self._url in said or "connection option" in said or "URI" in said:
            said = "the address is not understood"
        head = self._url.partition("://")[2].rpartition("@")[0]
        for secret in {head.partition(":")[2], _unquote(head.partition(":")[2])} - {""}:
            said = said.replace(secret, "***")
        return StoreError(f"the index {self.path} cannot be used: {said}", HINT)

    def _current(self, everything: bool) -> Link:
        """A connection to an index that is as new as can be."""
        if self.connection is None:
            self.connection = self._open()
        catchup.refresh(self.connection, self.root, self._report, everything)
        return self.connection

    def _connect(self) -> Link:
        import psycopg

        limit: dict[str, Any] = {} if "connect_timeout" in self._url else {"connect_timeout": TIMEOUT}
        connection = psycopg.connect(
            self._url, autocommit=True, application_name="proj", client_encoding="UTF8", **limit
        )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            raise StoreError(
                f"the database {self.path} is encoded in {encoding}",
                "CREATE DATABASE proj ENCODING 'UTF8' TEMPLATE template0  makes one that takes all texts",
            )
        self._schema = location.schema(self.root)
        connection.execute(SESSION.format(schema=self._schema).encode())
        return Link(connection)

    def _open(self) -> Link:
        """A connection to today's tables. psycopg.Error or Busy."""
        link = self._connect()
        try:
            if not link.execute("SELECT 1 FROM pg_namespace WHERE nspname = ?", (self._schema,)).fetchone():
                self._create(link)
            try:
                schema.prepare(link)
            except schema.Foreign:
                self._drop(whatever=False)
                self._create(link)
                schema.prepare(link)
        except BaseException:
            link.close()
            raise
        return link

    def _create(self, link: Link) -> None:
        comment = "index of the store " + self.root.replace("'", "''").replace("\0", "")
        link.execute(f"BEGIN; {self._lock()}")
        link.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
        link.execute(storable(f"COMMENT ON SCHEMA {self._schema} IS '{comment}'"))
        link.execute("COMMIT")

    def _lock(self) -> str:
        """As Dialect.begin does it, also while there is no such schema."""
        return f"SELECT pg_advisory_xact_lock(hashtextextended('{self._schema}', 0))"

    def _drop(self, whatever: bool) -> None:
        """Removes the tables: all that is in them is in the logs."""
        link = self._connect()
        try:
            link.execute(f"BEGIN; {self._lock()}")
            if whatever or not schema.is_current(link):  # else another process was quicker
                link.execute(f"DROP SCHEMA IF EXISTS {self._schema} CASCADE")
            link.execute("COMMIT")
        finally:
            link.close()


def _unquote(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)
