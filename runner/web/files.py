"""The artifacts of a run: listed, looked at without being trusted, and fetched."""

from __future__ import annotations

import json
import os
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runner.host.files import open_file
from runner.protocol.artifacts import download
from runner.protocol.places import in_run, safe
from runner.protocol.sending import pieces
from runner.tracking.artifacts import listing
from runner.web.render import HEADERS, page
from runner.web.run import the_run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import BinaryIO

    from starlette.types import Scope

    from runner.tracking.store import Store

__all__ = ["raw", "show"]

HEAD = 256 * 1024  # bytes of a file that is looked at
ROWS, COLUMNS = 200, 50  # of a table
IMAGES = {
    "png": "png",
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "gif": "gif",
    "webp": "webp",
    "bmp": "bmp",
    "svg": "svg+xml",
}
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
    " img-src data: blob:; font-src data:; connect-src 'none'; frame-ancestors 'self'"
)


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    run = the_run(request)
    path = safe(request.path_params.get("path", "").strip("/"))
    entries = listing(store, run.run_id, path)
    parts = path.split("/") if path else []
    crumbs = [(part, "/".join(parts[: place + 1])) for place, part in enumerate(parts)]
    is_file = bool(path) and not entries
    shown = _preview(store, run.run_id, path) if is_file else {"kind": ""}
    return page(
        request,
        "files.html",
        run=run,
        path=path,
        crumbs=crumbs,
        entries=entries,
        shown=shown,
        is_file=is_file,
    )


def _preview(store: Store, run_id: str, path: str) -> dict[str, object]:
    """What kind of thing it is, by its name, and what is shown of it."""
    ending = os.path.splitext(path)[1].lstrip(".").lower()
    if ending in IMAGES:
        return {"kind": "image"}
    if ending in ("html", "htm"):
        return {"kind": "html"}
    place = in_run(store, run_id, path)
    try:
        with open_file(place.file) as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD)
    except (OSError, ValueError):
        return {"kind": "absent"}
    cut = size > len(head)
    if b"\0" in head:
        return {"kind": "binary", "size": size}
    plain = head.decode("utf-8", "backslashreplace")
    if ending in ("csv", "tsv"):
        return {
            "kind": "table",
            "rows": _table(plain, "\t" if ending == "tsv" else ",", cut),
            "cut": cut,
            "size": size,
        }
    if ending == "json" and not cut:
        try:
            plain = json.dumps(json.loads(plain), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass  # shown as it is
    return {"kind": "text", "text": plain, "cut": cut, "size": size}


def _table(plain: str, delimiter: str, cut: bool) -> list[list[str]]:
    import csv

    lines = plain.splitlines()
    found = []
    try:
        for row in csv.reader(lines[:-1] if cut else lines, delimiter=delimiter):
            found.append([value[:200] for value in row[:COLUMNS]])
            if len(found) > ROWS:
                break
    except csv.Error:
        pass
    return found


def raw(request: Request) -> Response:
    """The bytes. Nothing in them acts on these pages: a browser runs HTML and SVG in a sandbox of no origin."""
    store: Store = request.app.state.site.store
    run = the_run(request)
    found = download(
        in_run(store, run.run_id, safe(request.path_params["path"])), request.headers.get("range", "")
    )
    headers = {**HEADERS, **dict(found.headers)}
    ending = os.path.splitext(request.path_params["path"])[1].lstrip(".").lower()
    kind = found.type
    if ending in IMAGES:
        kind = f"image/{IMAGES[ending]}"
    elif ending in ("html", "htm"):
        kind = "text/html; charset=utf-8"
    headers["Content-Security-Policy"] = SANDBOX
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
