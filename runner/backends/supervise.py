"""Stays with a started command: records and shows its output, passes signals on, keeps time, and has its rest ended.

What the place knows where it was started (processes, a terminal) is behind base.Command.
"""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import time

from runner.backends import outcome
from runner.backends.capture import Capture, Mask, limit
from runner.backends.display import Display, displays
from runner.backends.outcome import CANCEL, Asked
from runner.host.interrupts import Listening
from runner.typed import TYPE_CHECKING
from runner.values import Ended, Job

if TYPE_CHECKING:
    from runner.backends.base import Command, Supervision

__all__ = ["Supervisor"]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
FLOW = 0.0006  # s: output that comes faster than this is read in larger pieces
MOST = (
    1 << 20
)  # bytes at once: as many as a pipe of ours holds, so that a read ends where a write of the command ended
SMALL = 1 << 14
AHEAD = 1 << 20  # bytes that a running command may be ahead of whoever reads its output
AHEAD_AT_END = 1 << 26  # the same of what it left running
DRAIN = 0.05  # s without output after which what the command left running has nothing more to say
LINGER = 2.0  # s that it may go on saying something; also what it has for ending
PATIENCE = 10.0  # s that a reader of our output may take nothing once the run is over
LOOK = 1.0  # s between looks for CANCEL

# In this order: the command runs; what it left running says its last; that is ended; what is left in the pipes
# is read; what is recorded is shown to the end.
ON, DRAINING, LEAVING, SHOWING, OVER = range(5)


