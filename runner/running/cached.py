"""`proj run --cached`: the outputs of a finished run are taken over when all that decides them is the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from runner import paths
from runner.data.inputs import expand, relative
from runner.environments.system import packages
from runner.errors import ProjError
from runner.host import hashing, machine
from runner.host.files import Draft, digest, remove_tree
from runner.running import key, leavings, surroundings
from runner.running.observation import PACKAGES
from runner.running.recorded import Recorded, changed_packages, of, without_root
from runner.tracking import artifacts, entity, events
from runner.tracking.fold import Run
from runner.tracking.store import Store
from runner.values import Ended, Report

if TYPE_CHECKING:
    from runner.running.code import Code
    from runner.running.key import Key
    from runner.running.plan import Plan
    from runner.running.record import Record
    from runner.running.surroundings import Surroundings
    from runner.values import Activation

__all__ = ["take_over"]

LOOKED_AT = 200  # runs, newest first


class NewRun(NamedTuple):
    """The run that was asked for."""

    recorded: Recorded  # as far as its record goes before its command starts
    plan: Plan
    key: Key

    @property
    def directory(self) -> str:
        return self.plan.checkout.directory


class Factor(NamedTuple):
    """What forbids to take a run over."""

    name: str  # code, environment, parameters, inputs, command, variables, outputs, ...
    text: str


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
    recorded, own_key = of(store, store.read(record.run_id)), record.key(seen, activation)
    if not recorded.lock:  # found, not made: what is in it is recorded while the command runs
        recorded = recorded._replace(installed="".join(f"{each}\n" for each in packages(activation)))
    wanted = NewRun(recorded, plan, own_key)
    candidates = list(_candidates(store, wanted, request.explain or request.workdir != "fresh"))
    own = [*_forbidden(wanted), *_edited(wanted, candidates), *_varying(wanted, candidates)]
    nearest: tuple[Run, list[Factor]] | None = None
    for candidate in candidates:
        if candidate.status != "FINISHED" or candidate.end.get("exit_code") != 0:
            continue
        factors = own or list(_differing(wanted, of(store, candidate)))
        if not factors:
            if not request.cached:
                report.note(
                    f"the outputs of {candidate.name} ({candidate.run_id[:12]}) could be taken: --cached"
                )
                return None
            record.append(own_key.event())
            return _take(wanted, of(store, candidate), record, variables, report)
        if nearest is None or len(factors) < len(nearest[1]):
            nearest = candidate, factors
    if request.explain:
        _explain(nearest, report)
    return None


def _candidates(store: Store, wanted: NewRun, every: bool) -> Iterator[Run]:
    """Runs of the same entry point, newest first: those with the same key; and `every` one, for what steps left in
    the project's folder is no difference, and the nearest one is to be named.
    """
    run, digest, seen = wanted.recorded.run, wanted.key.digest, {wanted.recorded.run.run_id}
    quoted = run.project.replace("'", "''")
    filters = [f"cache_key = '{digest}' and project = '{quoted}'"] if digest else []
    for each in (*filters, *([f"project = '{quoted}'"] if every else [])):
        for found in store.search(each, limit=LOOKED_AT).runs:
            if found.entry_point == run.entry_point and found.run_id not in seen:
                seen.add(found.run_id)
                yield found


def _explain(nearest: tuple[Run, list[Factor]] | None, report: Report) -> None:
    if nearest is None:
        report.note("nothing can be taken over: no run of this entry point has finished")
        return
    run, factors = nearest
    report.note(f"nothing can be taken over; nearest is {run.name} ({run.run_id[:12]}), but:")
    for factor in factors:
        report.note(f"  {factor.name}: {factor.text}")


# ---- what must be the same -----------------------------------------------------------------------------------


def _forbidden(wanted: NewRun) -> Iterator[Factor]:
    for text in wanted.key.forbids:
        name, _, reason = text.partition(": ")
        yield Factor(name, reason)
    yield from _overlapping(wanted.recorded.run, "this run")


def _overlapping(run: Run, name: str) -> Iterator[Factor]:
    if met := run.sections.get("workdir", {}).get("beside"):
        yield Factor("outputs", f"{name} was on beside {met[0][:12]}, which writes the same ones")


def _edited(wanted: NewRun, candidates: Iterable[Run]) -> Iterator[Factor]:
    """Declared outputs that are there, and that no run of ours left so: the command may go on from them."""
    left = {(str(each["path"]), str(each.get("digest"))) for run in candidates for each in run.outputs}
    for pattern in key.outputs(wanted.plan):
        for path in expand(pattern, wanted.directory):
            name = relative(path, wanted.directory)
            try:
                same = (name, hashing.digest(path).digest) in left
            except OSError:
                same = False
            if not same:
                yield Factor("outputs", f"{name} is there, and is not as a run has left it: it may be read")


def _varying(wanted: NewRun, candidates: Iterable[Run]) -> Iterator[Factor]:
    """Runs with this key that left other outputs: chance decides, the clock, or what an earlier run left."""
    first: Run | None = None
    for run in candidates:
        own = key.of_run(run)
        if run.status == "FINISHED" and own is not None and own.factors == wanted.key.factors:
            first = first or run
            if _digests(first) != _digests(run):
                text = f"{first.name} and {run.name} did the same and left different ones"
                yield Factor("outputs", f"{text}: something else decides")
                return


def _digests(run: Run) -> set[tuple[str, str]]:
    return {(str(each["path"]), str(each.get("digest"))) for each in run.outputs}


def _differing(wanted: NewRun, old: Recorded) -> Iterator[Factor]:
    before, after = key.of_run(old.run), wanted.key
    if before is None:
        yield Factor("key", "it was recorded by another version of proj, which kept no key")
        return
    for text in before.forbids:
        yield Factor(*text.split(": ", 1))
    yield from _overlapping(old.run, old.run.name)
    for name in sorted(before.factors.keys() | after.factors.keys()):
        same = before.factors.get(name) == after.factors.get(name)
        if not (same or leavings.only(name, old, wanted.recorded, wanted.plan)):
            yield Factor(name, _told(name, wanted, old))
    if problem := _not_kept(old):
        yield Factor("outputs", problem)


def _told(name: str, wanted: NewRun, old: Recorded) -> str:
    """What differs in a factor, for people."""
    new = wanted.recorded
    if name == "code":
        return _names(*(key.files(run.store, run.code.tree, wanted.plan) for run in (old, new)))
    if name == "left out":
        return _names(
            *({str(each["path"]): each.get("digest") for each in run.code.left_out} for run in (old, new))
        )
    if name == "parameters":
        return _values(without_root(old), without_root(new))
    if name == "inputs":
        digests = (
            {str(each.get("path") or each["uri"]): each.get("digest") for each in run.run.inputs}
            for run in (old, new)
        )
        return _values(*digests) or "other folders in them are empty"
    if name == "command":
        return f"{old.section('command').get('command')} -> {wanted.plan.parameters.shown}"
    if name == "environment":
        return _environment(old, new)
    one, two = (surroundings.load(run.directory) for run in (old, new))
    if name == "folders":
        return "there are other empty ones"
    if name in ("variables", "programs", "files", "ignored") and one and two:
        if name == "variables" and one.key != two.key:
            return "they were recorded by another user, or on another machine"
        return _names(getattr(one, name), getattr(two, name)) or "another one is named"
    return "another one"


def _environment(old: Recorded, new: Recorded) -> str:
    changed = changed_packages(old.packages, new.packages)
    before, after = old.section("environment"), new.section("environment")
    for name in key.MADE_BY:
        if name != "key" and before.get(name) != after.get(name):
            changed.append(f"{name} {before.get(name)} -> {after.get(name)}")
    return "; ".join(changed) or "the lock"


def _names(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _values(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return "; ".join(f"{name}: {_short(old.get(name))} -> {_short(new.get(name))}" for name in names)


def _short(value: object) -> str:
    text = "absent" if value is None else str(value)
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


def _take(
    wanted: NewRun, old: Recorded, record: Record, variables: Mapping[str, str], report: Report
) -> Ended:
    """Its outputs are written into the project, its metrics and other files go into the new record."""
    with TemporaryDirectory(dir=paths.temporary()) as folder:
        found = [(name, old.artifact(name, folder)) for name in old.run.artifacts]
        for name, source in found:
            if not source:
                raise ProjError(f"{name} of the run {old.run.name} cannot be fetched", "run without --cached")
        _clear(wanted)
        executable = {str(each) for output in old.run.outputs for each in output.get("executable") or ()}
        for name, source in found:
            if target := _target(old.run, name, wanted.directory):
                _restore(source, target, name in executable)
            else:
                artifacts.put(record.writer, source, os.path.dirname(name))
        for output in old.run.outputs:
            for name, leads in (output.get("links") or {}).items():
                _restore_link(leads, _target(old.run, name, wanted.directory))
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


def _clear(wanted: NewRun) -> None:
    """Removes declared outputs of other runs: what this run did not write must not lie beside what it wrote."""
    for pattern in key.outputs(wanted.plan):
        for path in expand(pattern, wanted.directory):
            try:
                if os.path.isdir(path) and not os.path.islink(path):
                    remove_tree(path)
                else:
                    os.unlink(path)
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
