"""The best value of a metric over time, as one picture: each run is a dot, the line is the best until then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from runner.text import units
from runner.text.shown import number

__all__ = ["Best", "best", "is_greater_better"]

WIDTH, HEIGHT = 1000.0, 200.0  # it is stretched to the room that there is
EDGE = 6.0
DOTS = 2000
GREATER = ("acc", "auc", "f1", "precision", "recall", "r2", "score", "reward", "bleu", "map", "iou", "dice")


class Best(NamedTuple):
    metric: str
    value: str
    run_id: str  # that has it
    line: str  # `d` of an SVG path
    dots: str  # another one: a piece without length for each run
    low: str  # labels
    high: str
    first: str
    last: str
    greater: bool
    width: float = WIDTH
    height: float = HEIGHT


def is_greater_better(metric: str) -> bool:
    """As far as its name tells."""
    parts = metric.lower().replace("-", "_").replace("/", "_").replace(".", "_").split("_")
    return any(part.startswith(GREATER) for part in parts)


def best(metric: str, points: Sequence[tuple[int, float, str]], greater: bool) -> Best | None:
    """`points`: (ms, value, run id) in the order of time. None when there are none."""
    if not points:
        return None
    values = [value for _, value, _ in points]
    low, high = min(values), max(values)
    first, last = points[0][0], points[-1][0]

    def across(moment: int) -> float:
        return round(EDGE + (moment - first) / max(1, last - first) * (WIDTH - 2 * EDGE), 1)

    def up(value: float) -> float:
        share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
        return round(HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE), 1)

    record, holder, path = values[0], points[0][2], f"M{across(first)} {up(values[0])}"
    for moment, value, run_id in points:
        if value > record if greater else value < record:
            record, holder = value, run_id
            path += f"H{across(moment)}V{up(value)}"
    every = max(1, len(points) // DOTS)
    dots = "".join(dict.fromkeys(f"M{across(moment)} {up(value)}h0" for moment, value, _ in points[::every]))
    begin, end = (units.local_time(moment)[:16] for moment in (first, last))
    if begin[:10] == end[:10]:
        end = end[11:]  # within a day the hours tell more
    else:
        begin, end = begin[:10], end[:10]
    return Best(
        metric,
        number(record),
        holder,
        f"{path}H{WIDTH - EDGE}",
        dots,
        number(low),
        number(high),
        begin,
        end,
        greater,
    )
