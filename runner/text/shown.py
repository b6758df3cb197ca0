"""Values of a record as people read them."""

from __future__ import annotations

import json

from runner.text.terminal import printable as safe

__all__ = ["cut", "json_number", "number", "plain", "safe"]


def number(value: float) -> str:
    """Enough digits to compare by eye; whole numbers as they are."""
    if value == value and abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return f"{value:.6g}"


def json_number(value: float) -> float | str:
    """JSON has no NaN and no infinity: they become the texts that MLflow's REST protocol uses."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def plain(value: object) -> str:
    """Any JSON value on one line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: ""}[value]
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def cut(text: str, width: int) -> str:
    """At most `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"
