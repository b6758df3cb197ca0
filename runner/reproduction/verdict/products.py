"""The files that two runs left, compared: artifacts, and declared outputs, which are among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from tempfile import TemporaryDirectory

from runner import paths
from runner.reproduction.verdict import comparators
from runner.reproduction.verdict.compared import OUTSIDE, Compared
from runner.reproduction.verdict.tolerance import EXACT, Tolerance, Tolerances, spread
from runner.running.recorded import Recorded

__all__ = ["CAME", "compare", "untouched"]

CAME = "not written now: it came with the code"
OLDER = "it was not written now: what lies there is older"
LARGE = 10_000_000  # bytes; in larger files no folder's name is looked for


def compare(old: Recorded, new: Sequence[Recorded], tolerances: Tolerances) -> Iterator[Compared]:
    """File by file; one that is not kept by its hash. With several `new` ones, all of them have to have it."""
    before, after = _digests(old, old), [_digests(each, old) for each in new]
    declared = {_home(str(each["path"]), run, old) for run in (old, *new) for each in run.run.outputs}
    for name in sorted(before.keys() | {name for each in after for name in each}):
        kind = (
            "output" if any(name == each or name.startswith(f"{each}/") for each in declared) else "artifact"
        )
        untouched = any(f"{name}/".startswith(f"{each}/") for each in new[0].untouched)
        if name not in before and old.run.end.get("reason") in OUTSIDE:
            continue
        if name not in before:
            yield Compared(kind, name, "added", "it was not written then")
        elif not all(name in each for each in after):
            yield Compared(kind, name, "missing", "it was not written now")
        elif os.path.isabs(name) and any(name in each.untouched for each in new):
            yield Compared(kind, name, "missing", OLDER)
        elif all(before[name] == each[name] for each in after):
            detail = CAME if untouched else ""
            yield Compared(kind, name, "identical", detail)
        else:
            yield _file(kind, name, old, new, tolerances.of(name))


def _digests(recorded: Recorded, old: Recorded) -> dict[str, str]:
    found = {path: str(facts.get("digest")) for path, facts in recorded.run.artifacts.items()}
    declared = {str(each["path"]): str(each.get("digest")) for each in recorded.run.outputs}
    for path, digest in declared.items():
        copy = os.path.basename(path)  # of one outside the project; `_file` looks for it
        if os.path.isabs(path) and copy not in declared and found.get(copy) == digest:
            del found[copy]
        if path not in found and not any(name.startswith(f"{path}/") for name in found):
            found[_home(path, recorded, old)] = digest
    return found


def _home(path: str, recorded: Recorded, old: Recorded) -> str:
    """`../out.txt` is recorded as an absolute path, and lies beside the clean room now: as it was called then."""
    if not os.path.isabs(path) or not recorded.project or recorded is old:
        return path
    there = {str(each["path"]) for each in old.run.outputs}
    moved = os.path.normpath(os.path.join(old.project, os.path.relpath(path, recorded.project)))
    return moved if path not in there and moved in there else path


def _file(kind: str, name: str, old: Recorded, new: Sequence[Recorded], given: Tolerance | None) -> Compared:
    with TemporaryDirectory(dir=paths.temporary()) as folder:
        kept = os.path.basename(name) if os.path.isabs(name) else name
        files = [each.artifact(kept, folder) for each in (old, *new)]
        if not all(files):
            return Compared(kind, name, "different", "the hashes differ, and the files are not kept")
        found = comparators.files(files[0], files[1], given or EXACT)
        plain = _plain(files[0], old)
        if not found.same and plain is not None and plain == _plain(files[1], new[0]):
            found = found._replace(same=True, detail="the same but for the folder of the project")
        allowed, varies = EXACT, False
        if not found.same and given is None and len(new) > 1:
            allowed, varies = _allowed(files[1:])
            found = comparators.files(files[0], files[1], allowed)
    shown = given.origin if given else ""
    result = "within-tolerance" if found.same else "different"
    if varies:
        shown = f"spread of {len(new)} runs"
        if not found.absolute:  # no numbers: nobody can tell how far it may be off
            result, found = "within-tolerance", found._replace(detail="it is never twice the same")
    return Compared(kind, name, result, found.detail, None, None, found.absolute, found.relative, shown)


def _allowed(files: Sequence[str]) -> tuple[Tolerance, bool]:
    """How far one more may be from the first, as the others are; and whether they differ at all."""
    found = [comparators.files(files[0], each, EXACT) for each in files[1:]]
    centre, width = spread([0.0, *(each.absolute for each in found)])
    return Tolerance(centre + width), any(not each.same for each in found)


def _plain(path: str, recorded: Recorded) -> bytes | None:
    """Text without the folder that it was made in; None for what is no text."""
    if os.path.getsize(path) > LARGE or not recorded.root:
        return None
    with open(path, "rb") as file:
        data = file.read()
    return None if b"\0" in data else data.replace(os.fsencode(recorded.root), b"")


def untouched(recorded: Recorded, outside: Callable[[str], str]) -> tuple[str, ...]:
    """Declared outputs that nobody wrote since the run began. To be asked while its folder is there.

    `outside`: where a path that the command saw lies for us.
    """
    found = []
    for each in recorded.run.outputs:
        path = outside(os.path.join(recorded.project, str(each["path"])))
        inside = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
        try:
            # ctime, which no program can set: `cp -p` puts mtime back
            last = max(os.lstat(file).st_ctime_ns for file in (path, *inside))
        except OSError:
            continue
        if last // 1_000_000 <= recorded.run.start_time:
            found.append(str(each["path"]))
    return tuple(found)
