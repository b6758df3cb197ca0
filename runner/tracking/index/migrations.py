"""The tables of the index, as numbered migrations: each in one transaction with its record.

A migration that was released is never changed; what changes is a new one. The index is a projection: when
events come to mean something else (fold.py), REFILL is appended, and the logs are read again.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Sequence

from runner.errors import StoreError
from runner.tracking.index.dialect import Database
from runner.tracking.log import now

__all__ = ["BY_VALUE", "MIGRATIONS", "PREFIX", "REFILL", "Foreign", "is_current", "migrate", "version"]


class Foreign(Exception):
    """These tables are not ours, or describe other logs: they have to be made again."""


PREFIX = 64

# Left out while very many runs are read in: made at the end they take a fraction of the time.
BY_VALUE = {
    f"{table}_by_value": f"CREATE INDEX IF NOT EXISTS {table}_by_value ON {table} (key, value, run)"
    for table in ("metrics", "params", "tags")
}
FIRST = (
    "CREATE TABLE meta (key {text} PRIMARY KEY, value {text} NOT NULL)",
    # `run` stands for the id in the other tables; inode, position and tail say how far its log has been read.
    """CREATE TABLE runs (
        run {number}, run_id {text} NOT NULL UNIQUE, experiment_id {text} NOT NULL, name {text} NOT NULL,
        status {text} NOT NULL, lifecycle {text} NOT NULL, start_time BIGINT NOT NULL, end_time BIGINT,
        user_id {text} NOT NULL, kind {text} NOT NULL, parent {text} NOT NULL, project {text} NOT NULL,
        entry_point {text} NOT NULL, host {text} NOT NULL,
        inode BIGINT NOT NULL, position BIGINT NOT NULL, tail {text} NOT NULL)""",
    "CREATE INDEX runs_by_time ON runs (lifecycle, start_time DESC, run_id)",
    "CREATE INDEX runs_by_experiment ON runs (experiment_id, lifecycle, start_time DESC, run_id)",
    "CREATE INDEX runs_by_name ON runs {equal}(name)",
    "CREATE INDEX runs_open ON runs (host) WHERE status IN ('RUNNING', 'SCHEDULED')",
    "CREATE TABLE records (run {reference} PRIMARY KEY, record {text} NOT NULL)",
    """CREATE TABLE metrics (
        run {reference} NOT NULL, key {text} NOT NULL, value DOUBLE PRECISION,
        PRIMARY KEY (run, key)) {clustered}""",
    # `value` has at most PREFIX characters, so that its index stays small; of a longer one `whole` is all.
    """CREATE TABLE params (
        run {reference} NOT NULL, key {text} NOT NULL, value {text} NOT NULL, whole {text},
        PRIMARY KEY (run, key)) {clustered}""",
    """CREATE TABLE tags (
        run {reference} NOT NULL, key {text} NOT NULL, value {text} NOT NULL, whole {text},
        PRIMARY KEY (run, key)) {clustered}""",
    "CREATE TABLE datasets (run {reference} NOT NULL, name {text} NOT NULL, digest {text} NOT NULL, context {text})",
    "CREATE INDEX datasets_by_run ON datasets (run)",
    "CREATE TABLE experiments (experiment_id {text} PRIMARY KEY, name {text} NOT NULL, lifecycle {text} NOT NULL)",
    # Logs that are looked at each time until that moment, running or not (s since the epoch).
    "CREATE TABLE watched (run_id {text} PRIMARY KEY, until DOUBLE PRECISION NOT NULL)",
    "CREATE TABLE problems (run_id {text} NOT NULL, position BIGINT NOT NULL, message {text} NOT NULL)",
    "CREATE INDEX problems_by_run ON problems (run_id)",
    *BY_VALUE.values(),
)
TABLES = (
    "runs",
    "records",
    "metrics",
    "params",
    "tags",
    "datasets",
    "experiments",
    "watched",
    "problems",
    "meta",
)
REFILL = tuple(f"DELETE FROM {table}" for table in TABLES)  # noqa: S608
MIGRATIONS: tuple[Sequence[str], ...] = (FIRST,)


def version(connection: Database) -> int:
    """0 for an empty database."""
    if not connection.execute(connection.dialect.table, ("migrations",)).fetchone():
        return 0
    row = connection.execute("SELECT max(version) FROM migrations").fetchone()
    return int(row[0] or 0)


def migrate(
    connection: Database,
    where: str,
    migrations: Sequence[Sequence[str]] = MIGRATIONS,
) -> None:
    """Brings the tables up to date. StoreError for an index that a newer version made.

    Foreign for one whose earlier migrations were others than ours (a development version's).
    Several processes may do it at once: one does, the others find it done.
    """
    words = connection.dialect._asdict()
    found = version(connection)
    if found > len(migrations):
        raise StoreError(
            f"{where} was made by a newer version of proj (format {found}; this one knows {len(migrations)})",
            f"upgrade proj, or remove {where}: it is made again from the logs",
        )
    if found and not _is_ours(connection, migrations):
        raise Foreign("the index was made by another line of development")
    for number, statements in enumerate(migrations, 1):
        if version(connection) >= number:
            continue
        connection.execute(connection.dialect.begin)
        try:
            if version(connection) < number:
                if number == 1:
                    connection.execute(
                        "CREATE TABLE migrations "
                        "(version INTEGER PRIMARY KEY, applied BIGINT NOT NULL, checksum TEXT NOT NULL)"
                    )
                for statement in statements:
                    connection.execute(statement.format(**words))
                values = (number, now(), _checksum(statements))
                connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", values)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def is_current(connection: Database) -> bool:
    return version(connection) == len(MIGRATIONS) and _is_ours(connection, MIGRATIONS)


def _checksum(statements: Sequence[str]) -> str:
    return f"{crc32(chr(0).join(statements).encode()):08x}"


def _is_ours(connection: Database, migrations: Sequence[Sequence[str]]) -> bool:
    found = connection.execute("SELECT * FROM migrations ORDER BY version").fetchall()
    return all(
        len(row) > 2 and row[2] == _checksum(ours) for row, ours in zip(found, migrations, strict=False)
    )
