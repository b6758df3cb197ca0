"""All points of one metric, read from the log of the run."""

from __future__ import annotations

import os
from typing import Any

from runner.errors import InputError
from runner.tracking.fold import Metric
from runner.tracking.log import read

__all__ = ["history"]


def history(directory: str, key: str, limit: int, page_token: str = "") -> tuple[tuple[Metric, ...], str]:
    """At most `limit` points, and the token for the next ones. A point that was sent twice counts once."""
    offset, skip = _position(page_token)
    found: dict[Any, Metric] = {}
    for event, after in read(os.path.join(directory, "events.jsonl"), offset):
        for place, point in enumerate(_points(event, key)):
            if place < skip:
                continue
            if len(found) == limit:
                return tuple(found.values()), f"{offset}:{place}"
            found.setdefault(str(point) if point.value != point.value else point, point)
        offset, skip = after, 0
    return tuple(found.values()), ""


def _points(event: Any, key: str) -> list[Metric]:
    try:
        if event["type"] == "metric" and event["key"] == key:
            return [Metric(float(event["value"]), int(event["timestamp"]), int(event.get("step", 0)))]
        if event["type"] == "metrics":
            return [Metric(float(v), int(t), int(s)) for name, v, t, s in event["points"] if name == key]
    except (KeyError, TypeError, ValueError):
        pass
    return []


def _position(token: str) -> tuple[int, int]:
    if not token:
        return 0, 0
    try:
        offset, skip = token.split(":")
        return int(offset), int(skip)
    except ValueError:
        raise InputError(f"{token!r} is not a page token") from None
