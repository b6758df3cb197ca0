"""Runs side by side: what differs, their curves over each other; of two runs also why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from runner.errors import InputError
from runner.text import units
from runner.tracking.fold import Run
from runner.web import charts, colours, series
from runner.web.render import number, page

if TYPE_CHECKING:
    from runner.reproduction.verdict.difference import Difference
    from runner.tracking.store import Store

__all__ = ["show"]

MOST = 200  # runs
CHARTS = 30
LINES = 5000  # of a patch


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
    runs = series.runs_of(store, refs)
    ids = [run.run_id for run in runs]
    metrics = series.metrics_of(runs)
    everything = bool(request.query_params.get("all"))
    rows = [row for row in _rows(runs) if row.differs or everything]
    return page(
        request, "compare.html", runs=runs, rows=rows, everything=everything,
        colours=colours.of(ids), charts=[name for name in metrics if _drawn(name, runs)][:CHARTS],
        metrics=metrics, params=series.params_of(runs),
        look=charts.look(request.query_params),
        why=_why(store, runs) if len(runs) == 2 else None,
        most=LINES, state=charts.state(request.query_params, ids),
        command="proj compare " + " ".join(run.run_id[:12] for run in runs),
    )  # fmt: skip


def _drawn(name: str, runs: Sequence[Run]) -> bool:
    """A metric that was logged once, at the beginning, is a number and no line."""
    return any(run.metrics[name].step != 0 for run in runs if name in run.metrics)


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


def _why(store: Store, runs: Sequence[Run]) -> Difference:
    from runner.reproduction.verdict.difference import between
    from runner.running.recorded import of

    return between(of(store, runs[0]), of(store, runs[1]))
