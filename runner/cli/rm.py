"""`proj rm`: deletes runs softly."""

from __future__ import annotations

import sys
from typing import Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    reference.RUNS,
    Option("filter", ("--filter",), "All runs that this filter finds.", metavar="FILTER"),
    Option("dry_run", ("--dry-run",), "Show which runs these are, and delete none.", "flag", False),
    reference.STORE,
    reference.JSON,
)


def command(values: dict[str, Any]) -> int:
    """Delete runs: they are no longer listed. proj restore brings them back, proj gc removes them for good."""
    from runner.cli.output import emit_json, emit_lines
    from runner.cli.runs import Wanted, select

    given = reference.take(values)
    if not given["runs"] and not given["filter"]:
        raise InputError("which runs?", "proj rm RUN...  or  proj rm --filter \"status = 'FAILED'\"")
    with reference.open_store(given["store"]) as store:
        runs = [reference.find(store, ref) for ref in given["runs"]]
        if given["filter"]:
            known = {run.run_id for run in runs}
            found, _ = select(store, Wanted(given["filter"], limit=sys.maxsize))
            runs += [run for run in found if run.run_id not in known]
        running = [run.name for run in runs if run.status == "RUNNING" and run.kind == "project"]
        if running:
            raise InputError(f"{', '.join(running)} is running", f"proj cancel {running[0]}  ends it")
        if not given["dry_run"]:
            for run in runs:
                if run.lifecycle == "active":
                    store.delete_run(run.run_id)
    if given["json"]:
        emit_json([run.run_id for run in runs])
    else:
        word = "would be deleted" if given["dry_run"] else "deleted"
        emit_lines(f"{run.run_id[:12]}  {run.name}  {word}" for run in runs)
    return 0
