"""The paths of artifacts in requests: which of them are refused, and what they lead to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote

from runner.errors import StoreError
from runner.protocol.answer import ApiError, invalid
from runner.tracking.artifact_paths import ArtifactPath, OutsideError, locate

if TYPE_CHECKING:
    from runner.protocol.live import LiveRuns
    from runner.protocol.scope import Scope
    from runner.tracking.store import Store

__all__ = ["check_free", "file_of", "find", "has_models", "in_run", "safe", "writable"]


def safe(path: str) -> str:
    """The path, normal. ApiError when it leads out of its folder, however often it was encoded."""
    seen = path
    for _ in range(10):
        parts = seen.replace("\\", "/").split("/")
        if ".." in parts or seen.startswith(("/", "\\")) or seen[1:2] == ":" or "#" in seen or "\0" in seen:
            raise invalid("Invalid path")
        decoded = unquote(seen)
        if decoded == seen:
            break
        seen = decoded
    else:
        raise invalid("Invalid path")
    if seen.lower().startswith("file:"):
        raise invalid("Invalid path")
    if len(path) > 4000 or any(len(part.encode("utf-8", "replace")) > 250 for part in path.split("/")):
        raise invalid("Invalid path: it is too long")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def find(store: Store, path: str) -> ArtifactPath:
    """ApiError for a path that leads out of the store's artifacts."""
    return locate(store, safe(path))


def in_run(store: Store, run_id: str, path: str) -> ArtifactPath:
    """ApiError for a path that leads out of the run's artifacts."""
    return ArtifactPath(os.path.join(store.run_directory(run_id), "artifacts"), safe(path), run_id)


def file_of(place: ArtifactPath) -> str:
    """ApiError when a link leads out of its root."""
    try:
        return place.file
    except OutsideError:
        raise invalid("Invalid path") from None


def writable(store: Store, runs: LiveRuns, scope: Scope, place: ArtifactPath) -> None:
    """ApiError unless there is something to write to, and it may be written to."""
    if place.run_id:
        live = runs.get(place.run_id)
        scope.write_run(place.run_id)
        live.check_active()
    elif place.model_id:
        from runner.tracking import models

        try:
            model = models.get(store.root, place.model_id)
        except StoreError:
            raise ApiError(
                "RESOURCE_DOES_NOT_EXIST", f"Logged model with ID '{place.model_id}' not found."
            ) from None
        scope.write("models")
        if model.run_id:
            scope.write_run(model.run_id)
    else:
        scope.write("files")
    check_free(store, place)


def has_models(store: Store) -> bool:
    """Registered ones. To look whether they are protected takes its time: not for the loop that answers everybody."""
    return os.path.isdir(os.path.join(store.root, "registry"))


def check_free(store: Store, place: ArtifactPath) -> None:
    """ApiError for the files of a version that a protected alias or stage holds."""
    if not has_models(store):
        return
    from runner.tracking.registry.sources import held_by

    if held := held_by(store, file_of(place)):
        raise ApiError(
            "PERMISSION_DENIED",
            f"These are the files of {held}, which is protected: they stay as they were approved. Register others as"
            " a new version.",
        )
