"""Artifacts of a tracking server, by an address of MLflow: runs:/ID/PATH, mlflow-artifacts:/PATH."""

from __future__ import annotations

import os

from runner.errors import SourceError
from runner.tracking.mlflow.rest import DEEPEST, Refused, Rest
from runner.tracking.mlflow.send_models import proxied

__all__ = ["fetch"]


def fetch(rest: Rest, uri: str, target: str) -> None:
    """The file, or the folder with all that is in it, as `target`. SourceError when it is not there."""
    try:
        path = _place(rest, uri)
        if not _below(rest, path, target):
            _file(rest, path, target)
    except Refused as refused:
        raise SourceError(f"{uri}: {refused.message}", f"is it at {rest.uri}?") from None
    except OSError as error:
        raise SourceError(f"{target} cannot be written: {error.strerror or error}") from error


def _place(rest: Rest, uri: str) -> str:
    """Its path below the server's artifact proxy."""
    if not uri.startswith("runs:"):
        return proxied(uri)
    run, _, path = uri.partition(":")[2].strip("/").partition("/")
    found = rest.get("runs/get", run_id=run)
    with rest.understood():
        root = proxied(str(found["run"]["info"]["artifact_uri"]))
    return f"{root}/{path}".rstrip("/")


def _below(rest: Rest, path: str, target: str, left: int = DEEPEST) -> bool:
    """Whether it is a folder, and then it is there."""
    if not left:
        raise SourceError(f"{rest.uri} has folders in folders without end: {target[-40:]}")
    found = rest.list_files(path)
    for name, is_folder in found:
        inner, place = f"{path}/{name}", os.path.join(target, name)
        os.makedirs(target, exist_ok=True)
        if is_folder:
            _below(rest, inner, place, left - 1)
        else:
            _file(rest, inner, place)
    return bool(found)


def _file(rest: Rest, path: str, target: str) -> None:
    with open(target, "wb") as file:
        file.writelines(rest.get_file(path))
