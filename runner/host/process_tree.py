"""The processes of a run, found and ended: its process group, and what left the group but kept the run's mark.

Every process of a run has PROJ_RUN_ID=<id> in its environment from the start; a daemon leaves its group and
session, but not that. Read from /proc; where there is none (macOS) only the group is seen.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

__all__ = [
    "carrying",
    "end_all",
    "kill_carrying",
    "kill_survivors",
    "marked",
    "signal_group",
    "survivors",
    "table",
]

SHORT = 60.0  # s: a run so short cannot have seen all process ids go round


def survivors(run_id: str, above: int = 0) -> list[int]:
    """Processes of this user (of all users, for root) that carry the run's mark, ourselves left out.

    `above` skips the ids up to that one: much quicker, right as long as ids have not wrapped around.
    """
    return carrying(_mark(run_id), above)


def _mark(run_id: str) -> bytes:
    return b"PROJ_RUN_ID=" + run_id.encode()


def carrying(mark: bytes, above: int = 0) -> list[int]:
    """Processes with this NAME=VALUE in their environment, ourselves left out."""
    ours, user, found = os.getpid(), os.getuid(), []
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if not name.isdigit() or int(name) <= above or int(name) == ours:
            continue
        try:
            if user and os.stat(f"/proc/{name}").st_uid != user:
                continue
        except OSError:
            continue  # it has ended
        if _has(int(name), mark):
            found.append(int(name))
    return found


def marked(pid: int, run_id: str) -> bool:
    """Whether it was started within that run. False when it has ended, or is not ours to see."""
    return _has(pid, _mark(run_id))


def _has(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:
        return False


def table() -> Iterator[tuple[int, list[bytes]]]:
    """Every process with the fields of /proc/<pid>/stat from the third (its state) on; see proc(5)."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                yield int(name), file.read().rpartition(b")")[2].split()
        except OSError:
            continue


def signal_group(group: int, number: int) -> bool:
    """False when there is no process in the group."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_all(run_id: str, group: int, grace: float, duration: float = SHORT) -> None:
    """Ends what is left of a run whose command has ended: asked first, killed after `grace` seconds."""
    above = group if duration < SHORT else 0
    remaining = _remaining(run_id, group, above)
    if not remaining and not _group_alive(group):
        return
    _strike(group, remaining, signal.SIGTERM)
    deadline = time.monotonic() + grace
    pause = 0.002
    while time.monotonic() < deadline:
        remaining = _remaining(run_id, group, above)
        if not remaining and not _group_alive(group):
            return
        time.sleep(pause)
        pause = min(pause * 2, 0.1)
    kill_survivors(run_id, group)


def kill_survivors(run_id: str, group: int = 0) -> int:
    """SIGKILL to all that is left, again until nothing is; returns how many processes were found."""
    total = 0
    for _ in range(20):
        remaining = survivors(run_id)
        alive = bool(group) and _group_alive(group)
        if not remaining and not alive:
            break
        total += len(remaining)
        _strike(group if alive else 0, remaining, signal.SIGKILL)
        time.sleep(0.02)
    return total


def kill_carrying(mark: bytes) -> None:
    """SIGKILL to every process with this mark, again until none is left."""
    for _ in range(20):
        found = carrying(mark)
        if not found:
            return
        _strike(0, found, signal.SIGKILL)
        time.sleep(0.005)


def _remaining(run_id: str, group: int, above: int) -> list[int]:
    return [pid for pid in survivors(run_id, above) if pid != group]


def _group_alive(group: int) -> bool:
    """Whether a process of the group still runs; one that only waits for its parent to notice does not count."""
    if not signal_group(group, 0):
        return False
    found = False
    for _, fields in table():
        found = True
        if int(fields[2]) == group and fields[0] not in (b"Z", b"X"):
            return True
    return not found  # no /proc here: it was there to be signalled


def _strike(group: int, pids: list[int], number: int) -> None:
    if group:
        signal_group(group, number)
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass
