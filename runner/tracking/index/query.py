"""A parsed filter and order as SQL: only bound parameters, and no look at all runs where an index can do.

The database is told which table to begin with. When few runs meet one of the conditions, with those.
Otherwise, in an order by a metric, with the metric's own index in that order: a page needs no sorting.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from runner.tracking.index.dialect import Database, Dialect
from runner.tracking.index.grammar import Clause, Either, Order
from runner.tracking.index.rows import short, storable
from runner.tracking.index.schema import PREFIX
from runner.typed import NamedTuple

__all__ = ["Budget", "Query", "count", "page", "place", "selected"]

FEW = 2000  # so many rows are quickly sorted
TABLES = {"metric": "metrics", "param": "params", "tag": "tags"}
ATTRIBUTES = {
    "run_name": "r.name",
    "duration": "((r.end_time - r.start_time) / 1000.0)",
    "artifact_uri": "'mlflow-artifacts:/' || r.experiment_id || '/' || r.run_id || '/artifacts'",
}


class Query(NamedTuple):
    clauses: Sequence[Clause | Either] = ()
    orders: Sequence[Order] = ()
    experiment_ids: Sequence[str] | None = None
    view: str = "active"
    places: Sequence[str] | None = None  # keys of where the project is (places.py); None: of all projects


class Budget(NamedTuple):
    """What one page may cost; 0: as much as it takes."""

    seconds: float = 0
    size: int = 0  # characters of the records; there is always one


class Part(NamedTuple):
    """A piece of SQL with what is bound to it."""

    sql: str
    bound: tuple[Any, ...] = ()


GONE = "SELECT e.experiment_id FROM experiments e WHERE e.lifecycle <> 'active'"
NOT_GONE = Part(f"r.experiment_id NOT IN ({GONE})")


def page(
    connection: Database,
    query: Query,
    limit: int,
    start: tuple[int, int] = (0, 0),
) -> tuple[list[int], tuple[int, int] | None]:
    """Numbers of at most `limit` runs from `start` on (phase, offset), and where the next page starts."""
    phases = _phases(connection, query, connection.dialect)
    found: list[int] = []
    phase, offset = start
    while phase < len(phases):
        source, conditions, order = phases[phase]
        where = _joined([part.sql for part in conditions], "AND") or "1 = 1"
        bound = [value for part in (source, *conditions, order) for value in part.bound]
        sql = f"SELECT r.run FROM {source.sql} WHERE {where} ORDER BY {order.sql} LIMIT ? OFFSET ?"  # noqa: S608
        wanted = limit - len(found)
        rows = [
            number for (number,) in connection.execute(sql, (*bound, min(wanted + 1, sys.maxsize), offset))
        ]
        found.extend(rows[:wanted])
        if len(rows) > wanted:
            return found, (phase, offset + wanted)
        phase, offset = phase + 1, 0
    return found, None


def count(connection: Database, query: Query) -> int:
    """How many runs there are in all pages."""
    source, conditions, _ = _phases(connection, query._replace(orders=()), connection.dialect)[0]
    if not connection.execute(
        f"{GONE} LIMIT 1"
    ).fetchone():  # mostly: an index alone tells how many runs there are
        conditions = [part for part in conditions if part is not NOT_GONE]
    return _count(connection, source, conditions)


def place(connection: Database, query: Query, offset: int) -> tuple[int, int]:
    """Where the run with this number, from 0, is in the order: the start of a page."""
    phases = _phases(connection, query, connection.dialect)
    for number, (source, conditions, _) in enumerate(phases[:-1]):
        there = _count(connection, source, conditions) if offset else 1
        if offset < there:
            return number, offset
        offset -= there
    return len(phases) - 1, offset


def selected(query: Query, dialect: Dialect) -> Part:
    """FROM and WHERE of all runs `r` of the query, without an order."""
    conditions = [*_scope(query), *(_condition(clause, dialect) for clause in query.clauses)]
    where = _joined([part.sql for part in conditions], "AND") or "1 = 1"
    return Part(f"runs r WHERE {where}", tuple(value for part in conditions for value in part.bound))


def _count(connection: Database, source: Part, conditions: Sequence[Part]) -> int:
    where = _joined([part.sql for part in conditions], "AND") or "1 = 1"
    bound = [value for part in (source, *conditions) for value in part.bound]
    found = connection.execute(f"SELECT count(*) FROM {source.sql} WHERE {where}", bound)  # noqa: S608
    return int(found.fetchone()[0])


Phase = tuple[Part, list[Part], Part]  # FROM, WHERE, ORDER BY


def _phases(connection: Database, query: Query, dialect: Dialect) -> list[Phase]:
    """One after the other they give the runs in order."""
    few = _fewest(connection, query.clauses, dialect)
    orders = query.orders
    if few is None and len(orders) == 1 and orders[0].entity == "metric":
        return _by_metric(query, dialect)
    source = "runs r"
    conditions = [
        *_scope(query),
        *(_condition(clause, dialect) for clause in query.clauses if clause is not few),
    ]
    if few is not None:
        source = f"{TABLES[few.entity]} d {dialect.ordered_join} runs r"
        conditions = [Part("r.run = d.run"), *_compare("d", few, dialect), *conditions]
    joins, order = _order(orders)
    return [(Part(source + joins.sql, joins.bound), conditions, order)]


def _by_metric(query: Query, dialect: Dialect) -> list[Phase]:
    """In the order of a metric: numbers, then NaN, then the runs that do not have it."""
    _, key, ascending = query.orders[0]
    direction = "ASC" if ascending else "DESC"
    source = Part(f"metrics o {dialect.ordered_join} runs r")
    same = [each for each in query.clauses if isinstance(each, Clause) and each[:2] == ("metric", key)]
    other = [_condition(clause, dialect) for clause in query.clauses if clause not in same]
    same_conditions = [part for clause in same for part in _compare("o", clause, dialect)[1:]]
    mine = [Part("o.key = ?", (short(key),)), Part("r.run = o.run"), *same_conditions, *_scope(query), *other]
    ties = "r.start_time DESC, r.run_id"
    numbers = (source, [*mine, Part("o.value IS NOT NULL")], Part(f"o.value {direction}, {ties}"))
    phases = [numbers, (source, [*mine, Part("o.value IS NULL")], Part(ties))]
    if not same:
        lacking = Part(
            "NOT EXISTS (SELECT 1 FROM metrics x WHERE x.run = r.run AND x.key = ?)", (short(key),)
        )
        phases.append((Part("runs r"), [*_scope(query), *other, lacking], Part(ties)))
    return phases


def _scope(query: Query) -> list[Part]:
    parts = []
    if query.view != "all":
        parts.append(Part("r.lifecycle = ?", (query.view,)))
    if query.experiment_ids is not None:
        ids = tuple(map(short, query.experiment_ids))
        parts.append(Part(f"r.experiment_id IN ({_marks(ids)})" if ids else "1 = 0", ids))
    elif query.view == "active":
        parts.append(NOT_GONE)
    if query.places is not None:
        parts.append(_within(tuple(query.places)))
    return parts


def _within(keys: tuple[str, ...]) -> Part:
    """Runs that are there. One that a client made is where the run is that it is in, at most two levels up."""
    if not keys:
        return Part("1 = 0")
    marks = _marks(keys)
    above = (
        "SELECT 1 FROM runs a LEFT JOIN runs b ON a.place = '' AND b.run_id = a.parent "  # noqa: S608
        f"WHERE a.run_id = r.parent AND (a.place IN ({marks}) OR b.place IN ({marks}))"
    )
    sql = f"(r.place IN ({marks}) OR (r.place = '' AND r.parent <> '' AND EXISTS ({above})))"
    return Part(sql, keys * 3)


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _joined(parts: Sequence[str], word: str) -> str:
    """With parentheses that halve: the depth of what SQLite reads is limited to 1000."""
    if len(parts) <= 2:
        return f" {word} ".join(parts)
    half = len(parts) // 2
    return f"({_joined(parts[:half], word)}) {word} ({_joined(parts[half:], word)})"


def _fewest(connection: Database, clauses: Sequence[Clause | Either], dialect: Dialect) -> Clause | None:
    """The clause that fewest runs meet, if they are few."""
    best, least = None, FEW + 1
    for clause in clauses:
        if (
            isinstance(clause, Either)
            or clause.entity not in TABLES
            or clause.operator not in ("=", "<", "<=", ">", ">=")
        ):
            continue
        conditions = _compare("d", clause, dialect)
        where = " AND ".join(part.sql for part in conditions)
        bound = [value for part in conditions for value in part.bound]
        source = f"SELECT 1 FROM {TABLES[clause.entity]} d WHERE {where} LIMIT ?"  # noqa: S608
        sql = f"SELECT count(*) FROM ({source}) few"  # noqa: S608
        (count,) = connection.execute(sql, (*bound, least)).fetchone()
        if count < least:
            best, least = clause, count
    return best


def _condition(clause: Clause | Either, dialect: Dialect) -> Part:
    if isinstance(clause, Either):
        filters = [[_condition(each, dialect) for each in every] for every in clause.filters]
        sql = _joined([f"({_joined([part.sql for part in every], 'AND')})" for every in filters], "OR")
        return Part(f"({sql})", tuple(value for every in filters for part in every for value in part.bound))
    if clause.entity == "attribute":
        return _operator(ATTRIBUTES.get(clause.key, f"r.{clause.key}"), clause, dialect)
    if clause.entity == "dataset":
        part = _operator(f"x.{clause.key}", clause, dialect)
        sql = f"EXISTS (SELECT 1 FROM datasets x WHERE x.run = r.run AND {part.sql})"  # noqa: S608
        return Part(sql, part.bound)
    table = TABLES[clause.entity]
    parts = (
        [Part("x.key = ?", (short(clause.key),))]
        if clause.operator.startswith("IS")
        else _compare("x", clause, dialect)
    )
    where = " AND ".join(part.sql for part in parts)
    absent = "NOT " if clause.operator == "IS NULL" else ""
    sql = f"{absent}EXISTS (SELECT 1 FROM {table} x WHERE x.run = r.run AND {where})"  # noqa: S608
    return Part(sql, tuple(value for part in parts for value in part.bound))


def _compare(alias: str, clause: Clause, dialect: Dialect) -> list[Part]:
    """Conditions on a row of metrics, params or tags; the first is that on its key."""
    parts = [Part(f"{alias}.key = ?", (short(clause.key),))]
    value = f"{alias}.value"
    if clause.entity != "metric":
        if clause.operator == "=":
            start = storable(str(clause.value))[:PREFIX]
            parts.append(Part(f"{value} = ?", (start,)))
            if len(start) < PREFIX:
                return parts
        value = f"coalesce({alias}.whole, {value})"
    part = _operator(value, clause, dialect)
    if clause.entity == "metric" and clause.operator in ("!=", "NOT IN"):  # NaN differs from everything
        part = Part(f"({part.sql} OR {alias}.value IS NULL)", part.bound)
    return [*parts, part]


def _operator(column: str, clause: Clause, dialect: Dialect) -> Part:
    operator, value = clause.operator, storable(clause.value)
    if isinstance(value, tuple):
        value = tuple(map(storable, value))
    if operator == "LIKE":
        return Part(dialect.like.format(column), (value,))
    if operator == "ILIKE":
        return Part(dialect.ilike.format(column), (value,))
    if operator in ("IN", "NOT IN"):
        values = value if isinstance(value, tuple) else (value,)
        if not values:
            return Part("1 = 0" if operator == "IN" else "1 = 1")
        return Part(f"{column} {operator} ({_marks(values)})", values)
    return Part(f"{column} {operator} ?", (value,))


def _order(orders: Sequence[Order]) -> tuple[Part, Part]:
    """Joins that an order needs, and its ORDER BY: what is missing comes last, NaN before that."""
    joins, terms, bound = "", [], []
    for number, (entity, key, ascending) in enumerate(orders):
        direction = "ASC" if ascending else "DESC"
        if entity == "attribute":
            column = ATTRIBUTES.get(key, f"r.{key}")
            if key in ("end_time", "duration"):
                terms.append(f"{column} IS NULL")
        else:
            column = (
                f"o{number}.value" if entity == "metric" else f"coalesce(o{number}.whole, o{number}.value)"
            )
            joins += f" LEFT JOIN {TABLES[entity]} o{number} ON o{number}.run = r.run AND o{number}.key = ?"
            bound.append(short(key))
            terms.append(f"o{number}.run IS NULL, {column} IS NULL")
        terms.append(f"{column} {direction}")
    if not any(order[:2] == ("attribute", "start_time") for order in orders):
        terms.append("r.start_time DESC")
    terms.append("r.run_id")
    return Part(joins, tuple(bound)), Part(", ".join(terms))
