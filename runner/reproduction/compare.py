"""Two runs compared: how they ended, every metric with its history, every output and artifact, what they printed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from runner import paths
from runner.hashing import digest
from runner.reproduction import comparators
from runner.reproduction.closeness import Finding, number
from runner.reproduction.recorded import Recorded
from runner.reproduction.tolerance import EXACT, Tolerance, Tolerances, spread
from runner.tracking.fold import Metric

__all__ = ["DIFFERENT", "Compared", "runs", "varying"]

DIFFERENT = ("different", "missing", "added")
# reasons of an end that came from outside: how far the command got is chance
OUTSIDE = ("interrupted", "cancelled", "timeout", "lost", "rebooted", "memory")
ENDPOINT = re.compile(r"(?<=127\.0\.0\.1):\d+")  # an MLflow client prints where it logs to
SYSTEM = "system/"  # metrics about the machine while the command ran


class Compared(NamedTuple):
    kind: str  # end, metric, output, artifact, log
    name: str
    result: str  # identical, within-tolerance, different, missing, added; log: identical or differs
    detail: str = ""
    old: Any = None
    new: Any = None
    absolute: float = 0.0  # greatest difference
    relative: float = 0.0
    tolerance: str = ""  # that was applied: as given, or "spread of 5 runs"

    @property
    def counts(self) -> bool:
        return self.kind != "log"


def runs(
    old: Recorded, new: Sequence[Recorded], tolerances: Tolerances, ignored: Sequence[str] = ()
) -> list[Compared]:
    """`old` with its repetitions. With several, numbers without a tolerance of their own may vary as those do."""
    first = new[0]
    found = [
        _end(old, first),
        *_metrics(old, new, tolerances),
        *_files(old, new, tolerances),
        _log(old, first),
    ]
    found = [each for each in found if not any(fnmatchcase(each.name, pattern) for pattern in ignored)]
    for name, steps in _steps(old, new).items():
        if isinstance(steps, Compared):
            found.append(steps)
            continue
        for each in runs(steps[0], steps[1:], tolerances, ignored):
            found.append(each._replace(name=f"{name}: {each.name}"))
    return found


def _steps(old: Recorded, new: Sequence[Recorded]) -> dict[str, list[Recorded] | Compared]:
    """The runs that each of them started, side by side: the first `train` with the first `train`."""
    named = [_named(each) for each in (old, *new)]
    found: dict[str, list[Recorded] | Compared] = {}
    for name in dict.fromkeys(name for each in named for name in each):
        there = [each[name] for each in named if name in each]
        if len(there) == len(named):
            found[name] = there
        elif name in named[0]:
            found[name] = Compared("run", name, "missing", "it was not started now")
        elif name in named[1]:
            found[name] = Compared("run", name, "added", "it was not started then")
    return found


def _named(recorded: Recorded) -> dict[str, Recorded]:
    found: dict[str, Recorded] = {}
    for each in recorded.children:
        name = each.run.entry_point or "run"
        number = 1 + sum(other == name or other.startswith(f"{name} #") for other in found)
        found[name if number == 1 else f"{name} #{number}"] = each
    return found


def varying(new: Sequence[Recorded]) -> set[tuple[str, str]]:
    """(kind, name) of what the repetitions do not agree about."""
    found = set()
    for other in new[1:]:
        for each in runs(new[0], [other], Tolerances()):
            if each.result in DIFFERENT:
                found.add((each.kind, each.name))
    return found


def _end(old: Recorded, new: Recorded) -> Compared:
    before, after = _ended(old), _ended(new)
    if old.run.end.get("reason") in OUTSIDE:
        detail = f"the recorded run was ended from outside ({old.run.end['reason']})"
        return Compared("end", "exit code", "identical", detail, before, after)
    return Compared("end", "exit code", "identical" if before == after else "different", "", before, after)


def _ended(recorded: Recorded) -> Any:
    end = recorded.run.end
    return end.get("signal") or end.get("exit_code", recorded.run.status)


# ---- metrics -----------------------------------------------------------------------------------------------


def _metrics(old: Recorded, new: Sequence[Recorded], tolerances: Tolerances) -> list[Compared]:
    before = old.histories()
    after = [each.histories() for each in new]
    partial = old.run.end.get("reason") in OUTSIDE
    found = []
    for name in sorted(before.keys() | after[0].keys()):
        if name.startswith(SYSTEM):
            continue
        there = [each[name] for each in after if name in each]
        if name not in before:
            if not partial:
                found.append(
                    Compared("metric", name, "added", "it was not logged then", None, there[0][-1].value)
                )
        elif len(there) < len(after):
            found.append(Compared("metric", name, "missing", "it is not logged now", before[name][-1].value))
        else:
            found.append(_metric(name, before[name], there, tolerances.of(name), partial))
    return found


def _metric(
    name: str, old: list[Metric], new: list[list[Metric]], given: Tolerance | None, partial: bool
) -> Compared:
    """The final value and the whole history; times of logging do not count."""
    first = new[0][: len(old)] if partial else new[0]
    last, now = old[-1].value, first[-1].value
    if [point.step for point in old] != [point.step for point in first]:
        detail = f"{len(first)} points instead of {len(old)}" if len(first) != len(old) else "other steps"
        return Compared("metric", name, "different", detail, last, now)
    use_spread = given is None and len(new) > 1 and all(len(each) == len(new[0]) for each in new)
    tolerance = given or EXACT
    failed, greatest = Finding(True), Finding(True)
    for index, point in enumerate(old):
        target = first[index].value
        allowed = tolerance
        if use_spread:
            target, width = spread([each[index].value for each in new])
            allowed = Tolerance(width)
        one = number(point.value, target, allowed, f"step {point.step}")
        exact = number(point.value, first[index].value, EXACT)
        if not one.same:
            failed = one  # the last one that fails is nearest to the final value
        greatest = greatest._replace(
            absolute=max(greatest.absolute, exact.absolute), relative=max(greatest.relative, exact.relative)
        )
    history = f"{len(old)} points" if len(old) > 1 else ""
    same = all(number(one.value, two.value, EXACT).same for one, two in zip(old, first, strict=True))
    varies = use_spread and any([p.value for p in each] != [p.value for p in new[0]] for each in new)
    if same and not varies:
        return Compared("metric", name, "identical", history, last, now)
    shown = f"spread of {len(new)} runs" if use_spread else tolerance.origin
    result = "within-tolerance" if failed.same else "different"
    detail = history if failed.same or len(old) == 1 else f"{history}; {failed.detail}"
    return Compared("metric", name, result, detail, last, now, greatest.absolute, greatest.relative, shown)


# ---- files -------------------------------------------------------------------------------------------------


def _files(old: Recorded, new: Sequence[Recorded], tolerances: Tolerances) -> list[Compared]:
    """Artifacts file by file; declared outputs are among them, one that is not kept is compared by its hash."""
    before, after = _digests(old), [_digests(each) for each in new]
    declared = {str(each["path"]) for each in (*old.run.outputs, *new[0].run.outputs)}
    found = []
    for name in sorted(before.keys() | after[0].keys()):
        kind = (
            "output" if any(name == each or name.startswith(f"{each}/") for each in declared) else "artifact"
        )
        if name not in after[0]:
            found.append(Compared(kind, name, "missing", "it was not written now"))
        elif name not in before:
            found.append(Compared(kind, name, "added", "it was not written then"))
        elif before[name] == after[0][name] and all(before[name] == each.get(name) for each in after):
            found.append(Compared(kind, name, "identical"))
        else:
            found.append(_file(kind, name, old, new, tolerances.of(name)))
    return found


def _digests(recorded: Recorded) -> dict[str, str]:
    found = {path: str(facts.get("digest")) for path, facts in recorded.run.artifacts.items()}
    for each in recorded.run.outputs:
        path = str(each["path"])
        if path not in found and not any(name.startswith(f"{path}/") for name in found):
            found[path] = str(each.get("digest"))
    return found


def _file(kind: str, name: str, old: Recorded, new: Sequence[Recorded], given: Tolerance | None) -> Compared:
    with TemporaryDirectory(dir=paths.temporary()) as folder:
        files = [each.artifact(name, folder) for each in (old, *new)]
        if not all(files):
            return Compared(kind, name, "different", "the hashes differ, and the files are not kept")
        found = comparators.files(files[0], files[1], given or EXACT)
        varies = not found.same and given is None and len({digest(path).digest for path in files[1:]}) > 1
    shown = given.origin if given else ""
    result = "within-tolerance" if found.same else "different"
    if varies:
        found = found._replace(detail="it is never twice the same")
        result, shown = "within-tolerance", f"spread of {len(new)} runs"
    return Compared(kind, name, result, found.detail, None, None, found.absolute, found.relative, shown)


def _log(old: Recorded, new: Recorded) -> Compared:
    """What was printed, without ids and folders that differ from run to run."""
    one, two = _printed(old), _printed(new)
    if one == two:
        return Compared("log", "standard output", "identical")
    before, after = one.splitlines(), two.splitlines()
    for index, (was, now) in enumerate(zip(before, after, strict=False), 1):
        if was != now:
            return Compared("log", "standard output", "differs", f"line {index}: {_cut(was)} -> {_cut(now)}")
    return Compared("log", "standard output", "differs", f"{len(after)} lines instead of {len(before)}")


def _printed(recorded: Recorded) -> str:
    try:
        with open(os.path.join(recorded.directory, "output.log"), "rb") as file:
            text = file.read(10_000_000).decode("utf-8", "replace")
    except OSError:
        return ""
    for volatile in (recorded.root, recorded.run.run_id, recorded.run.name):
        if volatile:
            text = text.replace(volatile, "")
    return ENDPOINT.sub("", text)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
