"""`proj run --cached`: the outputs of a finished run are taken over when all that decides them is the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from runner import paths
from runner.data.outputs import filled
from runner.environments.system import packages as installed
from runner.errors import ProjError
from runner.host import machine
from runner.host.files import Draft
from runner.host.hashing import digest
from runner.running.beginning import options_of
from runner.running.code import Code
from runner.running.command import seed_variables
from runner.running.observation import PACKAGES
from runner.running.plan import Plan
from runner.running.record import Record
from runner.running.recorded import Recorded, changed_packages, of, without_root
from runner.running.variables import chosen
from runner.snapshots import snapshot
from runner.tracking import artifacts
from runner.tracking.fold import Run
from runner.tracking.log import read
from runner.tracking.store import Store
from runner.values import Activation, Ended, Report

__all__ = ["take_over"]

LOOKED_AT = 200  # runs, newest first
# tell one job from the other; they decide nothing
JOB = ("SLURM_JOB_ID",)


class Factor(NamedTuple):
    """What forbids to take a run over."""

    name: str  # code, environment, parameters, inputs, command, variables, outputs, secrets
    text: str


class Wanted(NamedTuple):
    """The run that was asked for, as far as its record goes before its command starts."""

    recorded: Recorded
    plan: Plan
    directory: str  # of the project

    @property
    def outputs(self) -> list[str]:
        return filled(self.plan.entry_point.outputs, self.plan.parameters.texts)

    @property
    def variables(self) -> dict[str, str]:
        kept = chosen(os.environ, self.plan.parameters.variables.values())
        return {**kept, **seed_variables(self.plan.request.seed, kept, machine.cores())}


def take_over(plan: Plan, record: Record, code: Code, activation: Activation, report: Report) -> Ended | None:
    """Ends the run with the outputs of another one; None when there is none, and the command has to run."""
    code.keep()
    store = record.store
    run = store.read(record.run_id)
    recorded = of(store, run)
    if not recorded.lock:  # found, not made: what is in it is recorded while the command runs
        found = installed(activation)
        recorded = recorded._replace(installed="".join(f"{each}\n" for each in found))
    wanted = Wanted(recorded, plan, plan.checkout.directory)
    nearest: tuple[Run, list[Factor]] | None = None
    for candidate in _candidates(store, run):
        factors = list(_forbidding(wanted, of(store, candidate)))
        if not factors:
            if not plan.request.cached:
                report.note(
                    f"the outputs of {candidate.name} ({candidate.run_id[:12]}) could be taken: --cached"
                )
                return None
            return _take(wanted, of(store, candidate), record, report)
        if nearest is None or len(factors) < len(nearest[1]):
            nearest = candidate, factors
    if plan.request.explain:
        _explain(nearest, report)
    return None


def _candidates(store: Store, run: Run) -> Iterator[Run]:
    quoted = run.project.replace("'", "''")
    page = store.search(f"status = 'FINISHED' AND project = '{quoted}'", limit=LOOKED_AT)
    for each in page.runs:
        if (
            each.entry_point == run.entry_point
            and each.run_id != run.run_id
            and each.end.get("exit_code") == 0
        ):
            yield each


def _explain(nearest: tuple[Run, list[Factor]] | None, report: Report) -> None:
    if nearest is None:
        report.note("nothing can be taken over: no run of this entry point has finished")
        return
    run, factors = nearest
    report.note(f"nothing can be taken over; nearest is {run.name} ({run.run_id[:12]}), but:")
    for factor in factors:
        report.note(f"  {factor.name}: {factor.text}")


# ---- what must be the same -----------------------------------------------------------------------------------


def _forbidding(wanted: Wanted, old: Recorded) -> Iterator[Factor]:
    new = wanted.recorded
    if wanted.plan.parameters.secrets:
        names = ", ".join(wanted.plan.parameters.secrets)
        yield Factor("secrets", f"{names}: the record keeps no secrets, so none can be compared")
    if changed := _code(wanted, old):
        yield Factor("code", changed)
    if changed := _environment(old, new):
        yield Factor("environment", changed)
    if changed := _changed(without_root(old), without_root(new)):
        yield Factor("parameters", changed)
    if changed := _changed(_inputs(old.run), _inputs(new.run)):
        yield Factor("inputs", changed)
    shown = wanted.plan.parameters.shown
    if str(old.section("command").get("command")).replace(old.root or "\0", "") != shown.replace(
        _top(wanted), ""
    ):
        yield Factor("command", f"{old.section('command').get('command')} -> {shown}")
    before = {
        key: value for key, value in (old.section("command").get("variables") or {}).items() if key not in JOB
    }
    after = {key: value for key, value in wanted.variables.items() if key not in JOB}
    if changed := _changed(before, after):
        yield Factor("variables", changed)
    if problem := _not_kept(old):
        yield Factor("outputs", problem)


def _top(wanted: Wanted) -> str:
    inside = wanted.plan.checkout.subdirectory
    return wanted.directory[: -len(inside) - 1] if inside else wanted.directory


def _code(wanted: Wanted, old: Recorded) -> str:
    """The files that count: those of the project's folder but for what the command itself writes there."""
    before, after = old.code, wanted.recorded.code
    if not (before.tree and after.tree):
        return "there is no snapshot to compare with"
    if before.tree != after.tree:
        changed = _changed_names(_files(old, wanted), _files(wanted.recorded, wanted))
        if changed:
            return changed
    one = {str(each["path"]): each.get("digest") for each in before.left_out}
    two = {str(each["path"]): each.get("digest") for each in after.left_out}
    return _changed_names(one, two) if one != two else ""


