"""`when:` of a step: true, false, `{parameter}`, or a comparison of one with a value."""

from __future__ import annotations

import re
from collections.abc import Mapping

from runner.typed import NamedTuple
from runner.values import Json

__all__ = ["Condition", "holds", "parse"]

COMPARISON = r"\s*\{(\w+)\}\s*(?:(==|!=|<=|>=|<|>)\s*(.+?)\s*)?"
WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Condition(NamedTuple):
    name: str  # of the parameter; "" of a constant
    operator: str  # ==, !=, <, <=, >, >=; "" of a parameter that is true or not
    value: str


def parse(text: str) -> Condition:
    """ValueError says what the text is."""
    if text.strip().lower() in WORDS:
        return Condition("", "", text.strip().lower())
    found = re.fullmatch(COMPARISON, text)
    if not found:
        raise ValueError(f"true, false, a parameter or a comparison of one with a value, not {text!r}")
    name, operator, value = found[1], found[2] or "", found[3] or ""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    if operator in ("<", "<=", ">", ">="):
        try:
            float(value)
        except ValueError:
            raise ValueError(f"a comparison with {value!r}, which is no number") from None
    return Condition(name, operator, value)


def holds(text: str, values: Mapping[str, Json]) -> bool:
    """Whether a step is to be run; `values`: of its parameters. A text that is no condition holds."""
    if not text:
        return True
    condition = parse(text)
    if not condition.name:
        return WORDS[condition.value]
    value = values.get(condition.name)
    if not condition.operator:
        return WORDS.get(str(value).lower(), bool(value) and value != "0")
    if condition.operator in ("==", "!="):
        return _same(value, condition.value) == (condition.operator == "==")
    try:
        one, other = float(str(value)), float(condition.value)
    except ValueError:
        return False
    return {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[condition.operator]


def _same(value: Json, text: str) -> bool:
    if isinstance(value, bool):
        return WORDS.get(text.lower()) is value
    if isinstance(value, int | float):
        try:
            return float(text) == value
        except ValueError:
            return False
    return ("" if value is None else str(value)) == text
