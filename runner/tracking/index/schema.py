"""The tables of the index. One that has another format is removed, and made again from the logs.

FORMAT has two parts: a number, which is raised when events come to mean something else (fold.py), and a checksum of
the tables.
"""

from __future__ import annotations

from binascii import crc32

from runner.tracking.index.dialect import Database, transaction

__all__ = ["BY_VALUE", "FORMAT", "PREFIX", "Foreign", "is_current", "prepare"]


class Foreign(Exception):
    """These tables are not of today's format, or describe other logs: they have to be made again."""


PREFIX = 64

# Left out while very many runs are read in: made at the end they take a fraction of the time.
BY_VALUE = {
    f"{table}_by_value": f"CREATE INDEX IF NOT EXISTS {table}_by_value ON {table} (key, value, run)"
    for table in ("metrics", "params", "tags")
}
TABLES = (
    "CREATE TABLE meta (key {text} PRIMARY KEY, value {text} NOT NULL)",
    # `run` stands for the id in the other tables; inode, position and tail say how far its log has been read, and
    # segments, as JSON, how far these; "" when there are none.
    """CREATE TABLE runs (
        run {number}, run_id {text} NOT NULL UNIQUE, experiment_id {text} NOT NULL, name {text} NOT NULL,
        status {text} NOT NULL, lifecycle {text} NOT NULL, start_time BIGINT NOT NULL, end_time BIGINT,
        user_id {text} NOT NULL, kind {text} NOT NULL, parent {text} NOT NULL, project {text} NOT NULL,
        entry_point {text} NOT NULL, host {text} NOT NULL, place {text} NOT NULL,
        reason {text} NOT NULL, verdict {text} NOT NULL, cache_key {text} NOT NULL,
        inode BIGINT NOT NULL, position BIGINT NOT NULL, tail {text} NOT NULL, segments {text} NOT NULL)""",
    "CREATE INDEX runs_by_time ON runs (lifecycle, start_time DESC, run_id)",
    "CREATE INDEX runs_by_experiment ON runs (experiment_id, lifecycle, start_time DESC, run_id)",
    "CREATE INDEX runs_by_name ON runs {equal}(name)",
    "CREATE INDEX runs_by_parent ON runs (parent) WHERE parent > ''",
    "CREATE INDEX runs_by_key ON runs (cache_key, start_time DESC) WHERE cache_key > ''",
    "CREATE INDEX runs_open ON runs (host) WHERE status IN ('RUNNING', 'SCHEDULED')",
    # Where projects live (places.py), as JSON. The places of runs that are gone stay: they are few, and mean nothing.
    "CREATE TABLE places (place {text} PRIMARY KEY, facts {text} NOT NULL)",
    # `log`: what it is by its log alone, when that is something else.
    """CREATE TABLE records (
        run {reference} PRIMARY KEY, record {text} NOT NULL, log {text}, checksum BIGINT NOT NULL)""",
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
    # Files and datasets that went in or came out (lineage.py).
    """CREATE TABLE files (
        run {reference} NOT NULL, way {text} NOT NULL, digest {text} NOT NULL, path {text} NOT NULL)""",
    "CREATE INDEX files_by_run ON files (run)",
    "CREATE INDEX files_by_digest ON files (digest, way, run)",
    """CREATE TABLE experiments (
        experiment_id {text} PRIMARY KEY, name {text} NOT NULL, lifecycle {text} NOT NULL,
        segments {text} NOT NULL)""",
    # Logs that are looked at each time until that moment, running or not (s since the epoch).
    "CREATE TABLE watched (run_id {text} PRIMARY KEY, until DOUBLE PRECISION NOT NULL)",
    "CREATE TABLE problems (run_id {text} NOT NULL, position BIGINT NOT NULL, message {text} NOT NULL)",
    "CREATE INDEX problems_by_run ON problems (run_id)",
    *BY_VALUE.values(),
)
FORMAT = f"3:{crc32(chr(0).join(TABLES).encode()):08x}"


def is_current(connection: Database) -> bool:
    """Whether the tables are there, and today's."""
    if not connection.execute(connection.dialect.table, ("meta",)).fetchone():
        return False
    return bool(
        connection.execute("SELECT 1 FROM meta WHERE key = 'format' AND value = ?", (FORMAT,)).fetchone()
    )


def prepare(connection: Database) -> None:
    """Makes the tables where there are none. Foreign when there are others.

    Several processes may do it at once: one does, the others find it done.
    """
    if is_current(connection):
        return
    with transaction(connection):
        if connection.execute(connection.dialect.table, ("meta",)).fetchone():
            if is_current(connection):
                return
            raise Foreign("the index has another format")
        if connection.execute(connection.dialect.anything).fetchone():
            raise Foreign("it has the tables of another program")
        for statement in TABLES:
            connection.execute(statement.format(**connection.dialect._asdict()))
        connection.execute("INSERT INTO meta VALUES ('format', ?)", (FORMAT,))
