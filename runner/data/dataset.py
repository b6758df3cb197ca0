"""A data file as MLflow's dataset input: its name, its hash, and how many rows it has where counting is cheap."""

from __future__ import annotations

import json
import os

from runner.host import hashing
from runner.tracking import events
from runner.tracking.events import Event

__all__ = ["describe", "rows"]

DIGEST = 32  # hex digits of the hash: MLflow keeps at most 36 characters of a digest
BLOCK = 1 << 20


def describe(path: str, name: str = "", context: str = "") -> Event:
    """A `dataset` event. OSError when the file cannot be read."""
    digest, size = hashing.digest(path)
    profile: dict[str, str | int] = {"size": size, "digest": digest}
    count = None if os.path.isdir(path) else rows(path)
    if count is not None:
        profile["num_rows"] = count
    return events.dataset(
        name or os.path.basename(os.path.abspath(path)),
        digest.rpartition(":")[2][:DIGEST],
        source_type="local",
        source=json.dumps({"uri": os.path.abspath(path)}),
        profile=json.dumps(profile),
        tags={"mlflow.data.context": context} if context else None,
    )


def rows(path: str) -> int | None:
    """Of CSV, TSV and JSON lines, by their line ends; a newline within quotes is not one. Header not counted."""
    kind = os.path.splitext(path)[1].lower()
    if kind not in (".csv", ".tsv", ".jsonl", ".ndjson"):
        return None
    quoted = kind in (".csv", ".tsv")
    lines, last, inside = 0, b"\n", False
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            last = block[-1:]
            if not quoted or (not inside and b'"' not in block):
                lines += block.count(b"\n")
                continue
            for place, part in enumerate(block.split(b'"')):
                if place:
                    inside = not inside
                if not inside:
                    lines += part.count(b"\n")
    lines += last != b"\n"
    return max(lines - 1, 0) if quoted else lines
