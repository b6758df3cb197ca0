"""`proj cancel`: asks the process that supervises a run to end it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.errors import InputError, ProjError
from runner.host import files

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["COMMAND"]

ON = ("RUNNING", "SCHEDULED")


def command(refs: tuple[str, ...], wait: str, location: str, as_json: bool) -> int:
    """End runs: each command is asked first, and killed after the grace that its run was started with."""
    from runner.cli.render_run import as_json as plain
    from runner.cli.runs import experiment_names
    from runner.text.units import seconds

    if not refs:
        raise InputError("which run?", "proj cancel RUN")
    patience = seconds(wait, "--wait")
    with reference.open_store(location) as store:
        runs = [reference.find(store, ref) for ref in refs]
        for run in runs:
            check(run)
        for run in runs:
            ask(store, run)
        deadline = time.monotonic() + patience
        runs = [ended(store, run, deadline) for run in runs]
        known = experiment_names(store, runs)
    over = [told(run) for run in runs if run.status not in ON]
    output.result(as_json, [plain(run, known) for run in runs], over)
    late = ", ".join(run.name for run in runs if run.status in ON)
    if late and patience:
        raise ProjError(f"{late} was asked to end and has not yet", "proj show RUN  says when it has")
    return 0


def check(run: Run) -> None:
    """InputError for a run that has ended or has no supervisor."""
    if run.kind == "client":
        hint = "proj rm RUN  deletes it"
        raise InputError(f"the run {run.name} was made by a client: nobody supervises it", hint)
    if run.status not in ON:
        raise InputError(f"the run {run.name} has already ended ({run.status})")


def ask(store: Store, run: Run) -> None:
    """Leaves a note in the record, which its supervisor looks for wherever it is; on this host it is woken up."""
    from runner.backends.outcome import CANCEL
    from runner.running.reconcile import wake
    from runner.tracking.store import user_name

    path = os.path.join(store.run_directory(run.run_id), CANCEL)
    try:
        files.write(path, f"{user_name()}@{os.uname().nodename}")
    except OSError as error:
        raise ProjError(f"the run {run.name} cannot be told to end: {error.strerror}") from None
    wake(store, run)


def ended(store: Store, run: Run, deadline: float) -> Run:
    """The run when it has ended, or as it is at the deadline (time.monotonic)."""
    from runner.running.reconcile import Watched

    watched = Watched(store, run.run_id)
    pause = 0.01
    while True:
        began = time.monotonic()
        run = watched.look()
        looked = time.monotonic()
        if run.status not in ON or looked >= deadline:
            return run
        # whatever it takes to look, most of the time is left to others
        time.sleep(max(0.0, min(max(pause, 20 * (looked - began)), deadline - looked)))
        pause = min(pause * 1.5, 0.5)


def told(run: Run) -> str:
    why = ", ".join(part for part in (run.end.get("reason", ""), run.end.get("message", "")) if part)
    return f"{run.name} {run.status}" + (f" ({why})" if why else "")


COMMAND = Command(command, (
    reference.RUNS,
    Option("wait", ("--wait",), "How long to wait for the end: 0, 90, 30m.", default="60", metavar="TIME"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
