"""`proj show`: everything about a run."""

from __future__ import annotations

import shutil
from typing import Any

from runner.cli import reference
from runner.cli.options import Option

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    Option(
        "run", ("run",), reference.RUNS_BY, default="last", metavar="[RUN]", complete=reference.COMPLETE_RUNS
    ),
    reference.STORE,
    reference.JSON,
)


def command(values: dict[str, Any]) -> int:
    """Show everything about a run, with a small plot of each metric. Without RUN, the last one."""
    from runner.cli import output, render_run
    from runner.cli.runs import experiment_names
    from runner.running.reconcile import close_lost

    given = reference.take(values)
    with reference.open_store(given["store"]) as store:
        run = reference.find(store, given["run"])
        experiments = experiment_names(store, [run])
        directory = store.run_directory(run.run_id)
        close_lost(store)
        children = store.search(f"parent = '{run.run_id}'", order_by=["start_time ASC"]).runs
    if given["json"]:
        output.emit_json(render_run.details(run, experiments, directory, children))
        return 0
    from runner.tracking.metrics import curves

    drawn = curves(directory) if run.metrics else {}
    width = shutil.get_terminal_size().columns if output.is_terminal() else 10_000
    name = experiments[run.experiment_id]
    output.emit_lines(render_run.lines(run, name, children, drawn, width, output.colours()))
    return 0
