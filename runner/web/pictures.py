"""Runs as points: scatter, boxes and parallel coordinates of their parameters and last values, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runner.tracking.fold import Run
from runner.web.render import number
from runner.web.scale import Axis, Frame, Tick, finite

__all__ = ["Box", "Parallel", "Picture", "boxes", "fields", "numeric", "parallel", "scatter"]

FRAME = Frame(width=720.0, height=380.0, left=78.0, right=700.0, top=16.0, bottom=336.0)
MOST_AXES = 9
LABELS = 24  # of an axis of words


class Dot(NamedTuple):
    run_id: str
    label: str
    colour: int
    x: float
    y: float


class Picture(NamedTuple):
    x: str
    y: str
    dots: tuple[Dot, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    boxes: tuple[Box, ...] = ()
    without: tuple[str, ...] = ()  # names of runs that have no place
    frame: Frame = FRAME


class Box(NamedTuple):
    """Places of a box plot (Tukey): the whiskers reach to the least and the greatest value."""

    label: str
    x: float
    low: float
    first: float  # quartile
    middle: float
    third: float
    high: float
    values: tuple[float, ...]  # the same five numbers


class Column(NamedTuple):
    """An axis of parallel coordinates."""

    name: str
    x: float
    ticks: tuple[Tick, ...]


class Thread(NamedTuple):
    """A run across all axes."""

    run_id: str
    label: str
    colour: int
    path: str
    ys: str  # places on the axes, with spaces between; "-" where it has no value
    is_off: bool  # a brush leaves it out
    values: tuple[str, ...]


class Parallel(NamedTuple):
    columns: tuple[Column, ...]
    threads: tuple[Thread, ...]
    frame: Frame = FRAME._replace(top=40.0, bottom=364.0)  # names of the axes stand above


def fields(runs: Sequence[Run]) -> list[str]:
    """What is not the same in all of them: params.NAME first, then metrics.NAME."""
    names = dict.fromkeys(f"params.{key}" for run in runs for key in run.params)
    names |= dict.fromkeys(f"metrics.{key}" for run in runs for key in run.metrics)
    return [name for name in names if len({repr(value_of(run, name)) for run in runs}) > 1]


def numeric(runs: Sequence[Run], name: str) -> bool:
    values = [value_of(run, name) for run in runs]
    return all(value is None or _is_number(value) for value in values)


def value_of(run: Run, name: str) -> object:
    """A metric's last value, or a parameter: as a number where its text is one; None where the run has none."""
    entity, _, key = name.partition(".")
    if entity == "metrics":
        return run.metrics[key].value if key in run.metrics else None
    value = run.params.get(key)
    if isinstance(value, str):  # clients log numbers as text
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: object) -> float:
    """NaN for what is no number; infinite for a whole number that no float reaches."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class Scale:
    """Of a field: numbers in their order, words side by side."""

    def __init__(self, runs: Sequence[Run], name: str, start: float, end: float) -> None:
        values = [value_of(run, name) for run in runs]
        self._axis: Axis | None = None
        if numeric(runs, name):
            known = finite(map(_float, values))
            self._axis = Axis(min(known, default=0), max(known, default=1), start, end)
            self.ticks = tuple(self._axis.ticks())
            return
        words = sorted({_word(value) for value in values if value is not None})
        room = (end - start) / max(len(words), 1)
        self._places = {word: start + (place + 0.5) * room for place, word in enumerate(words)}
        every = math.ceil(len(words) / LABELS) or 1
        self.ticks = tuple(Tick(self._places[word], word[:16]) for word in words[::every])

    def at(self, value: object) -> float | None:
        """Pixels; None where there is no value, or an infinite one."""
        if value is None:
            return None
        if self._axis is None:
            return self._places[_word(value)]
        place = _float(value)
        return self._axis.at(place) if abs(place) < math.inf else None


def _word(value: object) -> str:
    return number(value)[:60]


def scatter(runs: Sequence[Run], colours: Sequence[int], x: str, y: str) -> Picture:
    across, up = Scale(runs, x, FRAME.left, FRAME.right), Scale(runs, y, FRAME.bottom, FRAME.top)
    dots, without = [], []
    for run, colour in zip(runs, colours, strict=True):
        place = across.at(value_of(run, x)), up.at(value_of(run, y))
        name = run.name or run.run_id[:12]
        if place[0] is None or place[1] is None:
            without.append(name)
            continue
        label = f"{name}: {x} {_shown(run, x)}, {y} {_shown(run, y)}"
        dots.append(Dot(run.run_id, label, colour, round(place[0], 1), round(place[1], 1)))
    return Picture(x, y, tuple(dots), across.ticks, up.ticks, (), tuple(without))


def boxes(runs: Sequence[Run], colours: Sequence[int], by: str, y: str) -> Picture:
    """One box for each value of `by`."""
    up = Scale(runs, y, FRAME.bottom, FRAME.top)
    groups: dict[str, list[float]] = {}
    for run in runs:
        value = _float(value_of(run, y))
        if abs(value) < math.inf:
            groups.setdefault(_shown(run, by) or "none", []).append(value)
    room = (FRAME.right - FRAME.left) / max(len(groups), 1)
    found = []
    places = {}
    for place, (label, values) in enumerate(sorted(groups.items(), key=_natural)):
        places[label] = round(FRAME.left + (place + 0.5) * room, 1)
        five = tuple(_quantile(sorted(values), share) for share in (0, 0.25, 0.5, 0.75, 1))
        low, first, middle, third, high = (up.at(each) or 0.0 for each in five)
        found.append(Box(label, places[label], low, first, middle, third, high, five))
    dots = []
    for run, colour in zip(runs, colours, strict=True):
        at = up.at(value_of(run, y))
        if at is not None:
            label = f"{run.name or run.run_id[:12]}: {y} {_shown(run, y)}"
            dots.append(Dot(run.run_id, label, colour, places[_shown(run, by) or "none"], round(at, 1)))
    ticks = tuple(Tick(each.x, each.label[:16]) for each in found)
    return Picture(by, y, tuple(dots), ticks, up.ticks, tuple(found))


def _natural(item: tuple[str, object]) -> tuple[float, str]:
    try:
        return float(item[0]), ""
    except ValueError:
        return math.inf, item[0]


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    share = place - low
    return ordered[low] * (1 - share) + ordered[high] * share  # the difference of two may be infinite


def _shown(run: Run, name: str) -> str:
    value = value_of(run, name)
    return "" if value is None else number(value)


def parallel(
    runs: Sequence[Run],
    colours: Sequence[int],
    names: Sequence[str],
    brushes: Mapping[str, tuple[float, float]],
) -> Parallel:
    """`brushes`: of an axis the part that counts, as shares of its height from the top."""
    frame = Parallel((), ()).frame
    names = names[:MOST_AXES]
    step = (FRAME.width - 2 * FRAME.left) / max(len(names) - 1, 1)
    scales = [Scale(runs, name, frame.bottom, frame.top) for name in names]
    columns = tuple(
        Column(name, round(FRAME.left + step * place, 1), scale.ticks)
        for place, (name, scale) in enumerate(zip(names, scales, strict=True))
    )
    threads = []
    for run, colour in zip(runs, colours, strict=True):
        ys = [scale.at(value_of(run, name)) for name, scale in zip(names, scales, strict=True)]
        off = False
        for name, y in zip(names, ys, strict=True):
            if name in brushes:
                low, high = (frame.top + share * (frame.bottom - frame.top) for share in brushes[name])
                off = off or y is None or not low - 0.5 <= y <= high + 0.5
        places = [(column.x, round(y, 1)) for column, y in zip(columns, ys, strict=True) if y is not None]
        threads.append(Thread(
            run.run_id, run.name or run.run_id[:12], colour,
            "M" + "L".join(f"{x:g} {y:g}" for x, y in places) if places else "",
            " ".join("-" if y is None else f"{y:.1f}" for y in ys), off, tuple(_shown(run, name) for name in names),
        ))  # fmt: skip
    return Parallel(columns, tuple(threads))
