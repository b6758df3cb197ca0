"""`proj compare`: what differs between runs."""

from __future__ import annotations

import shutil
from typing import Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    reference.RUNS,
    Option("all", ("-a", "--all"), "Show what is the same, too.", "flag", False),
    reference.STORE,
    reference.JSON,
)


def command(values: dict[str, Any]) -> int:
    """Show where runs differ: parameters, metrics, code, packages, machine. The first one is what is compared with."""
    from runner.cli import output
    from runner.cli.render_compare import as_json, differences, lines

    given = reference.take(values)
    if len(given["runs"]) < 2:
        raise InputError("it takes two runs to compare", "proj compare last~1 last")
    with reference.open_store(given["store"]) as store:
        runs = [reference.find(store, ref) for ref in given["runs"]]
        found = differences(store.root, runs, everything=given["all"])
    if given["json"]:
        output.emit_json(as_json(runs, found))
    elif output.is_terminal():
        width = shutil.get_terminal_size().columns
        output.emit_lines(lines(runs, found, output.colours(), width))
    else:
        rows = [[each.group, each.key, *each.shown] for each in found]
        output.table(["group", "key", *(run.name for run in runs)], rows)
    return 0
