"""The event loop of a server process: many connections, one thread, bounded memory for each.

Requests are answered in the loop, which for a log-metric takes less than waking a thread; what the handler
calls slow (searches, histories) goes to a few threads. Bodies of uploads are handed on as they come. Every
response is one write, with TCP_NODELAY.
"""

from __future__ import annotations

import _socket
import os
import selectors
import time
from collections import deque
from functools import partial
from typing import Any

from runner.protocol.answer import Response, error
from runner.protocol.connection import BODY, BUSY, HEAD, LINGER, SHAKE, Connection, accepted
from runner.protocol.handler import Handler, Limits, Task
from runner.protocol.http import BadRequestError, Chunks, parse_head, render
from runner.protocol.pool import Pool

__all__ = ["Loop"]

PIECE = 256 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Loop:
    def __init__(self, handler: Handler, limits: Limits, tls: Any = None) -> None:
        self._handler = handler
        self._limits = limits
        self._tls = tls
        self._again: tuple[type[BaseException], ...] = (BlockingIOError, InterruptedError)
        if tls is not None:
            import ssl

            self._again += (ssl.SSLWantReadError, ssl.SSLWantWriteError)
        self._selector = selectors.DefaultSelector()
        self._connections: dict[int, Connection] = {}
        self._listeners: list[_socket.socket] = []
        self._ready: deque[tuple[Connection, Response]] = deque()
        self._wake_out, self._wake_in = os.pipe()
        os.set_blocking(self._wake_out, False)
        os.set_blocking(self._wake_in, False)
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        self._pool: Pool | None = None
        self._stopping = False
        self._swept = 0.0
        self._busy = False  # something happened since the last tick

    def listen(self, listener: _socket.socket) -> None:
        listener.setblocking(False)
        self._listeners.append(listener)
        self._selector.register(listener, selectors.EVENT_READ, listener)

    def stop(self) -> None:
        """From any thread, or a signal handler: no new requests; what is in hand is finished."""
        self._stopping = True
        self._wake()

    def run(self, grace: float = 10) -> None:
        """Serves until `stop`, and then for at most `grace` seconds what was begun before."""
        deadline = 0.0
        while True:
            if self._stopping:
                deadline = deadline or time.monotonic() + grace
                self._unlisten()
                for connection in [one for one in self._connections.values() if one.idle]:
                    self._drop(connection)
                if not self._connections or time.monotonic() > deadline:
                    break
            wait = 0.1 if self._stopping else 1.0 if self._connections or self._busy else None
            for key, _ in self._selector.select(wait):
                self._busy = True
                if isinstance(key.data, Connection):
                    self._event(key.data)
                elif key.data is None:
                    self._woken()
                else:
                    self._accept(key.data)
            now = time.monotonic()
            if now - self._swept > 1:
                self._swept = now
                self._sweep(now)
                self._handler.tick(len(self._connections))
                self._busy = False
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._handler.tick(0)
        if self._pool is not None:
            self._pool.close()
        self._selector.close()
        os.close(self._wake_out)
        self._wake_in, wake_in = -1, self._wake_in
        os.close(wake_in)

    def _unlisten(self) -> None:
        for listener in self._listeners:
            self._selector.unregister(listener)
        self._listeners.clear()

    # ---- connections

    def _accept(self, listener: _socket.socket) -> None:
        for _ in range(4):  # few, so that other processes get their share
            try:
                fd, address = listener._accept()  # type: ignore[attr-defined]
            except self._again:
                return
            except OSError:  # out of file descriptors, or the client is gone already
                self._make_room()
                return
            if len(self._connections) >= self._limits.connections:
                self._make_room()
            connection = accepted(fd, address, self._tls)
            self._connections[fd] = connection
            self._selector.register(fd, selectors.EVENT_READ, connection)

    def _make_room(self) -> None:
        """The connection that has been silent for longest makes room; one that is between requests first."""
        if self._connections:
            self._drop(min(self._connections.values(), key=lambda one: (not one.idle, one.last)))

    def _drop(self, connection: Connection) -> None:
        if (
            self._connections.get(connection.fd) is not connection
        ):  # dropped before; its number may be in use again
            return
        del self._connections[connection.fd]
        self._selector.unregister(connection.fd)
        connection.close()

    def _sweep(self, now: float) -> None:
        for connection in list(self._connections.values()):
            if connection.overdue(now, self._limits):
                self._drop(connection)

    # ---- reading

    def _event(self, connection: Connection) -> None:
        if self._connections.get(connection.fd) is not connection:  # made room for another in this round
            return
        if connection.waiting:
            self._send(connection)
            if connection.state == HEAD and connection.buffer:
                self._feed(connection, b"")
            return
        try:
            if connection.state == SHAKE:
                connection.link.do_handshake()  # type: ignore[attr-defined]
                connection.state = HEAD
                return
            data = connection.link.recv(PIECE)
            while self._tls is not None and len(data) < PIECE and connection.link.pending():  # type: ignore[attr-defined]
                data += connection.link.recv(PIECE)
        except self._again:
            return
        except OSError:
            self._drop(connection)
            return
        if not data or len(connection.buffer) > self._limits.body:
            self._drop(connection)
            return
        connection.last = time.monotonic()
        if connection.state != LINGER:
            self._feed(connection, data)

    def _feed(self, connection: Connection, data: bytes) -> None:
        """Takes what came, and goes on as long as whole requests are there."""
        try:
            while True:
                if connection.state == HEAD:
                    if not self._take_head(connection, data):
                        return
                elif connection.state == BODY:
                    if not self._take_body(connection, data):
                        return
                else:
                    connection.buffer += data
                    return
                data = b""
        except BadRequestError as bad:
            connection.broken = True
            connection.drop_sink()
            code = "INVALID_PARAMETER_VALUE" if bad.status < 500 else "NOT_IMPLEMENTED"
            self._respond(connection, error(code, bad.message, bad.status))

    def _take_head(self, connection: Connection, data: bytes) -> bool:
        buffer = connection.buffer
        if not buffer:
            connection.since = connection.last
        buffer += data
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or end > self._limits.head:
            if len(buffer) > self._limits.head:
                raise BadRequestError(431, "The head of the request is too large.")
            return False
        head = parse_head(bytes(buffer[:end]))
        del buffer[: end + 4]
        connection.head = head
        connection.left = head.length
        connection.taken = 0
        connection.chunks = Chunks() if head.length < 0 else None
        if head.length > self._limits.body and head.method != "PUT":
            raise BadRequestError(413, f"The request is larger than the limit of {self._limits.body} bytes.")
        begun = self._guarded(lambda: self._handler.begin(head, connection.peer))
        if isinstance(begun, Response):
            self._refuse(connection, begun)
            return True
        if isinstance(begun, Task):
            connection.task = begun
        else:
            connection.sink = begun
        if head.length == 0:
            self._complete(connection)
            return True
        connection.state = BODY
        if head.headers.get("expect", "").lower() == "100-continue" and not buffer:
            connection.link.send(CONTINUE)
        return True

    def _take_body(self, connection: Connection, data: bytes) -> bool:
        """True when the body is whole (and answered)."""
        if connection.buffer:
            data = bytes(connection.buffer) + data
            connection.buffer.clear()
        if not data:
            return False
        if connection.chunks is not None:
            parts, whole = connection.chunks.feed(data)
            if whole:
                connection.buffer += connection.chunks.rest
        else:
            piece = data if len(data) <= connection.left else data[: connection.left]
            connection.buffer += data[len(piece) :]
            connection.left -= len(piece)
            parts, whole = [piece], not connection.left
        for part in parts:
            connection.taken += len(part)
            if connection.refusal is not None:
                continue
            if connection.sink is None:
                if connection.taken > self._limits.body:
                    raise BadRequestError(
                        413, f"The request is larger than the limit of {self._limits.body} bytes."
                    )
                connection.body.append(part)
            elif 0 < self._limits.upload < connection.taken:
                raise BadRequestError(
                    413, f"The file is larger than the limit of {self._limits.upload} bytes."
                )
            else:
                failed = self._guarded(partial(connection.sink.write, part))
                if isinstance(failed, Response):
                    connection.drop_sink()
                    connection.refusal = failed
        if whole:
            self._complete(connection)
        return whole

    def _complete(self, connection: Connection) -> None:
        task, sink, refusal = connection.task, connection.sink, connection.refusal
        body = b"".join(connection.body)
        connection.body.clear()
        connection.state = BUSY
        connection.task = connection.sink = connection.refusal = None
        if refusal is not None:
            self._respond(connection, refusal)
        elif sink is not None:
            self._respond(connection, self._guarded(sink.finish))
        elif task is None:
            self._drop(connection)
        elif task.slow:
            if self._pool is None:
                self._pool = Pool(self._limits.threads)
            self._pool.put(
                lambda: self._guarded(lambda: task.answer(body)),
                lambda response: self._answered(connection, response),
            )
        else:
            self._respond(connection, self._guarded(lambda: task.answer(body)))

    def _refuse(self, connection: Connection, response: Response) -> None:
        """Answers without the body. A small one is read and forgotten; a large one ends the connection."""
        head = connection.head
        if head is None:
            return
        if head.length == 0:
            connection.state = BUSY
            self._respond(connection, response)
        elif 0 < head.length <= 1_000_000 and "expect" not in head.headers:
            connection.refusal = response
            connection.sink = None
            connection.state = BODY
        else:
            connection.broken = True
            connection.state = BUSY
            self._respond(connection, response)

    def _guarded(self, work: Any) -> Any:
        try:
            return work()
        except OSError as problem:
            return error("TEMPORARILY_UNAVAILABLE", f"The store cannot be used: {problem.strerror}.")
        except Exception as problem:  # noqa: BLE001  the boundary: a fault of ours must not end the server
            self._handler.failed(problem)
            return error("INTERNAL_ERROR", f"The server failed on this request ({type(problem).__name__}).")

    # ---- answering

    def _respond(self, connection: Connection, response: Response) -> None:
        head = connection.head
        keep = head is not None and head.keep and not connection.broken and not self._stopping
        if head is not None and head.method == "HEAD":
            data = render(response, keep)
            data = data[: data.index(b"\r\n\r\n") + 4]
            if response.file is not None:
                response.file.close()
            response = response._replace(file=None)
        else:
            data = render(response, keep)
        self._handler.done(head, response, connection.peer)
        connection.state = BUSY
        connection.keep = keep
        connection.file = response.file
        connection.file_left = response.length
        connection.out = memoryview(data)
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        """Sends as much as goes; the rest when the socket takes more."""
        try:
            while connection.out is not None or connection.file is not None:
                if connection.out is None:
                    piece = connection.next_piece(PIECE)
                    if (
                        not piece
                    ):  # the file became shorter than announced: only an end of the connection can say so
                        self._drop(connection)
                        return
                    connection.out = memoryview(piece)
                sent = connection.link.send(connection.out)
                connection.last = time.monotonic()
                connection.out = connection.out[sent:] if sent < len(connection.out) else None
                if connection.out is None and connection.file_left == 0:
                    connection.close_file()
        except self._again:
            if not connection.waiting:
                connection.waiting = True
                self._selector.modify(connection.fd, selectors.EVENT_WRITE, connection)
            return
        except OSError:
            self._drop(connection)
            return
        self._sent(connection)

    def _sent(self, connection: Connection) -> None:
        if connection.waiting:
            connection.waiting = False
            self._selector.modify(connection.fd, selectors.EVENT_READ, connection)
        connection.head = None
        if connection.keep:
            connection.state = HEAD
            connection.since = connection.last
            return
        try:  # a client that still sends must not get a reset before it has read the answer
            connection.link.shutdown(_socket.SHUT_WR)
        except OSError:
            self._drop(connection)
            return
        connection.state = LINGER
        connection.since = time.monotonic()
        connection.buffer.clear()

    # ---- threads

    def _answered(self, connection: Connection, response: Response) -> None:
        """In a thread of the pool."""
        self._ready.append((connection, response))
        self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._wake_in, b".")
        except OSError:
            pass  # the pipe is full: it wakes up anyway; or the loop has ended

    def _woken(self) -> None:
        os.read(self._wake_out, 4096)
        while self._ready:
            connection, response = self._ready.popleft()
            if self._connections.get(connection.fd) is not connection:  # it hung up meanwhile
                if response.file is not None:
                    response.file.close()
                continue
            self._respond(connection, response)
            if connection.state == HEAD and connection.buffer:
                self._feed(connection, b"")
