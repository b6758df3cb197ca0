"""A State and a store -> the runs of a table, or its groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from runner.errors import StoreError
from runner.protocol.bounds import BUDGET
from runner.running.reconcile import concluded
from runner.tables import columns
from runner.text.shown import number
from runner.tracking.fold import Run
from runner.tracking.index import query, summary
from runner.tracking.index.dialect import Database
from runner.tracking.store import Store
from runner.web import cells, spark
from runner.web.cells import Column, Row
from runner.web.spark import Spark
from runner.web.state import State

__all__ = ["LIMIT", "GroupRow", "Grouped", "Table", "grouped", "labels", "table"]

LIMIT = 50  # rows of a page: about what a window shows
SPAN = query.Budget(5, BUDGET.size)  # s, characters
CHILDREN = 200  # of one run, shown below it
GROUPS = 500
LIVE = 20  # runs of a page with a small line


class Table(NamedTuple):
    names: tuple[str, ...]  # of the columns
    columns: tuple[Column, ...]
    base: Row | None
    rows: tuple[Row, ...]
    start: int
    end: int  # number of the row after the last one; fewer than LIMIT when records are large
    total: int


class GroupRow(NamedTuple):
    title: str
    q: str  # selects its runs; "" when that cannot be said in the grammar
    size: int
    cells: tuple[str, ...]  # mean ± deviation


class Grouped(NamedTuple):
    columns: tuple[Column, ...]  # metrics
    rows: tuple[GroupRow, ...]
    total: int  # runs
    more: int  # groups that are not shown


def table(store: Store, state: State, limit: int = LIMIT) -> Table:
    """InputError or ApiError for what cannot be asked for, or takes too long."""
    wanted = state.query()
    names = cells.check(state.column)

    def ask(connection: Database) -> tuple[int, tuple[int, int]]:
        with connection.limited(SPAN.seconds):
            return query.count(connection, wanted), query.place(connection, wanted, state.start)

    total, place = store.index.ask(ask)
    found, _ = store.index.page(wanted, limit, place, False, SPAN)
    runs = tuple(map(concluded, found))
    base = _base(store, state.base)
    if not names:
        first = runs if not state.start else store.index.page(wanted, LIMIT, (0, 0), False, SPAN)[0]
        names = cells.usual(first)
    rows = _with_children(store, state, runs, names, base)
    pinned = cells.rows([base], names, labels(store, [base]), {}, base)[0] if base else None
    heads = tuple(cells.headings(names, state.order, rows))
    return Table(names, heads, pinned, rows, state.start, state.start + len(runs), total)


def labels(store: Store, runs: Sequence[Run]) -> dict[str, str]:
    """Names of the experiments of these runs, by id."""
    names = {}
    for each in {run.experiment_id for run in runs}:
        try:
            names[each] = store.experiment(each).name
        except (StoreError, OSError):  # a store that was copied in part
            names[each] = each
    return names


def _base(store: Store, run_id: str) -> Run | None:
    return concluded(store.read(store.resolve(run_id))) if run_id else None


def _with_children(
    store: Store, state: State, runs: Sequence[Run], names: Sequence[str], base: Run | None
) -> tuple[Row, ...]:
    inside = store.index.ask(
        lambda connection: summary.children(connection, [run.run_id for run in runs]), False
    )
    found: list[Row] = []
    named = labels(store, runs) if "experiment" in names else {}
    for row in cells.rows(runs, names, named, inside, base, 0, _sparks(store, runs)):
        found.append(row)
        if state.tree and row.run.run_id in state.open and row.children:
            found += _below(store, state, row, names, base)
    return tuple(found)


def _sparks(store: Store, runs: Sequence[Run]) -> dict[str, Spark]:
    """Of those that are on; of very many only the first ones are looked at."""
    live = [run for run in runs if run.status == "RUNNING"][:LIVE]
    return {run.run_id: found for run in live if (found := spark.of(store, run))}


def _below(store: Store, state: State, row: Row, names: Sequence[str], base: Run | None) -> list[Row]:
    if row.depth > 8:
        return []
    clause = f"parent = '{row.run.run_id}'"
    runs = [
        concluded(run) for run in store.search(clause, None, ["start_time ASC"], CHILDREN, budget=SPAN).runs
    ]
    inside = store.index.ask(
        lambda connection: summary.children(connection, [run.run_id for run in runs]), False
    )
    found = []
    for child in cells.rows(runs, names, labels(store, runs), inside, base, row.depth + 1):
        found.append(child)
        if child.run.run_id in state.open and child.children and child.run.run_id != row.run.run_id:
            found += _below(store, state, child, names, base)
    return found


def grouped(store: Store, state: State) -> Grouped:
    """InputError or ApiError for what cannot be asked for, or takes too long."""
    wanted, keys = state.query(), state.groups()
    chosen = [name for name in cells.check(state.column) if name.startswith("metrics.")]
    if not chosen:
        first = store.index.page(wanted, LIMIT, (0, 0), True, SPAN)[0]
        chosen = [name for name in columns.telling(first, cells.MOST) if name.startswith("metrics.")]
    metrics = tuple(name.partition(".")[2] for name in chosen)

    def ask(connection: Database) -> list[summary.Group]:
        with connection.limited(SPAN.seconds):
            return summary.groups(connection, wanted, keys, metrics)

    found = _sorted(store.index.ask(ask), state, metrics)
    shown = [
        GroupRow(
            " · ".join("–" if value in (None, "") else str(value) for value in each.values),
            _selecting(state, each.values),
            each.size,
            tuple(_spread(each.spreads.get(metric)) for metric in metrics),
        )
        for each in found[:GROUPS]
    ]
    total = sum(each.size for each in found)
    heads = tuple(cells.headings(chosen, state.order))
    return Grouped(heads, tuple(shown), total, max(0, len(found) - GROUPS))


def _sorted(found: list[summary.Group], state: State, metrics: Sequence[str]) -> list[summary.Group]:
    """By the mean of the metric that the runs are sorted by; groups that do not have it last."""
    orders = state.query().orders
    if not orders or orders[0].entity != "metric" or orders[0].key not in metrics:
        return found
    key, sign = orders[0].key, 1 if orders[0].ascending else -1
    there = [each for each in found if key in each.spreads]
    return sorted(there, key=lambda each: sign * each.spreads[key].mean) + [
        each for each in found if key not in each.spreads
    ]


def _selecting(state: State, values: Sequence[str | None]) -> str:
    """The filter for the runs of a group."""
    clauses = [f"({state.q})"] if state.q else []
    for (entity, key, _), value in zip(state.groups(), values, strict=True):
        name = key if entity == "attribute" else columns.order_key(f"{entity}s.{key}")
        if value is None:
            clauses.append(f"{name} IS NULL")
        elif isinstance(value, str):
            text = value.replace("'", "''")
            clauses.append(f"{name} = '{text}'")
    return " and ".join(clauses)


def _spread(found: summary.Spread | None) -> str:
    if found is None:
        return ""
    if not found.deviation:
        return number(found.mean)
    if not math.isfinite(found.deviation):  # of values near the greatest float
        return f"{number(found.mean)} ± {found.deviation:.2g}"
    digits = 1 - math.floor(math.log10(found.deviation))
    mean = f"{found.mean:.{digits}f}" if 0 <= digits <= 8 else number(found.mean)
    return f"{mean} ± {found.deviation:.2g}"
