"""All points of a metric, sorted as MLflow sorts them, paged, and written as JSON."""

from __future__ import annotations

import base64
import binascii
import json
import math
import operator
import os
from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from runner.host.files import open_file
from runner.protocol.answer import invalid
from runner.protocol.bounds import POINTS, UNPAGED
from runner.protocol.entities import number
from runner.tracking import segments
from runner.tracking.events import ODD, Event, points_of

if TYPE_CHECKING:
    from runner.protocol.live import Live

__all__ = ["Point", "offset_of", "page", "points", "rendered", "token_of", "turn"]

Point: TypeAlias = "tuple[int, int, float]"  # timestamp, step, value
KEPT = 500_000  # points in memory, of what was asked for last: a client that pages comes back
TOKEN = 200  # characters

turn = Lock()  # held by whoever has a history in hand: each may take 150 MB


class Kept(NamedTuple):
    """The history of a metric, and how far its record was read."""

    offset: int  # of the log, in bytes
    offsets: Mapping[str, int]  # of segments
    points: list[Point]


_kept: OrderedDict[tuple[int, int, str], Kept] = OrderedDict()  # by device and inode of the log, and key


def page(live: Live, key: str, limit: int | None, token: str) -> tuple[list[Point], str]:
    found = points(live, key)
    first = offset_of(token)
    if limit is None:
        UNPAGED.check(len(found) - first)
        return found[first:], ""
    last = first + limit
    return found[first:last], token_of(last) if last < len(found) else ""


def points(live: Live, key: str) -> list[Point]:
    """Sorted; a point that was sent again counts once. Must not be changed. For who has the `turn`."""
    needle = json.dumps(key, ensure_ascii=False).encode("utf-8", "surrogatepass")
    fresh: list[Point] = []
    with open_file(live.writer.log.path) as file:
        status = os.fstat(file.fileno())
        place = (status.st_dev, status.st_ino, key)
        offset, offsets, found = _kept.pop(place, Kept(0, {}, []))
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
    if fresh:
        found = _merged(found, fresh)
    _kept[place] = Kept(offset, offsets, found)
    while len(_kept) > 1 and sum(len(each.points) + 100 for each in _kept.values()) > KEPT:
        _kept.popitem(last=False)
    return found


def _take(into: list[Point], line: bytes, key: str) -> None:
    try:
        _add(into, json.loads(line), key)
    except ValueError:
        pass  # a corrupt line: `proj doctor` names it


def _add(into: list[Point], event: Event, key: str) -> None:
    try:
        if event["type"] in ("metric", "metrics"):
            points = [point for name, point in points_of(event) if name == key]
            into += [(point.timestamp, point.step, point.value) for point in points]
    except ODD:
        pass


def _merged(old: list[Point], new: list[Point]) -> list[Point]:
    everything = old + new
    del old, new
    if all(map(operator.lt, everything, islice(everything, 1, None))):
        return everything  # as nearly always: in their order, and none twice
    seen: dict[Any, Point] = {}
    for point in everything:
        seen[point if point[2] == point[2] else (point[0], point[1], None)] = point
    return sorted(seen.values(), key=_order)


def _order(point: Point) -> tuple[int, int, bool, float]:
    return (point[0], point[1], point[2] == point[2], point[2] if point[2] == point[2] else 0.0)


def rendered(key: str, found: list[Point], token: str = "", more: str = "") -> bytes:
    """`{"metrics": [...]}`; `more` is put into every point."""
    name = json.dumps(key)
    values = [value for _, _, value in found]
    texts = map(repr if all(map(math.isfinite, values)) else _number, values)
    parts = [
        f'{{"key":{name},"value":{text},"timestamp":{timestamp},"step":{step}{more}}}'
        for (timestamp, step, _), text in zip(found, texts, strict=True)
    ]
    end = f'"next_page_token":{json.dumps(token)}}}' if token else "}"
    if not parts:
        return f"{{{end}".encode()
    parts[0] = f'{{"metrics":[{parts[0]}'  # a megabyte is not copied once more than it must be
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
