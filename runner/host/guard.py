"""The guard of a run: a process between supervisor and command. It starts the command, tells how that fares, and
ends what is left of it, also when the supervisor was killed (SIGKILL, out of memory).

It is the child subreaper of all that the command starts: a daemon whose parent has ended becomes a child of the guard,
whatever it did to its process group, its session and its environment. So wait(2) says when nothing of a run is left.

It is a process of its own, which is begun early and waits for its charge at a socket (backends/posting.py): a fork of a
supervisor that has hardly begun, or else an interpreter. So it may import no more than it has to: `signal` alone takes
a third of an interpreter's start. What comes and goes there:

    supervisor   8 bytes: a length; so much of a Charge (marshal); with them, the files that the command gets
                 end SECONDS                          what is left is asked to end, and ended after that time
                 (end of file)                        the supervisor is gone: as `end`, with the grace of the run
    guard        started PID, or failed ERRNO
                 stopped SIGNAL                       the command was stopped, by ^Z for instance
                 ended STATUS USER SYSTEM MEMORY      as wait4(2) tells it: s, s, KiB (bytes on macOS)
                 gone LEFT                            nothing is left (or what cannot be ended); the guard ends, too
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # see above
import _socket
import marshal
import os
import select
import sys
import time

from runner.host import cgroup, process_tree, subreaper

TYPE_CHECKING = False  # of typing, which takes longer to import than all else here
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["FILES", "HIGH", "Charge", "become", "main"]

# Python ignores these, programs do not; what nohup or a shell made us ignore, the command ignores, too
DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ)
NAME = "proj-guard"
HIGH = 200  # descriptors from here on are nobody's by convention
FILES = 250  # that one message can carry, of Linux's 253
LENGTH = 8  # bytes of the number that comes first
SETTLE = 0.3  # s after which a control group is worth its cost
AGAIN = 0.05  # s between two strikes
INSIST = 3.0  # s of them
PAUSES = (0.0, 0.2, 1.0, 5.0)  # s before each try of a farewell


class Charge:
    """What a guard is to start, and what it has to know of it."""

    def __init__(
        self,
        program: str,
        argv: list[str],
        variables: dict[str, str],
        directory: str,
        mask: list[int],  # signals that are blocked in the command
        files: list[int],  # descriptors of the command, in the order in which they are sent
        mark: bytes,  # NAME=VALUE in the environment of the command
        cgroup: str,  # folder of a control group for it; "" for none
        grace: float,  # s
        farewell: list[str],  # a command line that is run last when the supervisor was killed
        farewell_variables: dict[str, str],
        binds: list[tuple[str, str, bool]],  # with which the command sees other folders: binding.py
        ready: str,  # a file that is made when these are in place, before the command is started
    ) -> None:
        self.program = program
        self.argv = argv
        self.variables = variables
        self.directory = directory
        self.mask = mask
        self.files = files
        self.mark = mark
        self.cgroup = cgroup
        self.grace = grace
        self.farewell = farewell
        self.farewell_variables = farewell_variables
        self.binds = binds
        self.ready = ready

    def packed(self) -> bytes:
        return marshal.dumps(vars(self))


def main() -> None:
    """The word on our command line is the number of the socket. Whoever starts us blocks all signals."""
    attend(int(sys.argv[1]))


def become(number: int) -> NoReturn:
    """In a fork of the supervisor, which has blocked all signals; `number` is that of the socket."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        _forget_command_line()
        attend(number)
    finally:
        os._exit(0)


def _forget_command_line() -> None:
    """`ps` and `pkill -f` must not take us for the supervisor, whose words we have."""
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = (
            int(fields[45]),
            int(fields[46]),
        )  # arg_start and arg_end of proc(5), from the third field on
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(NAME.encode().ljust(end - start, b"\0")[: end - start])
    except (OSError, ValueError, IndexError):
        pass  # then only the name of the process says what we are