def _files(recorded: Recorded, wanted: Wanted) -> dict[str, Any]:
    inside = f"{recorded.subdirectory}/" if recorded.subdirectory else ""
    found = {}
    for each in snapshot.files(recorded.store, recorded.code.tree):
        name = each.path.removeprefix(inside)
        if each.path.startswith(inside) and not any(_is_output(name, pattern) for pattern in wanted.outputs):
            found[name] = (each.blob, each.mode)
    return found


def _is_output(name: str, pattern: str) -> bool:
    pattern = pattern.removeprefix("./").rstrip("/")
    return fnmatchcase(name, pattern) or name.startswith(f"{pattern}/")


def _changed_names(old: dict[str, Any], new: dict[str, Any]) -> str:
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _environment(old: Recorded, new: Recorded) -> str:
    changed = changed_packages(old.packages, new.packages)
    before, after = old.section("environment"), new.section("environment")
    for name in ("kind", "python", "image", "digest", "existing", *(() if old.lock else ("interpreter",))):
        if name in before and name in after and before[name] != after[name]:
            changed.append(f"{name} {before[name]} -> {after[name]}")
    if not changed and old.lock != new.lock:
        changed.append("the lock")
    return "; ".join(changed)


def _inputs(run: Run) -> dict[str, Any]:
    """By hash. One without a hash is never the same: nothing is known about it."""
    return {str(each.get("path") or each.get("uri")): each.get("digest") or object() for each in run.inputs}


def _changed(old: dict[str, Any], new: dict[str, Any]) -> str:
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    shown = [f"{name}: {_short(old.get(name))} -> {_short(new.get(name))}" for name in names]
    return "; ".join(shown)


def _short(value: Any) -> str:
    text = "absent" if value is None else "?" if type(value) is object else str(value)
    return text if len(text) <= 40 else text[:20] + "..."


def _not_kept(old: Recorded) -> str:
    run = old.run
    if not (run.outputs or run.artifacts or run.metrics):
        return "it declares no outputs and logged nothing"
    if "://" in artifacts.location(Store(old.store), run.run_id):
        return ""  # checked when they are fetched
    for name, facts in run.artifacts.items():
        path = os.path.join(old.artifacts, *name.split("/"))
        if not os.path.isfile(path):
            return f"{name} of it is not kept any more"
        if digest(path).digest != facts.get("digest"):
            return f"{name} of it is not what was kept"
    return ""


# ---- taking over ---------------------------------------------------------------------------------------------


def _take(wanted: Wanted, old: Recorded, record: Record, report: Report) -> Ended:
    """Its outputs are written into the project, its metrics and other files go into the new record."""
    plan = wanted.plan
    with TemporaryDirectory(dir=paths.temporary()) as folder:
        for name in old.run.artifacts:
            source = old.artifact(name, folder)
            if not source:
                raise ProjError(f"{name} of the run {old.run.name} cannot be fetched", "run without --cached")
            if target := _target(old.run, name, wanted.directory):
                _restore(source, target)
            else:
                artifacts.put(record.writer, source, os.path.dirname(name))
    metrics = [
        {key: value for key, value in event.items() if key != "time"}
        for event, _ in read(os.path.join(old.directory, "events.jsonl"))
        if event["type"] in ("metric", "metrics")
    ]
    options = options_of(plan.request)
    if wanted.recorded.installed:
        with open(os.path.join(record.directory, PACKAGES), "w", encoding="utf-8") as file:
            file.write(wanted.recorded.installed)
        python = {"python": version} if (version := old.section("environment").get("python")) else {}
        record.append({"type": "environment", "packages": PACKAGES, **python})
    record.append(
        *metrics,
        {"type": "link", "relation": "cached-from", "run_id": old.run.run_id},
        {"type": "machine", **machine.describe()},
        {
            "type": "command",
            "command": plan.parameters.shown,
            "directory": wanted.directory,
            "variables": wanted.variables,
            **({"options": options} if options else {}),
        },
    )
    message = f"the outputs of {old.run.name} ({old.run.run_id[:12]}) were taken over: nothing was run"
    report.note(message)
    return Ended("FINISHED", 0, "exit", "", message)


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


def _restore(source: str, target: str) -> None:
    try:
        with Draft(target) as draft:
            shutil.copyfile(source, draft)
    except OSError as error:
        raise ProjError(f"the output {target} cannot be written: {error.strerror}") from error
