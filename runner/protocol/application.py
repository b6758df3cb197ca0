"""The one HTTP application: the protocol, what tells of the server, and pages that others add."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.responses import Response as Answer
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from runner.protocol.answer import error
from runner.protocol.api import Api
from runner.protocol.gate import Gate, Limits
from runner.protocol.middleware import Entrance, Watch
from runner.protocol.views import VERSION

__all__ = ["application"]

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def application(
    gate: Gate, limits: Limits, pages: Sequence[BaseRoute] = (), doors: tuple[str, ...] = ()
) -> ASGIApp:
    """For requests that `gate` lets in; `pages` come before what is not found, and below `doors` decide themselves."""
    api = Api(gate, limits)

    async def health(_: Request) -> Answer:
        return PlainTextResponse("OK")

    async def version(_: Request) -> Answer:
        return PlainTextResponse(VERSION)

    async def described(_: Request) -> Answer:
        from runner.protocol.openapi import described

        return Answer(described(), media_type="application/json")

    async def metrics(_: Request) -> Answer:
        return Answer(gate.metrics(), media_type=PROMETHEUS)

    return Starlette(
        routes=[
            Mount("/api", api),
            Mount("/ajax-api", api),
            Route("/health", health),
            Route("/version", version),
            Route("/openapi.json", described),
            Route("/metrics", metrics),
            *pages,
            Mount("/", api),
        ],
        middleware=[
            Middleware(Watch, gate=gate, limits=limits),
            Middleware(Entrance, gate=gate, doors=doors),
        ],
        exception_handlers={HTTPException: _refused},
    )


async def _refused(_: Request, problem: Exception) -> Answer:
    """By Starlette: a method that a page does not have, and the like."""
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    text = problem.detail if isinstance(problem, HTTPException) else str(problem)
    found = error("ENDPOINT_NOT_FOUND" if status in (404, 405) else "BAD_REQUEST", text, status)
    return Answer(found.body, status, media_type=found.type)
