"""The files that two runs left, compared: artifacts, and declared outputs, which are among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from runner import paths
from runner.reproduction.verdict import closeness, renamed, wording
from runner.reproduction.verdict.closeness import SPREAD
from runner.reproduction.verdict.compared import OUTSIDE, Compared, absence
from runner.reproduction.verdict.leaves import ABSENT
from runner.reproduction.verdict.tolerance import EXACT, Tolerance, Tolerances
from runner.running.recorded import Recorded

__all__ = ["CAME", "compare", "untouched"]

CAME = "not written now: it came with the code"
OLDER = "it was not written now: what lies there is older"


def compare(
    old: Recorded, new: Sequence[Recorded], tolerances: Tolerances, chance: bool = False
) -> Iterator[Compared]:
    """File by file; one that is not kept by its hash. With several `new` ones, all of them have to have it."""
    before, after = _digests(old, old), [_digests(each, old) for each in new]
    declared = {_home(str(each["path"]), run, old) for run in (old, *new) for each in run.run.outputs}
    stood = {str(name) for each in old.run.outputs for name in each.get("found") or ()}
    called = renamed.partners(before, after)
    others = {name for names in called.values() for name in names}
    for name in sorted(before.keys() | {name for each in after for name in each} - others):
        kind = (
            "output" if any(name == each or name.startswith(f"{each}/") for each in declared) else "artifact"
        )
        digests: list[Any] = [each.get(name, ABSENT) for each in (before, *after)]
        if name not in before and old.run.end.get("reason") in OUTSIDE:
            continue
        if name in stood and all(each is ABSENT for each in digests[1:]):
            continue  # of an earlier run
        if name in called:
            names = (name, *called[name])
            digests = [each[one] for each, one in zip((before, *after), names, strict=True)]
            yield _renamed(kind, names, (old, *new), chance or len(new) > 1, len(set(digests)) == 1)
        elif ABSENT in digests:
            yield absence(kind, name, digests, chance, "written")
        elif os.path.isabs(name) and any(name in each.untouched for each in new):
            yield Compared(kind, name, "missing", OLDER)
        elif digests.count(digests[0]) == len(digests):
            untouched = any(f"{name}/".startswith(f"{each}/") for each in new[0].untouched)
            yield Compared(kind, name, "identical", CAME if untouched else "")
        else:
            given = tolerances.of(name)
            spread = chance or (given is None and len(new) > 1)
            yield _file(kind, name, (old, *new), SPREAD if spread else given or EXACT)


def _renamed(kind: str, names: Sequence[str], runs: Sequence[Recorded], chance: bool, same: bool) -> Compared:
    """Of a file that has another name in each run; that is chance like any other."""
    detail = f"it is called {names[1]} now"
    if not (chance and closeness.compare(names, [wording.of(each) for each in runs], SPREAD).same):
        return Compared(kind, names[0], "missing", detail)
    found = None if same else _file(kind, names[0], runs, SPREAD, names)
    if found is None or found.result == "within-tolerance":
        return Compared(kind, names[0], "within-tolerance", detail)
    return found


def _digests(recorded: Recorded, old: Recorded) -> dict[str, str]:
    found = {path: str(facts.get("digest")) for path, facts in recorded.run.artifacts.items()}
    declared = {str(each["path"]): str(each.get("digest")) for each in recorded.run.outputs}
    for each in recorded.run.outputs:
        found |= {name: f"link:{leads}" for name, leads in (each.get("links") or {}).items()}
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


def _file(
    kind: str,
    name: str,
    runs: Sequence[Recorded],
    tolerance: Tolerance | None,
    names: Sequence[str] = (),
) -> Compared:
    """`names`: of the file in each run, where they are not one."""
    from tempfile import TemporaryDirectory

    # its readers take longer to load than a run that is identical
    from runner.reproduction.verdict import formats

    with TemporaryDirectory(dir=paths.temporary()) as folder:
        kept = [
            os.path.basename(each) if os.path.isabs(each) else each for each in names or [name] * len(runs)
        ]
        files = [run.artifact(each, folder) for run, each in zip(runs, kept, strict=True)]
        if not all(files):
            return Compared(kind, name, "different", "the hashes differ, and the files are not kept")
        found = formats.files(files, [wording.of(each) for each in runs], tolerance)
    result = "within-tolerance" if found.same else "different"
    shown, detail = tolerance.origin if tolerance else "", found.detail
    if tolerance is SPREAD and found.same:
        shown = f"spread of {len(runs) - 1} runs"
        if found.varies:
            detail = f"never twice the same: {', '.join(found.varies[:5]) or 'all of it'}"
    return Compared(kind, name, result, detail, None, None, found.absolute, found.relative, shown)


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
