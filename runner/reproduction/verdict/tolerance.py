"""How far two numbers may be apart: as given with --tolerance, or as the spread of repetitions says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from runner.errors import InputError

__all__ = ["EXACT", "Tolerance", "Tolerances", "parse", "spread"]

# Student's t for 99 % (two-sided), by degrees of freedom; the last one is that of the normal distribution
T99 = (
    63.66,
    9.925,
    5.841,
    4.604,
    4.032,
    3.707,
    3.499,
    3.355,
    3.250,
    3.169,
    3.106,
    3.055,
    3.012,
    2.977,
    2.947,
)
NORMAL99 = 2.576


class Tolerance(NamedTuple):
    absolute: float = 0.0
    relative: float = 0.0  # of the recorded value
    origin: str = ""  # how it is called in the report

    def allows(self, old: float, new: float) -> bool:
        if old == new or (math.isnan(old) and math.isnan(new)):
            return True
        if math.isinf(old) or math.isinf(new):
            return False
        return abs(new - old) <= max(self.absolute, self.relative * abs(old))


EXACT = Tolerance()


class Tolerances(NamedTuple):
    given: tuple[tuple[str, Tolerance], ...] = ()  # (pattern, tolerance); the last that fits holds

    def of(self, name: str) -> Tolerance | None:
        """None when nothing was said about this name."""
        fitting = [tolerance for pattern, tolerance in self.given if fnmatchcase(name, pattern)]
        return fitting[-1] if fitting else None


def parse(texts: Sequence[str]) -> Tolerances:
    """`1e-6` for all, `rmse=1e-6` for a name or pattern, `rmse=rel:0.01` relative to the recorded value."""
    found = []
    for text in texts:
        name, sign, value = text.rpartition("=")
        relative = value.startswith("rel:")
        try:
            number = float(value.removeprefix("rel:"))
        except ValueError:
            number = math.nan
        if not number >= 0 or (sign and not name):
            raise InputError(
                f"--tolerance {text} is not a tolerance", "such as 1e-6, rmse=1e-6 or rmse=rel:0.01"
            )
        tolerance = Tolerance(0.0, number, value) if relative else Tolerance(number, 0.0, value)
        found.append((name or "*", tolerance))
    return Tolerances(tuple(found))


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean of the repetitions, and how far from it one more run falls in 99 of 100 cases.

    Prediction interval of a normal distribution: t * s * sqrt(1 + 1/n).
    """
    count = len(values)
    if count < 2 or not all(map(math.isfinite, values)):
        return (values[0] if values else math.nan), 0.0
    mean = math.fsum(values) / count
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    factor = T99[count - 2] if count - 2 < len(T99) else NORMAL99
    return mean, factor * deviation * math.sqrt(1 + 1 / count)
