"""`proj compare`: what differs between runs."""

from __future__ import annotations

from collections.abc import Iterable

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.cli.render_compare import as_json as plain
from runner.cli.render_compare import differences, lines
from runner.errors import InputError

__all__ = ["COMMAND"]


def command(refs: tuple[str, ...], everything: bool, location: str, as_json: bool) -> int:
    """Show where runs differ: parameters, metrics, code, packages, machine. The first one is what is compared with."""
    if len(refs) < 2:
        raise InputError("it takes two runs to compare", "proj compare last~1 last")
    with reference.open_store(location) as store:
        runs = [reference.find(store, ref) for ref in refs]
        found = differences(store.root, runs, everything)
    rows = ([each.group, each.key, *each.shown] for each in found)
    shown: Iterable[str] = output.table(["group", "key", *(run.name for run in runs)], rows)
    if output.is_terminal():
        shown = lines(runs, found, output.colours(), output.width())
    return output.result(as_json, plain(runs, found), shown)


COMMAND = Command(command, (
    reference.RUNS,
    Option("everything", ("-a", "--all"), "Show what is the same, too.", "flag"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
