"""What a chart is drawn from: the points of a metric, or buckets of them, over steps, time or another metric.

Plain values: the server draws them as SVG, sends them as JSON to the page's script, and writes them as CSV.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from runner.errors import InputError
from runner.tracking.curves import MOST, Columns, Curve, Curves, thin
from runner.tracking.fold import Run
from runner.web import colours

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from runner.tracking.store import Store

__all__ = [
    "Asked",
    "Line",
    "asked",
    "columns_of",
    "lines",
    "means",
    "metrics_of",
    "opened",
    "params_of",
]

_reading = Lock()  # a log of a million points takes its memory: one after the other
AXES = ("step", "time", "relative")
LEAST = 16  # buckets
NAN = float("nan")


class Asked(NamedTuple):
    """Of one chart."""

    metric: str
    x: str = "step"  # time: ms since the epoch; relative: s since the run began; metrics.NAME
    first: float | None = None  # in the unit of x, both included
    last: float | None = None
    most: int = 600  # buckets
    group: str = ""  # params.NAME or tags.NAME: runs with the same value are one, with a mean


class Line(NamedTuple):
    """`width` neighbouring points are a bucket; at width 1 `means` are the points, and lows, highs, lasts too."""

    run_id: str
    name: str
    colour: int  # class of chart.css
    width: int
    points: int  # in the range
    xs: Sequence[float]  # of first points
    ends: Sequence[float]  # of last points
    means: Sequence[float]  # NaN: none of them is finite
    lows: Sequence[float]
    highs: Sequence[float]
    lasts: Sequence[float]
    members: int = 1  # runs, of which it is the mean ± standard deviation


def asked(given: QueryParams | Mapping[str, str], metric: str = "") -> Asked:
    """InputError for what is no chart."""
    x = given.get("x") or "step"
    if x not in AXES and not x.startswith("metrics."):
        raise InputError(f"there is no axis {x!r}", "step, time, relative, metrics.NAME")
    group = given.get("group") or ""
    if group and not group.startswith(("params.", "tags.")):
        raise InputError(f"runs cannot be grouped by {group!r}", "params.NAME, tags.NAME")
    most = given.get("most") or ""
    buckets = int(most) if most.isdecimal() and len(most) < 6 else 600
    return Asked(
        metric or given.get("metric") or "", x, _number(given.get("first")), _number(given.get("last")),
        min(max(buckets, LEAST), MOST), group,
    )  # fmt: skip


def _number(text: str | None) -> float | None:
    try:
        found = float(text) if text else None
    except ValueError:
        raise InputError(f"{text!r} is no end of an axis", "a number") from None
    return found if found is not None and math.isfinite(found) else None


def opened(store: Store, run: Run) -> Curves:
    """The charts of a page ask for the same runs at once: one of them reads the log, the others what that one wrote."""
    with _reading:
        found = Curves(store.run_directory(run.run_id))
        found.refresh(ended=bool(run.end))
    return found


def lines(
    store: Store, runs: Sequence[Run], chart: Asked, each: Callable[[Sequence[Run]], Iterable[Run]] = iter
) -> list[Line]:
    """Runs that have the metric; with `group`, their means follow them. `each`: gives them, and may end that."""
    classes = colours.of([run.run_id for run in runs])
    found: list[Line] = []
    members: dict[str, list[Line]] = {}
    for run, colour in zip(each(runs), classes, strict=True):
        curves = opened(store, run)
        line = _line(run, colour, curves, chart)
        curves.close()
        if line is not None:
            found.append(line)
            entity, _, key = chart.group.partition(".")
            value = (run.params if entity == "params" else run.tags).get(key) if key else None
            members.setdefault("none" if value is None else str(value), []).append(line)
    return [*found, *(means(members) if chart.group else ())]


def _line(run: Run, colour: int, curves: Curves, chart: Asked) -> Line | None:
    if chart.metric not in curves.names():
        return None
    if chart.x == "step" and chart.first is None and chart.last is None:
        curve = curves.curve(chart.metric, most=chart.most)
        points = curves.count(chart.metric)
        return _of(run, colour, curve, curve.steps, curve.ends, points)
    found, xs = columns_of(run, curves, chart)
    curve = thin(found, chart.most)
    count, width = len(xs), curve.width
    last = [min(at + width, count) - 1 for at in range(0, count, width)]
    return _of(run, colour, curve, xs[::width], [xs[at] for at in last], count)


def columns_of(run: Run, curves: Curves, chart: Asked) -> tuple[Columns, Sequence[float]]:
    """Every point in the range, with its place on the axis."""
    found = curves.columns(chart.metric)
    if chart.x == "step":
        steps = found.steps
        start = 0 if chart.first is None else bisect_left(steps, chart.first)
        end = len(steps) if chart.last is None else bisect_right(steps, chart.last)
        return found.part(start, end), steps[start:end]
    if chart.x.startswith("metrics."):
        other = curves.columns(chart.x.partition(".")[2])
        at = dict(zip(other.steps, other.values, strict=True))  # of several at one step the last
        kept = [place for place, step in enumerate(found.steps) if math.isfinite(at.get(step, NAN))]
        xs: Sequence[float] = [at[found.steps[place]] for place in kept]
        found = _chosen(found, kept)
    else:
        start_time = run.start_time if chart.x == "relative" else 0
        unit = 1000 if chart.x == "relative" else 1
        xs = [(time - start_time) / unit for time in found.times]
    low = -math.inf if chart.first is None else chart.first
    high = math.inf if chart.last is None else chart.last
    kept = [place for place, x in enumerate(xs) if low <= x <= high]
    if len(kept) == len(xs):
        return found, xs
    return _chosen(found, kept), [xs[place] for place in kept]


def _chosen(columns: Columns, kept: Sequence[int]) -> Columns:
    return Columns(
        array("q", (columns.steps[at] for at in kept)),
        array("q", (columns.times[at] for at in kept)),
        array("d", (columns.values[at] for at in kept)),
    )


def _of(run: Run, colour: int, curve: Curve, xs: Sequence[float], ends: Sequence[float], points: int) -> Line:
    return Line(
        run.run_id, run.name or run.run_id[:12], colour, curve.width, points, xs, ends,
        curve.means, curve.lows, curve.highs, curve.lasts,
    )  # fmt: skip


def means(groups: Mapping[str, Sequence[Line]]) -> list[Line]:
    """Of each group at each place of one of its runs: the mean of those that reach there ± their standard deviation."""
    found = []
    for label, members in groups.items():
        grid = sorted({_middle(line, at) for line in members for at in range(len(line.xs))})
        if len(grid) > MOST:
            grid = grid[:: math.ceil(len(grid) / MOST)]
        columns = [_at(line, grid) for line in members]
        rows = [[value for value in row if math.isfinite(value)] for row in zip(*columns, strict=True)]
        middle = [sum(row) / len(row) if row else NAN for row in rows]
        spread = [
            math.hypot(*(value - mean for value in row)) / math.sqrt(len(row) - 1) if len(row) > 1 else 0.0
            for row, mean in zip(rows, middle, strict=True)
        ]
        found.append(Line(
            "", label, members[0].colour, 1, len(grid), grid, grid, middle,
            [mean - width for mean, width in zip(middle, spread, strict=True)],
            [mean + width for mean, width in zip(middle, spread, strict=True)],
            middle, len(members),
        ))  # fmt: skip
    return found


def _middle(line: Line, at: int) -> float:
    return line.xs[at] / 2 + line.ends[at] / 2  # their sum may be none


def _at(line: Line, grid: Sequence[float]) -> list[float]:
    """Its values there, between two points in a straight line; NaN before its first and after its last point."""
    xs = [_middle(line, at) for at in range(len(line.xs))]
    ordered = sorted(range(len(xs)), key=xs.__getitem__)
    xs, ys = [xs[at] for at in ordered], [line.means[at] for at in ordered]
    found = []
    for x in grid:
        at = bisect_left(xs, x)
        if at == len(xs) or (at == 0 and xs[0] != x):
            found.append(NAN)
        elif xs[at] == x:
            found.append(ys[at])
        else:
            share = (x - xs[at - 1]) / (xs[at] - xs[at - 1])
            found.append(ys[at - 1] + share * (ys[at] - ys[at - 1]))
    return found


def metrics_of(runs: Sequence[Run]) -> list[str]:
    """Metrics that any of them has."""
    return list(dict.fromkeys(name for run in runs for name in run.metrics))


def params_of(runs: Sequence[Run]) -> list[str]:
    """Parameters that are not the same in all of them; none where one run is alone."""
    names = dict.fromkeys(name for run in runs for name in run.params)
    return [name for name in names if len({repr(run.params.get(name)) for run in runs}) > 1]
