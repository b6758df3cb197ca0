"""What a front knows of its model: whether it is loaded, by which mlflow, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from runner.models.serving.pool import Left, UnreadyError
from runner.models.serving.worker import Item

__all__ = ["Answerer", "State"]


class Answerer(Protocol):
    @property
    def ready(self) -> int: ...

    @property
    def waiting(self) -> int: ...

    restarts: int

    def ask(self, item: Item, left: Left) -> Awaitable[Item]: ...


class State:
    """Changed in the event loop only."""

    def __init__(self) -> None:
        self.pool: Answerer | None = None  # until its environment is there
        self.mlflow = ""  # version, of the last worker that was ready
        self.problem = ""  # why the last worker could not load the model

    @property
    def ready(self) -> bool:
        return self.pool is not None and self.pool.ready > 0

    async def ask(self, item: Item, left: Left) -> Item:
        if self.pool is None:
            raise UnreadyError
        return await self.pool.ask(item, left)
