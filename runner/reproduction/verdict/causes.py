"""Why a run is not as it was: what the two records say about code, inputs, parameters, packages and machine."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from runner.reproduction.verdict import around, children
from runner.running.recorded import Recorded, changed_packages, machine_facts, without_root
from runner.typed import NamedTuple

__all__ = ["Cause", "find"]

MISSING = r"No such file or directory:? '?([^'\n]+)'?"
REFUSED = (
    r"(?m)^.*(?:[Cc]onnection refused|ECONNREFUSED|Name or service not known|Temporary failure in name resolution|"
    r"nodename nor servname|Could not resolve host|Failed to connect to|Network is unreachable|No route to host|"
    r"ENOTFOUND|EAI_AGAIN|Max retries exceeded|Connection timed out|Failed to establish a new connection).*$"
)
NO_GIT = "not a git repository"
UNKNOWN = (
    "code, packages, parameters, inputs and machine are as they were, and repeating does not explain it: "
    "something that is not in the record (a file that is not declared, the network, a variable)"
)
Key = tuple[str, str]  # kind and name of a result


class Cause(NamedTuple):
    kind: str  # code, environment, inputs, parameters, hardware, nondeterminism, unknown
    text: str


def find(
    old: Recorded,
    new: Recorded,
    differing: set[Key],
    doubts: Iterable[tuple[str, str]],
    chance: set[Key],
) -> tuple[list[Cause], dict[Key, str]]:
    """Likely causes, the likeliest first, and the kind of each result's own. `chance`: what varies by itself."""
    rest = differing - chance
    causes = [Cause(kind, text) for kind, text in doubts]
    if not causes:
        causes += _everywhere(_inputs, old, new)
    causes += _everywhere(_parameters, old, new)
    causes += _missing_files(old, new)
    causes += _everywhere(_network, old, new)
    causes += _untouched(new, {name for _, name in differing})
    causes += _everywhere(_environment, old, new)
    seen = [Cause(*each) for each in around.differences(old, new)] if rest else []
    causes += [each for each in seen if each.kind == "inputs" and each not in causes]
    causes += _hardware(old, new)
    causes += [each for each in seen if each.kind != "inputs"]  # a variable need not be read
    if rest and not causes:
        causes += [Cause("inputs", text) for text in around.stood(old, new)]
    if rest and not causes:
        causes.append(Cause("unknown", f"{_names(rest)}: {UNKNOWN}" if chance else UNKNOWN))
    kinds = dict.fromkeys(rest, causes[0].kind) if rest else {}
    if chance:
        cause = Cause(
            "nondeterminism", f"the same run repeated gives another result each time: {_names(chance)}"
        )
        # what varies by itself needs no other explanation
        causes.insert(len(causes) if rest else 0, cause)
        kinds |= dict.fromkeys(chance, cause.kind)
    return causes, kinds


def _names(results: set[Key]) -> str:
    return ", ".join(sorted(name for _, name in results)[:5])


def _everywhere(
    look: Callable[[Recorded, Recorded], list[Cause]], old: Recorded, new: Recorded
) -> list[Cause]:
    """In the run and in all that it started; what one of them shares with the others is said once."""
    found: dict[Cause, str] = {}
    for name, one, two in children.pairs(old, new):
        for cause in look(one, two):
            found.setdefault(cause, name)
    return [cause._replace(text=f"{name}{cause.text}") for cause, name in found.items()]


def _inputs(old: Recorded, new: Recorded) -> list[Cause]:
    """What was hashed anew and is not what it was, though nobody had to be asked."""
    before, after = (
        {str(each.get("path")): each.get("digest") for each in run.run.inputs} for run in (old, new)
    )
    changed = [name for name in before if after.get(name) and before[name] and before[name] != after[name]]
    return [Cause("inputs", f"{', '.join(changed)} changed")] if changed else []


def _parameters(old: Recorded, new: Recorded) -> list[Cause]:
    before, after = without_root(old), without_root(new)
    changed = [
        f"{name}: {before.get(name)!r} -> {after.get(name)!r}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    return [Cause("parameters", "; ".join(changed))] if changed else []


def _environment(old: Recorded, new: Recorded) -> list[Cause]:
    changed = changed_packages(old.packages, new.packages)
    before, after = old.section("environment"), new.section("environment")
    for name in ("kind", "python", "image", "digest"):
        if before.get(name) and after.get(name) and before[name] != after[name]:
            changed.append(f"{name} {before[name]} -> {after[name]}")
    one, two = before.get("interpreter"), after.get("interpreter")
    if not changed and not old.lock and one != two:
        changed.append(f"interpreter {one} -> {two}")
    return [Cause("environment", "; ".join(changed))] if changed else []


def _hardware(old: Recorded, new: Recorded) -> list[Cause]:
    before, after = machine_facts(old), machine_facts(new)
    changed = [
        f"{name}: {before[name]} -> {after[name]}"
        for name in before
        if name in after and before[name] != after[name]
    ]
    return [Cause("hardware", "; ".join(changed))] if changed else []


def _untouched(new: Recorded, differing: set[str]) -> list[Cause]:
    names = ", ".join(name for name in new.untouched if name in differing)
    what = f"the command found {names} there and did not write it anew" if names else ""
    return [Cause("inputs", what)] if what else []


def _network(old: Recorded, new: Recorded) -> list[Cause]:
    """What could be asked then, and cannot now: a host, or the project's git."""
    then, now = _said(old), _said(new)
    if NO_GIT in now and NO_GIT not in then:
        text = "the command asks git, and the clean room is no repository: its commit is in the record"
        return [Cause("environment", text)]
    lines = re.findall(REFUSED, now)
    if not lines or re.search(REFUSED, then):
        return []
    return [Cause("environment", f"the network did not answer as it did then: {lines[-1].strip()[:200]}")]


def _said(recorded: Recorded) -> str:
    """The end of what was printed."""
    try:
        with open(os.path.join(recorded.directory, "output.log"), "rb") as file:
            return file.read()[-20_000:].decode("utf-8", "replace")
    except OSError:
        return ""


def _missing_files(old: Recorded, new: Recorded) -> list[Cause]:
    """A file that the command looked for: it lies in the user's folder, but git ignores it and nobody declared it."""
    if old.run.status == new.run.status or not old.root:
        return []
    for name in re.findall(MISSING, _said(new)):
        inside = name.removeprefix(new.root).lstrip("/") if name.startswith(new.root) else name
        if not os.path.isabs(inside) and os.path.exists(os.path.join(old.project, inside)):
            return [
                Cause(
                    "inputs", f"{inside} is not in the snapshot (git ignores it): declare it under `inputs:`"
                )
            ]
    return []
