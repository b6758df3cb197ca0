"""Where a run's inputs came from, and who went on with what it made: found by digest, whatever the files are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from runner.tracking.events import Facts
from runner.tracking.fold import Run
from runner.web.found import the_run
from runner.web.render import page

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["show"]

LOOKED_AT = 2000  # runs, the latest


class Thing(NamedTuple):
    """A file that went in or came out."""

    path: str
    digest: str
    runs: tuple[tuple[Run, str], ...]  # that made it, or used it; and what it is called there


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    run = the_run(request)
    around = store.search("", None, ["start_time DESC"], LOOKED_AT).runs
    others = [each for each in around if each.run_id != run.run_id]
    made, used = _by_digest(others, _made), _by_digest(others, _used)
    before = [_thing(path, digest, made) for path, digest in _used(run)]
    after = [_thing(path, digest, used) for path, digest in _made(run)]
    linked = {str(each.get("run_id", "")): str(each.get("relation", "")) for each in run.links}
    names = {each.run_id: each for each in others}
    links = [(relation, names.get(run_id), run_id) for run_id, relation in linked.items() if run_id]
    models = [str(each.get("model_id")) for each in run.links if each.get("model_id")]
    return page(
        request, "lineage.html", run=run, before=before, after=after, links=links, models=models,
        parent=names.get(run.parent), looked_at=len(around), most=LOOKED_AT,
    )  # fmt: skip


def _used(run: Run) -> Iterable[tuple[str, str]]:
    for facts in (*run.inputs, *run.datasets):
        yield _pair(str(facts.get("path") or facts.get("uri") or facts.get("name", "")), facts)


def _made(run: Run) -> Iterable[tuple[str, str]]:
    found = {str(facts.get("path") or facts.get("uri", "")): facts for facts in run.outputs}
    for path, facts in {**run.artifacts, **found}.items():
        yield _pair(path, facts)


def _pair(path: str, facts: Facts) -> tuple[str, str]:
    return path, str(facts.get("digest") or "")


def _by_digest(
    runs: Iterable[Run], files: Callable[[Run], Iterable[tuple[str, str]]]
) -> dict[str, list[tuple[Run, str]]]:
    found: dict[str, list[tuple[Run, str]]] = {}
    for run in runs:
        for path, digest in files(run):
            if digest:
                found.setdefault(digest, []).append((run, path))
    return found


def _thing(path: str, digest: str, known: Mapping[str, list[tuple[Run, str]]]) -> Thing:
    return Thing(path, digest, tuple(known.get(digest, ())[:20]) if digest else ())
