"""`proj run --cached`: the outputs of a finished run are taken over when all that decides them is the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from runner import paths
from runner.data.inputs import expand, relative
from runner.environments.system import packages
from runner.errors import ProjError
from runner.host import machine
from runner.host.files import Draft
from runner.running import key, nearest
from runner.running.earlier import Earlier
from runner.running.nearest import NewRun
from runner.running.observation import PACKAGES
from runner.running.recorded import Recorded, of
from runner.tracking import artifacts, entity, events
from runner.tracking.fold import Run
from runner.tracking.store import Store
from runner.values import Ended, Report

if TYPE_CHECKING:
    from runner.running.code import Code
    from runner.running.plan import Plan
    from runner.running.record import Record
    from runner.running.surroundings import Surroundings
    from runner.values import Activation

__all__ = ["new_run", "take_over"]


def take_over(
    plan: Plan,
    record: Record,
    code: Code,
    seen: Surroundings,
    activation: Activation,
    variables: Mapping[str, str],
    report: Report,
) -> Ended | None:
    """Ends the run with the outputs of another one; None when there is none, and the command has to run."""
    request, store = plan.request, record.store
    code.keep()
    wanted = new_run(plan, record, store, seen, activation)
    found = nearest.find(wanted, store, request.explain or request.workdir != "fresh")
    if found.is_equal and request.cached:
        assert found.run is not None  # noqa: S101 - it is equal
        record.append(wanted.key.event())
        return _take(wanted, of(store, found.run), record, variables, report)
    if found.is_equal:
        assert found.run is not None  # noqa: S101
        report.note(f"the outputs of {found.run.name} ({found.run.run_id[:12]}) could be taken: --cached")
    elif request.explain:
        for line in found.told():
            report.note(line)
    return None


def new_run(plan: Plan, record: Record, own: Store, seen: Surroundings, activation: Activation) -> NewRun:
    """As far as it is known before its command starts. `own`: the store that its record is in."""
    recorded = of(own, own.read(record.run_id))._replace(store=record.store.root)
    if not recorded.lock:  # found, not made: what is in it is recorded while the command runs
        recorded = recorded._replace(installed="".join(f"{each}\n" for each in packages(activation)))
    return NewRun(recorded, plan, record.key(seen, activation))


def _take(
    wanted: NewRun, old: Recorded, record: Record, variables: Mapping[str, str], report: Report
) -> Ended:
    """Its outputs are written into the project, its metrics and other files go into the new record."""
    with TemporaryDirectory(dir=paths.temporary()) as folder:
        found = [(name, old.artifact(name, folder)) for name in old.run.artifacts]
        for name, source in found:
            if not source:
                raise ProjError(f"{name} of the run {old.run.name} cannot be fetched", "run without --cached")
        standing = {str(each) for output in old.run.outputs for each in output.get("found") or ()}
        is_fresh = wanted.plan.request.workdir == "fresh"
        new = {target for name, _ in found if (target := _target(old.run, name, wanted.directory))}
        _clear(wanted, Earlier(wanted.plan, record.store), new, report)
        executable = {str(each) for output in old.run.outputs for each in output.get("executable") or ()}
        for name, source in found:
            if target := _target(old.run, name, wanted.directory):
                if name in standing and (is_fresh or os.path.lexists(target)):
                    continue  # the command did not write it
                _restore(source, target, name in executable)
            else:
                artifacts.put(record.writer, source, os.path.dirname(name))
        for output in old.run.outputs:
            for name, leads in (output.get("links") or {}).items():
                target = _target(old.run, name, wanted.directory)
                if not (name in standing and (is_fresh or os.path.lexists(target))):
                    _restore_link(leads, target)
            for name in output.get("folders") or ():
                os.makedirs(_target(old.run, str(name), wanted.directory), exist_ok=True)
    metrics = [
        {name: value for name, value in event.items() if name not in ("time", "op")}
        for event in entity.events(old.directory)
        if event["type"] in ("metric", "metrics")
    ]
    if wanted.recorded.installed:
        with open(os.path.join(record.directory, PACKAGES), "w", encoding="utf-8") as file:
            file.write(wanted.recorded.installed)
        python = {"python": version} if (version := old.section("environment").get("python")) else {}
        record.append(events.section("environment", {"packages": PACKAGES, **python}))
    record.append(
        *metrics,
        events.run_link("cached-from", old.run.run_id),
        events.section("machine", machine.describe()),
    )
    record.command(variables, started=False)
    message = f"the outputs of {old.run.name} ({old.run.run_id[:12]}) were taken over: nothing was run"
    report.note(message)
    return Ended("FINISHED", 0, "exit", "", message)


def _clear(wanted: NewRun, earlier: Earlier, new: Iterable[str], report: Report) -> None:
    """Removes declared outputs of other runs: what this run did not write must not lie beside what it wrote."""
    inputs = [str(each.get("path")) for each in wanted.recorded.run.inputs]
    names = {relative(each, wanted.directory) for each in new}
    for pattern in key.outputs(wanted.plan):
        for path in expand(pattern, wanted.directory):
            name = relative(path, wanted.directory)
            if path == wanted.directory:  # `**`
                continue
            try:
                earlier.clear(path, name, report, inputs, names)
            except OSError as error:
                raise ProjError(f"the old output {path} cannot be removed: {error.strerror}") from error


def _target(run: Run, name: str, directory: str) -> str:
    """Where an artifact that is a declared output belongs; "" for others. Outside the project: known by its name."""
    for each in run.outputs:
        path = str(each["path"])
        kept = os.path.basename(path) if os.path.isabs(path) else path
        if name == kept:
            return os.path.join(directory, path)
        if name.startswith(f"{kept}/"):
            return os.path.join(directory, path, name[len(kept) + 1 :])
    return ""


def _restore_link(leads: str, target: str) -> None:
    try:
        with Draft(target) as draft:
            os.symlink(leads, draft)
    except OSError as error:
        raise ProjError(f"the output {target} cannot be written: {error.strerror}") from error


def _restore(source: str, target: str, executable: bool) -> None:
    try:
        with Draft(target) as draft:
            shutil.copyfile(source, draft)
            if executable:
                mode = os.stat(draft).st_mode
                os.chmod(draft, mode | (mode & 0o444) >> 2)
    except OSError as error:
        raise ProjError(f"the output {target} cannot be written: {error.strerror}") from error
