"""`proj why STEP`: the run that is nearest to a step, and what differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.cli.plan import DECIDING, prepared
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.steps.foreseen import Foreseen

__all__ = ["COMMAND"]


def command(step: str, as_json: bool, **request_fields: object) -> int:
    """Say why a step of a pipeline would be run again: the nearest run that finished, and each factor that differs.

    STEP is an entry point, or one step of its matrix: 'train[ridge,1]'. Nothing is run or recorded.
    """
    from runner.cli.terminal import Terminal
    from runner.running.plan import Request
    from runner.steps.execution import Options, is_named
    from runner.steps.foreseen import foresee

    request, report = Request(**request_fields), Terminal(quiet=True)  # type: ignore[arg-type]
    request = request._replace(entry_point=step.partition("[")[0])
    with (
        reference.open_store(request.store, quiet=True, new=True) as store,
        prepared(request, report) as found,
    ):
        asked = {each.name for each in found.steps if is_named(each, step)}
        if not asked:
            names = ", ".join(each.name for each in found.steps if each.entry_point == request.entry_point)
            raise InputError(f"there is no step {step}", f"there are {names}")
        every = {each.step.name: each for each in foresee(found, Options(), store, report, asked)}
    chosen = [every[name] for name in every if name in asked]
    lines = (line for each in chosen for line in _lines(each))
    return output.result(as_json, {"steps": [each.facts() for each in chosen]}, lines)


def _lines(found: Foreseen) -> Iterator[str]:
    nearest = found.nearest
    if found.state == "hit":
        yield f"{found.step.name}: nothing has changed, {found.reason} would be taken over"
        return
    if found.state != "run":
        yield f"{found.step.name}: {found.state} {found.reason}"
        if nearest.is_equal and nearest.run is not None:
            yield f"  with the inputs as they are now, {nearest.run.name} ({nearest.run.run_id[:12]}) would be taken over"
    elif nearest.run is None:
        yield f"{found.step.name}: {found.reason}"
    else:
        yield f"{found.step.name}: it would be run"
    if nearest.run is not None and nearest.factors:
        yield f"  nearest is {nearest.run.name} ({nearest.run.run_id[:12]}), but:"
        yield from (f"    {factor.name}: {factor.text}" for factor in nearest.factors)
    if nearest.hint:
        yield f"  {nearest.hint}"


STEP = Option(
    "step",
    (),
    "Name of the step, or of its entry point.",
    default=None,
    metavar="STEP",
    complete="entry_points",
)
COMMAND = Command(command, (
    STEP,
    *(option for option in DECIDING if option.field != "entry_point"),
    reference.JSON,
))  # fmt: skip
