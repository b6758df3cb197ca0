"""`proj bundle`: one file with everything that it takes to make a run again, also without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from runner import environments, paths
from runner.data.inputs import digest_of
from runner.environments import kinds
from runner.environments.packages import packages
from runner.errors import InputError, ProjError
from runner.reproduction.bundle import archive, crate, recipe
from runner.reproduction.bundle import own as own_wheel
from runner.reproduction.bundle.archive import FOLDER, LINK, PROGRAM, Member, member_name
from runner.reproduction.bundle.supplies import folder_of
from runner.running.recorded import CannotRunError, Recorded, load
from runner.snapshots import snapshot
from runner.snapshots.leftout import SECRET
from runner.text.units import size
from runner.tracking import segments
from runner.tracking.log import encode, read
from runner.tracking.store import Store
from runner.values import Environment, EnvironmentOptions, EnvironmentSpec, Report

__all__ = ["Bundle", "make"]

LATER = ("verification",)  # events that say nothing about the run itself
RECORD = ("output.log", "output.times", "surroundings.json")


# of the archive with these members, and of what is not in it
Page: TypeAlias = Callable[[Recorded, Sequence[str], Sequence[str]], bytes]


class Bundle(NamedTuple):
    path: str
    size: int  # bytes
    members: int
    lacking: tuple[str, ...]  # what did not go in


def make(
    store: Store, ref: str, path: str, limit: int, with_packages: bool, report: Report, page: Page
) -> Bundle:
    """`limit`: in bytes, of an input that is packed. `page`: draws the page to read."""
    recorded = load(store, ref)
    if not recorded.code.tree:
        raise CannotRunError("code", f"the record of {recorded.run.name} names no snapshot of its code")
    if not recorded.project:
        raise CannotRunError("code", f"the run {recorded.run.name} has no command: proj did not start one")
    work = os.path.join(paths.temporary(), f"bundle-{os.getpid()}-{os.urandom(4).hex()}")
    os.makedirs(work)
    try:
        code = os.path.join(work, "code")
        with report.step("restoring the code"):
            snapshot.restore(recorded.store, recorded.code.tree, code, folders=recorded.code.folders)
        elsewhere = os.path.join(work, "artifacts")
        members = {**_record(recorded, "run", elsewhere), **_tree(code, "code")}
        for step in recorded.descendants():
            members |= _record(step, f"steps/{step.run.run_id}", elsewhere)
        found, lacking = _inputs(recorded, code, limit)
        members |= found
        if with_packages:
            found, more = _packages(recorded, code, os.path.join(work, "packages"), report)
            members |= found
            lacking += more
        own = own_wheel.wheel()
        wheel = f"proj/{own.name}" if own else ""
        if own:
            members[wheel] = Member(own.data)
        members[crate.README] = Member(recipe.readme(recorded, members, wheel).encode())
        members[crate.PREVIEW] = Member(page(recorded, sorted(members), lacking))
        members[crate.METADATA] = Member(crate.describe(recorded, members).encode())
        with report.step("packing"):
            try:
                archive.write(path, members)
            except OSError as error:
                raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Bundle(path, os.path.getsize(path), len(members) + 1, tuple(lacking))


def _record(recorded: Recorded, prefix: str, folder: str) -> dict[str, Member]:
    """`folder`: for artifacts that are kept elsewhere."""
    events = (event for event, _ in read(os.path.join(recorded.directory, "events.jsonl"), exact=True))
    lines = [encode(event) for event in events if event["type"] not in LATER]
    members = {f"{prefix}/events.jsonl": Member(b"".join(lines))}
    later = [
        each for each in segments.read(recorded.directory, exact=True).operations if each["type"] not in LATER
    ]
    if later:
        members[f"{prefix}/segments/{later[-1]['op']}.jsonl"] = Member(segments.dump_all(later))
    environment = recorded.section("environment")
    names = [*RECORD, *(str(environment[key]) for key in ("lock", "packages") if environment.get(key))]
    for name in names:
        file = os.path.join(recorded.directory, os.path.basename(name))
        if os.path.isfile(file) and not os.path.islink(file):  # a link may lead to anything that is ours
            members[f"{prefix}/{os.path.basename(name)}"] = Member(path=file)
    for name in recorded.run.artifacts:
        if file := recorded.artifact(name, folder):
            members[member_name(f"{prefix}/artifacts/{name}")] = Member(path=file)
    return members


def _tree(folder: str, prefix: str) -> dict[str, Member]:
    members = {}
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        if not folders and not names and parent != folder:
            members[member_name(f"{prefix}/{os.path.relpath(parent, folder)}/")] = Member(mode=FOLDER)
        for name in (*names, *links):
            file = os.path.join(parent, name)
            place = member_name(f"{prefix}/{os.path.relpath(file, folder)}")
            if os.path.islink(file):
                members[place] = Member(os.fsencode(os.readlink(file)), mode=LINK)
            elif os.access(file, os.X_OK):
                members[place] = Member(path=file, mode=PROGRAM)
            else:
                members[place] = Member(path=file)
    return members


# ---- inputs --------------------------------------------------------------------------------------------------


def _inputs(recorded: Recorded, code: str, limit: int) -> tuple[dict[str, Member], list[str]]:
    """Inputs that the snapshot does not have, if they are still what they were."""
    members: dict[str, Member] = {}
    lacking = []
    made = {str(each.get("digest")) for run in recorded.descendants() for each in run.run.outputs}
    places = [(each, recorded.root, code) for each in recorded.code.left_out]
    for run in (recorded, *recorded.descendants()):
        project = _project(run, recorded, code)
        places += [(each, run.project, project) for each in run.run.inputs if each.get("digest")]
    for each, old, new in places:
        name, digest = str(each["path"]), str(each.get("digest"))
        if str(each.get("reason", "")).startswith(SECRET):
            lacking.append(f"the file {name} {each['reason']}: it is not packed")
            continue
        source = os.path.join(old, name)
        if not os.path.isabs(name) and digest_of(os.path.join(new, name))[0] == digest:
            continue
        if digest in made:
            continue  # by a step for another one: it is with the files of its record
        if digest_of(source)[0] != digest:
            lacking.append(f"the input {name} is not there any more, or not what it was")
        elif digest_of(source)[1] > limit:
            lacking.append(f"the input {name} is larger than {size(limit)}")
        else:
            place = f"inputs/{digest.replace(':', '-')}"
            members |= _tree(source, place) if os.path.isdir(source) else {place: Member(path=source)}
    return members, lacking


def _project(run: Recorded, recorded: Recorded, code: str) -> str:
    """Where the project of a run, or of one that it started, is in the restored code."""
    inside = os.path.relpath(run.project, recorded.root) if run.project else ""
    return os.path.join(code, "" if inside.startswith("..") else inside)


# ---- packages ------------------------------------------------------------------------------------------------


def _packages(
    recorded: Recorded, code: str, folder: str, report: Report
) -> tuple[dict[str, Member], list[str]]:
    """Of the run and of those that it started: a folder for each lock."""
    notes: list[str] = []
    for each in (recorded, *recorded.descendants()):
        environment = each.section("environment")
        kind = str(environment.get("kind", ""))
        place = os.path.join(folder, folder_of(each.lock))
        if each.run.kind == "pipeline":
            continue  # its steps have environments
        if kind == "system":
            notes.append("the environment was the system's own: its packages are not packed")
        elif kind not in kinds.NAMES or environment.get("existing"):
            notes.append(
                f"the environment is of kind {kind}: it is made from its lock, which needs a network"
            )
        elif packages(each.lock) and not os.path.exists(place):
            project = _project(each, recorded, code)
            notes += _collect(
                each, EnvironmentSpec(kind, str(environment.get("file", ""))), code, project, place, report
            )
    return _tree(folder, "packages"), list(dict.fromkeys(notes))


def _collect(
    recorded: Recorded, spec: EnvironmentSpec, code: str, project: str, place: str, report: Report
) -> tuple[str, ...]:
    python = "" if kinds.load(spec.kind).LOCKS_PYTHON else recorded.section("environment").get("python", "")
    options = EnvironmentOptions(
        kept_lock=recorded.lock,
        python=recorded.options.get("python") or python,
        groups=recorded.options.get("groups", ()),
        extras=recorded.options.get("extras", ()),
        fetched=recorded.section("source").get("kind") != "local",
        moved=(code, recorded.root),
        versions=recorded.versions,
    )

    def prepared() -> Environment:
        """The recorded environment, made again if it has to be."""
        try:
            return environments.prepare(spec, project, options, report)
        except ProjError as error:
            raise CannotRunError("environment", error.message, error.hint) from None

    return kinds.maker(spec.kind).collect(recorded.lock, spec, project, place, prepared, report)
