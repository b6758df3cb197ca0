"""Control groups (version 2): where this user may make one, the processes of a run are told from all others by it.

Only below a group that was delegated to us: https://www.kernel.org/doc/html/latest/admin-guide/cgroup-v2.html#delegation
"""

from __future__ import annotations

import os
import time

__all__ = ["PREFIX", "add", "is_named", "kill", "members", "memory_kills", "place", "remove"]

SIGKILL = 9
PREFIX = "proj-"  # of the group of a run; its token follows
ROOTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")  # the second beside groups of version 1


def place(name: str) -> str:
    """The folder of a group of that name below our own; it need not be there. "" where we may not make one."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            inside = next((line[3:].rstrip("\n") for line in file if line.startswith("0::")), "")
    except OSError:
        return ""
    if not inside or "/../" in f"{inside}/":
        return ""
    for root in ROOTS:
        ours = root + inside.rstrip("/")
        if os.path.exists(f"{ours}/cgroup.procs"):
            return f"{ours}/{name}" if _is_delegated(ours) else ""
    return ""


def is_named(folder: str, token: str) -> bool:
    """Whether it is the group of the run with that token, and no other place."""
    return folder.startswith(tuple(f"{root}/" for root in ROOTS)) and (
        "/../" not in folder and os.path.basename(folder) == f"{PREFIX}{token}"
    )


def _is_delegated(folder: str) -> bool:
    """root may write everywhere: for it, only what systemd marks as handed over counts."""
    try:
        if not all(os.access(path, os.W_OK) for path in (folder, f"{folder}/cgroup.procs")):
            return False
        if os.getuid():
            return os.stat(folder).st_uid == os.getuid()
        return any(_attribute(folder, name) == b"1" for name in ("user.delegate", "trusted.delegate"))
    except OSError:
        return False


def _attribute(folder: str, name: str) -> bytes:
    try:
        return os.getxattr(folder, name)
    except OSError:
        return b""


def add(folder: str, pids: set[int]) -> bool:
    """Makes the group, if it is not there, and moves processes into it; their future children begin there."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return False
    for pid in pids:
        try:
            with open(f"{folder}/cgroup.procs", "w", encoding="utf-8") as file:
                file.write(str(pid))
        except ProcessLookupError:
            continue
        except OSError:
            return False
    return True


def members(folder: str) -> list[int]:
    """Processes in the group and in the groups below it."""
    found = []
    for path, _, _ in os.walk(folder):
        try:
            with open(f"{path}/cgroup.procs", encoding="utf-8") as file:
                found += [int(line) for line in file if line.strip() != "0"]
        except OSError:
            continue
    return found


def kill(folder: str) -> None:
    """SIGKILL to all of them; the group is removed."""
    for _ in range(50):
        left = members(folder)
        if not left:
            break
        try:
            with open(f"{folder}/cgroup.kill", "w", encoding="utf-8") as file:
                file.write("1")
        except OSError:  # before Linux 5.14
            for pid in left:
                try:
                    os.kill(pid, SIGKILL)
                except OSError:
                    pass
        time.sleep(0.01)
    remove(folder)


def remove(folder: str) -> None:
    """Also the groups below it. What still has processes stays."""
    for path, _, _ in os.walk(folder, topdown=False):
        for _ in range(5):
            try:
                os.rmdir(path)
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.01)  # a process that has ended is taken out of it a moment later


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
