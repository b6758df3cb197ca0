"""How far two numbers may be apart: as given with --tolerance, or as the spread of repetitions says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from runner.errors import InputError
from runner.typed import NamedTuple

__all__ = ["EXACT", "Tolerance", "Tolerances", "parse", "spread", "student"]

CERTAINTY = 0.99  # with which one more run falls into the spread, with all its numbers together


class Tolerance(NamedTuple):
    absolute: float = 0.0
    relative: float = 0.0  # of the recorded value
    origin: str = ""  # how it is called in the report

    def allows(self, old: float, new: float) -> bool:
        """As math.isclose with the old value as the scale; NaN equals NaN, an infinity only itself."""
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


def spread(values: Sequence[float], family: int = 1) -> tuple[float, float]:
    """Mean of the repetitions, and how far from it one more run falls in 99 of 100 cases.

    Prediction interval of a normal distribution, t * s * sqrt(1 + 1/n). `family`: how many numbers are judged
    together; each gets its share of the hundredth case (Bonferroni), or of a hundred good ones one would fail. Two
    repetitions cannot tell shares: t would be in the thousands.
    """
    count = len(values)
    family = 1 if count == 2 else max(1, family)
    if count < 2 or not all(map(math.isfinite, values)):
        return (values[0] if values else math.nan), 0.0
    mean = math.fsum(value / 1024 for value in values) / count * 1024  # the sum itself may be infinite
    deviation = math.hypot(*(value - mean for value in values)) / math.sqrt(count - 1)
    return mean, student(count - 1, (1 - CERTAINTY) / family) * deviation * math.sqrt(1 + 1 / count)


@lru_cache(256)
def student(degrees: int, outside: float) -> float:
    """Student's t: how far out a share `outside` of the distribution lies, on both sides together."""
    low, high = 0.0, 1e12
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - _inside(middle, degrees) > outside else (low, middle)
    return high


def _inside(t: float, degrees: int) -> float:
    """The share between -t and t (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for index in range(3 if odd else 2, degrees - 1, 2):
        term *= math.cos(angle) ** 2 * (index - 1) / index
        total += term
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total
