"""All points of one metric, read from the log of the run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from runner.errors import InputError
from runner.tracking.fold import ODD, Metric
from runner.tracking.log import read_all

__all__ = ["history", "position"]

PLAIN = re.compile(r"[\w.-]+", re.ASCII)


def history(directory: str, key: str, limit: int, page_token: str = "") -> tuple[tuple[Metric, ...], str]:
    """At most `limit` points, and the token for the next ones. A point that was sent twice counts once.

    A token is `<byte where a piece of the log starts>:<points of the metric to skip in it>`.
    """
    offset, skip = position(page_token)
    found: dict[Any, Metric] = {}
    try:
        file = os.open(os.path.join(directory, "events.jsonl"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return (), ""
    try:
        for events, after in read_all(file, offset, containing=_needle(key)):
            for place, point in enumerate(_points(events, key)):
                if place < skip:
                    continue
                if len(found) == limit:
                    return tuple(found.values()), f"{offset}:{place}"
                found.setdefault(point if point[0] == point[0] else ("NaN", *point[1:]), point)
            offset, skip = after, 0
    finally:
        os.close(file)
    return tuple(found.values()), ""


def _needle(key: str) -> bytes:
    """What every line with that key has in it, however its writer encodes JSON; "" where that cannot be said."""
    return key.encode() if PLAIN.fullmatch(key) else b""


def _points(events: list[dict[str, Any]], key: str) -> Iterator[Metric]:
    for event in events:
        kind = event["type"]
        try:
            if kind == "metric":
                if event["key"] == key:
                    yield Metric(float(event["value"]), int(event["timestamp"]), int(event.get("step", 0)))
            elif kind == "metrics":
                yield from _many(event, key)
        except ODD:
            continue


def _many(event: Mapping[str, Any], key: str) -> list[Metric]:
    points = [
        Metric(float(v), int(t), int(s)) for _, v, t, s in event["points"]
    ]  # all are right or none counts
    return [point for point, (name, *_) in zip(points, event["points"], strict=True) if name == key]


def position(token: str) -> tuple[int, int]:
    """The two numbers of a page token; InputError when it is none."""
    first, _, second = token.partition(":")
    if not token:
        return 0, 0
    if not (first.isdecimal() and second.isdecimal() and len(token) < 40):
        raise InputError(f"{token!r} is not a page token")
    return int(first), int(second)
