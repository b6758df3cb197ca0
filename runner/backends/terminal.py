"""The terminal between the user and the command: a pseudo-terminal for its output, the foreground for its group."""

from __future__ import annotations

import fcntl
import os
import signal
import termios

__all__ = ["copy_size", "give_foreground", "in_foreground", "open_output", "take_foreground"]


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


def copy_size(terminal: int, ours: int) -> None:
    try:
        fcntl.ioctl(ours, termios.TIOCSWINSZ, fcntl.ioctl(terminal, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError:
        pass


def in_foreground() -> bool:
    """Whether stdin is a terminal that belongs to us now."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def give_foreground(group: int) -> None:
    """Hands the terminal to the command, which may have been stopped for wanting it too early."""
    _set_foreground(group)
    try:
        os.killpg(group, signal.SIGCONT)
    except OSError:
        pass


def take_foreground() -> None:
    _set_foreground(os.getpgrp())


def _set_foreground(group: int) -> None:
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(0, group)
    except OSError:
        pass  # the terminal is gone, or the group
    finally:
        signal.signal(signal.SIGTTOU, before)
