"""Runs side by side: what differs, their curves over each other; of two runs also why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from runner.errors import InputError
from runner.running.reconcile import concluded
from runner.text import units
from runner.tracking.curves import Curves
from runner.tracking.fold import Run
from runner.web.charts import Chart, chart
from runner.web.render import number, page

if TYPE_CHECKING:
    from runner.reproduction.verdict.difference import Difference
    from runner.tracking.store import Store

__all__ = ["show"]

MOST = 50  # runs
CHARTS = 30
LINES = 5000  # of a patch
COLOURS = 10  # classes of app.css


class Row(NamedTuple):
    group: str
    key: str
    values: tuple[str, ...]
    differs: bool


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    refs = request.query_params.getlist("run")
    if not 2 <= len(refs) <= MOST:
        raise InputError(f"2 to {MOST} runs can be compared", "tick them in the table of runs")
    runs = [concluded(store.read(store.resolve(ref))) for ref in dict.fromkeys(refs)]
    everything = bool(request.query_params.get("all"))
    rows = [row for row in _rows(runs) if row.differs or everything]
    return page(
        request, "compare.html", runs=runs, rows=rows, everything=everything,
        colours=[place % COLOURS for place in range(len(runs))], charts=_charts(store, runs),
        why=_why(store, runs) if len(runs) == 2 else None,
        most=LINES, state={"run": [run.run_id for run in runs]},
        command="proj compare " + " ".join(run.run_id[:12] for run in runs),
    )  # fmt: skip


def _rows(runs: Sequence[Run]) -> list[Row]:
    groups: list[tuple[str, Callable[[Run], Mapping[str, Any]]]] = [
        ("run", _run),
        ("parameters", lambda run: run.params),
        ("metrics", lambda run: {key: metric.value for key, metric in run.metrics.items()}),
        ("inputs", _inputs),
        ("tags", lambda run: {key: value for key, value in run.tags.items() if not key.startswith("mlflow.")}),
    ]  # fmt: skip
    found = []
    for group, of in groups:
        facts = [of(run) for run in runs]
        for key in dict.fromkeys(key for each in facts for key in each):
            values = [each.get(key) for each in facts]
            shown = tuple("" if value is None else number(value) for value in values)
            found.append(Row(group, key, shown, len({repr(value) for value in values}) > 1))
    return found


def _run(run: Run) -> dict[str, object]:
    code = run.sections.get("code", {})
    return {
        "status": run.status,
        "took": units.duration(run.duration),
        "project": run.project,
        "entry point": run.entry_point,
        "commit": str(code.get("commit", ""))[:12],
        "snapshot": str(code.get("tree", ""))[:12],
    }


def _inputs(run: Run) -> dict[str, str]:
    return {str(each.get("path") or each.get("uri")): str(each.get("digest", ""))[:19] for each in run.inputs}


def _charts(store: Store, runs: Sequence[Run]) -> list[Chart]:
    curves = []
    for run in runs:
        found = Curves(store.run_directory(run.run_id))
        found.refresh(ended=bool(run.end))
        curves.append(found)
    known = [set(each.names()) for each in curves]
    names = dict.fromkeys(name for each in curves for name in each.names())
    drawn: list[Chart] = []
    for name in names:
        if len(drawn) == CHARTS:
            break
        lines = [
            (run.name, place % COLOURS, each.curve(name))
            for place, (run, each) in enumerate(zip(runs, curves, strict=True))
            if name in known[place]
        ]
        if any(len(curve.steps) > 1 for _, _, curve in lines):
            drawn.append(chart(name, lines))
    return drawn


def _why(store: Store, runs: Sequence[Run]) -> Difference:
    from runner.reproduction.verdict.difference import between
    from runner.running.recorded import of

    return between(of(store, runs[0]), of(store, runs[1]))
