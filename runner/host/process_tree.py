"""The processes of a run, found and ended: by their parents, or by the mark in their environment.

A descendant of the run's guard belongs to the run (guard.py, which imports this and so little else). Where the guard is
gone, what is left is known by its control group (cgroup.py), or because it has kept the mark that every process of a
run begins with. Read from /proc; where there is none (macOS) only the group is seen.
"""

from __future__ import annotations

import os
import time

__all__ = [
    "MARK",
    "carrying",
    "descendants",
    "group_alive",
    "has",
    "is_token",
    "kill_carrying",
    "mark_of",
    "marked",
    "signal_group",
    "strike",
    "table",
]

MARK = (
    "PROJ_RUN_TOKEN"  # unlike the run's id, which is no secret, it shows that a process is of that very run
)
SIGKILL = 9


def mark_of(token: str) -> bytes:
    """As it stands in /proc/PID/environ of each process of the run."""
    return f"{MARK}={token}".encode()


def is_token(text: str) -> bool:
    """Whether it may be one: no short text, which other environments contain by chance."""
    return len(text) == 32 and not text.strip("0123456789abcdef")


def _name(run_id: str) -> bytes:
    return b"PROJ_RUN_ID=" + run_id.encode()


def carrying(mark: bytes) -> list[int]:
    """Processes of this user (of all users, for root) with this NAME=VALUE in their environment, without ourselves."""
    ours, user, found = os.getpid(), os.getuid(), []
    for pid in _pids():
        if pid == ours:
            continue
        try:
            if user and os.stat(f"/proc/{pid}").st_uid != user:
                continue
        except OSError:
            continue  # it has ended
        if has(pid, mark):
            found.append(pid)
    return found


def marked(pid: int, run_id: str) -> bool:
    """Whether it was started within that run. False when it has ended, or is not ours to see."""
    return has(pid, _name(run_id))


def has(pid: int, mark: bytes) -> bool:
    """Whether a process began with this NAME=VALUE in its environment. False also when it is not ours to see."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:
        return False


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def table() -> list[tuple[int, list[bytes]]]:
    """Every process with the fields of /proc/<pid>/stat from the third (its state) on; see proc(5)."""
    found = []
    for pid in _pids():
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                found.append((pid, file.read().rpartition(b")")[2].split()))
        except OSError:
            continue
    return found


def descendants(ancestor: int) -> dict[int, int]:
    """Those that have not ended: pid -> process group."""
    children: dict[bytes, list[tuple[int, list[bytes]]]] = {}
    for pid, fields in table():
        children.setdefault(fields[1], []).append((pid, fields))
    found: dict[int, int] = {}
    parents = [ancestor]
    while parents:
        for pid, fields in children.pop(str(parents.pop()).encode(), ()):
            parents.append(pid)
            if fields[0] not in (b"Z", b"X"):
                found[pid] = int(fields[2])
    return found


def signal_group(group: int, number: int) -> bool:
    """False when there is no process in the group."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def group_alive(group: int) -> bool:
    """Whether a process of the group still runs; one that only waits for its parent to notice does not count."""
    if not signal_group(group, 0):
        return False
    found = table()
    return not found or any(  # where there is no /proc: it was there to be signalled
        int(fields[2]) == group and fields[0] not in (b"Z", b"X") for _, fields in found
    )


def strike(processes: dict[int, int], number: int) -> None:
    """A signal to each (pid -> group), and to the groups that they lead: what one starts just now is in its group."""
    for group in processes.keys() & processes.values():
        signal_group(group, number)
    for pid, group in processes.items():
        if group not in processes:
            try:
                os.kill(pid, number)
            except OSError:
                pass


def kill_carrying(mark: bytes) -> int:
    """SIGKILL to every process with this mark, again until none is left; returns how many were found."""
    total = 0
    for _ in range(20):
        found = carrying(mark)
        if not found:
            break
        total += len(found)
        for pid in found:
            try:
                os.kill(pid, SIGKILL)
            except OSError:
                pass
        time.sleep(0.005)
    return total
