"""A fresh folder with the exact code of a recorded run and the inputs that code needs, and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from runner import paths, sources
from runner.data import delta
from runner.data import inputs as reading
from runner.data.download import fetch_all
from runner.errors import ProjError
from runner.host.namespace import Bind
from runner.reproduction import times
from runner.reproduction.original_path import at_its_path
from runner.reproduction.room import Room
from runner.running.recorded import CannotRunError, Recorded
from runner.snapshots import snapshot
from runner.sources import folders
from runner.tracking.events import SUPERVISED
from runner.typed import NamedTuple
from runner.values import CodeState, JsonMapping, Report

__all__ = ["Terms", "enter"]

NO_CODE = "snapshots.git belongs to the store as runs/ does; a bundle of the run has the code too"
GONE = "put it back to where it was, or reproduce a bundle of the run, which has its inputs"
COPIED = 1_000_000_000  # bytes; a larger input is linked


class Terms(NamedTuple):
    """What is there to take from, and what is accepted."""

    supplies: str = ""  # folder with inputs by digest, of a bundle
    offline: bool = False
    anyway: bool = False  # changed inputs are used as they are


@contextmanager
def enter(recorded: Recorded, terms: Terms, report: Report) -> Iterator[Room]:
    """CannotRunError when the code or an input is not to be had."""
    folder = folders.make()
    try:
        name = os.path.basename(recorded.root.rstrip("/")) or "project"
        root = os.path.join(folder, re.sub(r"[^\w.-]", "_", name))
        with report.step("restoring the code"):
            code, doubts = _restore(recorded, root, terms.offline, report)
            times.put_back(recorded.root, root, recorded.run.start_time)
        directory = os.path.join(root, *filter(None, recorded.subdirectory.split("/")))
        room = Room(root, directory, code, (recorded.root, root))
        if recorded.run.kind != "pipeline":  # whose steps have folders of their own
            room = at_its_path(recorded, room, report)
        with report.step("checking the inputs"):
            more, binds = _inputs(recorded, room, terms, report)
        yield room._replace(doubts=(*doubts, *more), binds=(*room.binds, *binds))
    finally:
        folders.remove(folder)


def _restore(
    recorded: Recorded, root: str, offline: bool, report: Report
) -> tuple[CodeState, list[tuple[str, str]]]:
    code = recorded.code
    if recorded.run.kind not in SUPERVISED or not recorded.section("command"):
        raise CannotRunError("code", f"the run {recorded.run.name} has no command: proj did not start one")
    problem = f"the record of {recorded.run.name} names no snapshot of its code"
    hint = "only runs that `proj run` has started keep their code"
    if code.tree:
        try:
            snapshot.restore(recorded.store, code.tree, root, recorded.subdirectory, code.folders)
            return code, []
        except ProjError as error:
            import shutil

            problem, hint = error.message, error.hint or NO_CODE
            shutil.rmtree(root, ignore_errors=True)
    if code.commit and code.dirty is False and not offline:
        fetched = _fetch(recorded, root, report)
        if fetched:
            return code._replace(tree=""), [("code", f"{problem}; the commit {code.commit[:12]} was used")]
    raise CannotRunError("code", problem, hint)


def _fetch(recorded: Recorded, root: str, report: Report) -> bool:
    """The commit from where the code came from: a clean run is its commit."""
    code, source = recorded.code, recorded.section("source")
    for place in (code.repository, source.get("repository", ""), recorded.root):
        if not place or ("://" not in place and "@" not in place and not os.path.isdir(place)):
            continue
        try:
            checkout = sources.fetch(place, code.commit, report)
        except ProjError:
            continue
        import shutil

        try:
            shutil.copytree(
                checkout.root or checkout.directory,
                root,
                symlinks=True,
                ignore=shutil.ignore_patterns(".git"),
            )
        finally:
            sources.release(checkout)
        return True
    return False


# ---- inputs ------------------------------------------------------------------------------------------------


def _inputs(
    recorded: Recorded, room: Room, terms: Terms, report: Report
) -> tuple[list[tuple[str, str]], list[Bind]]:
    """Brings what the snapshot does not have and checks everything; all that is wrong is said at once.

    Returns doubts, and what the command is to see in the place of something that has changed outside of the project.
    """
    binds: list[Bind] = []
    doubts = [
        ("inputs", f"{each['path']} was not kept with the code ({each.get('reason')}), and {problem}")
        for each in recorded.code.left_out
        if (problem := _bring(each, recorded.root, room.root, terms.supplies))
    ]
    faults = []
    for run, each in _of_all(recorded):
        if each.get("uri") and each.get("digest"):
            problem = _downloaded(each, run, terms, report)
        else:
            problem = _check(each, run, room, terms.supplies)
            name = str(each.get("path", ""))
            if problem and room.binds and os.path.isabs(name) and delta.is_table(name):
                place = os.path.join(os.path.dirname(room.root), f"input-{len(binds)}")
                older = _older(each, name, place)
                problem = f"the input {name} {older}" if older else ""
                binds += [] if older else [Bind(place, name, True)]
        if problem and terms.anyway and not problem.endswith("is not there"):
            doubts.append(("inputs", problem))
        elif problem:
            faults.append(problem)
    if faults:
        gone = [fault for fault in faults if fault.endswith("is not there")]
        hint = GONE if gone else "--anyway  runs with the changed ones"
        raise CannotRunError("inputs", "\n".join(faults), hint)
    return doubts, binds


def _of_all(recorded: Recorded) -> Iterator[tuple[Recorded, JsonMapping]]:
    """Inputs of the run and of its steps, but for what a step has made for another one."""
    runs = [recorded, *recorded.descendants()]
    made = [os.path.join(run.project, str(each["path"])) for run in runs for each in run.run.outputs]
    for run in runs:
        for each in run.run.inputs:
            path = os.path.join(run.project, str(each.get("path", "")))
            if not any(f"{path}/".startswith(f"{one}/") or f"{one}/".startswith(f"{path}/") for one in made):
                yield run, each


def _check(each: JsonMapping, recorded: Recorded, room: Room, supplies: str) -> str:
    """What is wrong with an input, or ""."""
    if not each.get("digest"):
        return ""  # it was not there then, or is elsewhere: nothing is known about it
    name = str(each["path"])
    if os.path.isabs(name):
        if room.outside(room.here(name)) == name:
            return _compare(each, name, name) if os.path.exists(name) else _from(supplies, each, name, name)
        problem = _bring(
            {**each, "path": os.path.relpath(name, recorded.root)}, recorded.root, room.root, supplies
        )
    else:
        inside = os.path.relpath(recorded.project, room.recorded)
        if inside.startswith(".."):
            return ""  # of a step that ran in another folder, such as a checkout of its own
        problem = _bring(each, recorded.project, os.path.normpath(os.path.join(room.root, inside)), supplies)
    return f"the input {name} {problem}" if problem else ""


def _bring(each: JsonMapping, old: str, new: str, supplies: str) -> str:
    """Puts a file or folder, as it was recorded, into the room unless it is there; returns what prevents it."""
    target = os.path.join(new, str(each["path"]))
    source = os.path.join(old, str(each["path"]))
    there = os.path.exists(target)
    if there and not _differs(each, target):
        return ""
    for place in (source, _supply(supplies, each)):
        if place and os.path.exists(place) and not _differs(each, place):
            if there:  # git-lfs: the snapshot has the pointer, the folder the content
                _remove(target)
            _copy(place, target)
            return ""
    if problem := _older(each, source, target):
        return problem
    if not _differs(each, target):
        return ""
    if there:
        return "is not what it was: the snapshot has another content"
    if not os.path.exists(source):
        return "is not there"
    _copy(source, target)
    return "has changed since"


def _older(each: JsonMapping, source: str, target: str) -> str:
    """Puts the version of a Delta table that was read then to `target`, if it is still there; why it is not."""
    version = str(each.get("version", "")).removeprefix("delta:").rpartition("@")[2]
    if not (version.isdigit() and delta.is_table(source)):
        return ""
    try:
        import shutil
        from tempfile import TemporaryDirectory

        with TemporaryDirectory(dir=paths.temporary()) as folder:
            draft = os.path.join(folder, "table")
            delta.restore(source, int(version), draft)
            if _differs(each, draft):
                return f"has changed since: the files of its version {version} are not what they were"
            if os.path.exists(target):
                _remove(target)
            shutil.copytree(draft, target)
    except delta.VacuumedError as error:
        return f"has changed since, and its version {version} was vacuumed: {error} is not there any more"
    except OSError as error:
        return f"has changed since, and its version {version} cannot be read: {error.strerror}"
    return ""


def _downloaded(each: JsonMapping, recorded: Recorded, terms: Terms, report: Report) -> str:
    """A value of a parameter that was fetched: kept, in the bundle, or fetched again."""
    path, uri = str(each["path"]), str(each["uri"])
    if os.path.exists(path) and not _differs(each, path):
        return ""
    problem = _from(terms.supplies, each, path, uri)
    if not problem or terms.offline:
        return problem
    try:
        fetch_all([(uri, path)], recorded.store, report)
    except ProjError as error:
        return f"the input {uri} cannot be fetched: {error.message}"
    return _compare(each, path, uri)


def _from(supplies: str, each: JsonMapping, path: str, shown: str) -> str:
    place = _supply(supplies, each)
    if place and os.path.exists(place):
        try:
            _copy(place, path)
        except OSError as error:
            return f"the input {shown} cannot be put to {path}: {error.strerror}"
        return ""
    return f"the input {shown} is not there"


def _compare(each: JsonMapping, path: str, shown: str) -> str:
    return f"the input {shown} has changed since" if _differs(each, path) else ""


def _differs(each: JsonMapping, path: str) -> bool:
    return reading.digest_of(path)[0] != each.get("digest")


def _supply(folder: str, each: JsonMapping) -> str:
    return os.path.join(folder, str(each.get("digest", "")).replace(":", "-")) if folder else ""


def _remove(path: str) -> None:
    import shutil

    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _copy(source: str, target: str) -> None:
    import shutil  # with its compressors, a millisecond that most clean rooms do not need

    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(source):
        shutil.copytree(source, target, symlinks=False)
    elif os.path.getsize(source) > COPIED:
        os.symlink(source, target)
    else:
        shutil.copy2(source, target)
