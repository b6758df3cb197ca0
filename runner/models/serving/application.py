"""The front of a served model as an ASGI application: MLflow's scoring protocol, how the server is, who may ask."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.models.serving.pool import BusyError, GoneError, LateError, LeftError, UnreadyError
from runner.models.serving.state import State
from runner.models.serving.worker import Item
from runner.protocol.answer import ApiError, error
from runner.protocol.gate import Gate, Head, Limits, bearer
from runner.protocol.hosts import check_browser, check_host
from runner.protocol.middleware import Watch

__all__ = ["application"]

JSON = "application/json"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPEN = ("/ping", "/health")  # to everybody: what looks whether a container is well has no token
LEFT = 499  # nginx's, in what is counted: nobody reads it
LATER = (("retry-after", "1"),)
LOADING = (("retry-after", "5"),)


def application(state: State, gate: Gate, limits: Limits, token: str, hosts: tuple[str, ...]) -> ASGIApp:
    """`token`: that must be brought, "" for none. `hosts`: names that it answers to, () for all."""

    async def ping(_: Request) -> Response:
        return Response("\n", 200, media_type=JSON) if state.ready else _unready(state)

    async def version(_: Request) -> Response:
        return Response(state.mlflow, media_type=JSON) if state.mlflow else _unready(state)

    async def metrics(_: Request) -> Response:
        return Response(gate.metrics(), media_type=PROMETHEUS)

    async def invocations(request: Request) -> Response:
        item = Item(0, request.headers.get("content-type", ""), await request.body())

        async def left() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        return await _answered(state, lambda: state.ask(item, left))

    return Starlette(
        routes=[
            Route("/invocations", invocations, methods=["POST"]),
            Route("/ping", ping),
            Route("/health", ping),
            Route("/version", version),
            Route("/metrics", metrics),
        ],
        middleware=[
            Middleware(Watch, gate=gate, limits=limits),
            Middleware(Door, token=token, hosts=hosts),
        ],
    )


async def _answered(state: State, ask: Callable[[], Awaitable[Item]]) -> Response:
    """What the worker says, or why there is no answer."""
    try:
        found = await ask()
    except UnreadyError:
        return _unready(state)
    except BusyError:
        said = error("REQUEST_LIMIT_EXCEEDED", "Too many requests wait for the model already.")
        return Response(said.body, said.status, dict(LATER), JSON)
    except LeftError:
        return Response(status_code=LEFT)
    except LateError:
        return Response("Request processing time exceeded limit", 504, media_type=JSON)  # MLflow's words
    except GoneError as problem:
        said = error(
            "TEMPORARILY_UNAVAILABLE", f"The worker ended while it answered this request: {problem}."
        )
        return Response(said.body, said.status, dict(LATER), JSON)
    return Response(found.body, found.status, {"content-type": found.type})


def _unready(state: State) -> Response:
    why = f"The model is not loaded: {state.problem}" if state.problem else "The model is being loaded."
    said = error("TEMPORARILY_UNAVAILABLE", why)
    return Response(said.body, said.status, dict(LOADING), JSON)


class Door:
    """Lets in who brings the token, before anything of the body is read."""

    def __init__(self, app: ASGIApp, token: str, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            head: Head = scope["state"]["head"]
            if self._hosts:
                check_host(head, self._hosts)
                check_browser(head, self._hosts)
            if self._token and head.path not in OPEN:
                given = bearer(head.headers).encode("utf-8", "replace")
                if not hmac.compare_digest(given, self._token):
                    raise ApiError(
                        "UNAUTHENTICATED", "The token is missing or wrong: Authorization: Bearer ..."
                    )
        await self._app(scope, receive, send)
