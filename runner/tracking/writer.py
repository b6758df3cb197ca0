"""Writing to one run: each call is one write() to its event log. On the warm path of `proj run`."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runner.errors import StoreError
from runner.tracking.journal import hint
from runner.tracking.log import EventLog, now

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = ["RunWriter"]

HINT_EVERY = (
    600.0  # s; the index watches a log for twice as long after each change (catchup.WATCH): none is missed
)
POINTS_A_LINE = 5000


class RunWriter:
    """Appends to the log of a run. Safe to use from several threads; every method raises StoreError."""

    def __init__(self, root: str, run_id: str, secrets: Secrets | None = None) -> None:
        """`secrets` of the run are masked in all that is written."""
        self.run_id = run_id
        self.root = root
        self.directory = os.path.join(root, "runs", run_id)
        self.log = EventLog(os.path.join(self.directory, "events.jsonl"), secrets)
        self._lock = allocate_lock()
        self._hinted = float("-inf")

    def append(self, *events: Mapping[str, Any]) -> None:
        """All events in one write; each gets its `time` unless it has one."""
        try:
            lines = self.log.encoded(*events)
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
        moment = now()
        self.append(
            {
                "type": "metric",
                "key": key,
                "value": float(value),
                "timestamp": moment if timestamp is None else int(timestamp),
                "step": int(step),
                "time": moment,
            }
        )

    def metrics(self, points: Iterable[tuple[str, float, int, int]]) -> None:
        """Many points (key, value, timestamp in ms, step) in one write."""
        ready = [(key, float(value), int(timestamp), int(step)) for key, value, timestamp, step in points]
        self.append(
            *(
                {"type": "metrics", "points": ready[first : first + POINTS_A_LINE]}
                for first in range(0, len(ready), POINTS_A_LINE)
            )
        )

    def param(self, key: str, value: Any, text: str | None = None) -> None:
        """`text` is what reaches the command, when that is not str(value)."""
        self.append({"type": "param", "key": key, "value": value, **({} if text is None else {"text": text})})

    def tag(self, key: str, value: str) -> None:
        self.append({"type": "tag", "key": key, "value": str(value)})

    def untag(self, key: str) -> None:
        self.append({"type": "untag", "key": key})

    def rename(self, name: str) -> None:
        self.append({"type": "update", "name": name})

    def end(self, status: str, *, reason: str = "exit", sync: bool = True, **keys: Any) -> None:
        """`keys`: exit_code, signal, message, by, end_time. With `sync` the log survives a power failure."""
        kept = {key: value for key, value in keys.items() if value is not None and value != ""}
        self.append({"type": "end", "status": status, "reason": reason, **kept})
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
