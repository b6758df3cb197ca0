"""The terminal between the user and the command: a pseudo-terminal for its output, the foreground for its group."""

from __future__ import annotations

import fcntl
import os
import signal
import termios

__all__ = [
    "copy_size",
    "give_foreground",
    "in_foreground",
    "is_ours_alone",
    "is_there",
    "open_output",
    "stop_ourselves",
    "take_foreground",
]


def open_output(terminal: int) -> tuple[int, int]:
    """(our end, the command's end) of a pseudo-terminal that looks like `terminal`, writing plain newlines."""
    ours, theirs = os.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST  # the real terminal does that; the log has plain newlines
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    copy_size(terminal, ours)
    for end in (ours, theirs):
        os.set_inheritable(end, False)
    return ours, theirs


def copy_size(terminal: int, ours: int) -> bool:
    """Whether it was another one."""
    try:
        wanted, found = (fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8) for fd in (terminal, ours))
        if wanted == found:
            return False
        fcntl.ioctl(ours, termios.TIOCSWINSZ, wanted)
    except OSError:
        return False
    return True


def in_foreground() -> bool:
    """Whether the terminal that we were started from belongs to our process group now."""
    with _Controlling() as terminal:
        try:
            return terminal.number >= 0 and os.tcgetpgrp(terminal.number) == os.getpgrp()
        except OSError:
            return False


def is_ours_alone() -> bool:
    """Whether no other program of a pipeline (`proj run . | less`) may want the terminal, too."""
    return os.isatty(0) and os.isatty(1) and in_foreground()


def is_there() -> bool:
    """Whether we have a terminal, and it was not closed."""
    with _Controlling() as terminal:
        return terminal.number >= 0


def give_foreground(group: int) -> None:
    """Hands the terminal to the command, which may have been stopped for wanting it too early."""
    _set_foreground(group)
    try:
        os.killpg(group, signal.SIGCONT)
    except OSError:
        pass


def take_foreground() -> None:
    _set_foreground(os.getpgrp())


def stop_ourselves(number: int) -> bool:
    """Stops our whole process group, as the terminal does at ^Z, until somebody continues it.

    A script or a pipeline that we are part of is stopped with us, or its shell would not notice. False when
    nobody could continue us (there is no shell above us that knows jobs): then nothing is stopped.
    """
    continued: list[int] = []
    before = signal.signal(signal.SIGCONT, lambda number, _: continued.append(number))
    handler = signal.signal(number, signal.SIG_DFL)
    try:
        os.kill(0, number)  # goes on here when we were continued
    finally:
        signal.signal(number, handler)
        signal.signal(signal.SIGCONT, before)
    return bool(continued)


class _Controlling:
    """`with _Controlling() as terminal`: the terminal of our session; -1 when there is none."""

    def __enter__(self) -> _Controlling:
        try:
            self.number = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            self.number = -1
        return self

    def __exit__(self, *_: object) -> None:
        if self.number >= 0:
            os.close(self.number)


def _set_foreground(group: int) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))  # a background group may, then
    try:
        with _Controlling() as terminal:
            os.tcsetpgrp(terminal.number, group)
    except OSError:
        pass  # the terminal is gone, or the group
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
