"""HTTP/1.1 on the wire: uvicorn's protocol on httptools, and what these two leave open.

httptools (llhttp) refuses most of what smuggles requests past a proxy: other spaces before `chunked`, `0x5`, bare CR
or LF, control characters. It lets through, and is stopped here: HTTP/1.1 without one Host, a transfer coding besides
`chunked` or in HTTP/1.0, other versions, doubled fields, fragments in the target, a body behind `Upgrade`, and heads,
trailers and chunk extensions without end. uvicorn has no time limit for a head, a body, or a reader of answers.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from heapq import nsmallest
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from runner.protocol.gate import Limits

__all__ = ["Joined", "Wire"]

IDLE, HEAD, BODY = range(3)  # what is being read
SLOWEST = 256  # bytes a second of a body
LINGER = 1.0  # s, for a client to read why it was refused
PIPELINED = 64  # requests that may wait on one connection
FRAMING = 16  # bytes around one byte of a body: chunks may be small, but not all frame
SLICE = 16 * 1024  # bytes that are parsed before we look what they were
SINGLE = frozenset((b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization"))
HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
TARGET = re.compile(rb"(?:/|https?://)[!\"$-~]*")


class RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Joined:
    """Sends the head of a response together with the beginning of its body, which uvicorn writes right after it."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Small pieces are collected: a head and a small body leave in one packet."""
        if self._held is None:
            self._held = data
            self._loop.call_soon(self._flush)  # a body that is not there yet is not waited for
        elif self._held and len(data) < SLICE:
            data, self._held = self._held + data, b""
            self._transport.write(data)
        else:
            self._flush()
            self._transport.write(data)

    def _flush(self) -> None:
        if self._held:
            self._transport.write(self._held)
            self._held = b""

    def close(self) -> None:
        """After what was still to be sent."""
        self._flush()
        self._transport.close()


