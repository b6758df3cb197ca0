"""How often a run is made again to tell chance from change, and how far apart."""

from __future__ import annotations

import time

from runner.reproduction.verdict import compare
from runner.reproduction.verdict.compared import DIFFERENT
from runner.reproduction.verdict.tolerance import Tolerances
from runner.running.recorded import Recorded

__all__ = ["Series"]

MOST = 5
QUICK = (10, 10.0)  # repetitions within so many seconds: of two equal outcomes, five miss one in 16 cases
SLOW = (3, 600.0)  # repetitions that have to do when they took so many seconds
APART = 1.05  # s between two beginnings: times are written in whole seconds, in archives in two
SPAN = 2.1  # s after which a time of the clock has been told


class Series:
    """The repetitions of one run."""

    def __init__(self, recorded: Recorded, made: list[Recorded]) -> None:
        self._recorded = recorded
        self._made = made  # grows meanwhile
        self._began: list[float] = []
        self._scattered = False

    def wait(self) -> None:
        """Before another repetition: apart from the last one, as long as what differs has not varied."""
        now = time.monotonic()
        if self._began and now - self._began[0] < SPAN and not self._scattered and self._steady():
            time.sleep(max(0.0, self._began[-1] + APART - now))
        self._began.append(time.monotonic())

    def told(self, differing: set[tuple[str, str]]) -> bool:
        """Whether more repetitions would tell nothing new: everything is explained, or there were enough."""
        count, took = len(self._made), time.monotonic() - self._began[0]
        enough = count >= MOST or (count >= SLOW[0] and took > SLOW[1])
        if count < 2 or (self._scattered and not enough):
            return False
        chance, numbers = compare.by_chance(self._recorded, self._made, differing)
        if differing <= chance:
            self._scattered = numbers  # of few numbers nobody can say how far they spread
            return enough or not numbers
        return enough and (count >= QUICK[0] or took > QUICK[1])

    def _steady(self) -> bool:
        """Whether something is not as recorded, and has been the same each time."""
        compared = compare.runs(self._recorded, self._made, Tolerances(), chance=True)
        return any(each.counts and each.result in DIFFERENT for each in compared)
