"""Our own stdout or stderr, to which the command's output goes as fast as its reader takes it.

What the reader has not taken yet waits here, so that nothing else has to wait for it: neither the record, nor signals,
nor the time-out.
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections import deque

from runner.backends.posting import reap
from runner.host.interrupts import Interrupts

__all__ = ["Display", "displays"]

ATOMIC = select.PIPE_BUF  # bytes that a pipe takes at once where poll(2) says that it takes any


def displays(streams: tuple[int, ...]) -> dict[int, Display]:
    """One for each stream; the same one for two that are the same file, so that their order is kept."""
    found: dict[int, Display] = {}
    known: dict[tuple[int, int], Display] = {}
    for stream in streams:
        try:
            status = os.fstat(stream)
            identity = (status.st_dev, status.st_ino)
        except OSError:
            identity = (-1, stream)
        if identity not in known:
            known[identity] = Display(stream)
        found[stream] = known[identity]
    return found


class Display:
    def __init__(self, stream: int) -> None:
        self._stream = stream
        self.fd, self._patient = _outlet(stream)
        self._waiting: deque[memoryview] = deque()
        self.size = 0  # bytes that wait
        self.taken_at = 0.0  # when its reader last took something, while more is waiting
        self.broken = False  # nobody reads it any more

    def show(self, data: bytes) -> None:
        """Puts data behind what still waits, and writes as much as is taken now."""
        if self.broken or not data:
            return
        if not self.size:
            self.taken_at = time.monotonic()
        self._waiting.append(memoryview(data))
        self.size += len(data)
        if len(self._waiting) == 1:
            self.push()

    def push(self) -> None:
        """Gives the reader what it takes now."""
        while self._waiting:
            piece = self._waiting[0]
            try:
                if self._patient:
                    if not select.select((), (self.fd,), (), 0)[1]:
                        return
                    written = os.write(self.fd, piece[:ATOMIC])
                else:
                    written = os.write(self.fd, piece)
            except BlockingIOError:
                return
            except OSError:
                self.drop()  # closed: the record goes on
                return
            self.size -= written
            self.taken_at = time.monotonic()
            if written < len(piece):
                self._waiting[0] = piece[written:]
            else:
                self._waiting.popleft()

    def drop(self) -> None:
        """Gives the reader up: what waits is lost, and nothing more is shown."""
        self.broken = True
        self.size = 0
        self._waiting.clear()

    def hand_over(self) -> None:
        """What its reader has not taken is left to a small program that waits for it: a pager may be read for hours.

        Where this process is ours, what it says there from now on comes behind that, and not in the middle of a line.
        """
        try:
            with open(_temporary(), "r+b", buffering=0) as file:
                for piece in self._waiting:
                    rest = piece
                    while rest:
                        rest = rest[file.write(rest) :]
                file.seek(0)
                self._leave(file.fileno())
        except OSError:
            pass  # it is in the record
        self.drop()

    def _leave(self, file: int) -> None:
        words, behind = os.pipe()
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, file, 0), (os.POSIX_SPAWN_DUP2, self._stream, 1)]
            actions.append((os.POSIX_SPAWN_DUP2, null, 2))
            follows = Interrupts.installed and words > 2
            if follows:
                os.set_inheritable(words, True)
            argv = ["cat", "-", f"/dev/fd/{words}"] if follows else ["cat"]
            reap(os.posix_spawnp("cat", argv, os.environ, file_actions=actions, setsid=True))
            for stream in [each for each in (1, 2) if _is_same(each, self._stream)] if follows else ():
                os.dup2(behind, stream)
        finally:
            for each in (words, behind, null):
                os.close(each)

    def close(self) -> None:
        if self.fd != self._stream:
            os.close(self.fd)
            self.fd = self._stream


def _outlet(stream: int) -> tuple[int, bool]:
    """A descriptor for a stream that refuses what would block; or the stream, and that we must ask before writing.

    A pipe and a terminal are opened anew: O_NONBLOCK on the stream itself would also hold for whoever else has it.
    """
    try:
        mode = os.fstat(stream).st_mode
        terminal = os.isatty(stream)
        if stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not terminal):  # such as /dev/null
            return stream, False
        if stat.S_ISFIFO(mode) or terminal:
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return os.open(f"/proc/self/fd/{stream}", flags), False
    except OSError:
        pass  # a pipe of another user's, or one without a reader
    return stream, True


def _is_same(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False  # closed


def _temporary() -> int:
    try:
        return os.memfd_create("output", os.MFD_CLOEXEC)
    except (AttributeError, OSError):
        import tempfile

        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
