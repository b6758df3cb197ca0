"""What goes on in a store, an experiment or a project: what is on, what failed, what was not reproducible, the best."""

from __future__ import annotations

import time
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runner.errors import InputError, StoreError
from runner.protocol import bounds
from runner.protocol.answer import ApiError
from runner.protocol.gate import head_of
from runner.running.reconcile import concluded
from runner.tables import columns
from runner.tracking import notes
from runner.tracking.fold import Run
from runner.tracking.index import query, summary
from runner.tracking.index.dialect import Database
from runner.tracking.index.query import Query
from runner.tracking.index.summary import Tally
from runner.tracking.store import Store
from runner.web import spark, views
from runner.web.access import form, visitor
from runner.web.best import Best, best, is_greater_better
from runner.web.indexing import wait
from runner.web.log import Line, last_lines
from runner.web.markdown import html
from runner.web.render import HEADERS, page
from runner.web.spark import Spark
from runner.web.tables import LIMIT, SPAN

__all__ = ["experiment", "note", "project", "project_note", "show"]

NOTE = "mlflow.note.content"
LIVE = 12  # runs that are shown
LONGEST = 500  # rows of a list
OFFERED = 30  # metrics
FAILED = "status IN ('FAILED', 'KILLED')"
NOT_AGAIN = "verdict IN ('different', 'cannot-run')"


class Count(NamedTuple):
    label: str
    size: int
    q: str  # selects them
    kind: str  # good, bad, live or ""


class Listed(NamedTuple):
    name: str
    address: str
    size: int
    running: int
    latest: int  # ms; 0: none


class Subject(NamedTuple):
    """Whose overview it is."""

    title: str
    scope: str = ""  # filter that selects its runs
    place: str = ""  # experiments/<id>, projects?name=...: it has a note, and views can be pinned to it
    project: str = ""
    note: str = ""
    experiments: tuple[Listed, ...] = ()
    projects: tuple[Listed, ...] = ()


class Live(NamedTuple):
    """A run that is on."""

    run: Run
    spark: Spark | None
    line: Line | None  # the last one that it wrote


class Facts(NamedTuple):
    counts: tuple[Count, ...]
    verdicts: tuple[tuple[str, int], ...]
    live: tuple[Live, ...]
    best: Best | None
    metrics: tuple[str, ...]
    q: str


def show(request: Request) -> Response:
    """Of the whole store: its experiments and projects."""
    store: Store = request.app.state.site.store
    wait(request)

    def ask(connection: Database) -> tuple[dict[str, Tally], ...]:
        on = Query(bounds.clauses("status = 'RUNNING'"))
        with connection.limited(SPAN.seconds):
            return tuple(
                summary.tally(connection, wanted, column)
                for column in ("experiment_id", "project") for wanted in (Query(), on)
            )  # fmt: skip

    by_experiment, on_by_experiment, by_project, on_by_project = store.index.ask(ask)
    experiments = [
        _listed(
            each.name,
            f"experiments/{each.experiment_id}",
            each.experiment_id,
            by_experiment,
            on_by_experiment,
        )
        for each in store.experiments()
    ]
    projects = [
        _listed(name, "", name, by_project, on_by_project) for name in by_project if name
    ]  # fmt: skip
    return _page(request, Subject("Overview", experiments=_newest(experiments), projects=_newest(projects)))


def _listed(name: str, address: str, key: str, sizes: dict[str, Tally], on: dict[str, Tally]) -> Listed:
    found, running = sizes.get(key, Tally(0, 0)), on.get(key, Tally(0, 0))
    return Listed(name, address, found.size, running.size, found.latest)


def _newest(found: list[Listed]) -> tuple[Listed, ...]:
    return tuple(sorted(found, key=lambda each: -each.latest)[:LONGEST])


def experiment(request: Request) -> Response:
    store: Store = request.app.state.site.store
    wait(request)
    experiment_id = request.path_params["experiment_id"]
    try:
        found = store.experiment(experiment_id)
    except StoreError as problem:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", problem.message) from None
    scope, place = f"experiment_id = '{found.experiment_id}'", f"experiments/{found.experiment_id}"
    return _page(request, Subject(found.name, scope, place, note=found.tags.get(NOTE, "")))


