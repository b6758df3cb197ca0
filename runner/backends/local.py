"""The local backend: starts the command as a process group of its own and stays with it until nothing of it is left.

Output goes to the terminal and into the record at the same time; signals are passed on; what remains of the
command's processes when it ends, daemons too, is ended with it.
"""

from __future__ import annotations

import fcntl
import os
import signal
from typing import Any

from runner.backends import contained, evidence, guard, terminal
from runner.backends.base import Supervision
from runner.backends.handle import Handle
from runner.errors import BackendError
from runner.host.process import find
from runner.values import Ended, Job, Report

__all__ = ["cancel", "problem", "submit", "wait"]

GRACE = 10.0  # s between asking a command to end and ending it
# Python ignores these, programs do not; what nohup or a shell made us ignore, the command ignores, too
SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)
# words that mean something to bash itself, though a program of that name may exist
BUILTINS = frozenset(
    (
        ". : [ alias bg bind builtin caller case cd command compgen coproc declare dirs disown do done "
        "echo elif else enable esac eval exec exit export false fc fg fi for function getopts hash help "
        "history if in jobs kill let local logout popd printf pushd pwd read readonly return select set "
        "shift shopt source suspend test then time times trap true type typeset ulimit umask unalias "
        "unset until wait while"
    ).split()
)
Action = tuple[int, ...] | tuple[int, int, str, int, int]  # of posix_spawn
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+:,./_- ")


def problem(options: dict[str, Any]) -> str:  # noqa: ARG001
    return "" if find("bash") else "bash is not on PATH, and commands run as `bash -c` would run them"


def submit(job: Job, report: Report) -> Handle:  # noqa: ARG001
    argv = [*job.options.get("launcher", ()), *_argv(job)]
    program = find(argv[0], job.variables.get("PATH", os.defpath))
    if not program:
        raise BackendError(f"{argv[0]} is not on PATH", "proj doctor  shows what is missing")
    outputs, actions, theirs = _open_outputs()
    if job.options.get("stdin") == "null":
        actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
    foreground = terminal.is_ours_alone()
    kills = evidence.memory_kills()
    watcher = guard.post(job.run_id, job.options.get("grace", GRACE), contained.farewell(job))
    before = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.chdir(job.directory)  # posix_spawn cannot change the folder; ours is taken back at once
        pid = os.posix_spawn(
            program, argv, dict(job.variables), file_actions=actions, setpgroup=0, setsigdef=SIGNALS
        )
    except OSError as error:
        guard.dismiss(watcher)
        for fd, _ in outputs:
            os.close(fd)
        raise BackendError(f"cannot start {argv[0]} in {job.directory}: {error.strerror}") from error
    finally:
        os.fchdir(before)
        os.close(before)
        for fd in theirs:
            os.close(fd)
    guard.watch(watcher, pid)
    if foreground:
        terminal.give_foreground(pid)
    return Handle(pid, outputs, watcher, foreground, kills)


def wait(handle: Handle, job: Job, supervision: Supervision) -> Ended:
    from runner.backends.supervise import Supervisor

    return Supervisor(handle, job, supervision).run()


def cancel(handle: Handle, grace: float) -> None:
    import time

    deadline = time.monotonic() + grace
    _signal(handle.pid, signal.SIGTERM)
    while time.monotonic() < deadline and _signal(handle.pid, 0):
        time.sleep(0.05)
    _signal(handle.pid, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True


def _argv(job: Job) -> list[str]:
    """The command's words when a shell would make the same of them, `bash -c` otherwise (saves a process)."""
    if contained.is_container(job):
        return contained.argv(job)
    words = job.command.split()
    if words and PLAIN.issuperset(job.command) and words[0] not in BUILTINS:
        program = find(words[0], job.variables.get("PATH", os.defpath))
        if program:
            return words
    return ["bash", "-c", job.command]


def _open_outputs() -> tuple[tuple[tuple[int, int], ...], list[Action], list[int]]:
    """Pseudo-terminal where the user has a terminal, pipes elsewhere."""
    outputs: list[tuple[int, int]] = []
    theirs: list[int] = []
    actions: list[Action] = []
    shared = -1
    for stream in (1, 2):
        if os.isatty(stream):
            if shared < 0:  # one for both, so that their order is kept
                ours, shared = terminal.open_output(stream)
                outputs.append((ours, stream))
                theirs.append(shared)
            actions.append((os.POSIX_SPAWN_DUP2, shared, stream))
        else:
            ours, end = os.pipe()
            _widen(ours)
            outputs.append((ours, stream))
            theirs.append(end)
            actions.append((os.POSIX_SPAWN_DUP2, end, stream))
    return tuple(outputs), actions, theirs


def _widen(pipe: int) -> None:
    """A pipe of 1 MiB halves the number of switches between the command and us."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
        except OSError:
            pass  # the user's limit on pipe memory is reached
