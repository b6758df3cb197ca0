"""The run that a new one may be taken over from, or the one that is nearest to it, and what differs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from runner.data.inputs import expand, relative
from runner.host import hashing
from runner.host.files import digest
from runner.running import key, leavings, surroundings
from runner.running.recorded import Recorded, changed_packages, of, without_root
from runner.tracking import artifacts
from runner.tracking.fold import Run
from runner.tracking.store import Store

if TYPE_CHECKING:
    from runner.running.key import Key
    from runner.running.plan import Plan

__all__ = ["Factor", "Nearest", "NewRun", "find"]

LOOKED_AT = 200  # runs, newest first
NAMED = 12  # files and folders at the top of a project


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


class Nearest(NamedTuple):
    """A run, and what keeps it from being taken over."""

    run: Run | None = None  # None: no run of this entry point has finished
    factors: tuple[Factor, ...] = ()
    hint: str = ""  # what would have avoided the difference

    @property
    def is_equal(self) -> bool:
        return self.run is not None and not self.factors

    def told(self) -> Iterator[str]:
        """For people, a line each."""
        if self.run is None:
            yield "nothing can be taken over: no run of this entry point has finished"
            return
        yield f"nothing can be taken over; nearest is {self.run.name} ({self.run.run_id[:12]}), but:"
        for factor in self.factors:
            yield f"  {factor.name}: {factor.text}"
        if self.hint:
            yield f"  {self.hint}"


def find(wanted: NewRun, store: Store, every: bool) -> Nearest:
    """`every`: also look at runs with another key, of which the nearest one is named."""
    candidates = list(_candidates(store, wanted, every))
    own = [*_forbidden(wanted), *_edited(wanted, candidates), *_varying(wanted, candidates)]
    nearest = Nearest()
    for candidate in candidates:
        if candidate.status != "FINISHED" or candidate.end.get("exit_code") != 0:
            continue
        factors = own or list(_differing(wanted, of(store, candidate)))
        if not factors:
            return Nearest(candidate)
        if nearest.run is None or len(factors) < len(nearest.factors):
            nearest = Nearest(candidate, tuple(factors))
    if nearest.run is not None and [factor.name for factor in nearest.factors] == ["code"]:
        return nearest._replace(hint=_narrower(wanted, of(store, nearest.run)))
    return nearest


def _narrower(wanted: NewRun, old: Recorded) -> str:
    """Where only files of the code differ: what `code` could be, had they nothing to do with this entry point."""
    point, new = wanted.plan.entry_point, wanted.recorded
    if point.code:
        return ""
    before, after = (key.files(run.store, run.code.tree, wanted.plan) for run in (old, new))
    names = before.keys() | after.keys()
    inside = f"{new.subdirectory}/" if new.subdirectory else ""
    tops: dict[str, bool] = {}  # -> whether something in it differs
    for name in sorted(each for each in names if each.startswith(inside)):
        top, more, _ = name[len(inside) :].partition("/")
        tops[top + more] = tops.get(top + more, False) or before.get(name) != after.get(name)
    same = [name for name, differs in tops.items() if not differs and not name.startswith(".")]
    if not same or len(same) > NAMED:
        return ""
    changed = ", ".join(name for name, differs in tops.items() if differs)
    return f"with `code: [{', '.join(same)}]` of {point.name} in MLproject, {changed} would not count"


def _candidates(store: Store, wanted: NewRun, every: bool) -> Iterator[Run]:
    """Runs of the same entry point, newest first: those with the same key; and `every` one, for what steps left in
    the project's folder is no difference, and the nearest one is to be named.
    """
    run, digest, seen = wanted.recorded.run, wanted.key.digest, {wanted.recorded.run.run_id}
    quoted = run.project.replace("'", "''")
    filters = [f"cache_key = '{digest}' and project = '{quoted}'"] if digest else []
    for each in (*filters, *([f"project = '{quoted}'"] if every else [])):
        for found in store.search(each, limit=LOOKED_AT).runs:
            same = found.entry_point == run.entry_point and found.kind == run.kind
            if same and found.run_id not in seen:
                seen.add(found.run_id)
                yield found


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
