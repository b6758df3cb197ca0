"""How close several contents are: the same, within what is allowed, or different, and where."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from runner.reproduction.verdict.leaves import Difference, Number, Time, Walk
from runner.reproduction.verdict.tolerance import EXACT, Tolerance, spread
from runner.reproduction.verdict.wording import Circumstances
from runner.typed import NamedTuple

__all__ = ["SPREAD", "Finding", "compare"]

DIGITS = r"([0-9]+(?:\.[0-9]+)?)"
NUMBER = r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?"
LONGEST = 24  # digits of a time
SPREAD = None  # instead of a tolerance: as far as the repetitions are from each other


class Finding(NamedTuple):
    """What a recorded content and its repetitions came to."""

    same: bool  # within what is allowed
    detail: str = ""
    absolute: float = 0.0  # greatest difference of numbers between the recorded and the first new one
    relative: float = 0.0
    exact: bool = False  # nothing differs, not even what is ignored
    varies: tuple[str, ...] = ()  # leaves that are not numbers and vary by themselves


def compare(
    nodes: Sequence[Any], places: Sequence[Circumstances], tolerance: Tolerance | None = EXACT
) -> Finding:
    """The recorded tree first. With SPREAD, leaves on which all repetitions agree have to be as recorded."""
    family = 0
    if tolerance is SPREAD:
        family = sum(_varies(each) for each in Walk(places).differences(nodes))
    failed, absolute, relative, varies, exact = "", 0.0, 0.0, [], True
    walk = Walk(places)
    for each in walk.differences(nodes):
        exact = False
        old, new = value(each.values[0]), value(each.values[1])
        if old is not None and new is not None:
            one = _apart(old, new)
            absolute, relative = max(absolute, one[0]), max(relative, one[1])
        if not _allowed(each, places, tolerance, family):
            failed = failed or _said(each)
        elif tolerance is SPREAD and old is None:
            varies.append(each.where)
    detail = failed
    if not failed and walk.ignored:
        detail = f"the same but for {', '.join(sorted(walk.ignored))}"
    exact = exact and not walk.ignored
    return Finding(not failed, detail, absolute, relative, exact, tuple(dict.fromkeys(varies)))


def value(leaf: object) -> float | None:
    """The value of a number; None for all else, also for what is too large for a float."""
    if isinstance(leaf, Number):
        text = leaf.text
        if text.lstrip("-").isdigit():
            return int(text) if len(text) < 4000 else None
        number = float(text)
        return None if math.isinf(number) and "e" in text.lower() else number
    if isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
        return leaf
    from decimal import Decimal  # of tables, which most runs have not

    return float(leaf) if isinstance(leaf, Decimal) else None


def _apart(old: float, new: float) -> tuple[float, float]:
    """Absolute and relative difference."""
    try:
        absolute = float(abs(new - old))
        found = absolute, absolute / abs(old) if old else math.inf
    except OverflowError:
        return math.inf, math.inf
    return found if absolute == absolute else (math.inf, math.inf)


def _varies(each: Difference) -> bool:
    """Whether the repetitions do not agree about a number."""
    values = [value(one) for one in each.values[1:]]
    return None not in values and len(set(map(repr, values))) > 1


def _allowed(
    each: Difference, places: Sequence[Circumstances], tolerance: Tolerance | None, family: int
) -> bool:
    old, *new = each.values
    if tolerance is SPREAD and _clocked(each, places):
        return True
    known, values = value(old), [value(one) for one in new]
    numbers = [one for one in values if one is not None]
    if known is None or len(numbers) < len(new):
        return tolerance is SPREAD and _chance(old, new)
    if tolerance == EXACT:
        return False
    if tolerance is not SPREAD:
        return all(tolerance.allows(known, one) for one in numbers)
    if not _varies(each):
        return False
    first, *rest = places
    if first.earlier(known) and all(place.made_at(one) for place, one in zip(rest, numbers, strict=True)):
        return True  # when a file of the code was written: now, in a clean room
    centre, width = spread([*map(float, numbers)], family)
    return Tolerance(width).allows(centre, known)


def _chance(old: object, new: Sequence[Any]) -> bool:
    """Never twice the same, a time, or one of a few outcomes that have been seen."""
    seen = [(type(each), repr(each)) for each in new]
    if len(set(seen)) == 1:
        return False
    unique = len(set(seen)) == len(seen)
    return unique or (type(old), repr(old)) in seen or all(isinstance(each, Time) for each in (old, *new))


def _clocked(each: Difference, places: Sequence[Circumstances]) -> bool:
    """Whether each is the time at which it was made, or has it: to the minute, or the day, repetitions may agree."""
    if all(isinstance(one, Time) for one in each.values):
        return all(place.dated(one.text) for one, place in zip(each.values, places, strict=True))
    numbers = [value(one) for one in each.values]
    if all(one is not None and place.made_at(one) for one, place in zip(numbers, places, strict=True)):
        return True
    texts = [_written(one) for one in each.values]
    if any(re.fullmatch(NUMBER, text) for text in texts):
        return all(
            len(text) <= LONGEST and place.clocked(text, full=True)
            for text, place in zip(texts, places, strict=True)
        )
    rows = [re.split(DIGITS, text) for text in texts]
    if len(set(map(len, rows))) > 1:
        return False
    varying = {at for at in range(len(rows[0])) if len({row[at] for row in rows}) > 1}
    return bool(varying) and all(
        at % 2 and _is_time(row[at], place) for at in varying for row, place in zip(rows, places, strict=True)
    )


def _is_time(digits: str, place: Circumstances) -> bool:
    """Of digits in a word."""
    return len(digits) <= LONGEST and (place.clocked(digits) or place.made_at(float(digits)))


def _written(leaf: object) -> str:
    if isinstance(leaf, float):
        return repr(leaf)
    return leaf.text if isinstance(leaf, Number) else str(leaf) if type(leaf) in (str, int) else ""


def _said(each: Difference) -> str:
    old, new = each.values[0], _other(each.values)
    if isinstance(old, bytes) and isinstance(new, bytes) and len(old) + len(new) > 60:
        return f"the bytes of {each.where} differ" if each.where else "the bytes differ"
    return f"{each.where or 'the content'} is {_short(new)} instead of {_short(old)}"


def _other(values: Sequence[Any]) -> Any:
    return next((one for one in values[1:] if repr(one) != repr(values[0])), values[1])


def _short(leaf: object) -> str:
    text = leaf.text if isinstance(leaf, Number) else repr(leaf[0] if isinstance(leaf, Time) else leaf)
    text = text.replace(r"\x00", "").replace("\0", "")
    return text if len(text) <= 60 else text[:57] + "..."
