"""Two runs compared: how they ended, every metric with its history, every output and artifact, what they printed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from runner.reproduction.verdict import children, closeness, products, wording
from runner.reproduction.verdict.closeness import SPREAD
from runner.reproduction.verdict.compared import DIFFERENT, OUTSIDE, Compared, absence
from runner.reproduction.verdict.leaves import ABSENT
from runner.reproduction.verdict.tolerance import EXACT, Tolerance, Tolerances
from runner.reproduction.verdict.wording import NOWHERE
from runner.running.recorded import Recorded
from runner.tracking import metrics

__all__ = ["by_chance", "runs"]

NUMBERS = r"0x[0-9a-f]+|\d+"
SYSTEM = "system/"  # metrics about the machine while the command ran


def runs(
    old: Recorded,
    new: Sequence[Recorded],
    tolerances: Tolerances,
    ignored: Sequence[str] = (),
    chance: bool = False,
    step: bool = False,
) -> list[Compared]:
    """`old` with its repetitions. With several, numbers without a tolerance of their own may vary as those do.

    `chance`: whatever varies in the repetitions may; what still differs has another cause. `step`: of a pipeline.
    """
    found = [
        *_end(old, new, chance),
        *_metrics(old, new, tolerances, chance),
        *_params(old, new, chance, step),
        *products.compare(old, new, tolerances, chance),
        _log(old, new[0]),
    ]
    found = [each for each in found if not any(fnmatchcase(each.name, pattern) for pattern in ignored)]
    for name, steps in children.paired(old, new).items():
        there = [each for each in steps if each is not None]
        if len(there) == len(steps):
            inner = runs(there[0], there[1:], tolerances, ignored, chance, step=True)
            found += [each._replace(name=f"{name}: {each.name}") for each in inner]
        else:
            nodes = [ABSENT if each is None else "started" for each in steps]
            found.append(absence("run", name, nodes, chance, "started"))
    return found


def by_chance(
    old: Recorded, new: Sequence[Recorded], differing: set[tuple[str, str]]
) -> tuple[set[tuple[str, str]], bool]:
    """(kind, name) of those that the repetitions explain by varying, and whether numbers are among them."""
    varying = [
        each
        for each in runs(old, new, Tolerances(), chance=True)
        if (each.kind, each.name) in differing and each.result not in DIFFERENT
    ]
    return {(each.kind, each.name) for each in varying}, any(each.absolute for each in varying)


def _end(old: Recorded, new: Sequence[Recorded], chance: bool) -> Iterator[Compared]:
    before, after = _ended(old), [_ended(each) for each in new]
    if old.run.end.get("reason") in OUTSIDE:
        detail = f"the recorded run was ended from outside ({old.run.end['reason']})"
        yield Compared("end", "exit code", "identical", detail, before, after[0])
        return
    other = next((each for each in after if each != before), before)
    same = _same([str(before), *map(str, after)], chance)
    yield Compared("end", "exit code", "identical" if same else "different", "", before, other)
    if before and other == before:
        lines = _last_lines((old, *new))
        if not _same(lines, chance):  # the same code does not say that it failed for the same reason
            now = next((line for line in lines if line != lines[0]), "")
            detail = f"{_cut(now) or 'nothing'} instead of {_cut(lines[0]) or 'nothing'}"
            yield Compared("end", "last line", "different", detail)


def _same(values: Sequence[Any], chance: bool) -> bool:
    return closeness.compare(values, [NOWHERE] * len(values), SPREAD if chance else EXACT).same


def _last_lines(runs: Sequence[Recorded]) -> list[str]:
    """Of failures: they tell why. Numbers in them (times, addresses) are chance."""
    texts = [_printed(each).strip().rpartition("\n")[2].strip() for each in runs]
    plain, _ = wording.plain(texts, [wording.of(each) for each in runs])
    return [re.sub(NUMBERS, "#", each).replace("\0", "") for each in plain]


def _ended(recorded: Recorded) -> Any:
    end = recorded.run.end
    return end.get("signal") or end.get("exit_code", recorded.run.status)


# ---- metrics -----------------------------------------------------------------------------------------------


def _metrics(
    old: Recorded, new: Sequence[Recorded], tolerances: Tolerances, chance: bool
) -> Iterator[Compared]:
    before, after = _histories(old), [_histories(each) for each in new]
    partial = old.run.end.get("reason") in OUTSIDE
    for name in sorted(before.keys() | {name for each in after for name in each}):
        if name.startswith(SYSTEM) or (partial and name not in before):
            continue
        histories = [each.get(name) for each in (before, *after)]
        there = [each for each in histories if each is not None]
        if len(there) < len(histories):
            nodes = [ABSENT if each is None else _tree(each) for each in histories]
            value = there[0][-1][1]
            values = (None, value) if histories[0] is None else (value, None)
            yield absence("metric", name, nodes, chance, "logged")._replace(old=values[0], new=values[1])
        else:
            given = tolerances.of(name)
            spread = chance or (given is None and len(new) > 1)
            yield _metric(name, there, old, new, SPREAD if spread else given or EXACT, partial)


def _metric(
    name: str,
    histories: Sequence[list[tuple[int, float]]],
    old: Recorded,
    new: Sequence[Recorded],
    tolerance: Tolerance | None,
    partial: bool,
) -> Compared:
    """The final value and the whole history; times of logging do not count."""
    trees = [_tree(each) for each in histories]
    if partial:  # what it had not come to yet is no difference
        trees[1:] = [{key: each[key] for key in trees[0] if key in each} for each in trees[1:]]
    found = closeness.compare(trees, [wording.of(each) for each in (old, *new)], tolerance)
    last = histories[0][-1][1]
    now = trees[1].get(list(trees[0])[-1], histories[1][-1][1]) if partial else histories[1][-1][1]
    counts = f"{len(trees[0])} points" if len(trees[0]) > 1 else ""
    if found.exact:
        return Compared("metric", name, "identical", counts, last, now)
    if not found.same and len(trees[0]) != len(trees[1]):
        counts = f"{len(trees[1])} points instead of {len(trees[0])}"
    detail = "; ".join(filter(None, (counts, "" if found.same else found.detail)))
    shown = f"spread of {len(new)} runs" if tolerance is None else tolerance.origin
    result = "within-tolerance" if found.same else "different"
    return Compared("metric", name, result, detail, last, now, found.absolute, found.relative, shown)


def _histories(recorded: Recorded) -> dict[str, list[tuple[int, float]]]:
    """Points (step, value) of each metric by step, in the order of the log within one.

    The same value again at the same step counts once: it may have been sent again, and how often a loop comes to
    log it within one ms is chance. So is the order in which several processes log their steps.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for key, point in metrics.points(recorded.directory):
        found.setdefault(key, []).append((point.step, point.value))
    for name, points in found.items():
        points.sort(key=lambda point: point[0])
        found[name] = [
            point for index, point in enumerate(points) if not index or repr(point) != repr(points[index - 1])
        ]
    return found


