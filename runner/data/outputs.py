"""What a command wrote: the declared outputs, noted with their hashes and kept as artifacts of the run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from runner.data.inputs import expand, relative
from runner.host import hashing
from runner.tracking import artifacts, events

if TYPE_CHECKING:
    from runner.tracking.writer import RunWriter

__all__ = ["collect", "filled"]


def filled(patterns: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """`{name}` in a pattern stands for the value of that parameter."""
    found = []
    for pattern in patterns:
        for name, text in texts.items():
            pattern = pattern.replace("{" + name + "}", text)
        found.append(pattern)
    return found


def collect(writer: RunWriter, patterns: Iterable[str], directory: str) -> list[str]:
    """Notes and keeps what the patterns stand for; returns those that stand for nothing."""
    missing, seen = [], set()
    for pattern in patterns:
        paths = expand(pattern, directory)
        if not paths:
            missing.append(pattern)
        for path in paths:
            name = relative(path, directory)
            if name in seen:
                continue
            seen.add(name)
            digest, size = hashing.digest(path)
            writer.append(events.output(name, digest, size))
            # one outside the project is kept by its own name
            folder = "" if os.path.isabs(name) else os.path.dirname(name)
            artifacts.put(writer, path, folder)
    return missing
