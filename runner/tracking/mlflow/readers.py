"""Which reader a source needs: a server, its database or its folder."""

from __future__ import annotations

import os

from runner.errors import InputError
from runner.tracking.mlflow.foreign_folder import FolderReader
from runner.tracking.mlflow.reader import Reader, local_path

__all__ = ["open_reader"]


def open_reader(source: str, artifacts: str = "") -> Reader:
    """`source`: http(s)://..., sqlite:///FILE, a database file, or an mlruns folder. `artifacts`: the folder that a
    server kept its artifacts in, for a database whose runs say `mlflow-artifacts:`."""
    if source.startswith(("http://", "https://")):
        from runner.tracking.mlflow.foreign_server import ServerReader

        return ServerReader(source)
    path = source.removeprefix("sqlite:///") if source.startswith("sqlite:") else source
    path = local_path(path) or path
    if os.path.isdir(path):
        return FolderReader(path)
    if os.path.isfile(path):
        from runner.tracking.mlflow.foreign_database import DatabaseReader

        return DatabaseReader(path, artifacts)
    raise InputError(
        f"{source!r} is no MLflow server, no database file and no folder",
        "proj import http://host:5000 | mlflow.db | mlruns",
    )
