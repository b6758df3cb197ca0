"""What the steps of an earlier run left in the project: the next one has it in its snapshot, or as ignored files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from runner.host import hashing
from runner.running import key, surroundings
from runner.running.plan import Plan
from runner.running.recorded import Recorded, with_children
from runner.tracking.store import Store

__all__ = ["only"]

LOOKED_AT = ("code", "folders", "ignored")


def only(factor: str, old: Recorded, new: Recorded, plan: Plan) -> bool:
    """Whether all that `new` has more than `old` in a factor is what steps of `old` left, and is still so."""
    if factor not in LOOKED_AT:
        return False
    names = _added(factor, old, new, plan)
    return names is not None and all(_is_left(list(_left(old)), names, factor == "folders"))


def _added(factor: str, old: Recorded, new: Recorded, plan: Plan) -> list[str] | None:
    """Absolute paths; None when anything else differs."""
    before: Mapping[str, object]
    after: Mapping[str, object]
    top = plan.root
    if factor == "code":
        before, after = (key.files(run.store, run.code.tree, plan) for run in (old, new))
    elif factor == "folders":
        before, after = (dict.fromkeys(run.code.folders, "") for run in (old, new))
    else:
        one, two = (surroundings.load(run.directory) for run in (old, new))
        if one is None or two is None:
            return None
        before, after, top = one.ignored, two.ignored, plan.directory
    if any(after.get(name) != value for name, value in before.items()):
        return None
    return [os.path.join(top, name) for name in after if name not in before]


def _left(old: Recorded) -> Iterator[tuple[str, str]]:
    """Absolute path and digest of each output of a step."""
    for each in with_children(Store(old.store), old).descendants():
        for output in each.run.outputs:
            yield os.path.normpath(os.path.join(each.project, str(output["path"]))), str(output.get("digest"))


def _is_left(left: Iterable[tuple[str, str]], names: list[str], folders: bool) -> Iterator[bool]:
    known: dict[str, bool] = {}
    for name in names:
        inside = [(path, digest) for path, digest in left if f"{name}/".startswith(f"{path}/")]
        inside += [(path, digest) for path, digest in left if folders and path.startswith(f"{name}/")]
        for path, digest in inside[-1:]:
            if path not in known:
                known[path] = _is_as(path, digest)
        yield bool(inside) and known[inside[-1][0]]


def _is_as(path: str, digest: str) -> bool:
    try:
        return hashing.digest(path).digest == digest
    except OSError:
        return False
