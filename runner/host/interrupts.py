"""Signals that are sent to this process: while commands run, all of them get all of these, and decide.

Before and after, those that end a program end a run by an exception on its way up, so that its end is recorded, and
those that only a command can understand (a batch system warns with SIGUSR1, or SIGXCPU) wait for the next one.

Handlers belong to the whole process and only its main thread may set them. A run in another thread gets what arrives
if the main thread is in `Interrupts`, too, or stays with a command of its own.
"""

from __future__ import annotations

import _signal as quick  # type: ignore[import-not-found]  # `signal` makes enums of all numbers, ten times slower
import os
import signal
import sys
from _thread import get_native_id
from types import FrameType

from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Interrupted", "Interrupts", "Listening", "Shield", "in_main_thread"]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Not passed on. They say something of ourselves: a fault, the end of a child, a pipe or a file that takes no more; a
# handler of Python's would run only after the faulty instruction. The terminal means the last two for its reader.
OURS = frozenset(
    getattr(signal, f"SIG{name}", 0)
    for name in "KILL STOP SEGV BUS FPE ILL SYS CHLD PIPE XFSZ TTIN TTOU".split()
)
# What does no harm, or what somebody wants to happen to us, while there is no command.
PLAIN = frozenset(
    getattr(signal, f"SIG{name}", 0) for name in "QUIT ABRT TRAP TSTP CONT WINCH URG INFO EMT".split()
)
PASSED = tuple(int(each) for each in signal.valid_signals() if each not in OURS)
HELD = tuple(number for number in PASSED if number not in ENDING and number not in PLAIN)

_listeners: list[Listening] = []
_held: list[int] = []
_raised: list[
    int
] = []  # those that ended what the main thread did: a command that starts later gets them, too
_spare: list[
    tuple[int, int]
] = []  # a handler may write to a pipe whose listener has just gone: none is closed


class Interrupted(KeyboardInterrupt):
    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def in_main_thread() -> bool:
    """The only one that may set handlers, and that they run in."""
    if sys.platform == "linux":
        return get_native_id() == os.getpid()
    import threading  # another millisecond

    return threading.current_thread() is threading.main_thread()


def _arrived(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    for each in tuple(_listeners):
        each.hear(number)
    if any(each.in_main_thread for each in _listeners):
        return
    if number in ENDING:
        _raised.append(number)
        raise Interrupted(number)
    if not _listeners:
        _held.append(number)


class Interrupts:
    """`with Interrupts():`; does nothing outside of the main thread, where signals cannot be caught."""

    installed = (
        0  # how many there are now: where there are any, this process is ours, with its standard streams
    )

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        Interrupts.installed += 1
        if in_main_thread():
            self._before = _take(ENDING, HELD)
        return self

    def __exit__(self, *error: object) -> None:
        Interrupts.installed -= 1
        _give_back(self._before)
        if self._before:
            _held.clear()  # there was no command that they were for
            _raised.clear()


class Shield:
    """`with Shield():` signals that would end us are let pass: what is written now is the end of a record."""

    def __enter__(self) -> None:
        self._raising: list[int] = []
        for number in ENDING if in_main_thread() else ():
            if quick.getsignal(number) is _arrived:
                quick.signal(number, quick.SIG_IGN)
                self._raising.append(number)

    def __exit__(self, *error: object) -> None:
        for number in self._raising:
            quick.signal(number, _arrived)


class Listening:
    """`with Listening() as signals:` each signal that is sent to us makes `signals.fd` readable."""

    def __enter__(self) -> Listening:
        if _spare:
            self._pipe = _spare.pop()
            self.read()
        else:
            self._pipe = os.pipe()
            for fd in self._pipe:
                os.set_blocking(fd, False)
        self.fd = self._pipe[0]
        self.in_main_thread = in_main_thread()
        _listeners.append(self)
        self._before = _take(ENDING, PASSED) if self.in_main_thread else {}
        while _held:
            self.hear(_held.pop(0))
        if _raised and not self.in_main_thread:  # it came while this thread was on the way to its command
            for number in self.read() or _raised[-1:]:
                self.hear(number)
        return self

    def hear(self, number: int) -> None:
        """Called by the signal handler: the number goes into a pipe, which the loop polls."""
        try:
            os.write(self._pipe[1], bytes((number,)))
        except BlockingIOError:
            pass  # thousands of them that nobody has read

    def read(self) -> bytes:
        """The numbers of those that have arrived since."""
        try:
            return os.read(self._pipe[0], 4096)
        except BlockingIOError:
            return b""

    def __exit__(self, *error: object) -> None:
        _listeners.remove(self)
        _give_back(self._before)
        _spare.append(self._pipe)


def _take(always: tuple[int, ...], unclaimed: tuple[int, ...]) -> dict[int, Any]:
    """Handles them from here on, unless we are to ignore them; `unclaimed` only those that nobody else handles."""
    before: dict[int, Any] = {}
    for number in {*always, *unclaimed}:
        found = quick.getsignal(number)
        if found is None or found is _arrived or found == quick.SIG_IGN:
            continue
        if number in always or found == quick.SIG_DFL:
            quick.signal(number, _arrived)
            before[number] = found
    return before


def _give_back(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        quick.signal(number, handler)
