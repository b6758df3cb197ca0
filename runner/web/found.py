"""The runs that an address names: from the index where there is one, since a log may be as long as it likes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request

from runner.errors import InputError
from runner.protocol.answer import ApiError
from runner.running.reconcile import concluded
from runner.tracking.fold import Run
from runner.web.indexing import ready

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["MOST", "children_of", "the_run", "the_runs"]

MOST = 200  # runs in one chart
CHILDREN = 200


def the_run(request: Request) -> Run:
    """By its id, or whatever else names a run on the command line. ApiError when there is none."""
    try:
        return _read(request, [request.path_params["run_id"]])[0]
    except InputError as problem:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", problem.message) from None


def the_runs(request: Request, most: int = MOST) -> list[Run]:
    """Those in the query. InputError for a name that is of no run."""
    refs = request.query_params.getlist("run")
    if not 1 <= len(refs) <= most:
        raise InputError(f"1 to {most} runs can be drawn", "tick them in the table of runs")
    return _read(request, refs)


def _read(request: Request, refs: Sequence[str]) -> list[Run]:
    store: Store = request.app.state.site.store
    ids = list(dict.fromkeys(map(store.resolve, refs)))
    known = store.index.runs(ids) if ready(request) else {}
    return [concluded(known.get(run_id) or store.read(run_id)) for run_id in ids]


def children_of(request: Request, run: Run) -> list[Run]:
    """The runs in it, in the order in which they began; none while the index is made for the first time."""
    store: Store = request.app.state.site.store
    if not ready(request):
        return []
    found = store.search(f"parent = '{run.run_id}'", None, ["start_time ASC"], CHILDREN)
    return list(map(concluded, found.runs))
