"""Whether the packages of a lock are what requirement lines ask for (PEP 440, PEP 508). Where it is unclear: no.

What is left out on purpose (markers, extras, URLs, pre-releases next to a range) makes a lock count as one that does
not fit: the requirements are then resolved, which is slower and never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from runner.text.names import canonical

__all__ = ["satisfies", "unmet"]

LINE = re.compile(r"([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*\(?([\s<>=!~,\w.+*-]*)\)?$")
CLAUSE = re.compile(r"(===|==|!=|~=|<=|>=|<|>)\s*v?([^\s,]+)$")
RELEASE = re.compile(r"\d+(?:\.\d+)*")


def unmet(lines: Iterable[str], packages: Mapping[str, str]) -> str:
    """The first line that the packages (canonical name -> version) do not satisfy, and why; "" when all are."""
    for line in lines:
        found = LINE.match(line.partition(" #")[0].strip())
        if found is None:
            return f"{line} is no plain requirement"
        version = packages.get(canonical(found[1]))
        if version is None:
            return f"{line} is not in it"
        if not satisfies(version, found[2]):
            return f"{line} is asked for, and it has {version}"
    return ""


def satisfies(version: str, specifier: str) -> bool:
    return all(_clause(version, clause.strip()) for clause in specifier.split(",") if clause.strip())


def _clause(version: str, clause: str) -> bool:
    found = CLAUSE.match(clause)
    if found is None:
        return False
    operator, wanted = found.groups()
    if operator == "===":
        return version == wanted
    if operator == "==" and not wanted.endswith(".*"):
        own = (
            version if "+" in wanted else version.partition("+")[0]
        )  # a local version counts when it is asked for
        return _equal(own, wanted)
    have = version.partition("+")[0]
    if not RELEASE.fullmatch(have) or not RELEASE.fullmatch(wanted.removesuffix(".*")):
        return False
    one, two = _numbers(have), _numbers(wanted.removesuffix(".*"))
    if operator in ("==", "!=") and wanted.endswith(".*"):
        return (_padded(one, len(two))[: len(two)] == two) == (operator == "==")
    if wanted.endswith(".*"):
        return False
    if operator == "~=":
        return len(two) > 1 and _order(one, two) >= 0 and _padded(one, len(two))[: len(two) - 1] == two[:-1]
    order = _order(one, two)
    return {"!=": order != 0, "<=": order <= 0, ">=": order >= 0, "<": order < 0, ">": order > 0}[operator]


def _equal(one: str, two: str) -> bool:
    if RELEASE.fullmatch(one) and RELEASE.fullmatch(two):
        return _order(_numbers(one), _numbers(two)) == 0
    return one.lower() == two.lower()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _padded(numbers: tuple[int, ...], length: int) -> tuple[int, ...]:
    return numbers + (0,) * (length - len(numbers))


def _order(one: tuple[int, ...], two: tuple[int, ...]) -> int:
    length = max(len(one), len(two))
    first, second = _padded(one, length), _padded(two, length)
    return (first > second) - (first < second)
