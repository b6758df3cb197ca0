"""`proj plan`: what would become of each step of a pipeline, without running any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.cli.run import COMMAND as RUN

if TYPE_CHECKING:
    from runner.cli.terminal import Terminal
    from runner.running.plan import Request
    from runner.steps.pipeline import Prepared

__all__ = ["COMMAND", "DECIDING", "prepared"]

# options of `proj run` that decide what the steps are, and what their results depend on
FIELDS = (
    *("uri", "entry_point", "version", "parameters", "params_file", "env_manager", "env", "python", "strict_python"),
    *("groups", "extras", "isolated", "docker_args", "build_image", "store", "seed"),
)  # fmt: skip
DECIDING = tuple(option for option in RUN.options if option.field in FIELDS)


def command(
    start: str, force: tuple[str, ...], as_mermaid: bool, as_json: bool, quiet: bool, **request_fields: object
) -> int:
    """Show what `proj run` would do with each step: take it over (hit), run it, or wait for others to tell.

    Nothing is run or recorded. `run` names the nearest finished run's differences, `proj why STEP` says more.
    """
    from runner.cli.terminal import Terminal
    from runner.running.plan import Request
    from runner.steps.execution import Options
    from runner.steps.foreseen import STATES, foresee, mermaid

    request, report = Request(**request_fields), Terminal(quiet)  # type: ignore[arg-type]
    with (
        reference.open_store(request.store, quiet=True, new=True) as store,
        prepared(request, report) as found,
    ):
        steps = foresee(found, Options(start=start, force=force), store, report)
    if as_mermaid:
        output.emit_lines(mermaid(steps))
        return 0
    rows = [(each.step.name, each.state, each.reason) for each in steps]
    output.result(
        as_json, {"steps": [each.facts() for each in steps]}, output.table(("step", "plan", "why"), rows)
    )
    counts = {state: sum(each.state == state for each in steps) for state in STATES}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    report.line(f"{len(steps)} step{'s' if len(steps) > 1 else ''}: {told}")
    return 0


@contextmanager
def prepared(request: Request, report: Terminal) -> Iterator[Prepared]:
    """All steps of an entry point, which may be one. The code of the project is there as long as this holds."""
    from runner import sources
    from runner.running.planning import load_project
    from runner.steps import pipeline

    checkout = sources.fetch(request.uri, request.version, report)
    try:
        found = pipeline.prepare(request, checkout, load_project(checkout), single=True)
        assert found is not None  # noqa: S101 - a single one is wanted, too
        yield found
    finally:
        sources.release(checkout)


COMMAND = Command(command, (
    *DECIDING,
    Option("start", ("--from",), "Begin with this step; what is not after it is taken as it is.", default="", metavar="STEP"),
    Option("force", ("--force",), "As if this step (a name or a pattern) were to be run although nothing has changed.", "many", metavar="STEP"),
    Option("as_mermaid", ("--mermaid",), "Print the graph as a Mermaid flowchart.", "flag"),
    reference.JSON,
    reference.QUIET,
))  # fmt: skip
