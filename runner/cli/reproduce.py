"""`proj reproduce`: makes a recorded run again in a clean room and says whether the result is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.cli import reference
from runner.cli.options import Option

if TYPE_CHECKING:
    pass

__all__ = ["OPTIONS", "command"]

WHAT = f"{reference.RUNS_BY} Or a bundle (.zip)."
OPTIONS = (
    Option("run", ("run",), WHAT, default=None, metavar="RUN", complete=reference.COMPLETE_RUNS),
    Option(
        "repeat",
        ("-n", "--repeat"),
        "Make it N times; then numbers may vary as much as the repetitions do.",
        "int",
        0,
        metavar="N",
    ),
    Option(
        "tolerance",
        ("--tolerance",),
        "How far numbers may be off: 1e-6, rmse=1e-6, rmse=rel:0.01.",
        "many",
        metavar="[NAME=]NUMBER",
    ),
    Option("ignore", ("--ignore",), "Metrics and files that are not compared.", "many", metavar="PATTERN"),
    Option(
        "parameters",
        ("-P", "--param-list"),
        "A secret parameter: the record does not have its value.",
        "many",
        metavar="NAME=VALUE",
    ),
    Option(
        "refresh",
        ("--refresh-env",),
        "Use today's packages instead of the recorded lock, and name those that changed.",
        "flag",
        False,
    ),
    Option("offline", ("--offline",), "Use only what is on this machine, or in the bundle.", "flag", False),
    Option("anyway", ("--anyway",), "Run although inputs have changed.", "flag", False),
    Option("quiet", ("-q", "--quiet"), "Show no progress.", "flag", False),
    reference.STORE,
    reference.JSON,
)


def command(values: dict[str, Any]) -> int:
    """Make a recorded run again in a clean room, and compare every metric, output and artifact.

    Exits with 0 when the result is identical or within the tolerance, 1 when it differs, 125 when the run cannot be
    made again.
    """
    from runner.cli import output
    from runner.cli.redirect import own_stdout
    from runner.cli.terminal import Terminal
    from runner.parameters.resolve import assignments
    from runner.reproduction.reproduce import Wish, is_bundle, reproduce
    from runner.reproduction.verdict.verdict import lines

    given = reference.take(values)
    ref = given["run"]
    if not is_bundle(ref):
        with reference.open_store(given["store"], quiet=True) as store:
            ref = reference.original(store, reference.find(store, ref), ref)
    wish = Wish(
        given["repeat"],
        tuple(given["tolerance"]),
        tuple(given["ignore"]),
        assignments(given["parameters"]),
        given["refresh"],
        given["offline"],
        given["anyway"],
        given["store"],
    )
    with own_stdout(True):
        found = reproduce(ref, wish, Terminal(quiet=given["quiet"]))
    if given["json"]:
        output.emit_json(found.facts())
    else:
        first, *rest = lines(found)
        if output.colours():
            word, colon, what = first.partition(":")
            first = f"\033[1;{'32' if found.exit_code == 0 else '31'}m{word}\033[0m{colon}{what}"
        output.emit_lines([first, *rest])
        if found.hint:
            output.emit_lines([f"hint: {found.hint}"])
    return found.exit_code
