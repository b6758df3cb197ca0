"""The pages of a store, for a browser: put into the HTTP application below /ui, with doors of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.errors import InputError, ProjError
from runner.protocol.answer import ApiError
from runner.protocol.gate import head_of
from runner.protocol.hosts import check_browser, check_host
from runner.tracking.store import Store
from runner.web import actions, assets, cells, of_runs, overview, runs, views
from runner.web.access import COOKIE, Doorkeeper, fields_of, form
from runner.web.indexing import Indexing, StillIndexing, newest
from runner.web.render import HEADERS, page
from runner.web.state import State

__all__ = ["DOORS", "Site", "address", "pages"]

ROOT = "/ui"
DOORS = ("/", ROOT, f"{ROOT}/")
OPEN = ("/enter", "/closed", "/static/")  # to everybody


class Site(NamedTuple):
    """What the pages are made of; `request.app.state.site`."""

    store: Store
    doorkeeper: Doorkeeper
    hosts: tuple[str, ...]  # names that the server answers to


def pages(site: Site) -> list[BaseRoute]:
    routes = [
        Route("/", runs.show),
        Route("/enter", _enter, methods=["GET", "POST"]),
        Route("/leave", _leave, methods=["POST"]),
        Route("/closed", _closed),
        Route("/runs", actions.act, methods=["POST"]),
        Route("/rows", runs.rows),
        Route("/names", runs.names),
        Route("/runs.csv", runs.csv),
        Route("/overview", overview.show),
        Route("/projects", overview.project),
        Route("/projects/note", overview.project_note, methods=["POST"]),
        Route("/experiments/{experiment_id}", overview.experiment),
        Route("/experiments/{experiment_id}/note", overview.note, methods=["POST"]),
        Route("/views", views.save, methods=["POST"]),
        Route("/views/forget", views.forget, methods=["POST"]),
        *of_runs.ROUTES,
        assets.route(),
    ]
    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        HTTPException: _refused, ApiError: _refused, ProjError: _refused, OSError: _refused,
        StillIndexing: _indexing,
    }  # fmt: skip
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Door, site=site)],
        exception_handlers=handlers,
    )
    app.state.site = site
    app.state.indexing = Indexing(site.store)

    async def home(_: Request) -> Response:
        return RedirectResponse(
            f"{ROOT.lstrip('/')}/", 302
        )  # relative: a proxy may have put us into a folder

    return [Route("/", home), Route(ROOT, home), Mount(ROOT, app)]


class Door:
    """Who has no cookie sees none of the pages."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        head = head_of(scope)
        inside = scope["path"].removeprefix(scope.get("root_path", ""))
        try:
            check_host(head, self._site.hosts)
            check_browser(head, self._site.hosts)
        except ApiError as problem:
            await page(request, "error.html", problem.status, message=problem.message, hint="")(
                scope, receive, send
            )
            return
        found = self._site.doorkeeper.find(request.cookies.get(COOKIE, ""), head)
        if found is None and not inside.startswith(OPEN):
            top = "../" * max(inside.count("/") - 1, 0)
            await RedirectResponse(f"{top}closed", 303, HEADERS)(scope, receive, send)
            return
        scope.setdefault("state", {})["visitor"] = found
        await self._app(scope, receive, send)


async def _enter(request: Request) -> Response:
    """By the code of a link that was opened for this browser, or by a token in a form."""
    site: Site = request.app.state.site
    if request.method == "POST":
        code, wanted = (await fields_of(request)).get("token", [""])[0].strip(), ""
    elif not site.doorkeeper.closed:
        raise ApiError(
            "UNAUTHENTICATED", "A token is given to the form: in an address it would be kept by others."
        )
    else:
        code, wanted = request.query_params.get("code", ""), request.query_params.get("to", "")
    cookie = await run_in_threadpool(site.doorkeeper.enter, code, head_of(request.scope))
    parts = [quote(part) for part in wanted.split("/") if part not in ("", ".", "..")]
    answer = RedirectResponse("./" + "/".join(parts), 303, HEADERS)
    answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


async def _leave(request: Request) -> Response:
    await form(request, "leave")
    request.app.state.site.doorkeeper.leave(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("closed", 303, HEADERS)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


async def _closed(request: Request) -> Response:
    keeper = request.app.state.site.doorkeeper
    if not keeper.closed:
        return page(request, "login.html", 401, message="", hint=keeper.hint)
    return page(request, "error.html", 401, message=keeper.closed, hint=keeper.hint)


async def _indexing(request: Request, problem: Exception) -> Response:
    """The page loads itself again, until all can be shown."""
    done, total = (problem.done, problem.total) if isinstance(problem, StillIndexing) else (0, 0)
    inside = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    found, there = await run_in_threadpool(newest, request.app.state.site.store)
    names = cells.usual(found)
    answer = page(
        request, "indexing.html", 200 if inside == "/" else 503, done=done, total=total or there, state=State(),
        rows=cells.rows(found, names, {}, {}), columns=cells.headings(names, ""),
    )  # fmt: skip
    answer.headers["Refresh"] = answer.headers["Retry-After"] = "1"
    return answer


async def _refused(request: Request, problem: Exception) -> Response:
    hint = ""
    inside = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if isinstance(problem, ApiError) and inside == "/enter" and request.method == "POST":
        keeper = request.app.state.site.doorkeeper
        return page(request, "login.html", problem.status, message=problem.message, hint=keeper.hint)
    if isinstance(problem, HTTPException):
        status, message = (
            problem.status_code,
            "There is no such page." if problem.status_code == 404 else problem.detail,
        )
    elif isinstance(problem, ApiError):
        status, message = problem.status, problem.message
    elif isinstance(problem, ProjError):
        status, message, hint = 400 if isinstance(problem, InputError) else 404, problem.message, problem.hint
    else:
        status, message = 503, f"The store cannot be read: {getattr(problem, 'strerror', '') or problem}"
    return page(request, "error.html", status, message=message, hint=hint)


def address(base: str, code: str, to: str = "") -> str:
    """A link that opens the pages, once."""
    return f"{base}{ROOT}/enter?{urlencode({'code': code, **({'to': to} if to else {})})}"
