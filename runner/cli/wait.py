"""`proj wait`: until runs have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.cancel import ON, ended, told
from runner.cli.options import Command, Option
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["COMMAND", "code_of"]

LATE = 124  # as timeout(1)


def command(refs: tuple[str, ...], timeout: str, location: str, as_json: bool) -> int:
    """Wait until runs have ended. Exits with the code of the first of them, as named, that did not end with 0.

    With --timeout it exits with 124 when one of them has not ended by then.
    """
    from runner.cli.render_run import as_json as plain
    from runner.cli.runs import experiment_names
    from runner.text.units import seconds

    if not refs:
        raise InputError("which runs?", "proj wait RUN...")
    deadline = time.monotonic() + (seconds(timeout, "--timeout") if timeout else float("inf"))
    with reference.open_store(location) as store:
        runs = [reference.find(store, ref) for ref in refs]
        runs = [ended(store, run, deadline) for run in runs]
        known = experiment_names(store, runs)
    output.result(as_json, [plain(run, known) for run in runs], map(told, runs))
    if any(run.status in ON for run in runs):
        return LATE
    return next((code for code in map(code_of, runs) if code), 0)


def code_of(run: Run) -> int:
    """What `proj run` exited with, or would have: 125 where nobody saw the end."""
    code = run.end.get("exit_code")
    if isinstance(code, int):
        return code
    if run.status == "FINISHED":
        return 0
    return 1 if run.kind == "client" else 125


COMMAND = Command(command, (
    reference.RUNS,
    Option("timeout", ("--timeout",), "Wait no longer than this: 90, 30m, 2h.", metavar="TIME"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
