"""The local backend: starts the command as a process group of its own and stays with it until nothing of it is left.

Output goes to the terminal and into the record at the same time; signals are passed on; what remains of the
command's processes when it ends, daemons too, is ended with it.
"""

from __future__ import annotations

import fcntl
import os

from runner.backends import contained, posting, terminal
from runner.backends.posting import Handle
from runner.errors import BackendError
from runner.host import cgroup, process_tree
from runner.host.guard import Charge
from runner.host.interrupts import in_main_thread
from runner.host.process import find
from runner.typed import TYPE_CHECKING
from runner.values import Ended, Job, Report

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

    from runner.backends.base import Supervision

__all__ = ["cancel", "prepared", "problem", "submit", "wait"]

GRACE = 10.0  # s between asking a command to end and ending it
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
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+:,./_- ")


def problem(options: dict[str, Any]) -> str:  # noqa: ARG001
    return "" if find("bash") else "bash is not on PATH, and commands run as `bash -c` would run them"


def prepared() -> AbstractContextManager[None]:
    return posting.Prepared()


def submit(job: Job, report: Report) -> Handle:  # noqa: ARG001
    token = os.urandom(16).hex()
    job = job._replace(variables={**job.variables, process_tree.MARK: token})
    argv = _argv(job)
    program = find(argv[0], job.variables.get("PATH", os.defpath))
    if not program:
        raise BackendError(f"{argv[0]} is not on PATH", "proj doctor  shows what is missing")
    farewell = contained.farewell(job)
    charge = Charge(
        program=program,
        argv=argv,
        variables=dict(job.variables),
        directory=job.directory,
        mask=[],
        files=[],
        mark=process_tree.mark_of(token),
        cgroup=cgroup.place(f"{cgroup.PREFIX}{token}"),
        grace=float(job.options.get("grace", GRACE)),
        farewell=list(farewell.argv),
        farewell_variables=dict(farewell.variables),
        binds=[tuple(each) for each in job.options.get("binds", ())],
        ready=str(job.options.get("ready", "")),
    )
    outputs, theirs = _open_outputs()
    stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) if job.options.get("stdin") == "null" else 0
    foreground = in_main_thread() and terminal.is_ours_alone()
    kills = cgroup.memory_kills()
    try:
        guard = posting.post(charge, (stdin, *theirs))
    except BaseException as error:
        for fd, _ in outputs:
            os.close(fd)
        if isinstance(error, OSError):
            message = f"cannot start {argv[0]} in {job.directory}: {error.strerror}"
            raise BackendError(message) from error
        raise
    finally:
        for fd in {stdin, *theirs} - {0}:
            os.close(fd)
    if foreground:
        terminal.give_foreground(guard.command)
    return Handle(guard, outputs, foreground, kills, token, charge.cgroup)


def wait(handle: Handle, job: Job, supervision: Supervision) -> Ended:
    from runner.backends.guarded import Guarded
    from runner.backends.supervise import Supervisor

    return Supervisor(Guarded(handle, job), job, supervision).run()


def cancel(handle: Handle, grace: float) -> None:
    """Returns when nothing is left of it."""
    channel = handle.guard.channel
    try:
        os.set_blocking(channel, True)
        os.write(channel, b"end %f\n" % grace)
        while os.read(channel, 4096):
            pass  # its last word is followed by the end
    except OSError:
        pass  # somebody killed the guard, or the supervisor is done with it


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


def _open_outputs() -> tuple[tuple[tuple[int, int], ...], tuple[int, int]]:
    """Our ends, and stdout and stderr of the command: a pseudo-terminal where the user has one, pipes elsewhere."""
    outputs: list[tuple[int, int]] = []
    theirs: list[int] = []
    shared = -1
    for stream in (1, 2):
        if os.isatty(stream):
            if shared < 0:  # one for both, so that their order is kept
                ours, shared = terminal.open_output(stream)
                outputs.append((ours, stream))
            theirs.append(shared)
        else:
            ours, end = os.pipe()
            _widen(ours)
            outputs.append((ours, stream))
            theirs.append(end)
    return tuple(outputs), (theirs[0], theirs[1])


def _widen(pipe: int) -> None:
    """A pipe of 1 MiB halves the number of switches between the command and us."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
        except OSError:
            pass  # the user's limit on pipe memory is reached
