"""All points of a metric, sorted as MLflow sorts them, paged, and written as JSON."""

from __future__ import annotations

import base64
import binascii
import json
import math
import operator
import os
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from heapq import merge
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from runner.host.files import open_file
from runner.protocol.answer import invalid
from runner.protocol.bounds import POINTS, UNPAGED
from runner.protocol.entities import number
from runner.tracking import segments
from runner.tracking.events import ODD, Event, points_of

if TYPE_CHECKING:
    from runner.protocol.live import Live

__all__ = ["SORTED", "Points", "offset_of", "page", "points", "rendered", "token_of", "turn"]

Point: TypeAlias = "tuple[int, int, float]"  # timestamp, step, value
KEPT = 1_000_000  # points in memory, of what was asked for last: a client that pages comes back
SORTED = 10_000  # points that are sorted at once: other threads have to wait for it
WRITTEN = 1000  # points that are written at once
TOKEN = 200  # characters

turn = Lock()  # held by whoever has a history in hand


class Points:
    """Columns: a million points as objects would take 150 MB, and long to be let go."""

    def __init__(self) -> None:
        self.times: array[int] = array("q")
        self.steps: array[int] = array("q")
        self.values: array[float] = array("d")

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Point]:
        return zip(self.times, self.steps, self.values, strict=True)

    def part(self, first: int, last: int | None = None) -> Points:
        """From the first to before the last; None: to the end."""
        found = Points()
        found.times, found.steps = self.times[first:last], self.steps[first:last]
        found.values = self.values[first:last]
        return found

    def add(self, time: int, step: int, value: float) -> None:
        """`time`: ms since 1970."""
        self.times.append(time)
        self.steps.append(step)
        self.values.append(value)

    def extend(self, other: Points) -> None:
        self.times.extend(other.times)
        self.steps.extend(other.steps)
        self.values.extend(other.values)


class Kept(NamedTuple):
    """The history of a metric, and how far its record was read."""

    offset: int  # of the log, in bytes
    offsets: Mapping[str, int]  # of segments
    points: Points


_kept: OrderedDict[tuple[int, int, str], Kept] = OrderedDict()  # by device and inode of the log, and key


def page(live: Live, key: str, limit: int | None, token: str) -> tuple[Points, str]:
    """Up to `limit` points behind the token, and the token of what comes next; "" at the end. ApiError for a wrong
    token.
    """
    found = points(live, key)
    first = offset_of(token)
    if limit is None:
        UNPAGED.check(len(found) - first)
        return found.part(first), ""
    last = first + limit
    return found.part(first, last), token_of(last) if last < len(found) else ""


def points(live: Live, key: str) -> Points:
    """Sorted; a point that was sent again counts once. Must not be changed. For who has the `turn`."""
    needle = json.dumps(key, ensure_ascii=False).encode("utf-8", "surrogatepass")
    fresh = Points()
    with open_file(live.writer.log.path) as file:
        status = os.fstat(file.fileno())
        place = (status.st_dev, status.st_ino, key)
        offset, offsets, found = _kept.pop(place, Kept(0, {}, Points()))
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                break  # torn: not yet there
            offset += len(line)
            if needle in line:
                _take(fresh, line, key)
                POINTS.check(len(found) + len(fresh))
    if segments.changed(live.directory, offsets):
        later = segments.read(live.directory, offsets)
        offsets = later.offsets
        for operation in later.operations:
            _add(fresh, operation, key)
    if len(fresh):
        found = _merged(found, fresh)
    _kept[place] = Kept(offset, offsets, found)
    while len(_kept) > 1 and sum(len(each.points) + 100 for each in _kept.values()) > KEPT:
        _kept.popitem(last=False)
    return found


def _take(into: Points, line: bytes, key: str) -> None:
    try:
        _add(into, json.loads(line), key)
    except ValueError:
        pass  # a corrupt line: `proj doctor` names it


def _add(into: Points, event: Event, key: str) -> None:
    """Of an event all points are right, or none counts."""
    try:
        if event["type"] in ("metric", "metrics"):
            found = [point for name, point in points_of(event) if name == key]
            if all(max(abs(point.timestamp), abs(point.step)) < 1 << 63 for point in found):
                for point in found:
                    into.add(point.timestamp, point.step, point.value)
    except ODD:
        pass


def _merged(old: Points, new: Points) -> Points:
    """In order, and none twice."""
    last = old.part(len(old) - 1) if len(old) else Points()
    last.extend(new)
    if all(map(operator.lt, last, islice(last, 1, None))):  # as nearly always
        old.extend(new)
        return old
    parts = [old, *(new.part(first, first + SORTED) for first in range(0, len(new), SORTED))]
    found = Points()
    before = None
    for each in merge(_keys(old), *(sorted(_keys(part)) for part in parts[1:])):
        if each != before:
            found.add(each[0], each[1], each[3] if each[2] else math.nan)
        before = each
    return found


def _keys(points: Points) -> Iterator[tuple[int, int, bool, float]]:
    """By which they are sorted: NaN is equal to itself, and less than all others."""
    for time, step, value in points:
        yield (time, step, True, value) if value == value else (time, step, False, 0.0)


def rendered(key: str, found: Points, token: str = "", more: str = "") -> bytes:
    """`{"metrics": [...]}`; `more` is put into every point."""
    name, parts, every = json.dumps(key), [], iter(found)
    while some := list(islice(every, WRITTEN)):
        texts = map(
            repr if all(math.isfinite(value) for _, _, value in some) else _number, (each[2] for each in some)
        )
        parts.append(
            ",".join(
                f'{{"key":{name},"value":{text},"timestamp":{timestamp},"step":{step}{more}}}'
                for (timestamp, step, _), text in zip(some, texts, strict=True)
            )
        )
    end = f'"next_page_token":{json.dumps(token)}}}' if token else "}"
    if not parts:
        return f"{{{end}".encode()
    parts[0] = f'{{"metrics":[{parts[0]}'
    parts[-1] += f"],{end}" if token else f"]{end}"
    return ",".join(parts).encode()


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else json.dumps(number(value))


def token_of(offset: int) -> str:
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def offset_of(token: str) -> int:
    """ApiError for a token that we did not make."""
    if not token:
        return 0
    if len(token) > TOKEN:
        raise invalid(f"Invalid page token: {token[:100]}")
    try:
        offset = json.loads(base64.b64decode(token, validate=True))["offset"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise invalid(f"Invalid page token, could not be decoded: {token[:100]}") from None
    if not isinstance(offset, int) or isinstance(offset, bool) or not 0 <= offset < 1 << 62:
        raise invalid(f"Invalid page token: {token[:100]}")
    return offset
