"""The protocol over a store, as an ASGI application: the endpoints of the table, and files that are sent."""

from __future__ import annotations

from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.types import Receive, Scope, Send

from runner.protocol.answer import ApiError, Response
from runner.protocol.artifacts import Upload
from runner.protocol.fields import body_fields, query_fields, validated
from runner.protocol.gate import Entry, Gate, Head, Limits
from runner.protocol.middleware import DisconnectedError, Exchange, respond
from runner.protocol.places import Place, find, in_run, writable
from runner.protocol.route import Asked
from runner.protocol.table import Match, match
from runner.values import JsonObject

__all__ = ["Api"]

UPLOADS = ("/api/2.0/mlflow-artifacts/artifacts/", "/ajax-api/2.0/mlflow-artifacts/artifacts/")
PAGE_UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"  # of a UI
PAGE_LIMIT = 10 * 1024 * 1024  # bytes
SUBJECTS = ("run_id", "run_uuid", "experiment_id", "name")


class Api:
    def __init__(self, gate: Gate, limits: Limits) -> None:
        self._gate = gate
        self._limits = limits
        self._limiter: CapacityLimiter | None = None

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
            found = match(head.method, head.path)
            body = b"" if head.method in ("GET", "HEAD") else await _whole(receive)
            work = partial(self._answer, head, entry, found, body)
            response = await self._in_thread(work) if found.route.slow else work()
        await respond(response, scope, send)

    async def _in_thread(self, work: Any) -> Response:
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._limits.threads)
        response: Response = await to_thread.run_sync(work, limiter=self._limiter)
        return response

    def _answer(self, head: Head, entry: Entry, found: Match, body: bytes) -> Response:
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
        response = route.handle(Asked(runs.store, runs, entry.scope, values, raw, runs.artifact_root, place))
        if head.method not in ("GET", "HEAD") and not route.path.endswith("/search"):
            named = next((str(values[name]) for name in SUBJECTS if values.get(name)), "")
            subject = response.subject or named or "/".join(place.values())
            self._gate.changed(head, entry, f"{head.method} {route.path}", subject)
        return response

    async def _upload(self, exchange: Exchange, entry: Entry, place: Place, limit: int) -> Response:
        """Refuses before the body is read, and writes it as it comes."""
        writable(entry.runs.store, entry.runs, entry.scope, place)
        exchange.limit = limit
        exchange.check(exchange.head.length)
        upload = Upload(place, entry.runs)
        try:
            more = True
            while more:
                message = await _next(exchange.receive)
                upload.write(message.get("body", b""))
                more = message.get("more_body", False)
        except BaseException:
            upload.abort()
            raise
        response = upload.finish()
        self._gate.changed(exchange.head, entry, "artifacts", place.run_id or place.model_id or place.path)
        return response


def _named(head: Head, entry: Entry) -> Place:
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
