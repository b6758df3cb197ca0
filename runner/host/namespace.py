"""A command that sees other folders at some paths, where the system lets us do that (Linux namespaces)."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence

from runner.errors import ProjError
from runner.host import process
from runner.typed import NamedTuple

__all__ = ["Bind", "outside", "problem"]

PATIENCE = 10.0  # s that a probe may take
DONE = b"done"


class Bind(NamedTuple):
    source: str  # folder or file, absolute
    target: str  # where it is seen; exists
    read_only: bool = False


def problem(binds: Sequence[Bind], directory: str, ready: str) -> str:
    """Why binding.bind cannot do that here, tried to its end in a child; "" when it can."""
    if sys.platform != "linux":
        return "only Linux can show a command other folders at some paths"
    trouble = (_forked if process.is_small() else _interpreter)(binds, directory, ready)
    if not trouble and not os.path.exists(ready):
        return f"{ready} was not made"
    if not trouble:
        os.unlink(ready)
    return trouble


def _forked(binds: Sequence[Bind], directory: str, ready: str) -> str:
    """In a fork of us, which spares the start of an interpreter, and the guard's fork the import of ctypes."""
    try:
        from runner.host import binding
    except ImportError as error:
        return f"this Python has no ctypes: {error}"
    ours, theirs = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            try:
                binding.bind(binds, directory, ready)
                os.write(theirs, DONE)
            except OSError as error:
                os.write(theirs, str(error).encode("utf-8", "surrogateescape"))
            finally:
                os._exit(0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(theirs)
    try:
        poll = select.poll()
        poll.register(ours, select.POLLIN)
        if not poll.poll(PATIENCE * 1000):
            return f"the system did not answer within {PATIENCE:g} s"
        said = os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.kill(pid, signal.SIGKILL)  # it has said all that it had to say
        os.waitpid(pid, 0)
    if said == DONE:
        return ""
    return said.decode("utf-8", "surrogateescape") or "the process that tried it ended without a word"


def _interpreter(binds: Sequence[Bind], directory: str, ready: str) -> str:
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "binding.py")
    words = [sys.executable, "-I", "-S", script, ready, directory]
    for bind in binds:
        words += [bind.source, bind.target, "ro" if bind.read_only else "rw"]
    try:
        done = process.start(words).finish(PATIENCE)
    except ProjError as error:
        return error.message
    said = done.err.strip().removeprefix("proj: the clean room cannot be made: ")
    return (said or f"exit {done.code}") if done.code else ""


def outside(path: str, binds: Sequence[Bind]) -> str:
    """Where a path that the command sees lies for everybody else."""
    for bind in reversed(binds):
        if path == bind.target or path.startswith(f"{bind.target}/"):
            return bind.source + path[len(bind.target) :]
    return path
