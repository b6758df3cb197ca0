"""`proj rm`: deletes runs softly."""

from __future__ import annotations

import sys

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.cli.runs import Selection, select
from runner.errors import InputError
from runner.tracking.events import SUPERVISED

__all__ = ["COMMAND"]


def command(
    refs: tuple[str, ...], where: str, everything: bool, dry_run: bool, location: str, as_json: bool
) -> int:
    """Delete runs: they are no longer listed. proj restore brings them back, proj gc removes them for good."""
    if not refs and not where:
        raise InputError("which runs?", "proj rm RUN...  or  proj rm --filter \"status = 'FAILED'\"")
    with reference.open_store(location) as store:
        runs = [reference.find(store, ref) for ref in refs]
        if where:
            known = {run.run_id for run in runs}
            scope = None if everything else reference.scope_here(store)
            found, _ = select(store, Selection(where, limit=sys.maxsize, scope=scope))
            runs += [run for run in found if run.run_id not in known]
        running = [run.name for run in runs if run.status == "RUNNING" and run.kind in SUPERVISED]
        if running:
            raise InputError(f"{', '.join(running)} is running", f"proj cancel {running[0]}  ends it")
        for run in () if dry_run else runs:
            if run.lifecycle == "active":
                store.delete_run(run.run_id)
    word = "would be deleted" if dry_run else "deleted"
    lines = [f"{run.run_id[:12]}  {run.name}  {word}" for run in runs]
    return output.result(as_json, [run.run_id for run in runs], lines)


COMMAND = Command(command, (
    reference.RUNS,
    Option("where", ("--filter",), "All runs of this project that this filter finds.", metavar="FILTER"),
    Option("everything", ("-a", "--all"), "With --filter: those of all projects.", "flag"),
    Option("dry_run", ("--dry-run",), "Show which runs these are, and delete none.", "flag"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
