"""The packages that a lock names, and how two locks differ."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from runner.text.names import canonical

__all__ = ["Change", "changes", "difference", "packages"]


class Change(NamedTuple):
    name: str
    old: str  # "" when it was added
    new: str  # "" when it was removed


def packages(lock: str) -> dict[str, str]:
    """Name -> version (or URL, or path) of a lock: requirements, pylock.toml, conda URLs, JSON."""
    text = lock.lstrip()
    if text.startswith("{"):
        return _from_json(text)
    if re.search(r"^\[\[packages\]\]", text, re.MULTILINE):
        return _from_pylock(text)
    found = {}
    for line in text.splitlines():
        line = (
            line.strip().rstrip("\\").strip().removeprefix("# pip ")
        )  # so in the lock of a conda environment
        if not line or line.startswith(("#", "--", "@")):
            continue
        if conda := re.match(r"\S+://\S+/([^/\s]+)-([^-/\s]+)-[^-/\s]+\.(?:conda|tar\.bz2)", line):
            found[conda[1]] = conda[2]
            continue
        line = line.partition(" ;")[0].partition(" --hash")[0].strip()
        if pinned := re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?:===?|@)\s*(.+)$", line):
            found[canonical(pinned[1])] = pinned[2].strip()
        else:
            found[line] = "local"
    return found


def _from_json(text: str) -> dict[str, str]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    flat: dict[str, str] = {}
    for name, item in value.items():
        if name == "requirements":  # of an image
            flat |= packages(str(item))
        elif isinstance(item, list):
            flat |= {str(one["name"]): str(one.get("version", "")) for one in item if "name" in one}
        elif isinstance(item, (str, int)):
            flat[name] = str(item)
    return flat


def _from_pylock(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("[[packages]]"):
            name = ""
        elif match := re.match(r'name = "([^"]+)"', line):
            name = match[1]
            found.setdefault(name, "local")
        elif (match := re.match(r'version = "([^"]+)"', line)) and name:
            found[name] = match[1]
    return found


def changes(old: str, new: str) -> list[Change]:
    before, after = packages(old), packages(new)
    names = sorted(before.keys() | after.keys())
    pairs = [Change(name, before.get(name, ""), after.get(name, "")) for name in names]
    return [pair for pair in pairs if pair.old != pair.new]


def difference(old: str, new: str) -> list[str]:
    """As lines for people: `+ six 1.17.0`, `- six 1.16.0`, `~ six 1.16.0 -> 1.17.0`."""
    lines = []
    for name, before, after in changes(old, new):
        if before and after:
            lines.append(f"~ {name} {before} -> {after}")
        else:
            lines.append(f"+ {name} {after}" if after else f"- {name} {before}")
    return lines
