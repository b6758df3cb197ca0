"""A run that is on, as a small line: the first metric of several points, as far as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from runner.text.shown import number
from runner.tracking.fold import Run
from runner.web import series

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["Spark", "of"]

WIDTH, HEIGHT, EDGE = 72.0, 18.0, 2.0
BUCKETS = 36
LOOKED_AT = 40  # metrics
SYSTEM = "system/"  # of the machine: they say nothing of how it goes


class Spark(NamedTuple):
    metric: str
    path: str  # `d` of an SVG path
    value: str  # the last one
    width: float = WIDTH
    height: float = HEIGHT


def of(store: Store, run: Run) -> Spark | None:
    """None when no metric has two finite values."""
    names = sorted(run.metrics, key=lambda name: name.startswith(SYSTEM))[:LOOKED_AT]
    if not names:
        return None
    try:
        curves = series.opened(store, run)
    except OSError:  # it was purged meanwhile
        return None
    try:
        for name in names:
            if curves.count(name) > 1:
                curve = curves.curve(name, most=BUCKETS)
                if path := _path(curve.steps, curve.means):
                    return Spark(name, path, number(run.metrics[name].value))
    finally:
        curves.close()
    return None


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    if len(points) < 2 or points[0][0] == points[-1][0]:
        return ""
    low, high = min(y for _, y in points), max(y for _, y in points)
    first, last = points[0][0], points[-1][0]

    def place(x: float, y: float) -> str:
        share = (y / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
        across = EDGE + (x - first) / (last - first) * (WIDTH - 2 * EDGE)
        return f"{across:.1f} {HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE):.1f}"

    return "M" + "L".join(place(x, y) for x, y in points)
