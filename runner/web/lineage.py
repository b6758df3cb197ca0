"""Where a run's inputs came from, and who went on with what it made: found by digest, whatever the files are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from runner.running.reconcile import concluded
from runner.tracking.fold import Run
from runner.tracking.index import lineage, summary
from runner.tracking.index.dialect import Database
from runner.tracking.index.summary import Shared
from runner.web.found import the_run
from runner.web.indexing import wait
from runner.web.render import page
from runner.web.tables import SPAN

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["show"]

MOST = 500  # files of each side
NONE = Shared((), 0)


class Thing(NamedTuple):
    """A file that went in or came out."""

    path: str
    digest: str
    runs: tuple[tuple[Run, str], ...]  # that made it, or used it; and what it is called there
    more: int  # of them


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    wait(request)
    run = the_run(request)
    went_in, came_out = list(lineage.used(run)), list(lineage.made(run))

    def ask(connection: Database) -> tuple[dict[str, Shared], ...]:
        with connection.limited(SPAN.seconds):
            return tuple(
                summary.sharing(connection, way, [digest for _, digest in pairs[:MOST] if digest], run.run_id)
                for way, pairs in ((lineage.OUT, went_in), (lineage.IN, came_out))
            )

    made, used = store.index.ask(ask)
    linked = {str(each.get("run_id", "")): str(each.get("relation", "")) for each in run.links}
    ids = [run_id for found in (made, used) for each in found.values() for run_id, _ in each.runs]
    known = store.index.runs(list(dict.fromkeys((*ids, *filter(None, linked), run.parent))))
    links = [(relation, known.get(run_id), run_id) for run_id, relation in linked.items() if run_id]
    models = [str(each.get("model_id")) for each in run.links if each.get("model_id")]
    return page(
        request, "lineage.html", run=run, before=_things(went_in, made, known), after=_things(came_out, used, known),
        links=links, models=models, parent=known.get(run.parent),
        left=(max(0, len(went_in) - MOST), max(0, len(came_out) - MOST)),
    )  # fmt: skip


def _things(
    pairs: Iterable[tuple[str, str]], sharing: Mapping[str, Shared], known: Mapping[str, Run]
) -> list[Thing]:
    found = []
    for path, digest in list(pairs)[:MOST]:
        shared = sharing.get(digest, NONE)
        there = tuple((concluded(known[run_id]), name) for run_id, name in shared.runs if run_id in known)
        found.append(Thing(path, digest, there, shared.total - len(shared.runs)))
    return found
