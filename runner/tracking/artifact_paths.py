"""Where the path of an artifact leads: into a run, a logged model, or the store's own files. Never out of it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from runner.errors import StoreError
from runner.text.encoding import restored
from runner.typed import NamedTuple

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["ArtifactPath", "OutsideError", "found_file", "inside", "locate"]

# wherever an experiment keeps its artifacts: .../<run id>/artifacts/..., .../models/<model id>/artifacts/...
_RUN = re.compile(r"(?:.*?/)?([0-9a-f]{32})/artifacts(?:/(.*))?\Z", re.DOTALL)
_MODEL = re.compile(r"(?:.*?/)?models/(m-[0-9a-f]{32})/artifacts(?:/(.*))?\Z", re.DOTALL)


class OutsideError(StoreError):
    """A link leads out of the folder of the artifacts."""


class ArtifactPath(NamedTuple):
    root: str  # folder that must not be left
    path: str  # in it, with "/"
    run_id: str = ""
    model_id: str = ""

    @property
    def file(self) -> str:
        """OutsideError when a link leads out of the root."""
        return inside(self.root, self.path)


def locate(store: Store, path: str) -> ArtifactPath:
    """`path`: as behind `mlflow-artifacts:/`, without `..`."""
    if found := _MODEL.match(path):
        return ArtifactPath(
            os.path.join(store.root, "models", found[1], "artifacts"), found[2] or "", "", found[1]
        )
    if found := _RUN.match(path):
        root = os.path.join(store.run_directory(found[1]), "artifacts")
        return ArtifactPath(root, found[2] or "", found[1])
    return ArtifactPath(os.path.join(store.root, "files"), path)


def inside(root: str, path: str) -> str:
    """The file that `path` means below `root`. OutsideError when a link leads out."""
    target = found_file(root, path) if path else root
    top, real = os.path.realpath(root), os.path.realpath(target)
    if real != top and not real.startswith(top + os.sep):
        raise OutsideError(f"the artifact {path!r} leads out of the folder of its artifacts")
    return target


def found_file(root: str, path: str) -> str:
    """The file that `path` means: one whose name is not UTF-8 may be called by its visible name."""
    target = os.path.join(root, path)
    exact = os.path.join(root, restored(path))
    return target if exact == target or os.path.lexists(target) or not os.path.lexists(exact) else exact
