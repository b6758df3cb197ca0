"""What is done to the runs that were ticked in a table, by a form that needs no script."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runner.errors import InputError
from runner.protocol.bounds import IDS
from runner.protocol.gate import head_of
from runner.tracking import events
from runner.tracking.store import Store
from runner.web.access import form, visitor
from runner.web.render import HEADERS, query
from runner.web.state import State, state_of

__all__ = ["act", "back"]

NOTE = "mlflow.note.content"
LOOKS = ("compare", "why", "base")
CHANGES = ("delete", "restore", "tag", "note")


async def act(request: Request) -> Response:
    """Compare them, pin one as the baseline; delete them, bring them back, give them a tag or a note."""
    site = request.app.state.site
    fields = await form(request, *LOOKS)
    ids = list(dict.fromkeys(fields.get("run", [])))
    what = fields.get("do", [""])[0]
    state = _state(fields)
    if not ids:
        raise InputError("no run was chosen", "tick some of them first")
    IDS.check(len(ids))
    if what == "compare":
        return RedirectResponse(f"compare{query({'run': ids})}", 303, HEADERS)
    if what == "why":
        if len(ids) != 2:
            raise InputError(f"why is asked of two runs, not of {len(ids)}", "tick two of them")
        return RedirectResponse(f"why{query({'run': ids})}", 303, HEADERS)
    if what == "base":
        return RedirectResponse(state.link(base=ids[0], start=state.start), 303, HEADERS)

    def changed(run_id: str) -> None:
        site.doorkeeper.changed(visitor(request), head_of(request.scope), f"ui/{what}", run_id)

    await run_in_threadpool(_change, site.store, ids, what, fields, changed)
    back = state._replace(sel=() if what == "delete" else state.sel).link(start=state.start)
    return RedirectResponse(f"{back}{'&' if '?' in back else '?'}did={what}&n={len(ids)}", 303, HEADERS)


def back(fields: dict[str, list[str]]) -> str:
    """The address of the table that a form was in."""
    state = _state(fields)
    return state.link(start=state.start)


def _state(fields: dict[str, list[str]]) -> State:
    try:
        return state_of(QueryParams(parse_qsl(fields.get("state", [""])[0], max_num_fields=2000)))
    except (InputError, ValueError):
        return State()


def _change(
    store: Store, ids: list[str], what: str, fields: dict[str, list[str]], changed: Callable[[str], None]
) -> None:
    """Nothing is changed unless all the runs are there; `changed` is told of each as soon as it is."""
    if what not in CHANGES:
        raise InputError(f"there is nothing called {what!r} to do", ", ".join((*LOOKS, *CHANGES)))
    key, _, value = fields.get("tag", [""])[0].partition("=")
    if what == "tag" and not key.strip():
        raise InputError("a tag is a name, and a value after =", "team=vision")
    note = fields.get("note", [""])[0].replace("\r\n", "\n")
    for run_id in ids:
        store.read(run_id)  # it is there
    for run_id in ids:
        if what == "delete":
            store.delete_run(run_id)
        elif what == "restore":
            store.restore_run(run_id)
        else:
            with store.open_run(run_id) as writer:
                writer.append(
                    events.tag(NOTE, note) if what == "note" else events.tag(key.strip(), value.strip())
                )
        changed(run_id)
