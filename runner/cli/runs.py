"""`proj runs`: the runs of a store, found and put in order by MLflow's search grammar."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.cli import columns, reference
from runner.cli.options import Option
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["OPTIONS", "command", "select", "write_csv"]

STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")

OPTIONS = (
    Option(
        "filter",
        ("filter",),
        "Such as \"metrics.rmse < 0.8 and params.model = 'ridge'\".",
        metavar="[FILTER]",
    ),
    Option(
        "order_by", ("--order-by",), 'Such as "metrics.rmse" or "start_time DESC".', "many", metavar="KEY"
    ),
    Option(
        "columns",
        ("--columns",),
        "What is shown: name,status,metrics.rmse,params.lr,tags.team, ...",
        "many",
        metavar="NAMES",
    ),
    Option("limit", ("-n", "--limit"), "How many runs are shown at most.", "int", 50, metavar="N"),
    Option(
        "since", ("--since",), "Those started in this time: 30m, 12h, 2d, or since a date.", metavar="TIME"
    ),
    Option(
        "experiment",
        ("--experiment",),
        "Those of this experiment (name or id).",
        "many",
        metavar="NAME",
        complete="runner.cli.complete:experiments",
    ),
    Option(
        "status",
        ("--status",),
        "Those with this status: RUNNING, FINISHED, FAILED, KILLED.",
        "many",
        metavar="STATUS",
        complete="runner.cli.complete:statuses",
    ),
    Option(
        "all", ("-a", "--all"), "Deleted ones too, and those of all projects in one order.", "flag", False
    ),
    Option("deleted", ("--deleted",), "Only deleted ones.", "flag", False),
    reference.STORE,
    reference.JSON,
    Option("csv", ("--csv",), "Print CSV: every metric, parameter and tag, or --columns.", "flag", False),
)


class Wanted(NamedTuple):
    """Which runs, in which order."""

    filter: str = ""
    order_by: tuple[str, ...] = ()
    limit: int = 50
    since: str = ""
    experiments: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    view: str = "active"
    project: str = ""  # whose runs come first


def command(values: dict[str, Any]) -> int:
    """List runs: those of the project in this folder first, then the others.

    FILTER is MLflow's search grammar: metrics.rmse < 0.8 and params.model = 'ridge' and tags.team = 'x' and
    status = 'FINISHED'. Piped, the table is tab-separated.
    """
    given = reference.take(values)
    if given["json"] and given["csv"]:
        raise InputError("--json and --csv exclude each other")
    names = columns.check(given["columns"])
    view = "deleted" if given["deleted"] else "all" if given["all"] else "active"
    wanted = Wanted(
        given["filter"],
        tuple(given["order_by"]),
        given["limit"],
        given["since"],
        tuple(given["experiment"]),
        tuple(given["status"]),
        view,
        "" if given["all"] else reference.project_here(),
    )
    with reference.open_store(given["store"]) as store:
        runs, more = select(store, wanted)
        experiments = experiment_names(store, runs)
    _print(runs, names, experiments, given)
    if more and not given["json"] and not given["csv"] and sys.stderr.isatty():
        sys.stderr.write(f"the first {len(runs)} are shown; --limit shows more\n")
    return 0


def select(store: Store, wanted: Wanted) -> tuple[list[Run], bool]:
    """The runs, and whether there are more than the limit."""
    from runner.running.reconcile import close_lost
    from runner.tracking.index.grammar import parse_filter, parse_order

    if wanted.limit < 0:
        raise InputError("--limit is less than 0")
    parse_filter(wanted.filter)  # its caret counts in what was typed
    parse_order(wanted.order_by)
    close_lost(store)
    ids = [reference.experiment_id(store, name) for name in wanted.experiments] or None
    clauses = (
        [f"status IN ({', '.join(repr(_status(text)) for text in wanted.status)})"] if wanted.status else []
    )
    clauses += [f"start_time >= {_since(wanted.since)}"] if wanted.since else []
    scopes = [""]
    if wanted.project:
        quoted = "'" + wanted.project.replace("'", "''") + "'"
        scopes = [f"project = {quoted}", f"project != {quoted}"]
    found: list[Run] = []
    more = False
    for scope in scopes:
        text = " and ".join(part for part in (scope, *clauses, wanted.filter) if part.strip())
        token = ""
        while not more:
            size = min(1000, wanted.limit - len(found))
            if size <= 0:
                more = bool(store.search(text, ids, wanted.order_by, 1, token, wanted.view).runs)
                break
            page = store.search(text, ids, wanted.order_by, size, token, wanted.view)
            found += page.runs
            token = page.next_page_token
            if not token:
                break
    return found, more


def experiment_names(store: Store, runs: Sequence[Run]) -> dict[str, str]:
    """Of the experiments of these runs, by id."""
    names = {}
    for each in {run.experiment_id for run in runs}:
        try:
            names[each] = store.experiment(each).name
        except Exception:  # noqa: BLE001 - a store that was copied in part: the id is shown
            names[each] = each
    return names


def _status(text: str) -> str:
    if text.upper() not in STATUSES:
        raise InputError(f"there is no status {text!r}", f"there are {', '.join(STATUSES)}")
    return text.upper()


def _since(text: str) -> int:
    """ms since the epoch: from a span back, or a date."""
    from runner.text.units import seconds

    if "-" in text[1:]:
        from datetime import datetime

        try:
            return int(datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone().timestamp() * 1000)
        except ValueError:
            raise InputError(
                f"--since {text!r} is not a date", "such as 2026-08-01 or 2026-08-01T12:30"
            ) from None
    return int((time.time() - seconds(text, "--since")) * 1000)


def _print(runs: Sequence[Run], names: list[str], experiments: dict[str, str], given: dict[str, Any]) -> None:
    from runner.cli import output
    from runner.cli.render_values import safe

    if given["json"]:
        from runner.cli.render_run import as_json

        if names:
            output.emit_json([{name: _typed(run, name, experiments) for name in names} for run in runs])
        else:
            output.emit_json([as_json(run, experiments) for run in runs])
    elif given["csv"]:
        write_csv(sys.stdout, runs, names or columns.everything(runs), experiments)
    else:
        chosen = bool(names)
        names = names or columns.usual(runs)
        if not runs and output.is_terminal():
            sys.stderr.write("no runs\n")
            return
        render = columns.shown if output.is_terminal() else columns.flat
        rows = [[render(run, name, experiments) for name in names] for run in runs]
        if output.is_terminal() and not chosen:
            fitting = columns.fit(names, rows, shutil.get_terminal_size().columns)
            names, rows = names[:fitting], [row[:fitting] for row in rows]
        right = [name for name in names if name in columns.NUMERIC or name.startswith("metrics.")]
        output.table([safe(name) for name in names], rows, right=[safe(name) for name in right])


def _typed(run: Run, name: str, experiments: dict[str, str]) -> Any:
    from runner.cli.render_values import json_number

    found = columns.value(run, name)
    if name in ("started", "ended", "experiment"):
        return columns.flat(run, name, experiments) or None
    return json_number(found) if isinstance(found, float) else found


def write_csv(file: Any, runs: Sequence[Run], names: Sequence[str], experiments: dict[str, str]) -> None:
    import csv

    class Lines:  # the csv module quotes a \r only where it ends the lines
        write = staticmethod(lambda line: file.write(line[:-2] + "\n"))

    writer = csv.writer(Lines, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([columns.flat(run, name, experiments) for name in names] for run in runs)
