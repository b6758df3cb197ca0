"""How people name a run: an id or its beginning, a name, `last`, `last~2`, `best:metrics.rmse`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from runner.errors import InputError

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.index.places import Scope
    from runner.tracking.index.projection import Index

__all__ = ["Searched", "check_name", "resolve"]

LIST = "proj runs  lists them"
OTHERS = "proj runs --all  lists those of other projects, too"
NO_STEP = "tags.`mlflow.parentRunId` IS NULL"


class Found(Protocol):
    @property
    def runs(self) -> tuple[Run, ...]: ...

    @property
    def next_page_token(self) -> str: ...


class Searched(Protocol):
    """A store, as far as it is needed here."""

    @property
    def index(self) -> Index: ...

    def search(
        self,
        filter: str = "",  # noqa: A002
        /,
        *,
        order_by: Sequence[str] = (),
        limit: int = 100,
        page_token: str = "",
        places: Sequence[str] | None = None,
    ) -> Found: ...


def resolve(store: Searched, ref: str, scope: Scope | None = None) -> str:
    """InputError when no run, or more than one, is meant. `scope`: of the project that is meant; None: of all."""
    if match := re.fullmatch(r"last(?:~(\d+))?", ref):
        return _last(store, scope, int(match[1] or 0))
    if ref.startswith("best:"):
        return _best(store, scope, ref)
    found = store.index.find(ref)
    if len(found) > 1:
        active = tuple(run for run in found if run.lifecycle == "active")
        found = active if len(active) == 1 else found
    if len(found) > 1 and scope is not None:
        from runner.tracking.index.places import key, of_run

        own = tuple(run for run in found if key(of_run(run)) in scope.keys)
        found = own if len(own) == 1 else found
    if len(found) == 1:
        return found[0].run_id
    if not found:
        raise InputError(f"no run is called {ref!r}", LIST)
    lines = "\n".join(f"  {run.run_id}  {run.name}  {run.status}" for run in found)
    more = " (and more)" if len(found) == 20 else ""
    raise InputError(f"{ref!r} may be one of these{more}:\n{lines}", "give more of the id")


def check_name(name: str) -> None:
    """InputError for a name that means another run as soon as it is typed."""
    if re.fullmatch(r"last(~\d+)?|best:.*", name, re.DOTALL):
        what = "the last run" if name.startswith("last") else "the run with the best metric"
        raise InputError(f"a run cannot be called {name!r}: that means {what}", "take another name")


def _last(store: Searched, scope: Scope | None, back: int) -> str:
    """By start: of those that ran in this folder, then of the project's others.

    Steps of a run are not meant: what was typed is the run that they are in.
    """
    seen = 0
    for places in (None,) if scope is None else (scope.near, scope.others):
        token, more = "", places is None or bool(places)
        while more:
            limit = min(1000, back - seen + 1)
            page = store.search(NO_STEP, limit=limit, page_token=token, places=places)
            seen, token = seen + len(page.runs), page.next_page_token
            if seen > back:
                return page.runs[-1].run_id
            more = bool(token)
    only = "there is only one run" if seen == 1 else f"there are only {seen} runs"
    raise InputError(only if seen else none(scope), LIST if scope is None else OTHERS)


def _best(store: Searched, scope: Scope | None, ref: str) -> str:
    key = ref[len("best:") :]
    greatest = key.startswith("-")
    key = key.removeprefix("-")
    if key in ("", "metrics.", "metric."):
        hint = "best:metrics.rmse  is the least, best:-metrics.acc  the greatest"
        raise InputError(f"{ref!r} names no metric", hint)
    if not key.startswith(("metrics.", "metric.")):
        key = f"metrics.`{key}`"
    places = None if scope is None else scope.keys
    page = store.search(order_by=[f"{key} {'DESC' if greatest else 'ASC'}"], limit=1, places=places)
    name = key.partition(".")[2].strip('`"')
    if not page.runs or not _has(page.runs[0], name):
        whose = "no run" if scope is None else "no run of this project"
        raise InputError(f"{whose} has the metric {name!r}", LIST if scope is None else OTHERS)
    return page.runs[0].run_id


def none(scope: Scope | None) -> str:
    return "there is no run yet" if scope is None else "there is no run of this project yet"


def _has(run: Run, key: str) -> bool:
    return key in run.metrics and run.metrics[key].value == run.metrics[key].value
