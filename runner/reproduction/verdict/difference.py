"""`proj diff`: how two runs differ, what usually explains a result first, the results last."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from runner.environments.packages import changes
from runner.errors import ProjError
from runner.running.recorded import Recorded, without_root
from runner.snapshots import snapshot
from runner.values import JsonMapping, JsonObject

__all__ = ["Change", "Difference", "Dimension", "between"]

MACHINE = ("host", "os", "cpu", "cores", "memory", "gpus", "distribution")
ENVIRONMENT = ("kind", "python", "image", "digest", "existing", "interpreter")


class Change(NamedTuple):
    name: str
    old: object  # None: it is not there
    new: object


class Dimension(NamedTuple):
    """One of code, environment, parameters, inputs, command, variables, machine, status, metrics, outputs."""

    name: str
    changes: tuple[Change, ...]
    patch: str = ""  # of code, as git writes it
    note: str = ""


class Difference(NamedTuple):
    old: str  # run ids
    new: str
    old_name: str
    new_name: str
    dimensions: tuple[Dimension, ...]  # that differ
    same: tuple[str, ...]  # names of those that do not

    def facts(self) -> JsonObject:
        return {
            **self._asdict(),
            "dimensions": [
                {**each._asdict(), "changes": [change._asdict() for change in each.changes]}
                for each in self.dimensions
            ],
        }


def between(
    old: Recorded, new: Recorded, patch: Callable[[str, str, str], str] = snapshot.diff
) -> Difference:
    """From the records alone: nothing is run, and files are compared by their digests.

    `patch` is given a store and two trees in it.
    """
    found = [
        _code(old, new, patch),
        Dimension("environment", _environment(old, new)),
        Dimension("parameters", _changes(without_root(old), without_root(new))),
        Dimension("inputs", _changes(_hashes(old.run.inputs), _hashes(new.run.inputs))),
        Dimension("command", _changes(_command(old), _command(new))),
        Dimension("variables", _changes(_variables(old), _variables(new))),
        Dimension("machine", _changes(_some(old, "machine", MACHINE), _some(new, "machine", MACHINE))),
        Dimension("status", _changes(_status(old), _status(new))),
        Dimension("metrics", _changes(_metrics(old), _metrics(new))),
        Dimension("outputs", _changes(_outputs(old), _outputs(new))),
    ]
    differing = tuple(each for each in found if each.changes or each.patch or each.note)
    same = tuple(each.name for each in found if each not in differing)
    return Difference(old.run.run_id, new.run.run_id, old.run.name, new.run.name, differing, same)


def _changes(old: JsonMapping, new: JsonMapping) -> tuple[Change, ...]:
    names = [*old, *(name for name in new if name not in old)]
    pairs = (Change(name, old.get(name), new.get(name)) for name in names)
    return tuple(
        each for each in pairs if each.old != each.new and not (each.old != each.old and each.new != each.new)
    )


def _code(old: Recorded, new: Recorded, patch: Callable[[str, str, str], str]) -> Dimension:
    before, after = old.code, new.code
    changes = _changes(
        {"commit": before.commit, "branch": before.branch} if before.commit else {},
        {"commit": after.commit, "branch": after.branch} if after.commit else {},
    )
    left = _changes(_left_out(old), _left_out(new))
    if before.tree == after.tree and before.tree:  # two commits may have the same content
        return Dimension("code", left)
    if not (before.tree and after.tree):
        missing = " and ".join(each.run.name for each in (old, new) if not each.code.tree)
        note = f"no patch: the record of {missing} has no snapshot"
        return Dimension("code", (*changes, *left), "", note if changes or before.tree != after.tree else "")
    try:
        return Dimension("code", (*changes, *left), patch(old.store, before.tree, after.tree))
    except ProjError as error:
        return Dimension("code", (*changes, *left), "", f"no patch: {error.message}")


def _left_out(recorded: Recorded) -> JsonObject:
    """Files that are not in the snapshot, by hash."""
    return {str(each["path"]): each.get("digest") for each in recorded.code.left_out}


def _environment(old: Recorded, new: Recorded) -> tuple[Change, ...]:
    facts = _changes(_some(old, "environment", ENVIRONMENT), _some(new, "environment", ENVIRONMENT))
    both = old.packages and new.packages and old.packages != new.packages
    packages = changes(old.packages, new.packages) if both else []
    return (*facts, *(Change(name, before or None, after or None) for name, before, after in packages))


def _some(recorded: Recorded, section: str, names: tuple[str, ...]) -> JsonObject:
    facts = recorded.section(section)
    return {name: facts[name] for name in names if name in facts}


def _hashes(files: tuple[JsonMapping, ...]) -> JsonObject:
    return {str(each.get("path") or each.get("uri")): each.get("digest", "not there") for each in files}


def _command(recorded: Recorded) -> JsonObject:
    command = str(recorded.section("command").get("command", ""))
    options = recorded.options
    return {
        "entry point": recorded.run.entry_point,
        "command": command.replace(recorded.root or "\0", ""),
        **options,
    }


def _variables(recorded: Recorded) -> JsonMapping:
    variables: JsonMapping = recorded.section("command").get("variables") or {}
    return variables


def _status(recorded: Recorded) -> JsonObject:
    end = recorded.run.end
    return {"status": recorded.run.status, **{key: end[key] for key in ("exit_code", "signal") if key in end}}


def _metrics(recorded: Recorded) -> JsonObject:
    return {name: recorded.run.metrics[name].value for name in sorted(recorded.run.metrics)}


def _outputs(recorded: Recorded) -> JsonObject:
    found = {path: facts.get("digest") for path, facts in sorted(recorded.run.artifacts.items())}
    return {**found, **_hashes(recorded.run.outputs)}
