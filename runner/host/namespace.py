"""A command that sees other folders at some paths, where the system lets us do that (Linux namespaces)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from runner.errors import ProjError
from runner.host import process
from runner.typed import NamedTuple

__all__ = ["Bind", "launcher", "outside", "problem"]

PATIENCE = 10.0  # s that a probe may take


class Bind(NamedTuple):
    source: str  # folder or file, absolute
    target: str  # where it is seen; exists
    read_only: bool = False


def launcher(binds: Sequence[Bind], directory: str, ready: str) -> list[str]:
    """Words before a command that make it run in `directory` with `binds` in their places, in their order.

    `ready` is a file that is made when all is in place, before the command is started.
    """
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher.py")
    words = [sys.executable, "-I", "-S", script, ready, directory, str(len(binds))]
    for bind in binds:
        words += [bind.source, bind.target, "ro" if bind.read_only else "rw"]
    return words


def problem(binds: Sequence[Bind], directory: str, ready: str) -> str:
    """Why that cannot be done here, tried to its end in a child; "" when it can."""
    if sys.platform != "linux":
        return "only Linux can show a command other folders at some paths"
    try:
        done = process.start([*launcher(binds, directory, ready), "true"]).finish(PATIENCE)
    except ProjError as error:
        return error.message
    if done.code or not os.path.exists(ready):
        return done.err.strip().removeprefix("proj: the clean room cannot be made: ") or f"exit {done.code}"
    os.unlink(ready)
    return ""


def outside(path: str, binds: Sequence[Bind]) -> str:
    """Where a path that the command sees lies for everybody else."""
    for bind in reversed(binds):
        if path == bind.target or path.startswith(f"{bind.target}/"):
            return bind.source + path[len(bind.target) :]
    return path