class Wire(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self, config: Config, state: ServerState, limits: Limits, refused: Callable[[int, int], None]
    ) -> None:
        """`refused` is told the status and size of an answer to what is not a request."""
        super().__init__(config, state, {})
        self._limits = limits
        self._refused = refused
        self._reading = IDLE
        self._since = self._last = self.loop.time()
        self._taken = 0  # bytes of the current body
        self._heading = 0  # bytes of the current head
        self._frame = 0  # bytes of the current message that are not its body
        self._length = 0  # of the current body, if it was told
        self._first = b""  # line of the current head
        self._by_line = self._seen = True
        self._unsent = 0
        self._refusal = b""  # nothing more is read; this is sent when its turn comes

    # ---- connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        others: Any = self.connections
        if len(others) >= self._limits.connections:  # several at once: to look at all of them takes its time
            for other in nsmallest(1 + len(others) // 50, others, key=Wire.claim):
                other.drop()
        super().connection_made(transport)
        transport.set_write_buffer_limits(
            1, 0
        )  # `drained`: nothing of an answer waits here. 0 would stop TLS for ever

    def connection_lost(self, exc: Exception | None) -> None:
        """Leaves no circle of objects: to search for that of 10,000 connections would stop all threads for 0.1 s."""
        super().connection_lost(exc)
        self.cycle = None  # type: ignore[assignment]
        self.pipeline.clear()
        for name in (
            "_read_ready_cb",
            "_write_ready",
        ):  # methods of asyncio's transport, which it has of itself
            if hasattr(self.transport, name):
                setattr(self.transport, name, None)

    def claim(self) -> tuple[bool, float]:
        """The least makes room for another: who is between requests, and has been silent for longest."""
        return not self.idle, self._last

    @property
    def idle(self) -> bool:
        """Whether no request is being read or answered."""
        return self._reading == IDLE and (self.cycle is None or self.cycle.response_complete)

    def drop(self) -> None:
        self.connections.discard(self)
        self.transport.abort()

    def look(self, now: float) -> None:
        """Drops a client that has been too slow, or silent for too long; `now` as of the event loop."""
        patience = self._limits.patience
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._last = unsent, now
        quiet, age = now - self._last, now - self._since
        if unsent:
            late = quiet > patience
        elif self.idle:
            late = quiet > self._limits.idle
        elif self._reading == HEAD:
            late = age > patience
        elif self._reading == BODY and not self.flow.read_paused:
            late = quiet > patience or (age > patience and self._taken < SLOWEST * age)
        else:
            late, self._last = False, now  # it waits for us
        if late:
            self.drop()

    # ---- reading

    def data_received(self, data: bytes) -> None:
        """In slices: a request after the refused one is not even parsed."""
        self._last = self.loop.time()
        self._unset_keepalive_if_required()
        for start in range(0, len(data), SLICE):
            if not self._refusal:
                self._feed(data[start : start + SLICE])

    def _feed(self, data: bytes) -> None:
        self._frame += len(data)
        while data:
            piece, data = self._part(data)
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade() + piece[upgrade.args[0] :] + data
            except httptools.HttpParserError as problem:
                cause = problem.__context__
                if not isinstance(cause, RefusedError):
                    cause = RefusedError(400, "This is not an HTTP request.")
                self._refuse(cause.status, str(cause))
                return
        if self._frame > self._limits.head + FRAMING * self._taken:
            if self._reading == HEAD:
                self._refuse(431, "The head of the request is too large.")
            else:
                self._refuse(400, "There is too much around the body of the request.")

    def _part(self, data: bytes) -> tuple[bytes, bytes]:
        """A head is parsed by line, a body of known length by itself: so that each first line is seen as it came."""
        self._by_line = self._reading != BODY
        if self._by_line:
            size = data.find(b"\n") + 1 or len(data)
            if self._reading == IDLE or not self._first.endswith(b"\n"):
                self._first += data[:size]
        else:
            size = self._length - self._taken if self._length else len(data)
        return data[:size], data[size:]

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading = HEAD
        self._since = self._last
        self._taken = self._heading = 0
        self._seen = self._by_line  # not behind a chunked body in the same piece

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._head_grew(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading == HEAD:  # trailers are not wanted
            super().on_header(name, value)
            self._head_grew(len(name) + len(value))

    def _head_grew(self, size: int) -> None:
        self._heading += size
        if self._heading > self._limits.head:
            raise RefusedError(431, "The head of the request is too large.")

    def on_headers_complete(self) -> None:
        self._check_head()
        if self.parser.should_upgrade():
            return
        self.scope["state"]["closed"] = self.transport.is_closing
        self.scope["state"]["drained"] = self.flow.drain
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":
            joined: Any = Joined(self.transport, self.loop)
            self.cycle.transport = joined
        self._reading = BODY

    def _check_head(self) -> None:
        version, found = self.parser.get_http_version(), dict[bytes, bytes]()
        for name, value in self.headers:
            if name in SINGLE:
                if name in found:
                    raise RefusedError(400, f"The header {name.decode()} is there twice.")
                found[name] = value
        first = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version.encode())
        if version not in ("1.1", "1.0") or self.parser.get_method() == b"CONNECT":
            raise RefusedError(400, "Only HTTP/1.1 is spoken here.")
        if not TARGET.fullmatch(self.url) or (self._seen and self._first.removeprefix(b"\r\n") != first):
            raise RefusedError(400, "The request line is malformed.")
        host, encoding = found.get(b"host", b""), found.get(b"transfer-encoding")
        if not HOST.fullmatch(host) or not (host or version == "1.0"):
            raise RefusedError(400, "A request needs one Host.")
        if encoding is not None and (encoding.lower() != b"chunked" or version == "1.0"):
            raise RefusedError(400, "The transfer encoding is not known.")
        if len(self.pipeline) >= PIPELINED:
            raise RefusedError(400, "Too many requests wait on this connection.")
        self._length = int(found.get(b"content-length", 0))

    def on_body(self, body: bytes) -> None:
        self._taken += len(body)
        self._frame -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._reading = IDLE
        self._first = b""
        if not self.parser.should_upgrade():
            super().on_message_complete()
            self._frame = 0

    def _without_upgrade(self) -> bytes:
        """The head once more. We upgrade to nothing, which is allowed; the parser takes no body with it."""
        lines = [b"%s %s HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [b"%s: %s" % each for each in self.headers if each[0] != b"upgrade"]
        # the old one takes nothing more when the head also said `Connection: close`
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    # ---- refusing

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        """Answers what is not a request, after those that were, and reads no more."""
        code = "INVALID_PARAMETER_VALUE"
        body = json.dumps({"error_code": code, "message": message}).encode()
        head = b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(
            body
        )
        self._refusal = STATUS_LINE[status] + head + body
        self._refused(status, len(body))
        cycle = self.cycle
        if self._reading == BODY:  # the request whose body is malformed must not be answered, or done
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        elif cycle is not None and not cycle.response_complete:
            return
        self._send_refusal()

    def on_response_complete(self) -> None:
        if self._refusal and not self.pipeline:
            self._send_refusal()
        else:
            super().on_response_complete()

    def _send_refusal(self) -> None:
        """A client that still sends must not get a reset before it has read this."""
        if self.transport.is_closing():
            return
        self.transport.write(self._refusal)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER, self.transport.close)
