"""The points of a run's metrics, read from its record, of one metric by pages. To draw them: curves.py."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from runner.errors import InputError
from runner.host.files import open_handle
from runner.tracking import segments
from runner.tracking.events import ODD, Event, Metric, points_of
from runner.tracking.log import read_all

__all__ = ["history", "points", "position"]

LATER = 1 << 60  # in a token: all of the log was given, what follows is in segments
PLAIN = re.compile(r"[\w.-]+", re.ASCII)


def points(directory: str) -> Iterator[tuple[str, Metric]]:
    """Every point of every metric of the run in this folder, with the metric's name, in the order of the log."""
    for found, _ in _read(directory):
        yield from found


def _read(
    directory: str, offset: int = 0, containing: bytes = b""
) -> Iterator[tuple[list[tuple[str, Metric]], int]]:
    """The points of a piece of the record, and the byte after it: of the log, then of all segments (after LATER).

    Of an event all points are right, or none counts.
    """
    try:
        file = open_handle(os.path.join(directory, "events.jsonl"))
    except FileNotFoundError:
        return
    try:
        if offset < LATER:
            for events, after in read_all(file, offset, containing=containing):
                yield _points(events), after
    finally:
        os.close(file)
    yield _points(segments.read(directory).operations), LATER


def _points(events: Iterable[Event]) -> list[tuple[str, Metric]]:
    found = []
    for event in events:
        if event["type"] in ("metric", "metrics"):
            try:
                found += points_of(event)
            except ODD:
                continue
    return found


def history(directory: str, key: str, limit: int, page_token: str = "") -> tuple[tuple[Metric, ...], str]:
    """At most `limit` points, and the token for the next ones. A point that was sent twice counts once.

    A token is `<byte where a piece of the log starts>:<points of the metric to skip in it>`.
    """
    offset, skip = position(page_token)
    found: dict[Any, Metric] = {}
    # What every line with that key has in it, however its writer encodes JSON
    needle = key.encode() if PLAIN.fullmatch(key) else b""
    for piece, after in _read(directory, offset, needle):
        for number, point in enumerate(point for name, point in piece if name == key):
            if number < skip:
                continue
            if len(found) == limit:
                return tuple(found.values()), f"{offset if after < LATER else LATER}:{number}"
            found.setdefault(point if point.value == point.value else ("NaN", *point[1:]), point)
        offset, skip = after, 0
    return tuple(found.values()), ""


def position(token: str) -> tuple[int, int]:
    """The two numbers of a page token; InputError when it is none."""
    first, _, second = token.partition(":")
    if not token:
        return 0, 0
    if not (first.isdecimal() and second.isdecimal() and max(len(first), len(second)) < 20):
        raise InputError(f"{token[:100]!r} is not a page token")
    found = int(first), int(second)
    if max(found) > LATER:
        raise InputError(f"{token!r} is not a page token")
    return found
