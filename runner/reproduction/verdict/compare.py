"""Two runs compared: how they ended, every metric with its history, every output and artifact, what they printed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from runner.reproduction.verdict import products
from runner.reproduction.verdict.closeness import Finding, number
from runner.reproduction.verdict.compared import DIFFERENT, OUTSIDE, Compared
from runner.reproduction.verdict.tolerance import EXACT, Tolerance, Tolerances, spread
from runner.running.recorded import Recorded
from runner.tracking.fold import Metric

__all__ = ["DIFFERENT", "Compared", "runs", "varying"]

ENDPOINT = re.compile(r"(?<=127\.0\.0\.1):\d+")  # an MLflow client prints where it logs to
NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")
SYSTEM = "system/"  # metrics about the machine while the command ran


def runs(
    old: Recorded, new: Sequence[Recorded], tolerances: Tolerances, ignored: Sequence[str] = ()
) -> list[Compared]:
    """`old` with its repetitions. With several, numbers without a tolerance of their own may vary as those do."""
    first = new[0]
    found = [
        *_end(old, new),
        *_metrics(old, new, tolerances),
        *_params(old, new),
        *products.compare(old, new, tolerances),
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
    first, *others = (each._replace(untouched=()) for each in new)
    for other in others:
        for each in runs(first, [other], Tolerances()):
            if each.result in DIFFERENT:
                found.add((each.kind, each.name))
    return found


def _end(old: Recorded, new: Sequence[Recorded]) -> Iterator[Compared]:
    before, after = _ended(old), [_ended(each) for each in new]
    if old.run.end.get("reason") in OUTSIDE:
        detail = f"the recorded run was ended from outside ({old.run.end['reason']})"
        yield Compared("end", "exit code", "identical", detail, before, after[0])
        return
    other = next((each for each in after if each != before), before)
    yield Compared("end", "exit code", "identical" if other == before else "different", "", before, other)
    if before and other == before:
        was, now = (_last_line(each) for each in (old, new[0]))
        if was != now:  # the same code does not say that it failed for the same reason
            detail = f"{_cut(now) or 'nothing'} instead of {_cut(was) or 'nothing'}"
            yield Compared("end", "last line", "different", detail)


def _last_line(recorded: Recorded) -> str:
    """Of a failure: it tells why. Numbers in it (times, addresses) are chance."""
    return NUMBERS.sub("#", _printed(recorded).strip().rpartition("\n")[2].strip())


def _ended(recorded: Recorded) -> Any:
    end = recorded.run.end
    return end.get("signal") or end.get("exit_code", recorded.run.status)


# ---- metrics -----------------------------------------------------------------------------------------------


def _metrics(old: Recorded, new: Sequence[Recorded], tolerances: Tolerances) -> list[Compared]:
    before = old.histories()
    after = [each.histories() for each in new]
    partial = old.run.end.get("reason") in OUTSIDE
    found = []
    for name in sorted(before.keys() | {name for each in after for name in each}):
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


# ---- parameters that the program itself logs -----------------------------------------------------------------


def _params(old: Recorded, new: Sequence[Recorded]) -> Iterator[Compared]:
    """The best depth, a number of rows: results as well. What it was given is not: that was the same."""
    before, after = _logged(old), [_logged(each) for each in new]
    partial = old.run.end.get("reason") in OUTSIDE
    for name in sorted(before.keys() | {name for each in after for name in each}):
        values = [each[name] for each in after if name in each]
        if name not in before:
            if not partial:
                yield Compared("param", name, "added", "it was not logged then", None, values[0])
        elif len(values) < len(after):
            yield Compared("param", name, "missing", "it is not logged now", before[name])
        else:
            other = next((value for value in values if value != before[name]), before[name])
            result = "identical" if other == before[name] else "different"
            yield Compared("param", name, result, "", before[name], other)


def _logged(recorded: Recorded) -> dict[str, str]:
    return {
        name: _without_place(text, recorded)
        for name, text in recorded.run.param_texts.items()
        if name not in recorded.params
    }


# ---- what it printed --------------------------------------------------------------------------------------


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
    return ENDPOINT.sub("", _without_place(text, recorded))


def _without_place(text: str, recorded: Recorded) -> str:
    for volatile in (recorded.root, recorded.run.run_id, recorded.run.name):
        if volatile:
            text = text.replace(volatile, "")
    return text


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
