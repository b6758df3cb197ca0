"""All points of a metric, sorted as MLflow sorts them, paged, and written as JSON."""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import TYPE_CHECKING, Any, TypeAlias

from runner.protocol.answer import invalid
from runner.protocol.entities import number
from runner.tracking import segments
from runner.tracking.events import ODD, Event, points_of

if TYPE_CHECKING:
    from runner.protocol.live import Live

__all__ = ["Point", "offset_of", "page", "points", "rendered", "token_of"]

Point: TypeAlias = "tuple[int, int, float]"  # timestamp, step, value
KEPT = 8  # histories of a run in memory: a client that pages comes back


def page(live: Live, key: str, limit: int | None, token: str) -> tuple[list[Point], str]:
    found = points(live, key)
    first = offset_of(token)
    if limit is None:
        return found[first:], ""
    last = first + limit
    return found[first:last], token_of(last) if last < len(found) else ""


def points(live: Live, key: str) -> list[Point]:
    """Sorted; a point that was sent again counts once. Must not be changed."""
    with live.lock:
        offset, offsets, found = live.histories.pop(key, (0, {}, []))
        needle = json.dumps(key, ensure_ascii=False).encode("utf-8", "surrogatepass")
        fresh: list[Point] = []
        with open(live.writer.log.path, "rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn: not yet there
                offset += len(line)
                if needle in line:
                    _take(fresh, line, key)
        if segments.changed(live.directory, offsets):
            later = segments.read(live.directory, offsets)
            offsets = later.offsets
            for operation in later.operations:
                _add(fresh, operation, key)
        if fresh:
            found = _merged(found, fresh)
        live.histories[key] = offset, offsets, found
        while len(live.histories) > KEPT:
            del live.histories[next(iter(live.histories))]
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
    seen: dict[Any, Point] = {}
    for point in everything:
        seen[point if point[2] == point[2] else (point[0], point[1], None)] = point
    return sorted(seen.values(), key=_order)


def _order(point: Point) -> tuple[int, int, bool, float]:
    return (point[0], point[1], point[2] == point[2], point[2] if point[2] == point[2] else 0.0)


def rendered(key: str, found: list[Point], token: str = "", more: str = "") -> bytes:
    """`{"metrics": [...]}`; `more` is put into every point."""
    name = json.dumps(key)
    parts = [
        f'{{"key":{name},"value":{_number(value)},"timestamp":{timestamp},"step":{step}{more}}}'
        for timestamp, step, value in found
    ]
    text = f'{{"metrics":[{",".join(parts)}]' if parts else "{"
    if token:
        text += f'{"," if parts else ""}"next_page_token":{json.dumps(token)}'
    return (text + "}").encode()


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else json.dumps(number(value))


def token_of(offset: int) -> str:
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def offset_of(token: str) -> int:
    """ApiError for a token that we did not make."""
    if not token:
        return 0
    try:
        offset = json.loads(base64.b64decode(token, validate=True))["offset"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise invalid(f"Invalid page token, could not be decoded: {token[:100]}") from None
    if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
        raise invalid(f"Invalid page token: {token[:100]}")
    return offset
