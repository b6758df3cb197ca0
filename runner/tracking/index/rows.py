"""A run as rows of the index, and back. Only what changed since the last time is written."""

from __future__ import annotations

import json
from binascii import crc32
from collections.abc import Iterable, Mapping
from typing import Any

from runner.text.encoding import visible
from runner.tracking.fold import Run, from_json, to_json
from runner.tracking.index import lineage, places
from runner.tracking.index.dialect import Database
from runner.tracking.index.schema import PREFIX
from runner.tracking.reading import NOTHING, Reading

__all__ = [
    "DERIVED", "Other", "belonging", "checksum", "delete", "derived", "find", "known_places", "load", "load_many",
    "load_within", "read_segments", "save", "short", "storable",
]  # fmt: skip

encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
LONG = 400  # characters of a key
CONTEXT = "mlflow.data.context"
DERIVED = (  # from the record alone
    *("run_id", "experiment_id", "name", "status", "lifecycle", "start_time", "end_time"),
    *(
        "user_id",
        "kind",
        "parent",
        "project",
        "entry_point",
        "host",
        "place",
        "reason",
        "verdict",
        "cache_key",
    ),
)
COLUMNS = (*DERIVED, "inode", "position", "tail", "segments")
UPSERT = (
    f"INSERT INTO runs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (run_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS[1:])}"
)
TABLES = ("metrics", "params", "tags")


class Other(ValueError):
    """A record in the index is not what was written there."""


INSERT = {
    "metrics": "INSERT INTO metrics VALUES (?, ?, ?) "
    "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value",
    **{
        table: f"INSERT INTO {table} VALUES (?, ?, ?, ?) "  # noqa: S608
        "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value, whole = excluded.whole"
        for table in ("params", "tags")
    },
}


def save(connection: Database, number: int | None, old: Reading, new: Reading) -> None:
    """`number`: of the run in the index, None for a new one; `old`: what the index has of it."""
    run = new.run
    if run is None:  # nothing yet, or not a log
        if number is not None:
            delete(connection, number)
        return
    _note_place(connection, run)
    kept = encode([new.last, new.offsets]) if new.offsets else ""
    read = tuple(map(storable, (new.inode, new.position, new.tail, kept)))
    connection.execute(UPSERT, (*derived(run), *read))
    if number is None:
        (number,) = connection.execute("SELECT run FROM runs WHERE run_id = ?", (run.run_id,)).fetchone()
    if (old.run, old.log) == (run, new.log):
        return
    log = encode(to_json(new.log)) if new.log is not None and new.log != run else None
    record = encode(to_json(run))
    connection.execute(
        "INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT (run) DO UPDATE SET "
        "record = excluded.record, log = excluded.log, checksum = excluded.checksum",
        (number, record, log, checksum(record, log)),
    )
    _save_values(connection, number, old.run, run)


def derived(run: Run) -> tuple[Any, ...]:
    """The columns DERIVED."""
    values = (
        *(run.run_id, short(run.experiment_id), run.name, run.status, run.lifecycle),
        *(run.start_time, run.end_time),
        *(run.user, run.kind, run.parent, run.project, run.entry_point, short(_host(run))),
        *(places.key(places.of_run(run)), short(str(run.end.get("reason", ""))), short(run.verdict)),
        short(str(run.sections.get("key", {}).get("digest", ""))),
    )
    return tuple(map(storable, values))


def checksum(record: str, log: str | None) -> int:
    return crc32((log or "").encode(), crc32(record.encode()))


