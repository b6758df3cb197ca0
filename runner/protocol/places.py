"""Where an artifact's path leads: into a run, a logged model, or the store's own files. Never out of it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from runner.errors import StoreError
from runner.protocol.answer import ApiError, invalid
from runner.tracking.local_artifacts import found_file

if TYPE_CHECKING:
    from runner.protocol.live import LiveRuns
    from runner.protocol.scope import Scope
    from runner.tracking.store import Store

__all__ = ["Place", "find", "in_run", "safe", "writable"]

# wherever an experiment keeps its artifacts: .../<run id>/artifacts/..., .../models/<model id>/artifacts/...
_RUN = re.compile(r"(?:.*?/)?([0-9a-f]{32})/artifacts(?:/(.*))?\Z", re.DOTALL)
_MODEL = re.compile(r"(?:.*?/)?models/(m-[0-9a-f]{32})/artifacts(?:/(.*))?\Z", re.DOTALL)


class Place(NamedTuple):
    root: str  # folder that must not be left
    path: str  # in it, with "/"
    run_id: str = ""
    model_id: str = ""

    @property
    def file(self) -> str:
        """ApiError when a link leads out of the root."""
        target = found_file(self.root, self.path) if self.path else self.root
        root = os.path.realpath(self.root)
        real = os.path.realpath(target)
        if real != root and not real.startswith(root + os.sep):
            raise invalid("Invalid path")
        return target


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


def find(store: Store, path: str) -> Place:
    path = safe(path)
    if match := _MODEL.match(path):
        model_id = match.group(1)
        return Place(
            os.path.join(store.root, "models", model_id, "artifacts"), match.group(2) or "", "", model_id
        )
    if match := _RUN.match(path):
        return in_run(store, match.group(1), match.group(2) or "")
    return Place(os.path.join(store.root, "files"), path)


def in_run(store: Store, run_id: str, path: str) -> Place:
    return Place(os.path.join(store.run_directory(run_id), "artifacts"), safe(path), run_id)


def writable(store: Store, runs: LiveRuns, scope: Scope, place: Place) -> None:
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
    from runner.tracking.registry.sources import held_by

    if held := held_by(store, place.file):
        raise ApiError(
            "PERMISSION_DENIED",
            f"These are the files of {held}, which is protected: they stay as they were approved. Register others as"
            " a new version.",
        )
