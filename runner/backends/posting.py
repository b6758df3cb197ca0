"""Starts guards (host/guard.py), and gives each its charge.

`with prepared():` begins one that waits, while its run is being prepared. It is a fork of us where we have hardly begun
ourselves, as at the start of `proj run`; of a process that has threads that is not safe, and of a large one not cheap
either, so there it is an interpreter, which needs ten milliseconds.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import signal
import sys
from _thread import get_ident

from runner import paths
from runner.host.guard import FILES, HIGH, Charge, become
from runner.host.process import is_small
from runner.typed import NamedTuple

__all__ = ["Handle", "Posted", "Prepared", "post", "reap"]

ALL = tuple(int(each) for each in signal.valid_signals())
CODE = "import sys; sys.path.append(sys.argv.pop()); from runner.host.guard import main; main()"

_waiting: dict[tuple[int, int], Posted] = {}  # process and thread -> a guard without a charge
_left: list[int] = []  # processes that have said their last word, perhaps not yet breathed their last


class Posted(NamedTuple):
    pid: int
    channel: int  # our end of the socket
    command: int = 0  # pid, also the id of its process group


class Handle(NamedTuple):
    """A command that was started on this machine, for whoever stays with it."""

    guard: Posted
    outputs: tuple[tuple[int, int], ...]  # (file descriptor to read, stream: 1 stdout, 2 stderr)
    foreground: bool  # the terminal was handed to the command
    memory_kills: int  # out-of-memory kills counted before the start
    token: str  # of the run: each of its processes begins with it in its environment
    cgroup: str  # folder of its control group; "" where none may be made


class Prepared:
    """A guard for the next command that this thread starts; it goes when there was none. In one another: once."""

    def __init__(self) -> None:
        self._began = False

    def __enter__(self) -> None:
        if whose() in _waiting:
            return
        try:
            _waiting[whose()] = begin()
            self._began = True
        except OSError:
            pass  # `post` tries again, and says why not

    def __exit__(self, *error: object) -> None:
        if self._began and (unused := _waiting.pop(whose(), None)):
            os.close(unused.channel)
            reap(unused.pid)


def whose() -> tuple[int, int]:
    return os.getpid(), get_ident()


def begin() -> Posted:
    """A process in which a guard waits. OSError when it cannot be started."""
    reap()
    ours, theirs = _socket.socketpair()
    try:
        pid = _forked(theirs.fileno()) if is_small() else _interpreter(theirs.fileno())
    finally:
        theirs.close()
    return Posted(pid, ours.detach())


def _forked(channel: int) -> int:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ALL)
    try:
        return os.fork() or become(channel)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _interpreter(channel: int) -> int:
    target = fcntl.fcntl(channel, fcntl.F_DUPFD_CLOEXEC, HIGH)
    try:
        root = os.path.dirname(os.path.dirname(os.path.abspath(paths.__file__)))
        argv = [sys.executable, "-I", "-S", "-c", CODE, str(target), root]
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in range(3)
        ]
        actions.append((os.POSIX_SPAWN_DUP2, channel, target))
        return os.posix_spawn(sys.executable, argv, os.environ, file_actions=actions, setsigmask=ALL)
    finally:
        os.close(target)


def post(charge: Charge, streams: tuple[int, int, int]) -> Posted:
    """The command runs when this returns, with `streams` and all else that we let it inherit.

    OSError when it cannot be started.
    """
    waiting = _waiting.pop(whose(), None) or begin()
    inherited = inheritable()
    try:
        charge.files = [*range(len(streams)), *inherited]
        charge.mask = [int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, ())]
        send(waiting.channel, charge.packed(), [*streams, *inherited.values()])
        word, number = (read_line(waiting.channel) or "failed 0").split()
        if word != "started":
            os.waitpid(waiting.pid, 0)
            code = int(number)
            raise OSError(code, os.strerror(code) if code else "its guard ended at once")
    except BaseException:
        os.close(waiting.channel)  # the guard ends what it may have started
        reap(waiting.pid)
        raise
    finally:
        for copy in inherited.values():
            os.close(copy)
    return waiting._replace(command=int(number))


def inheritable() -> dict[int, int]:
    """Open files, but for the standard streams, that are meant for the command: a user's, and locks that it holds.

    Each with a copy, which is to be closed: another thread may close the file before it is sent.
    """
    found: dict[int, int] = {}
    for number in sorted(map(int, os.listdir("/dev/fd"))):
        if number > 2 and len(found) < FILES - 3:
            try:
                if os.get_inheritable(number):
                    found[number] = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
            except OSError:
                continue  # the folder itself, or closed meanwhile
    return found


def send(channel: int, data: bytes, files: list[int]) -> None:
    """A charge to a guard, in the form that guard.py describes. OSError (EPIPE) when the guard is gone."""
    socket = _socket.socket(fileno=channel)
    try:
        rights = b"".join(fd.to_bytes(4, sys.byteorder) for fd in files)
        message = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)]
        sent = socket.sendmsg([len(data).to_bytes(8, "big")], message)
        socket.sendall(len(data).to_bytes(8, "big")[sent:] + data)
    finally:
        socket.detach()


def read_line(channel: int) -> str:
    """Not a byte more: what follows is read elsewhere. "" when the other end is closed."""
    line = b""
    while not line.endswith(b"\n"):
        data = os.read(channel, 1)
        if not data:
            return ""
        line += data
    return line.decode()


def reap(pid: int = 0) -> None:
    """Notices the end of processes, this one's too, without waiting for it: later if they take their time."""
    if pid:
        _left.append(pid)
    for each in tuple(_left):
        try:
            done = os.waitpid(each, os.WNOHANG)[0]
        except ChildProcessError:
            done = each
        if done and each in _left:
            _left.remove(each)
