"""`proj cancel`: asks the process that supervises a run to end it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError, ProjError
from runner.host import files

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    reference.RUNS,
    Option("wait", ("--wait",), "How long to wait for the end: 0, 90, 30m.", default="60", metavar="TIME"),
    reference.STORE,
    reference.JSON,
)
ON = ("RUNNING", "SCHEDULED")


def command(values: dict[str, Any]) -> int:
    """End runs: each command is asked first, and killed after the grace that its run was started with."""
    from runner.text.units import seconds

    given = reference.take(values)
    if not given["runs"]:
        raise InputError("which run?", "proj cancel RUN")
    patience = seconds(given["wait"], "--wait")
    with reference.open_store(given["store"]) as store:
        runs = [reference.find(store, ref) for ref in given["runs"]]
        for run in runs:
            check(run)
        for run in runs:
            ask(store, run)
        deadline = time.monotonic() + patience
        ended = [wait(store, run, deadline) for run in runs]
    report(ended, given["json"])
    late = [run for run in ended if run.status in ON]
    if late and patience:
        names = ", ".join(run.name for run in late)
        raise ProjError(f"{names} was asked to end and has not yet", "proj show RUN  says when it has")
    return 0


def check(run: Run) -> None:
    if run.kind == "client":
        raise InputError(
            f"the run {run.name} was made by a client: nobody supervises it", "proj rm RUN  deletes it"
        )
    if run.status not in ON:
        raise InputError(f"the run {run.name} has already ended ({run.status})")


def ask(store: Store, run: Run) -> None:
    """Leaves a note in the record, which its supervisor looks for wherever it is; on this host it is woken up."""
    from runner.backends.base import CANCEL
    from runner.tracking.store import user_name

    path = os.path.join(store.run_directory(run.run_id), CANCEL)
    try:
        files.write(path, f"{user_name()}@{os.uname().nodename}")
    except OSError as error:
        raise ProjError(f"the run {run.name} cannot be told to end: {error.strerror}") from None
    supervisor = run.sections.get("supervisor", {})
    if lives_here(supervisor):
        import signal

        try:
            os.kill(int(supervisor["pid"]), signal.SIGTERM)
        except OSError:
            pass  # somebody else's: it finds the note within a second


def lives_here(supervisor: Mapping[str, Any]) -> bool:
    """Whether its pid means the same process to us."""
    from runner.host import process
    from runner.host.machine import identity

    ours = identity()
    if any(supervisor.get(key, ours[key]) != ours[key] for key in ("host", "boot_id", "pid_namespace")):
        return False
    start = process.pid_start(int(supervisor.get("pid") or 0))
    return bool(start) and start == str(supervisor.get("pid_start"))


def wait(store: Store, run: Run, deadline: float) -> Run:
    from runner.running.reconcile import current

    pause = 0.01
    while True:
        run = current(store, run.run_id)
        if run.status not in ON or time.monotonic() >= deadline:
            return run
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def report(runs: list[Run], as_json: bool) -> None:
    from runner.cli.output import emit_json, emit_lines
    from runner.cli.render_run import as_json as plain

    if as_json:
        emit_json([plain(run, {}) for run in runs])
        return
    for run in runs:
        if run.status not in ON:
            why = ", ".join(part for part in (run.end.get("reason", ""), run.end.get("message", "")) if part)
            emit_lines([f"{run.name} {run.status}" + (f" ({why})" if why else "")])
