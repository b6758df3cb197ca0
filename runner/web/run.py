"""One run: what it was, how it ended, its curves, what went in and came out, and how often that was proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runner.errors import ProjError
from runner.protocol.gate import head_of
from runner.tracking import events
from runner.tracking.fold import Run
from runner.web import charts, markdown, run_details, series, uncommitted
from runner.web.access import form, visitor
from runner.web.changes import position
from runner.web.found import children_of, the_run
from runner.web.proof import proofs
from runner.web.render import HEADERS, page
from runner.web.run_details import NOTE

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["note", "show"]

CHARTS = 60  # on one page


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    run = the_run(request)
    after = (
        position(store, run.run_id) if not run.end else 0
    )  # what comes while this is made is sent twice, at worst
    text = run.tags.get(NOTE, "")
    try:
        experiment = store.experiment(run.experiment_id).name
    except ProjError:  # of a store that was copied in part
        experiment = run.experiment_id
    return page(
        request, "run.html", run=run, experiment=experiment, children=children_of(request, run),
        ended=run_details.ended(run), note=text, markdown=markdown.html(text) if text else "",
        charts=_charts(store, run),
        look=charts.look(request.query_params), state=charts.state(request.query_params, [run.run_id]),
        groups=[group for group in run_details.groups(run) if group[1]],
        proofs=[proof for proof, _ in proofs(run)], after=after, changes=uncommitted.changes(store, run),
    )  # fmt: skip


def _charts(store: Store, run: Run) -> list[str]:
    """Metrics that have more than one point."""
    curves = series.opened(store, run)
    names = [name for name in curves.names() if curves.count(name) > 1]
    curves.close()
    return names[:CHARTS]


async def note(request: Request) -> Response:
    """Writes the note of a run."""
    fields = await form(request)
    store: Store = request.app.state.site.store

    def write() -> str:
        run = the_run(request)
        with store.open_run(run.run_id) as writer:
            writer.append(events.tag(NOTE, fields.get("note", [""])[0].replace("\r\n", "\n")))
        return run.run_id

    run_id = await run_in_threadpool(write)
    keeper = request.app.state.site.doorkeeper
    keeper.changed(visitor(request), head_of(request.scope), "ui/note", run_id)
    return RedirectResponse(f"../{run_id}", 303, HEADERS)
