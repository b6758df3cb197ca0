"""Memory that requests share: so many bytes of bodies or answers at once, of one who asks half of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import Event

__all__ = ["Room", "Share"]


class Share:
    """What one request holds."""

    def __init__(self, room: Room, who: object, size: int) -> None:
        self._room = room
        self._who = who
        self.size = size

    def resize(self, size: int) -> None:
        """To what it is, now that it is known."""
        self._room.give(self._who, self.size - size)
        self.size = size


class Room:
    """Who comes when it is full waits."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._most = size // 2
        self._held: Counter[object] = Counter()
        self._waiting: deque[Event] = deque()

    @asynccontextmanager
    async def taken(self, size: int, who: object) -> AsyncIterator[Share]:
        """Waits until `size` bytes are free, and until `who` does not hold too large a part of all."""
        while self._free < size or (self._held[who] and self._held[who] + size > self._most):
            event = Event()
            self._waiting.append(event)
            await event.wait()
        self.give(who, -size)
        share = Share(self, who, size)
        try:
            yield share
        finally:
            share.resize(0)

    def give(self, who: object, size: int) -> None:
        """Back; a negative size takes."""
        self._free += size
        self._held[who] -= size
        if not self._held[who]:
            del self._held[who]
        if size > 0:
            waiting, self._waiting = self._waiting, deque()
            for event in waiting:
                event.set()
