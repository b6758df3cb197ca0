"""What the two commands could see besides code, packages and parameters, where it differs: causes that can be named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from runner.running import key
from runner.running.recorded import Recorded
from runner.running.surroundings import Surroundings, load, mentioned

__all__ = ["beside", "differences", "stood"]

SHOWN = 5


def differences(old: Recorded, new: Recorded) -> Iterator[tuple[str, str]]:
    """(cause, text), the likeliest first. Of an older record, or another user's, less can be told."""
    before, after = load(old.directory), load(new.directory)
    if before is not None and after is not None:
        yield from _files(old, new, before, after)
    if old.section("command").get("stdin") in ("pipe", "file", "other"):
        yield "inputs", "something came through standard input then, and the record does not have it"
    if before is not None and after is not None:
        yield from _programs(before, after)
        one, two = key.of_run(old.run), key.of_run(new.run)
        here = before.key == after.key  # stamps of another machine say nothing
        if here and one and two and one.factors.get("modules") != two.factors.get("modules"):
            where = new.section("environment").get("interpreter") or new.section("environment").get(
                "existing"
            )
            yield "environment", f"modules that lie beside the packages of {where} are others now"
        yield from _variables(before, after, str(old.section("command").get("command", "")))
        if before.umask and after.umask and before.umask != after.umask:
            yield "environment", f"new files got other modes: umask {before.umask} -> {after.umask}"
        if before.limits and (changed := _changed(before.limits, after.limits)):
            named = (f"{name}: {before.limits.get(name)} -> {after.limits.get(name)}" for name in changed)
            yield "environment", f"the system allows other amounts: {_few(named)}"
        if before.git and not after.git:
            yield "environment", "the command or the code asks git, and the clean room is no repository"
        if before.addresses or before.remote:
            what = _few(before.addresses) or before.remote
            yield (
                "inputs",
                f"{before.remote} reads from the network ({what}), and no record has what was there",
            )


def stood(old: Recorded, new: Recorded) -> Iterator[str]:
    """What may explain a result when nothing else does."""
    before, after = load(old.directory), load(new.directory)
    if before is None or after is None:
        return
    if gone := [each for each in before.stood if each not in after.stood]:
        yield f"{_few(gone)} was there before the run, of an earlier one, and may have been read"
    if written := [name for name in _changed(before.files, after.files) if _wrote(old, new, name)]:
        yield f"{_few(written)} lies outside of the project, the run writes it, and the next one may read it"
    if gone := [each for each in before.apart if each not in after.apart]:
        yield f"the command or the code looks through folders, and {_few(gone)} is in no clean room"


def beside(recorded: Recorded) -> Iterator[str]:
    """What the run had around it that its snapshot does not have, for whoever trusts a verdict."""
    found = load(recorded.directory)
    system = ("/usr/", "/bin/", "/lib", "/sbin/", "/etc/", "/opt/", "/nix/")
    known = found.files if found else ()
    if named := [name for name in known if not name.startswith(system) and not _inside(name, recorded)]:
        yield f"{_few(named)} lies outside of the project and is not in its snapshot"
    if folders := recorded.code.folders:
        yield f"{_few(folders)} had no file that is kept with the code: it was created again, and is empty"


def _inside(path: str, recorded: Recorded) -> bool:
    """Whether a path beside the project lies in its repository, and so in the snapshot."""
    return bool(recorded.root) and path.startswith(f"{recorded.root}/")


def _files(
    old: Recorded, new: Recorded, before: Surroundings, after: Surroundings
) -> Iterator[tuple[str, str]]:
    changed = [name for name in _changed(before.files, after.files) if not _wrote(old, new, name)]
    if changed:
        yield (
            "inputs",
            f"{_few(changed)} changed: the command or the code names it, and it lies outside of the project",
        )
    gone = [name for name in before.ignored if name not in after.ignored]
    if gone:
        yield "inputs", f"{_few(gone)} is not in the snapshot (git ignores it): declare it under `inputs:`"
    if changed := _changed(before.links, after.links):
        yield "inputs", f"{_few(changed)} leads out of the project, and what is there changed"
    if before.ignored_count:
        count = before.ignored_count
        yield (
            "inputs",
            f"git ignores more than {count - 1} files of the project, and any of them may have been read",
        )


def _wrote(old: Recorded, new: Recorded, path: str) -> bool:
    """Whether one of the runs themselves has written a file last, such as a log that grows with each."""
    try:
        changed = os.stat(path).st_mtime * 1000
    except OSError:
        return False
    return old.run.start_time <= changed <= (old.run.end_time or 0) or changed >= new.run.start_time


def _programs(before: Surroundings, after: Surroundings) -> Iterator[tuple[str, str]]:
    if changed := _changed(before.programs, after.programs):
        yield "environment", f"{_few(changed)} is another program now"


def _variables(before: Surroundings, after: Surroundings, command: str) -> Iterator[tuple[str, str]]:
    if before.key != after.key:
        return
    changed = _changed(before.variables, after.variables)
    known = {*mentioned(command), *before.named, *after.named}
    if named := [name for name in changed if name in known]:
        yield "environment", f"the command or the code names {_few(named)}, and the value is another one"
    elif changed:
        yield "environment", f"variables have other values, and the program may read them: {_few(changed)}"


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]


def _few(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
