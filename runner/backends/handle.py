"""A command that was started on this machine, for whoever stays with it."""

from __future__ import annotations

from runner.backends.posting import Posted
from runner.tuples import NamedTuple

__all__ = ["Handle"]


class Handle(NamedTuple):
    guard: Posted
    outputs: tuple[tuple[int, int], ...]  # (file descriptor to read, stream: 1 stdout, 2 stderr)
    foreground: bool  # the terminal was handed to the command
    memory_kills: int  # out-of-memory kills counted before the start
    token: str  # of the run: each of its processes begins with it in its environment
    cgroup: str  # folder of its control group; "" where none may be made
