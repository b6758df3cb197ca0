"""Two values of any shape (of JSON, of tables, of arrays) compared: equal, close, or where they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from runner.reproduction.verdict.tolerance import Tolerance

__all__ = ["Finding", "compare", "number", "numbers"]


class Finding(NamedTuple):
    """What two files or values came to."""

    same: bool  # within the tolerance
    detail: str = ""
    absolute: float = 0.0  # greatest difference that was seen
    relative: float = 0.0


def compare(old: Any, new: Any, tolerance: Tolerance, where: str = "") -> Finding:
    """Mappings by key, lists by place, numbers within the tolerance, all else exactly."""
    if isinstance(old, dict) and isinstance(new, dict):
        if gone := sorted(set(map(str, old)) ^ set(map(str, new))):
            return Finding(False, f"{_at(where, gone[0])} is only in one of them")
        return _worst(compare(value, new[key], tolerance, _at(where, key)) for key, value in old.items())
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        if len(old) != len(new):
            return Finding(False, f"{where or 'the list'} has {len(new)} items instead of {len(old)}")
        return _worst(
            compare(one, two, tolerance, f"{where}[{index}]")
            for index, (one, two) in enumerate(zip(old, new, strict=True))
        )
    if isinstance(old, bool) or isinstance(new, bool) or not (_is_number(old) and _is_number(new)):
        same = old == new and isinstance(old, bool) == isinstance(new, bool)
        return Finding(
            same, "" if same else f"{where or 'the value'} is {_short(new)} instead of {_short(old)}"
        )
    return number(float(old), float(new), tolerance, where)


def number(old: float, new: float, tolerance: Tolerance, where: str = "") -> Finding:
    if old == new or (math.isnan(old) and math.isnan(new)):
        return Finding(True)
    absolute = abs(new - old)
    relative = absolute / abs(old) if old else math.inf
    same = tolerance.allows(old, new)
    return Finding(
        same, "" if same else f"{where or 'the value'} is {new!r} instead of {old!r}", absolute, relative
    )


def numbers(old: Sequence[float], new: Sequence[float], tolerance: Tolerance, where: str = "") -> Finding:
    if len(old) != len(new):
        return Finding(False, f"{len(new)} numbers instead of {len(old)}")
    if old == new:
        return Finding(True)
    return _worst(
        number(one, two, tolerance, f"{where}[{index}]")
        for index, (one, two) in enumerate(zip(old, new, strict=True))
        if one != two
    )


def _worst(findings: Any) -> Finding:
    """The first that is not within the tolerance tells where; the differences are the greatest of all."""
    first, absolute, relative = Finding(True), 0.0, 0.0
    for each in findings:
        if first.same and not each.same:
            first = each
        absolute, relative = max(absolute, each.absolute), max(relative, each.relative)
    return first._replace(absolute=absolute, relative=relative)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _at(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
