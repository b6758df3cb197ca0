"""`proj run --detach`: the run goes on in a process that no terminal reaches; here, its id is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from runner.cli.main import told

__all__ = ["detached"]


def detached(work: Callable[[Callable[[str], None]], int]) -> tuple[str, int]:
    """Does `work` in a process of its own; returns (run id, 0) when its record begins, or ("", exit code) before that.

    `work` is handed what it has to call with the run id. Until then its messages go to our stderr, and a signal that
    ends us ends it; from then on it has a session without a terminal, and no standard streams.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        _child(work, theirs)
    os.close(theirs)
    try:
        with open(ours, encoding="ascii") as file:
            run_id = file.read()
    except KeyboardInterrupt:
        os.kill(child, 2)
        raise
    if run_id:
        return run_id, 0
    return "", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _child(work: Callable[[Callable[[str], None]], int], pipe: int) -> None:
    """Does not return."""
    code = 125
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)

        def begun(run_id: str) -> None:
            os.dup2(nothing, 2)
            os.write(pipe, run_id.encode())
            os.close(pipe)

        code = told(lambda: work(begun))
    finally:
        sys.stderr.flush()
        os._exit(code)
