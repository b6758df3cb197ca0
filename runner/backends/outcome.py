"""What the end of a command means: the table of docs/status.md."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Mapping

from runner.typed import NamedTuple
from runner.values import Ended, Json

__all__ = ["CANCEL", "Asked", "Exit", "ended"]

CANCEL = "cancel"  # a file of this name in the record asks the supervisor to end the run; it says who asks
BY_OTHERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL)
# how a shell tells of its child
TOLD = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
UNKNOWN = "how the command ended is not known: its guard was killed"


class Exit(NamedTuple):
    """How the operating system says that a command ended."""

    status: int | None  # as waitpid(2) tells it; None when nobody could see it
    resources: Mapping[str, Json] = {}  # peak_memory (bytes), cpu_time (s)
    memory_kills: int = 0  # how many of its processes were ended because memory was out


class Asked(NamedTuple):
    """Why we asked a command to end."""

    why: str = ""  # cancelled, timeout, interrupted
    by: str = ""


def ended(found: Exit, asked: Asked, passed: Collection[int], duration: float, note: str) -> Ended:
    """`passed`: signals that were sent to us and passed on; `note`: what went wrong with its output."""
    used: dict[str, Json] = {**found.resources, "duration": round(duration, 3)}
    if found.status is None:
        message = ", ".join(filter(None, (UNKNOWN, note)))
        return Ended("KILLED" if asked.why else "FAILED", 125, asked.why or "error", "", message, used)
    number = os.WTERMSIG(found.status) if os.WIFSIGNALED(found.status) else 0
    code = 128 + number if number else os.WEXITSTATUS(found.status)
    if not number and code - 128 in (*TOLD, *passed):
        number = code - 128
    name = name_of(number)
    if asked.why:
        # a command that ended well in spite of being asked to end was interrupted all the same
        by = f"by {asked.by}" if asked.by else ""
        message = ", ".join(filter(None, (by, note)))
        return Ended("KILLED", code or 128 + signal.SIGTERM, asked.why, name, message, used)
    if number == signal.SIGKILL and found.memory_kills > 0:
        message = ", ".join(filter(None, ("ended by the kernel: out of memory", note)))
        return Ended("FAILED", code, "memory", name, message, used)
    if found.memory_kills > 0 and not note:  # perhaps of a worker that the command went on without
        note = f"the kernel ended {found.memory_kills} of its processes: out of memory"
    if (
        number in BY_OTHERS or number in passed
    ):  # somebody ended it; other signals are the program's own fault
        return Ended("KILLED", code, "interrupted" if number == signal.SIGINT else "signal", name, note, used)
    if number:
        return Ended("FAILED", code, "signal", name, note, used)
    return Ended("FAILED" if code else "FINISHED", code, "exit", "", note, used)


def name_of(number: int) -> str:
    """SIGTERM; SIGRTMIN+3."""
    if not number:
        return ""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
