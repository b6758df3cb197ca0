"""`proj reproduce`: makes a recorded run again in a clean room and says whether the result is the same."""

from __future__ import annotations

import os

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.cli.terminal import Terminal
from runner.text.units import iso

__all__ = ["COMMAND"]


def command(
    ref: str, repeat: int, tolerance: tuple[str, ...], ignore: tuple[str, ...], parameters: tuple[str, ...],
    refresh: bool, offline: bool, anyway: bool, quiet: bool, location: str, as_json: bool,
) -> int:  # fmt: skip
    """Make a recorded run again in a clean room, and compare every metric, output and artifact.

    Exits with 0 when the result is identical or within the tolerance, 1 when it differs, 125 when the run cannot be
    made again.
    """
    from runner.parameters.resolve import assignments
    from runner.reproduction.reproduce import Wish, is_bundle, reproduce
    from runner.reproduction.verdict.verdict import lines

    if not is_bundle(ref):
        with reference.open_store(location, quiet=True) as store:
            ref = reference.original(store, reference.find(store, ref), ref)
    given = assignments(parameters)
    wish = Wish(repeat, tolerance, ignore, given, refresh, offline, anyway, location)
    with output.own_stdout(True):
        found = reproduce(ref, wish, Terminal(quiet=quiet))
    first, *rest = lines(found)
    word, colon, what = first.partition(":")
    word = output.paint(word, f"1;{'32' if found.exit_code == 0 else '31'}", output.colours())
    hint = [f"hint: {found.hint}"] if found.hint else []
    facts = {**found.facts(), "time": iso(found.time or None) or None}
    output.result(as_json, facts, [f"{word}{colon}{what}", *rest, *hint])
    if os.environ.get("GITHUB_STEP_SUMMARY") and not is_bundle(ref):
        from runner.cli.ci import summarize

        with reference.open_store(location, quiet=True) as store:
            summarize(store, found.run_id, ended=False)
    return found.exit_code


COMMAND = Command(command, (
    reference.RUN._replace(help=f"{reference.RUNS_BY} Or a bundle (.zip)."),
    Option("repeat", ("-n", "--repeat"), "Make it N times; then numbers may vary as much as the repetitions do.", "int", 0, metavar="N"),
    Option("tolerance", ("--tolerance",), "How far numbers may be off: 1e-6, rmse=1e-6, rmse=rel:0.01.", "many", metavar="[NAME=]NUMBER"),
    Option("ignore", ("--ignore",), "Metrics and files that are not compared.", "many", metavar="PATTERN"),
    Option("parameters", ("-P", "--param-list"), "A secret parameter: the record does not have its value.", "many", metavar="NAME=VALUE"),
    Option("refresh", ("--refresh-env",), "Use today's packages instead of the recorded lock, and name those that changed.", "flag"),
    Option("offline", ("--offline",), "Use only what is on this machine, or in the bundle.", "flag"),
    Option("anyway", ("--anyway",), "Run although inputs have changed.", "flag"),
    reference.QUIET,
    reference.STORE,
    reference.JSON,
))  # fmt: skip
