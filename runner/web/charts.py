"""Line charts as SVG, drawn on the server: they need no script, and stand in a page that is opened in ten years."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from runner.errors import InputError
from runner.web.scale import Axis, Frame, Tick, finite, smooth
from runner.web.series import Line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import QueryParams

__all__ = ["Chart", "Curve", "Look", "chart", "look", "spikes", "state"]

FRAME = Frame(width=560.0, height=240.0, left=64.0, right=548.0, top=10.0, bottom=214.0)
KEYS = ("x", "logx", "logy", "smooth", "cut", "group", "first", "last")  # of an address
BANDED = 1  # lines for which the space between least and greatest values is drawn
FAR = 8  # times the usual height of a bucket: a spike, drawn also where there is no band


class Look(NamedTuple):
    log_x: bool = False
    log_y: bool = False
    smooth: float = 0  # 0 to 100
    outliers: bool = True  # the axis reaches to the farthest values; else to those of 98 of 100


class Curve(NamedTuple):
    label: str
    colour: int  # number of a class in chart.css
    paths: tuple[str, ...]  # `d` of SVG paths: one for each piece between gaps
    band: str  # `d` of the space between the least and the greatest values; "" for none
    spikes: str  # `d` of upright lines, from the least to the greatest value of a bucket that stands out
    dots: tuple[tuple[float, float], ...]  # points that stand alone


class Chart(NamedTuple):
    title: str
    x: str
    lines: tuple[Curve, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    left_out: int  # values that a logarithmic axis has no place for
    frame: Frame = FRAME


def look(given: QueryParams | Mapping[str, str]) -> Look:
    """InputError for a number that is none."""
    try:
        amount = float(given.get("smooth") or 0)
    except ValueError:
        amount = -1
    if not 0 <= amount <= 100:
        raise InputError(f"smoothing by {given.get('smooth')!r} cannot be", "a number from 0 to 100")
    return Look(bool(given.get("logx")), bool(given.get("logy")), amount, not given.get("cut"))


def state(given: QueryParams, run_ids: Sequence[str]) -> dict[str, object]:
    """What the address of a chart says, for links to others like it."""
    return {"run": list(run_ids), **{key: given.get(key, "") for key in KEYS}}


def chart(
    title: str,
    lines: Sequence[Line],
    x: str = "step",
    how: Look = Look(),  # noqa: B008
    each: Callable[[Sequence[Line]], Iterable[Line]] = iter,
) -> Chart:
    """What is not finite, or has no place on a logarithmic axis, is a gap. `each` gives the lines, and may end that."""
    means = any(line.members > 1 for line in lines)
    shown = [line for line in lines if not line.run_id] if means else list(lines)
    places = [place for line in shown for ends in (line.xs, line.ends) for place in finite(ends, how.log_x)]
    columns = [column for line in shown for column in (line.lows, line.highs)]
    values = [value for column in columns for value in finite(column, how.log_y)]
    if not how.outliers and values:
        values = _usual(values)
    kind = "log" if how.log_x else {"step": "whole", "time": "time"}.get(x, "")
    across = Axis(min(places, default=1), max(places, default=2), FRAME.left, FRAME.right, kind)
    up = Axis(
        min(values, default=1.0),
        max(values, default=2.0),
        FRAME.bottom,
        FRAME.top,
        "log" if how.log_y else "",
    )
    banded = len(shown) <= BANDED or means
    drawn = tuple(_curve(line, across, up, banded, how) for line in each(shown))
    lost = sum(value <= 0 for line in shown for value in line.means) if how.log_y else 0
    lost += sum(place <= 0 for line in shown for place in line.ends) if how.log_x else 0
    return Chart(title, x, drawn, tuple(across.ticks()), tuple(up.ticks()), lost)


def _usual(values: list[float]) -> list[float]:
    ordered = sorted(values)
    return ordered[len(ordered) // 100 : len(ordered) - len(ordered) // 100]


def _curve(line: Line, across: Axis, up: Axis, banded: bool, how: Look) -> Curve:
    paths, dots, band, upright = [], [], [], []
    log = (how.log_x, how.log_y)
    wide = line.width > 1 or line.members > 1

    def low(place: int) -> float:
        value = line.lows[place]
        return up.at(value) if value > 0 or not how.log_y else FRAME.bottom

    for piece in _pieces(line, log):
        xs = [across.at(line.xs[place] / 2 + line.ends[place] / 2) for place in piece]
        ys = [up.at(value) for value in smooth([line.means[place] for place in piece], how.smooth)]
        if len(piece) == 1:
            dots.append((xs[0], ys[0]))
        else:
            paths.append("M" + "L".join(f"{x:g} {y:g}" for x, y in zip(xs, ys, strict=True)))
        if wide and banded:
            lower = [f"{x:g} {low(place):g}" for x, place in zip(xs, piece, strict=True)]
            upper = [f"{x:g} {up.at(line.highs[place]):g}" for x, place in zip(xs, piece, strict=True)]
            band.append("M" + "L".join((*lower, *reversed(upper))) + "Z")
        elif wide:
            tall = {place for place, _, _ in spikes(line)}
            upright += [
                f"M{x:g} {low(place):g}V{up.at(line.highs[place]):g}"
                for x, place in zip(xs, piece, strict=True)
                if place in tall
            ]
    return Curve(line.name, line.colour, tuple(paths), "".join(band), "".join(upright), tuple(dots))


def spikes(line: Line) -> list[tuple[int, float, float]]:
    """Buckets that reach much farther than is usual: place, least and greatest value."""
    pairs = list(zip(line.lows, line.highs, strict=True))
    heights = sorted(high - low for low, high in pairs if low <= high)
    far = FAR * heights[len(heights) // 2] if heights else 0.0
    return [(place, low, high) for place, (low, high) in enumerate(pairs) if high - low > far]


def _pieces(line: Line, log: tuple[bool, bool]) -> Iterator[list[int]]:
    piece: list[int] = []
    for place, value in enumerate(line.means):
        there = abs(value) < math.inf and (value > 0 or not log[1])
        if there and (not log[0] or line.xs[place] > 0):
            piece.append(place)
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece
