"""One chart, as values for a script, as a picture, as CSV, and as a page with a table for those who cannot see it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from runner.protocol.bounds import in_time
from runner.web import charts, colours, series
from runner.web.found import the_runs
from runner.web.render import HEADERS, number, page, streamed, text

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["as_csv", "as_json", "as_svg", "show"]

BANDS = 8  # lines whose least and greatest values are sent; of more, those of spikes
ROWS = 2000  # of the table
PIECE = 64 * 1024  # characters of CSV that are sent at once
SVG = "default-src 'none'; script-src 'none'; style-src 'unsafe-inline'"
ODD = {math.inf: "Infinity", -math.inf: "-Infinity"}


def _lines(request: Request) -> tuple[series.Asked, list[series.Line]]:
    store: Store = request.app.state.site.store
    chart = series.asked(request.query_params)
    runs = the_runs(request)
    return chart, series.lines(store, runs, chart, in_time)


def as_json(request: Request) -> Response:
    """`lines`, as series.Line has them. What is not finite is its name; nothing is there twice."""
    chart, found = _lines(request)
    few = len(found) <= BANDS
    body = {"metric": chart.metric, "x": chart.x, "lines": [_plain(line, few) for line in found]}
    data = json.dumps(body, allow_nan=False, separators=(",", ":"))
    return Response(data, headers=HEADERS, media_type="application/json")


def _plain(line: series.Line, banded: bool) -> dict[str, object]:
    facts: dict[str, object] = {
        "run": line.run_id, "name": line.name, "colour": line.colour, "width": line.width,
        "points": line.points, "members": line.members, "xs": list(line.xs),
    }  # fmt: skip
    if line.width == 1 and line.members == 1:
        return {**facts, "means": _numbers(line.means)}
    means = [float(f"{value:.7g}") for value in line.means]
    facts |= {"means": _numbers(means), "ends": list(line.ends)}
    if banded or line.members > 1:
        names = ("lows", "highs", "lasts")
        return {**facts, **{name: _numbers(getattr(line, name)) for name in names}}
    return {**facts, "spikes": charts.spikes(line)}


def _numbers(values: Sequence[float]) -> list[object]:
    if math.isfinite(sum(values)):
        return list(values)
    return [value if abs(value) < math.inf else ODD.get(value, "NaN") for value in values]


def as_svg(request: Request) -> Response:
    chart, found = _lines(request)
    drawn = charts.chart(chart.metric, found, chart.x, charts.look(request.query_params), in_time)
    body = text("chart.svg", chart=drawn)
    headers = {**HEADERS, "Content-Security-Policy": SVG}
    if request.query_params.get("download"):
        headers["Content-Disposition"] = 'attachment; filename="chart.svg"'
    return Response(body, headers=headers, media_type="image/svg+xml")


def as_csv(request: Request) -> Response:
    """Every point: it is data, and no picture of it."""
    store: Store = request.app.state.site.store
    chart = series.asked(request.query_params)
    runs = the_runs(request)
    return streamed(_csv(store, runs, chart), "chart.csv")


def _csv(store: Store, runs: Sequence[Run], chart: series.Asked) -> Iterator[str]:
    """A piece at a time: of 200 runs it may be gigabytes."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    middle = [] if chart.x == "step" else [chart.x]
    writer.writerow(["run_id", "run", "metric", "step", "time", *middle, "value"])
    for run in runs:
        curves = series.opened(store, run)
        columns, xs = series.columns_of(run, curves, chart)
        curves.close()
        for place, (step, time, value) in enumerate(zip(*columns, strict=True)):
            middle = [] if chart.x == "step" else [repr(xs[place])]
            writer.writerow([run.run_id, run.name, chart.metric, step, time, *middle, repr(value)])
            if file.tell() > PIECE:
                yield file.getvalue()
                file.seek(0)
                file.truncate()
    yield file.getvalue()


def show(request: Request) -> Response:
    """Large, with all that can be chosen, and its values as a table."""
    store: Store = request.app.state.site.store
    chart, runs = series.asked(request.query_params), the_runs(request)
    found = series.lines(store, runs, chart)
    how = charts.look(request.query_params)
    ids = [run.run_id for run in runs]
    return page(
        request, "chart.html", chart=chart, look=how, runs=runs, ids=ids, colours=colours.of(ids),
        state={**charts.state(request.query_params, ids), "metric": chart.metric},
        metrics=series.metrics_of(runs), params=series.params_of(runs),
        lines=[(line, list(_rows(line))) for line in found],
        command=f"proj show {ids[0][:12]}" if len(ids) == 1
        else f"proj compare {' '.join(each[:12] for each in ids)}",
    )  # fmt: skip


def _rows(line: series.Line) -> Iterator[tuple[str, ...]]:
    for place in range(min(len(line.xs), ROWS)):
        first, last = line.xs[place], line.ends[place]
        where = number(first) if first == last else f"{number(first)} to {number(last)}"
        yield where, *(number(column[place]) for column in (line.means, line.lows, line.highs, line.lasts))
