"""The points of all metrics of a run in one reading of its log, thinned out to what a plot can show."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from runner.tracking.fold import Metric
from runner.tracking.log import read_all

__all__ = ["curves", "points"]

MOST = 2000  # points kept of a metric


def curves(directory: str, most: int = MOST) -> dict[str, list[Metric]]:
    """At most 2 * `most` points of each metric by step and time: every one, or evenly every second, fourth, ..."""
    found: dict[str, list[Metric]] = {}
    every: dict[str, int] = {}
    seen: dict[str, int] = {}
    for key, point in points(directory):
        kept = found.setdefault(key, [])
        number = seen.get(key, 0)
        seen[key] = number + 1
        if number % every.get(key, 1):
            continue
        kept.append(point)
        if len(kept) >= 2 * most:
            del kept[1::2]
            every[key] = every.get(key, 1) * 2
    for kept in found.values():
        kept.sort(key=lambda point: (point.step, point.timestamp))
    return found


def points(directory: str) -> Iterator[tuple[str, Metric]]:
    """Every point of every metric of the run in this folder, with the metric's name, in the order of the log."""
    try:
        file = os.open(os.path.join(directory, "events.jsonl"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        for events, _ in read_all(file):
            for event in events:
                yield from _of(event)
    finally:
        os.close(file)


def _of(event: dict[str, Any]) -> list[tuple[str, Metric]]:
    """All are right or none counts, as in the fold."""
    try:
        if event["type"] == "metric":
            point = Metric(float(event["value"]), int(event["timestamp"]), int(event.get("step", 0)))
            return [(event["key"], point)]
        if event["type"] == "metrics":
            return [
                (key, Metric(float(value), int(at), int(step))) for key, value, at, step in event["points"]
            ]
    except (KeyError, TypeError, ValueError):
        pass
    return []
