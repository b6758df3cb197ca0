"""Files that belong to a run."""

from __future__ import annotations

from runner.tracking.writer import RunWriter


def put(writer: RunWriter, path: str, artifact_path: str = "") -> None:
    raise NotImplementedError
