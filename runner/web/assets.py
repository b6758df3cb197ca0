"""Scripts and styles, under a name that follows from what is in them: browsers may keep them for ever.

One name for the folder rather than one for each file: the modules import each other by relative names. They are held in
memory, packed: what a first page waits for is no file system.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from functools import cache
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["FOLDER", "route", "version"]

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "static")
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    data: bytes
    packed: bytes  # gzip
    type: str


@cache
def _all() -> dict[str, Asset]:
    found = {}
    for name in sorted(os.listdir(FOLDER)):
        kind = TYPES.get(os.path.splitext(name)[1])
        if kind:
            with open(os.path.join(FOLDER, name), "rb") as file:
                data = file.read()
            found[name] = Asset(data, gzip.compress(data, mtime=0), kind)
    return found


@cache
def version() -> str:
    found = hashlib.sha256()
    for name, asset in _all().items():
        found.update(name.encode() + b"\0" + hashlib.sha256(asset.data).digest())
    return found.hexdigest()[:16]


async def _send(request: Request) -> Response:
    """A page that was loaded before an upgrade gets what there is now, and may not keep it under the old name."""
    asset = _all().get(request.path_params["name"])
    if asset is None:
        raise HTTPException(404)
    same = request.path_params["version"] == version()
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if same else "no-store",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.data, headers=headers, media_type=asset.type)
    return Response(asset.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.type)


def route() -> Route:
    return Route("/static/{version}/{name}", _send)