def belonging(number: int, run: Run) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the other tables, by table."""
    values = _values(run)
    return {
        "metrics": [_metric((number, *item)) for item in values["metrics"].items()],
        "params": [_text((number, *item)) for item in values["params"].items()],
        "tags": [_text((number, *item)) for item in values["tags"].items()],
        "datasets": list(_datasets(number, run)),
        "files": list(_files(number, run)),
    }


def _save_values(connection: Database, number: int, old: Run | None, new: Run) -> None:
    was = {table: {} for table in TABLES} if old is None else _values(old)
    for table, now in _values(new).items():
        before = was[table]
        gone = [(number, short(key)) for key in before.keys() - now.keys()]
        if gone:
            connection.executemany(f"DELETE FROM {table} WHERE run = ? AND key = ?", gone)  # noqa: S608
        changed = [
            (number, key, value) for key, value in now.items() if key not in before or before[key] != value
        ]
        if changed:
            connection.executemany(INSERT[table], map(_metric if table == "metrics" else _text, changed))
    if old is not None and old.datasets != new.datasets:
        connection.execute("DELETE FROM datasets WHERE run = ?", (number,))
    if new.datasets and (old is None or old.datasets != new.datasets):
        connection.executemany("INSERT INTO datasets VALUES (?, ?, ?, ?)", _datasets(number, new))
    there, wanted = {} if old is None else _files(number, old), _files(number, new)
    if gone := [row for row in there if row not in wanted]:
        same = "run = ? AND way = ? AND digest = ? AND path = ?"
        connection.executemany(f"DELETE FROM files WHERE {same}", gone)  # noqa: S608
    if added := [row for row in wanted if row not in there]:
        connection.executemany("INSERT INTO files VALUES (?, ?, ?, ?)", added)


def _host(run: Run) -> str:
    """Of the supervisor."""
    host = run.sections.get("supervisor", {}).get("host")
    return host if isinstance(host, str) else ""


def _note_place(connection: Database, run: Run) -> None:
    """Where its project lives is known by the key that is in its row."""
    place = places.of_run(run)
    if key := places.key(place):
        sql = "INSERT INTO places VALUES (?, ?) ON CONFLICT (place) DO NOTHING"
        connection.execute(sql, (key, storable(encode(place))))


def known_places(connection: Database) -> dict[places.Place, str]:
    """All that runs are in, with their keys."""
    found = connection.execute("SELECT place, facts FROM places").fetchall()
    return {places.Place(*json.loads(facts)): key for key, facts in found}


def _metric(row: tuple[Any, str, Any]) -> tuple[Any, ...]:
    return row[0], short(row[1]), row[2]


def _text(row: tuple[Any, str, str]) -> tuple[Any, ...]:
    value = storable(row[2])
    return row[0], short(row[1]), value[:PREFIX], value if len(value) > PREFIX else None


def _values(run: Run) -> dict[str, Mapping[str, Any]]:
    # NaN is NULL: it is not equal to anything, and has its own place in an order
    metrics = {key: point.value if point.value == point.value else None for key, point in run.metrics.items()}
    return {"metrics": metrics, "params": run.param_texts, "tags": run.tags}


def _datasets(number: int | None, run: Run) -> Iterable[tuple[Any, ...]]:
    for dataset in run.datasets:
        tags = dataset.get("tags") or {}
        if isinstance(tags, list):  # as MLflow writes them: [{"key": ..., "value": ...}]
            tags = {tag.get("key"): tag.get("value") for tag in tags if isinstance(tag, dict)}
        context = tags.get(CONTEXT) if isinstance(tags, dict) else None
        name, digest = str(dataset.get("name") or ""), str(dataset.get("digest") or "")
        yield number, storable(name), storable(digest), None if context is None else storable(str(context))


def _files(number: int, run: Run) -> dict[tuple[Any, ...], None]:
    return dict.fromkeys((number, *map(short, found)) for found in lineage.of(run))


def short(text: str) -> str:
    """A key as it is stored: an index of PostgreSQL takes 2.7 kB."""
    if len(text) <= LONG:
        return str(storable(text))
    from hashlib import sha256

    return f"{storable(text[:LONG])}…{sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def storable(value: object) -> Any:
    """The database takes no lone surrogates (undecodable bytes) and no integers beyond 64 bits."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return (1 << 63) - 1 if value > 0 else -(1 << 63)
    return value


def delete(connection: Database, number: int) -> None:
    for table in ("runs", "records", "datasets", "files", *TABLES):
        connection.execute(f"DELETE FROM {table} WHERE run = ?", (number,))  # noqa: S608


def find(connection: Database, run_id: str) -> tuple[int | None, Reading]:
    """Its number in the index, and how far it was read by then; without what it was (see `load`)."""
    sql = "SELECT run, inode, position, tail, segments FROM runs WHERE run_id = ?"
    row = connection.execute(sql, (run_id,)).fetchone()
    if row is None:
        return None, NOTHING
    number, inode, position, tail, kept = row
    last, offsets = read_segments(kept)
    return number, Reading(None, None, inode, position, tail, offsets, last)


def read_segments(kept: str) -> tuple[str, Mapping[str, int]]:
    """The id of the last operation, and the bytes read of each segment."""
    last, offsets = json.loads(kept) if kept else ("", {})
    return last, offsets


def load(connection: Database, number: int, read: Reading) -> Reading:
    """With what the run was."""
    sql = "SELECT record, log, checksum FROM records WHERE run = ?"
    record, log, kept = connection.execute(sql, (number,)).fetchone()
    run = _loaded(record, log, kept)
    return read._replace(run=run, log=from_json(json.loads(log)) if log else run)


def _loaded(record: str, log: str | None, kept: int) -> Run:
    if checksum(record, log) != kept:
        raise Other("a record in the index is not what was written there")
    return from_json(json.loads(record))


def load_many(connection: Database, numbers: list[int]) -> tuple[Run, ...]:
    """In the order of `numbers`."""
    found = {}
    for first in range(0, len(numbers), 500):
        part = numbers[first : first + 500]
        marks = ", ".join("?" * len(part))
        rows = connection.execute(f"SELECT * FROM records WHERE run IN ({marks})", part)  # noqa: S608
        found.update({number: _loaded(*kept) for number, *kept in rows})
        _check_there(connection, part, found)
    return tuple(found[number] for number in numbers if number in found)


def _check_there(connection: Database, numbers: list[int], found: Mapping[int, object]) -> None:
    """Other for a run without a record, which was not removed meanwhile."""
    for number in numbers:
        if (
            number not in found
            and connection.execute("SELECT 1 FROM runs WHERE run = ?", (number,)).fetchone()
        ):
            raise Other("a run in the index has no record")


def load_within(connection: Database, numbers: list[int], size: int) -> tuple[tuple[Run, ...], int]:
    """The first of them whose records have no more than `size` characters, and how many numbers that are."""
    found: list[Run] = []
    total = 0
    for first in range(0, len(numbers), 20):
        part = numbers[first : first + 20]
        marks = ", ".join("?" * len(part))
        rows = connection.execute(f"SELECT * FROM records WHERE run IN ({marks})", part)  # noqa: S608
        records = {number: kept for number, *kept in rows}
        _check_there(connection, part, records)
        for place, number in enumerate(part):
            kept = records.get(number)
            if kept is None:
                continue
            total += len(kept[0])
            if found and total > size:
                return tuple(found), first + place
            found.append(_loaded(*kept))
    return tuple(found), len(numbers)
