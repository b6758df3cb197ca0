"""uvicorn, serving our application in a thread of its own, on sockets that are bound elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import uvicorn
from anyio import to_thread
from starlette.types import ASGIApp

from runner.protocol.gate import Gate, Limits
from runner.protocol.loop import run
from runner.protocol.wire import Wire
from runner.values import JsonObject

if TYPE_CHECKING:
    import ssl

__all__ = ["Server"]

WAITING = 4096  # connections that are not yet taken
LOOK = 1.0  # s between looks at slow clients
AT_ONCE = 200  # that are looked at before others get their turn


class Server(uvicorn.Server):
    """Ends without delay when it is told to, and looks after the limits of its connections."""

    def __init__(
        self, app: ASGIApp, gate: Gate, limits: Limits, tls: ssl.SSLContext | None = None, grace: float = 10
    ) -> None:
        """`grace`: s, for what was begun before the end."""
        super().__init__(
            uvicorn.Config(
                app, http=Wire, loop="asyncio", ws="none", lifespan="off", interface="asgi3", log_config=None,
                log_level=logging.CRITICAL + 1, access_log=False, proxy_headers=False, server_header=False,
                timeout_keep_alive=int(limits.idle),
            )
        )  # fmt: skip
        self._gate = gate
        self._limits = limits
        self._tls = tls
        self._grace = grace
        self._asked: deque[socket.socket] = deque()  # to be listened on
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = threading.Event()
        # what anyio starts for slow requests is a daemon too: it does not keep the process from its end
        self._thread = threading.Thread(target=self._serve_all, name="http", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """From any thread, or a signal handler: no new requests; what is in hand is finished."""
        self.should_exit = True
        self.call(lambda: self._wake.set())

    def wait(self, seconds: float | None = None) -> bool:
        """Until it has ended; whether it has. Signal handlers are called meanwhile."""
        return self._ended.wait(seconds)

    def listen(self, listener: socket.socket) -> None:
        """From any thread. The socket is closed at the end, or by `unlisten`."""
        self._asked.append(listener)
        self.call(lambda: asyncio.ensure_future(self._listen()))

    def unlisten(self, listener: socket.socket) -> None:
        """Nobody is connected by this socket any more."""
        done = threading.Event()
        if self.call(lambda: self._unlisten(listener, done)):
            done.wait(LOOK)

    def call(self, work: Callable[[], object]) -> bool:
        """From any thread: has it called in the event loop, if there is one already, and still."""
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(work)
        except RuntimeError:  # it has ended
            return False
        return self._loop is not None

    # ---- in the thread

    def _serve_all(self) -> None:
        try:
            run(self.serve([]))
        except BaseException as problem:  # noqa: BLE001  or the thread's end would be told to nobody
            self._gate.failed(problem)
        finally:
            self._ended.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are for whoever started us

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._failed)
        self._wake = asyncio.Event()
        self.servers = []
        # of pages, and of files that must be fetched
        to_thread.current_default_thread_limiter().total_tokens = self._limits.threads
        await self._look()
        self._loop = loop
        await self._listen()
        self.started = True

    async def _listen(self) -> None:
        while self._asked:
            listener = self._asked.popleft()
            server = await asyncio.get_running_loop().create_server(
                lambda: Wire(self.config, self.server_state, self._limits, self._refused),
                sock=listener,
                ssl=self._tls,
                ssl_handshake_timeout=self._limits.patience if self._tls else None,
                backlog=self._limits.taken,
            )
            listener.listen(WAITING)
            self.servers.append(server)

    def _unlisten(self, listener: socket.socket, done: threading.Event) -> None:
        for server in self.servers:
            if listener.fileno() in (each.fileno() for each in server.sockets):
                server.close()
        done.set()

    async def main_loop(self) -> None:
        while not self.should_exit:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK)
            await self._look()

    async def _look(self) -> None:
        connections: Any = self.server_state.connections
        now = asyncio.get_running_loop().time()
        for place, connection in enumerate(list(connections), 1):
            connection.look(now)
            if place % AT_ONCE == 0:
                await asyncio.sleep(0)
        self.server_state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        self._gate.tick(len(connections))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        connections: Any = self.server_state.connections
        tasks = self.server_state.tasks
        for server in self.servers:
            server.close()
        for connection in list(connections):
            connection.shutdown()
        deadline, pause = time.monotonic() + self._grace, 0.0
        while (connections or tasks) and time.monotonic() < deadline:
            await asyncio.sleep(pause)
            pause = 0.005
        for task in list(tasks):
            task.cancel()
        for connection in list(connections):
            connection.drop()
        self._gate.tick(0)

    def _refused(self, status: int, size: int) -> None:
        self._gate.done(None, None, status, size)

    def _failed(self, _: asyncio.AbstractEventLoop, context: JsonObject) -> None:
        """Of the event loop itself: out of file descriptors, a connection that broke."""
        problem = context.get("exception")
        if "accept" in context.get("message", ""):  # which is tried again after a second
            connections: Any = self.server_state.connections
            for connection in sorted(connections, key=Wire.claim)[: len(connections) // 4 + 1]:
                connection.drop()
        elif problem is not None and not isinstance(problem, OSError):
            self._gate.failed(problem)
