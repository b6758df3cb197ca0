"""The packages that a lock of Python packages names: requirement lines, or pylock.toml (PEP 751)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from runner.environments.python.wanted import parse_toml, relative
from runner.text.names import canonical

__all__ = ["apart", "packages", "versions"]


def packages(lock: str) -> dict[str, str]:
    """Name -> version; URL or path where it says so; "local" for what is only a path."""
    if re.search(r"^\[\[packages\]\]", lock, re.MULTILINE):
        return _from_pylock(lock)
    found = {}
    for line in lock.splitlines():
        line = line.strip().rstrip("\\").strip()
        if not line or line.startswith(("#", "--")):
            continue
        line = line.partition(" ;")[0].partition(" --hash")[0].strip()
        if pinned := re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?:===?|@)\s*(.+)$", line):
            found[canonical(pinned[1])] = pinned[2].strip()
        else:
            found[line] = "local"
    return found


def versions(details: Mapping[str, Any]) -> dict[str, str]:
    """Of the local packages that were built for an environment: what the lock calls them -> name==version."""
    return {str(each["path"]): f"{each['name']}=={each['version']}" for each in details.get("local") or ()}


def apart(lock: str, folder: str, base: str) -> tuple[str, list[str]]:
    """A pylock.toml that lies in `folder` without its local packages, and these as lines relative to `base`."""
    kept, lines = [], []
    for part in re.split(r"(?m)^(?=\[\[packages\]\])", lock):
        table = {}
        if part.startswith("[[packages]]") and "directory" in part:
            table = parse_toml(part, "pylock.toml")["packages"][0]
        if told := table.get("directory"):
            path = relative(os.path.normpath(os.path.join(folder, told["path"])), base)
            marker = f" ; {table['marker']}" if table.get("marker") else ""
            lines.append(f"{'-e ' if told.get('editable') else ''}{path}{marker}")
        else:
            kept.append(part)
    return "".join(kept), lines


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
