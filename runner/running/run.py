"""The way of a run: source, project, parameters, record, environment, command, supervision, end.

`run` takes the steps in their order; what a step does is in the room or the module that it calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from runner import backends, environments, paths, sources
from runner.running import command, endpoint, planning, surroundings
from runner.running.code import Code
from runner.running.plan import Outcome, Plan, Request
from runner.running.record import Record
from runner.running.supervision import Supervision
from runner.snapshots import snapshot
from runner.tracking.store import Store
from runner.typed import TYPE_CHECKING
from runner.values import Checkout, Ended, Environment, Job, Project, Report

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["run"]


Begun: TypeAlias = "Callable[[str], None] | None"  # is handed the id of the run as soon as there is one
Around: TypeAlias = "Callable[[Request, Checkout, Project], Outcome | Plan | None] | None"


def run(
    request: Request, report: Report, plan: Plan | None = None, begun: Begun = None, around: Around = None
) -> Outcome | Plan:
    """Runs a project and returns how it went; with `dry_run`, what would be done.

    `plan`: made already, as by a reproduction, for code that is in its place. `around`: runs an entry point that is
    more than one run, and returns None for others. Many runs may go on in one process: its
    signals, folder and open files are left alone. An interrupt ends the run as KILLED and goes on its way. A ProjError
    before the record begins leaves nothing behind; a later one ends the run as FAILED first.
    """
    phases = Phases()
    with ExitStack() as leaving:
        leaving.enter_context(backends.get(request.backend).prepared())
        pending = None
        if plan is None:
            checkout = sources.fetch(request.uri, request.version, report, request.offline)
            leaving.callback(sources.release, checkout)
            phases.end("source")
            project = planning.load_project(checkout)
            if around is not None and (found := around(request, checkout, project)) is not None:
                return found
            pending = snapshot.begin(checkout)  # git answers while the plan is made
            plan = planning.make(request, checkout, project)
            for text in plan.warnings:
                report.warn(text)
            phases.end("plan")
            if request.dry_run:
                return plan
        record = leaving.enter_context(Record.begin(plan, Store(paths.store_here(request.store)), report))
        _mark(plan, record, leaving, report, begun)
        phases.end("record")
        code = leaving.enter_context(Code(plan, record, pending, report))
        planning.download(plan, record.store.root, report)
        record.inputs()
        phases.end("snapshot")

        options, directory = planning.options(plan), plan.checkout.directory
        environment = environments.prepare(plan.specification, directory, options, report)
        record.environment(environment)
        phases.end("environment")

        work, environment, fill = _placed(plan, record, code, environment, leaving, report)
        activation = environment.activation
        variables = command.variables(plan, record, activation)
        seen = surroundings.look(work, record.directory, code.unseen(), activation, variables)
        if request.cached or request.explain:
            from runner.running.cached import take_over

            record.ended = take_over(work, record, code, seen, activation, variables, report)
        if record.ended is None:
            fill()
            reached = leaving.enter_context(endpoint.of_run(activation))
            variables.update(record.reached_by(reached))
            command.provide(work, variables, report)
            job = command.job(work, record, activation, variables)
            record.command(variables)
            supervision = leaving.enter_context(Supervision(plan, record, code, seen, reached, environment))
            record.ended = _run(job, request.backend, supervision, phases, report)
        record.outputs()
    phases.end("end")
    return record.outcome(time.perf_counter() - phases.began, phases.seconds)


def _mark(plan: Plan, record: Record, leaving: ExitStack, report: Report, begun: Begun) -> None:
    """That there is a run, and what it is going to write into the project's folder, is told to others."""
    if begun:
        begun(record.run_id)
    if plan.entry_point.outputs and plan.request.workdir != "fresh":
        from runner.running.overlap import Writing

        leaving.enter_context(Writing(plan, record, report))


def _placed(
    plan: Plan, record: Record, code: Code, environment: Environment, leaving: ExitStack, report: Report
) -> tuple[Plan, Environment, Callable[[], None]]:
    """The same in the folder that the command runs in, which may be one of its own; and what puts all into that."""
    if plan.request.workdir != "fresh":
        return plan, environment, lambda: None
    from runner.running.workdir import Fresh, placed

    fresh = Fresh(plan, record, code, report)
    work = leaving.enter_context(fresh)
    return work, placed(environment, plan, work), fresh.fill


def _run(job: Job, kind: str, supervision: Supervision, phases: Phases, report: Report) -> Ended:
    """Starts the command and stays with it until it has ended."""
    backend = backends.get(kind)
    handle = backend.submit(job, report)
    phases.end("start")
    try:
        ended = backend.wait(handle, job, supervision)
    except KeyboardInterrupt:  # before the supervisor could catch it
        backend.cancel(handle, 1.0)
        raise
    phases.end("command")
    return ended


class Phases:
    """Seconds spent in each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.began = self._last = time.perf_counter()

    def end(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0) + now - self._last
        self._last = now
