"""What many runs are together: the names that they have, counts, groups with the spread of their metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from runner.tracking.index.dialect import Database
from runner.tracking.index.grammar import Order
from runner.tracking.index.query import ATTRIBUTES, TABLES, Query, selected
from runner.tracking.index.rows import short

__all__ = ["Group", "Shared", "Spread", "Tally", "best", "children", "groups", "names", "sharing", "tally"]

SHARING = 20  # runs of one digest that are named


class Spread(NamedTuple):
    """Of the finite values of a metric in a group."""

    size: int
    mean: float
    deviation: float  # of the sample; 0 for a single value


class Group(NamedTuple):
    values: tuple[str | None, ...]  # of what it is grouped by; None: a run that does not have it
    size: int
    spreads: Mapping[str, Spread]  # by metric


class Tally(NamedTuple):
    size: int  # runs
    latest: int  # ms: when the last one of them was started


class Shared(NamedTuple):
    """The runs that have a file or a dataset of one digest."""

    runs: tuple[tuple[str, str], ...]  # (run id, what it is called there): the SHARING latest
    total: int


def names(connection: Database, table: str) -> Iterator[str]:
    """All keys of metrics, params or tags, in order. Each costs one look into the index of the table, not one a run."""
    sql = (
        f"WITH RECURSIVE k(key) AS (SELECT min(key) FROM {table} UNION ALL "  # noqa: S608
        f"SELECT (SELECT min(t.key) FROM {table} t WHERE t.key > k.key) FROM k WHERE k.key IS NOT NULL) "
        "SELECT key FROM k WHERE key IS NOT NULL"
    )
    for (key,) in connection.execute(sql):
        yield key


def groups(connection: Database, query: Query, keys: Sequence[Order], metrics: Sequence[str]) -> list[Group]:
    """Runs with the same values of `keys` (attributes, parameters, tags), the largest group first."""
    where = selected(query, connection.dialect)
    joins, columns, bound = "", "", []
    for number, (entity, key, _) in enumerate(keys):
        if entity == "attribute":
            columns += f", {ATTRIBUTES.get(key, f'r.{key}')}"
            continue
        columns += f", coalesce(g{number}.whole, g{number}.value)"
        joins += f" LEFT JOIN {TABLES[entity]} g{number} ON g{number}.run = r.run AND g{number}.key = ?"
        bound.append(short(key))
    source, condition = where.sql.split(" WHERE ", 1)
    sql = f"SELECT r.run{columns} FROM {source}{joins} WHERE {condition}"  # noqa: S608
    members: dict[tuple[str | None, ...], list[int]] = {}
    for run, *values in connection.execute(sql, (*bound, *where.bound)):
        members.setdefault(tuple(values), []).append(run)
    spreads: dict[tuple[str | None, ...], dict[str, Spread]] = {values: {} for values in members}
    for metric in metrics:
        found = dict(
            connection.execute(
                "SELECT run, value FROM metrics WHERE key = ? AND value IS NOT NULL", (short(metric),)
            ).fetchall()
        )
        for values, runs in members.items():
            numbers = [found[run] for run in runs if run in found and math.isfinite(found[run])]
            if numbers:
                spreads[values][metric] = _spread(numbers)
    result = [Group(values, len(runs), spreads[values]) for values, runs in members.items()]
    return sorted(
        result, key=lambda each: (-each.size, tuple(value or "" for value in map(_text, each.values)))
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _spread(numbers: list[float]) -> Spread:
    """In two passes: squares of large values would lose what is small between them."""
    scale = max(map(abs, numbers)) or 1.0
    mean = math.fsum(value / scale for value in numbers) / len(numbers)
    square = math.fsum((value / scale - mean) ** 2 for value in numbers)
    deviation = math.sqrt(square / (len(numbers) - 1)) if len(numbers) > 1 else 0.0
    return Spread(len(numbers), mean * scale, deviation * scale)


def children(connection: Database, run_ids: Sequence[str]) -> dict[str, int]:
    """How many runs that are not deleted are in each of these."""
    marks = ", ".join("?" * len(run_ids))
    sql = (
        "SELECT parent, count(*) FROM runs WHERE parent > '' AND lifecycle = 'active' "  # noqa: S608
        f"AND parent IN ({marks}) GROUP BY parent"
    )
    return dict(connection.execute(sql, tuple(run_ids)).fetchall()) if run_ids else {}


def tally(connection: Database, query: Query, column: str) -> dict[str, Tally]:
    """Of each status, verdict, project or experiment_id."""
    where = selected(query, connection.dialect)
    sql = f"SELECT r.{column}, count(*), max(r.start_time) FROM {where.sql} GROUP BY r.{column}"  # noqa: S608
    return {str(value): Tally(size, latest) for value, size, latest in connection.execute(sql, where.bound)}


def best(connection: Database, query: Query, metric: str) -> list[tuple[int, float, str]]:
    """(start time in ms, value, run id) of the finite values of a metric, in the order of time."""
    where = selected(query, connection.dialect)
    source, condition = where.sql.split(" WHERE ", 1)
    sql = (
        f"SELECT r.start_time, m.value, r.run_id FROM {source} JOIN metrics m ON m.run = r.run AND m.key = ? "  # noqa: S608
        f"WHERE m.value IS NOT NULL AND {condition} ORDER BY r.start_time, r.run_id"
    )
    found = connection.execute(sql, (short(metric), *where.bound))
    return [(start, value, run_id) for start, value, run_id in found if math.isfinite(value)]


def sharing(connection: Database, way: str, digests: Sequence[str], without: str) -> dict[str, Shared]:
    """Of each digest that other runs than `without` have; `way`: lineage.IN where it went into them, or OUT."""
    source = (
        "FROM files f JOIN runs r ON r.run = f.run "
        "WHERE f.digest = ? AND f.way = ? AND r.lifecycle = 'active' AND r.run_id <> ?"
    )
    found = {}
    for digest in dict.fromkeys(digests):
        bound = (short(digest), way, without)
        sql = f"SELECT r.run_id, f.path {source} ORDER BY f.run DESC LIMIT {SHARING}"
        runs = tuple((run_id, path) for run_id, path in connection.execute(sql, bound))
        if runs:
            total = len(runs)
            if total == SHARING:
                (total,) = connection.execute(f"SELECT count(*) {source}", bound).fetchone()
            found[digest] = Shared(runs, total)
    return found
