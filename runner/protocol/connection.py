"""One connection of the event loop: what it has sent so far, and what it still has to get."""

from __future__ import annotations

import _socket
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from runner.protocol.http import Chunks, Head

if TYPE_CHECKING:
    from runner.protocol.answer import Response
    from runner.protocol.handler import Limits, Sink, Task

__all__ = ["BODY", "BUSY", "HEAD", "LINGER", "SHAKE", "Connection", "accepted"]

SHAKE = 0  # TLS is being agreed on
HEAD = 1  # waits for a request, or for the rest of its head
BODY = 2
BUSY = 3  # a response is being made or sent
SLOWEST = 256  # bytes a second of a body
LINGER = 4  # everything was sent; what still comes is thrown away


class Connection:
    __slots__ = (
        "body", "broken", "buffer", "chunks", "fd", "file", "file_left", "head", "keep", "last", "left",
        "link", "out", "peer", "refusal", "since", "sink", "state", "taken", "task",
        "waiting",
    )  # fmt: skip

    def __init__(self, link: _socket.socket, peer: str, state: int) -> None:
        self.link = link
        self.fd = link.fileno()
        self.peer = peer
        self.state = state
        self.since = self.last = time.monotonic()
        self.buffer = bytearray()  # not yet taken apart
        self.head: Head | None = None
        self.left = 0  # bytes of the body to come
        self.taken = 0
        self.chunks: Chunks | None = None
        self.body: list[bytes] = []
        self.sink: Sink | None = None
        self.task: Task | None = None
        self.refusal: Response | None = None  # sent when the body, which nobody wants, has come
        self.out: memoryview | None = None
        self.file: BinaryIO | None = None
        self.file_left = 0
        self.keep = False
        self.broken = False  # no further request can be read
        self.waiting = False  # for the socket to take more

    @property
    def idle(self) -> bool:
        return self.state == HEAD and not self.buffer

    def overdue(self, now: float, limits: Limits) -> bool:
        """Whether the client has been too slow, or silent for too long."""
        quiet, age = now - self.last, now - self.since
        if self.idle:
            return quiet > limits.idle
        if self.state == LINGER:
            return age > 2
        if self.state == BODY:
            return quiet > limits.patience or (age > limits.patience and self.taken < SLOWEST * age)
        if self.state == BUSY:
            return self.waiting and quiet > limits.patience
        return age > limits.patience

    def next_piece(self, size: int) -> bytes:
        if self.file is None:
            return b""
        piece = self.file.read(min(size, self.file_left))
        self.file_left -= len(piece)
        return piece

    def close_file(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None

    def drop_sink(self) -> None:
        if self.sink is not None:
            self.sink.abort()
            self.sink = None

    def close(self) -> None:
        self.drop_sink()
        self.close_file()
        self.link.close()


def accepted(fd: int, address: Any, tls: Any) -> Connection:
    """The connection of a socket that was accepted; `tls`: an ssl.SSLContext, or None."""
    link: _socket.socket
    if tls is None:
        link = _socket.socket(fileno=fd)
    else:
        import socket

        link = tls.wrap_socket(socket.socket(fileno=fd), server_side=True, do_handshake_on_connect=False)
    link.setblocking(False)
    if link.family != _socket.AF_UNIX:
        link.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    peer = address[0] if isinstance(address, tuple) else ""
    return Connection(link, peer, HEAD if tls is None else SHAKE)
