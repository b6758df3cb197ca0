"""The points of all metrics of a run in one reading of its log, thinned out to what a plot can show."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from runner.tracking.fold import Metric
from runner.tracking.log import read_all

__all__ = ["curves"]

MOST = 2000  # points kept of a metric


def curves(directory: str, most: int = MOST) -> dict[str, list[Metric]]:
    """At most 2 * `most` points of each metric by step and time: every one, or evenly every second, fourth, ..."""
    found: dict[str, list[Metric]] = {}
    every: dict[str, int] = {}
    seen: dict[str, int] = {}
    for key, point in _points(os.path.join(directory, "events.jsonl")):
        points = found.setdefault(key, [])
        number = seen.get(key, 0)
        seen[key] = number + 1
        if number % every.get(key, 1):
            continue
        points.append(point)
        if len(points) >= 2 * most:
            del points[1::2]
            every[key] = every.get(key, 1) * 2
    for points in found.values():
        points.sort(key=lambda point: (point.step, point.timestamp))
    return found


def _points(path: str) -> Iterator[tuple[str, Metric]]:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for events, _ in read_all(file):
            for event in events:
                yield from _of(event)
    finally:
        os.close(file)


def _of(event: dict[str, Any]) -> Iterator[tuple[str, Metric]]:
    try:
        if event["type"] == "metric":
            yield (
                event["key"],
                Metric(float(event["value"]), int(event["timestamp"]), int(event.get("step", 0))),
            )
        elif event["type"] == "metrics":
            for key, value, timestamp, step in event["points"]:
                yield key, Metric(float(value), int(timestamp), int(step))
    except (KeyError, TypeError, ValueError):
        return  # the fold leaves it out, too
