"""The index: a projection of the logs, for searching. It can be deleted; the logs are the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any, Protocol, TypeVar

from runner.tracking.fold import Run
from runner.tracking.index import query, rows
from runner.tracking.index.catchup import NEWER
from runner.tracking.index.dialect import Database
from runner.tracking.index.places import Place, Scope, moved, one_project
from runner.values import Report

__all__ = ["Index"]

T = TypeVar("T")
CLOSING = 1.0  # s


class Home(Protocol):
    """Where an index is kept."""

    path: str  # for people
    connection: Any

    def ask(self, question: Callable[[Database], T], refresh: bool = True) -> T:
        """Puts it to an index that has caught up with the logs. StoreError when there can be none."""

    def current(self, everything: bool = False) -> Database: ...

    def damage(self) -> str:
        """What is wrong in it, as far as can be told; "" when nothing is. Then it is made again at its next use."""

    def close(self) -> None: ...


def _home(root: str, report: Report | None, where: str) -> Home:
    if where:
        from runner.tracking.index.postgresql import PostgreSQLHome

        return PostgreSQLHome(root, where, report)
    from runner.tracking.index.sqlite import SQLiteHome

    return SQLiteHome(root, report)


class Index:
    """Of a store. Safe to use from threads. `where`: postgresql://..., or "" for SQLite."""

    def __init__(self, root: str, report: Report | None = None, where: str = "") -> None:
        self.home = _home(root, report, where)
        self._lock = RLock()

    @property
    def path(self) -> str:
        return self.home.path

    def close(self) -> None:
        """A large index that is still made in another thread is not waited for: what it has so far is gone on with."""
        if self._lock.acquire(timeout=CLOSING):
            try:
                self.home.close()
            finally:
                self._lock.release()

    def refresh(self, everything: bool = False) -> None:
        """Brings it up to the logs; with `everything`, each log is looked at."""
        with self._lock:
            self.home.current(everything)

    def damage(self) -> str:
        """What was wrong in it, when all of it is looked at; "" when nothing was."""
        with self._lock:
            return self.home.damage()

    def page(
        self,
        wanted: query.Query,
        limit: int,
        start: tuple[int, int] = (0, 0),
        refresh: bool = True,
        budget: query.Budget = query.Budget(),  # noqa: B008  it is immutable
    ) -> tuple[tuple[Run, ...], tuple[int, int] | None]:
        """At most `limit` runs from `start` on (phase, offset), and where the next page starts.

        InputError when the search takes longer than the budget allows.
        """

        def ask(connection: Database) -> tuple[tuple[Run, ...], tuple[int, int] | None]:
            with connection.limited(budget.seconds):
                numbers, after = query.page(connection, wanted, limit, start)
                if not budget.size:
                    return rows.load_many(connection, numbers), after
                runs, count = rows.load_within(connection, numbers, budget.size)
                if count < len(numbers):
                    _, after = query.page(connection, wanted, count, start)
                return runs, after

        return self.ask(ask, refresh)

    def supervised(self) -> tuple[Run, ...]:
        """Those that are RUNNING or SCHEDULED, and supervised, on whatever host."""
        where = "status IN ('RUNNING', 'SCHEDULED') AND host > ''"
        return self.ask(lambda connection: _runs(connection, where))

    def find(self, ref: str) -> tuple[Run, ...]:
        """Runs that are called so, or else whose id starts with `ref`; newest first, 20 at most."""

        def ask(connection: Database) -> tuple[Run, ...]:
            newest = " ORDER BY start_time DESC, run_id LIMIT 20"
            found = _runs(connection, "name = ?" + newest, ref)
            if not found and len(ref) >= 4 and not ref.strip("0123456789abcdef"):
                found = _runs(connection, "run_id >= ? AND run_id < ?" + newest, ref, ref + "g")
            return found

        return self.ask(ask)

    def scope(self, here: Place) -> Scope:
        """Where the project of `here` is: in its folder, also when that had another path, and elsewhere."""
        known = self.ask(rows.known_places)
        found = sorted(one_project(here, known), key=known.__getitem__)
        near = [place for place in found if place.path == here.path != "" or moved(here, place)]
        others = [place for place in found if place not in near]
        return Scope(tuple(known[place] for place in near), tuple(known[place] for place in others))

    def counts(self, scope: Scope) -> dict[Place, int]:
        """How many runs that are not deleted were started at each of these places."""
        sql = "SELECT place, count(*) FROM runs WHERE lifecycle = 'active' GROUP BY place"
        found = self.ask(lambda connection: dict(connection.execute(sql).fetchall()))
        known = self.ask(rows.known_places, refresh=False)
        return {place: found[key] for place, key in known.items() if key in scope.keys and key in found}

    def runs(self, run_ids: Sequence[str]) -> dict[str, Run]:
        """By id, those that are there: without their logs, however long these are."""

        def ask(connection: Database) -> tuple[Run, ...]:
            found: list[Run] = []
            for first in range(0, len(run_ids), 500):
                part = run_ids[first : first + 500]
                found += _runs(connection, f"run_id IN ({', '.join('?' * len(part))})", *part)
            return tuple(found)

        return {run.run_id: run for run in self.ask(ask)} if run_ids else {}

    def problems(self) -> list[tuple[str, int, str]]:
        """Run id (or `e:` and an experiment's), byte and message of what was skipped."""
        sql = "SELECT run_id, position, message FROM problems ORDER BY run_id, position"
        found = self.ask(lambda connection: list(connection.execute(sql)))
        return [(run_id, max(position, 0), message) for run_id, position, message in found]

    def newer(self) -> int:
        """How many runs and experiments are not shown because a newer version of proj wrote them."""
        sql = "SELECT count(*) FROM problems WHERE position = ?"
        return self.ask(
            lambda connection: int(connection.execute(sql, (NEWER,)).fetchone()[0]), refresh=False
        )

    def count(self) -> int:
        return self.ask(lambda connection: int(connection.execute("SELECT count(*) FROM runs").fetchone()[0]))

    def ask(self, question: Callable[[Database], T], refresh: bool = True) -> T:
        """What a question says of the index, after what is new in the logs was read (`refresh`)."""
        with self._lock:
            return self.home.ask(question, refresh)


def _runs(connection: Database, where: str, *bound: str) -> tuple[Run, ...]:
    found = connection.execute(f"SELECT run FROM runs WHERE {where}", bound)  # noqa: S608
    return rows.load_many(connection, [number for (number,) in found])