def attend(number: int) -> None:
    channel = _socket.socket(fileno=number)
    os.set_inheritable(channel.fileno(), False)
    _close_all_but(channel.fileno())
    os.setpgid(0, 0)  # not a session: the command keeps its terminal, and a parent in the terminal's session
    os.chdir("/")
    reaper = subreaper.become(NAME)
    wake, bell = os.pipe()
    for end in (wake, bell):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))
    charge, files = _receive(channel)
    if charge is None:
        return  # the supervisor has changed its mind, or is gone
    try:
        pid = _start_elsewhere(charge, files) if charge.binds else _start(charge, files)
    except OSError as error:
        channel.send(b"failed %d\n" % (error.errno or 0))
        return
    Guard(charge, channel, wake, pid, reaper).watch()


def _nothing(number: int, frame: object) -> None:
    pass  # the pipe has it


def _close_all_but(kept: int) -> None:
    """What we inherited is for the command, and comes again with it: we must not hold it longer."""
    try:
        held = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        held = list(range(3, 1024))
    for fd in held:
        if fd > 2 and fd != kept:
            try:
                os.close(fd)
            except OSError:
                continue


def _receive(channel: _socket.socket) -> tuple[Charge | None, list[int]]:
    """Files are moved out of the way of the numbers that they are to have."""
    import fcntl

    files: list[int] = []
    head, messages, _, _ = channel.recvmsg(LENGTH, _socket.CMSG_LEN(FILES * 4))
    for _, _, data in messages:
        for at in range(0, len(data) - 3, 4):
            fd = int.from_bytes(data[at : at + 4], sys.byteorder)
            files.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH))
            os.close(fd)
    while head and len(head) < LENGTH:
        head += channel.recv(LENGTH - len(head)) or b"\0" * LENGTH
    size, pieces = int.from_bytes(head, "big"), []
    while size > 0:
        piece = channel.recv(min(size, 1 << 20))
        if not piece:
            return None, files
        pieces.append(piece)
        size -= len(piece)
    return (Charge(**marshal.loads(b"".join(pieces))) if pieces else None), files  # noqa: S302


def _start(charge: Charge, files: list[int]) -> int:
    os.chdir(charge.directory)
    try:
        return os.posix_spawn(
            charge.program,
            charge.argv,
            charge.variables,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, fd, target) for fd, target in zip(files, charge.files, strict=True)
            ],
            setpgroup=0,
            setsigdef=DEFAULT,
            setsigmask=charge.mask,
        )
    finally:
        os.chdir("/")
        for fd in files:
            os.close(fd)


def _start_elsewhere(charge: Charge, files: list[int]) -> int:
    """The same in a fork of us that binds first. That this fails is told by the command's stderr, and by no `ready`."""
    from runner.host import binding

    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)  # its number may be one of the command's
            os.setpgid(0, 0)
            for fd, target in zip(files, charge.files, strict=True):
                os.dup2(fd, target)
            binding.bind(charge.binds, charge.directory, charge.ready)
            _forget_handlers()
            signal.pthread_sigmask(signal.SIG_SETMASK, charge.mask)
            os.execvpe(charge.argv[0], charge.argv, charge.variables)  # noqa: S606 - found anew: folders are others
        except OSError as error:
            os.write(2, os.fsencode(binding.failure(error)))
        finally:
            os._exit(binding.REFUSED)
    try:
        os.setpgid(pid, pid)  # both do it, so that it is done whoever comes first
    except OSError:
        pass  # it runs the command already
    for fd in files:
        os.close(fd)
    return pid


def _forget_handlers() -> None:
    """As exec(2) will, but before a signal can come."""
    for number in signal.valid_signals():
        if number in DEFAULT or callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


