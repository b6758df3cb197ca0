"""Counters that all processes of a server share, shown in the format of Prometheus."""

from __future__ import annotations

import mmap
import struct

__all__ = ["Counters"]

STATUSES = (200, 206, 400, 401, 403, 404, 405, 413, 429, 500, 501, 503)
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # s
# of one process: requests by status (and others), by duration (and longer), seconds, bytes sent, connections
FIELDS = len(STATUSES) + 1 + len(BOUNDS) + 1 + 3
SIZE = FIELDS * 8


class Counters:
    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._memory = mmap.mmap(-1, max(processes * SIZE, mmap.PAGESIZE))
        self._values = [0.0] * FIELDS
        self._slot = 0

    def take(self, slot: int) -> None:
        """This process counts in that slot, on from what a predecessor counted there."""
        self._slot = slot
        self._values = list(struct.unpack_from(f"{FIELDS}d", self._memory, slot * SIZE))

    def request(self, status: int, seconds: float, sent: int) -> None:
        """One that was answered: `seconds` from its head to its last byte, `sent` bytes of body."""
        values = self._values
        values[STATUSES.index(status) if status in STATUSES else len(STATUSES)] += 1
        place = len(STATUSES) + 1
        for bound in BOUNDS:
            if seconds <= bound:
                break
            place += 1
        values[place] += 1
        values[-3] += seconds
        values[-2] += sent

    def flush(self, connections: int) -> None:
        """Makes what this process counted visible to the others."""
        self._values[-1] = connections
        struct.pack_into(f"{FIELDS}d", self._memory, self._slot * SIZE, *self._values)

    def shown(self) -> bytes:
        """Of all processes together, in Prometheus' text format."""
        self.flush(int(self._values[-1]))
        every = [
            struct.unpack_from(f"{FIELDS}d", self._memory, slot * SIZE) for slot in range(self._processes)
        ]
        total = [sum(values) for values in zip(*every, strict=True)]
        lines = ["# TYPE proj_requests_total counter"]
        for status, count in zip((*map(str, STATUSES), "other"), total, strict=False):
            lines.append(f'proj_requests_total{{status="{status}"}} {count:.0f}')
        lines.append("# TYPE proj_request_seconds histogram")
        running = 0.0
        counts = total[len(STATUSES) + 1 : -3]
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
            running += count
            lines.append(f'proj_request_seconds_bucket{{le="{bound}"}} {running:.0f}')
        lines += [
            f"proj_request_seconds_sum {total[-3]}",
            f"proj_request_seconds_count {running:.0f}",
            "# TYPE proj_sent_bytes_total counter",
            f"proj_sent_bytes_total {total[-2]:.0f}",
            "# TYPE proj_connections gauge",
            f"proj_connections {total[-1]:.0f}",
            "# TYPE proj_processes gauge",
            f"proj_processes {self._processes}",
        ]
        return ("\n".join(lines) + "\n").encode()
