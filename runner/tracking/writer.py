"""Writing to one run: each call is one write(). On the warm path of `proj run`.

A run's `events.jsonl` is written on its own host while the run lasts: by its supervisor, its endpoint, `proj log` in
the command. Its end closes it. What comes later, or from another host, or goes to a copy of the run, is appended to
segments (segments.py), so that no file has two writers.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from collections.abc import Iterable

from runner.errors import StoreError
from runner.tracking import events
from runner.tracking.events import CLOSED, TERMINAL, Event, Facts
from runner.tracking.journal import hint
from runner.tracking.log import EventLog, now, read
from runner.typed import TYPE_CHECKING
from runner.values import Json

if TYPE_CHECKING:
    from runner.text.secrets import Secrets
    from runner.tracking.segments import Segment

__all__ = ["RunWriter"]

HINT_EVERY = (
    600.0  # s; the index watches a run for twice as long after each change (catchup.WATCH): none is missed
)
POINTS_A_LINE = 5000
LAST = f',"{CLOSED}":true}}\n'.encode()  # how the last line of a log ends


class RunWriter:
    """Appends to a run. Safe to use from several threads; every method raises StoreError."""

    def __init__(self, root: str, run_id: str, secrets: Secrets | None = None, kind: str = "") -> None:
        """`secrets` are masked in what is written. `kind`: of a run that is being created; "" of one that is there."""
        self.run_id = run_id
        self.root = root
        self.directory = os.path.join(root, "runs", run_id)
        self.log = EventLog(os.path.join(self.directory, "events.jsonl"), secrets)
        self._kind = kind
        self._open = True if kind else None  # whether the log is ours to write; None: not looked at yet
        self._segment: Segment | None = None
        self._lock = allocate_lock()
        self._hinted = float("-inf")

    def identity(self) -> Facts:
        """Of a new run: which file its log is, on which host."""
        from runner.host.machine import boot_id

        try:
            status = os.fstat(self.log.open())
        except OSError as error:
            raise StoreError(f"{self.log.path}: {error.strerror or error}") from error
        place = {"host": os.uname().nodename, "boot_id": boot_id()}
        return {**place, "device": status.st_dev, "inode": status.st_ino}

    def append(self, *new: Event) -> None:
        """All in one write; each gets its `time` unless it has one."""
        try:
            lines = self.log.encoded(*new)
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreError(f"run {self.run_id}: this cannot be written as JSON: {error}") from None
        with self._lock:
            if self._open is None:
                self._open = self.is_original()
            closes = any(map(self._ends, new))
            if closes:
                lines[-1] = lines[-1][:-2] + LAST
            written = self._open and self.log.append_lines(lines, unless=LAST)
            self._open = written and not closes
            if not written and self._append_later(new):
                self._hint()
            if time.monotonic() - self._hinted > HINT_EVERY:
                self._hint()

    def is_original(self) -> bool:
        """Whether this is the file that its start event was written to, and this its host: no copy, nor sent to us."""
        from runner.host.machine import boot_id

        try:
            first, _ = next(read(self.log.path), ({}, 0))
            status = os.stat(self.log.path)
        except OSError:
            return False
        self._kind = str(first.get("kind", ""))
        writer = first.get("writer")
        if not isinstance(writer, dict) or writer.get("inode") != status.st_ino:
            return False
        if writer.get("boot_id") and writer["boot_id"] == boot_id():
            return bool(writer.get("device") == status.st_dev)
        return bool(writer.get("host") == os.uname().nodename)  # started again since

    def _ends(self, event: Event) -> bool:
        if event["type"] == "end":
            return True
        return self._kind == "client" and event["type"] == "update" and event.get("status") in TERMINAL

    def _append_later(self, new: Iterable[Event]) -> bool:
        if self._segment is None:
            from runner.tracking.segments import Segment

            self._segment = Segment(self.directory, self.log.secrets)
        return self._segment.append(new)

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
                (self._segment or self.log).sync()
            self._hint()

    def close(self) -> None:
        with self._lock:
            self.log.close()
            if self._segment is not None:
                self._segment.close()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
