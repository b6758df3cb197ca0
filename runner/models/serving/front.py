"""The front of a served model: its port is bound at once, the model comes later, and what was begun is finished."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from runner.errors import InputError
from runner.models.serving.application import application
from runner.models.serving.figures import Figures
from runner.models.serving.pool import Events, Pool
from runner.models.serving.starting import Command
from runner.models.serving.state import State
from runner.protocol.gate import Limits
from runner.protocol.serving import Server

__all__ = ["Front", "Settings", "listen"]

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SLACK = 15.0  # s, for the workers to end after the last answer


class Settings(NamedTuple):
    host: str = "127.0.0.1"
    port: int = 5001
    workers: int = 1
    token: str = ""
    no_auth: bool = False  # others may ask without a token, too
    queue: int = 1000  # requests that may wait for a worker
    timeout: float = 60  # s, of a request
    body: int = 100_000_000  # bytes, of a request
    grace: float = 10  # s, for what was begun before the end
    batch: int = 1  # requests that the model is asked at once, at most
    quiet: bool = False  # what the model writes is kept, and not shown


def listen(settings: Settings) -> socket.socket:
    """InputError when the port cannot be had, or when others could ask without a token unless that was said."""
    if settings.host not in LOOPBACK and not settings.token and not settings.no_auth:
        raise InputError(
            f"{settings.host} can be reached by others, and there is no token",
            "PROJ_SERVE_TOKEN=TOKEN  is what clients must bring; --no-auth lets everybody ask",
        )
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or error
        raise InputError(
            f"{settings.host}:{settings.port} cannot be used: {why}", "-p 0  takes any port"
        ) from None
    listener.listen(4096)
    return listener


class Front(Server):
    """Answers 503 until the model is loaded."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._state = State()
        self._pool: Pool | None = None
        self._once = False  # it was ready
        self._running = threading.Event()
        self.notes: Callable[[str], None] = lambda _: None  # is told what happens to the workers
        self.failure = ""  # why the model could not be loaded at all
        self.figures = Figures(self._state)
        limits = Limits(body=settings.body)
        hosts = LOOPBACK if settings.host in LOOPBACK else ()
        served = application(self._state, self.figures, limits, settings.token, hosts)
        super().__init__(served, self.figures, limits, grace=settings.grace)
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.address = f"http://{name}:{listener.getsockname()[1]}"
        self.listen(listener)

    def load(self, command: Command, check: Callable[[], object]) -> None:
        """Starts the workers. `check`: raises a ProjError when the model must not be loaded, or not any more."""
        settings = self._settings
        pool = Pool(
            command,
            settings.workers,
            settings.queue,
            settings.timeout,
            check,
            Events(self._ready, self._unloaded, self._lost),
        )

        def begin() -> None:
            self._pool = self._state.pool = pool
            pool.start()

        self._running.wait()
        self.call(begin)

    def _ready(self, facts: Mapping[str, str]) -> None:
        self._state.mlflow, self._state.problem = facts["mlflow"], ""
        if not self._once:
            self._once = True
            self.notes(f"ready: mlflow {facts['mlflow']}, Python {facts['python']}")

    def _unloaded(self, how: str) -> None:
        self._state.problem = how
        if self._once:
            self.notes(f"a worker could not load the model: {how}")
        elif not self.failure:
            self.failure = how
            self.stop()

    def _lost(self, how: str) -> None:
        self.notes(f"a worker is replaced: {how}")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._running.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)  # what was begun is answered
        if self._pool is not None:
            await self._pool.stop()

    def end(self) -> None:
        """Returns when all has ended."""
        self.stop()
        self.wait(self._settings.grace + SLACK)