class Guard:
    """From the start of the command to the end of its last process."""

    def __init__(
        self, charge: Charge, channel: _socket.socket, wake: int, command: int, reaper: bool
    ) -> None:
        self._charge = charge
        self._channel = channel
        self._wake = wake
        self._command = command
        self._reaper = reaper
        self._alone = False  # the supervisor is gone
        self._childless = False
        self._ending = False
        self._kill_at = 0.0
        self._give_up_at = 0.0
        self._settle_at = time.monotonic() + SETTLE if charge.cgroup else 0.0
        self._heard = b""
        self._words = b""  # not yet said

    def watch(self) -> None:
        self._say(f"started {self._command}")
        self._speak()
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(self._channel.fileno(), select.POLLIN)
        self._reap()  # it may have ended before we could hear of it
        while not self._is_over():
            self._speak()
            for fd, _ in poll.poll(self._patience()):
                if fd == self._wake:
                    os.read(self._wake, 4096)
                elif not self._listen():
                    poll.unregister(fd)
            self._reap()
            self._keep_time()
        if self._charge.cgroup:
            cgroup.remove(self._charge.cgroup)
        if self._alone:
            self._bid_farewell()
        self._say(f"gone {0 if self._is_empty() else len(self._left())}")
        self._speak()  # together with the end of the command, if nothing was left of it

    def _is_over(self) -> bool:
        if self._is_empty() and (self._ending or not self._charge.farewell):
            return True
        if not self._ending:
            return False
        return time.monotonic() >= self._give_up_at or not (self._reaper or self._left())

    def _is_empty(self) -> bool:
        """Whether it is certain that nothing is left."""
        return self._childless and self._reaper

    def _patience(self) -> float | None:
        """ms until something is to be done though nothing happens."""
        moments = [at for at in (self._settle_at, self._kill_at) if at]
        return max(0.0, min(moments) - time.monotonic()) * 1000 + 1 if moments else None

    def _listen(self) -> bool:
        """False when no more can come."""
        try:
            data = self._channel.recv(4096)
        except OSError:
            data = b""
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._end(float(line.split()[1]))
        if data:
            return True
        self._alone = True
        self._end(self._charge.grace)
        return False

    def _end(self, grace: float) -> None:
        """Also again, with less grace."""
        now = time.monotonic()
        if not self._ending:
            self._ending = True
            self._settle_at = 0.0
            for number in (signal.SIGTERM, signal.SIGCONT):
                process_tree.strike(self._left(), number)
        self._kill_at = min(self._kill_at or now + grace, now + grace)
        self._give_up_at = self._kill_at + INSIST

    def _keep_time(self) -> None:
        now = time.monotonic()
        if self._settle_at and now >= self._settle_at:
            self._settle_at = 0.0
            self._settle()
        if self._kill_at and now >= self._kill_at:
            self._kill_at = now + AGAIN
            process_tree.strike(self._left(), signal.SIGKILL)

    def _settle(self) -> None:
        """All that there is of the run goes into its control group; what it starts from then on begins there."""
        inside: set[int] = set()
        for _ in range(20):
            outside = self._left().keys() - inside
            if not outside or not cgroup.add(self._charge.cgroup, outside):
                return
            inside |= outside

    def _reap(self) -> None:
        while not self._childless:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                self._childless = True
                return
            if pid == 0:
                return
            if pid != self._command:
                continue  # a daemon's
            if os.WIFSTOPPED(status):
                self._say(f"stopped {os.WSTOPSIG(status)}")
            else:
                self._say(f"ended {status} {usage.ru_utime} {usage.ru_stime} {usage.ru_maxrss}")

    def _left(self) -> dict[int, int]:
        """What lives of the run: pid -> process group."""
        found = process_tree.descendants(os.getpid())
        if not self._reaper:  # then also what has left us
            for pid in process_tree.carrying(self._charge.mark):
                found.setdefault(pid, 0)
            if not found and process_tree.group_alive(self._command):  # no /proc
                found[self._command] = self._command
        return found

    def _bid_farewell(self) -> None:
        """Again when it fails: an engine that is busy with the end of a container refuses to remove it."""
        argv = self._charge.farewell
        for pause in PAUSES if argv else ():
            time.sleep(pause)
            try:
                pid = os.posix_spawn(argv[0], argv, self._charge.farewell_variables)
                if os.waitpid(pid, 0)[1] == 0:
                    return
            except OSError:
                return

    def _say(self, line: str) -> None:
        self._words += line.encode() + b"\n"

    def _speak(self) -> None:
        words, self._words = self._words, b""
        try:
            if words:
                self._channel.send(words)
        except OSError:
            pass  # nobody listens
