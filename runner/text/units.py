"""Spans of time and sizes in bytes: how they are written, and how they are shown."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from runner.errors import InputError

__all__ = ["ago", "byte_count", "counted", "duration", "iso", "local_time", "seconds", "size"]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
PREFIXES = "kmgtp"  # of powers of 1000, as the SI has them; with an i of powers of 1024 (IEC 80000-13)
NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
FAR = 250_000_000_000_000  # ms: in the year 9892; calendars end at 9999
LONGEST = 1e10  # s, three centuries: what is longer overflows in the system's clocks


def seconds(text: str, what: str) -> float:
    """`90`, `90s`, `1h30m`, `2w`: seconds. InputError, which calls it `what`, for anything else."""
    plain = text.strip()
    parts = re.findall(rf"({NUMBER})\s*([smhdwy])\s*", plain)
    if parts and re.fullmatch(rf"(?:{NUMBER}\s*[smhdwy]\s*)+", plain):
        found = sum(float(number) * SECONDS[unit] for number, unit in parts)
    else:
        found = float(plain) if re.fullmatch(NUMBER, plain) else -1.0
    if not 0 <= found <= LONGEST:
        raise InputError(f"{what} {text!r} is not a time", "such as 90, 30m, 1h30m, 2d or 2w")
    return found


def counted(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def byte_count(text: str, what: str) -> int:
    """`500`, `500kB`, `2G`, `1.5 GiB`: bytes. InputError, which calls it `what`, for anything else."""
    found = re.fullmatch(rf"({NUMBER})\s*(?:([{PREFIXES}])(i?))?b?", text.strip().lower())
    if found is None or len(found[1]) > 20:
        raise InputError(f"{what} {text!r} is not a size", "such as 500MB, 2G or 1.5GiB")
    power = PREFIXES.index(found[2]) + 1 if found[2] else 0
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


def size(count: float) -> str:
    """Bytes, in powers of 1000 and three digits."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 999.5 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" or abs(count) >= 100 else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError


def duration(length: float | None) -> str:
    """Seconds, in the two units that matter; "" for None."""
    if length is None:
        return ""
    if length < 0.9995:
        return f"{length * 1000:.0f} ms"
    if length < 59.95:
        return f"{length:.1f} s"
    whole = round(length)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def ago(moment: int, now: float | None = None) -> str:
    """A time (ms since the epoch) as its distance from now (s); of times long ago the date."""
    past = int((time.time() if now is None else now) * 1000 - moment) if abs(moment) < FAR else -1
    if past < 0:
        return local_time(moment)
    for unit, length, most in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 24), ("d", 86_400, 30)):
        if past < most * length * 1000:
            return f"{past // (length * 1000)} {unit} ago"
    return local_time(moment)[:10]


def local_time(moment: int) -> str:
    """`moment`: ms since 1970, in this machine's time zone."""
    return _written(moment, "%Y-%m-%d %H:%M:%S", time.localtime)


def iso(moment: int | None) -> str:
    """UTC, to the millisecond, as RFC 3339 writes it; "" for None."""
    if moment is None:
        return ""
    text = _written(moment, "%Y-%m-%dT%H:%M:%S", time.gmtime)
    return text if text.isdecimal() else f"{text}.{moment % 1000:03d}Z"


def _written(moment: int, form: str, convert: Callable[[float], time.struct_time]) -> str:
    """A record may come from anywhere: what is no time of a calendar is shown as the number that it is."""
    return time.strftime(form, convert(moment // 1000)) if abs(moment) < FAR else str(moment)
