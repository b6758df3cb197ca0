"""What a run wrote: a window of its lines, the lines with a text, what came since, and all of it as a file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from runner.errors import InputError
from runner.text.terminal import printable
from runner.text.units import iso, size
from runner.tracking.lines import LONGEST, Lines, Row, Streams
from runner.web.ansi import Span, spans
from runner.web.found import the_run
from runner.web.render import HEADERS, page

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["Line", "as_json", "last_lines", "show", "whole"]

LINES = 1000  # of a window
STDERR = 2


class Line(NamedTuple):
    number: int  # from 1
    time: str
    is_error: bool  # it came by stderr
    spans: list[Span]
    cut: str  # how long it is, when only its beginning is shown


class LogQuery(NamedTuple):
    """Which lines of a log a request asks for."""

    find: bytes
    stream: int  # 0: both
    first: int  # 0: the last lines


def show(request: Request) -> Response:
    """From line `from` on; without it the last ones. `find`: the first line with this text after that."""
    run = the_run(request)
    query = _query(request)
    directory = _directory(request, run.run_id)
    log, streams = Lines(directory), Streams(directory)
    found = log.find(query.find, max(query.first, 1), query.stream, streams) if _chooses(query) else None
    first = query.first
    if found and found.where and not query.stream:
        first = max(1, found.where - 5)
    first = first or max(1, log.total - LINES + 1)
    lines = _some(log, streams, query, first, LINES)
    later = lines[-1].number + 1 if lines and lines[-1].number < log.total else 0
    return page(
        request, "log.html", run=run, lines=lines, total=log.total, find=request.query_params.get("find", ""),
        errors=query.stream == STDERR, hits=found.hits if found else 0, where=found.where if found else 0,
        earlier=max(1, first - LINES) if first > 1 and not query.stream else 0, later=later,
        again=found.where + 1 if found and found.where else 0, ended=bool(run.end),
        state={key: request.query_params.get(key, "") for key in ("find", "stream")},
    )  # fmt: skip


def as_json(request: Request) -> Response:
    """Lines `from` ... for a script: total, and of each its number, time, stream, spans and length."""
    run = the_run(request)
    query = _query(request)
    directory = _directory(request, run.run_id)
    log, streams = Lines(directory), Streams(directory)
    body: dict[str, object] = {"total": log.total, "ended": bool(run.end)}
    if _chooses(query):
        body |= log.find(query.find, max(query.first, 1), query.stream, streams)._asdict()
    count = request.query_params.get("count", "")
    most = min(int(count), LINES) if count.isdecimal() and len(count) < 6 else LINES
    body["lines"] = [
        [line.number, line.time, line.is_error, line.spans, line.cut]
        for line in _some(log, streams, query, query.first or 1, most)
    ]
    return Response(json.dumps(body), headers=HEADERS, media_type="application/json")


def last_lines(directory: str, most: int) -> list[Line]:
    try:
        log, streams = Lines(directory), Streams(directory)
        return [_line(row, streams) for row in log.rows(max(1, log.total - most + 1), most)]
    except OSError:  # a link or a pipe in its place
        return []


def _query(request: Request) -> LogQuery:
    given = request.query_params
    start, stream = given.get("from", ""), given.get("stream", "")
    if stream not in ("", "1", "2"):
        raise InputError(f"there is no stream {stream!r}", "1 is stdout, 2 is stderr")
    first = int(start) if start.isdecimal() and len(start) < 15 else 0
    return LogQuery(given.get("find", "").encode("utf-8", "surrogateescape"), int(stream or 0), first)


def _chooses(query: LogQuery) -> bool:
    return bool(query.find or query.stream)


def _directory(request: Request, run_id: str) -> str:
    store: Store = request.app.state.site.store
    return store.run_directory(run_id)


def _some(log: Lines, streams: Streams, query: LogQuery, first: int, most: int) -> list[Line]:
    """All lines, or those of one stream."""
    if not query.stream:
        return [_line(row, streams) for row in log.rows(first, most)]
    numbers: list[int] = []
    for number, _ in log.matching(b"", query.stream, streams):
        if number >= first:
            numbers.append(number)
            if len(numbers) == most:
                break
    return [_line(row, streams) for number in numbers for row in log.rows(number, 1)]


def _line(row: Row, streams: Streams) -> Line:
    time, stream = streams.at(row.offset)
    text = row.text.decode("utf-8", "backslashreplace")[:LONGEST]
    shown = [Span(each.classes, printable(each.text)) for each in spans(text)]
    cut = (
        size(row.size) if row.size > len(row.text) and b"\r" not in row.text and len(text) == LONGEST else ""
    )
    return Line(row.number, iso(time) if time else "", stream == STDERR, shown, cut)


def whole(request: Request) -> Response:
    path = os.path.join(_directory(request, the_run(request).run_id), "output.log")
    if not os.path.isfile(path) or os.path.islink(path):  # a link leads out of the record
        return PlainTextResponse("", headers=HEADERS)
    return FileResponse(path, media_type="text/plain; charset=utf-8", headers=HEADERS)
