"""`proj run` of an entry point that is more than one run: its options, and what `--dry-run` shows of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from runner.cli import output
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.running.plan import Outcome, Plan, Request
    from runner.steps.pipeline import Prepared
    from runner.values import Checkout, Report

__all__ = ["Steps"]


class Steps:
    """InputError for --jobs that is no number."""

    def __init__(self, jobs: str, start: str, force: tuple[str, ...], keep_going: bool) -> None:
        if not (jobs.isdecimal() and 0 < int(jobs) < 1000):
            raise InputError(f"--jobs {jobs} is not a number from 1 to 999")
        self._jobs, self._start, self._force, self._keep_going = int(jobs), start, force, keep_going
        self.prepared: Prepared | None = None  # of a pipeline that is not to be run

    def around(
        self, report: Report, begun: Callable[[str], None] | None
    ) -> Callable[[Request, Checkout], Outcome | Plan | None] | None:
        """None inside of another run: the drivers of MLflow's multi-step projects go on as they are."""
        if os.environ.get("PROJ_RUN_ID"):
            return None

        def expand(request: Request, checkout: Checkout) -> Outcome | Plan | None:
            from runner.running.planning import load_project

            project = load_project(checkout)
            if not any(point.needs or point.matrix for point in project.entry_points):
                return None
            from runner.steps import pipeline

            prepared = pipeline.prepare(request, checkout, project)
            if prepared is None:
                return None
            if request.dry_run:
                self.prepared = prepared
                return prepared.plans[prepared.steps[-1].name]
            options = pipeline.Options(self._jobs, self._start, self._force, self._keep_going)
            return pipeline.run(prepared, options, report, begun)

        return expand

    def show(self, as_json: bool) -> int:
        assert self.prepared is not None  # noqa: S101 - the caller has looked
        steps, plans = self.prepared.steps, self.prepared.plans
        rows = [(step.name, ", ".join(step.needs), plans[step.name].parameters.shown) for step in steps]
        facts = [
            {"step": name, "needs": [*step.needs], "command": shown}
            for step, (name, _, shown) in zip(steps, rows, strict=True)
        ]
        return output.result(as_json, {"steps": facts}, output.table(("step", "needs", "command"), rows))
