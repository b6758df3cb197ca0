"""A pipeline: what an entry point needs is run before it, each step as a run of its own, in a folder of its own.

The code is taken once, so that all steps have the same; a step is taken over from an earlier run when all that decides
its result is the same (running/cached.py), whatever has become of the steps before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import NamedTuple

from runner import paths
from runner.data.inputs import expand as found_by
from runner.data.inputs import is_uri
from runner.data.outputs import filled
from runner.errors import InputError
from runner.parameters.resolve import assignments, load_file
from runner.parameters.shell import quote
from runner.parameters.types import convert
from runner.project import condition, graph
from runner.project.entry_point import entry_point
from runner.running import planning
from runner.running.beginning import options_of
from runner.running.code import Code
from runner.running.overlap import Writing
from runner.running.plan import NONE, Origin, Outcome, Plan, Request
from runner.running.record import Record
from runner.running.run import Phases
from runner.snapshots import snapshot
from runner.steps.execution import Execution, Options
from runner.steps.expand import Files, Step, expand, is_pipeline
from runner.tracking import events
from runner.tracking.events import Event
from runner.tracking.store import Store
from runner.values import Checkout, EntryPoint, Json, Project, Report

__all__ = ["Options", "Prepared", "prepare", "run"]


class Prepared(NamedTuple):
    """All that is known before something is run."""

    request: Request
    steps: tuple[Step, ...]
    plans: Mapping[str, Plan]  # by the names of steps
    given: Mapping[str, Json]  # values of parameters that were asked for


def prepare(request: Request, checkout: Checkout, project: Project, single: bool = False) -> Prepared | None:
    """None for an entry point that is a single run, unless such a one is wanted, too (`single`).

    InputError for whatever can be known to be wrong now.
    """
    points = project.entry_points
    if not (single or is_pipeline(points, request.entry_point)):
        return None
    if request.run_id:
        raise InputError(
            "--run-id continues a single run, not a pipeline", "--only  runs this entry point alone"
        )
    target = entry_point(project, request.entry_point)
    given = _given(request, target)
    known = {each.name for point in points for each in point.parameters}
    plans: dict[tuple[str, str], Plan] = {}

    def files(name: str, values: Mapping[str, Json]) -> Files:
        point = entry_point(project, name)
        names = {each.name for each in point.parameters} | (
            given.keys() - known if name == target.name else set()
        )
        own = _request(request, point, {name: given[name] for name in given if name in names} | dict(values))
        plan = planning.make(own, checkout, project)
        plans[name, repr(values)] = plan
        texts = plan.parameters.texts
        outputs = tuple(filled(plan.entry_point.outputs, texts))
        for pattern, each in zip(plan.entry_point.outputs, outputs, strict=True):
            if graph.leads_out(pattern, each):
                raise InputError(
                    f"{name} would write {each}: a parameter leads out of the folder of {pattern}"
                )
        return Files(tuple(filled(plan.entry_point.inputs, texts)), outputs)

    steps = expand(points, request.entry_point, _typed(points, given), files)
    named = {step.name: plans[step.entry_point, repr(step.values)] for step in steps}
    named = {
        name: plan._replace(request=plan.request._replace(run_name=name)) for name, plan in named.items()
    }
    _refuse_unmade(steps, named, project)
    return Prepared(request, steps, named, given)


def _given(request: Request, target: EntryPoint) -> dict[str, Json]:
    given: dict[str, Json] = {}
    for path in request.params_file:
        given.update(load_file(path, target)[0])
    given.update(assignments(list(request.parameters)))
    return given


def _typed(points: tuple[EntryPoint, ...], given: Mapping[str, Json]) -> dict[str, Json]:
    """A parameter of the same name in several steps is one."""
    found: dict[str, Json] = {}
    for parameter in (each for point in points for each in point.parameters if each.name in given):
        try:
            found.setdefault(parameter.name, convert(parameter, given[parameter.name]))
        except ValueError as error:
            raise InputError(f"{parameter.name}={given[parameter.name]} is not {error}") from None
    return found


def _request(request: Request, point: EntryPoint, values: Mapping[str, Json]) -> Request:
    """Of one step. What no step declares, and what follows `--`, is for the one that was asked for."""
    return request._replace(
        entry_point=point.name,
        parameters=tuple(f"{name}={value}" for name, value in values.items()),
        params_file=(),
        extra=request.extra if point.name == request.entry_point else (),
        workdir=request.workdir or "fresh",
        all_outputs=True,
        cached=True,
    )


def _refuse_unmade(steps: tuple[Step, ...], plans: Mapping[str, Plan], project: Project) -> None:
    lacking = []
    for step in steps:
        for each in step.files.inputs:
            there = is_uri(each) or found_by(each, plans[step.name].checkout.directory)
            if not there and not graph.is_made(each, project.entry_points):
                lacking.append(f"{step.name} reads {each}, which is not there, and no step makes it")
    if lacking:
        raise InputError("\n".join(lacking), "`outputs` of the step that makes it names it")


class Again(NamedTuple):
    """Of a pipeline that is made again from a record."""

    parent: Origin
    steps: Mapping[str, Origin]  # by entry point


def run(
    prepared: Prepared,
    options: Options,
    report: Report,
    begun: Callable[[str], None] | None = None,
    again: Again | None = None,
) -> Outcome:
    """Runs the steps; the outcome is that of the run around them."""
    phases, request = Phases(), prepared.request
    options.check(prepared.steps)
    target = prepared.plans[prepared.steps[-1].name]
    parent = target._replace(
        request=target.request._replace(run_name=request.run_name), origin=again.parent if again else NONE
    )
    with ExitStack() as leaving:
        pending = None if again else snapshot.begin(target.checkout)
        store = Store(paths.store_here(request.store))
        record = leaving.enter_context(Record.begin(parent, store, report, "pipeline"))
        if begun:
            begun(record.run_id)
        written = dict.fromkeys(each for step in prepared.steps for each in step.files.outputs)
        leaving.enter_context(Writing(parent, record, report, list(written)))
        code = leaving.enter_context(Code(parent, record, pending, report))
        state = code.kept()
        record.append(_asked(prepared))
        phases.end("snapshot")
        origin = Origin(code=state, stdin="null")
        execution = Execution(prepared.steps, options, record, report)
        for text in dict.fromkeys(text for plan in prepared.plans.values() for text in plan.warnings):
            report.warn(text)
        for step in prepared.steps:
            plan = prepared.plans[step.name]
            child = plan.request._replace(
                parent=record.run_id, experiment_id=record.experiment_id, experiment_name=""
            )
            holds = condition.holds(plan.entry_point.when, plan.parameters.values)
            own = again.steps.get(step.entry_point, origin) if again else origin
            execution.add(step, plan._replace(request=child, origin=own), holds)
        record.ended = execution.run()
        phases.end("steps")
    return record.outcome(sum(phases.seconds.values()), phases.seconds)


def _asked(prepared: Prepared) -> Event:
    """Section `command` of the run around the steps: what was typed, without secrets, and what makes it again."""
    request, plan = prepared.request, prepared.plans[prepared.steps[-1].name]
    secrets = {name for each in prepared.plans.values() for name in each.parameters.secrets}
    parameters = [f"{name}={value}" for name, value in prepared.given.items() if name not in secrets]
    words = ["proj", "run", ".", "-e", request.entry_point]
    words += [word for each in parameters for word in ("-P", each)]
    words += ["--", *request.extra] if request.extra else []
    options = {**options_of(request), **({"parameters": parameters} if parameters else {})}
    return events.command(" ".join(map(quote, words)), plan.directory, {}, options, "null")
