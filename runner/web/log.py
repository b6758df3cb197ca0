"""What a run wrote: a window of its lines, and all of it as a file."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from runner.host.files import open_file
from runner.web.render import HEADERS, page
from runner.web.run import the_run

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["show", "whole"]

LINES = 1000  # of a window
BLOCK = 1 << 20  # bytes
LONGEST = 10_000  # characters of a line that are shown
SGR = re.compile(r"\x1b\[[0-9;]*m")


class Line(NamedTuple):
    number: int  # from 1
    text: str


def show(request: Request) -> Response:
    """From line `from` on; without it the last ones. `find`: the first line with this text after that."""
    run = the_run(request)
    store: Store = request.app.state.site.store
    path = os.path.join(store.run_directory(run.run_id), "output.log")
    wanted = request.query_params.get("find", "")
    start = request.query_params.get("from", "")
    first = int(start) if start.isdecimal() and len(start) < 15 else 0
    total, hits, where = _count(path, wanted.encode(), max(first, 1))
    if wanted and where:
        first = max(1, where - 5)
    first = first or max(1, total - LINES + 1)
    lines = _window(path, first)
    return page(
        request, "log.html", run=run, lines=lines, total=total, find=wanted, hits=hits, where=where,
        earlier=max(1, first - LINES) if first > 1 else 0,
        later=lines[-1].number + 1 if lines and lines[-1].number < total else 0,
        again=where + 1 if where else 0,
    )  # fmt: skip


def _count(path: str, wanted: bytes, first: int) -> tuple[int, int, int]:
    """Lines in all, lines with the text, and the first of these from line `first` on (0: none)."""
    total = hits = where = 0
    try:
        with open_file(path) as file:
            if not wanted:
                last = b"\n"
                while block := file.read(BLOCK):
                    total += block.count(b"\n")
                    last = block[-1:]
                return total + (last != b"\n"), 0, 0
            for line in file:
                total += 1
                if wanted in line:
                    hits += 1
                    where = where or (total if total >= first else 0)
    except FileNotFoundError:
        pass
    return total, hits, where


def _window(path: str, first: int) -> list[Line]:
    found = []
    try:
        with open_file(path) as file:
            for number, line in enumerate(file, 1):
                if number >= first + LINES:
                    break
                if number >= first:
                    found.append(Line(number, _shown(line)))
    except FileNotFoundError:
        pass
    return found


def _shown(line: bytes) -> str:
    """As a terminal would leave it: what a carriage return was followed by, without colours."""
    plain = line.rstrip(b"\r\n")[-4 * LONGEST :].decode("utf-8", "backslashreplace")
    return SGR.sub("", plain.rpartition("\r")[2])[:LONGEST]


def whole(request: Request) -> Response:
    run = the_run(request)
    store: Store = request.app.state.site.store
    path = os.path.join(store.run_directory(run.run_id), "output.log")
    if not os.path.isfile(path):
        return PlainTextResponse("", headers=HEADERS)
    return FileResponse(path, media_type="text/plain; charset=utf-8", headers=HEADERS)
