"""Evidence that the kernel ended a process for want of memory: the counters of our control group."""

from __future__ import annotations

__all__ = ["memory_kills"]


def memory_kills() -> int:
    """How many processes of our control group were killed out of memory so far; 0 where nothing tells."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            entries = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return 0
    total = 0
    for _, controllers, path in entries:
        if controllers == "":  # cgroup v2: the counter includes the groups below
            total += _count(f"/sys/fs/cgroup{path}/memory.events")
        elif "memory" in controllers.split(","):
            total += _count(f"/sys/fs/cgroup/memory{path}/memory.oom_control")
    return total


def _count(path: str) -> int:
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0
