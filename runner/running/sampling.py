"""`--sample-resources`: processor, memory and GPUs of a run over time, as metrics.

system/cpu_percent        of all processes of the run; 100 is one core
system/memory_megabytes   resident memory of all of them
system/processes
system/gpu_<n>_utilization_percentage, _memory_usage_megabytes, _power_usage_watts   (of the whole GPU)
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock, start_new_thread
from typing import TYPE_CHECKING

from runner.errors import StoreError
from runner.host import gpu, process_tree

if TYPE_CHECKING:
    from runner.tracking.writer import RunWriter

__all__ = ["Sampler"]

SHORTEST, LONGEST = 1.0, 10.0  # s between samples: more as the run gets longer
GPU_NAMES = {
    "utilization.gpu": "utilization_percentage",
    "memory.used": "memory_usage_megabytes",
    "power.draw": "power_usage_watts",
}
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Sampler:
    """A thread that looks at the processes of a run until `stop`."""

    def __init__(self, writer: RunWriter, group: int) -> None:
        self._writer = writer
        self._group = group
        self._strangers: set[tuple[int, bytes]] = (
            set()
        )  # (pid, start time) of processes that are not of this run
        self._used: dict[tuple[int, bytes], int] = {}  # processor time that each had used, in ticks
        self._gpus = gpu.watch()
        self._began = self._last = time.monotonic()
        self._step = 0
        self.peak = 0  # bytes
        self._stopped = allocate_lock()
        self._stopped.acquire()
        self._done = allocate_lock()
        self._done.acquire()
        start_new_thread(self._loop, ())

    def stop(self) -> int:
        """The greatest sum of memory that was seen, in bytes."""
        self._stopped.release()
        self._done.acquire()
        return self.peak

    def _loop(self) -> None:
        try:
            pause = 0.1  # the first look soon: also a short run has one
            while not self._stopped.acquire(timeout=pause):
                self._sample()
                pause = min(LONGEST, max(SHORTEST, (time.monotonic() - self._began) / 60))
        except (StoreError, OSError):
            pass  # a full disk: the run goes on without
        finally:
            if self._gpus is not None:
                self._gpus.stop()
            self._done.release()

    def _sample(self) -> None:
        now, moment = time.monotonic(), time.time_ns() // 1_000_000
        points: list[tuple[str, float]] = []
        used, memory, count = self._look()
        if count:
            span = max(now - self._last, 0.01)
            points.append(("system/cpu_percent", round(100 * used / TICKS / span, 1)))
            points.append(("system/memory_megabytes", round(memory / 1e6, 1)))
            points.append(("system/processes", count))
            self.peak = max(self.peak, memory)
        self._last = now
        for each in self._gpus.read() if self._gpus is not None else ():
            for field, name in GPU_NAMES.items():
                try:
                    points.append((f"system/gpu_{each['index']}_{name}", float(each[field])))
                except (KeyError, ValueError):
                    continue
        if points:
            self._writer.metrics((name, value, moment, self._step) for name, value in points)
        self._step += 1

    def _look(self) -> tuple[int, int, int]:
        """Ticks used since the last look, resident bytes, and number of the processes of the run."""
        ticks, memory, count = 0, 0, 0
        used: dict[tuple[int, bytes], int] = {}
        for pid, fields in process_tree.table():
            identity = (pid, fields[19])
            if int(fields[2]) != self._group and not self._marked(identity):
                continue
            spent = int(fields[11]) + int(fields[12])
            ticks += spent - self._used.get(identity, 0)
            used[identity] = spent
            memory += int(fields[21]) * PAGE
            count += 1
        self._used = used
        return max(ticks, 0), memory, count

    def _marked(self, identity: tuple[int, bytes]) -> bool:
        """A process that left the group has kept the run's mark in its environment."""
        if identity in self._used:
            return True
        if identity in self._strangers:
            return False
        if process_tree.marked(identity[0], self._writer.run_id):
            return True
        self._strangers.add(identity)
        return False
