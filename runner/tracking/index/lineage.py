"""Files and datasets that went into a run or came out of it, by their digests: who made what somebody else used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.tracking.fold import Run

__all__ = ["IN", "OUT", "made", "of", "used"]

IN, OUT = "in", "out"


def used(run: Run) -> Iterator[tuple[str, str]]:
    """(path or name, digest); the digest is "" where none is known."""
    for facts in (*run.inputs, *run.datasets):
        yield _pair(str(facts.get("path") or facts.get("uri") or facts.get("name", "")), facts)


def made(run: Run) -> Iterator[tuple[str, str]]:
    """As `used`."""
    found = {str(facts.get("path") or facts.get("uri", "")): facts for facts in run.outputs}
    for path, facts in {**run.artifacts, **found}.items():
        yield _pair(path, facts)


def _pair(path: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    return path, str(facts.get("digest") or "")


def of(run: Run) -> Iterator[tuple[str, str, str]]:
    """(IN or OUT, digest, path) of all that has a digest."""
    for way, pairs in ((IN, used(run)), (OUT, made(run))):
        for path, digest in pairs:
            if digest:
                yield way, digest, path
