"""A command on this machine, started and kept by its guard, with the terminal that it may have."""

from __future__ import annotations

import os
import signal
import time

from runner.backends import contained, posting, terminal
from runner.backends.outcome import Exit
from runner.backends.posting import Handle
from runner.host import cgroup, process, process_tree, subreaper
from runner.host.interrupts import in_main_thread
from runner.typed import TYPE_CHECKING
from runner.values import Ended, Job

if TYPE_CHECKING:
    from typing import Any

    from runner.containers import command

__all__ = ["BACKUP", "Guarded"]

BACKUP = subreaper.Backup()
PATIENCE = 15.0  # s more than the grace that a guard has for ending all


class Guarded:
    """See base.Command."""

    def __init__(self, handle: Handle, job: Job) -> None:
        self.outputs = handle.outputs
        self.exit: Exit | None = None
        self.gone = False
        self._handle = handle
        self._job = job
        self._group = handle.guard.command
        self._channel = handle.guard.channel
        self._heard = b""
        self._guardless = False
        self._watch = -1  # pidfd of the command of a guard that is gone
        self._foreground = handle.foreground
        self._has_terminal = in_main_thread()
        self._waits_for_terminal = False  # it was stopped for reading, and nobody above us continues anybody
        self._finished: command.Finished | tuple[()] | None = None  # what the engine says of a container
        self._overdue = 0.0
        self._left = 0  # processes that could not be ended
        os.set_blocking(self._channel, False)
        BACKUP.hold()

    def facts(self) -> dict[str, Any]:
        guard = self._handle.guard.pid
        facts = {"group": self._group, "guard": guard, "guard_start": process.pid_start(guard)}
        facts["token"] = self._handle.token
        if self._handle.cgroup:
            facts["cgroup"] = self._handle.cgroup
        return facts

    def descriptor(self) -> int:
        if self._guardless:
            return self._watch if self.exit is None else -1
        return self._channel

    # ---- what the guard says ------------------------------------------------------------------------------

    def look(self) -> None:
        self._follow_size()
        self._end_wait_for_terminal()
        if self._guardless:
            self._look_without_guard()
            return
        try:
            data = os.read(self._channel, 4096)
        except BlockingIOError:
            if self._overdue and time.monotonic() > self._overdue:
                os.kill(self._handle.guard.pid, signal.SIGKILL)
            return
        except OSError:  # it was killed before it read what we had said
            data = b""
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._take(line.decode().split())
        if not data and not self.gone:
            self._lose_guard()

    def _take(self, words: list[str]) -> None:
        if words[0] == "stopped":
            self._pause(int(words[1]))
        elif words[0] == "ended":
            self._end(int(words[1]), float(words[2]), float(words[3]), int(words[4]))
        elif words[0] == "gone":
            self._left = int(words[1])
            self._be_gone()

    def _end(self, status: int | None, user: float = 0, system: float = 0, memory: int = 0) -> None:
        scale = 1 if os.uname().sysname == "Darwin" else 1024
        used = {} if status is None else {"peak_memory": memory * scale, "cpu_time": round(user + system, 3)}
        self.exit = Exit(status, used, cgroup.memory_kills() - self._handle.memory_kills)

    # ---- without it: somebody killed it, and the run goes on ----------------------------------------------

    def _lose_guard(self) -> None:
        """From here on the command is our child, where the system can do that."""
        self._guardless = True
        if self.exit is None and hasattr(os, "pidfd_open"):
            try:
                self._watch = os.pidfd_open(self._group)
            except OSError:
                pass  # it has ended, or the system is too old
        self._look_without_guard()
        if self._overdue:
            self._kill_rest()

    def _look_without_guard(self) -> None:
        if self.exit is not None:
            return
        try:
            pid, status, usage = os.wait4(self._group, os.WNOHANG)
        except ChildProcessError:
            if not process.pid_start(self._group):
                self._end(None)
            return
        if pid:
            self._end(status, usage.ru_utime, usage.ru_stime, usage.ru_maxrss)

    def _kill_rest(self) -> None:
        """By its control group or its mark: nothing else tells what was the run's."""
        if self.exit is None:
            process_tree.signal_group(self._group, signal.SIGKILL)
        if self._handle.cgroup:
            cgroup.kill(self._handle.cgroup)
        process_tree.kill_carrying(process_tree.mark_of(self._handle.token))
        self._be_gone()

    def _be_gone(self) -> None:
        self.gone = True
        if self._foreground:
            self._foreground = False
            terminal.take_foreground()

    # ---- signals and the end ------------------------------------------------------------------------------

    def signal(self, number: int) -> None:
        process_tree.signal_group(self._group, number)

    def hear(self, number: int) -> None:
        if number == signal.SIGWINCH:
            self._copy_size()

    def end_rest(self, grace: float) -> None:
        if self.gone:
            return
        if self.exit is not None and self._finished is None:
            self._finished = contained.finish(self._job) or ()
        self._overdue = time.monotonic() + grace + PATIENCE
        if self._guardless:
            self._kill_rest()
            return
        try:
            os.write(self._channel, b"end %f\n" % grace)
        except OSError:
            pass  # it is gone; `look` will see that

    def close(self) -> None:
        """The guard ends what is on when it hears no more of us."""
        if self._finished is None:
            self._finished = contained.finish(self._job) or ()  # it outlives its client
        for fd in (self._channel, self._watch, *(end for end, _ in self.outputs)):
            if fd >= 0:
                os.close(fd)
        posting.reap(self._handle.guard.pid)
        BACKUP.release()
        if not self.gone:
            self._be_gone()

    def corrected(self, ended: Ended) -> Ended:
        if self._left and not ended.message:
            ended = ended._replace(message=f"{self._left} of its processes could not be ended")
        return contained.corrected(ended, self._finished or None)

    # ---- the terminal -------------------------------------------------------------------------------------

    def _copy_size(self) -> bool:
        changed = [terminal.copy_size(stream, fd) for fd, stream in self.outputs if os.isatty(stream)]
        return any(changed)

    def _follow_size(self) -> None:
        """While the command is in the foreground, the terminal tells it of a new size, not us, and too early."""
        if self._foreground and self.exit is None and self._copy_size():
            self.signal(signal.SIGWINCH)

    def _pause(self, number: int) -> None:
        """The command was stopped. So are we, as one job of the shell; whoever continues us continues it."""
        wants_terminal = number in (signal.SIGTTIN, signal.SIGTTOU)
        if not self._has_terminal:
            return
        if wants_terminal and terminal.in_foreground():
            self._foreground = True
            terminal.give_foreground(self._group)
            return
        if number == signal.SIGSTOP and not self._foreground:
            return  # somebody meant the command alone
        if self._foreground:
            terminal.take_foreground()
        stopped = terminal.stop_ourselves(number if wants_terminal else signal.SIGTSTP)
        self._foreground = terminal.in_foreground()  # continued by `fg`, not by `bg`
        if self._foreground:
            terminal.give_foreground(self._group)
        elif stopped or not wants_terminal:
            self.signal(signal.SIGCONT)
        else:
            self._waits_for_terminal = True

    def _end_wait_for_terminal(self) -> None:
        """Nobody can hand it over any more: the command is to find its input closed, not to wait for ever."""
        if self._waits_for_terminal and not terminal.is_there():
            self._waits_for_terminal = False
            self.signal(signal.SIGCONT)
