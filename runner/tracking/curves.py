"""The curves of a run's metrics as columns in one derived file, extended as the run goes on; it may be deleted.

A page draws twenty metrics of fifty runs: read from the logs that would take minutes, for a point that was logged by
itself is a line of JSON. The file has, native byte order, for each metric its points ordered by step, time and value,

    step int64[n], time int64[n] (ms since the epoch), value float64[n]

and, where there are more than `MOST`, buckets of neighbouring points over the same columns (see Curve). At its end are
an index (JSON), the length of the index (int64) and `MAGIC`. Whatever does not fit is made again from the log.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from operator import lt
from typing import Any, BinaryIO, NamedTuple

from runner import paths
from runner.host import files
from runner.tracking import segments
from runner.tracking.events import ODD, Event, points_of
from runner.tracking.journal import tail
from runner.tracking.log import read_all

__all__ = ["MOST", "Columns", "Curve", "Curves", "coarser", "thin"]

MOST = 2048  # points of a metric that are drawn one by one, and at most so many buckets
MAGIC = f"proj curves 1 {sys.byteorder}\n".encode().ljust(32, b"\0")
WORD = 8  # bytes of a number
FITS = 1 << 63  # the first integer that does not fit into one
KEEP = 2048  # points that may wait before the file is written again; or a quarter of what is in it


class Columns(NamedTuple):
    """Points of one metric, by step, then time, then value; none twice."""

    steps: array[int]
    times: array[int]  # ms since the epoch
    values: array[float]

    def part(self, first: int, last: int) -> Columns:
        """From the first to before the last."""
        return Columns(self.steps[first:last], self.times[first:last], self.values[first:last])


class Curve(NamedTuple):
    """What is drawn of one metric: a bucket for each `width` neighbouring points; at width 1, the points.

    Of values that are not finite nothing is drawn: `mean` of a bucket without others is NaN.
    """

    width: int
    steps: array[int]  # of the first point of a bucket
    ends: array[int]  # steps of the last ones
    times: array[int]  # of the last ones
    means: array[float]
    lows: array[float]
    highs: array[float]
    lasts: array[float]


class Extent(NamedTuple):
    """Of a metric in the file."""

    offset: int  # bytes
    points: int
    width: int  # of a bucket; 1: there are none
    buckets: int


class Reached(NamedTuple):
    """How far the record has been read."""

    inode: int = 0
    position: int = 0
    tail: str = ""
    offsets: Mapping[str, int] = {}  # of its segments


class Curves:
    """Of one run. Not to be used by two threads at once."""

    def __init__(self, directory: str, folder: str = "") -> None:
        """`directory` of the record; `folder` for the derived file (default: in the cache)."""
        name = hashlib.sha256(os.path.realpath(directory).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._directory = directory
        self._path = os.path.join(folder or paths.scratch("curves"), name[:2], name)
        self._reached = Reached()
        self._places: dict[str, Extent] = {}
        self._fresh: dict[str, Columns] = {}  # later than the file, merged with what it has of the metric
        self._added = 0
        self._file: BinaryIO | None = None  # held: another process may put another one in its place
        self._load()

    def names(self) -> list[str]:
        return list(dict.fromkeys((*self._places, *self._fresh)))

    def refresh(self, ended: bool = False) -> bool:
        """Reads on to where the record is now; whether there was more. OSError when it cannot be read.

        `ended`: the run is over, and what is known is kept however little it is.
        """
        found, reached = self._read_on()
        if reached == self._reached:
            return False
        for name, columns in found.items():
            self._fresh[name] = merged(self.columns(name), columns)
            self._added += len(columns.steps)
        self._reached = reached
        if self._added and (ended or self._added > max(KEEP, self._count() // 4)):
            self._save()
        return True

    def count(self, name: str) -> int:
        """Points of a metric."""
        if name in self._fresh:
            return len(self._fresh[name].steps)
        return self._places[name].points if name in self._places else 0

    def columns(self, name: str) -> Columns:
        """Every point of a metric; empty ones when it has none."""
        if name in self._fresh:
            return self._fresh[name]
        place = self._places.get(name)
        if place is None:
            return Columns(array("q"), array("q"), array("d"))
        file = self._open()
        file.seek(place.offset)
        return Columns(*(_column(file, kind, place.points) for kind in "qqd"))

    def curve(self, name: str, first: int | None = None, last: int | None = None, most: int = MOST) -> Curve:
        """Of the points from step `first` to step `last`, both included, in at most `most` buckets."""
        place = self._places.get(name)
        whole = first is None and last is None and most <= MOST and name not in self._fresh
        if whole and place and place.buckets:
            return coarser(self._buckets(place), most, place.points)
        columns = self.columns(name)
        start = 0 if first is None else bisect_left(columns.steps, first)
        end = len(columns.steps) if last is None else bisect_right(columns.steps, last)
        return thin(columns.part(start, end), most)

    # ---- the record

    def _read_on(self) -> tuple[dict[str, Columns], Reached]:
        old = self._reached
        handle = files.open_handle(os.path.join(self._directory, "events.jsonl"))
        try:
            state = os.fstat(handle)
            same = state.st_ino == old.inode and state.st_size >= old.position
            if not same or tail(handle, old.position) != old.tail:
                self._forget()
                old = self._reached
            found: dict[str, Columns] = {}
            position = old.position
            if state.st_size > position or not old.inode:
                for events, after in read_all(handle, position):
                    _gather(events, found)
                    position = after
            reached = Reached(state.st_ino, position, tail(handle, position), old.offsets)
        finally:
            os.close(handle)
        if segments.names(self._directory) and segments.changed(self._directory, old.offsets):
            batch = segments.read(self._directory, old.offsets)
            _gather(batch.operations, found)
            reached = reached._replace(offsets=dict(batch.offsets))
        return found, reached

    def _forget(self) -> None:
        self.close()
        self._reached, self._places, self._fresh, self._added = Reached(), {}, {}, 0

    # ---- the file

    def _count(self) -> int:
        return sum(place.points for place in self._places.values())

    def _open(self) -> BinaryIO:
        if self._file is None:
            self._file = files.open_file(self._path)
        return self._file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    __del__ = close

    def _load(self) -> None:
        try:
            file = self._open()
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - WORD - len(MAGIC), 0))
            (length,) = _column(file, "q", 1)
            if file.read() != MAGIC or not 0 < length < size:
                raise ValueError("it is of another format, or was not finished")
            file.seek(size - WORD - len(MAGIC) - length)
            found = json.loads(file.read(length))
            self._reached = Reached(*found["reached"])
            self._places = {name: Extent(*place) for name, place in found["metrics"].items()}
        except (OSError, ValueError, TypeError, KeyError):
            self._forget()

    def _save(self) -> None:
        """What cannot be kept is read from the record again by the next one."""
        places: dict[str, Extent] = {}
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with files.Draft(self._path) as draft, open(draft, "wb") as file:
                for name in self.names():
                    columns = self.columns(name)
                    curve = thin(columns) if len(columns.steps) > MOST else None
                    width, buckets = (1, 0) if curve is None else (curve.width, len(curve.steps))
                    places[name] = Extent(file.tell(), len(columns.steps), width, buckets)
                    for column in (*columns, *(() if curve is None else curve[1:])):
                        file.write(column.tobytes())
                index = json.dumps({"reached": self._reached, "metrics": places}).encode()
                file.write(index + array("q", [len(index)]).tobytes() + MAGIC)
            new = files.open_file(self._path)
        except OSError:
            return
        self.close()
        self._places, self._fresh, self._added, self._file = places, {}, 0, new

    def _buckets(self, place: Extent) -> Curve:
        file = self._open()
        file.seek(place.offset + 3 * WORD * place.points)
        return Curve(place.width, *(_column(file, kind, place.buckets) for kind in "qqqdddd"))


def _column(file: BinaryIO, kind: str, count: int) -> array[Any]:
    """ValueError when the file ends before."""
    found: array[Any] = array(kind)
    found.frombytes(file.read(count * WORD))
    if len(found) != count:
        raise ValueError("the file is too short")
    return found


def _gather(events: Iterable[Event], found: dict[str, Columns]) -> None:
    """The points of these events, in their order. Of an event all points are right, or none counts."""
    for event in events:
        if event["type"] not in ("metric", "metrics"):
            continue
        try:
            points = points_of(event) if event["type"] == "metric" else None
            rows = _plain_rows(event["points"]) if points is None else None
            if rows is None:
                rows = [(name, *each) for name, each in points_of(event)]
        except ODD:
            continue
        for name, value, time, step in rows:
            if -FITS <= step < FITS and -FITS <= time < FITS:
                columns = found.get(name)
                if columns is None:
                    columns = found[name] = Columns(array("q"), array("q"), array("d"))
                columns.steps.append(step)
                columns.times.append(time)
                columns.values.append(value)


def _plain_rows(points: Sequence[Any]) -> Sequence[tuple[str, float, int, int]] | None:
    """Points as they are mostly written, of which nothing has to be made; None for others."""
    try:
        return points if {tuple(map(type, each)) for each in points} <= {(str, float, int, int)} else None
    except TypeError:
        return None


def merged(old: Columns, new: Columns) -> Columns:
    """A point that was sent again counts once."""
    steps = old.steps[-1:] + new.steps
    if all(map(lt, steps, steps[1:])):  # mostly: one point a step, in their order
        return Columns(old.steps + new.steps, old.times + new.times, old.values + new.values)
    found: dict[tuple[int, int, tuple[bool, float]], float] = {}
    for columns in (old, new):
        for step, time, value in zip(*columns, strict=True):
            found[step, time, _key(value)] = value
    places = sorted(found)
    return Columns(
        array("q", [each[0] for each in places]),
        array("q", [each[1] for each in places]),
        array("d", [found[each] for each in places]),
    )


def _key(value: float) -> tuple[bool, float]:
    """NaN is equal to itself, and less than all others."""
    return (True, value) if value == value else (False, 0.0)


def thin(columns: Columns, most: int = MOST) -> Curve:
    """Neighbouring points together, as many as it takes, a power of two: with one more point little changes."""
    width = 1
    while len(columns.steps) > most * width:
        width *= 2
    if width == 1:
        values = columns.values
        return Curve(1, columns.steps, columns.steps, columns.times, values, values, values, values)
    starts = range(0, len(columns.steps), width)
    buckets = zip(*(_bucket(columns.part(start, start + width)) for start in starts), strict=True)
    return Curve(width, *(array(kind, column) for kind, column in zip("qqqdddd", buckets, strict=True)))


def coarser(curve: Curve, most: int, points: int) -> Curve:
    """Neighbouring buckets together, two and two, until there are at most `most`; `points` are in all of them.

    The mean of a bucket is that of its halves, by their points; of a half without finite values nothing is in it.
    """
    while len(curve.steps) > most:
        count = len(curve.steps)
        rest = points - curve.width * (count - 1)  # in the last one
        odd = count % 2
        both, least, greatest = (_mean, min, max) if _plain(curve) else (_mean_of_some, _least, _greatest)
        means = array("d", map(both, curve.means[::2], curve.means[1::2]))
        lows = array("d", map(least, curve.lows[::2], curve.lows[1::2]))
        highs = array("d", map(greatest, curve.highs[::2], curve.highs[1::2]))
        if odd:
            means.append(curve.means[-1])
            lows.append(curve.lows[-1])
            highs.append(curve.highs[-1])
        elif isfinite(curve.means[-1]) and isfinite(curve.means[-2]):
            share = curve.width / (curve.width + rest)
            means[-1] = curve.means[-2] * share + curve.means[-1] * (1 - share)
        ends, times, lasts = curve.ends[1::2], curve.times[1::2], curve.lasts[1::2]
        if odd:
            ends.append(curve.ends[-1])
            times.append(curve.times[-1])
            lasts.append(curve.lasts[-1])
        curve = Curve(curve.width * 2, curve.steps[::2], ends, times, means, lows, highs, lasts)
    return curve


def _plain(curve: Curve) -> bool:
    """Every bucket has finite values."""
    return isfinite(sum(curve.means))


def _mean(one: float, two: float) -> float:
    return one / 2 + two / 2


def _mean_of_some(one: float, two: float) -> float:
    return two if one != one else one if two != two else one / 2 + two / 2


def _least(one: float, two: float) -> float:
    return two if one != one else one if two != two else min(one, two)


def _greatest(one: float, two: float) -> float:
    return two if one != one else one if two != two else max(one, two)


def _bucket(part: Columns) -> tuple[int, int, int, float, float, float, float]:
    values: Iterable[float] = part.values
    total = sum(values)
    if not abs(total) < float("inf"):  # one of them, or their sum, is not finite
        values = [value for value in values if abs(value) < float("inf")]
        total = sum(values)
    count = len(values)  # type: ignore[arg-type]
    if not count:
        nan = float("nan")
        return part.steps[0], part.steps[-1], part.times[-1], nan, nan, nan, part.values[-1]
    mean = total / count if abs(total) < float("inf") else sum(value / count for value in values)
    return part.steps[0], part.steps[-1], part.times[-1], mean, min(values), max(values), part.values[-1]
