"""Line charts as SVG, drawn on the server: they need no script, and stand in a page that is opened in ten years."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from runner.tracking.curves import Curve

__all__ = ["Chart", "Line", "chart"]

WIDTH, HEIGHT = 560.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 12.0, 10.0, 26.0
TICKS = 5
BAND = 1  # lines for which the space between least and greatest values is drawn


class Line(NamedTuple):
    label: str
    colour: int  # number of a class in app.css
    paths: tuple[str, ...]  # `d` of SVG paths: one for each piece between gaps
    band: str  # `d` of the space between the least and the greatest values; "" for none
    dots: tuple[tuple[float, float], ...]  # points that stand alone


class Tick(NamedTuple):
    at: float
    label: str


class Chart(NamedTuple):
    title: str
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def chart(title: str, curves: Sequence[tuple[str, int, Curve]]) -> Chart:
    """`curves`: label, colour and points of each line. What is not finite is a gap."""
    steps = [step for _, _, curve in curves for step in (*curve.steps[:1], *curve.ends[-1:])]
    values = list(_finite(value for _, _, c in curves for column in (c.lows, c.highs) for value in column))
    across = Axis(min(steps, default=0), max(steps, default=1), LEFT, WIDTH - RIGHT, whole=True)
    up = Axis(min(values, default=0.0), max(values, default=1.0), HEIGHT - BOTTOM, TOP)
    banded = len(curves) <= BAND
    lines = (_line(label, colour, curve, across, up, banded) for label, colour, curve in curves)
    return Chart(title, tuple(lines), tuple(across.ticks()), tuple(up.ticks()))


class Axis:
    """Linear, from the least to the greatest value; a single value is put in the middle."""

    def __init__(self, low: float, high: float, start: float, end: float, whole: bool = False) -> None:
        if low == high:
            room = max(abs(low) * 0.1, 0.5)
            low, high = (low, low + 1) if whole else (low - room, high + room)
        self.low, self.high, self.whole = low, high, whole
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        share = value / 2 - self.low / 2  # halves: the span of two finite numbers may be none
        return round(self._start + share / (self.high / 2 - self.low / 2) * (self._end - self._start), 2)

    def ticks(self) -> Iterator[Tick]:
        span = self.high - self.low
        if not math.isfinite(span):
            yield from (Tick(self.at(value), f"{value:.3g}") for value in (self.low, self.high))
            return
        size = 10.0 ** math.floor(math.log10(span / TICKS))
        step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= TICKS)
        if self.whole:
            step = max(step, 1)
        first = math.ceil(self.low / step)
        for count in range(TICKS + 1):
            value = (first + count) * step
            if value <= self.high:
                yield Tick(self.at(value), f"{value:,.0f}" if self.whole else f"{value:.6g}")


def _line(label: str, colour: int, curve: Curve, across: Axis, up: Axis, banded: bool) -> Line:
    paths, dots, band = [], [], ""
    for piece in _pieces(curve.means):
        points = [(across.at(curve.steps[place]), up.at(curve.means[place])) for place in piece]
        if len(points) == 1:
            dots.append(points[0])
        else:
            paths.append("M" + "L".join(f"{x} {y}" for x, y in points))
        if banded and curve.width > 1:
            lower = [f"{across.at(curve.steps[place])} {up.at(curve.lows[place])}" for place in piece]
            upper = [f"{across.at(curve.steps[place])} {up.at(curve.highs[place])}" for place in piece]
            band += "M" + "L".join((*lower, *reversed(upper))) + "Z"
    return Line(label, colour, tuple(paths), band, tuple(dots))


def _pieces(values: Iterable[float]) -> Iterator[list[int]]:
    piece: list[int] = []
    for place, value in enumerate(values):
        if abs(value) < math.inf:
            piece.append(place)
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _finite(values: Iterable[float]) -> Iterator[float]:
    return (value for value in values if abs(value) < math.inf)
