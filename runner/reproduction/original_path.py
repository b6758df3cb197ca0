"""Where the command of a reproduction sees its clean room: at the path of the recorded run, where that can be done.

A program that writes to the absolute path of its own project then writes into the room, and absolute paths in its
results are the recorded ones. Elsewhere (no namespaces, or the folder is gone) paths are exchanged in the command.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from runner import paths
from runner.host import namespace
from runner.host.namespace import Bind
from runner.reproduction.room import Room
from runner.running.recorded import Recorded
from runner.values import Report

__all__ = ["at_its_path"]

ENVIRONMENTS = ("VIRTUAL_ENV", "CONDA_PREFIX")
MARKS = ("pyvenv.cfg", "conda-meta")
LOOKED_INTO = 1_000_000  # bytes of a file of the code


def at_its_path(recorded: Recorded, room: Room, report: Report) -> Room:
    """The room as the command sees it: moved to the recorded path, or where it lies."""
    root = os.path.realpath(recorded.root) if recorded.root else ""
    if len(root) < 2 or recorded.section("environment").get("kind") == "docker" or not os.path.isdir(root):
        return room
    if root != recorded.root or _writes_elsewhere(recorded):
        trouble = "it is reached by a link, or has outputs outside of it"
    else:
        kept = [Bind(each, each, True) for each in _environments(root, recorded)]
        kept += [Bind(each, each) for each in _ours(root)]
        binds = (Bind(room.root, root), *kept)
        for each in kept:  # what is bound there needs a place
            _make(room.root + each.target[len(root) :], os.path.isdir(each.source))
        placed = room._replace(binds=binds, moved=(root, root))
        trouble = namespace.problem(binds, placed.seen, room.ready)
        if not trouble:
            return placed
    if _names(recorded, room, root):
        report.warn(f"the run names its own folder {root}, which is used as it is now: {trouble}")
    return room


def _writes_elsewhere(recorded: Recorded) -> bool:
    """Whether declared outputs lie outside of the folder, where no room protects them."""
    declared = (os.path.join(recorded.project, str(each["path"])) for each in recorded.run.outputs)
    return any(not f"{os.path.normpath(each)}/".startswith(f"{recorded.root}/") for each in declared)


def _environments(root: str, recorded: Recorded) -> Iterable[str]:
    """Environments that lie in the folder: they are no code, and were found, not made."""
    found = [os.environ.get(name, "") for name in ENVIRONMENTS]
    found += [os.path.dirname(each) for each in os.environ.get("PATH", "").split(os.pathsep)]
    found.append(str(recorded.section("environment").get("existing", "")))
    found.append(
        os.path.dirname(os.path.dirname(str(recorded.section("environment").get("interpreter", ""))))
    )
    for each in dict.fromkeys(os.path.normpath(each) for each in found if os.path.isabs(each)):
        marked = any(os.path.exists(os.path.join(each, mark)) for mark in MARKS)
        if marked and each.startswith(f"{root}/"):
            yield each


def _ours(root: str) -> Iterable[str]:
    """What we keep ourselves: nested runs and `proj log` write there."""
    for each in dict.fromkeys((paths.home(), paths.store_here(), paths.cache())):
        if each.startswith(f"{root}/") and os.path.isdir(each):
            yield each


def _make(path: str, folder: bool) -> None:
    if os.path.lexists(path):
        return
    os.makedirs(path if folder else os.path.dirname(path), exist_ok=True)
    if not folder:
        with open(path, "xb"):
            pass


def _names(recorded: Recorded, room: Room, root: str) -> bool:
    """Whether the command, a parameter or a file of the code holds the path of the folder."""
    said = [str(recorded.section("command").get("command", "")), *map(str, recorded.params.values())]
    if any(root in text for text in said):
        return True
    for folder, _, names in os.walk(room.root):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and os.path.getsize(path) <= LOOKED_INTO:
                with open(path, "rb") as file:
                    if os.fsencode(root) in file.read():
                        return True
    return False
