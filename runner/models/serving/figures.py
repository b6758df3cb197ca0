"""What is counted of a served model: for Prometheus, and as metrics of its run."""

from __future__ import annotations

import time
import traceback
from collections import deque

from runner.models.serving.state import State
from runner.protocol.counters import Counters
from runner.protocol.gate import Entry, Gate, Head

__all__ = ["Figures", "Tally"]

KEPT = 10_000  # latest durations, of which the percentiles are
SCORED = "/invocations"


class Tally:
    """Requests for predictions since the start."""

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self._latest: deque[float] = deque(maxlen=KEPT)  # s

    def add(self, status: int, seconds: float) -> None:
        self.requests += 1
        self.errors += status >= 400
        self._latest.append(seconds)

    def metrics(self) -> dict[str, float]:
        found = {"serving.requests": float(self.requests), "serving.errors": float(self.errors)}
        if self._latest:
            ordered = sorted(self._latest)
            found["serving.p50_ms"] = 1000 * ordered[len(ordered) // 2]
            found["serving.p99_ms"] = 1000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        return found


class Figures(Gate):
    """The gate of a front: it lets everybody in (its Door decides that), and counts."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._counters = Counters(1)
        self._connections = 0
        self.tally = Tally()
        self.faults: list[str] = []

    def done(self, head: Head | None, entry: Entry | None, status: int, sent: int) -> None:  # noqa: ARG002
        seconds = time.monotonic() - head.started if head else 0.0
        self._counters.request(status, seconds, sent)
        if head is not None and head.path == SCORED:
            self.tally.add(status, seconds)

    def failed(self, problem: BaseException) -> None:
        if len(self.faults) < 10:
            self.faults.append("".join(traceback.format_exception(problem)))

    def tick(self, connections: int) -> None:
        self._connections = connections

    def metrics(self) -> bytes:
        self._counters.flush(self._connections)
        pool = self._state.pool
        lines = [
            "# TYPE proj_model_ready gauge",
            f"proj_model_ready {int(self._state.ready)}",
            "# TYPE proj_model_workers gauge",
            f"proj_model_workers {pool.ready if pool else 0}",
            "# TYPE proj_model_waiting gauge",
            f"proj_model_waiting {pool.waiting if pool else 0}",
            "# TYPE proj_model_worker_restarts_total counter",
            f"proj_model_worker_restarts_total {pool.restarts if pool else 0}",
        ]
        return self._counters.shown() + ("\n".join(lines) + "\n").encode()
