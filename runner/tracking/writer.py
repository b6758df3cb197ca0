"""Writing to one run: each call is one write() to its event log. On the warm path of `proj run`."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from collections.abc import Iterable

from runner.errors import StoreError
from runner.tracking import events
from runner.tracking.events import Event
from runner.tracking.journal import hint
from runner.tracking.log import EventLog, encode, now
from runner.values import Json

__all__ = ["RunWriter"]

HINT_EVERY = (
    600.0  # s; the index watches a log for twice as long after each change (catchup.WATCH): none is missed
)
POINTS_A_LINE = 5000


class RunWriter:
    """Appends to the log of a run. Safe to use from several threads; every method raises StoreError."""

    def __init__(self, root: str, run_id: str) -> None:
        self.run_id = run_id
        self.root = root
        self.directory = os.path.join(root, "runs", run_id)
        self.log = EventLog(os.path.join(self.directory, "events.jsonl"))
        self._lock = allocate_lock()
        self._hinted = float("-inf")

    def append(self, *new: Event) -> None:
        """All in one write; each gets its `time` unless it has one."""
        moment = now()
        try:
            lines = [encode(each if "time" in each else {**each, "time": moment}) for each in new]
        except (TypeError, ValueError) as error:
            raise StoreError(f"run {self.run_id}: this cannot be written as JSON: {error}") from None
        with self._lock:
            self.log.append_lines(lines)
            if time.monotonic() - self._hinted > HINT_EVERY:
                self._hint()

    def _hint(self) -> None:
        self._hinted = time.monotonic()
        hint(self.root, self.run_id)

    def metric(self, key: str, value: float, step: int = 0, timestamp: int | None = None) -> None:
        """`timestamp` in ms; now if it is None."""
        at = now() if timestamp is None else int(timestamp)
        self.append(events.metric(key, float(value), at, int(step)))

    def metrics(self, points: Iterable[tuple[str, float, int, int]]) -> None:
        """Many points (key, value, timestamp in ms, step) in one write."""
        ready = [(key, float(value), int(timestamp), int(step)) for key, value, timestamp, step in points]
        pieces = (ready[first : first + POINTS_A_LINE] for first in range(0, len(ready), POINTS_A_LINE))
        self.append(*map(events.metrics, pieces))

    def param(self, key: str, value: Json, text: str | None = None) -> None:
        """`text` is what reaches the command, when that is not str(value)."""
        self.append(events.param(key, value, text))

    def tag(self, key: str, value: str) -> None:
        self.append(events.tag(key, str(value)))

    def untag(self, key: str) -> None:
        self.append(events.untag(key))

    def rename(self, name: str) -> None:
        self.append(events.update(name=name))

    def end(
        self,
        status: str,
        *,
        reason: str = "exit",
        exit_code: int | None = None,
        signal: str = "",
        message: str = "",
        by: str = "",
        end_time: int | None = None,
        sync: bool = True,
    ) -> None:
        """`end_time` in ms. With `sync` the log survives a power failure."""
        self.append(
            events.end(
                status, reason, exit_code=exit_code, signal=signal, message=message, by=by, end_time=end_time
            )
        )
        with self._lock:
            if sync:
                self.log.sync()
            self._hint()

    def close(self) -> None:
        with self._lock:
            self.log.close()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
