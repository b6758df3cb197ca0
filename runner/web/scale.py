"""Axes of charts: where a value stands, and the ticks. static/scale.js is the same in a browser."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["Axis", "Frame", "Tick", "finite", "smooth"]

TICKS = 5
MAX = sys.float_info.max
LEAST = 1e-300  # two values that are nearer to each other are one
EXACT = 2**52  # whole numbers below it have a float each
YEAR = 31_556_952  # s
FAR = 8_000 * YEAR  # s from 1970
# s, of an axis of time
SPANS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


class Frame(NamedTuple):
    """Where a chart is drawn, in units of its own SVG: its size, and the edges between which the values stand."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


class Tick(NamedTuple):
    at: float
    label: str


class Axis:
    """From the least to the greatest value, linear or logarithmic; a single value has room around it."""

    def __init__(self, low: float, high: float, start: float, end: float, kind: str = "") -> None:
        """`kind`: "" linear, "whole", "log" (both values above 0), "time" (ms since the epoch)."""
        low, high = float(low), float(high)
        if kind == "log" and math.log10(low) == math.log10(high):
            low, high = low / 2 or low, min(high * 2, MAX)
        elif kind in ("whole", "time") and low == high and abs(low) < EXACT:
            high = low + 1
        elif kind != "log" and high - low < LEAST:
            room = max(abs(low) * 0.1, 0.5)
            low, high = max(low - room, -MAX), min(high + room, MAX)
        self.low, self.high, self.kind = low, high, kind
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """Where it stands. On a logarithmic axis only what is above 0."""
        low, high = self.low, self.high
        if self.kind == "log":
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        share = value / 2 - low / 2  # halves: the span of two finite numbers may be none
        return round(self._start + share / (high / 2 - low / 2) * (self._end - self._start), 1)

    def ticks(self) -> Iterator[Tick]:
        """At round values: 1, 2 or 5 times a power of ten, whole powers on a logarithmic axis, whole units of time."""
        span = self.high - self.low
        if self.kind == "log":
            yield from self._powers()
        elif not math.isfinite(span):
            yield from (Tick(self.at(value), f"{value:.3g}") for value in (self.low, self.high))
        elif self.kind == "time":
            yield from self._times(span / 1000)
        else:
            step = nice(span)
            step = max(step, 1) if self.kind == "whole" else step
            first = math.ceil(self.low / step)
            for count in range(TICKS + 1):
                value = (first + count) * step
                if value <= self.high:
                    yield Tick(self.at(value), f"{value:,.0f}" if self.kind == "whole" else f"{value:.6g}")

    def _powers(self) -> Iterator[Tick]:
        low, high = math.log10(self.low), math.log10(self.high)
        if high - low < 1:
            values = [self.low * (self.high / self.low) ** (at / 3) for at in range(4)]
            yield from (Tick(self.at(value), f"{value:.3g}") for value in values)
            return
        every = math.ceil((high - low) / (TICKS + 1))
        for power in range(math.ceil(low), math.floor(high) + 1, every):
            yield Tick(self.at(10.0**power), f"{10.0**power:g}")

    def _times(self, span: float) -> Iterator[Tick]:
        days = next((count for count in (1, 2, 7, 30, 90, 365) if span / 86_400 / count <= TICKS), 3650)
        if span / 86_400 / days > TICKS:  # a client that took ns for ms
            days *= 2 ** math.ceil(math.log2(span / 86_400 / days / TICKS))
        step = next((each for each in SPANS if span / each <= TICKS), 86_400 * days)
        form = "%m-%d" if step >= 86_400 else "%H:%M" if step >= 60 else "%H:%M:%S"
        form = "%Y-%m-%d" if step >= 86_400 * 30 else form
        first = float(math.ceil(self.low / 1000 / step))
        for count in range(TICKS + 1):
            value = (first + count) * step
            if value * 1000 <= self.high:
                yield Tick(self.at(value * 1000), _moment(value, form))


def _moment(value: float, form: str) -> str:
    """Of s since the epoch: far from now, where calendars end, only the year."""
    if not -FAR <= value <= FAR:
        return str(math.floor(1970 + value / YEAR))
    return time.strftime(form, time.gmtime(value))


def nice(span: float) -> float:
    """1, 2 or 5 times a power of ten: at most `TICKS` of them in a span."""
    size: float = 10.0 ** math.floor(math.log10(span / TICKS))
    return next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= TICKS)


def finite(values: Iterable[float], log: bool = False) -> list[float]:
    """Those that an axis can show."""
    return [value for value in values if abs(value) < math.inf and (value > 0 or not log)]


def smooth(values: list[float], amount: float) -> list[float]:
    """A Gaussian mean of neighbours, `amount` from 0 to 100: there it is as wide as a tenth of all points.

    As many neighbours count to the left as to the right, so nothing is shifted, and a straight line stays what it is.
    """
    sigma = amount / 100 * len(values) / 10
    reach = int(sigma * 3)
    if reach < 1:
        return values
    weights = [math.exp(-0.5 * (distance / sigma) ** 2) for distance in range(reach + 1)]
    found = []
    for at, value in enumerate(values):
        total, weight = value, 1.0
        for distance in range(1, min(reach, at, len(values) - 1 - at) + 1):
            total += weights[distance] * (values[at - distance] + values[at + distance])
            weight += 2 * weights[distance]
        found.append(total / weight)
    return found
