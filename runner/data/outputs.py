"""What a command wrote: the declared outputs, noted with their hashes and kept as artifacts of the run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from runner.data.inputs import expand, relative
from runner.host import hashing
from runner.host.files import Stamp, stamp
from runner.tracking import artifacts

if TYPE_CHECKING:
    from runner.tracking.writer import RunWriter

__all__ = ["collect", "filled", "standing"]


def filled(patterns: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """`{name}` in a pattern stands for the value of that parameter."""
    found = []
    for pattern in patterns:
        for name, text in texts.items():
            pattern = pattern.replace("{" + name + "}", text)
        found.append(pattern)
    return found


def standing(patterns: Iterable[str], directory: str) -> dict[str, list[Stamp | None]]:
    """What globs find before the command starts: theirs by name, but not what this run wrote unless it changes it."""
    globs = (pattern for pattern in patterns if any(character in pattern for character in "*?["))
    return {path: _stamps(path) for pattern in globs for path in expand(pattern, directory)}


def _stamps(path: str) -> list[Stamp | None]:
    """Of a file, or of all that is in a folder."""
    inside = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in sorted(names))
    return [stamp(each, follow=False) for each in (path, *inside)]


def collect(
    writer: RunWriter,
    patterns: Iterable[str],
    directory: str,
    before: Mapping[str, list[Stamp | None]],
) -> list[str]:
    """Notes and keeps what the patterns stand for; returns those that stand for nothing.

    `before`: what was `standing` there; if it still is as it was, an earlier run wrote it.
    """
    missing, seen = [], set()
    for pattern in patterns:
        paths = [
            path for path in expand(pattern, directory) if path not in before or _stamps(path) != before[path]
        ]
        if not paths:
            missing.append(pattern)
        for path in paths:
            name = relative(path, directory)
            if name in seen:
                continue
            seen.add(name)
            digest, size = hashing.digest(path)
            writer.append({"type": "output", "path": name, "digest": digest, "size": size})
            # one outside the project is kept by its own name
            folder = "" if os.path.isabs(name) else os.path.dirname(name)
            artifacts.put(writer, path, folder)
    return missing
