"""`proj compare`: what differs between runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.cli.render_compare import Difference, differences, in_rows, lines
from runner.cli.render_compare import as_json as plain
from runner.errors import InputError
from runner.text.units import counted

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["COMMAND"]

ABREAST = 3  # runs that are shown side by side
MOST = 50


def command(refs: tuple[str, ...], where: str, everything: bool, location: str, as_json: bool) -> int:
    """Show where runs differ: parameters, metrics, code, packages, machine. The first one is what is compared with.

    More than three runs are rows, with what differs as columns.
    """
    if refs and where:
        raise InputError("RUNS and a filter exclude each other")
    if len(refs) < 2 and not where:
        raise InputError("it takes two runs to compare", "proj compare last~1 last")
    with reference.open_store(location) as store:
        if where:
            from runner.cli.runs import Selection, select

            runs, _ = select(store, Selection(where, limit=MOST, scope=reference.scope_here(store)))
            if len(runs) < 2:
                raise InputError(
                    f"the filter finds {counted(len(runs), 'run')}, and it takes two to compare",
                    "proj runs FILTER  shows which",
                )
        else:
            runs = [reference.find(store, ref) for ref in refs]
        found = differences(store.root, runs, everything)
    return output.result(as_json, plain(runs, found), _shown(runs, found))


def _shown(runs: Sequence[Run], found: Sequence[Difference]) -> Iterable[str]:
    if len(runs) > ABREAST:
        return in_rows(runs, found, output.is_terminal(), output.width())
    if output.is_terminal():
        return lines(runs, found, output.colours(), output.width())
    rows = ([each.group, each.key, *each.shown] for each in found)
    return output.table(["group", "key", *(run.name for run in runs)], rows)


COMMAND = Command(command, (
    reference.RUNS,
    Option("where", ("--filter",), "Those of this project that this filter finds, at most 50.", metavar="FILTER"),
    Option("everything", ("-a", "--all"), "Show what is the same, too.", "flag"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
