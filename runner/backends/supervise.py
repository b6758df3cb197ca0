"""Stays with a started command: copies its output, passes signals on, keeps time, and ends what is left of it."""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import time
from types import FrameType
from typing import Any

from runner.backends import contained, evidence, guard, terminal
from runner.backends.base import CANCEL, Supervision
from runner.backends.capture import Capture, Mask, limit
from runner.backends.handle import Handle
from runner.host import process_tree
from runner.values import Ended, Job, Json

__all__ = ["Supervisor"]

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
FLOW = 0.0006  # s: output that comes faster than this is read in larger pieces
MOST = 1 << 18  # bytes at once
SMALL = 1 << 14
DRAIN = 0.05  # s: how long output may still come when the command has ended but a child of it keeps the pipe
LOOK = 1.0  # s between looks for CANCEL


class Supervisor:
    """One command, from its start to the end of its last process."""

    def __init__(self, handle: Handle, job: Job, supervision: Supervision) -> None:
        self._handle = handle
        self._job = job
        self._supervision = supervision
        self._capture = Capture(job.record, limit())
        self._masks = {fd: Mask(supervision.masked()) for fd, _ in handle.outputs}
        self._streams = dict(handle.outputs)
        self._outlets = {stream: terminal.outlet(stream) for _, stream in handle.outputs}
        self._broken: set[int] = set()  # our own outputs that nobody reads any more
        self._foreground = handle.foreground
        self._listener = -1
        self._grace = float(job.options.get("grace", 10.0))
        timeout = float(job.options.get("timeout", 0))
        self._deadline = time.monotonic() + timeout if timeout else 0.0
        self._kill_at = 0.0
        self._give_up_at = 0.0  # when our own output no longer waits for its reader
        self._asked = ""  # why we asked the command to end: cancelled, timeout, interrupted
        self._by = ""
        self._requests = 0
        self._status: int | None = None
        self._usage: dict[str, Json] = {}
        self._wake = (-1, -1)
        self._copied = 0.0  # when output was last copied, and whether that was a small piece
        self._small = False
        self._started = time.monotonic()

    def run(self) -> Ended:
        before = self._catch_signals()
        finished = None
        try:
            self._supervision.started({"group": self._handle.pid})
            gc.freeze()
            gc.enable()  # switched off for a quick start
            self._loop()
            finished = contained.finish(self._job)
            self._end_the_rest()
        except BaseException:  # of our own making: nothing of the run is left behind all the same
            process_tree.kill_survivors(self._job.run_id, self._handle.pid)
            raise
        finally:
            if finished is None:
                contained.finish(self._job)  # in any case: a container outlives its client
            guard.dismiss(self._handle.guard)
            if self._foreground:
                terminal.take_foreground()
            self._finish_outputs()
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            for fd in self._wake:
                os.close(fd)
        return contained.corrected(self._verdict(), finished)

    # ---- signals ------------------------------------------------------------------------------------------

    def _catch_signals(self) -> dict[int, Any]:
        """Signals become bytes in a pipe that the loop reads."""
        self._wake = os.pipe()
        for fd in (*self._wake, *self._streams):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)

        def nothing(number: int, frame: FrameType | None) -> None:
            pass  # the wake-up pipe has it

        asked = [number for number in FORWARDED if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
        if signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN:
            asked.append(signal.SIGTSTP)
        watched = [*asked, signal.SIGCHLD, signal.SIGWINCH]
        before: dict[int, Any] = {number: signal.signal(number, nothing) for number in watched}
        os.write(self._wake[1], bytes([signal.SIGCHLD]))  # it may have ended already
        return before

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGWINCH:
            for fd, stream in self._handle.outputs:
                if os.isatty(stream):
                    terminal.copy_size(stream, fd)
        elif number == signal.SIGTSTP:  # ^Z while the terminal is ours: we stop when the command has (_pause)
            process_tree.signal_group(self._handle.pid, number)
        elif number in FORWARDED and not self._look_for_cancel():
            self._ask(signal.Signals(number), "interrupted")

    def _ask(self, number: int, why: str, by: str = "") -> None:
        """Asks the command to end; a third request ends it at once."""
        if self._status is not None:  # it has ended by itself; only its output is still being shown
            self._give_up_at = time.monotonic()
            return
        self._requests += 1
        if not self._asked:
            self._asked, self._by = why, by
        self._kill_at = time.monotonic() + (self._grace if self._requests < 3 else 0)
        self._give_up_at = self._kill_at
        process_tree.signal_group(self._handle.pid, number)
        process_tree.signal_group(self._handle.pid, signal.SIGCONT)

    def _look_for_cancel(self) -> bool:
        """Whether the command was asked to end now, because of it."""
        path = os.path.join(self._job.record, CANCEL)
        if self._asked or not os.path.exists(path):
            return False
        try:
            with open(path, encoding="utf-8") as file:
                by = file.read().strip()
        except OSError:
            by = ""
        self._ask(signal.SIGTERM, "cancelled", by)
        return True

    # ---- the loop -----------------------------------------------------------------------------------------

    def _loop(self) -> None:
        poll = select.poll()
        poll.register(self._wake[0], select.POLLIN)
        for fd in self._streams:
            poll.register(fd, select.POLLIN)
        self._listener = self._supervision.listen()
        if self._listener >= 0:
            poll.register(self._listener, select.POLLIN)
        quiet_until = 0.0
        while self._status is None or self._streams:
            for fd, _ in poll.poll(self._patience(quiet_until)):
                if fd in self._streams:
                    if not self._copy(fd):
                        poll.unregister(fd)
                        del self._streams[fd]
                elif self._attend(fd):
                    poll.unregister(fd)
            now = time.monotonic()
            if self._status is not None:
                quiet_until = quiet_until or now + DRAIN
                if now >= quiet_until:
                    return
            else:
                self._keep_time(now)

    def _attend(self, fd: int) -> bool:
        """To signals and to the command's first word to the endpoint; True when this happens only once."""
        if fd == self._wake[0]:
            try:
                numbers = os.read(fd, 1024)
            except BlockingIOError:  # seen already, while our output waited for its reader
                return False
            for number in numbers:
                self._on_signal(number)
            return False
        if fd == self._listener:
            self._supervision.connect()  # serves from here on in a thread of its own
            self._listener = -1
        return True

    def _patience(self, quiet_until: float) -> float:
        """ms until something is to be done though nothing happens."""
        now = time.monotonic()
        moments = [now + LOOK]
        moments += [at for at in (quiet_until, self._kill_at, self._deadline) if at]
        return max(0.0, (min(moments) - now) * 1000) + 1

    def _keep_time(self, now: float) -> None:
        if self._deadline and now >= self._deadline:
            self._deadline = 0.0
            self._ask(signal.SIGTERM, "timeout")
        if self._kill_at and now >= self._kill_at:
            self._kill_at = 0.0
            process_tree.signal_group(self._handle.pid, signal.SIGKILL)
        self._look_for_cancel()

    def _copy(self, fd: int) -> bool:
        """Moves what is there to the terminal and the record; False at the end of the stream."""
        if self._small and time.monotonic() - self._copied < FLOW:
            time.sleep(FLOW / 2)  # a stream of small writes: one read for many of them
        data, more = _read(fd)
        self._copied = time.monotonic()
        self._small = len(data) < SMALL
        self._emit(self._masks[fd].feed(data), self._streams[fd])
        return more

    def _emit(self, data: bytes, stream: int) -> None:
        self._capture.write(data, stream)
        while data and stream not in self._broken:
            try:
                data = data[os.write(self._outlets[stream], data) :]
            except BlockingIOError:
                self._await_reader(stream)
            except OSError:
                self._broken.add(stream)  # the terminal was closed: the record goes on

    def _await_reader(self, stream: int) -> None:
        """A paused reader (^S, less) stops neither signals nor time-outs nor what the command logs."""
        poll = select.poll()
        poll.register(self._outlets[stream], select.POLLOUT)
        poll.register(self._wake[0], select.POLLIN)
        if self._listener >= 0:
            poll.register(self._listener, select.POLLIN)
        for fd, _ in poll.poll(self._patience(self._give_up_at)):
            if fd != self._outlets[stream]:
                self._attend(fd)
        now = time.monotonic()
        if self._status is None:
            self._keep_time(now)
        elif self._give_up_at and now >= self._give_up_at:
            self._broken.add(stream)  # the record has it all

    # ---- the end ------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        while self._status is None:
            try:
                pid, status, usage = os.wait4(self._handle.pid, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                self._status = 0
                return
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                self._pause(os.WSTOPSIG(status))
                continue
            self._status = status
            scale = 1 if os.uname().sysname == "Darwin" else 1024
            self._usage = {
                "peak_memory": usage.ru_maxrss * scale,
                "cpu_time": round(usage.ru_utime + usage.ru_stime, 3),
                "duration": round(time.monotonic() - self._started, 3),
            }

    def _pause(self, number: int) -> None:
        """The command was stopped. So are we, as one job of the shell; whoever continues us continues it."""
        wants_terminal = number in (signal.SIGTTIN, signal.SIGTTOU)
        if wants_terminal and terminal.in_foreground():
            self._foreground = True
            terminal.give_foreground(self._handle.pid)
            return
        if number == signal.SIGSTOP and not self._foreground:
            return  # somebody meant the command alone
        if self._foreground:
            terminal.take_foreground()
        stopped = terminal.stop_ourselves(number if wants_terminal else signal.SIGTSTP)
        self._foreground = terminal.in_foreground()  # continued by `fg`, not by `bg`
        if self._foreground:
            terminal.give_foreground(self._handle.pid)
        elif stopped or not wants_terminal:
            process_tree.signal_group(self._handle.pid, signal.SIGCONT)

    def _end_the_rest(self) -> None:
        """No process of a run survives it."""
        grace = self._grace if self._asked else min(self._grace, 2.0)
        process_tree.end_all(self._job.run_id, self._handle.pid, grace, time.monotonic() - self._started)

    def _finish_outputs(self) -> None:
        for fd, stream in self._handle.outputs:
            self._emit(self._masks[fd].rest(), stream)
            os.close(fd)
        for stream, outlet in self._outlets.items():
            if outlet != stream:
                os.close(outlet)
        self._capture.close()

    def _verdict(self) -> Ended:
        status = self._status or 0
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = 128 + number if number else os.WEXITSTATUS(status)
        if (
            not number
            and code > 128
            and code - 128 in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        ):
            number = code - 128  # how a shell tells of its child
        name = signal.Signals(number).name if number else ""
        kills = evidence.memory_kills() - self._handle.memory_kills
        message = f"output was not kept: {self._capture.failure}" if self._capture.failure else ""
        if self._asked:
            by = f"by {self._by}" if self._by else ""
            reason = self._asked
            # a command that ended well in spite of being asked to end was interrupted all the same
            return Ended("KILLED", code or 128 + signal.SIGTERM, reason, name, message or by, self._usage)
        if kills > 0 and not message:  # perhaps of a worker that the command went on without
            message = f"the kernel ended {kills} of its processes: out of memory"
        if number == signal.SIGKILL and kills > 0:
            return Ended("FAILED", code, "memory", name, "ended by the kernel: out of memory", self._usage)
        if number in (
            *FORWARDED,
            signal.SIGKILL,
        ):  # somebody ended it; other signals are the program's own fault
            reason = "interrupted" if number == signal.SIGINT else "signal"
            return Ended("KILLED", code, reason, name, message, self._usage)
        if number:
            return Ended("FAILED", code, "signal", name, message, self._usage)
        return Ended("FAILED" if code else "FINISHED", code, "exit", "", message, self._usage)


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
        if len(piece) > SMALL:  # a pipe gives what it has; a terminal gives 4 KiB a time
            break
    return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), True
