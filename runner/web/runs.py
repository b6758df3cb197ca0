"""The table of runs: what a filter selects, as `proj runs` lists it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runner.errors import InputError
from runner.protocol.gate import head_of
from runner.running.reconcile import concluded
from runner.tracking.fold import Run
from runner.web.access import form, visitor
from runner.web.cells import Cell, cell, check, order_of, usual
from runner.web.render import HEADERS, page, query

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["Row", "act", "show"]

LIMIT = 100  # rows of a page
VIEWS = ("active", "deleted", "all")


class Row(NamedTuple):
    run: Run
    cells: tuple[Cell, ...]


class Column(NamedTuple):
    name: str
    label: str
    link: str  # to the same table, sorted by this; "": it cannot be
    arrow: str


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    asked = request.query_params
    state = {
        "q": asked.get("q", "").strip(),
        "order": asked.get("order", ""),
        "view": asked.get("view", "active"),
        "columns": asked.get("columns", ""),
    }
    error = None
    found: tuple[Run, ...] = ()
    after = ""
    try:
        wanted = check([name.strip() for name in state["columns"].split(",") if name.strip()])
        if state["view"] not in VIEWS:
            raise InputError(f"there is no view {state['view']!r}", f"there are {', '.join(VIEWS)}")
        order = [state["order"]] if state["order"] else []
        result = store.search(state["q"], None, order, LIMIT, asked.get("page", ""), state["view"])
        found, after = tuple(map(concluded, result.runs)), result.next_page_token
    except InputError as problem:
        error, wanted = problem, []
    names = wanted or usual(found)
    return page(
        request, "runs.html", 400 if error else 200,
        rows=[Row(run, tuple(cell(run, name) for name in names)) for run in found],
        columns=[_column(name, state) for name in names],
        state=state, error=error, views=VIEWS,
        first=query(state) if asked.get("page") else "",
        next=query(state, page=after) if after else "",
        command=_command(state, wanted),
    )  # fmt: skip


def _column(name: str, state: dict[str, str]) -> Column:
    key = order_of(name)
    label = name.partition(".")[2] or name.replace("_", " ")
    if not key:
        return Column(name, label, "", "")
    up, down = f"{key} ASC", f"{key} DESC"
    arrow = "▲" if state["order"] == up else "▼" if state["order"] == down else ""
    return Column(name, label, query(state, order=down if state["order"] == up else up), arrow)


def _command(state: dict[str, str], columns: list[str]) -> str:
    """What lists the same in a terminal."""
    words = ["proj", "runs", "--all"] if state["view"] == "active" else ["proj", "runs", f"--{state['view']}"]
    words += [state["q"]] if state["q"] else []
    words += ["--order-by", state["order"]] if state["order"] else []
    words += ["--columns", ",".join(columns)] if columns else []
    return shlex.join(words)


async def act(request: Request) -> Response:
    """On the runs that were ticked: compare them, delete them, bring them back, give them a tag."""
    site = request.app.state.site
    fields = await form(request, "compare")
    ids = fields.get("run", [])
    what = fields.get("do", [""])[0]
    if not ids:
        raise InputError("no run was chosen", "tick some of them first")
    if what == "compare":
        return RedirectResponse(f"compare{query({'run': ids})}", 303, HEADERS)
    await run_in_threadpool(_change, site.store, ids, what, fields)
    for run_id in ids:
        site.doorkeeper.changed(visitor(request), head_of(request.scope), f"ui/{what}", run_id)
    return RedirectResponse("./", 303, HEADERS)


def _change(store: Store, ids: list[str], what: str, fields: dict[str, list[str]]) -> None:
    from runner.tracking import events

    if what not in ("delete", "restore", "tag"):
        raise InputError(f"there is nothing called {what!r} to do", "compare, delete, restore, tag")
    key, _, value = fields.get("tag", [""])[0].partition("=")
    if what == "tag" and not key:
        raise InputError("a tag is a name, and a value after =", "team=vision")
    for run_id in ids:
        store.read(run_id)  # it is there
        if what == "delete":
            store.delete_run(run_id)
        elif what == "restore":
            store.restore_run(run_id)
        else:
            with store.open_run(run_id) as writer:
                writer.append(events.tag(key.strip(), value.strip()))
