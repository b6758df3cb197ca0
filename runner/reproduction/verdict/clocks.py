"""Times that are written as digits alone, as `date +%j%H%M%S` writes them, and whether they are of some moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache

__all__ = ["told"]

WIDTHS = {"Y": 4, "j": 3}  # digits of the directives of strftime(3); all others have two
DATES = ("Ymd", "ymd", "dmY", "mdY", "dmy", "mdy", "Yj", "yj", "j", "md", "dm", "d", "")
TIMES = ("HMS", "HM", "H", "")
ORDER = "YymjdHMS"  # the greater part first
FRACTIONS = (0, 3, 6, 9)  # digits of a second that may follow
LEAST = 4  # digits; fewer are a number like any other
CLOCKS = (time.localtime, time.gmtime)


def told(digits: str, began: float, ended: float) -> bool:
    """Whether digits may be a moment between two (seconds since the epoch), here or in UTC, in an order that is in use.

    A time of day says nothing when there was more than half a day between the two.
    """
    for layout in _layouts().get(len(digits), ()):
        if ended - began > 43_200 and layout[0] not in "Yymdj":
            continue
        parts = [each for each in ORDER if each in layout]
        for clock in CLOCKS:
            first, last = ([time.strftime(f"%{each}", clock(at)) for each in parts] for at in (began, ended))
            found = dict(_split(digits, layout))
            said = [found[each] for each in parts]
            inside = (
                first <= said <= last if first <= last else said >= first or said <= last
            )  # past midnight
            if inside:
                return True
    return False


def _split(digits: str, layout: str) -> Iterator[tuple[str, str]]:
    at = 0
    for part in layout:
        width = WIDTHS.get(part, 2)
        yield part, digits[at : at + width]
        at += width


@lru_cache(1)
def _layouts() -> dict[int, list[str]]:
    """By the number of digits."""
    found: dict[int, list[str]] = {}
    for layout in (date + hour for date in DATES for hour in TIMES):
        length = sum(WIDTHS.get(part, 2) for part in layout)
        for more in FRACTIONS if layout.endswith("S") else (0,):
            if length >= LEAST:
                found.setdefault(length + more, []).append(layout)
    return found
