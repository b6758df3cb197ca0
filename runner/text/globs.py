"""Patterns of paths, as `glob` takes them, matched against names: nothing has to be there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

__all__ = ["covers", "is_pattern", "matcher", "reversed_range"]


def is_pattern(text: str) -> bool:
    return any(character in text for character in "*?[")


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Tells of a path in the project whether it is what one of the patterns stands for, or lies in it.

    `*` does not cross "/".
    """
    found = [_pattern(each).match for each in patterns]
    return lambda name: any(match(name) for match in found)


def _pattern(text: str) -> re.Pattern[str]:
    parts = text.removeprefix("./").rstrip("/").split("/")
    folders = [r"(?:.*/)?" if part == "**" else _part(part) + "/" for part in parts[:-1]]
    last = ".*" if parts[-1] == "**" else _part(parts[-1])
    return re.compile("".join(folders) + last + r"(?:/.*)?\Z", re.DOTALL)


def covers(path: str, folder: str) -> bool:
    """Whether a path or pattern stands for a folder or one above it; both absolute and normal."""
    meant, own = path.rstrip("/").split("/"), folder.split("/")
    return len(meant) <= len(own) and all(
        name == part or re.fullmatch(_part(part), name) for name, part in zip(own, meant, strict=False)
    )


def reversed_range(pattern: str) -> str:
    """The first range of a pattern that has nothing in it, as `z-a`; "" when there is none."""
    for part in pattern.split("/"):
        for inside in _split(part)[1::2]:
            for low, high in _ranges(inside.removeprefix("!")):
                if low > high:
                    return f"{low}-{high}"
    return ""


def _part(text: str) -> str:
    """As glob takes it: within one name, and a leading dot must be written."""
    found = "" if text.startswith(".") else r"(?!\.)"
    for at, piece in enumerate(_split(text)):
        if at % 2:
            found += _set(piece)
        else:
            found += re.escape(piece).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return found


def _split(text: str) -> list[str]:
    """A part of a pattern at its sets: plain, what is in the first pair of brackets, plain, and so on."""
    found, start, at = [], 0, text.find("[")
    while at >= 0:
        first = at + 1 + text.startswith("!", at + 1)
        end = text.find("]", first + 1)  # a bracket that comes first is in the set
        if end < 0:
            break
        found += [text[start:at], text[at + 1 : end]]
        start, at = end + 1, text.find("[", end + 1)
    return [*found, text[start:]]


def _set(inside: str) -> str:
    members = "".join(
        re.escape(low) if low == high else f"{re.escape(low)}-{re.escape(high)}"
        for low, high in _ranges(inside.removeprefix("!"))
        if low <= high
    )
    if inside.startswith("!"):
        return f"[^/{members}]"
    return f"(?!/)[{members}]" if members else r"(?!)"


def _ranges(members: str) -> Iterator[tuple[str, str]]:
    """First and last character of each; a character is a range of one."""
    at = 0
    while at < len(members):
        if members[at + 1 : at + 2] == "-" and at + 2 < len(members):
            yield members[at], members[at + 2]
            at += 3
        else:
            yield members[at], members[at]
            at += 1