class Supervisor:
    """One command, from its start to the end of its last process."""

    def __init__(self, command: Command, job: Job, supervision: Supervision) -> None:
        self._command = command
        self._job = job
        self._supervision = supervision
        self._capture = Capture(job.record, limit())
        self._masks = {fd: Mask(supervision.masked()) for fd, _ in command.outputs}
        self._streams = dict(command.outputs)
        self._displays = displays(tuple(stream for _, stream in command.outputs))
        self._poll = select.poll()
        self._polled: dict[int, int] = {}  # descriptor -> events
        self._listener = -1
        self._grace = float(job.options.get("grace", 10.0))
        timeout = float(job.options.get("timeout", 0))
        self._deadline = time.monotonic() + timeout if timeout else 0.0
        self._kill_at = 0.0
        self._asked = Asked()
        self._requests = 0
        self._passed: set[int] = set()
        self._phase = ON
        self._began = self._look_at = time.monotonic()
        self._ended = self._over = 0.0  # of the command, of the run
        self._copied = 0.0  # when output was last copied, and whether that was a small piece
        self._small = False

    def run(self) -> Ended:
        try:
            with Listening() as self._signals:
                for fd in self._streams:
                    os.set_blocking(fd, False)
                self._supervision.started(self._command.facts())
                if not gc.isenabled():  # switched off for a quick start
                    gc.freeze()
                    gc.enable()
                self._listener = self._supervision.listen()
                while self._phase != OVER:
                    self._wait()
                    self._advance(time.monotonic())
        finally:
            self._command.close()
            for display in self._displays.values():
                display.close()
            self._capture.close()
        found = self._command.exit
        assert found is not None  # noqa: S101
        duration = self._ended - self._began
        ended = outcome.ended(found, self._asked, self._passed, duration, self._capture.problem)
        return self._command.corrected(ended)

    # ---- what happens -------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """For one thing to happen, or for the moment at which something is to be done."""
        self._register()
        for fd, _ in self._poll.poll(self._patience()):
            if fd in self._streams:
                self._copy(fd)
            elif fd == self._signals.fd:
                for number in self._signals.read():
                    self._on_signal(number)
            elif fd == self._command.descriptor():
                for stream in [each for each in self._streams if not self._is_ahead(each)]:
                    self._copy(stream)  # a prompt is seen before the command stops for the answer
                self._command.look()
            elif fd == self._listener:
                self._supervision.connect()  # serves from here on in a thread of its own
                self._listener = -1
            else:
                for display in self._displays.values():
                    if display.fd == fd:
                        display.push()

    def _register(self) -> None:
        """What we listen to now. Output is not read far ahead of its reader, as in a pipe without us."""
        wanted = {self._signals.fd: select.POLLIN}
        if not self._command.gone:
            wanted[self._command.descriptor()] = select.POLLIN
        if self._listener >= 0:
            wanted[self._listener] = select.POLLIN
        for fd in self._streams:
            if not self._is_ahead(fd):
                wanted[fd] = select.POLLIN
        for display in self._displays.values():
            if display.size:
                wanted[display.fd] = select.POLLOUT
        wanted.pop(-1, None)
        if wanted == self._polled:
            return
        for fd in self._polled.keys() - wanted.keys():
            self._poll.unregister(fd)
        for fd, events in wanted.items():
            if self._polled.get(fd) != events:
                self._poll.register(fd, events)
        self._polled = wanted

    def _is_ahead(self, fd: int) -> bool:
        return self._displays[self._streams[fd]].size >= (AHEAD if self._phase == ON else AHEAD_AT_END)

    def _patience(self) -> float:
        """ms until something is to be done though nothing happens."""
        now = time.monotonic()
        moments = [now + LOOK]
        if self._phase == ON:
            moments += [self._look_at, self._kill_at, self._deadline]
        if self._phase == DRAINING:
            moments.append(max(self._copied, self._ended) + DRAIN)
        if self._phase == SHOWING:
            moments += map(self._give_up_at, self._shown())
        return max(0.0, (min(at for at in moments if at) - now) * 1000) + 1

    def _advance(self, now: float) -> None:
        if self._phase == ON:
            self._keep_time(now)
            if self._command.exit is not None:
                self._ended, self._phase, self._kill_at = now, DRAINING, 0.0
        if self._phase == DRAINING and self._is_drained(now):
            self._phase = LEAVING
            self._command.end_rest(self._grace if self._asked.why else min(self._grace, LINGER))
        if self._phase == LEAVING and not self._command.gone:
            self._command.look()  # the guard itself may hang
        if self._phase == LEAVING and self._command.gone:
            self._read_rest()
            self._over, self._phase = time.monotonic(), SHOWING
        if self._phase == SHOWING:
            for display in self._shown():
                if now >= self._give_up_at(display):
                    display.drop() if self._asked.why else display.hand_over()
            if not self._shown():
                self._phase = OVER

    def _is_drained(self, now: float) -> bool:
        if not self._streams or self._command.gone or now - self._ended >= LINGER:
            return True
        return now - max(self._copied, self._ended) >= DRAIN and not any(map(self._is_ahead, self._streams))

    def _keep_time(self, now: float) -> None:
        if self._deadline and now >= self._deadline:
            self._deadline = 0.0
            self._ask(signal.SIGTERM, Asked("timeout"))
        if self._kill_at and now >= self._kill_at:
            self._kill_at = 0.0
            self._command.signal(signal.SIGKILL)
        if now >= self._look_at:
            self._look_at = now + LOOK
            self._command.look()
            self._look_for_cancel()

    # ---- signals ------------------------------------------------------------------------------------------

    def _on_signal(self, number: int) -> None:
        if number in ENDING:
            if not self._look_for_cancel():
                self._ask(number, Asked("interrupted"))
        elif self._phase == ON:
            self._passed.add(number)
            self._command.hear(number)
            self._command.signal(number)  # what it means, the command decides

    def _ask(self, number: int, asked: Asked) -> None:
        """Asks the command to end; a third request ends it at once."""
        if self._phase != ON:  # it has ended by itself: what is left is ended now, and not shown to the end
            if self._phase == LEAVING:
                self._command.end_rest(0.0)
            for display in self._shown():
                display.drop()
            return
        self._requests += 1
        if not self._asked.why:
            self._asked = asked
        self._kill_at = time.monotonic() + (self._grace if self._requests < 3 else 0)
        self._command.signal(number)
        self._command.signal(signal.SIGCONT)

    def _look_for_cancel(self) -> bool:
        """Whether the command was asked to end now, because of it."""
        path = os.path.join(self._job.record, CANCEL)
        if self._asked.why or self._phase != ON or not os.path.exists(path):
            return False
        try:
            with open(path, encoding="utf-8") as file:
                by = file.read().strip()
        except OSError:
            by = ""
        self._ask(signal.SIGTERM, Asked("cancelled", by))
        return True

    # ---- output -------------------------------------------------------------------------------------------

    def _copy(self, fd: int) -> None:
        """Moves what is there to the record and to the display."""
        if self._small and time.monotonic() - self._copied < FLOW:
            time.sleep(FLOW / 2)  # a stream of small writes: one read for many of them
        data, more = _read(fd)
        self._small = len(data) < SMALL
        if data:
            self._copied = time.monotonic()
            self._emit(self._masks[fd].feed(data), self._streams[fd])
        if not more:
            self._emit(self._masks[fd].rest(), self._streams.pop(fd))

    def _emit(self, data: bytes, stream: int) -> None:
        self._capture.write(data, stream)
        self._displays[stream].show(data)

    def _read_rest(self) -> None:
        """What the pipes still hold: nobody of the run is left to write more."""
        for fd, stream in tuple(self._streams.items()):
            for _ in range(AHEAD_AT_END // MOST):  # of a writer that is not of this run, enough is enough
                data, more = _read(fd)
                if data:
                    self._emit(self._masks[fd].feed(data), stream)
                if not (data and more):
                    break
            self._emit(self._masks[fd].rest(), stream)
        self._streams.clear()

    def _shown(self) -> list[Display]:
        """Those whose reader has not taken all yet; once each."""
        return list({id(each): each for each in self._displays.values() if each.size}.values())

    def _give_up_at(self, display: Display) -> float:
        patience = min(self._grace, PATIENCE) if self._asked.why else PATIENCE
        return max(display.taken_at, self._over) + patience


def _read(fd: int) -> tuple[bytes, bool]:
    """What is there now, about MOST bytes at the most, and whether more can come."""
    pieces: list[bytes] = []
    size = 0
    while size < MOST:
        try:
            piece = os.read(fd, MOST)
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno != errno.EIO:  # how a pseudo-terminal says end
                raise
            piece = b""
        if not piece:
            return b"".join(pieces), False
        pieces.append(piece)
        size += len(piece)
        if len(piece) > SMALL:  # a pipe gives all that it has; a terminal gives 4 KiB a time
            break
    return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), True
