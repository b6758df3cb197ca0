"""Who asks, and what is noted about it: handed in by whoever serves (a run, a team's server, a model)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from runner.protocol.answer import ApiError
from runner.values import JsonMapping

if TYPE_CHECKING:
    from runner.protocol.live import LiveRuns
    from runner.protocol.scope import Scope

__all__ = ["PAGE_UPLOAD", "Entry", "Gate", "Head", "Limits", "bearer", "head_of"]


PAGE_UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"  # of a UI


class Limits(NamedTuple):
    head: int = 32 * 1024  # bytes
    body: int = 8_000_000  # bytes, of a body that is collected
    upload: int = 0  # bytes, of one artifact; 0: no limit
    connections: int = 4096
    taken: int = 4  # new connections at once: few, so that other processes on the socket get their share
    patience: float = 30  # s without progress in a request
    idle: float = 600  # s between requests
    threads: int = 4  # for what takes long


class Head(NamedTuple):
    method: str
    path: str  # decoded once
    query: str  # as sent
    headers: Mapping[str, str]  # names in lower case
    peer: str  # address; "" when there is none
    started: float  # time.monotonic()

    @property
    def length(self) -> int:
        """Of the body, in bytes; -1: told by its chunks."""
        if "transfer-encoding" in self.headers:
            return -1
        return int(self.headers.get("content-length", 0))

    @property
    def brings_file(self) -> bool:
        """Whether the body is a file, which may be larger than others."""
        return self.method == "PUT" or (self.method == "POST" and self.path == PAGE_UPLOAD)


class Entry(NamedTuple):
    """Somebody who was let in."""

    runs: LiveRuns
    scope: Scope


class Gate:
    """What one who serves decides and wants to know; called in the thread of the server."""

    def enter(self, head: Head) -> Entry:
        """Who asks. ApiError when they may not."""
        raise NotImplementedError

    def changed(self, head: Head, entry: Entry, what: str, subject: str) -> None:
        """For the audit, before it is acknowledged: `what` (an endpoint) was done to `subject` (an id).

        From any thread. OSError when it cannot be written.
        """

    def done(self, head: Head | None, entry: Entry | None, status: int, sent: int) -> None:
        """For the access log; `sent` bytes of body. No head: it was refused as malformed."""

    def failed(self, problem: BaseException) -> None:
        """A fault of ours was met; the client gets an INTERNAL_ERROR."""

    def tick(self, connections: int) -> None:
        """Once a second, and at the end."""

    def metrics(self) -> bytes:
        """In the format of Prometheus. ApiError where there are none."""
        raise ApiError("ENDPOINT_NOT_FOUND", "There is no such endpoint.")


def head_of(scope: JsonMapping) -> Head:
    """The head of a request from its ASGI scope."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    client = scope.get("client")
    query = scope["query_string"].decode("latin-1")
    return Head(scope["method"], scope["path"], query, headers, client[0] if client else "", time.monotonic())


def bearer(headers: Mapping[str, str]) -> str:
    """The token of a request: as Bearer, or as the password of Basic. "" when there is none."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        import base64
        import binascii

        try:
            return base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2]
        except binascii.Error:
            return ""
    return ""
