"""Times, sizes and numbers as people read them."""

from __future__ import annotations

import time

__all__ = ["ago", "cut", "iso", "json_number", "local_time", "number", "plain", "safe", "size", "took"]


def ago(moment: int, now: float | None = None) -> str:
    """A time (ms since the epoch) as its distance from now; of times long ago the date."""
    seconds = (time.time() if now is None else now) - moment / 1000
    if seconds < 0:
        return local_time(moment)
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min ago"
    if seconds < 86400:
        return f"{seconds / 3600:.0f} h ago"
    if seconds < 30 * 86400:
        return f"{seconds / 86400:.0f} d ago"
    return time.strftime("%Y-%m-%d", time.localtime(moment / 1000))


def local_time(moment: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment / 1000))


def iso(moment: int | None) -> str:
    """UTC, to the millisecond, as RFC 3339 writes it; "" for None."""
    if moment is None:
        return ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment // 1000)) + f".{moment % 1000:03d}Z"


def took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: float) -> str:
    """Bytes, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or abs(count) >= 100 else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError


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
        import json

        return json.dumps(value, ensure_ascii=False)
    return str(value)


def safe(text: str) -> str:
    """Without characters that could steer the terminal: names and values come from anybody's program."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def cut(text: str, width: int) -> str:
    """At most `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"
