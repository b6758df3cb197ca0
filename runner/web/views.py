"""Saved views: links with a name, kept in the store for all who look at it."""

from __future__ import annotations

import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runner.errors import InputError
from runner.protocol.gate import head_of
from runner.tracking import views
from runner.tracking.store import Store
from runner.tracking.views import View
from runner.web.access import form, visitor
from runner.web.render import HEADERS

__all__ = ["forget", "of", "save"]

LONGEST = 4000  # characters of an address
NAME = 200


def of(store: Store, place: str = "") -> list[View]:
    return views.listing(store.root, place)


async def save(request: Request) -> Response:
    """Under a name; what was saved under it before is replaced."""
    site = request.app.state.site
    fields = await form(request)
    place = _below(fields.get("place", [""])[0])
    name = " ".join(fields.get("name", [""])[0].split())[:NAME]
    address = _below(fields.get("address", [""])[0])
    if not name:
        raise InputError("a view needs a name", "such as: the best of this week")
    await run_in_threadpool(views.save, site.store.root, name, place, address, site.store.secrets)
    site.doorkeeper.changed(visitor(request), head_of(request.scope), "ui/view", name)
    return RedirectResponse(f"./{_below(place)}" if place else f"./{address}", 303, HEADERS)


async def forget(request: Request) -> Response:
    site = request.app.state.site
    fields = await form(request)
    view_id = fields.get("view", [""])[0]
    await run_in_threadpool(views.remove, site.store.root, view_id)
    site.doorkeeper.changed(visitor(request), head_of(request.scope), "ui/view forget", view_id)
    to = _below(fields.get("place", [""])[0] or fields.get("address", [""])[0])
    return RedirectResponse(f"../{to}", 303, HEADERS)


def _below(text: str) -> str:
    """An address below the pages. InputError for one that leads elsewhere."""
    text = text.strip()
    found = re.fullmatch(
        r"(?:https?://[^/?#]*/(?:[^?#]*/)?ui/|\./)?((?:[\w.\-/~%]*)(?:\?[^\s#]*)?(?:#\S*)?)", text
    )
    address = found[1] if found else "//"
    path = address.partition("?")[0]
    if address.startswith("/") or ".." in path.split("/") or ":" in path or len(address) > LONGEST:
        raise InputError("that is not the address of one of these pages", "copy it from the address bar")
    return address
