"""Small plots of a metric's history in plain Unicode."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["sparkline"]

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """One line of bars, at most `width` long. A piece without a finite number is a blank."""
    pieces = shrink(values, width)
    finite = [value for value in pieces if value is not None]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    span = high - low
    return "".join(
        " " if value is None else BARS[int((value - low) / span * (len(BARS) - 1) + 0.5) if span else 3]
        for value in pieces
    )


def shrink(values: Sequence[float], width: int) -> list[float | None]:
    """At most `width` means of neighbouring values; what is not finite does not count."""
    count = min(len(values), max(width, 1))
    pieces: list[float | None] = []
    for place in range(count):
        part = values[place * len(values) // count : (place + 1) * len(values) // count]
        finite = [value for value in part if abs(value) < float("inf")]
        pieces.append(sum(finite) / len(finite) if finite else None)
    return pieces