def project(request: Request) -> Response:
    wait(request)
    name = request.query_params.get("name", "")
    quoted = name.replace("'", "''")
    store: Store = request.app.state.site.store
    place = f"projects?{urlencode({'name': name})}" if name else ""
    note = notes.of_project(store.root, name) if name else ""
    return _page(request, Subject(name or "no project", f"project = '{quoted}'", place, name, note))


def _page(request: Request, subject: Subject) -> Response:
    store: Store = request.app.state.site.store
    asked = request.query_params
    facts = _facts(store, subject.scope, asked.get("metric", ""), asked.get("best", ""))
    pins = views.of(store, subject.place) if subject.place else []
    saved = [] if subject.scope else views.of(store)
    return page(
        request, "overview.html",
        subject=subject, facts=facts, pins=pins, saved=saved, prose=html(subject.note),
    )  # fmt: skip


def _facts(store: Store, scope: str, metric: str, way: str) -> Facts:
    today = int(time.mktime((*time.localtime()[:3], 0, 0, 0, 0, 0, -1)) * 1000)
    wanted = {
        "running": ("status IN ('RUNNING', 'SCHEDULED')", "live"),
        "failed today": (f"{FAILED} and end_time >= {today}", "bad"),
        "not reproducible": (NOT_AGAIN, "bad"),
        "runs": ("", ""),
    }
    filters = {name: _both(scope, text) for name, (text, _) in wanted.items()}
    whole = Query(bounds.clauses(scope))
    newest = store.index.page(whole, LIMIT, (0, 0), True, SPAN)[0]
    live = store.index.page(Query(bounds.clauses(filters["running"])), LIVE, (0, 0), False, SPAN)[0]
    metrics = tuple(
        name.partition(".")[2] for name in columns.telling(newest, OFFERED) if name.startswith("metrics.")
    )
    metric = metric or next(iter(metrics), "")
    greater = way == "greatest" or (way != "least" and is_greater_better(metric))

    def ask(connection: Database) -> tuple[dict[str, int], dict[str, Tally], list[tuple[int, float, str]]]:
        with connection.limited(SPAN.seconds):
            sizes = {
                name: query.count(connection, Query(bounds.clauses(text))) for name, text in filters.items()
            }
            verdicts = summary.tally(connection, whole, "verdict")
            return sizes, verdicts, summary.best(connection, whole, metric) if metric else []

    sizes, verdicts, points = store.index.ask(ask, False)
    counts = tuple(
        Count(name, sizes[name], filters[name], kind if sizes[name] else "")
        for name, (_, kind) in wanted.items()
    )
    ordered = sorted(verdicts.items(), key=lambda each: (each[0] == "", -each[1].size))
    return Facts(
        counts, tuple((name, each.size) for name, each in ordered), tuple(_live(store, run) for run in live),
        best(metric, points, greater), metrics, scope,
    )  # fmt: skip


def _live(store: Store, run: Run) -> Live:
    line = last_lines(store.run_directory(run.run_id), 1)
    return Live(concluded(run), spark.of(store, run), line[-1] if line else None)


def _both(first: str, second: str) -> str:
    return " and ".join(filter(None, (first, second)))


async def project_note(request: Request) -> Response:
    """Writes the note of a project."""
    site = request.app.state.site
    fields = await form(request)
    name, text = (fields.get(field, [""])[0] for field in ("name", "note"))
    if not name:
        raise InputError("a note is of a project", "projects?name=...")
    text = text.replace("\r\n", "\n")
    await run_in_threadpool(notes.write, site.store.root, name, text, site.store.secrets)
    site.doorkeeper.changed(visitor(request), head_of(request.scope), "ui/note", f"project {name}")
    return RedirectResponse(f"../projects?{urlencode({'name': name})}", 303, HEADERS)


async def note(request: Request) -> Response:
    """Writes the note of an experiment."""
    site = request.app.state.site
    fields = await form(request)
    experiment_id = request.path_params["experiment_id"]
    visitor(request).role.write_experiment(experiment_id)
    text = fields.get("note", [""])[0].replace("\r\n", "\n")

    def write() -> None:
        site.store.experiment(experiment_id)  # it is there
        site.store.tag_experiment(experiment_id, NOTE, text)

    await run_in_threadpool(write)
    site.doorkeeper.changed(
        visitor(request), head_of(request.scope), "ui/note", f"experiment {experiment_id}"
    )
    return RedirectResponse(f"../{experiment_id}", 303, HEADERS)
