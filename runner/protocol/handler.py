"""What the event loop asks of whoever answers the requests, and what it grants the clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from runner.protocol.answer import Response
from runner.protocol.http import Head

__all__ = ["Handler", "Limits", "Sink", "Task"]


class Sink(Protocol):
    """Takes the body of an upload, piece by piece."""

    def write(self, data: bytes) -> object: ...

    def finish(self) -> Response: ...

    def abort(self) -> None: ...


class Task(NamedTuple):
    """What answers a request when its body is there; a slow one is called in a thread."""

    answer: Callable[[bytes], Response]
    slow: bool = False


class Handler(Protocol):
    def begin(self, head: Head, peer: str) -> Response | Sink | Task:
        """Before the body is read: a Response refuses it, a Sink takes it, for a Task it is collected."""

    def done(self, head: Head | None, response: Response, peer: str) -> None:
        """For the access log."""

    def failed(self, problem: Exception) -> None:
        """A fault of ours was met; the client gets an INTERNAL_ERROR."""

    def tick(self, connections: int) -> None:
        """About once a second, while there are connections; and at the end."""


class Limits(NamedTuple):
    head: int = 32 * 1024  # bytes
    body: int = 64 * 1024 * 1024  # bytes, of a body that is collected
    upload: int = 0  # bytes, of one artifact; 0: no limit
    connections: int = 4096
    patience: float = 30  # s without progress in a request
    idle: float = 600  # s between requests
    threads: int = 4
