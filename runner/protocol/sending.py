"""Answers on their way: what is long goes in pieces, so that slow readers take little memory, and nobody the loop."""

from __future__ import annotations

import os
from asyncio import AbstractEventLoop, Semaphore, get_running_loop
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import BinaryIO
from weakref import WeakKeyDictionary

from anyio import to_thread
from anyio.lowlevel import checkpoint
from starlette.types import Scope, Send

from runner.protocol.answer import Response

__all__ = ["DisconnectedError", "pieces", "respond"]

IN_FLIGHT = 16_000_000  # bytes of the pieces of all answers together
LARGEST, SMALLEST = 64 * 1024, 4096  # bytes of a piece
AT_ONCE = 2  # pieces, before who asks for something small gets a turn


class DisconnectedError(Exception):
    """The client is gone, or what it sent turned out to be malformed: nothing of it may be done."""


class Crowd:
    """The answers that are being sent in pieces."""

    def __init__(self) -> None:
        self.count = 0
        self._turns: WeakKeyDictionary[AbstractEventLoop, Semaphore] = WeakKeyDictionary()

    def turn(self) -> Semaphore:
        return self._turns.setdefault(get_running_loop(), Semaphore(AT_ONCE))

    def share(self) -> int:
        """Bytes of a piece: the more there are, the less each of them may keep in memory."""
        return max(SMALLEST, min(LARGEST, IN_FLIGHT // max(self.count, 1)))


_crowd = Crowd()


async def respond(response: Response, scope: Scope, send: Send) -> None:
    """Sends it, what is long in pieces as long as somebody reads them."""
    file, body = response.file, response.body
    length = len(body) if file is None else response.length
    headers = [
        (b"content-type", response.type.encode()),
        (b"content-length", b"%d" % length),
        (b"x-content-type-options", b"nosniff"),
        *((name.encode(), value.encode("latin-1", "replace")) for name, value in response.headers),
    ]
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if scope["method"] != "HEAD" and (file is not None or length > LARGEST):
            async with aclosing(pieces(file or body, length, scope)) as parts:
                async for part in parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            body = b""
        await send({"type": "http.response.body", "body": body})
    finally:
        if file is not None:
            file.close()


async def pieces(source: BinaryIO | bytes, length: int, scope: Scope) -> AsyncGenerator[bytes, None]:
    """`length` bytes, of a file from where it is; each when the one before has left. DisconnectedError."""
    state = scope["state"]
    closed: Callable[[], bool] = state.get("closed", bool)
    drained: Callable[[], Awaitable[None]] = state.get("drained", checkpoint)
    place = 0 if isinstance(source, bytes) else source.tell()
    end = place + length
    _crowd.count += 1
    try:
        while place < end:
            await drained()
            await checkpoint()  # one who reads as quickly as we write would keep all others waiting
            if closed():
                raise DisconnectedError
            size = min(_crowd.share(), end - place)
            part = (
                source[place : place + size]
                if isinstance(source, bytes)
                else await _read(source, size, place)
            )
            if not part:  # the file is shorter than announced
                raise DisconnectedError
            place += len(part)
            yield part
    finally:
        _crowd.count -= 1


async def _read(file: BinaryIO, size: int, place: int) -> bytes:
    """Here what the system has in memory, in a thread what it must fetch."""
    buffer = bytearray(size)
    try:
        count = _preadv(file.fileno(), [buffer], place, _nowait)
    except OSError:  # it would have to wait, or the file system cannot tell
        count = await to_thread.run_sync(_wait_for, file, buffer, place)
    return bytes(memoryview(buffer)[:count])


def _wait_for(file: BinaryIO, buffer: bytearray, place: int) -> int:
    data = os.pread(file.fileno(), len(buffer), place)
    buffer[: len(data)] = data
    return len(data)


def _refused(*_: object) -> int:
    raise OSError


_nowait = getattr(os, "RWF_NOWAIT", 0)
_preadv: Callable[..., int] = getattr(os, "preadv", _refused) if _nowait else _refused
