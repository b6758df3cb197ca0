"""`proj watch`: runs as they go on, on one screen."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.cli import output, ps, reference
from runner.cli.cancel import ON, told
from runner.cli.options import Command, Option
from runner.cli.render_run import as_json as plain
from runner.tables import columns
from runner.text.shown import cut, safe
from runner.text.terminal import printable
from runner.text.units import duration, seconds

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["COMMAND", "screen"]


def command(refs: tuple[str, ...], interval: str, location: str, as_json: bool) -> int:
    """Show runs live until they have ended: how their metrics go, what they write. Without RUN, all that are on.

    Leaving it (^C) ends no run. Piped, a line is written for each run that ends; with --json, one JSON object.
    """
    from runner.cli.runs import experiment_names

    pause = max(seconds(interval, "--interval"), 0.1)
    with reference.open_store(location) as store:
        chosen = [reference.find(store, ref).run_id for ref in refs]
        seen = dict.fromkeys(chosen or [run.run_id for run in ps.on(store)])
        live, drawn, ended = output.is_terminal() and not as_json, 0, set[str]()
        while True:
            runs = states(store, list(seen))
            if live:
                drawn = _draw(list(screen(store, runs)), drawn)
            else:
                over = [run for run in runs if run.status not in ON and run.run_id not in ended]
                known = experiment_names(store, over)
                output.emit_lines(
                    output.json_text(plain(run, known)) if as_json else told(run) for run in over
                )
                sys.stdout.flush()
            ended |= {run.run_id for run in runs if run.status not in ON}
            if all(run.status not in ON for run in runs):  # of one that was removed nothing is known
                break
            time.sleep(pause)
            if not chosen:  # whatever was started since
                seen |= dict.fromkeys(run.run_id for run in ps.on(store))
    if live and not seen:
        sys.stderr.write("nothing runs\n")
    return 0


def states(store: Store, ids: list[str]) -> list[Run]:
    """As they are now, by the index: it reads on where it was, however long the logs are."""
    from runner.running.reconcile import close_lost, concluded

    close_lost(store)
    listed = ", ".join(f"'{run_id}'" for run_id in ids)
    found = store.search(f"run_id IN ({listed})", limit=len(ids), view="all").runs if ids else ()
    known = {run.run_id: concluded(run) for run in found}
    return [known[run_id] for run_id in ids if run_id in known]


def screen(store: Store, runs: list[Run]) -> Iterator[str]:
    """For each run a line that says how it is, one for each of its latest metrics, and the last one that it wrote."""
    colour, wide = output.colours(), output.width() - 1
    left = max((len(safe(run.name)) for run in runs), default=0)
    for run in runs:
        directory = store.run_directory(run.run_id)
        what = f"{safe(run.project)} {safe(run.entry_point)}".strip()
        head = f"{safe(run.name):<{left}}  {run.status:<9}  {duration(columns.elapsed(run)):>12}  "
        status = output.status(run.status, colour)
        yield cut(head + what, wide).replace(run.status, status, 1) if run.name != run.status else head
        for text in filter(None, (ps.progress(run, directory), ps.last_line(directory))):
            yield cut(f"  {text}", wide)


def _draw(lines: list[str], drawn: int) -> int:
    """In place of the `drawn` lines above the cursor; returns how many stand there now. What is too much is left out."""
    room = max(shutil.get_terminal_size().lines - 1, 1)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"... and {len(lines) - room + 1} lines more"]
    up = f"\033[{drawn}F" if drawn else ""
    text = up + "".join(f"\033[K{printable(line, colours=True)}\n" for line in lines) + "\033[J"
    sys.stdout.flush()
    data = text.encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    while data:  # past the guard of sys.stdout, which would show these sequences
        data = data[os.write(sys.stdout.fileno(), data) :]
    return len(lines)


COMMAND = Command(command, (
    reference.RUNS._replace(metavar="[RUN]..."),
    Option("interval", ("--interval",), "Time between two looks.", default="1", metavar="TIME"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
