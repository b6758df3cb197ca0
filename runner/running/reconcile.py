"""A run whose supervisor died says RUNNING for ever: the next reader on that host closes it, with the reason.

A supervisor is known by its host, its pid with its start time, and the boot of the host. Of another host, or
another pid namespace (a container), nothing can be known, so nothing is done. Runs that only an MLflow client
writes to have no supervisor and are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runner.errors import StoreError
from runner.host import process
from runner.host.machine import boot_id, pid_namespace

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["close_lost", "current", "gone"]

MESSAGES = {
    "rebooted": "the host was restarted while the run was on",
    "lost": "the process that supervised the run is gone",
}


def gone(supervisor: Mapping[str, Any]) -> str:
    """Why a supervisor is no more: `rebooted` or `lost`. "" when it lives, or that cannot be known here."""
    if not isinstance(supervisor.get("pid"), int) or supervisor.get("host") != os.uname().nodename:
        return ""
    then = supervisor.get("boot_id")
    if then and boot_id() and then != boot_id():
        return "rebooted"
    if supervisor.get("pid_namespace", pid_namespace()) != pid_namespace():
        return ""
    start = process.pid_start(int(supervisor["pid"]))
    return "" if start and start == str(supervisor.get("pid_start")) else "lost"


def current(store: Store, run_id: str) -> Run:
    """The run as its record says now, closed as KILLED if it says RUNNING and its supervisor here is gone."""
    run = store.read(run_id)
    return store.read(run_id) if close_lost(store, (run,)) else run


def close_lost(store: Store, runs: Iterable[Run] | None = None) -> list[str]:
    """Closes those of `runs` (None: of all) whose supervisor on this host is gone; returns their ids.

    What cannot be written, such as a store that is only to be read or a full disk, stays as it is.
    """
    closed: list[str] = []
    for run in store.index.supervised(os.uname().nodename) if runs is None else runs:
        try:
            if _close_if_lost(store, run):
                closed.append(run.run_id)
        except StoreError:
            continue
    return closed


def _close_if_lost(store: Store, run: Run) -> bool:
    if run.status not in ("RUNNING", "SCHEDULED"):
        return False
    reason = gone(run.sections.get("supervisor", {}))
    if not reason or not os.access(store.run_directory(run.run_id), os.W_OK):
        return False
    # It may have ended the run and gone between our reading of the log and now; it writes no more.
    latest = store.read(run.run_id)
    same = latest.sections.get("supervisor") == run.sections.get("supervisor")
    if latest.status not in ("RUNNING", "SCHEDULED") or not same:
        return False
    _close(store, latest, reason)
    return True


def _close(store: Store, run: Run, reason: str) -> None:
    from runner.host.process_tree import kill_survivors
    from runner.tracking.log import now

    end_time = _last_sign(store.run_directory(run.run_id), run.start_time, now())
    if reason == "lost":
        kill_survivors(run.run_id, _group(run.sections["supervisor"]))
    if run.sections.get("environment", {}).get("kind") == "docker":
        _remove_container(run.run_id)
    with store.open_run(run.run_id) as writer:
        by = f"proj on {os.uname().nodename}"
        writer.end("KILLED", reason=reason, message=MESSAGES[reason], by=by, end_time=end_time)


def _remove_container(run_id: str) -> None:
    """It outlives its client, and without the guard even its supervisor."""
    from runner.containers import command
    from runner.errors import ProjError

    try:
        command.finish(run_id)
    except ProjError:
        pass  # no engine: no container either


def _group(supervisor: Mapping[str, Any]) -> int:
    """The process group of the command, unless its number may belong to another one by now."""
    group, start = supervisor.get("group"), supervisor.get("group_start")
    same = isinstance(group, int) and group > 1 and start and process.pid_start(group) == str(start)
    return int(group) if same else 0  # type: ignore[arg-type]


def _last_sign(directory: str, start: int, moment: int) -> int:
    """When something was last written for the run (ms): nearest to its end that can be known."""
    latest = start
    for name in ("events.jsonl", "output.log"):
        try:
            latest = max(latest, int(os.stat(os.path.join(directory, name)).st_mtime * 1000))
        except OSError:
            continue
    return min(latest, moment)
