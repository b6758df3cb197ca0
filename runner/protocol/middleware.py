"""ASGI middleware of every server: limits and what is noted (Watch), and who may ask (Entrance).

scope["state"]["head"]: Head, ["entry"]: Entry of whoever was let in
"""

from __future__ import annotations

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runner.errors import InputError, ProjError
from runner.protocol.answer import ApiError, Response, error
from runner.protocol.gate import Entry, Gate, Head, Limits, head_of
from runner.protocol.sending import DisconnectedError, respond
from runner.values import JsonObject

__all__ = ["Entrance", "Exchange", "Watch"]

OPEN = ("/health", "/version")  # to everybody
SWALLOWED = (
    1_000_000  # bytes of a body that nobody wants, and that is read all the same to keep the connection
)
DRAIN = 2.0  # s, for a client to read why the rest of its body is not


class Exchange:
    """One request and its response, as they pass."""

    def __init__(self, head: Head, limit: int, receive: Receive, send: Send) -> None:
        self.head = head
        self.entry: Entry | None = None
        self.limit = limit  # bytes of the body
        self.whole = head.length == 0  # the body was read
        self.status = 0
        self.sent = 0
        self._taken = 0
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        """Counts the bytes of the body. ApiError (413) for more than the limit."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            self.check(self._taken)
        return message

    def check(self, size: int) -> None:
        if 0 < self.limit < size:
            raise ApiError(
                "INVALID_PARAMETER_VALUE", f"The request is larger than the limit of {self.limit} bytes.", 413
            )

    async def send(self, message: Message) -> None:
        """Counts what is sent. A request that was not read to its end is drained first: else the client sees a reset,
        not the answer.
        """
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._leaves_body:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await self._send(message)
            return
        self.sent += len(message.get("body", b""))
        if message.get("more_body", False) or not self._leaves_body:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._drain()
        await self._send({"type": "http.response.body"})

    @property
    def _leaves_body(self) -> bool:
        """Whether so much of the body is still to come that the connection ends with this response."""
        return not self.whole and (not 0 <= self.head.length <= SWALLOWED or "expect" in self.head.headers)

    async def _drain(self) -> None:
        """The response is sent; a reset would come before it if we closed on a client that sends."""
        with anyio.move_on_after(DRAIN):
            while (message := await self._receive())["type"] == "http.request" and message.get("more_body"):
                pass


class Watch:
    """Outermost: no body is larger than allowed, every fault has an answer, and everything is noted."""

    def __init__(self, app: ASGIApp, gate: Gate, limits: Limits) -> None:
        self._app = app
        self._gate = gate
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = head_of(scope)
        exchange = Exchange(head, self._limits.body, receive, send)
        state: JsonObject = scope.setdefault("state", {})
        state["exchange"], state["head"] = exchange, head
        try:
            if not head.brings_file:
                exchange.check(head.length)
            await self._app(scope, exchange.receive, exchange.send)
        except DisconnectedError:
            pass
        except Exception as problem:
            response = refusal(problem)
            if response is None or exchange.status:
                self._gate.failed(problem)
            if exchange.status:
                raise  # the response was begun: only an end of the connection can say so
            await respond(response or fault(problem), scope, exchange.send)
        finally:
            self._gate.done(head, exchange.entry, exchange.status, exchange.sent)
            state.clear()  # it has the exchange, which has the scope: no request leaves a circle of objects


class Entrance:
    """Lets in whom the gate lets in, before anything of the body is read.

    `doors`: paths, and beginnings of paths (with a "/"), at which pages decide that themselves.
    """

    def __init__(self, app: ASGIApp, gate: Gate, doors: tuple[str, ...] = ()) -> None:
        self._app = app
        self._gate = gate
        self._doors = doors
        self._below = tuple(each for each in doors if len(each) > 1 and each.endswith("/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_open(scope["path"], scope["method"]):
            state = scope["state"]
            exchange: Exchange = state["exchange"]
            exchange.entry = state["entry"] = self._gate.enter(exchange.head)
        await self._app(scope, receive, send)

    def _is_open(self, path: str, method: str) -> bool:
        looks = method in ("GET", "HEAD")
        return (looks and (path in OPEN or path in self._doors)) or path.startswith(self._below)


def refusal(problem: BaseException) -> Response | None:
    """The response that tells of a problem; None for a fault of ours."""
    if isinstance(problem, ApiError):
        return error(problem.code, problem.message, problem.status)
    if isinstance(problem, InputError):
        return error("INVALID_PARAMETER_VALUE", problem.message)
    if isinstance(problem, ProjError):
        return error("TEMPORARILY_UNAVAILABLE", problem.message)
    if isinstance(problem, OSError):
        return error("TEMPORARILY_UNAVAILABLE", f"The store cannot be used: {problem.strerror}.")
    return None


def fault(problem: BaseException) -> Response:
    """The answer to a request on which we failed; what it was is in the log, not in the answer."""
    return error("INTERNAL_ERROR", f"The server failed on this request ({type(problem).__name__}).")
