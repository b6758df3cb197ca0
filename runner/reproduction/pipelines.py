"""A pipeline made again: `proj reproduce` and `proj rerun` of the run around its steps.

To verify it, each step is made again in a clean room of its own, from the inputs that it had then. What a step made
for another one is taken from its record. So a step that varies leaves the verdict on the others alone, and where all
are identical, the pipeline as a whole is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from tempfile import TemporaryDirectory
from typing import TypeAlias

from runner import paths
from runner.errors import ProjError
from runner.parameters.resolve import assignments
from runner.project import reading
from runner.reproduction.again import Changes, checkout_of, request_of
from runner.reproduction.bundle.supplies import Supplies
from runner.reproduction.room import Room
from runner.reproduction.verdict import verdict
from runner.reproduction.verdict.causes import Cause
from runner.reproduction.verdict.verdict import Verdict
from runner.running.plan import Origin, Outcome
from runner.running.recorded import CannotRunError, Recorded, load
from runner.steps import pipeline
from runner.tracking.store import Store
from runner.values import Report

__all__ = ["judged", "rerun"]

Judge: TypeAlias = Callable[[Recorded, Supplies], Verdict]
WORST = ("different", "cannot-run", "within-tolerance", "identical")


def _steps(recorded: Recorded, store: Store) -> dict[str, Recorded]:
    """Name -> the last run that was made for the step. What was skipped or not reached is not there."""
    section = recorded.section("steps")
    found = {}
    for number in sorted(filter(str.isdecimal, section), key=lambda text: (len(text), text)):
        facts = section[number]
        if isinstance(facts, Mapping) and isinstance(facts.get("run_id"), str):
            found[str(facts.get("step", number))] = load(store, facts["run_id"])
    return found


def judged(recorded: Recorded, store: Store, supplies: Supplies, judge: Judge) -> Verdict:
    """Each verdict is kept with its step; the worst one is the pipeline's."""
    run, found = recorded.run, dict[str, Verdict]()
    with TemporaryDirectory(dir=paths.temporary()) as folder:
        every = _steps(recorded, store)
        _gather(folder, supplies.inputs, every.values())
        for name, step in every.items():
            found[name] = verdict.stamp(judge(step, supplies._replace(inputs=folder)))
            verdict.keep(store, found[name])
    if not found:
        cause = Cause("code", f"no step of {run.name} was run")
        return Verdict("cannot-run", run.run_id, run.name, cause.kind, (cause,))
    causes = tuple(
        cause._replace(text=f"{name}: {cause.text}") for name, each in found.items() for cause in each.causes
    )
    return Verdict(
        next(word for word in WORST if any(each.verdict == word for each in found.values())),
        run.run_id,
        run.name,
        causes[0].kind if causes else "",
        causes,
        tuple(run_id for each in found.values() for run_id in each.runs),
        tuple(
            one._replace(name=f"{name}: {one.name}") for name, each in found.items() for one in each.compared
        ),
        tuple(dict.fromkeys(text for each in found.values() for text in each.packages)),
        tuple(f"{name}: {text}" for name, each in found.items() for text in each.notes),
        next((each.hint for each in found.values() if each.hint), ""),
    )


def rerun(recorded: Recorded, room: Room, changes: Changes, report: Report) -> Outcome:
    """All steps with the code and the packages of then; what has the same key as a run that is there is taken over."""
    request = request_of(recorded, changes)
    given = {**assignments(list(request.parameters)), **changes.parameters}
    request = request._replace(parameters=tuple(f"{name}={value}" for name, value in given.items()))
    try:
        project = reading.load(room.directory)
    except ProjError as error:
        raise CannotRunError("code", error.message, error.hint) from None
    prepared = pipeline.prepare(request, checkout_of(recorded, room), project, single=True)
    assert prepared is not None  # noqa: S101 - a single one is wanted, too
    origins = {}
    for each in recorded.children:
        wheels, lock = changes.supplies.wheels(each.lock)
        locked = ("", "") if changes.refresh else (lock or each.lock, wheels)
        origins[each.run.entry_point] = Origin("", "", room.code, *locked, each.versions, stdin="null")
    parent = Origin(changes.relation, recorded.run.run_id, room.code)
    return pipeline.run(prepared, pipeline.Options(), report, again=pipeline.Again(parent, origins))


def _gather(folder: str, given: str, every: Iterable[Recorded]) -> None:
    """Links to inputs by their digests: those that a bundle has, and what steps made for others."""
    for name in os.listdir(given) if given else ():
        os.symlink(os.path.join(given, name), os.path.join(folder, name))
    for each in every:
        for output in each.run.outputs:
            source = os.path.join(each.artifacts, *str(output["path"]).split("/"))
            target = os.path.join(folder, str(output.get("digest", "")).replace(":", "-"))
            if os.path.exists(source) and not os.path.lexists(target):
                os.symlink(source, target)
