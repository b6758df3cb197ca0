"""Patterns of paths, as `glob` takes them, matched against names: nothing has to be there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["is_pattern", "matcher"]


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


def _part(text: str) -> str:
    """As glob takes it: within one name, and a leading dot must be written."""
    found, at = "" if text.startswith(".") else r"(?!\.)", 0
    while at < len(text):
        letter, at = text[at], at + 1
        end = text.find("]", at + 1) if letter == "[" else -1
        if letter == "*":
            found += "[^/]*"
        elif letter == "?":
            found += "[^/]"
        elif end > 0:
            inside = text[at:end].replace("\\", r"\\")
            found += f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
            at = end + 1
        else:
            found += re.escape(letter)
    return found
