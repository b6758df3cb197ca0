"""The table of runs: what a filter selects, as `proj runs` lists it."""

from __future__ import annotations

from binascii import crc32
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runner.errors import InputError
from runner.protocol.answer import ApiError
from runner.running.reconcile import concluded
from runner.tables import columns, csvfile
from runner.tracking.fold import Run
from runner.tracking.index import summary
from runner.tracking.index.dialect import Database
from runner.tracking.store import Store
from runner.web import views
from runner.web.cells import headings, label_of
from runner.web.indexing import wait
from runner.web.render import HEADERS, page, streamed
from runner.web.state import VIEWS, State, state_of
from runner.web.tables import LIMIT, SPAN, Table, grouped, table

__all__ = ["csv", "names", "rows", "show"]

OFFERED = 40  # columns that can be ticked, of each kind
FOUND = 30  # names that are offered for a word that is begun
DONE = {
    "delete": "deleted", "restore": "restored", "tag": "tagged", "note": "given the note",
}  # fmt: skip


class Offer(NamedTuple):
    kind: str
    names: tuple[tuple[str, str], ...]  # with their labels


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    wait(request)
    state, error, found, many = State(), None, None, None
    try:
        state = state_of(request.query_params)
        if state.group:
            many = grouped(store, state)
        else:
            found = table(store, state)
    except (InputError, ApiError) as problem:
        error = problem
        state = state._replace(q=request.query_params.get("q", "").strip())
    total = found.total if found else many.total if many else 0
    return page(
        request, "runs.html", _status(error),
        state=state, error=error, table=found, grouped=many, views=VIEWS, total=total,
        command=state.command(total, state.column), saved=views.of(store),
        fixed=headings(("name", "status"), state.order), offers=_offers(found, state),
        pages=_pages(state, found), done=_done(request), etag=_etag(found) if found else "",
    )  # fmt: skip


def _status(error: Exception | None) -> int:
    return 200 if error is None else error.status if isinstance(error, ApiError) else 400


def _done(request: Request) -> str:
    """What a form has just done."""
    what, count = request.query_params.get("did", ""), request.query_params.get("n", "")
    if what not in DONE or not count.isdecimal():
        return ""
    return f"{count[:9]} {'run' if count == '1' else 'runs'} {DONE[what]}"


def _pages(state: State, found: Table | None) -> dict[str, str]:
    """Links to the pages before and after this one."""
    if found is None:
        return {}
    links = {}
    if state.start:
        links["First"] = state.link()
        links["Previous"] = state.link(start=max(0, state.start - LIMIT))
    if found.end < found.total and found.end > found.start:
        links["Next"] = state.link(start=found.end)
    return links


def _offers(found: Table | None, state: State) -> list[Offer]:
    """Columns to choose: those that there are already, what these runs have, and all attributes."""
    if found is None:
        return [_offer("shown", state.column)] if state.column else []
    here = [row.run for row in found.rows]
    offers = [_offer("shown", found.names)]
    for kind in ("metrics", "params", "tags"):
        counts = Counter(
            f"{kind}.{key}" for run in here for key in getattr(run, kind) if not key.startswith("mlflow.")
        )
        rest = [name for name, _ in counts.most_common(OFFERED) if name not in found.names]
        offers += [_offer(kind, rest)] if rest else []
    rest = [name for name in columns.ATTRIBUTES if name not in (*found.names, "id", "name", "status")]
    return [*offers, _offer("about the run", rest)]


def _offer(kind: str, names: Sequence[str]) -> Offer:
    return Offer(kind, tuple((name, label_of(name)) for name in names))


def _etag(found: Table) -> str:
    text = f"{found.total} {found.start} " + " ".join(f"{row.run.run_id}{row.key}" for row in found.rows)
    return f'"{crc32(text.encode()):08x}"'


def rows(request: Request) -> Response:
    """Some rows of a table, for a script: only those that are not as in X-Rows, and 304 when all are as they were."""
    store: Store = request.app.state.site.store
    wait(request)
    state = state_of(request.query_params)
    found = table(store, state)
    etag = _etag(found)
    facts = {"ETag": etag, "X-Total": str(found.total), "X-End": str(found.end), **HEADERS}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=facts)
    known = frozenset(request.headers.get("x-rows", "").split(","))
    answer = page(request, "rows.html", state=state, table=found, known=known)
    answer.headers.update({name: facts[name] for name in ("ETag", "X-Total", "X-End")})
    return answer


def names(request: Request) -> Response:
    """Names that have a word in them, those that begin with it first: for columns, filters and groups."""
    store: Store = request.app.state.site.store
    wait(request)
    word = request.query_params.get("q", "")[:200].lower()
    kinds = request.query_params.getlist("kind") or ["metrics", "params", "tags"]
    entity, dot, rest = word.partition(".")
    kinds = [kind for kind in kinds if kind in ("metrics", "params", "tags") and (not dot or kind == entity)]

    def ask(connection: Database) -> list[str]:
        with connection.limited(SPAN.seconds):
            found = chain.from_iterable(
                (f"{kind}.{key}" for key in summary.names(connection, kind)) for kind in kinds
            )
            return _matching((name for name in found if not name.startswith("tags.mlflow.")), word, rest)

    attributes = _matching(columns.ATTRIBUTES, word, word) if "." not in word else []
    return JSONResponse([*attributes, *store.index.ask(ask, False)][:FOUND], headers=HEADERS)


def _matching(found: Iterable[str], word: str, rest: str) -> list[str]:
    first: list[str] = []
    second: list[str] = []
    for name in found:
        low = name.lower()
        if low.startswith(word) or low.partition(".")[2].startswith(rest or word):
            first.append(name)
            if len(first) == FOUND:
                break
        elif len(second) < FOUND and word in low:
            second.append(name)
    return (first + second)[:FOUND]


def csv(request: Request) -> Response:
    """Of all runs that the filter selects: the columns that somebody chose, else all that there are."""
    store: Store = request.app.state.site.store
    wait(request)
    state = state_of(request.query_params)
    chosen: Sequence[str] = table(store, state._replace(start=0), 1).names if state.column else ()
    if not chosen:
        chosen = [name for name in columns.ATTRIBUTES if name != "id"]
        for kind in ("metrics", "params", "tags"):
            keys = store.index.ask(lambda c, kind=kind: list(summary.names(c, kind)), False)  # type: ignore[misc]
            chosen += [f"{kind}.{key}" for key in keys]
    else:
        chosen = [
            "run_id",
            "name",
            "status",
            *(each for each in chosen if each not in ("run_id", "name", "status")),
        ]
    wanted = state.query()
    known = {each.experiment_id: each.name for each in store.experiments("all")}

    def every() -> Iterator[Run]:
        place: tuple[int, int] | None = (0, 0)
        while place is not None:
            found, place = store.index.page(wanted, 500, place, False, SPAN)
            yield from map(concluded, found)

    return streamed(csvfile.lines(every(), chosen, known), "runs.csv")
