"""A command that was started on this machine, for whoever stays with it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Handle"]


class Handle(NamedTuple):
    pid: int  # of the command; also the id of its process group
    outputs: tuple[tuple[int, int], ...]  # (file descriptor to read, stream: 1 stdout, 2 stderr)
    guard: tuple[int, int]
    foreground: bool  # the terminal was handed to the command
    memory_kills: int  # out-of-memory kills counted before the start
