"""A few threads for the requests that take long."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeAlias

from runner.protocol.answer import Response

__all__ = ["Pool"]

Task: TypeAlias = "tuple[Callable[[], Response], Callable[[Response], None]]"


class Pool:
    def __init__(self, size: int) -> None:
        self._size = size
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        for _ in range(size):
            threading.Thread(target=self._run, name="request", daemon=True).start()

    def put(self, work: Callable[[], Response], then: Callable[[Response], None]) -> None:
        """`work` must not raise. `then` is called in the thread."""
        self._tasks.put((work, then))

    def close(self) -> None:
        for _ in range(self._size):
            self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            work, then = task
            then(work())
