"""`proj ps`: what runs now. The rows are those of `proj watch`, too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.cancel import ON
from runner.cli.options import Command
from runner.cli.render_plot import sparkline
from runner.cli.render_run import as_json as plain
from runner.errors import ProjError
from runner.tables import columns
from runner.text.shown import number, safe
from runner.text.units import duration

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["COMMAND", "NAMES", "last_line", "on", "progress", "row"]

NAMES = ("id", "name", "project", "entry_point", "status", "for", "metrics", "output")
WHOLE = ("id", "name")
SPARE = ("entry_point", "status", "project", "output", "metrics")
MOST = 1000  # runs
DRAWN = 12  # columns of a small plot
METRICS = 3
TAIL = 2000  # bytes of the output that are looked at


def command(location: str, as_json: bool) -> int:
    """Show what runs now, of all projects: since when, the latest metrics, the last line that it wrote."""
    from runner.cli.runs import experiment_names

    with reference.open_store(location) as store:
        runs = on(store)
        rows = [row(run, store.run_directory(run.run_id)) for run in runs]
        known = experiment_names(store, runs)
        shown = [
            {**plain(run, known), "elapsed": columns.elapsed(run), "last_line": cells[-1]}
            for run, cells in zip(runs, rows, strict=True)
        ]
    lines = (
        output.table(NAMES, rows, right=["for"], spare=SPARE, whole=WHOLE)
        if rows or not output.is_terminal()
        else ["nothing runs"]
    )
    return output.result(as_json, shown, lines)


def on(store: Store) -> list[Run]:
    """The runs that are on, those first that were started first; lost ones are none."""
    from runner.running.reconcile import close_lost, concluded

    close_lost(store)
    found = store.search("status IN ('RUNNING', 'SCHEDULED')", order_by=["start_time ASC"], limit=MOST).runs
    return [run for run in map(concluded, found) if run.status in ON]


def row(run: Run, directory: str) -> list[str]:
    """Cells under NAMES."""
    who = [run.run_id[:12], safe(run.name), safe(run.project), safe(run.entry_point)]
    return [*who, run.status, duration(columns.elapsed(run)), progress(run, directory), last_line(directory)]


def progress(run: Run, directory: str) -> str:
    """Of the metrics that were logged last: how they went, and where they are."""
    from runner.tracking.curves import Curves

    latest: Sequence[str] = sorted(
        (key for key in run.metrics if not key.startswith("system/")),
        key=lambda key: -run.metrics[key].timestamp,
    )[:METRICS]
    if not latest:
        return ""
    curves = Curves(directory)
    try:
        curves.refresh(ended=bool(run.end))
        names = curves.names()
        drawn = {key: curves.curve(key, most=DRAWN).means for key in latest if key in names}
    except (OSError, ProjError):
        drawn = {}
    texts = []
    for key in latest:
        point = run.metrics[key]
        plot = sparkline(drawn.get(key, ()), DRAWN)
        at = f" @{point.step}" if point.step else ""
        texts.append(f"{safe(key)} {plot}{' ' if plot else ''}{number(point.value)}{at}")
    return ", ".join(texts)


def last_line(directory: str) -> str:
    """Of what the command wrote; of a line that it writes over again (\\r), as progress bars are, what stands there."""
    try:
        with open(os.path.join(directory, "output.log"), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    for line in reversed(text.split("\n")):
        for piece in reversed(line.split("\r")):
            if piece.strip():
                return safe(piece.strip())
    return ""


COMMAND = Command(command, (reference.STORE, reference.JSON))
