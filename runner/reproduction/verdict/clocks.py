"""Times that are written as digits alone, as `date +%j%H%M%S` writes them, and whether they are of some moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

__all__ = ["told"]

WIDTHS = {"Y": 4, "j": 3}  # digits of the directives of strftime(3); all others have two
DATES = ("Ymd", "ymd", "dmY", "mdY", "dmy", "mdy", "Yj", "yj", "j", "md", "dm", "d", "")
TIMES = ("HMS", "HM", "H", "")
UNITS = {"S": 1, "M": 60, "H": 3600}  # s; of all others a day
FRACTIONS = (0, 3, 6, 9)  # digits of a second that may follow
LEAST = 4  # digits; fewer are a number like any other
FULL = 7  # digits of a number that may be a time: with its day, as %j%H%M
ZONES = (None, timezone.utc)  # here, and in UTC
# One of how many random numbers may be taken for a time: in a long run, nearly every HHMM is that of some minute of it.
ODDS = 500
FULL_ODDS = 100_000


class Layout(NamedTuple):
    date: str
    time: str

    @property
    def unit(self) -> int:
        """Seconds."""
        return UNITS.get(self.time[-1:], 86_400)

    @property
    def is_dated(self) -> bool:
        return "j" in self.date or "m" in self.date


def told(text: str, began: float, ended: float, *, full: bool = False) -> bool:
    """Whether digits may be a moment between two (seconds since the epoch), here or in UTC, in an order that is in use.

    A point may stand before the time of day, and before parts of a second. `full`: of the text nothing is known, it
    may be a number like any other; only what has its day is told then, and with a point only what has its year.
    """
    digits, point = text.replace(".", "", 1), text.find(".")
    if not (digits.isascii() and digits.isdigit()) or (full and len(digits) < FULL):
        return False
    for layout in _layouts().get(len(digits), ()):
        width, day = _width(layout.date + layout.time), _width(layout.date)
        if point >= 0 and point not in (day, width):
            continue
        if full and not ("Y" in layout.date and layout.time if point >= 0 else layout.is_dated):
            continue
        moments = (ended - began) // layout.unit + 1
        if moments * (FULL_ODDS if full else ODDS) > 10**width:
            continue
        fields = dict(_split(digits, layout.date + layout.time))
        if any(_is_within(fields, layout.unit, began, ended, zone) for zone in ZONES):
            return True
    return False


def _is_within(fields: dict[str, int], unit: int, began: float, ended: float, zone: timezone | None) -> bool:
    """Whether these are of a moment between the two; what they lack is as it was at one of the two."""
    first, last = (datetime.fromtimestamp(at, zone).replace(tzinfo=None) for at in (began, ended))
    for base in (first, last):
        try:
            moment = _moment(fields, base)
            if unit > 3600:  # not always 24 hours
                inside = first.date() <= moment.date() <= last.date()
            else:
                inside = any(at <= ended and at + unit > began for at in _instants(moment, zone))
        except (ValueError, OverflowError):  # there is no such day, or hour
            continue
        if inside:
            return True
    return False


def _moment(fields: dict[str, int], base: datetime) -> datetime:
    year = fields.get("Y", base.year // 100 * 100 + fields["y"] if "y" in fields else base.year)
    hour, minute, second = (fields.get(part, 0) for part in "HMS")
    if "j" in fields:
        day = datetime(year, 1, 1) + timedelta(fields["j"] - 1)
        if day.year != year:
            raise ValueError("the year has no such day")
        return datetime(day.year, day.month, day.day, hour, minute, second)
    return datetime(year, fields.get("m", base.month), fields.get("d", base.day), hour, minute, second)


def _instants(moment: datetime, zone: timezone | None) -> Iterator[float]:
    """Seconds since the epoch: twice where clocks were put back, never where they were put forward."""
    for fold in (0, 1):
        at = moment.replace(fold=fold, tzinfo=zone).timestamp()
        if datetime.fromtimestamp(at, zone).replace(tzinfo=None) == moment:
            yield at


def _width(parts: str) -> int:
    return sum(WIDTHS.get(part, 2) for part in parts)


def _split(digits: str, parts: str) -> Iterator[tuple[str, int]]:
    at = 0
    for part in parts:
        width = WIDTHS.get(part, 2)
        yield part, int(digits[at : at + width])
        at += width


@lru_cache(1)
def _layouts() -> dict[int, list[Layout]]:
    """By the number of digits."""
    found: dict[int, list[Layout]] = {}
    for layout in (Layout(date, hour) for date in DATES for hour in TIMES):
        length = _width(layout.date + layout.time)
        for more in FRACTIONS if layout.time.endswith("S") else (0,):
            if length >= LEAST:
                found.setdefault(length + more, []).append(layout)
    return found
