"""How often a run was made again, with what came of it: each verdict with its report."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from runner.host.files import read
from runner.tracking.events import Facts
from runner.tracking.fold import Run
from runner.web.found import the_run
from runner.web.render import number, page

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["Proof", "proofs", "show"]

FOLDER = "verifications"
LARGEST = 4 << 20  # bytes of a report
ROWS = 500  # of what was compared


class Comparison(NamedTuple):
    what: str
    old: str
    new: str
    allowed: str
    result: str
    detail: str


class Proof(NamedTuple):
    verdict: str
    cause: str
    run_ids: tuple[str, ...]
    time: int = 0  # ms since the epoch; 0: the report is not here
    causes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    hint: str = ""
    rows: tuple[Comparison, ...] = ()  # what differs first


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    run = the_run(request)
    directory = store.run_directory(run.run_id)
    found = [_with_report(each, facts, directory) for each, facts in proofs(run)]
    return page(request, "proof.html", run=run, proofs=found)


def proofs(run: Run) -> list[tuple[Proof, Facts]]:
    """The latest first, each with its event."""
    found = []
    for facts in reversed(run.verifications):
        ids = facts.get("run_ids")
        run_ids = tuple(map(str, ids)) if isinstance(ids, list) else ()
        found.append((Proof(str(facts.get("verdict", "")), str(facts.get("cause") or ""), run_ids), facts))
    return found


def _with_report(proof: Proof, facts: Facts, directory: str) -> Proof:
    name = os.path.basename(str(facts.get("report", "")))
    try:
        report = json.loads(read(os.path.join(directory, FOLDER, name), LARGEST)) if name else {}
    except (OSError, ValueError, RecursionError):
        report = {}
    if not isinstance(report, dict):
        return proof
    rows = [_row(each) for each in _list(report, "compared") if isinstance(each, dict)]
    rows.sort(key=lambda row: row.result in ("identical", "within-tolerance"))
    time = report.get("time")
    causes = [each for each in _list(report, "causes") if isinstance(each, dict)]
    return proof._replace(
        time=time if isinstance(time, int) else 0,
        causes=tuple(f"{each.get('kind', '')}: {each.get('text', '')}" for each in causes),
        notes=tuple(map(str, _list(report, "notes"))),
        hint=str(report.get("hint") or ""),
        rows=tuple(rows[:ROWS]),
    )  # fmt: skip


def _list(report: Facts, name: str) -> list[Any]:
    found = report.get(name)
    return found if isinstance(found, list) else []


def _row(facts: Facts) -> Comparison:
    def text(name: str) -> str:
        value = facts.get(name)
        return "" if value is None else number(value)[:200]

    what = f"{text('kind')} {text('name')}".strip()
    return Comparison(what, text("old"), text("new"), text("tolerance"), text("result"), text("detail"))
