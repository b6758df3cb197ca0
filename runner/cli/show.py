"""`proj show`: everything about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli import output, reference, render_run
from runner.cli.options import Command
from runner.cli.runs import experiment_names

if TYPE_CHECKING:
    from runner.tracking.curves import Curve
    from runner.tracking.fold import Run

__all__ = ["COMMAND"]


def command(ref: str, location: str, as_json: bool) -> int:
    """Show everything about a run, with a small plot of each metric. Without RUN, the last one."""
    from runner.running.reconcile import close_lost, concluded

    with reference.open_store(location) as store:
        run = concluded(reference.find(store, ref))
        experiments = experiment_names(store, [run])
        directory = store.run_directory(run.run_id)
        close_lost(store)
        children = store.search(f"parent = '{run.run_id}'", order_by=["start_time ASC"]).runs
        children = tuple(map(concluded, children))
    drawn = _curves(run, directory) if run.metrics and not as_json else {}
    name = experiments[run.experiment_id]
    lines = render_run.lines(run, name, children, drawn, output.width(), output.colours())
    return output.result(as_json, render_run.details(run, experiments, directory, children), lines)


def _curves(run: Run, directory: str) -> dict[str, Curve]:
    from runner.tracking.curves import Curves

    curves = Curves(directory)
    curves.refresh(ended=bool(run.end))
    return {name: curves.curve(name) for name in curves.names()}


COMMAND = Command(command, (reference.LAST, reference.STORE, reference.JSON))
