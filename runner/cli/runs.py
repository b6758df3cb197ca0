"""`proj runs`: the runs of a store, found and put in order by MLflow's search grammar."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from runner.cli import output, reference, unknown
from runner.cli.options import Command, Option
from runner.cli.render_run import as_json as plain
from runner.errors import InputError
from runner.tables import columns, csvfile, tree
from runner.text.shown import json_number, safe
from runner.text.units import counted, seconds
from runner.tracking.fold import STATUSES

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.index.places import Scope
    from runner.tracking.store import Store

__all__ = ["COMMAND", "Selection", "experiment_names", "select"]


class Selection(NamedTuple):
    """Which runs, in which order."""

    where: str = ""  # in the grammar of --filter
    order_by: tuple[str, ...] = ()
    limit: int = 50
    since: str = ""
    experiments: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    view: str = "active"
    scope: Scope | None = None  # whose runs; None: those of all projects


def command(
    where: str, option: str, order_by: tuple[str, ...], names: tuple[str, ...], limit: int, since: str,
    experiments: tuple[str, ...], status: tuple[str, ...], everything: bool, active: bool, deleted: bool, location: str,
    as_json: bool, csv: bool,
) -> int:  # fmt: skip
    """List the runs of the project in this folder; --all for those of all projects.

    FILTER is MLflow's search grammar: metrics.rmse < 0.8 and params.model = 'ridge' and tags.team = 'x' and
    status = 'FINISHED'. Piped, the table is tab-separated.
    """
    if as_json and csv:
        raise InputError("--json and --csv exclude each other")
    if active and deleted:
        raise InputError("--active and --deleted exclude each other")
    if where and option:
        raise InputError("FILTER and --filter exclude each other", f"both in one: ({where}) and ({option})")
    where = where or option
    view = "deleted" if deleted else "all" if everything and not active else "active"
    wanted = Selection(where, order_by, limit, since, experiments, status, view)
    with reference.open_store(location) as store:
        chosen = columns.check(names, lambda name: unknown.whole(store, name))
        if not everything:
            wanted = wanted._replace(scope=reference.scope_here(store))
        runs, more = select(store, wanted)
        known = experiment_names(store, runs)
        for note in unknown.notes(store, where, order_by, chosen, runs):
            sys.stderr.write(f"note: {safe(note)}\n")
        others = not runs and wanted.scope is not None and store.search(limit=1).runs
    if csv:
        csvfile.write(output.harmless(sys.stdout), runs, chosen or columns.everything(runs), known)
    elif as_json and chosen:
        output.emit_json([{name: _typed(run, name, known) for name in chosen} for run in runs])
    elif as_json:
        output.emit_json([plain(run, known) for run in runs])
    elif output.is_terminal() and not runs:
        sys.stderr.write(
            f"no runs{' of this project; proj runs --all  lists those of others' if others else ''}\n"
        )
    elif output.is_terminal() and not order_by:
        output.emit_lines(_table(*tree.arranged(runs), chosen, known))
    else:
        output.emit_lines(_table(runs, (), chosen, known))
    if more and sys.stderr.isatty():
        sys.stderr.write(f"{counted(len(runs), 'run')} shown; there are more: --limit\n")
    return 0


def select(store: Store, wanted: Selection) -> tuple[list[Run], bool]:
    """The runs, and whether there are more than the limit."""
    from runner.running.reconcile import close_lost, concluded
    from runner.tracking.index.grammar import UnknownKey, parse_filter, parse_order

    if wanted.limit < 0:
        raise InputError("--limit is less than 0")
    try:
        parse_filter(wanted.where)  # its caret counts in what was typed
        parse_order(wanted.order_by)
    except UnknownKey as error:
        raise unknown.explained(store, error) from None
    unknown.check(wanted.where)
    close_lost(store)
    ids = [reference.experiment_id(store, name) for name in wanted.experiments] or None
    clauses = []
    if wanted.status:
        clauses.append(f"status IN ({', '.join(repr(_status(text)) for text in wanted.status)})")
    if wanted.since:
        clauses.append(f"start_time >= {_since(wanted.since)}")
    text = " and ".join(part for part in (*clauses, wanted.where) if part.strip())
    places = None if wanted.scope is None else wanted.scope.keys
    found: list[Run] = []
    token, more = "", True
    while more:
        size = min(1000, wanted.limit - len(found))
        page = store.search(text, ids, wanted.order_by, max(size, 1), token, wanted.view, places)
        if size <= 0:
            return found, bool(page.runs)
        found += map(concluded, page.runs)
        token, more = page.next_page_token, bool(page.next_page_token)
    return found, False


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
    if "-" in text[1:]:
        from datetime import datetime

        try:
            return int(datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone().timestamp() * 1000)
        except ValueError:
            hint = "such as 2026-08-01 or 2026-08-01T12:30"
            raise InputError(f"--since {text!r} is not a date", hint) from None
    try:
        return int((time.time() - seconds(text, "--since")) * 1000)
    except InputError as error:
        raise InputError(error.message, f"{error.hint}, or a date as 2026-08-01") from None


def _table(
    runs: Sequence[Run], branches: Sequence[str], chosen: list[str], experiments: dict[str, str]
) -> Iterator[str]:
    """`branches`: what is drawn before the names, for each run; none where no run is in another."""
    names = chosen or columns.usual(runs, bool(branches))
    render = columns.shown if output.is_terminal() else columns.flat
    rows = [[render(run, name, experiments) for name in names] for run in runs]
    if branches and "name" in names:
        place = names.index("name")
        for row, branch in zip(rows, branches, strict=True):
            row[place] = branch + row[place]
    if output.is_terminal() and not chosen:
        places = columns.first(names, rows, output.width())
        names, rows = [names[at] for at in places], [[row[at] for at in places] for row in rows]
    right = [safe(name) for name in names if name in columns.NUMERIC or name.startswith("metrics.")]
    return output.table([safe(name) for name in names], rows, right)


def _typed(run: Run, name: str, experiments: dict[str, str]) -> object:
    found = columns.value(run, name)
    if name in ("started", "ended", "experiment"):
        return columns.flat(run, name, experiments) or None
    return json_number(found) if isinstance(found, float) else found


COMMAND = Command(command, (
    Option("where", (), "Such as \"metrics.rmse < 0.8 and params.model = 'ridge'\".", metavar="[FILTER]"),
    Option("option", ("--filter",), "The same as FILTER.", metavar="FILTER"),
    Option("order_by", ("--order-by",), 'Such as "metrics.rmse" or "start_time DESC".', "many", metavar="KEY", complete="keys"),
    Option("names", ("--columns",), "What is shown: name,status,metrics.rmse,params.lr,tags.team, ...", "many", metavar="NAMES", complete="columns"),
    Option("limit", ("-n", "--limit"), "How many runs are shown at most.", "int", 50, metavar="N"),
    Option("since", ("--since",), "Those started in this time: 30m, 12h, 2d, or since a date.", metavar="TIME"),
    Option("experiments", ("--experiment",), "Those of this experiment (name or id).", "many", metavar="NAME", complete="experiments"),
    Option("status", ("--status",), "Those with this status: RUNNING, FINISHED, FAILED, KILLED.", "many", metavar="STATUS", complete="statuses"),
    Option("everything", ("-a", "--all"), "Those of all projects, and deleted ones, too.", "flag"),
    Option("active", ("--active",), "Only those that are not deleted, with --all, too.", "flag"),
    Option("deleted", ("--deleted",), "Only deleted ones.", "flag"),
    reference.STORE,
    reference.JSON,
    Option("csv", ("--csv",), "Print CSV: every metric, parameter and tag, or --columns.", "flag"),
))  # fmt: skip
