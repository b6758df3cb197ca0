"""`proj show`: everything about a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runner.cli import output, reference, render_run
from runner.cli.options import Command
from runner.cli.runs import experiment_names
from runner.host import files
from runner.text.shown import cut, safe

if TYPE_CHECKING:
    from runner.tracking.curves import Curve
    from runner.tracking.fold import Run

__all__ = ["COMMAND", "ending"]

LAST = 15  # lines


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
    if run.status in ("FAILED", "KILLED"):
        lines += _ending(run.run_id, directory)
    return output.result(as_json, render_run.details(run, experiments, directory, children), lines)


def _ending(run_id: str, directory: str) -> list[str]:
    last = ending(directory)
    title = output.paint("Output", "1", output.colours())
    shown = [cut(f"  {safe(line)}".rstrip(), output.width()) for line in last]
    return ["", f"{title}  (its end; proj logs {run_id[:12]}  shows all)", *shown] if last else []


def ending(directory: str, most: int = LAST) -> list[str]:
    """The last lines of the output of the run with this record: mostly they say what was wrong."""
    try:
        with files.open_file(os.path.join(directory, "output.log")) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - most * 400))
            return file.read().decode("utf-8", "replace").rstrip().splitlines()[-most:]
    except OSError:
        return []


def _curves(run: Run, directory: str) -> dict[str, Curve]:
    from runner.tracking.curves import Curves

    curves = Curves(directory)
    curves.refresh(ended=bool(run.end))
    return {name: curves.curve(name) for name in curves.names()}


COMMAND = Command(command, (reference.LAST, reference.STORE, reference.JSON))
