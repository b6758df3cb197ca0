"""The artifacts of a run: listed, looked at without being trusted, and fetched."""

from __future__ import annotations

import shlex
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runner.protocol.artifact_paths import file_of, in_run, safe
from runner.protocol.artifacts import download
from runner.protocol.sending import pieces
from runner.tracking.artifacts import listing
from runner.web import previews
from runner.web.found import the_run
from runner.web.render import HEADERS, page

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import BinaryIO

    from starlette.types import Scope

    from runner.tracking.store import Store

__all__ = ["raw", "show"]

SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
    " img-src data: blob:; font-src data:; connect-src 'none'; frame-ancestors 'self'"
)
# a browser starts its viewer in no sandbox
PDF = "default-src 'none'; script-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    run = the_run(request)
    path = safe(request.path_params.get("path", "").strip("/"))
    entries = listing(store, run.run_id, path)
    parts = path.split("/") if path else []
    crumbs = [(part, "/".join(parts[: place + 1])) for place, part in enumerate(parts)]
    is_file = bool(path) and not entries
    start = request.query_params.get("from", "")
    first = min(int(start), previews.FARTHEST) if start.isdecimal() and len(start) < 12 else 0
    place = in_run(store, run.run_id, path) if is_file else None
    shown = previews.of(path, file_of(place), first) if place else None
    words = ["proj", "artifacts", "get" if is_file else "ls", run.run_id[:12], *([path] if path else [])]
    return page(
        request, "files.html", run=run, path=path, crumbs=crumbs, entries=entries, shown=shown, is_file=is_file,
        command=shlex.join(words),
    )  # fmt: skip


def raw(request: Request) -> Response:
    """The bytes. Nothing in them acts on these pages: a browser runs HTML and SVG in a sandbox of no origin."""
    store: Store = request.app.state.site.store
    run = the_run(request)
    path = request.path_params["path"]
    found = download(in_run(store, run.run_id, safe(path)), request.headers.get("range", ""))
    headers = {**HEADERS, **dict(found.headers)}
    name = previews.ending(path)
    kind = previews.TYPES.get(name, found.type)
    headers["Content-Security-Policy"] = PDF if name == "pdf" else SANDBOX
    if request.query_params.get("show"):
        headers["Content-Disposition"] = "inline"
    if found.file is None:
        return Response(found.body, found.status, headers, kind)
    headers["Content-Length"] = str(found.length)
    return StreamingResponse(_sent(found.file, found.length, request.scope), found.status, headers, kind)


async def _sent(file: BinaryIO, length: int, scope: Scope) -> AsyncGenerator[bytes, None]:
    with file:
        async with aclosing(pieces(file, length, scope)) as parts:
            async for part in parts:
                yield part
