"""Files whose names tell when or by which process they were written: another one in each run, and the same file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

__all__ = ["partners"]

VARYING = (
    r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{8,}|tmp[a-z0-9_]{8}(?![a-z0-9_])|\d+"
)


def partners(old: Mapping[str, str], new: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Name in `old` -> what stands for it in each of `new`: times, numbers and random ids apart, they are called alike.

    Of several such files those with the same content belong together, then those of the same order.
    """
    gone = [name for name in old if not any(name in each for each in new)]
    found: dict[str, tuple[str, ...]] = {}
    for shape in dict.fromkeys(map(_shape, gone)):
        names = sorted(name for name in gone if _shape(name) == shape)
        others = [sorted(name for name in each if name not in old and _shape(name) == shape) for each in new]
        if all(len(each) == len(names) for each in others):
            rows = [_ordered(names, old, each, digests) for each, digests in zip(others, new, strict=True)]
            found |= dict(zip(names, zip(*rows, strict=True), strict=True))
    return found


def _ordered(
    names: Sequence[str], old: Mapping[str, str], others: Sequence[str], digests: Mapping[str, str]
) -> list[str]:
    left, found = list(others), dict.fromkeys(names, "")
    for name in names:
        same = next((each for each in left if digests[each] == old[name]), "")
        if same:
            left.remove(same)
            found[name] = same
    return [each or left.pop(0) for each in found.values()]


def _shape(name: str) -> str:
    return re.sub(VARYING, "#", name)
