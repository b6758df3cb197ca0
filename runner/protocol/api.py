"""The protocol over a store, as an ASGI application: the endpoints of the table, and files that are sent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, TypeVar

from anyio import CapacityLimiter, move_on_after, to_thread
from starlette.types import Receive, Scope, Send

from runner.protocol.answer import EMPTY, ApiError, Response
from runner.protocol.artifact_paths import find, has_models, in_run, writable
from runner.protocol.artifacts import Upload
from runner.protocol.fields import body_fields, query_fields, validated
from runner.protocol.gate import PAGE_UPLOAD, Entry, Gate, Head, Limits
from runner.protocol.live import HeldError
from runner.protocol.middleware import Exchange
from runner.protocol.room import Room
from runner.protocol.route import Asked, Route
from runner.protocol.sending import DisconnectedError, respond
from runner.protocol.table import Match, match
from runner.tracking.artifact_paths import ArtifactPath
from runner.values import JsonObject

__all__ = ["Api"]

T = TypeVar("T")
UPLOADS = ("/api/2.0/mlflow-artifacts/artifacts/", "/ajax-api/2.0/mlflow-artifacts/artifacts/")
PAGE_LIMIT = 10 * 1024 * 1024  # bytes
LARGE = 64 * 1024  # bytes of a body that is not small
ROOM = 16_000_000  # bytes of such bodies that may be in memory at once
ANSWERS = 64_000_000  # bytes of answers that are not small, in memory until they are read
ANSWER = ANSWERS // 4  # bytes that are kept for one that takes long, until it is known how large it is
STEADY = 200_000  # bytes a second, in which they come at least
SUBJECTS = ("run_id", "run_uuid", "experiment_id", "name")


class Read(NamedTuple):
    """A request that was understood."""

    head: Head
    entry: Entry
    route: Route
    asked: Asked


class Api:
    def __init__(self, gate: Gate, limits: Limits) -> None:
        self._gate = gate
        self._limits = limits
        self._long: CapacityLimiter | None = None
        self._short: CapacityLimiter | None = None
        self._parsing: CapacityLimiter | None = None
        self._room = Room(ROOM)
        self._answers = Room(ANSWERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        head: Head = state["head"]
        entry: Entry = state["entry"]
        if head.method == "PUT" and head.path.startswith(UPLOADS):
            place = find(entry.runs.store, head.path.partition("/mlflow-artifacts/artifacts/")[2])
            response = await self._upload(state["exchange"], entry, place, self._limits.upload)
        elif head.method == "POST" and head.path == PAGE_UPLOAD:
            response = await self._upload(state["exchange"], entry, _named(head, entry), PAGE_LIMIT)
        else:
            async with AsyncExitStack() as held:
                response = await self._reply(head, entry, match(head.method, head.path), receive, held)
                await self._sent(response, scope, send)
            return
        await respond(response, scope, send)

    async def _sent(self, response: Response, scope: Scope, send: Send) -> None:
        """What is in memory until it is read must be read in time."""
        size = len(response.body)
        with move_on_after(self._limits.patience + size / STEADY if size > LARGE else None) as timer:
            await respond(response, scope, send)
        if timer.cancelled_caught:
            raise DisconnectedError

    async def _reply(
        self, head: Head, entry: Entry, found: Match, receive: Receive, held: AsyncExitStack
    ) -> Response:
        if head.method in ("GET", "HEAD"):
            return await self._answer(head, entry, found, b"", held)
        if 0 <= head.length <= LARGE:
            return await self._answer(head, entry, found, await _whole(receive), held)
        # many that send much at once wait for each other, and may not take their time
        size = min(head.length if head.length >= 0 else self._limits.body, ROOM)
        async with self._room.taken(size, entry.scope):
            given: list[bytes] = []
            with move_on_after(self._limits.patience + size / STEADY):
                given.append(await _whole(receive))
            if not given:
                raise ApiError("BAD_REQUEST", "The body of the request comes too slowly.")
            return await self._answer(head, entry, found, given.pop(), held)

    async def _answer(
        self, head: Head, entry: Entry, found: Match, body: bytes, held: AsyncExitStack
    ) -> Response:
        """Here what is surely quick, all else in a thread: nobody waits for it."""
        route = found.route
        if route.slow or route.blocks or len(body) > LARGE:
            given = [body]  # taken out by whoever reads it, so that nothing else keeps it
            del body
            share = None
            if route.slow:
                share = await held.enter_async_context(self._answers.taken(ANSWER, entry.scope))
            if len(given[0]) > LARGE:  # one after the other: each step of parsing one stops all other threads
                read = await self._alone(lambda: self._read(head, entry, found, given.pop()))
                response = await self._in_thread(lambda: self._handle(read), route)
            else:
                response = await self._in_thread(
                    lambda: self._handle(self._read(head, entry, found, given.pop())), route
                )
            if share is not None:
                share.resize(len(response.body) if len(response.body) > LARGE else 0)
            return response
        read = self._read(head, entry, found, body)
        run_id = read.asked.values.get("run_id") or read.asked.values.get("run_uuid")
        return await self._soon(entry, run_id, lambda: self._handle(read))

    async def _soon(self, entry: Entry, run_id: str | None, work: Callable[[], Response]) -> Response:
        """Here when it is quick for this run, as nearly always; else in a thread."""
        if not run_id or entry.runs.is_ready(run_id):
            try:
                return work()
            except HeldError:
                pass
        return await self._in_thread(work)

    async def _alone(self, work: Callable[[], T]) -> T:
        if self._parsing is None:
            self._parsing = CapacityLimiter(1)
        found = await to_thread.run_sync(lambda: _tried(work), limiter=self._parsing)
        if isinstance(found, ApiError):
            raise found
        return found

    async def _in_thread(self, work: Callable[[], Response], route: Route | None = None) -> Response:
        if self._long is None or self._short is None:
            self._long, self._short = (CapacityLimiter(self._limits.threads) for _ in range(2))
        limiter = self._long if route is not None and route.slow else self._short
        response = await to_thread.run_sync(lambda: _tried(work), limiter=limiter)
        if isinstance(response, ApiError):
            raise response
        return response

    def _read(self, head: Head, entry: Entry, found: Match, body: bytes) -> Read:
        route, place = found
        raw: JsonObject
        if head.method in ("GET", "HEAD"):
            raw = query_fields(head.query, route.message, entry.runs.store.secrets) if head.query else {}
        else:
            kind = head.headers.get("content-type")
            kind = kind if head.method == "POST" else "application/json"
            raw = body_fields(kind, body, entry.runs.store.secrets)
        values = validated(route.message, route.checks, raw) if route.message or route.checks else {}
        if "range" in head.headers:
            raw["range"] = head.headers["range"]
        runs = entry.runs
        asked = Asked(runs.store, runs, entry.scope, values, raw, runs.artifact_root, place)
        return Read(head, entry, route, asked)

    def _handle(self, read: Read) -> Response:
        head, entry, route, asked = read
        values, place = asked.values, asked.place
        response = route.handle(asked)
        if head.method not in ("GET", "HEAD") and not route.path.endswith("/search"):
            named = next((str(values[name]) for name in SUBJECTS if values.get(name)), "")
            subject = response.subject or named or "/".join(place.values())
            self._gate.changed(head, entry, f"{head.method} {route.path}", subject)
        return response

    async def _upload(self, exchange: Exchange, entry: Entry, place: ArtifactPath, limit: int) -> Response:
        """Refuses before the body is read, and writes it as it comes."""
        if place.run_id and not has_models(entry.runs.store):
            await self._soon(entry, place.run_id, lambda: _writable(entry, place))
        else:
            await self._in_thread(lambda: _writable(entry, place))
        exchange.limit = limit
        exchange.check(exchange.head.length)
        upload = Upload(place, entry.runs)
        try:
            more = True
            while more:
                message = await _next(exchange.receive)
                upload.write(message.get("body", b""))
                more = message.get("more_body", False)
            takes_long = has_models(entry.runs.store) or entry.runs.store.secrets
            response = await self._in_thread(upload.finish) if takes_long else upload.finish()
        except BaseException:
            upload.abort()
            raise
        self._gate.changed(exchange.head, entry, "artifacts", place.run_id or place.model_id or place.path)
        return response


def _tried(work: Callable[[], T]) -> T | ApiError:
    """A refusal without its frames, in which the body is: they would be in memory until the next collection."""
    try:
        return work()
    except ApiError as problem:
        problem.__context__ = None
        return problem.with_traceback(None)


def _writable(entry: Entry, place: ArtifactPath) -> Response:
    writable(entry.runs.store, entry.runs, entry.scope, place)
    return EMPTY


def _named(head: Head, entry: Entry) -> ArtifactPath:
    values = query_fields(head.query, {})
    run_id, path = values.get("run_uuid") or values.get("run_id") or "", values.get("path") or ""
    for name, value in (("run_uuid", run_id), ("path", path)):
        if not value:
            raise ApiError("INVALID_PARAMETER_VALUE", f"Request must specify {name}.")
    return in_run(entry.runs.store, run_id, path)


async def _next(receive: Receive) -> Any:
    message = await receive()
    if message["type"] != "http.request":
        raise DisconnectedError
    return message


async def _whole(receive: Receive) -> bytes:
    message = await _next(receive)
    if not message.get("more_body", False):
        return bytes(message.get("body", b""))
    parts = [message["body"]]
    while message.get("more_body", False):
        message = await _next(receive)
        parts.append(message.get("body", b""))
    return b"".join(parts)
