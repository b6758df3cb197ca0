"""A run whose supervisor died says RUNNING for ever: the next reader on that host closes it, with the reason.

A supervisor is known by the boot of its host (or, where no system tells that, by the host's name), its pid with its
start time, and the pid namespace (a container). Of another host, or another namespace, nothing can be known, so nothing
is done. Runs that only an MLflow client writes to have no supervisor and are left alone.

Anybody may write a record, and name any process in it. So of a record that is not this user's nothing is written and
nobody is ended: what would have been written is only shown. And a process is ended only if it carries the token that
its run was started with, or is in the control group of that name: never for its id, nor for that of its group. Nor for
a copy of a record: the token of a run can be read by whoever can read the run.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING

from runner.errors import ProjError, StoreError
from runner.host import cgroup, files, process, process_tree
from runner.host.machine import boot_id, pid_namespace
from runner.tracking.events import Facts

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.reading import Reading
    from runner.tracking.store import Store

__all__ = ["Watched", "close_lost", "concluded", "current", "gone", "wake"]

ON = ("RUNNING", "SCHEDULED")
LOCK = ".closing"  # in the record, while somebody closes the run
CONCLUDED = "(concluded)"
MESSAGES = {
    "rebooted": "the host was restarted while the run was on",
    "lost": "the process that supervised the run is gone",
}


def gone(supervisor: Facts) -> str:
    """Why a supervisor is no more: `rebooted` or `lost`. "" when it lives, or that cannot be known here."""
    if not isinstance(supervisor.get("pid"), int):
        return ""
    then, now = supervisor.get("boot_id"), boot_id()
    if not (then and now and then == now):  # the name of a host may change, and say nothing of this machine
        if supervisor.get("host") != os.uname().nodename:
            return ""
        if then and now:
            return "rebooted"
    if not _same_namespace(supervisor):
        return ""
    return "" if _lives(supervisor, "pid") else "lost"


def _same_namespace(supervisor: Facts) -> bool:
    return bool(supervisor.get("pid_namespace", pid_namespace()) == pid_namespace())


def _lives(supervisor: Facts, name: str) -> bool:
    """Whether a process of the record, by its id and its start time, is there."""
    pid = supervisor.get(name)
    start = process.pid_start(pid) if isinstance(pid, int) and pid > 0 else ""
    return bool(start) and start == str(supervisor.get(f"{name}_start"))


def current(store: Store, run_id: str) -> Run:
    """The run as its record says now, closed as KILLED if it says RUNNING and its supervisor here is gone."""
    run = store.read(run_id)
    if not _is_lost(run):
        return run
    close_lost(store, (run,))
    return store.read(run_id)  # also when somebody else was quicker


class Watched:
    """A run that is looked at again and again: each time only what was added to its record is read."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._reading: Reading | None = None

    def look(self) -> Run:
        """As `current`."""
        from runner.tracking.reading import NOTHING, read_on

        try:
            self._reading = read_on(self._store.run_directory(self._run_id), self._reading or NOTHING)
        except OSError:
            return current(self._store, self._run_id)  # which says what is wrong
        run = self._reading.called(self._run_id).run
        return current(self._store, self._run_id) if run is None or _is_lost(run) else run


def concluded(run: Run) -> Run:
    """A lost run as it is to be shown where nobody may close it; any other as it is. Nothing is written or ended."""
    reason = _is_lost(run)
    if not reason:
        return run
    return run._replace(status="KILLED", end={"reason": f"{reason} {CONCLUDED}", "message": MESSAGES[reason]})


def close_lost(store: Store, runs: Iterable[Run] | None = None) -> list[str]:
    """Closes those of `runs` (None: of all) whose supervisor on this host is gone; returns their ids.

    What is not ours, and what cannot be written (a store that is only to be read, a full disk), stays as it is.
    """
    closed: list[str] = []
    for run in store.index.supervised() if runs is None else runs:
        if not _is_lost(run) or not _is_ours(store.run_directory(run.run_id)):
            continue
        try:
            if _close(store, run.run_id):
                closed.append(run.run_id)
                _tell(store, run.run_id)
        except (StoreError, OSError):
            continue
    return closed


def _tell(store: Store, run_id: str) -> None:
    from runner.running.notify import tell_lost

    tell_lost(store.read(run_id))


def _is_lost(run: Run) -> str:
    return gone(run.sections.get("supervisor", {})) if run.status in ON else ""


def _is_ours(directory: str) -> bool:
    """Whether the record was written by this user, and can be."""
    try:
        for path in (directory, os.path.join(directory, "events.jsonl")):
            if os.stat(path).st_uid != os.getuid() or not os.access(path, os.W_OK):
                return False
    except OSError:
        return False
    return True


def _close(store: Store, run_id: str) -> bool:
    """One at a time; whoever had to wait finds the run closed."""
    lock = os.path.join(store.run_directory(run_id), LOCK)
    handle = files.lock(lock)
    try:
        run = store.read(run_id)
        reason = _is_lost(run)  # it may have ended the run and gone after that was asked
        if not reason:
            return False
        end_time = _last_sign(store.run_directory(run_id), run.start_time)
        with store.open_run(run_id) as writer:
            original = writer.is_original()
            if original and reason == "lost":
                _end_processes(run.sections["supervisor"])
            if original and run.sections.get("environment", {}).get("kind") == "docker":
                _remove_container(run)
            by = f"proj on {os.uname().nodename}"
            writer.end("KILLED", reason=reason, message=MESSAGES[reason], by=by, end_time=end_time)
        return True
    finally:
        os.unlink(lock)
        os.close(handle)


def _end_processes(supervisor: Facts) -> None:
    """What a guard that was killed, too, has left; one that lives gives them their grace, and ends them itself."""
    token = supervisor.get("token")
    if not isinstance(token, str) or not process_tree.is_token(token) or _lives(supervisor, "guard"):
        return
    group = supervisor.get("cgroup")
    if isinstance(group, str) and cgroup.is_named(group, token):
        cgroup.kill(group)
    process_tree.kill_carrying(process_tree.mark_of(token))


def _remove_container(run: Run) -> None:
    """It outlives its client, and without the guard even its supervisor."""
    from runner.containers import command

    try:
        token = run.sections["supervisor"].get("token")
        if isinstance(token, str) and process_tree.is_token(token) and command.carries(run.run_id, token):
            command.finish(run.run_id)
    except ProjError:
        pass  # no engine: no container either


def _last_sign(directory: str, start: int) -> int:
    """When something was last written for the run (ms): nearest to its end that can be known."""
    from runner.tracking import segments
    from runner.tracking.log import now

    latest = start
    later = [os.path.join("segments", name) for name in segments.names(directory)]
    for name in ("events.jsonl", "output.log", *later):
        try:
            latest = max(latest, int(os.stat(os.path.join(directory, name)).st_mtime * 1000))
        except OSError:
            continue
    return min(latest, now())


def wake(store: Store, run: Run) -> None:
    """SIGTERM to the supervisor, so that it finds at once what the record asks of it; else it does within a second.

    Only to a process that has this very record open to write to it, which no record can claim; and of no other run, for
    which the signal would be meant as well.
    """
    from runner.tracking.reading import record_of

    supervisor = run.sections.get("supervisor", {})
    directory = os.path.realpath(store.run_directory(run.run_id))
    if not (_same_namespace(supervisor) and _lives(supervisor, "pid") and _is_ours(directory)):
        return
    if set(filter(None, map(record_of, process.written_by(supervisor["pid"])))) == {directory}:
        try:
            os.kill(supervisor["pid"], signal.SIGTERM)
        except OSError:
            pass