def _tree(points: Sequence[tuple[int, float]]) -> dict[str, float]:
    """By step; the second value of a step is a leaf of its own."""
    found: dict[str, float] = {}
    before, number = None, 0
    for step, value in points:  # in the order of their steps
        before, number = step, number + 1 if step == before else 1
        found[f" step {step}" + (f", value {number}" if number > 1 else "")] = value
    return found


# ---- parameters that the program itself logs -----------------------------------------------------------------


def _params(old: Recorded, new: Sequence[Recorded], chance: bool, step: bool) -> Iterator[Compared]:
    """The best depth, a number of rows: results as well. What a run was given is not, but that of a step may be."""
    every = [each.run.param_texts for each in (old, *new)]
    places = [wording.of(each) for each in (old, *new)]
    partial = old.run.end.get("reason") in OUTSIDE
    for name in sorted({name for each in every for name in each}):
        values: list[Any] = [each.get(name, ABSENT) for each in every]
        given = any(name in each.params for each in (old, *new))
        if (given and not step) or (partial and values[0] is ABSENT):
            continue
        shown = [None if each is ABSENT else each for each in values[:2]]
        if ABSENT in values:
            yield absence("param", name, values, chance, "logged")._replace(old=shown[0], new=shown[1])
            continue
        same = closeness.compare(values, places, SPREAD if chance else EXACT).same
        other = next((value for value in values[1:] if value != values[0]), values[0])
        if not (given and same):
            yield Compared("param", name, "identical" if same else "different", "", values[0], other)


# ---- what it printed --------------------------------------------------------------------------------------


def _log(old: Recorded, new: Recorded) -> Compared:
    """What was printed, without ids, folders and other names that differ from run to run."""
    places = [wording.of(each) for each in (old, new)]
    said = [_printed(each) for each in (old, new)]
    if said[0] == said[1]:
        return Compared("log", "standard output", "identical")
    (one, two), _ = wording.plain(said, places)
    before, after = one.split("\n"), two.split("\n")
    for index, (was, now) in enumerate(zip(before, after, strict=False), 1):
        if was != now and (plain := wording.plain([was, now], places)[0])[0] != plain[1]:
            return Compared("log", "standard output", "differs", f"line {index}: {_cut(was)} -> {_cut(now)}")
    if len(before) != len(after):
        return Compared("log", "standard output", "differs", f"{len(after)} lines instead of {len(before)}")
    return Compared("log", "standard output", "identical")


def _printed(recorded: Recorded) -> str:
    try:
        with open(os.path.join(recorded.directory, "output.log"), "rb") as file:
            return file.read(10_000_000).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def _cut(text: str) -> str:
    text = text.replace("\0", "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text if len(text) <= 60 else text[:57] + "..."
