"""SIGTERM and SIGHUP end a run as ^C does: by an exception on its way up, so that its end is recorded.

While the command runs, its supervisor catches signals itself and passes them on; this is for the time before and after.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

__all__ = ["Interrupted", "Interrupts", "Shield", "ignored"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def ignored(number: int) -> bool:
    """Whether we were told to ignore it: by nohup, or by a shell that started us in the background."""
    return signal.getsignal(number) is signal.SIG_IGN


class Interrupts:
    """`with Interrupts():`; does nothing outside of the main thread, where signals cannot be caught."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self._catch(_raise)
        return self

    def _catch(self, handler: Any) -> None:
        for number in SIGNALS:
            if number not in self._before and ignored(number):
                continue
            try:
                before = signal.signal(number, handler)
            except ValueError:
                return
            self._before.setdefault(number, before)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise Interrupted(number)


class Shield:
    """`with Shield():` signals that Interrupts catches are let pass: what is written now is the end of a record."""

    def __init__(self) -> None:
        self._raising: list[int] = []

    def __enter__(self) -> None:
        for number in SIGNALS:
            if signal.getsignal(number) is _raise:
                try:
                    signal.signal(number, signal.SIG_IGN)
                except ValueError:  # only the main thread can be interrupted
                    return
                self._raising.append(number)

    def __exit__(self, *error: object) -> None:
        for number in self._raising:
            signal.signal(number, _raise)
